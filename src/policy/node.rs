//! A parsed text or JSON value as one tree that knows its lines, and reading data from it.
//!
//! Serde's readers stop at the first error and name no key. Here every error carries its path,
//! and [`read_all`] takes what is wrong out of the tree and reads again until nothing is.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

use super::error::PolicyError;

/// Most errors of form that are looked for.
const FAULTS_MAX: usize = 100;
/// Most characters of a wrong value that an error repeats.
pub(super) const FOUND_CHARS_MAX: usize = 80;

/// A value and the line it begins on.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: Option<u32>,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Found wrong and taken out.
    Gone,
    Flag(bool),
    Integer(i64),
    /// A number that is no 64-bit integer, as written. No key takes one.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

/// One step from a node to a node in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What was wrong, with the steps to it from the inside out.
#[derive(Debug)]
pub(super) struct Fault {
    steps: Vec<Step>,
    value: String,
    expected: String,
}

/// Reads as much of a `T` as is well-formed; the rest keeps its defaults.
///
/// The flag tells whether the paths of the result are those of the text: they are not once an
/// element of a list was taken out.
pub(super) fn read_all<T: DeserializeOwned + Default>(
    mut root: Node,
) -> (T, Vec<PolicyError>, bool) {
    let mut errors = Vec::new();
    let mut aligned = true;
    while errors.len() < FAULTS_MAX {
        let mut fault = match T::deserialize(&root) {
            Ok(value) => return (value, errors, aligned),
            Err(fault) => fault,
        };
        fault.steps.reverse();
        errors.push(PolicyError::new(&path_of(&fault.steps), &fault.value, fault.expected));
        aligned &= !matches!(fault.steps.last(), Some(Step::Index(_)));
        if !root.take_out(&fault.steps) {
            break;
        }
    }
    (T::default(), errors, false)
}

fn path_of(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) => push_key(&mut path, key),
            Step::Index(index) => push_index(&mut path, *index),
        }
    }
    path
}

fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

fn push_index(path: &mut String, index: usize) {
    path.push_str(&format!("[{index}]"));
}

impl Node {
    /// The line of every path.
    pub(super) fn lines(&self) -> BTreeMap<String, u32> {
        let mut lines = BTreeMap::new();
        self.collect_lines(&mut String::new(), &mut lines);
        lines
    }

    fn collect_lines(&self, path: &mut String, lines: &mut BTreeMap<String, u32>) {
        if let Some(line) = self.line {
            lines.insert(path.clone(), line);
        }
        let length = path.len();
        match &self.value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    push_index(path, index);
                    item.collect_lines(path, lines);
                    path.truncate(length);
                }
            }
            Value::Table(entries) => {
                for (key, node) in entries {
                    push_key(path, key);
                    node.collect_lines(path, lines);
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }

    /// Takes out the node at `steps`; false if it is the whole tree or not there.
    fn take_out(&mut self, steps: &[Step]) -> bool {
        if steps.is_empty() {
            return false;
        }
        let mut node = self;
        for step in steps {
            let next = match (&mut node.value, step) {
                (Value::Table(entries), Step::Key(key)) => {
                    entries.iter_mut().find(|(k, _)| k == key).map(|(_, node)| node)
                }
                (Value::List(items), Step::Index(index)) => items.get_mut(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => return false,
            }
        }
        !matches!(std::mem::replace(&mut node.value, Value::Gone), Value::Gone)
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match &self.value {
            Value::Gone => Unexpected::Unit,
            Value::Flag(flag) => Unexpected::Bool(*flag),
            Value::Integer(integer) => Unexpected::Signed(*integer),
            Value::Number(text) | Value::Text(text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Seq,
            Value::Table(_) => Unexpected::Map,
        }
    }
}

/// How to write a number that is no integer.
fn exact_form(number: &str) -> String {
    let decimal = number.contains('.') && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if decimal {
        format!("a whole number or, for a share, an exact decimal in quotes: \"{number}\"")
    } else {
        "a whole number below 2^63 or, for a share, an exact decimal in quotes such as \"30%\""
            .to_owned()
    }
}

impl Fault {
    fn found(unexpected: &Unexpected<'_>, expected: &dyn Expected) -> Self {
        let value = match unexpected {
            Unexpected::Bool(flag) => flag.to_string(),
            Unexpected::Signed(integer) => integer.to_string(),
            Unexpected::Unsigned(integer) => integer.to_string(),
            Unexpected::Str("") => "\"\"".to_owned(),
            Unexpected::Str(text) => (*text).to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a table".to_owned(),
            other => other.to_string(),
        };
        let expected = match expected.to_string().as_str() {
            "a string" => "a text in quotes".to_owned(),
            "u64" => "a whole number, 0 or more".to_owned(),
            "a sequence" => "a list in [ ]".to_owned(),
            "a map" => "a table".to_owned(),
            other => other.to_owned(),
        };
        Fault { steps: Vec::new(), value, expected }
    }

    fn at(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "found `{}`; expected {}", self.value, self.expected)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault { steps: Vec::new(), value: String::new(), expected: message.to_string() }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault::found(&unexpected, expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault::found(&unexpected, expected)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let expected = format!("one of the keys {}", known.join(", "));
        Fault { steps: Vec::new(), value: field.to_owned(), expected }
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Gone => visitor.visit_unit(),
            Value::Flag(flag) => visitor.visit_bool(*flag),
            Value::Integer(integer) => visitor.visit_i64(*integer),
            Value::Number(text) => {
                let expected = exact_form(text);
                Err(Fault { steps: Vec::new(), value: text.clone(), expected })
            }
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    /// Only from a table: a derived reader would take a list of the fields' values too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Table(_) | Value::Number(_) => self.deserialize_any(visitor),
            _ => Err(Fault::found(&self.unexpected(), &"a table")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Items<'de> {
    items: &'de [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        while let Some(node) = self.items.get(self.next) {
            let index = self.next;
            self.next += 1;
            if !matches!(node.value, Value::Gone) {
                return seed.deserialize(node).map(Some).map_err(|f| f.at(Step::Index(index)));
            }
        }
        Ok(None)
    }
}

struct Entries<'de> {
    entries: &'de [(String, Node)],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        while let Some((key, node)) = self.entries.get(self.next) {
            if matches!(node.value, Value::Gone) {
                self.next += 1;
                continue;
            }
            let read = seed.deserialize(BorrowedStrDeserializer::new(key));
            return read.map(Some).map_err(|f: Fault| f.at(Step::Key(key.clone())));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.entries.get(self.next) else {
            return Err(de::Error::custom("a key before its value"));
        };
        self.next += 1;
        seed.deserialize(node).map_err(|f| f.at(Step::Key(key.clone())))
    }
}
