//! What the recount found: one entry for each check, with the first problems in words.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Most problems of one check that are told in words; all are counted.
pub const PROBLEMS_SHOWN: usize = 20;

/// Longest text of one problem in characters: a hostile file must not fill the screen.
const PROBLEM_CHARS_MAX: usize = 400;

/// What [`verify`](super::verify) found in a plan file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The plan's id as the file gives it; none if the file can't be read.
    pub plan: Option<String>,
    /// The part that the file is of, e.g. `county 370102`; none for a whole plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// All checks, always the same ones in the same order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A stable name.
    pub name: &'static str,
    /// What is checked, in a sentence.
    pub what: &'static str,
    /// How many things were checked; 0 if the check was skipped.
    pub count: u64,
    /// The first [`PROBLEMS_SHOWN`] problems; each names the row or line and the values.
    pub problems: Vec<String>,
    /// How many problems there are.
    pub problem_count: u64,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $what:literal)+) => {
        /// Which check.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Kind { $($kind),+ }

        impl Kind {
            /// All checks in the order of the report.
            pub(super) const ALL: &'static [Kind] = &[$(Kind::$kind),+];

            fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),+ }
            }

            fn what(self) -> &'static str {
                match self { $(Kind::$kind => $what),+ }
            }
        }
    };
}

kinds! {
    Readable "readable" "the file is one plan with all of its fields and no other"
    Canonical "canonical" "the file's text is the one text that a plan has"
    Policy "policy" "the policy is sound, in canonical form, and the frame was made for it"
    Keys "keys" "input digest, seed digest and plan id follow from frame, policy and seed"
    Structure "structure" "columns, dictionaries and references fit together"
    Rules "rules" "no arc is excluded by the policy, and certainty follows its rules"
    Budgets "budgets" "budgets follow from the policy, and every authority's batches use them up"
    Cells "cells" "no cell is over its units, none is at zero, certain ones are taken whole"
    Nodes "nodes" "every total of both families is its expectation rounded down or up"
    Certificate "certificate" "every row of the certificate is the sum of nodes that it says"
    Compliance "compliance" "every quota row is complete, recounted from the lines, and holds"
    Totals "totals" "the head's and the frame's totals are those of the tables"
    Price "price" "the percentiles of the price of the quotas follow from cells and weights"
    LineOrder "line_order" "lines and replacement ranks are numbered and ordered as specified"
    LineCounts "line_counts" "every arc has as many lines as it was given batches"
    LineFacts "line_facts" "every line says what its cell, its arc and its enterprise say"
    Probability "probability" "every line's probability is exact and in lowest terms"
    Disjoint "disjoint" "no unit stands on two lines"
    Lots "lots" "every lot is the SHA-256 of the sub-key and the unit's id"
    LotOrder "lot_order" "the units of every cell are taken strictly in the order of their lots"
    Window "window" "no unit comes before the first wave that its no-repeat window allows"
    Waves "waves" "waves add up, and inside an authority they follow the wave lots"
    Replacements "replacements" "replacement units come from the own cell first, then from equals"
}

impl Report {
    /// Whether every check was made and found no problem.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::holds)
    }

    /// The check of that name.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl Check {
    /// An empty check.
    pub(super) fn new(kind: Kind) -> Self {
        Check::named(kind.name(), kind.what())
    }

    /// An empty check that is not of a plan file alone.
    pub(super) fn named(name: &'static str, what: &'static str) -> Self {
        Check { name, what, count: 0, problems: Vec::new(), problem_count: 0 }
    }

    /// Whether no problem was found.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.problem_count == 0
    }

    /// Notes a problem; `problem` is only put into words if it will be shown.
    pub(super) fn problem(&mut self, problem: impl FnOnce() -> String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_SHOWN {
            self.problems.push(printable(&problem()));
        }
    }

    /// Counts a thing as checked, and notes a problem unless it is `sound`.
    pub(super) fn require(&mut self, sound: bool, problem: impl FnOnce() -> String) {
        self.count += 1;
        if !sound {
            self.problem(problem);
        }
    }

    /// Counts a thing as checked, and notes a problem unless the file says what was recounted.
    pub(super) fn equal<T: PartialEq + fmt::Debug>(
        &mut self,
        written: T,
        recounted: T,
        what: impl FnOnce() -> String,
    ) {
        let sound = written == recounted;
        let words = || format!("{} is {written:?}, recounted {recounted:?}", what());
        self.require(sound, words);
    }

    /// Adds what a part of the same check found.
    pub(super) fn absorb(&mut self, part: Check) {
        self.count += part.count;
        self.problem_count += part.problem_count;
        let room = PROBLEMS_SHOWN - self.problems.len().min(PROBLEMS_SHOWN);
        self.problems.extend(part.problems.into_iter().take(room));
    }
}

/// On one line, without anything that could steer a terminal, and not too long.
fn printable(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown = String::new();
    for c in chars.by_ref().take(PROBLEM_CHARS_MAX) {
        if c.is_control() { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Collects checks as they are made, in any order.
#[derive(Default)]
pub(super) struct Ledger(BTreeMap<Kind, Check>);

impl Ledger {
    /// Makes one check.
    pub(super) fn make(&mut self, kind: Kind, make: impl FnOnce(&mut Check)) -> bool {
        let check = self.0.entry(kind).or_insert_with(|| Check::new(kind));
        make(check);
        check.holds()
    }

    /// Adds what was found elsewhere.
    pub(super) fn absorb(&mut self, kind: Kind, part: Check) {
        self.0.entry(kind).or_insert_with(|| Check::new(kind)).absorb(part);
    }

    /// Takes over all checks of another ledger.
    pub(super) fn join(&mut self, other: Ledger) {
        for (kind, part) in other.0 {
            self.absorb(kind, part);
        }
    }

    /// The report. A check that was not made fails, because of the check `broken`.
    pub(super) fn report(mut self, plan: Option<String>, broken: Kind) -> Report {
        let skipped = |kind: Kind| {
            let mut check = Check::new(kind);
            check.problem(|| format!("not checked, because `{}` failed", broken.name()));
            check
        };
        let entry = |kind: &Kind| self.0.remove(kind).unwrap_or_else(|| skipped(*kind));
        Report { plan, part: None, checks: Kind::ALL.iter().map(entry).collect() }
    }
}

/// A table: verdict, name, number of things checked and meaning, problems below their check.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan.as_deref().map_or("unreadable".to_owned(), printable);
        let verdict = if self.holds() { "holds" } else { "DOES NOT HOLD" };
        writeln!(f, "plan {plan} {verdict}")?;
        for check in &self.checks {
            let verdict = if check.holds() { "ok" } else { "FAIL" };
            let (name, count) = (check.name, check.count);
            writeln!(f, "{verdict:<5}{name:<13}{count:>9}  {}", check.what)?;
            for problem in &check.problems {
                writeln!(f, "       - {problem}")?;
            }
            let more = check.problem_count.saturating_sub(check.problems.len() as u64);
            if more > 0 {
                writeln!(f, "       - and {more} more")?;
            }
        }
        Ok(())
    }
}
