//! Replacements: which unit takes the place of a line that falls out in the field.
//!
//! The plan file never changes. A line that falls out gives way to the next replacement unit of its
//! arc that none has taken yet, in the order of their ranks; nobody chooses. What was taken is
//! appended to the log. docs/METHOD.md, "Replacements".

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Document, Line};
use crate::model::{Digest, FramedHasher, Level};
use crate::policy::{Policy, ReasonKind};

/// A line that fell out, and the replacement unit that took its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Number of the line that fell out; it may be that of a replacement unit.
    pub line: u32,
    /// The line's arc.
    pub arc: u32,
    /// Rank of the unit that took its place; 0 if none was left.
    pub rank: u32,
    /// Code of the reason.
    pub reason: String,
    /// Commitment to what the reason rests on.
    pub evidence: Digest,
}

/// The commitment to what a reason rests on: it can be shown later, and not be guessed before.
#[must_use]
pub fn evidence_commitment(salt: &[u8; 32], text: &str) -> Digest {
    FramedHasher::new("spotcheck/m1/evidence").field(salt).field(text.as_bytes()).finish()
}

impl Replaced {
    /// Whether a salt, as 64 hexadecimal digits, and a text open the commitment to the evidence.
    #[must_use]
    pub fn is_opened_by(&self, salt: &str, text: &str) -> bool {
        let mut bytes = [0; 32];
        hex::decode_to_slice(salt, &mut bytes).is_ok()
            && evidence_commitment(&bytes, text) == self.evidence
    }
}

/// Why a line is not replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The plan has no such line.
    #[error("plan `{plan}` has no line {line}: it has 1 to {last}")]
    NoLine {
        /// The plan.
        plan: String,
        /// The number.
        line: u32,
        /// The last line.
        last: usize,
    },
    /// The line is a replacement unit that stands by.
    #[error("line {line} is replacement unit {rank} of its list and stands by: it is not sampled")]
    StandsBy {
        /// The line.
        line: u32,
        /// Its rank.
        rank: u32,
    },
    /// The line fell out before.
    #[error("line {line} fell out before, for `{reason}`; {instead}")]
    FellOut {
        /// The line.
        line: u32,
        /// The reason.
        reason: String,
        /// What took its place, in words.
        instead: String,
    },
    /// The reason is not among the policy's.
    #[error("`{code}` is no reason of the policy: it has {known}")]
    Reason {
        /// The code.
        code: String,
        /// The codes there are.
        known: String,
    },
}

/// What happens to a line that falls out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next<'a> {
    /// The line that falls out.
    pub out: &'a Line,
    /// The replacement unit that takes its place; none if none is left.
    pub taken: Option<&'a Line>,
}

impl Next<'_> {
    /// The rank that the log keeps.
    #[must_use]
    pub fn rank(&self) -> u32 {
        self.taken.map_or(0, |line| line.replacement_rank)
    }
}

/// A plan's lines with what has become of them.
pub struct Standing<'a> {
    document: &'a Document,
    /// Replacement units by arc and rank.
    spares: HashMap<(u32, u32), &'a Line>,
    /// How many replacement units of each arc were taken.
    taken: HashMap<u32, u32>,
    /// What became of the lines that fell out.
    out: HashMap<u32, &'a Replaced>,
    /// Replacement units that took a place.
    inside: HashSet<u32>,
}

impl<'a> Standing<'a> {
    /// A plan after some replacements, in the order of the log.
    ///
    /// # Errors
    /// With what is wrong, if they are not the replacements that the plan prescribes.
    pub fn new(document: &'a Document, done: &'a [Replaced]) -> Result<Self, String> {
        let spares = document.lines.iter().filter(|line| line.replacement_rank > 0);
        let mut standing = Standing {
            document,
            spares: spares.map(|line| ((line.arc, line.replacement_rank), line)).collect(),
            taken: HashMap::new(),
            out: HashMap::new(),
            inside: HashSet::new(),
        };
        for (number, replaced) in done.iter().enumerate() {
            standing.apply(replaced).map_err(|why| format!("replacement {}: {why}", number + 1))?;
        }
        Ok(standing)
    }

