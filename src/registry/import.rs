//! An import under construction: rows are checked one by one and kept in compact, numbered form.
//!
//! Nothing here compares rows with one another; that is done at the end, in `finish`, so that
//! neither the order of rows nor of tables nor the size of batches can matter.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Area, Channel, Date, DivisionCode, IdScheme, Level, TextColumn};

use super::input::{AnyInput, Mode, Table};
use super::intern::{Codes, Interner};
use super::limits::{ATTRIBUTES_MAX, Caps};
use super::report::{BadRow, Problems, Report};
use super::tables::Product;

/// Where a row came from and what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Of the base revision.
    Base,
    /// Of this import: keep it.
    Keep,
    /// Of this import: delete what has its key.
    Delete,
}

/// A division, pending.
#[derive(Debug, Clone)]
pub(super) struct DivisionRow {
    pub code: DivisionCode,
    pub name: String,
    pub kind: String,
    pub row: u32,
    pub origin: Origin,
}

/// A product, pending.
#[derive(Debug, Clone)]
pub(super) struct ProductRow {
    pub product: u32,
    pub fields: Product,
    pub row: u32,
    pub origin: Origin,
}

/// An enterprise, pending; its name and attributes stand in columns beside.
#[derive(Debug, Clone, Copy)]
pub(super) struct EnterpriseRow {
    pub enterprise: u32,
    pub division: u32,
    pub credit_class: u32,
    pub cluster: u32,
    pub accidents: u32,
    pub row: u32,
    pub status: crate::model::Status,
    pub area: Option<Area>,
    pub origin: Origin,
}

/// Enterprises, pending.
#[derive(Debug, Default)]
pub(super) struct EnterpriseRows {
    pub rows: Vec<EnterpriseRow>,
    pub names: TextColumn,
    /// Columns of texts by number, shorter than `rows` if the rest is empty.
    pub attributes: BTreeMap<String, Vec<u32>>,
}

/// A row of supply, pending: 24 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct SupplyRow {
    pub enterprise: u32,
    pub product: u32,
    pub platform: u32,
    pub sale_division: u32,
    pub row: u32,
    pub channel: Channel,
    pub origin: Origin,
}

/// A risk tier, pending.
#[derive(Debug, Clone, Copy)]
pub(super) struct TierPending {
    pub enterprise: u32,
    pub product: Option<u32>,
    pub valid_from: Option<Date>,
    pub tier: u32,
    pub row: u32,
    pub origin: Origin,
}

/// An inspection, pending.
#[derive(Debug, Clone, Copy)]
pub(super) struct HistoryPending {
    pub enterprise: u32,
    pub product: u32,
    pub sampled_on: Date,
    pub authority: u32,
    pub outcome: u32,
    pub row: u32,
    pub level: Level,
    pub origin: Origin,
}

/// An import under construction, in memory.
///
/// Tables are declared with [`Import::begin`], rows pushed in any order of tables and rows, and
/// the whole is checked by [`Import::finish`]. Problems of single fields are recorded on the way
/// and reported at the end.
#[derive(Debug)]
pub struct Import {
    pub(super) scheme: IdScheme,
    pub(super) mode: Mode,
    pub(super) declared: [bool; 6],
    pub(super) pushed: [u64; 6],
    pub(super) problems: Problems,
    pub(super) caps: Caps,
    /// The first bound of the whole import that was passed; rows are no longer kept after that.
    pub(super) excess: Option<(Table, String)>,
    /// Bytes of text that stand outside the interners and columns.
    pub(super) other_text: u64,
    pub(super) enterprise_ids: Interner,
    pub(super) product_ids: Interner,
    pub(super) texts: Interner,
    pub(super) codes: Codes,
    pub(super) product_attributes: BTreeSet<String>,
    pub(super) divisions: Vec<DivisionRow>,
    pub(super) products: Vec<ProductRow>,
    pub(super) enterprises: EnterpriseRows,
    pub(super) supply: Vec<SupplyRow>,
    pub(super) tiers: Vec<TierPending>,
    pub(super) history: Vec<HistoryPending>,
}

impl Import {
    /// An empty import. `scheme` is the rule of enterprise ids; it matters only if enterprises
    /// are part of the import, else the base revision's is kept.
    #[must_use]
    pub fn new(scheme: IdScheme, mode: Mode) -> Import {
        Import::with_caps(scheme, mode, Caps::default())
    }

