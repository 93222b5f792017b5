//! Splitting a level's batches over its authorities.

use std::collections::BTreeMap;

use super::types::{LevelBudget, Split};
use crate::model::DivisionCode;

/// Why a level's batches can't be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The level has fewer eligible units than batches.
    #[error(
        "the level's total of {total} batches is more than its {eligible} eligible units: ask for at most {eligible}"
    )]
    TooFewUnits {
        /// Batches asked for.
        total: u64,
        /// Eligible units of all its authorities.
        eligible: u64,
    },
    /// The floors of all authorities are more than the total.
    #[error(
        "a floor of {floor} batches for each of {authorities} authorities is more than the level's total of {total}"
    )]
    FloorsExceedTotal {
        /// The floor of each.
        floor: u64,
        /// Authorities with an eligible unit.
        authorities: usize,
        /// Batches of the level.
        total: u64,
    },
    /// An authority has fewer eligible units than its floor.
    #[error(
        "the floor of {floor} batches is more than the {units} eligible units of authority {authority}"
    )]
    FloorExceedsUnits {
        /// The authority.
        authority: DivisionCode,
        /// The floor.
        floor: u64,
        /// Its eligible units.
        units: u64,
    },
    /// The table names a division that is no authority of the level.
    #[error(
        "the table gives {batches} batches to {authority}, which is no authority of this level"
    )]
    UnknownAuthority {
        /// The division.
        authority: DivisionCode,
        /// What it was given.
        batches: u64,
    },
    /// The table gives an authority more batches than it has eligible units.
    #[error(
        "the table gives {batches} batches to authority {authority}, which has {units} eligible units"
    )]
    TableExceedsUnits {
        /// The authority.
        authority: DivisionCode,
        /// What it was given.
        batches: u64,
        /// Its eligible units.
        units: u64,
    },
}

/// An authority while batches are shared out.
struct Share {
    index: usize,
    weight: u128,
    /// Most it can get on top of its floor.
    room: u64,
    /// What it gets on top of its floor.
    given: u64,
}

impl LevelBudget {
    /// Splits the level's batches over its authorities, given as code and number of eligible
    /// units, ascending and distinct. The result has the same authorities in the same order and
    /// sums to the total; nobody gets more than its units.
    ///
    /// Part of method `m1`, specified here. By a split: every authority with an eligible unit
    /// gets the floor; the rest is split by largest remainder in proportion to weights: its units,
    /// or ⌊√(units × 10^12)⌋ for the root (an integer, so that every platform agrees), or one.
    /// Remainders are compared exactly; ties go to the smaller code. If that gives any authority
    /// more than its units, all of those get exactly their units and leave, and what remains is
    /// split anew, floors aside, over the others. By a table: what it says, 0 if it says nothing.
    ///
    /// # Errors
    /// If the batches don't fit the units; each error names the numbers and the authority.
    pub fn split(
        &self,
        units: &[(DivisionCode, u64)],
    ) -> Result<Vec<(DivisionCode, u64)>, BudgetError> {
        let eligible: u128 = units.iter().map(|(_, n)| u128::from(*n)).sum();
        if u128::from(self.total) > eligible {
            return Err(BudgetError::TooFewUnits { total: self.total, eligible: eligible as u64 });
        }
        let weight = |n: u64| match self.split {
            Split::Units => u128::from(n),
            Split::Root => (u128::from(n) * 1_000_000_000_000).isqrt(),
            Split::Equal | Split::Table(_) => 1,
        };
        if let Split::Table(table) = &self.split {
            return by_table(table, units);
        }
        let mut shares = Vec::new();
        for (index, (authority, n)) in units.iter().enumerate().filter(|(_, (_, n))| *n > 0) {
            let room = n.checked_sub(self.floor).ok_or(BudgetError::FloorExceedsUnits {
                authority: *authority,
                floor: self.floor,
                units: *n,
            })?;
            shares.push(Share { index, weight: weight(*n), room, given: 0 });
        }
        let authorities = shares.len();
        let floors = u128::from(self.floor) * authorities as u128;
        let rest =
            u128::from(self.total).checked_sub(floors).ok_or(BudgetError::FloorsExceedTotal {
                floor: self.floor,
                authorities,
                total: self.total,
            })?;
        shares.sort_unstable_by_key(|share| units[share.index].0);
        fill(&mut shares, rest as u64);
        let mut result: Vec<_> = units.iter().map(|(code, _)| (*code, 0)).collect();
        for share in &shares {
            result[share.index].1 = self.floor + share.given;
        }
        Ok(result)
    }
}

/// Shares out `rest`, which is at most the room of all. Every round but the last fills at least
/// one share, so there are no more rounds than shares.
fn fill(shares: &mut [Share], mut rest: u64) {
    let mut open: Vec<&mut Share> = shares.iter_mut().collect();
    while !open.is_empty() {
        largest_remainder(&mut open, rest);
        if open.iter().all(|share| share.given <= share.room) {
            return;
        }
        open.retain_mut(|share| {
            let full = share.given > share.room;
            if full {
                share.given = share.room;
                rest -= share.room;
            }
            !full
        });
    }
}

/// Gives `rest` in proportion to weights, each at least 1, by largest remainder; ties go to the
/// earlier.
fn largest_remainder(shares: &mut [&mut Share], rest: u64) {
    let sum: u128 = shares.iter().map(|share| share.weight).sum();
    let mut left = rest;
    let mut remainders = Vec::with_capacity(shares.len());
    for (i, share) in shares.iter_mut().enumerate() {
        // At most 2^24 batches times 2^64: far from the end of 128 bits.
        let part = u128::from(rest) * share.weight;
        share.given = (part / sum) as u64;
        left -= share.given;
        remainders.push((std::cmp::Reverse(part % sum), i));
    }
    remainders.sort_unstable();
    for (_, i) in remainders.into_iter().take(left as usize) {
        shares[i].given += 1;
    }
}

fn by_table(
    table: &BTreeMap<DivisionCode, u64>,
    units: &[(DivisionCode, u64)],
) -> Result<Vec<(DivisionCode, u64)>, BudgetError> {
    let known: BTreeMap<DivisionCode, u64> = units.iter().copied().collect();
    for (authority, batches) in table {
        let (authority, batches) = (*authority, *batches);
        match known.get(&authority) {
            None => return Err(BudgetError::UnknownAuthority { authority, batches }),
            Some(units) if batches > *units => {
                let units = *units;
                return Err(BudgetError::TableExceedsUnits { authority, batches, units });
            }
            Some(_) => {}
        }
    }
    Ok(units.iter().map(|(code, _)| (*code, table.get(code).copied().unwrap_or(0))).collect())
}
