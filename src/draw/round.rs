//! Dependent rounding: from exact fractional totals to whole batches, without any bias.
//!
//! # Specification (method `m1`)
//!
//! **Given** a network (nodes; edges 0 … E−1 with a tail, a head and a group), a value for every
//! edge in units of 2^-32 of a batch, and the draw key. With B = 2^32, the *fraction* of an edge
//! is its value mod B; the edge is *fractional* if that is not 0. At every node what enters less
//! what leaves is a multiple of B (in a circulation it is 0).
//!
//! **Result.** Every edge ends at a multiple of B: its value rounded down or up. What enters
//! each node less what leaves it has not changed. The expectation of every edge is exactly its
//! value.
//!
//! **Phases.** First, for every group g = 0, 1, …: one phase over the fractional edges of group
//! g, with the stream of the label `round/g`, g in decimal digits without leading zeros. (No two
//! groups share an edge or a stream, so their order is of no importance, and they may run at
//! once.) Edges with the group 2^32 − 1 belong to no group. Then one last phase over all
//! edges that are still fractional, whatever their group, with the stream of the label
//! `round/all`. A phase without edges takes no word.
//!
//! **One phase** has a list of edges and a stream.
//!
//! 1. *Order.* List the edges by ascending number and shuffle the list with the stream. "First"
//!    means first in this list from here on. All edges of the list are *live*.
//! 2. *Starts.* For each edge of the list, in order: if it is live, let the path consist of its
//!    tail alone, and *walk*.
//! 3. *Walk.* A path is a sequence of distinct nodes v0 … vk and edges e1 … ek, where ei joins
//!    v(i−1) with vi in either direction. Repeat: let e be the first live edge at vk other than
//!    ek.
//!     - If there is none and k > 0: ek is no longer live (it lies on no cycle of live edges and
//!       keeps its value); drop ek and vk from the path. If k = 0 the walk is over.
//!     - Else let w be the other end of e. If w is not on the path, append e and w.
//!     - Else w = vj, and e(j+1), …, ek, e is a cycle: *push* along it. An edge of the cycle
//!       whose fraction is now 0 is no longer live. Of the edges of the cycle, in this order,
//!       take the first that is no longer live; drop it and everything after it from the path,
//!       so that the path ends in the node before that edge. (e itself was never on the path.)
//! 4. *Push.* Go round the cycle from vj along e(j+1) first and back to vj along e last. An edge
//!    gone through from tail to head is *forward*, else *backward*. Let f be its fraction.
//!    δ⁺ = the least of B − f over forward and f over backward edges; δ⁻ = the least of f over
//!    forward and B − f over backward edges. Let r = `below(δ⁺ + δ⁻)`. If r < δ⁻, add δ⁺ to the
//!    value of every forward edge and subtract it from every backward one; else subtract δ⁻ from
//!    every forward edge and add it to every backward one.
//!
//! The last phase leaves nothing fractional: at a node with one fractional edge the sum would
//! not be whole, so fractional edges always hold a cycle.
//!
//! **Why it is unbiased.** A push adds δ⁺ with probability δ⁻/(δ⁺+δ⁻) and −δ⁻ otherwise: 0 in
//! expectation, whatever happened before, and every choice of cycles depends on the past alone.
//! The method is that of Gandhi, Khuller, Parthasarathy and Srinivasan (*Dependent rounding and
//! its applications to approximation algorithms*, J. ACM 53, 2006), on cycles of a flow network
//! as Kang and Payor (*Flow rounding*, arXiv 1507.08139, 2015) do. Groups first is for speed: a
//! county fits the processor's cache, and what is left of it is a forest.

mod walk;

use std::sync::Mutex;

use crate::design::{BATCH, NO_GROUP, Network};

use super::stream::{DrawKey, Stream};
use walk::Scratch;

/// Where the rounding's random decisions come from. Tests put an enumeration in its place.
trait Chooser {
    /// A uniform integer in `0..n`, for the shuffle.
    fn below(&mut self, n: u64) -> u64;

    /// Whether to push by `+plus` and not by `-minus`: true with probability
    /// `minus / (plus + minus)`.
    fn plus(&mut self, plus: u64, minus: u64) -> bool;
}

impl Chooser for Stream {
    #[inline]
    fn below(&mut self, n: u64) -> u64 {
        Stream::below(self, n)
    }