    fn apply(&mut self, replaced: &'a Replaced) -> Result<(), String> {
        let next = self.next(replaced.line).map_err(|error| error.to_string())?;
        let found = (replaced.arc, replaced.rank);
        let expected = (next.out.arc, next.rank());
        if found != expected {
            return Err(format!(
                "line {} gave way to unit {} of arc {}, where unit {} of arc {} is next",
                replaced.line, found.1, found.0, expected.1, expected.0
            ));
        }
        if let Some(taken) = next.taken {
            self.taken.insert(replaced.arc, taken.replacement_rank);
            self.inside.insert(taken.line);
        }
        self.out.insert(replaced.line, replaced);
        Ok(())
    }

    /// What happens if a line falls out now.
    ///
    /// # Errors
    /// If it is none that is to be sampled.
    pub fn next(&self, line: u32) -> Result<Next<'a>, ReplaceError> {
        let lines = &self.document.lines;
        let place = (line as usize).checked_sub(1);
        let Some(out) = place.and_then(|place| lines.get(place)) else {
            let plan = self.document.plan.id.clone();
            return Err(ReplaceError::NoLine { plan, line, last: lines.len() });
        };
        if let Some(replaced) = self.out.get(&line) {
            let taken = self.spares.get(&(replaced.arc, replaced.rank));
            let instead = taken.map_or_else(
                || "no replacement unit was left".to_owned(),
                |taken| format!("line {} took its place", taken.line),
            );
            let reason = replaced.reason.clone();
            return Err(ReplaceError::FellOut { line, reason, instead });
        }
        let rank = out.replacement_rank;
        if rank > 0 && !self.inside.contains(&line) {
            return Err(ReplaceError::StandsBy { line, rank });
        }
        let rank = self.taken.get(&out.arc).copied().unwrap_or(0) + 1;
        Ok(Next { out, taken: self.spares.get(&(out.arc, rank)).copied() })
    }

    /// The replacement unit that took the place of a line, if one did.
    #[must_use]
    pub fn instead_of(&self, replaced: &Replaced) -> Option<&'a Line> {
        self.spares.get(&(replaced.arc, replaced.rank)).copied()
    }

    /// The lines that are to be sampled as it is.
    pub fn lines(&self) -> impl Iterator<Item = &'a Line> + '_ {
        let stands = |line: &&Line| {
            !self.out.contains_key(&line.line)
                && (line.replacement_rank == 0 || self.inside.contains(&line.line))
        };
        self.document.lines.iter().filter(stands)
    }

    /// How often the lines of each authority fell out, in the order of authorities.
    #[must_use]
    pub fn rates(&self, policy: &Policy) -> Vec<Rate> {
        let mut rates: BTreeMap<(Level, String), Rate> = BTreeMap::new();
        for row in &self.document.allocation.authorities {
            let key = (row.level, row.authority.to_string());
            let rate = Rate { level: row.level, authority: key.1.clone(), ..Rate::default() };
            rates.insert(key, Rate { batches: row.batches, ..rate });
        }
        for replaced in self.out.values() {
            let Some(line) = self.document.lines.get(replaced.line as usize - 1) else { continue };
            let Some(rate) = rates.get_mut(&(line.level, line.authority.to_string())) else {
                continue;
            };
            match policy.reason(&replaced.reason) {
                Some(reason) if reason.kind == ReasonKind::OutOfScope => rate.out_of_scope += 1,
                _ => rate.non_response += 1,
            }
            rate.lost += u64::from(replaced.rank == 0);
        }
        rates.into_values().collect()
    }
}

/// How often the lines of one authority fell out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rate {
    /// Level.
    pub level: Level,
    /// Code of the authority.
    pub authority: String,
    /// Its batches.
    pub batches: u64,
    /// Lines that turned out not to be what the frame said.
    pub out_of_scope: u64,
    /// Lines that could not be sampled although they are.
    pub non_response: u64,
    /// Of both: lines without a replacement unit, so that a batch is missing.
    pub lost: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Rate {
            level: Level::Province,
            authority: String::new(),
            batches: 0,
            out_of_scope: 0,
            non_response: 0,
            lost: 0,
        }
    }
}

impl Rate {
    /// Lines that fell out.
    #[must_use]
    pub fn fell_out(&self) -> u64 {
        self.out_of_scope + self.non_response
    }
}

/// Checks a reason's code.
///
/// # Errors
/// If the policy has no such reason.
pub fn check_reason(policy: &Policy, code: &str) -> Result<(), ReplaceError> {
    if policy.reason(code).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = policy.reasons().iter().map(|reason| reason.code.as_str()).collect();
    let code = code.chars().take(64).collect();
    Err(ReplaceError::Reason { code, known: known.join(", ") })
}
