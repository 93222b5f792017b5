//! Rows with equal keys: duplicates within an import, and what an upsert makes of the base's.

use super::import::{HistoryPending, Origin, SupplyRow, TierPending};
use super::input::Table;
use super::report::Problems;
use crate::model::Date;

/// A pending row whose numbers have been replaced by ranks, so that it compares as its texts do.
pub(super) trait Pending: Copy {
    /// What makes a row the same row.
    type Key: Ord;
    fn key(&self) -> Self::Key;
    fn row(&self) -> u32;
    fn origin(&self) -> Origin;
}

/// A row whose key is one id; the rest stands elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indexed<K> {
    pub key: K,
    pub index: u32,
    pub row: u32,
    pub origin: Origin,
}

impl<K: Ord + Copy> Pending for Indexed<K> {
    type Key = K;
    fn key(&self) -> K {
        self.key
    }
    fn row(&self) -> u32 {
        self.row
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

impl Pending for SupplyRow {
    type Key = (u32, u32, u8, u32, u32);
    fn key(&self) -> Self::Key {
        (self.enterprise, self.product, self.channel as u8, self.platform, self.sale_division)
    }
    fn row(&self) -> u32 {
        self.row
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

impl Pending for TierPending {
    type Key = (u32, Option<u32>, Option<Date>);
    fn key(&self) -> Self::Key {
        (self.enterprise, self.product, self.valid_from)
    }
    fn row(&self) -> u32 {
        self.row
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

impl Pending for HistoryPending {
    type Key = (u32, u32, Date, u8, u32, u32);
    fn key(&self) -> Self::Key {
        let level = self.level as u8;
        (self.enterprise, self.product, self.sampled_on, level, self.authority, self.outcome)
    }
    fn row(&self) -> u32 {
        self.row
    }
    fn origin(&self) -> Origin {
        self.origin
    }
}

/// Sorts `rows` by key and leaves one row for each key that the new revision has.
///
/// `name` tells the field and value by which a report names a row's key.
pub(super) fn merge<T: Pending>(
    table: Table,
    rows: &mut Vec<T>,
    problems: &mut Problems,
    name: impl Fn(&T) -> (&'static str, String),
) {
    rows.sort_unstable_by(|a, b| {
        // Base rows first, then by row number: the first of an import's own is the one that
        // the report of a later one names.
        let place = |row: &T| (row.origin() != Origin::Base, row.row(), row.origin());
        a.key().cmp(&b.key()).then_with(|| place(a).cmp(&place(b)))
    });
    let mut kept = 0;
    let mut start = 0;
    while start < rows.len() {
        let key = rows[start].key();
        let mut end = start + 1;
        while end < rows.len() && rows[end].key() == key {
            end += 1;
        }
        let group = &rows[start..end];
        let in_base = group[0].origin() == Origin::Base;
        let own = &group[usize::from(in_base)..];
        for again in own.iter().skip(1) {
            let (field, value) = name(again);
            let first = own[0].row();
            let why = format_args!("is in row {first} already");
            problems.add(table, u64::from(again.row()), field, &value, why);
        }
        let row = own.first().copied().unwrap_or(group[0]);
        if row.origin() == Origin::Delete {
            if !in_base {
                let (field, value) = name(&row);
                let why = format_args!("cannot be deleted: the base revision has no such row");
                problems.add(table, u64::from(row.row()), field, &value, why);
            }
        } else {
            rows[kept] = row;
            kept += 1;
        }
        start = end;
    }
    rows.truncate(kept);
}
