//! Splitting budgets, against an oracle that tries every split.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use crate::model::DivisionCode;

fn code(n: u32) -> DivisionCode {
    n.to_string().parse().unwrap()
}

fn authorities(units: &[u64]) -> Vec<(DivisionCode, u64)> {
    (3701..).map(code).zip(units.iter().copied()).collect()
}

fn split(total: u64, split: Split, floor: u64, units: &[u64]) -> Result<Vec<u64>, BudgetError> {
    let budget = LevelBudget { total, split, floor };
    let split = budget.split(&authorities(units))?;
    Ok(split.into_iter().map(|(_, batches)| batches).collect())
}

fn table(entries: &[(u32, u64)]) -> Split {
    Split::Table(entries.iter().map(|(c, n)| (code(*c), *n)).collect())
}

#[test]
fn the_known_splits() {
    assert_eq!(split(10, Split::Units, 0, &[30, 20, 50]).unwrap(), [3, 2, 5]);
    // 3 1/3 each: the odd batch goes to the smallest code.
    assert_eq!(split(10, Split::Equal, 0, &[30, 20, 50]).unwrap(), [4, 3, 3]);
    // Roots 10 : 20 : 30.
    assert_eq!(split(12, Split::Root, 0, &[100, 400, 900]).unwrap(), [2, 4, 6]);
    assert_eq!(split(12, Split::Units, 2, &[100, 400, 900]).unwrap(), [2, 4, 6]);
    // Nothing for who has nothing, floor or not.
    assert_eq!(split(5, Split::Equal, 2, &[9, 0, 9]).unwrap(), [3, 0, 2]);
    // Who is full leaves, and the others share what is left.
    assert_eq!(split(12, Split::Equal, 0, &[1, 9, 9]).unwrap(), [1, 6, 5]);
    assert_eq!(split(19, Split::Equal, 1, &[1, 9, 9]).unwrap(), [1, 9, 9]);
    assert_eq!(split(5, table(&[(3701, 2), (3703, 3)]), 0, &[9, 9, 9]).unwrap(), [2, 0, 3]);
    assert_eq!(split(3000, Split::Units, 0, &[1_000_000]).unwrap(), [3000]);
}

/// Which batches an authority gets is part of method `m1`.
#[test]
fn golden_root_split() {
    let units = [12_345, 67_890, 2, 31_415, 999_983, 0, 27_182];
    let batches = split(13_000, Split::Root, 1, &units).unwrap();
    assert_eq!(batches, [843, 1976, 2, 1345, 7583, 0, 1251]);
}

#[test]
fn every_error_says_who_and_how_many() {
    let message = |result: Result<Vec<u64>, BudgetError>| result.unwrap_err().to_string();
    assert_eq!(
        message(split(10, Split::Units, 0, &[4, 5])),
        "the level's total of 10 batches is more than its 9 eligible units: ask for at most 9"
    );
    assert_eq!(
        message(split(10, Split::Units, 6, &[40, 0, 50])),
        "a floor of 6 batches for each of 2 authorities is more than the level's total of 10"
    );
    assert_eq!(
        message(split(10, Split::Units, 5, &[40, 4])),
        "the floor of 5 batches is more than the 4 eligible units of authority 3702"
    );
    assert_eq!(
        message(split(10, table(&[(3709, 10)]), 0, &[40, 4])),
        "the table gives 10 batches to 3709, which is no authority of this level"
    );
    assert_eq!(
        message(split(10, table(&[(3701, 5), (3702, 5)]), 0, &[40, 4])),
        "the table gives 5 batches to authority 3702, which has 4 eligible units"
    );
    assert!(split(1, Split::Equal, 0, &[]).is_err());
}

