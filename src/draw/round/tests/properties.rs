//! What holds in every draw: floor or ceiling at every edge, conservation, one result per seed.

use proptest::prelude::*;

use crate::design::{BATCH, NO_GROUP, Network};
use crate::model::{Digest, HashName};

use super::super::{RoundError, round, round_with, try_round};
use super::networks::{Cell, closed_walks, golden, two_families};
use super::oracle::round_slowly;
use crate::draw::{DrawKey, Seed};

fn key(number: u64) -> DrawKey {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    DrawKey::new(HashName::Sha256, &Seed(seed), &Digest::of(b"input"))
}

/// Floor or ceiling everywhere, and the same excess at every node.
fn check_outcome(network: &Network, before: &[u64], after: &[u64]) {
    for (before, after) in before.iter().zip(after) {
        assert!(after.is_multiple_of(BATCH));
        assert!(after.abs_diff(*before) < BATCH, "{before} became {after}");
    }
    assert_eq!(network.excess(before), network.excess(after));
}

#[test]
fn golden_rounding() {
    // The digest comes from a separate implementation of the specification.
    let (network, mut values) = golden();
    let before = values.clone();
    let key = DrawKey::new(
        HashName::Sha256,
        &Seed::from_text(HashName::Sha256, "31415926").unwrap(),
        &Digest::of(b"input"),
    );
    round(&network, &mut values, &key, 1);
    check_outcome(&network, &before, &values);
    let cells: Vec<u64> = values.iter().step_by(2).take(12).map(|v| v / BATCH).collect();
    assert_eq!(cells, [0, 1, 3, 0, 2, 1, 2, 0, 1, 2, 3, 0]);
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "4cbe434f395398c5669a794b2f9d8cf19f4af1504ebabe59b45a893ba6ca73e8"
    );
}

/// Random cells over 6 products, 7 counties and 3 channels; one value in four is whole.
fn cells() -> impl Strategy<Value = Vec<Cell>> {
    let value = prop_oneof![
        1 => (0u64..3).prop_map(|n| n * BATCH),
        2 => 0..3 * BATCH,
        1 => (0u64..24).prop_map(|n| n * BATCH / 8),
    ];
    let cell = (0u32..6, 0u32..7, 0u32..3, value)
        .prop_map(|(product, county, channel, value)| Cell { product, county, channel, value });
    prop::collection::vec(cell, 0..120)
}

/// Random closed walks over 12 nodes, with parallel and antiparallel edges, in any groups.
fn walks() -> impl Strategy<Value = Vec<(Vec<u32>, u64, u32)>> {
    let group = prop_oneof![Just(NO_GROUP), 0u32..3, 0u32..30];
    let walk = (prop::collection::vec(0u32..12, 2..8), 0..2 * BATCH, group);
    prop::collection::vec(walk, 3..12)
}

proptest! {
    #[test]
    fn two_families_keep_every_invariant(cells in cells(), number: u64) {
        let (network, before) = two_families(6, 7, 3, &cells);
        let mut one = before.clone();
        round(&network, &mut one, &key(number), 1);
        check_outcome(&network, &before, &one);
        for threads in [0, 2, 4] {
            let mut other = before.clone();
            round(&network, &mut other, &key(number), threads);
            prop_assert_eq!(&one, &other);
        }
        let mut slow = before;
        round_slowly(&network, &mut slow, |label| key(number).stream(label));
        prop_assert_eq!(one, slow);
    }

    #[test]
    fn any_graph_keeps_every_invariant(walks in walks(), number: u64) {
        // Walks may stay at a node, so that loops occur as well.
        let (mut network, before) = closed_walks(12, &walks);
        for group in network.group.iter_mut().filter(|group| **group != NO_GROUP) {
            *group %= before.len() as u32;
        }
        let mut one = before.clone();
        try_round(&network, &mut one, &key(number), 2).unwrap();
        check_outcome(&network, &before, &one);
        let mut slow = before;
        round_slowly(&network, &mut slow, |label| key(number).stream(label));
        prop_assert_eq!(one, slow);
    }
}

#[test]
fn a_stream_pushes_up_in_minus_of_all_cases() {
    use super::super::Chooser as _;
    let (mut one, mut other) = (key(1).stream("x"), key(1).stream("x"));
    for i in 1..1000 {
        let (plus, minus) = (i * 7919 % 97 + 1, i * 104_729 % 89 + 1);
        assert_eq!(one.plus(plus, minus), other.below(plus + minus) < minus);
    }
}

#[test]
fn whole_values_take_no_decision() {
    let (network, before) = closed_walks(3, &[(vec![0, 1, 2], 5 * BATCH, 0)]);
    let mut values = before.clone();
    let none = |label: &str| -> crate::draw::Stream {
        assert_eq!(label, "round/all", "no group has a fractional edge");
        key(0).stream(label)
    };
    round_with(&network, &mut values, &none, 1);
    assert_eq!(values, before);
    round(&Network::default(), &mut [], &key(0), 4);
}

#[test]
fn values_near_the_limit_are_kept_exact() {
    let most = u64::MAX - (BATCH - 1);
    let (network, mut values) = closed_walks(2, &[(vec![0, 1], most - 1, 0)]);
    let before = values.clone();
    round(&network, &mut values, &key(1), 1);
    check_outcome(&network, &before, &values);
}

#[test]
fn what_is_no_circulation_is_refused_and_left_alone() {
    let (network, good) = golden();
    let mut values = good.clone();
    values[3] += 1;
    let before = values.clone();
    let error = try_round(&network, &mut values, &key(0), 1).unwrap_err();
    assert!(matches!(error, RoundError::Unbalanced { .. }), "{error}");
    assert_eq!(values, before);
    // A whole batch too much is no obstacle: sums stay what they were.
    let mut values = good.clone();
    values[3] += BATCH;
    let before = values.clone();
    try_round(&network, &mut values, &key(0), 1).unwrap();
    check_outcome(&network, &before, &values);
}

#[test]
fn malformed_networks_are_refused() {
    let refuse = |change: &dyn Fn(&mut Network, &mut Vec<u64>)| {
        let (mut network, mut values) = golden();
        change(&mut network, &mut values);
        try_round(&network, &mut values, &key(0), 1).unwrap_err()
    };
    assert!(matches!(refuse(&|_, v| v.truncate(1)), RoundError::Length { values: 1, .. }));
    assert!(matches!(refuse(&|n, _| n.head.truncate(1)), RoundError::Length { heads: 1, .. }));
    assert!(matches!(refuse(&|n, _| n.head[7] = 999), RoundError::NoSuchNode { edge: 7, .. }));
    assert!(matches!(refuse(&|n, _| n.group[7] = 999), RoundError::SparseGroup { edge: 7, .. }));
    assert!(matches!(refuse(&|_, v| v[7] = u64::MAX), RoundError::TooLarge { edge: 7, .. }));
}

#[test]
#[should_panic(expected = "no circulation")]
fn a_caller_that_breaks_its_promise_is_stopped() {
    let (network, mut values) = golden();
    values[3] += 1;
    round(&network, &mut values, &key(0), 1);
}
