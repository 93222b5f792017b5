//! What was wrong with an import: the first problems in a fixed order, and how many there are.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;

use super::input::Table;
use super::limits::{REPORT_ROWS_MAX, REPORT_VALUE_CHARS_MAX};
use super::tables::Registry;

/// One problem of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The table.
    pub table: Table,
    /// The row as the source numbers it (the line in a file); 0 if it concerns the whole table.
    pub row: u64,
    /// The field; empty if it concerns the whole row.
    pub field: String,
    /// What was given, cut to [`REPORT_VALUE_CHARS_MAX`] characters.
    pub value: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl BadRow {
    /// A problem; `value` is cut, and control characters in it are replaced.
    #[must_use]
    pub fn new(table: Table, row: u64, field: &str, value: &str, why: impl fmt::Display) -> Self {
        BadRow { table, row, field: shown(field), value: shown(value), why: why.to_string() }
    }

    fn field_place(&self) -> usize {
        self.table.column_names().position(|name| name == self.field).unwrap_or(usize::MAX)
    }
}

/// Foreign text as a report shows it: short, and harmless to a terminal.
pub(super) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(REPORT_VALUE_CHARS_MAX).map(plain).collect()
}

impl Ord for BadRow {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |bad: &BadRow| (bad.table, bad.row, bad.field_place());
        place(self)
            .cmp(&place(other))
            .then_with(|| self.field.cmp(&other.field))
            .then_with(|| self.value.cmp(&other.value))
            .then_with(|| self.why.cmp(&other.why))
    }
}

impl PartialOrd for BadRow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        if self.row > 0 {
            write!(f, " row {}", self.row)?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        if !self.value.is_empty() {
            write!(f, " `{}`", self.value)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// All that was wrong with an import, as far as a report goes.
///
/// The problems are those that come first by table, row and column, whatever the order and the
/// batches in which rows arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The first [`REPORT_ROWS_MAX`] problems, ascending.
    pub rows: Vec<BadRow>,
    /// Number of problems in all; a row can have several.
    pub count: u64,
}

impl Report {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => f.write_str("1 problem")?,
            count => write!(f, "{count} problems")?,
        }
        for bad in &self.rows {
            write!(f, "\n{bad}")?;
        }
        let unlisted = self.count.saturating_sub(self.rows.len() as u64);
        if unlisted > 0 {
            write!(f, "\nand {unlisted} more")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// Collects problems, of which it keeps only the first.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The largest on top, to be thrown out when a smaller one comes.
    first: BinaryHeap<BadRow>,
    count: u64,
}

impl Problems {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Adds a problem. `why` is put into words only if it is kept.
    pub(super) fn add(
        &mut self,
        table: Table,
        row: u64,
        field: &str,
        value: &str,
        why: fmt::Arguments<'_>,
    ) {
        let full = self.first.len() >= REPORT_ROWS_MAX;
        if full && self.first.peek().is_some_and(|last| (table, row) > (last.table, last.row)) {
            self.count += 1;
            return;
        }
        self.push(BadRow::new(table, row, field, value, why));
    }

    pub(super) fn push(&mut self, bad: BadRow) {
        self.count += 1;
        self.first.push(bad);
        if self.first.len() > REPORT_ROWS_MAX {
            self.first.pop();
        }
    }

    /// Adds all problems of another report.
    pub(super) fn absorb(&mut self, report: Report) {
        self.count += report.count.saturating_sub(report.rows.len() as u64);
        for bad in report.rows {
            self.push(bad);
        }
    }

    pub(super) fn report(self) -> Report {
        Report { rows: self.first.into_sorted_vec(), count: self.count }
    }
}

/// Number of rows of each table of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Administrative divisions.
    pub divisions: u64,
    /// Products.
    pub products: u64,
    /// Enterprises.
    pub enterprises: u64,
    /// Rows of supply.
    pub supply: u64,
    /// Risk tiers.
    pub tiers: u64,
    /// Inspections.
    pub history: u64,
}

impl Counts {
    /// The number of rows of `table`.
    #[must_use]
    pub fn get(&self, table: Table) -> u64 {
        match table {
            Table::Divisions => self.divisions,
            Table::Products => self.products,
            Table::Enterprises => self.enterprises,
            Table::Supply => self.supply,
            Table::Tiers => self.tiers,
            Table::History => self.history,
        }
    }
}

impl Registry {
    /// Number of rows of each table.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            divisions: self.divisions.len() as u64,
            products: self.products.len() as u64,
            enterprises: self.enterprises.len() as u64,
            supply: self.supply.len() as u64,
            tiers: self.tiers.len() as u64,
            history: self.history.len() as u64,
        }
    }
}
