//! The exact flow: brings every edge of a circulation between its bounds, in integers.
//!
//! Dinic's algorithm (1970) from the nodes that have too much to those that lack something, over
//! what the bounds leave room for. The order of edges and nodes is the network's, so the result
//! is one. Where it fails the minimum cut proves that no circulation keeps the bounds
//! (Hoffman 1960) and says which of them stand in the way.

use super::Network;

/// No circulation keeps the bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// What cannot be placed, in units of 2^-32.
    pub short: u128,
    /// Nodes on the side that has too much: edges that leave it are at their upper bound, edges
    /// that enter it at their lower.
    pub inside: Vec<bool>,
}

const UNSEEN: u32 = u32::MAX;

struct Search<'a> {
    network: &'a Network,
    values: &'a mut [u64],
    low: &'a [u64],
    high: &'a [u64],
    /// Edges at each node: where they begin, and their numbers.
    start: &'a [u32],
    edges: &'a [u32],
    excess: Vec<i128>,
    level: Vec<u32>,
    cursor: Vec<u32>,
}

/// Moves `values`, a circulation, between `low` and `high`; stays a circulation.
///
/// # Errors
/// The minimum cut if that is impossible; `values` are then of no use.
pub(super) fn repair(
    network: &Network,
    adjacency: &Adjacency,
    values: &mut [u64],
    low: &[u64],
    high: &[u64],
) -> Result<(), Cut> {
    let mut clean = true;
    for (edge, value) in values.iter_mut().enumerate() {
        if *value < low[edge] || *value > high[edge] {
            *value = (*value).max(low[edge]).min(high[edge]);
            clean = false;
        }
    }
    if clean {
        return Ok(());
    }
    let Adjacency { start, edges } = adjacency;
    let excess = network.excess(values);
    let nodes = network.nodes as usize;
    let mut search = Search {
        network,
        values,
        low,
        high,
        cursor: start.clone(),
        start: start.as_slice(),
        edges: edges.as_slice(),
        excess,
        level: vec![UNSEEN; nodes],
    };
    loop {
        let reached = search.layer();
        let sources: Vec<u32> =
            (0..nodes as u32).filter(|node| search.excess[*node as usize] > 0).collect();
        if sources.is_empty() {
            return Ok(());
        }
        if !reached {
            let short = sources.iter().map(|n| search.excess[*n as usize].unsigned_abs()).sum();
            return Err(Cut { short, inside: search.level.iter().map(|l| *l != UNSEEN).collect() });
        }
        let Search { cursor, start, .. } = &mut search;
        cursor.copy_from_slice(&start[..]);
        for source in sources {
            search.push_from(source);
        }
    }
}

/// The edges at each node, by number; the same for every flow over a network.
pub(super) struct Adjacency {
    start: Vec<u32>,
    edges: Vec<u32>,
}

impl Adjacency {
    pub fn new(network: &Network) -> Self {
        let nodes = network.nodes as usize;
        let mut start = vec![0u32; nodes + 2];
        for node in network.tail.iter().chain(&network.head) {
            start[*node as usize + 2] += 1;
        }
        for node in 1..start.len() {
            start[node] += start[node - 1];
        }
        let mut edges = vec![0u32; network.edges() * 2];
        for edge in 0..network.edges() {
            for node in [network.tail[edge], network.head[edge]] {
                let slot = &mut start[node as usize + 1];
                edges[*slot as usize] = edge as u32;
                *slot += 1;
            }
        }
        start.pop();
        Adjacency { start, edges }
    }
}

