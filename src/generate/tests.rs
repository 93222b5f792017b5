use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::{Digest, check_uscc};

/// A writer into one of several buffers.
struct Sink<'a>(&'a std::cell::RefCell<Vec<u8>>);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn tables(units: u64, seed: u64) -> (Vec<String>, Summary) {
    let buffers: Vec<std::cell::RefCell<Vec<u8>>> = (0..6).map(|_| Vec::new().into()).collect();
    let open = |file: File| {
        let place = File::ALL.iter().position(|other| *other == file).unwrap();
        Ok(Sink(&buffers[place]))
    };
    let summary = generate(&Options { units, seed }, open).unwrap();
    let texts = buffers.into_iter().map(|b| String::from_utf8(b.into_inner()).unwrap());
    (texts.collect(), summary)
}

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect()).collect()
}

#[test]
fn the_same_seed_means_the_same_bytes() {
    let (texts, summary) = tables(1_000, 1);
    assert_eq!(tables(1_000, 1).0, texts);
    assert_ne!(tables(1_000, 2).0[3], texts[3]);
    assert_eq!(summary.units, 1_000);
    for (text, rows) in texts.iter().zip(summary.rows) {
        assert_eq!(text.lines().count() as u64, rows + 1);
    }
    let digest = Digest::of(texts.concat().as_bytes()).to_string();
    assert_eq!(digest, GOLDEN);
}

#[test]
fn a_province_of_20_000_units_is_plausible() {
    let (texts, _) = tables(20_000, 7);
    let products: BTreeMap<&str, bool> =
        rows(&texts[1]).iter().map(|row| (row[0], row[4] == "true")).collect();
    let enterprises: BTreeMap<&str, Vec<&str>> =
        rows(&texts[2]).into_iter().map(|row| (row[0], row)).collect();
    assert_eq!(enterprises.len(), texts[2].lines().count() - 1);
    let towns: BTreeMap<&str, &str> = rows(&texts[0]).iter().map(|row| (row[0], row[4])).collect();
    for (id, row) in &enterprises {
        check_uscc(id).unwrap();
        assert!(towns.contains_key(row[3]), "{row:?}");
    }
    let mut units = BTreeSet::new();
    let mut channels: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows(&texts[3]) {
        assert!(products.contains_key(row[1]) && enterprises.contains_key(row[0]), "{row:?}");
        if units.insert((row[0], row[1])) {
            *channels.entry(row[2]).or_default() += 1;
        }
    }
    assert_eq!(units.len(), 20_000);
    for (channel, range) in
        [("production", 6_000..8_600), ("circulation", 7_500..11_000), ("online", 2_800..5_000)]
    {
        assert!(range.contains(&channels[channel]), "{channels:?}");
    }
    let mut counties: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let (mut key, mut rural) = (0, 0);
    for (enterprise, product) in &units {
        let row = &enterprises[enterprise];
        let county = counties.entry(&row[3][..6]).or_default();
        county.0 += 1;
        county.1 += u64::from(products[product]);
        key += u64::from(products[product]);
        let town = row[4] == "rural" || row[4].is_empty() && towns[row[3]] != "subdistrict";
        rural += u64::from(town);
    }
    assert_eq!(counties.len(), 151);
    assert!(counties.values().all(|(all, key)| *all >= 40 && *key >= 4), "{counties:?}");
    assert!((4_000..5_600).contains(&key), "{key}");
    assert!((7_000..9_000).contains(&rural), "{rural}");
    let classes = |class: &str| enterprises.values().filter(|row| row[5] == class).count();
    let all = enterprises.len();
    assert!((all * 62 / 100..all * 66 / 100).contains(&classes("A")));
    assert!((all * 2 / 100..all * 4 / 100).contains(&classes("")));
}

#[test]
fn other_sizes_are_refused() {
    for units in [0, 999, 10_000_001] {
        let refused = generate(&Options { units, seed: 1 }, |_| Ok(std::io::sink()));
        assert!(matches!(refused, Err(GenerateError::Units { .. })));
    }
}

const GOLDEN: &str = "e8f021602263d9854cd54f7372cae6df273d7942d3454d0f84c5b04c7324bb70";
