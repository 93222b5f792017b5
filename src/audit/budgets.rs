//! Budgets: split anew from the policy, and used up exactly.

use std::cmp::Reverse;

use crate::model::Level;
use crate::policy::{LevelBudget, Split};

use super::report::Check;
use super::view::{BATCH, View};

/// Checks the units and batches of every authority, and the sums over its arcs.
pub(super) fn check(view: &View<'_>, check: &mut Check) {
    let list = &view.document.allocation.authorities;
    let (mut units, mut x, mut n) =
        (vec![0u64; list.len()], vec![0u128; list.len()], vec![0u64; list.len()]);
    for cell in 0..view.cells.units.len() {
        let mut last = None;
        for arc in view.arcs_of(cell) {
            let place = view.authority(arc) as usize;
            // The arcs of a cell ascend by level, so each authority's stand together.
            if last != Some(place) {
                units[place] += u64::from(view.cells.units[cell]);
                last = Some(place);
            }
            x[place] += u128::from(view.arcs.x[arc]);
            n[place] += u64::from(view.arcs.n[arc]);
        }
    }
    for (place, row) in list.iter().enumerate() {
        let who = || format!("{} {}", row.level, row.authority);
        // Without batches an authority has no arcs, and its units can't be counted.
        if row.batches > 0 {
            check.equal(row.units, units[place], || format!("{}: units", who()));
        }
        check.require(row.batches <= row.units, || {
            format!("{}: {} batches are more than {} units", who(), row.batches, row.units)
        });
        let whole = u128::from(row.batches) * u128::from(BATCH);
        check.equal(x[place], whole, || format!("{}: the sum of x over its arcs", who()));
        check.equal(n[place], row.batches, || format!("{}: the sum of n over its arcs", who()));
    }
    for level in view.policy.levels() {
        if let Some(budget) = &view.policy.budget[level.index()] {
            check_level(view, level, budget, check);
        }
    }
}

fn check_level(view: &View<'_>, level: Level, budget: &LevelBudget, check: &mut Check) {
    let list = &view.document.allocation.authorities;
    let own: Vec<_> = list.iter().filter(|row| row.level == level).collect();
    let sum: u128 = own.iter().map(|row| u128::from(row.batches)).sum();
    check.equal(sum, u128::from(budget.total), || format!("{level}: the sum of all batches"));
    let units: Vec<u64> = own.iter().map(|row| row.units).collect();
    let expected = match &budget.split {
        Split::Table(table) => {
            let listed = table.keys().all(|code| own.iter().any(|row| row.authority == *code));
            check.require(listed, || {
                format!("{level}: the policy's table names a division that is no authority")
            });
            let row = |code| table.get(code).copied().unwrap_or(0);
            Some(own.iter().map(|authority| row(&authority.authority)).collect())
        }
        split => split_anew(budget, split, &units),
    };
    let Some(expected) = expected else {
        let (total, floor) = (budget.total, budget.floor);
        check.problem(|| {
            format!("{level}: {total} batches and a floor of {floor} don't fit the units")
        });
        return;
    };
    for (row, expected) in own.iter().zip(expected) {
        check.equal(row.batches, expected, || format!("{level} {}: batches", row.authority));
    }
}

/// Splits a level's batches over authorities with so many units, in the order of their codes.
///
/// Everybody with units gets the floor. The rest goes by largest remainder in proportion to
/// weights, ties to the first; whoever would get more than its units gets just those, and the
/// others share again.
pub(super) fn split_anew(budget: &LevelBudget, split: &Split, units: &[u64]) -> Option<Vec<u64>> {
    let weight = |units: u64| match split {
        Split::Units => u128::from(units),
        Split::Root => (u128::from(units) * 1_000_000_000_000).isqrt(),
        Split::Equal | Split::Table(_) => 1,
    };
    let mut open: Vec<usize> = (0..units.len()).filter(|i| units[*i] > 0).collect();
    let mut batches = vec![0u64; units.len()];
    for i in &open {
        batches[*i] = budget.floor;
        units[*i].checked_sub(budget.floor)?;
    }
    let floors = u128::from(budget.floor) * open.len() as u128;
    let mut rest = u64::try_from(u128::from(budget.total).checked_sub(floors)?).ok()?;
    while !open.is_empty() {
        let whole: u128 = open.iter().map(|i| weight(units[*i])).sum();
        // Batches are below 2^25 and weights below 2^64.
        let parts: Vec<u128> = open.iter().map(|i| u128::from(rest) * weight(units[*i])).collect();
        let mut given: Vec<u64> = parts.iter().map(|part| (part / whole) as u64).collect();
        let left = rest - given.iter().sum::<u64>();
        let mut by_remainder: Vec<usize> = (0..open.len()).collect();
        by_remainder.sort_by_key(|i| Reverse(parts[*i] % whole));
        for i in by_remainder.into_iter().take(left as usize) {
            given[i] += 1;
        }
        let room = |i: usize| units[i] - budget.floor;
        let full = open.iter().zip(&given).any(|(i, given)| *given > room(*i));
        let mut still_open = Vec::new();
        for (i, given) in open.iter().zip(&given) {
            if !full {
                batches[*i] += given;
            } else if *given > room(*i) {
                batches[*i] = units[*i];
                rest -= room(*i);
            } else {
                still_open.push(*i);
            }
        }
        if !full {
            return Some(batches);
        }
        open = still_open;
    }
    (rest == 0).then_some(batches)
}
