//! A slow rounding, written from the specification alone: lists, scans, no clever order.

use crate::design::{BATCH, NO_GROUP, Network};

use super::super::Chooser;

/// All phases one after the other.
pub(super) fn round_slowly<C: Chooser>(
    network: &Network,
    values: &mut [u64],
    chooser: impl Fn(&str) -> C,
) {
    let fractional = |values: &[u64]| -> Vec<usize> {
        (0..values.len()).filter(|e| !values[*e].is_multiple_of(BATCH)).collect()
    };
    let groups = network.group.iter().filter(|g| **g != NO_GROUP).max().map_or(0, |g| g + 1);
    let widths = (0..).map(|i| 4u32.pow(i));
    let rounds = widths.clone().position(|w| w >= groups).unwrap() + 1;
    for width in widths.take(if groups == 0 { 0 } else { rounds }) {
        for block in 0..groups.div_ceil(width) {
            let mut edges = fractional(values);
            let own = |group: u32| group != NO_GROUP && group / width == block;
            edges.retain(|e| own(network.group[*e]));
            phase(network, values, edges, &mut chooser(&format!("round/{width}/{block}")));
        }
    }
    phase(network, values, fractional(values), &mut chooser("round/all"));
}

fn phase<C: Chooser>(
    network: &Network,
    values: &mut [u64],
    mut order: Vec<usize>,
    chooser: &mut C,
) {
    order.sort_by_key(|e| (network.group[*e], *e));
    for i in (1..order.len()).rev() {
        order.swap(i, chooser.below(i as u64 + 1) as usize);
    }
    let ends = |e: usize| (network.tail[e], network.head[e]);
    let mut live = order.clone();
    for start in order {
        if !live.contains(&start) {
            continue;
        }
        let mut nodes = vec![network.tail[start]];
        let mut path: Vec<usize> = Vec::new();
        while let Some(node) = nodes.last().copied() {
            let touches = |e: &usize| ends(*e).0 == node || ends(*e).1 == node;
            let next = live.iter().copied().find(|e| touches(e) && path.last() != Some(e));
            let Some(next) = next else {
                nodes.pop();
                if let Some(edge) = path.pop() {
                    live.retain(|e| *e != edge);
                }
                continue;
            };
            let other = if ends(next).0 == node { ends(next).1 } else { ends(next).0 };
            let Some(from) = nodes.iter().position(|n| *n == other) else {
                nodes.push(other);
                path.push(next);
                continue;
            };
            let mut cycle = path[from..].to_vec();
            cycle.push(next);
            let is_forward: Vec<bool> =
                cycle.iter().zip(&nodes[from..]).map(|(e, n)| ends(*e).0 == *n).collect();
            let room = |forward: bool| -> u64 {
                let each = cycle.iter().zip(&is_forward).map(|(e, f)| {
                    let fraction = values[*e] % BATCH;
                    if *f == forward { BATCH - fraction } else { fraction }
                });
                each.min().unwrap()
            };
            let (plus, minus) = (room(true), room(false));
            let up = chooser.plus(plus, minus);
            let step = if up { plus } else { minus };
            for (edge, forward) in cycle.iter().zip(&is_forward) {
                if *forward == up {
                    values[*edge] += step;
                } else {
                    values[*edge] -= step;
                }
            }
            let whole = |e: &usize| values[*e].is_multiple_of(BATCH);
            let kept = from + cycle.iter().position(whole).unwrap();
            live.retain(|e| !(cycle.contains(e) && whole(e)));
            path.truncate(kept);
            nodes.truncate(kept + 1);
        }
    }
}