    pub(super) fn with_caps(scheme: IdScheme, mode: Mode, caps: Caps) -> Import {
        let mut texts = Interner::default();
        // The empty text is number 0, in `Symbols` as here.
        texts.intern("");
        Import {
            scheme,
            mode,
            declared: [false; 6],
            pushed: [0; 6],
            problems: Problems::default(),
            caps,
            excess: None,
            other_text: 0,
            enterprise_ids: Interner::default(),
            product_ids: Interner::default(),
            texts,
            codes: Codes::default(),
            product_attributes: BTreeSet::new(),
            divisions: Vec::new(),
            products: Vec::new(),
            enterprises: EnterpriseRows::default(),
            supply: Vec::new(),
            tiers: Vec::new(),
            history: Vec::new(),
        }
    }

    /// What the import does to its tables.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Declares that `table` is part of this import, even if no row follows.
    pub fn begin(&mut self, table: Table) {
        self.declared[table.index()] = true;
    }

    /// Number of rows pushed to `table` so far, bad ones included.
    #[must_use]
    pub fn rows(&self, table: Table) -> u64 {
        self.pushed[table.index()]
    }

    /// Number of problems found so far.
    #[must_use]
    pub fn problem_count(&self) -> u64 {
        self.problems.count()
    }

    /// Records a problem that was found before the row could be pushed, e.g. by a file reader.
    pub fn bad_row(&mut self, bad: BadRow) {
        self.count_row(bad.table);
        self.problems.push(bad);
    }

    /// Records all problems of a report, e.g. of a file reader.
    pub fn bad_rows(&mut self, report: Report) {
        for bad in &report.rows {
            // So that a table of nothing but bad rows is not called empty as well.
            self.count_row(bad.table);
        }
        self.problems.absorb(report);
    }

    /// Pushes a row of any table. `row` is the number under which a report names it, from 1.
    pub fn push(&mut self, row: u64, input: &AnyInput<'_>) {
        match input {
            AnyInput::Division(input) => self.push_division(row, input),
            AnyInput::Product(input) => self.push_product(row, input),
            AnyInput::Enterprise(input) => self.push_enterprise(row, input),
            AnyInput::Supply(input) => self.push_supply(row, input),
            AnyInput::Tier(input) => self.push_tier(row, input),
            AnyInput::History(input) => self.push_history(row, input),
        }
    }

    /// Counts a row of `table`.
    pub(super) fn count_row(&mut self, table: Table) {
        self.begin(table);
        self.pushed[table.index()] += 1;
    }

    /// The number under which a checked row can be kept; none if there is no room for it.
    pub(super) fn admit(&mut self, table: Table, row: u64) -> Option<u32> {
        if self.excess.is_some() {
            return None;
        }
        let (rows, rows_max) = (self.pushed[table.index()], self.caps.rows);
        let number = u32::try_from(row).ok();
        if rows > rows_max || number.is_none() {
            self.exceed(table, format!("has more than {rows_max} rows"));
            return None;
        }
        number
    }

    /// Looks after a row has been kept whether the whole still keeps its bounds.
    pub(super) fn settle(&mut self) {
        let bytes = self.enterprise_ids.text_bytes() as u64
            + self.product_ids.text_bytes() as u64
            + self.texts.text_bytes() as u64
            + self.enterprises.names.text_bytes() as u64
            + self.other_text;
        if bytes > self.caps.text_bytes {
            let why = format!("all tables hold more than {} bytes of text", self.caps.text_bytes);
            self.exceed(Table::Enterprises, why);
        }
        if self.texts.len() > self.caps.distinct_texts {
            let why = format!(
                "classes, clusters, attributes, platforms, tiers and outcomes have more than {} \
                 distinct values",
                self.caps.distinct_texts
            );
            self.exceed(Table::Enterprises, why);
        }
        if self.product_attributes.len() > ATTRIBUTES_MAX {
            self.exceed(Table::Products, format!("has more than {ATTRIBUTES_MAX} attributes"));
        }
        if self.enterprises.attributes.len() > ATTRIBUTES_MAX {
            self.exceed(Table::Enterprises, format!("has more than {ATTRIBUTES_MAX} attributes"));
        }
    }

    fn exceed(&mut self, table: Table, why: String) {
        self.excess.get_or_insert((table, why));
    }
}
