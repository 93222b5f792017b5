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
//! **Phases.** Let G be the largest group of any edge plus 1 (0 if no edge has one; the group
//! 2^32 − 1 means "no group"). Rounds of phases are run for the widths w = 1, 4, 16, 64, …, up
//! to and including the first w ≥ G; none if G = 0. The round of width w has one phase for each
//! block b = 0, 1, …: over the fractional edges whose group g has ⌊g / w⌋ = b, with the stream of
//! the label `round/w/b` (both in decimal digits without leading zeros, as in `round/16/3`). No
//! two blocks of a round share an edge or a stream, so their order is of no importance, and
//! they may run at once. After the rounds comes one last phase over all edges that are still
//! fractional, those without a group among them, with the stream of the label `round/all`.
//!
//! **One phase** has a list of edges and a stream.
//!
//! 1. *Order.* List the edges by ascending group, those of one group by ascending number (so
//!    that edges without a group come last); shuffle the list with the stream. "First" means
//!    first in the shuffled list from here on. All its edges are *live*.
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
//! as Kang and Payor (*Flow rounding*, arXiv 1507.08139, 2015) do. Blocks are for speed: a county
//! fits the processor's cache, and so do the forests that are left of four counties.

mod walk;

use std::sync::Mutex;

use crate::design::{BATCH, NO_GROUP, Network};

use super::stream::{DrawKey, Stream};
use walk::Scratch;

/// How many blocks of one round make a block of the next. Part of the method.
const FAN: u64 = 4;

/// More threads than this are of no use to a province.
const THREADS_MAX: usize = 64;

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

/// All phases, with a chooser for each label.
fn round_with<C: Chooser>(
    network: &Network,
    values: &mut [u64],
    chooser: &(impl Fn(&str) -> C + Sync),
    threads: usize,
) {
    let groups = network.group.iter().filter(|group| **group != NO_GROUP);
    let groups = groups.max().map_or(0, |most| u64::from(*most) + 1);
    let mut open = Open::gather(network, values, groups as usize);
    let mut scratches: Vec<Scratch> =
        (0..threads.clamp(1, THREADS_MAX)).map(|_| Scratch::new(network.nodes)).collect();

    let first = (groups > 0).then_some(1);
    for width in std::iter::successors(first, |width| (*width < groups).then_some(width * FAN)) {
        run(network, open.blocks(network, width), &mut scratches, &|block| {
            chooser(&format!("round/{width}/{block}"))
        });
        open.settle(values);
    }
    let rest = Part { block: 0, edges: &open.edges, fractions: &mut open.fractions };
    run(network, vec![rest], &mut scratches, &|_| chooser("round/all"));
    open.settle(values);
}

/// Runs the phases of one round; they share nothing, so that threads take one after another.
fn run<C: Chooser>(
    network: &Network,
    mut parts: Vec<Part<'_>>,
    scratches: &mut [Scratch],
    chooser: &(impl Fn(u64) -> C + Sync),
) {
    // The largest first, so that no thread is left with it at the end.
    parts.sort_by_key(|part| part.edges.len());
    let threads = scratches.len().min(parts.len());
    let queue = Mutex::new(parts);
    let work = |scratch: &mut Scratch| {
        // A poisoned queue means that another thread has panicked; the scope passes that on.
        while let Some(part) = queue.lock().ok().and_then(|mut parts| parts.pop()) {
            scratch.phase(network, part.edges, part.fractions, &mut chooser(part.block));
        }
    };
    match &mut scratches[..threads] {
        [] => {}
        [only] => work(only),
        many => std::thread::scope(|scope| {
            for scratch in many {
                scope.spawn(|| work(scratch));
            }
        }),
    }
}

/// What one phase works on.
struct Part<'a> {
    block: u64,
    edges: &'a [u32],
    /// The fractions of `edges`, rewritten by the phase: 0 … 2^32.
    fractions: &'a mut [u64],
}

/// The edges that are still fractional, by group and then by number.
struct Open {
    edges: Vec<u32>,
    fractions: Vec<u64>,
}

impl Open {
    /// Lists the fractional edges (a counting sort; edges without a group come last).
    fn gather(network: &Network, values: &[u64], groups: usize) -> Self {
        let slot = |edge: usize| (network.group[edge] as usize).min(groups);
        let fractional = || (0..values.len()).filter(|edge| !values[*edge].is_multiple_of(BATCH));
        let mut starts = vec![0; groups + 1];
        for edge in fractional() {
            starts[slot(edge)] += 1;
        }
        let mut total = 0;
        for start in &mut starts {
            (*start, total) = (total, total + *start);
        }
        let mut edges = vec![0; total];
        for edge in fractional() {
            let start = &mut starts[slot(edge)];
            edges[*start] = edge as u32;
            *start += 1;
        }
        let fractions = edges.iter().map(|edge| values[*edge as usize] % BATCH).collect();
        Open { edges, fractions }
    }

    /// The blocks of `width` groups that have an edge.
    fn blocks(&mut self, network: &Network, width: u64) -> Vec<Part<'_>> {
        let block_of = |edge: &u32| u64::from(network.group[*edge as usize]) / width;
        let grouped = self.edges.partition_point(|e| network.group[*e as usize] != NO_GROUP);
        let mut fractions = &mut self.fractions[..grouped];
        let runs = self.edges[..grouped].chunk_by(|a, b| block_of(a) == block_of(b));
        runs.map(|edges| {
            let (own, others) = std::mem::take(&mut fractions).split_at_mut(edges.len());
            fractions = others;
            Part { block: block_of(&edges[0]), edges, fractions: own }
        })
        .collect()
    }

    /// Writes the fractions, which may now be a whole batch, on top of the whole parts of the
    /// values, and drops the edges that are no longer fractional.
    fn settle(&mut self, values: &mut [u64]) {
        let mut kept = 0;
        for at in 0..self.edges.len() {
            let (edge, fraction) = (self.edges[at], self.fractions[at]);
            let value = &mut values[edge as usize];
            *value = *value / BATCH * BATCH + fraction;
            if !value.is_multiple_of(BATCH) {
                (self.edges[kept], self.fractions[kept]) = (edge, fraction);
                kept += 1;
            }
        }
        self.edges.truncate(kept);
        self.fractions.truncate(kept);
    }
}

#[cfg(test)]
mod tests;
