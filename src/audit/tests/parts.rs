//! Parts against slow or other ways to the same result.

use proptest::prelude::*;

use crate::audit::budgets::split_anew;
use crate::audit::groups::Numbering;
use crate::model::DivisionCode;
use crate::policy::{LevelBudget, Split};

proptest! {
    /// Two ways of splitting that share nothing but the words of the specification.
    #[test]
    fn budgets_are_split_as_specified(
        units in prop::collection::vec(0u64..400, 1..12),
        share in 0u64..=100,
        floor in 0u64..20,
        split in prop_oneof![Just(Split::Units), Just(Split::Root), Just(Split::Equal)],
    ) {
        let total = (units.iter().sum::<u64>() * share / 100).max(1);
        let budget = LevelBudget { total, split, floor };
        let codes = units.iter().enumerate();
        let listed: Vec<(DivisionCode, u64)> =
            codes.map(|(i, n)| (format!("37{:02}", i + 1).parse().unwrap(), *n)).collect();
        let expected = budget.split(&listed).ok();
        let expected = expected.map(|list| list.into_iter().map(|(_, n)| n).collect::<Vec<_>>());
        prop_assert_eq!(split_anew(&budget, &budget.split, &units), expected);
    }

    /// Groups are numbered in the order of the values that they were split by.
    #[test]
    fn groups_are_ranks(
        items in prop::collection::vec((0u32..4, 0u32..3, 0u32..5), 0..40),
        sparse: bool,
    ) {
        // Values that are far apart don't fit a table of pairs.
        let wide = if sparse { 1_000_000 } else { 1 };
        let numbering = Numbering::whole(items.len())
            .split(4, |i| items[i].0)
            .split(3 * wide, |i| items[i].1 * wide as u32)
            .split(5 * wide, |i| items[i].2 * wide as u32);
        let mut sorted = items.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let ranks: Vec<u32> = items
            .iter()
            .map(|item| sorted.binary_search(item).unwrap() as u32)
            .collect();
        prop_assert_eq!(numbering, Numbering { of: ranks, count: sorted.len() });
    }
}

#[test]
fn what_does_not_fit_is_not_split() {
    let budget = |total, floor| LevelBudget { total, split: Split::Equal, floor };
    assert_eq!(split_anew(&budget(5, 0), &Split::Equal, &[2, 2]), None);
    assert_eq!(split_anew(&budget(4, 3), &Split::Equal, &[2, 9]), None);
    assert_eq!(split_anew(&budget(4, 3), &Split::Equal, &[9, 9]), None);
    assert_eq!(split_anew(&budget(9, 1), &Split::Equal, &[2, 0, 9]), Some(vec![2, 0, 7]));
    assert_eq!(split_anew(&budget(1, 0), &Split::Units, &[u64::MAX, 1]), Some(vec![1, 0]));
}