impl Search<'_> {
    /// The other end of an edge and what can still go there from `node`.
    fn room(&self, node: u32, edge: usize) -> (u32, u64) {
        let value = self.values[edge];
        if self.network.tail[edge] == node {
            (self.network.head[edge], self.high[edge] - value)
        } else {
            (self.network.tail[edge], value - self.low[edge])
        }
    }

    fn at(&self, node: u32) -> std::ops::Range<usize> {
        self.start[node as usize] as usize..self.start[node as usize + 1] as usize
    }

    /// Numbers nodes by their distance from those with too much; whether one that lacks
    /// something was reached. Stops at the first such distance.
    fn layer(&mut self) -> bool {
        self.level.fill(UNSEEN);
        let mut queue: Vec<u32> = Vec::new();
        for node in 0..self.network.nodes {
            if self.excess[node as usize] > 0 {
                self.level[node as usize] = 0;
                queue.push(node);
            }
        }
        let mut reached = UNSEEN;
        let mut next = 0;
        while let Some(&node) = queue.get(next) {
            next += 1;
            let level = self.level[node as usize];
            if level >= reached {
                break;
            }
            for place in self.at(node) {
                let (other, room) = self.room(node, self.edges[place] as usize);
                if room > 0 && self.level[other as usize] == UNSEEN {
                    self.level[other as usize] = level + 1;
                    if self.excess[other as usize] < 0 {
                        reached = level + 1;
                    }
                    queue.push(other);
                }
            }
        }
        reached != UNSEEN
    }

    /// Pushes what `source` has too much of along shortest paths, until none is left.
    fn push_from(&mut self, source: u32) {
        let mut path: Vec<u32> = Vec::new();
        let mut node = source;
        while self.excess[source as usize] > 0 {
            if self.excess[node as usize] < 0 {
                node = self.push(source, &mut path);
                continue;
            }
            if let Some((edge, other)) = self.advance(node) {
                path.push(edge);
                node = other;
            } else if let Some(edge) = path.pop() {
                // Nothing further this way: the node is left out of this phase.
                self.level[node as usize] = UNSEEN;
                let edge = edge as usize;
                let back = self.network.tail[edge] == node;
                node = if back { self.network.head[edge] } else { self.network.tail[edge] };
            } else {
                return;
            }
        }
    }

    /// The next edge from `node` to the following layer that has room.
    fn advance(&mut self, node: u32) -> Option<(u32, u32)> {
        let wanted = self.level[node as usize].checked_add(1)?;
        let end = self.start[node as usize + 1];
        while self.cursor[node as usize] < end {
            let edge = self.edges[self.cursor[node as usize] as usize];
            let (other, room) = self.room(node, edge as usize);
            if room > 0 && self.level[other as usize] == wanted {
                return Some((edge, other));
            }
            self.cursor[node as usize] += 1;
        }
        None
    }

    /// Pushes along `path` from `source` to its end, as much as fits; the path is cut before the
    /// first edge without room left. Returns the node where it then ends.
    fn push(&mut self, source: u32, path: &mut Vec<u32>) -> u32 {
        let mut amount = self.excess[source as usize].unsigned_abs();
        let mut node = source;
        for edge in path.iter() {
            let (other, room) = self.room(node, *edge as usize);
            amount = amount.min(u128::from(room));
            node = other;
        }
        amount = amount.min(self.excess[node as usize].unsigned_abs());
        self.excess[source as usize] -= amount as i128;
        self.excess[node as usize] += amount as i128;
        let mut node = source;
        let mut cut = None;
        for (place, edge) in path.iter().enumerate() {
            let edge = *edge as usize;
            let forward = self.network.tail[edge] == node;
            // What fits on an edge fits 64 bits.
            if forward {
                self.values[edge] += amount as u64;
            } else {
                self.values[edge] -= amount as u64;
            }
            let (other, _) = self.room(node, edge);
            let left = if forward {
                self.high[edge] - self.values[edge]
            } else {
                self.values[edge] - self.low[edge]
            };
            if left == 0 && cut.is_none() {
                cut = Some((place, node));
            }
            node = other;
        }
        match cut {
            Some((place, at)) => {
                path.truncate(place);
                at
            }
            // The end is served: go on from there to others.
            None => node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::NO_GROUP;
    use proptest::prelude::*;

    fn random_network(nodes: u32, ends: &[(u32, u32)]) -> Network {
        let mut network = Network { nodes, ..Network::default() };
        for (tail, head) in ends {
            let (tail, head) = (tail % nodes, head % nodes);
            if tail != head {
                network.edge(tail, head, NO_GROUP);
            }
        }
        network
    }

    proptest! {
        #[test]
        fn what_is_feasible_is_found_and_a_cut_is_a_proof(
            nodes in 2u32..8,
            ends in prop::collection::vec((0u32..8, 0u32..8), 1..24),
            bounds in prop::collection::vec((0u64..6, 0u64..6), 24),
        ) {
            let network = random_network(nodes, &ends);
            let low: Vec<u64> = (0..network.edges()).map(|e| bounds[e].0).collect();
            let high: Vec<u64> = (0..network.edges()).map(|e| bounds[e].0 + bounds[e].1).collect();
            let mut values = vec![0; network.edges()];
            match repair(&network, &Adjacency::new(&network), &mut values, &low, &high) {
                Ok(()) => {
                    prop_assert!(network.excess(&values).iter().all(|excess| *excess == 0));
                    for edge in 0..network.edges() {
                        prop_assert!((low[edge]..=high[edge]).contains(&values[edge]));
                    }
                }
                Err(cut) => {
                    // Hoffman: what must enter is more than what may leave.
                    let (mut enters, mut leaves) = (0u128, 0u128);
                    for edge in 0..network.edges() {
                        let tail = cut.inside[network.tail[edge] as usize];
                        let head = cut.inside[network.head[edge] as usize];
                        match (tail, head) {
                            (false, true) => enters += u128::from(low[edge]),
                            (true, false) => leaves += u128::from(high[edge]),
                            _ => {}
                        }
                    }
                    prop_assert_eq!(enters - leaves, cut.short);
                    prop_assert!(cut.short > 0);
                }
            }
        }
    }
}