    #[inline]
    fn plus(&mut self, plus: u64, minus: u64) -> bool {
        Stream::below(self, plus + minus) < minus
    }
}

/// Why values can't be rounded on a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoundError {
    /// The four lists differ in length.
    #[error(
        "the network has {tails} tails, {heads} heads and {groups} groups for {values} values; \
         all four must be of one length below 2^32"
    )]
    Length {
        /// Length of the list of tails.
        tails: usize,
        /// Length of the list of heads.
        heads: usize,
        /// Length of the list of groups.
        groups: usize,
        /// Length of the list of values.
        values: usize,
    },
    /// An edge ends at a node that is not there.
    #[error("edge {edge} joins nodes {tail} and {head}, but there are only {nodes} nodes")]
    NoSuchNode {
        /// Number of the edge.
        edge: usize,
        /// Its tail.
        tail: u32,
        /// Its head.
        head: u32,
        /// Number of nodes of the network.
        nodes: u32,
    },
    /// The groups are not dense.
    #[error("edge {edge} is in group {group}; groups are numbered densely from 0")]
    SparseGroup {
        /// Number of the edge.
        edge: usize,
        /// Its group.
        group: u32,
    },
    /// A value whose next whole batch does not fit 64 bits.
    #[error("edge {edge} has the value {value}, whose next whole batch exceeds 64 bits")]
    TooLarge {
        /// Number of the edge.
        edge: usize,
        /// Its value in 2^-32 batches.
        value: u64,
    },
    /// The sum at a node is not a whole number of batches.
    #[error(
        "node {node} receives {excess} units of 2^-32 of a batch (modulo one batch) more than \
         it sends; the values are no circulation"
    )]
    Unbalanced {
        /// Number of the node.
        node: usize,
        /// What enters less what leaves, modulo a batch, in 2^-32 batches.
        excess: u32,
    },
}

/// Rounds `values`, an exact circulation on `network`, to whole batches, in place.
///
/// Part of method `m1`; the module documentation specifies every decision. The result depends on
/// the network, the values and the key alone; `threads` (0 counts as 1) only says how many
/// groups are worked on at once.
///
/// # Panics
/// If `values` is no circulation, or the network is malformed: where these come from outside,
/// use [`try_round`].
pub fn round(network: &Network, values: &mut [u64], key: &DrawKey, threads: usize) {
    if let Err(error) = try_round(network, values, key, threads) {
        panic!("the values to be rounded are a circulation by construction: {error}");
    }
}

/// As [`round()`], for values that nobody has vouched for.
///
/// Only the fractions have to be balanced: at every node what enters less what leaves must be a
/// multiple of a batch, and stays as it is.
///
/// # Errors
/// If the network is malformed or the values are not balanced; `values` is then unchanged.
pub fn try_round(
    network: &Network,
    values: &mut [u64],
    key: &DrawKey,
    threads: usize,
) -> Result<(), RoundError> {
    check(network, values)?;
    round_with(network, values, &|label| key.stream(label), threads);
    Ok(())
}

/// Checks all that the walk relies on, in one pass over the edges.
fn check(network: &Network, values: &[u64]) -> Result<(), RoundError> {
    let Network { nodes, tail, head, group } = network;
    let count = values.len();
    if [tail.len(), head.len(), group.len()] != [count; 3] || count >= u32::MAX as usize {
        return Err(RoundError::Length {
            tails: tail.len(),
            heads: head.len(),
            groups: group.len(),
            values: count,
        });
    }
    // A batch is 2^32, so that fractions add up modulo a batch in 32 bits.
    let mut excess = vec![0u32; *nodes as usize];
    for edge in 0..count {
        let (tail, head, group, value) = (tail[edge], head[edge], group[edge], values[edge]);
        if tail >= *nodes || head >= *nodes {
            return Err(RoundError::NoSuchNode { edge, tail, head, nodes: *nodes });
        }
        if group != NO_GROUP && group as usize >= count {
            return Err(RoundError::SparseGroup { edge, group });
        }
        if value > u64::MAX - (BATCH - 1) {
            return Err(RoundError::TooLarge { edge, value });
        }
        let fraction = value as u32;
        excess[head as usize] = excess[head as usize].wrapping_add(fraction);
        excess[tail as usize] = excess[tail as usize].wrapping_sub(fraction);
    }
    match excess.iter().position(|e| *e != 0) {
        Some(node) => Err(RoundError::Unbalanced { node, excess: excess[node] }),
        None => Ok(()),
    }
}