/// Of all splits of `rest`, the one with the least sum of squared distances from the exact
/// proportions (which is what largest remainders give), the earliest authorities served first.
fn nearest(weights: &[u128], rest: u64) -> Vec<u64> {
    fn all(weights: &[u128], rest: u64) -> Vec<Vec<u64>> {
        if weights.len() == 1 {
            return vec![vec![rest]];
        }
        let mut splits = Vec::new();
        for first in (0..=rest).rev() {
            for mut others in all(&weights[1..], rest - first) {
                others.insert(0, first);
                splits.push(others);
            }
        }
        splits
    }
    let sum: i128 = weights.iter().sum::<u128>() as i128;
    let distance = |split: &Vec<u64>| -> i128 {
        let apart = |(given, weight): (&u64, &u128)| {
            let d = i128::from(*given) * sum - i128::from(rest) * *weight as i128;
            d * d
        };
        split.iter().zip(weights).map(apart).sum()
    };
    // The first of the least: larger first authorities come first.
    all(weights, rest).into_iter().min_by_key(distance).unwrap()
}

fn oracle(total: u64, kind: &Split, floor: u64, units: &[u64]) -> Vec<u64> {
    let weight = |n: u64| match kind {
        Split::Units => u128::from(n),
        Split::Root => (0..).take_while(|r| r * r <= u128::from(n) * 1_000_000).last().unwrap(),
        _ => 1,
    };
    let mut result = BTreeMap::new();
    let mut open: Vec<usize> = (0..units.len()).filter(|i| units[*i] > 0).collect();
    let mut rest = total - floor * open.len() as u64;
    loop {
        let weights: Vec<u128> = open.iter().map(|i| weight(units[*i])).collect();
        let given = if open.is_empty() { vec![] } else { nearest(&weights, rest) };
        let full: Vec<usize> = open
            .iter()
            .zip(&given)
            .filter(|(i, given)| floor + **given > units[**i])
            .map(|(i, _)| *i)
            .collect();
        if full.is_empty() {
            result.extend(open.iter().copied().zip(given.iter().map(|g| floor + g)));
            return (0..units.len()).map(|i| result.get(&i).copied().unwrap_or(0)).collect();
        }
        for i in full {
            result.insert(i, units[i]);
            rest -= units[i] - floor;
            open.retain(|other| *other != i);
        }
    }
}

fn kinds() -> impl Strategy<Value = Split> {
    prop_oneof![Just(Split::Units), Just(Split::Root), Just(Split::Equal)]
}

proptest! {
    /// Roots of squares only: the oracle takes them to three places, which is exact then.
    #[test]
    fn a_split_is_the_nearest(
        kind in kinds(),
        floor in 0..2u64,
        roots in prop::collection::vec(0..5u64, 1..5),
        part in 0..100u64,
    ) {
        let units: Vec<u64> = roots.iter().map(|r| r * r).collect();
        let eligible: u64 = units.iter().sum();
        let floors = floor * units.iter().filter(|n| **n > 0).count() as u64;
        let total = (floors + part % (eligible - floors + 1)).min(floors + 16);
        prop_assert_eq!(split(total, kind.clone(), floor, &units).unwrap(), oracle(total, &kind, floor, &units));
    }

    #[test]
    fn a_split_keeps_its_promises(
        kind in kinds(),
        floor in 0..20u64,
        units in prop::collection::vec(prop_oneof![Just(0u64), 1..40u64, 20..100_000u64, Just(u64::MAX)], 1..150),
        total in 1..10_000u64,
    ) {
        let budget = LevelBudget { total, split: kind, floor };
        let units = authorities(&units);
        let Ok(given) = budget.split(&units) else { return Ok(()) };
        prop_assert_eq!(given.iter().map(|(_, n)| n).sum::<u64>(), total);
        for ((code, n), (same, batches)) in units.iter().zip(&given) {
            prop_assert_eq!(code, same);
            prop_assert!(batches <= n && (*n == 0 || *batches >= floor));
        }
        let mut turned: Vec<_> = units.clone();
        turned.reverse();
        let mut again = budget.split(&turned).unwrap();
        again.reverse();
        prop_assert_eq!(again, given);
    }
}
