use proptest::prelude::*;

use super::*;
use crate::model::HashName;

fn key(key: [u8; 32]) -> SubKey {
    SubKey { key, hash: HashName::Sha256 }
}

/// Appends the id of a unit of an imaginary cell.
fn id_of(unit: usize, id: &mut String) {
    use std::fmt::Write as _;
    write!(id, "91370100MA3{unit:07}/P0001").unwrap();
}

#[test]
fn a_lot_is_the_plain_hash() {
    let key = key(std::array::from_fn(|i| i as u8));
    let unit = "91370100MA3C0001XX/P0001";
    assert_eq!(lot(&key, unit), Digest::of(&[&key.key, unit.as_bytes()].concat()));
    // Printed by: (printf %s 00010203…1e1f | xxd -r -p; printf %s UNIT) | sha256sum
    assert_eq!(
        lot(&key, unit).to_string(),
        "9a2dff93c4b46cacf169f5fb997ebb592c20b3b66782304d5f90962df0ac0d16"
    );
    let sm3 = SubKey { hash: HashName::Sm3, ..key };
    assert_eq!(
        lot(&sm3, unit).to_string(),
        "5742f361c56062fd8235346990bc78ee77cc0052a337918f7e6748cea7d99323"
    );
}

#[test]
fn equal_lots_go_by_id() {
    let names = ["b/1", "a/2", "a/10", "c/1"];
    let (low, high) = (Digest([1; 32]), Digest([2; 32]));
    let mut lots = [(high, 3), (low, 0), (low, 1), (low, 2)];
    order(&mut lots, |unit, id| id.push_str(names[unit]));
    assert_eq!(lots.map(|(_, unit)| unit), [2, 1, 0, 3]);
}

#[test]
fn options_do_not_depend_on_their_order() {
    let key = key([5; 32]);
    let options = ["淘宝", "京东", "拼多多", "抖音"];
    let mut reversed = options;
    reversed.reverse();
    let mut counts = [0; 4];
    for unit in 0..4000 {
        let mut id = String::new();
        id_of(unit, &mut id);
        let picked = pick_option(&key, &id, &options);
        assert_eq!(options[picked], reversed[pick_option(&key, &id, &reversed)]);
        let smallest = options
            .map(|text| Digest::of(&[&key.key[..], id.as_bytes(), b"/", text.as_bytes()].concat()));
        assert!(smallest.iter().all(|hash| smallest[picked] <= *hash));
        counts[picked] += 1;
    }
    // Binomial(4000, 1/4) has a standard deviation of 27: 150 is 5.5 of them.
    assert!(counts.iter().all(|n: &i32| (n - 1000).abs() < 150), "{counts:?}");
}

#[test]
fn one_option_needs_no_choice() {
    assert_eq!(pick_option(&key([0; 32]), "a/b", &["x"]), 0);
    assert_eq!(pick_option::<&str>(&key([0; 32]), "a/b", &[]), 0);
    // Equal texts are equal hashes: the first of them.
    assert_eq!(pick_option(&key([0; 32]), "a/b", &["x", "x"]), 0);
}

proptest! {
    #[test]
    fn ranked_is_the_head_of_the_sorted_list(
        bytes: [u8; 32],
        count in 0usize..200,
        want in 0usize..220,
    ) {
        let key = key(bytes);
        let mut all: Vec<(Digest, u32)> = (0..count)
            .map(|unit| {
                let mut id = String::new();
                id_of(unit, &mut id);
                (lot(&key, &id), unit as u32)
            })
            .collect();
        all.sort();
        all.truncate(want);
        prop_assert_eq!(ranked(&key, id_of, count, want), all);
    }

    #[test]
    fn lots_ignore_other_units(bytes: [u8; 32], count in 1usize..100, more in 0usize..50) {
        let key = key(bytes);
        let before = ranked(&key, id_of, count, count);
        let after = ranked(&key, id_of, count + more, count + more);
        let kept: Vec<_> = after.into_iter().filter(|(_, unit)| (*unit as usize) < count).collect();
        prop_assert_eq!(before, kept);
    }
}

#[test]
#[ignore = "a measurement: cargo test --release --lib draw::lots -- --ignored --nocapture"]
fn seconds_for_a_million_units() {
    for count in [3, 100, 1_000_000] {
        let cells = 1_000_000 / count;
        let start = std::time::Instant::now();
        let taken: usize = (0..cells)
            .map(|cell| {
                let ids = |unit, id: &mut String| id_of(cell * count + unit, id);
                ranked(&key([1; 32]), ids, count, count.min(10)).len()
            })
            .sum();
        let seconds = start.elapsed().as_secs_f64();
        println!("{cells} cells of {count}: {seconds:.3} s, {taken} taken");
    }
}