/// One group's part of the first phases.
struct Part<'a> {
    group: usize,
    /// The group's fractional edges, ascending.
    edges: &'a [u32],
    /// Their fractions, in the same order: 0 … 2^32, rewritten by the phase.
    fractions: &'a mut [u64],
}

/// All phases, with a chooser for each label.
fn round_with<C: Chooser>(
    network: &Network,
    values: &mut [u64],
    chooser: &(impl Fn(&str) -> C + Sync),
    threads: usize,
) {
    let (edges, ends) = by_group(network, values);
    let mut fractions = fractions_of(&edges, values);
    let mut parts = split(&edges, &mut fractions, &ends);
    // The largest part first, so that no thread is left with it at the end.
    parts.sort_unstable_by_key(|part| (part.edges.len(), part.group));

    let threads = threads.clamp(1, parts.len().max(1));
    let queue = Mutex::new(parts);
    let work = || {
        let mut scratch = Scratch::new(network.nodes);
        // A poisoned queue means that another thread has panicked; the scope passes that on.
        while let Some(part) = queue.lock().ok().and_then(|mut parts| parts.pop()) {
            let mut chooser = chooser(&format!("round/{}", part.group));
            scratch.phase(network, part.edges, part.fractions, &mut chooser);
        }
    };
    if threads == 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }
    write_back(&edges, &fractions, values);

    let edges: Vec<u32> =
        (0..values.len() as u32).filter(|e| is_fractional(values[*e as usize])).collect();
    let mut fractions = fractions_of(&edges, values);
    let mut chooser = chooser("round/all");
    Scratch::new(network.nodes).phase(network, &edges, &mut fractions, &mut chooser);
    write_back(&edges, &fractions, values);
}

fn is_fractional(value: u64) -> bool {
    !value.is_multiple_of(BATCH)
}

/// The fractional edges that have a group, by group and then by number, and where each group
/// ends in that list.
fn by_group(network: &Network, values: &[u64]) -> (Vec<u32>, Vec<usize>) {
    let chosen = || {
        let of_group = network.group.iter().zip(values).enumerate();
        of_group
            .filter(|(_, (group, value))| **group != NO_GROUP && is_fractional(**value))
            .map(|(edge, (group, _))| (edge as u32, *group as usize))
    };
    let mut ends: Vec<usize> = Vec::new();
    for (_, group) in chosen() {
        if group >= ends.len() {
            ends.resize(group + 1, 0);
        }
        ends[group] += 1;
    }
    // From counts to starts; filling then moves each start to its group's end.
    let mut total = 0;
    for end in &mut ends {
        (*end, total) = (total, total + *end);
    }
    let mut edges = vec![0; total];
    for (edge, group) in chosen() {
        edges[ends[group]] = edge;
        ends[group] += 1;
    }
    (edges, ends)
}

/// Cuts the lists into the parts of the groups, leaving out empty ones.
fn split<'a>(mut edges: &'a [u32], mut fractions: &'a mut [u64], ends: &[usize]) -> Vec<Part<'a>> {
    let mut parts = Vec::with_capacity(ends.len());
    let mut start = 0;
    for (group, end) in ends.iter().enumerate() {
        let (own_edges, other_edges) = edges.split_at(end - start);
        let (own_fractions, other_fractions) = fractions.split_at_mut(end - start);
        if !own_edges.is_empty() {
            parts.push(Part { group, edges: own_edges, fractions: own_fractions });
        }
        (edges, fractions, start) = (other_edges, other_fractions, *end);
    }
    parts
}

fn fractions_of(edges: &[u32], values: &[u64]) -> Vec<u64> {
    edges.iter().map(|e| values[*e as usize] % BATCH).collect()
}

/// Puts the new fractions, which may be a whole batch, on top of the old whole parts.
fn write_back(edges: &[u32], fractions: &[u64], values: &mut [u64]) {
    for (edge, fraction) in edges.iter().zip(fractions) {
        let value = &mut values[*edge as usize];
        *value = *value / BATCH * BATCH + fraction;
    }
}

#[cfg(test)]
mod tests;
