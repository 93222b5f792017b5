//! From TOML and JSON to a draft and a policy, with the line of everything that is wrong.

use toml::de::{DeTable, DeValue};

use super::draft::{Draft, DraftBudget};
use super::error::{PolicyError, PolicyErrors};
use super::node::{Node, Value, read_all};
use super::types::Policy;

/// Most bytes of a policy's text: a thousand quotas with long filters fit many times.
pub const POLICY_BYTES_MAX: usize = 1 << 20;
/// Most errors of syntax that are reported.
const SYNTAX_ERRORS_MAX: usize = 20;

impl Draft {
    /// Reads the TOML of a policy, without looking at what it means.
    ///
    /// # Errors
    /// All errors of syntax; or, where there is none, all unknown keys and values of a wrong
    /// kind. Each names its key and its line.
    pub fn from_toml(text: &str) -> Result<Draft, PolicyErrors> {
        let root = parse(text)?;
        let lines = root.lines();
        let (draft, errors, _) = read_all(root);
        if errors.is_empty() {
            return Ok(draft);
        }
        let mut errors = PolicyErrors(errors);
        errors.locate(&lines);
        Err(errors)
    }
}

impl Policy {
    /// Reads and checks the TOML of a policy.
    ///
    /// # Errors
    /// Everything that is wrong, each with its key and its line.
    pub fn from_toml(text: &str) -> Result<Policy, PolicyErrors> {
        let root = parse(text)?;
        let lines = root.lines();
        policy(root).map_err(|mut errors| {
            errors.locate(&lines);
            errors
        })
    }

    /// Reads and checks a policy in the JSON of [`Policy::to_json`] or in any JSON of the same
    /// shape as the TOML.
    ///
    /// # Errors
    /// Everything that is wrong, each with its key.
    pub fn from_json(value: &serde_json::Value) -> Result<Policy, PolicyErrors> {
        policy(from_json(value))
    }
}

/// Reads and checks. Where the form is wrong somewhere, what else is found in the same quota or
/// table is left out: it may only follow from that.
fn policy(root: Node) -> Result<Policy, PolicyErrors> {
    let (mut draft, mut errors, aligned): (Draft, _, _) = read_all(root);
    if errors.iter().any(|error| error.head() == "budget") {
        // What is left of it must not be taken for all that was asked for.
        draft.budget = DraftBudget::default();
    }
    match draft.check() {
        Ok(policy) if errors.is_empty() => Ok(policy),
        Ok(_) => Err(PolicyErrors(errors)),
        Err(found) => {
            let malformed = errors.len();
            if aligned {
                for error in found {
                    if errors[..malformed].iter().all(|e| e.head() != error.head()) {
                        errors.push(error);
                    }
                }
            }
            Err(PolicyErrors(errors))
        }
    }
}

fn parse(text: &str) -> Result<Node, PolicyErrors> {
    if text.len() > POLICY_BYTES_MAX {
        let expected = format!("a text of at most {POLICY_BYTES_MAX} bytes");
        let found = format!("{} bytes", text.len());
        return Err(PolicyErrors(vec![PolicyError::new("", &found, expected)]));
    }
    let line_of = Lines::new(text);
    let (root, faults) = DeTable::parse_recoverable(text);
    if faults.is_empty() {
        return Ok(table(1, root.get_ref(), &line_of));
    }
    let error = |fault: &toml::de::Error| {
        let start = fault.span().map_or(0, |span| span.start);
        let line = line_of.at(start);
        let written = text.lines().nth(line as usize - 1).unwrap_or_default().trim();
        let found = if written.is_empty() { "an empty line" } else { written };
        let expected = format!("TOML ({})", fault.message());
        PolicyError { line: Some(line), ..PolicyError::new("", found, expected) }
    };
    Err(PolicyErrors(faults.iter().take(SYNTAX_ERRORS_MAX).map(error).collect()))
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Lines(std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect())
    }

    /// The line of the byte at `offset`, counted from 1.
    fn at(&self, offset: usize) -> u32 {
        self.0.partition_point(|start| *start <= offset) as u32
    }
}

fn table(line: u32, table: &DeTable<'_>, lines: &Lines) -> Node {
    let entry = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &_)| {
        let line = lines.at(key.span().start);
        (key.get_ref().to_string(), node(line, value, lines))
    };
    Node { line: Some(line), value: Value::Table(table.iter().map(entry).collect()) }
}

fn node(line: u32, value: &toml::Spanned<DeValue<'_>>, lines: &Lines) -> Node {
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Number(integer.to_string()),
        },
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        // A date without quotes is the same as one in quotes.
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(items) => {
            let item =
                |item: &toml::Spanned<DeValue<'_>>| node(lines.at(item.span().start), item, lines);
            Value::List(items.iter().map(item).collect())
        }
        DeValue::Table(entries) => return table(line, entries, lines),
    };
    Node { line: Some(line), value }
}

fn from_json(value: &serde_json::Value) -> Node {
    use serde_json::Value as Json;
    let value = match value {
        Json::Null => Value::Gone,
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Number(number.to_string()),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(entries) => {
            Value::Table(entries.iter().map(|(key, v)| (key.clone(), from_json(v))).collect())
        }
    };
    Node { line: None, value }
}
