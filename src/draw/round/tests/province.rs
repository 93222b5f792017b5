//! A network of a province's size: a measurement, and a check that size breaks nothing.

use std::time::Instant;

use crate::design::{BATCH, NO_GROUP, Network};
use crate::model::{Digest, HashName};

use super::super::round;
use crate::draw::{DrawKey, Seed, Stream};

const COUNTIES: usize = 150;
const COUNTIES_PER_CITY: usize = 10;
const PRODUCTS: usize = 300;
const KEY_PRODUCTS: usize = 60;
const TIERS: usize = 4;
const CHANNELS: usize = 3;

/// Nodes by the path that names them, with the total of the edge that enters each.
struct Builder {
    network: Network,
    values: Vec<u64>,
}

impl Builder {
    fn node(&mut self) -> u32 {
        self.network.nodes += 1;
        self.network.nodes - 1
    }

    fn edge(&mut self, tail: u32, head: u32, group: u32, value: u64) {
        self.network.edge(tail, head, group);
        self.values.push(value);
    }
}

/// A family's inner nodes, found by their path from the root.
type Tree = std::collections::BTreeMap<Vec<usize>, (u32, u32, u64)>;

/// Adds `value` to all nodes on `path`; each step of the path is one level of the family. Nodes
/// from depth `county_depth` on lie in `county`. Returns the node at the end.
fn add(
    builder: &mut Builder,
    tree: &mut Tree,
    path: &[usize],
    own: (usize, u32),
    value: u64,
) -> u32 {
    let mut last = 0;
    for depth in 1..=path.len() {
        let group = if depth >= own.0 { own.1 } else { NO_GROUP };
        let entry = tree.entry(path[..depth].to_vec());
        let (node, _, total) = entry.or_insert_with(|| (builder.node(), group, 0));
        *total += value;
        last = *node;
    }
    last
}

/// `classes` cells (area × class) for each county and a product that is found there.
fn province(presence_percent: u64, classes: usize) -> (Network, Vec<u64>, usize, usize) {
    let mut stream = Stream::from_sub_key([9; 32]);
    let mut builder = Builder { network: Network::default(), values: Vec::new() };
    let top = builder.node();
    let (mut f1, mut f2) = (Tree::new(), Tree::new());
    let (mut cells, mut arcs) = (0, 0);
    for county in 0..COUNTIES {
        for product in 0..PRODUCTS {
            for class in 0..classes {
                if stream.below(100) >= presence_percent {
                    continue;
                }
                let (area, tier) = (class % 2, stream.below(TIERS as u64) as usize);
                let channel = stream.below(CHANNELS as u64) as usize;
                let key = usize::from(product < KEY_PRODUCTS);
                let node = builder.node();
                let mut total = 0;
                for level in 0..3 {
                    if stream.below(100) < 22 {
                        continue;
                    }
                    let value = stream.below(BATCH / 6) + 1;
                    let authority = [0, county / COUNTIES_PER_CITY, county][level];
                    let path = [level, authority, key, channel, area, county, tier];
                    // At the county level everything below the level is the county's own.
                    let depth = if level == 2 { 2 } else { 6 };
                    let leaf = add(&mut builder, &mut f2, &path, (depth, county as u32), value);
                    builder.edge(node, leaf, county as u32, value);
                    total += value;
                    arcs += 1;
                }
                let parent = add(&mut builder, &mut f1, &[product, tier], (3, 0), total);
                builder.edge(parent, node, county as u32, total);
                cells += 1;
            }
        }
    }
    for (path, (node, group, value)) in &f1 {
        let parent = if path.len() == 1 { top } else { f1[&path[..path.len() - 1]].0 };
        builder.edge(parent, *node, *group, *value);
    }
    for (path, (node, group, value)) in &f2 {
        let parent = if path.len() == 1 { top } else { f2[&path[..path.len() - 1]].0 };
        builder.edge(*node, parent, *group, *value);
    }
    (builder.network, builder.values, cells, arcs)
}

#[test]
#[ignore = "a measurement: cargo test --release --lib draw::round -- --ignored --nocapture"]
fn seconds_for_a_province() {
    for (presence, classes) in [(22, 30), (52, 30)] {
        let (network, before, cells, arcs) = province(presence, classes);
        println!("{cells} cells, {arcs} arcs, {} edges, {} nodes", before.len(), network.nodes);
        let key = DrawKey::new(
            HashName::Sha256,
            &Seed::from_text(HashName::Sha256, "1").unwrap(),
            &Digest([0; 32]),
        );
        let mut results = Vec::new();
        for threads in [1, 2] {
            // The least of several runs: what other work on the machine disturbs least.
            let mut seconds = f64::INFINITY;
            for _ in 0..7 {
                let mut values = before.clone();
                let start = Instant::now();
                round(&network, &mut values, &key, threads);
                seconds = seconds.min(start.elapsed().as_secs_f64());
                results.push(values);
            }
            println!("  {threads} threads: {seconds:.3} s");
        }
        assert!(results.iter().all(|values| *values == results[0]));
        assert!(network.excess(&results[0]).iter().all(|excess| *excess == 0));
        let whole = |(b, a): (&u64, &u64)| a.is_multiple_of(BATCH) && a.abs_diff(*b) < BATCH;
        assert!(before.iter().zip(&results[0]).all(whole));
    }
}
