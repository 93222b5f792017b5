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
    states: Vec<State>,
    start: &'a [u32],
    ends: &'a [End],
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
    let excess = network.excess(values);
    let nodes = network.nodes as usize;
    let states = values.iter().zip(low).zip(high);
    let mut search = Search {
        states: states
            .map(|((value, low), high)| State { low: *low, value: *value, high: *high })
            .collect(),
        cursor: adjacency.start.clone(),
        start: &adjacency.start,
        ends: &adjacency.ends,
        excess,
        level: vec![UNSEEN; nodes],
    };
    loop {
        let reached = search.layer();
        let sources: Vec<u32> =
            (0..network.nodes).filter(|node| search.excess[*node as usize] > 0).collect();
        if sources.is_empty() {
            for (value, state) in values.iter_mut().zip(&search.states) {
                *value = state.value;
            }
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
    /// Where the ends at each node begin.
    start: Vec<u32>,
    ends: Vec<End>,
}

/// An edge as one of its nodes sees it.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    /// Twice the edge's number, and 1 more at its head.
    code: u32,
    /// The node at the other end.
    other: u32,
}

impl End {
    fn edge(self) -> usize {
        (self.code >> 1) as usize
    }

    fn is_head(self) -> bool {
        self.code & 1 == 1
    }
}

/// Bounds and value of an edge, side by side for the processor's cache.
#[derive(Debug, Clone, Copy)]
struct State {
    low: u64,
    value: u64,
    high: u64,
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
        assert!(network.edges() < 1 << 31, "a network has fewer than 2^31 edges");
        let mut ends = vec![End::default(); network.edges() * 2];
        for edge in 0..network.edges() {
            let (tail, head) = (network.tail[edge], network.head[edge]);
            for (node, other, at_head) in [(tail, head, 0), (head, tail, 1)] {
                let slot = &mut start[node as usize + 1];
                ends[*slot as usize] = End { code: (edge as u32) << 1 | at_head, other };
                *slot += 1;
            }
        }
        start.pop();
        Adjacency { start, ends }
    }
}

impl Search<'_> {
    /// What can still go along an edge from the end at hand.
    fn room(&self, end: End) -> u64 {
        let state = &self.states[end.edge()];
        if end.is_head() { state.value - state.low } else { state.high - state.value }
    }

    fn at(&self, node: u32) -> std::ops::Range<usize> {
        self.start[node as usize] as usize..self.start[node as usize + 1] as usize
    }

    /// Numbers nodes by their distance from those with too much; whether one that lacks
    /// something was reached. Stops at the first such distance.
    fn layer(&mut self) -> bool {
        self.level.fill(UNSEEN);
        let mut queue: Vec<u32> = Vec::new();
        for (node, excess) in self.excess.iter().enumerate() {
            if *excess > 0 {
                self.level[node] = 0;
                queue.push(node as u32);
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
                let end = self.ends[place];
                let other = end.other as usize;
                if self.level[other] == UNSEEN && self.room(end) > 0 {
                    self.level[other] = level + 1;
                    if self.excess[other] < 0 {
                        reached = level + 1;
                    }
                    queue.push(end.other);
                }
            }
        }
        reached != UNSEEN
    }

    /// Pushes what `source` has too much of along shortest paths, until none is left.
    fn push_from(&mut self, source: u32) {
        // The ends gone through, each seen from the node before it.
        let mut path: Vec<(u32, End)> = Vec::new();
        let mut node = source;
        while self.excess[source as usize] > 0 {
            if self.excess[node as usize] < 0 {
                node = self.push(source, &mut path);
                continue;
            }
            if let Some(end) = self.advance(node) {
                path.push((node, end));
                node = end.other;
            } else if let Some((before, _)) = path.pop() {
                // Nothing further this way: the node is left out of this phase.
                self.level[node as usize] = UNSEEN;
                node = before;
            } else {
                return;
            }
        }
    }

    /// The next edge from `node` to the following layer that has room.
    fn advance(&mut self, node: u32) -> Option<End> {
        let wanted = self.level[node as usize].checked_add(1)?;
        let last = self.start[node as usize + 1];
        while self.cursor[node as usize] < last {
            let end = self.ends[self.cursor[node as usize] as usize];
            if self.level[end.other as usize] == wanted && self.room(end) > 0 {
                return Some(end);
            }
            self.cursor[node as usize] += 1;
        }
        None
    }

    /// Pushes along `path` from `source` to its end, as much as fits; the path is cut before the
    /// first edge without room left. Returns the node where it then ends.
    fn push(&mut self, source: u32, path: &mut Vec<(u32, End)>) -> u32 {
        let last = path.last().map_or(source, |(_, end)| end.other);
        let mut amount = self.excess[source as usize].unsigned_abs();
        for (_, end) in path.iter() {
            amount = amount.min(u128::from(self.room(*end)));
        }
        amount = amount.min(self.excess[last as usize].unsigned_abs());
        self.excess[source as usize] -= amount as i128;
        self.excess[last as usize] += amount as i128;
        let mut cut = None;
        for (place, (node, end)) in path.iter().enumerate() {
            let state = &mut self.states[end.edge()];
            // What fits on an edge fits 64 bits.
            if end.is_head() {
                state.value -= amount as u64;
            } else {
                state.value += amount as u64;
            }
            if cut.is_none() && self.room(*end) == 0 {
                cut = Some((place, *node));
            }
        }
        match cut {
            Some((place, at)) => {
                path.truncate(place);
                at
            }
            // The end is served: go on from there to others.
            None => last,
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
