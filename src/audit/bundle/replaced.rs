//! The replacements of a plan as a bundle shows them: with the evidence that the log committed to.

use serde::{Deserialize, Serialize};

use super::county::read_lines;
use crate::audit::log::Ledger;
use crate::audit::report::Check;
use crate::plan::{Document, Replaced, Standing, check_reason};
use crate::policy::Policy;

/// A line that fell out; a line of `replacements.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedReplacement {
    /// Number of the log's entry.
    pub sequence: u64,
    /// Number of the line that fell out.
    pub line: u32,
    /// The line's arc.
    pub arc: u32,
    /// Rank of the unit that took its place; 0 if none was left.
    pub rank: u32,
    /// Number of the line of that unit; 0 if none was left.
    pub taken: u32,
    /// Code of the reason.
    pub reason: String,
    /// What the reason rests on.
    pub evidence: String,
    /// With which the evidence was committed to, 64 hexadecimal digits.
    pub salt: String,
}

/// Checks that every line that fell out gave way to the next unit of its arc, for a reason of the
/// policy, and that the log says the same.
pub(super) fn check(bytes: &[u8], document: &Document, ledger: &Ledger, check: &mut Check) {
    let all: Vec<OpenedReplacement> =
        read_lines(bytes, "the replacements", check).unwrap_or_default();
    let known: &[Replaced] = ledger.replaced(&document.plan.id);
    check.equal(all.len(), known.len(), || "the number of replacements, as the log has it".into());
    for (shown, known) in all.iter().zip(known) {
        let line = shown.line;
        let own = (shown.line, shown.arc, shown.rank, shown.reason.as_str());
        let logged = (known.line, known.arc, known.rank, known.reason.as_str());
        check.equal(own, logged, || format!("the replacement of line {line}, as the log has it"));
        let opens = known.is_opened_by(&shown.salt, &shown.evidence);
        check.require(opens, || format!("the evidence for line {line} is not what was logged"));
    }
    let standing = match Standing::new(document, known) {
        Ok(standing) => standing,
        Err(error) => return check.problem(|| error),
    };
    for (shown, known) in all.iter().zip(known) {
        let taken = standing.instead_of(known).map_or(0, |line| line.line);
        check.equal(shown.taken, taken, || {
            format!("the line that took the place of {}", shown.line)
        });
    }
    if let Ok(policy) = Policy::from_json(&document.policy) {
        for replaced in known {
            let found = check_reason(&policy, &replaced.reason);
            check.require(found.is_ok(), || {
                format!("line {}: {}", replaced.line, super::verify::words(&found))
            });
        }
    }
}
