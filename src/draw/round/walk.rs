//! One phase of the rounding: the walk over fractional edges and the push along a cycle.
//!
//! This is steps 1 to 4 of "One phase" in the specification of the parent module. Work is close
//! to linear: every edge dies once, dead edges leave the lists of their ends for good, and
//! after a push the path is kept as far as it is still fractional.

use crate::design::{BATCH, Network};

use super::Chooser;

/// No local number, or not on the path.
const NONE: u32 = u32::MAX;

/// Set in the fraction of an edge that has left the phase while fractional.
const LEFT: u64 = 1 << 63;

/// An edge of the phase, its ends by local number.
#[derive(Clone, Copy)]
struct Edge {
    tail: u32,
    head: u32,
    /// 0 … 2^32; with [`LEFT`] if the edge is out of the phase.
    fraction: u64,
}

impl Edge {
    /// Whether the edge is fractional and still in the phase.
    fn is_live(&self) -> bool {
        self.fraction.wrapping_sub(1) < BATCH - 1
    }
}

/// Memory that one thread uses for one phase after another.
pub(super) struct Scratch {
    /// Local number of each node of the network, [`NONE`] between phases.
    local: Vec<u32>,
    /// Nodes of the network by local number.
    global: Vec<u32>,
    /// Edges of the phase in the order in which they were handed in.
    given: Vec<Edge>,
    /// The shuffled positions in `given`; `edges[i]` was `given[order[i]]`.
    order: Vec<u32>,
    /// Edges of the phase in visiting order.
    edges: Vec<Edge>,
    /// The edges at each node, in visiting order; node v has `first[v]..end[v]`.
    incident: Vec<u32>,
    /// Start of what may be live in a node's list.
    first: Vec<u32>,
    /// End of a node's list.
    end: Vec<u32>,
    /// Place of each node on the path, or [`NONE`].
    place: Vec<u32>,
    /// The nodes of the path from its start.
    path_nodes: Vec<u32>,
    /// The edge that leaves each of `path_nodes`, but for the last one.
    path_edges: Vec<u32>,
    /// For each of `path_edges` how far the flow along the path is above a whole batch: the
    /// fraction of a forward edge, what a backward one lacks. While an edge is on the path its
    /// own fraction is out of date (but the edge is live), so that a push runs over this list
    /// alone, which lies in one piece.
    path_flows: Vec<u64>,
}

impl Scratch {
    /// Memory for phases on a network of `nodes` nodes.
    pub(super) fn new(nodes: u32) -> Self {
        Scratch {
            local: vec![NONE; nodes as usize],
            global: Vec::new(),
            given: Vec::new(),
            order: Vec::new(),
            edges: Vec::new(),
            incident: Vec::new(),
            first: Vec::new(),
            end: Vec::new(),
            place: Vec::new(),
            path_nodes: Vec::new(),
            path_edges: Vec::new(),
            path_flows: Vec::new(),
        }
    }

    /// Runs one phase over `edges` (ascending, all fractional) of `network`; `fractions` holds
    /// their fractions, and afterwards what became of them: 0 … 2^32.
    pub(super) fn phase<C: Chooser>(
        &mut self,
        network: &Network,
        edges: &[u32],
        fractions: &mut [u64],
        chooser: &mut C,
    ) {
        self.load(network, edges, fractions);
        self.arrange(chooser);
        for start in 0..self.edges.len() {
            let edge = self.edges[start];
            if edge.is_live() {
                self.walk(edge.tail, chooser);
            }
        }
        for (edge, from) in self.edges.iter().zip(&self.order) {
            fractions[*from as usize] = edge.fraction & !LEFT;
        }
    }

    /// Gives the nodes local numbers, so that all else lies close together in memory.
    fn load(&mut self, network: &Network, edges: &[u32], fractions: &[u64]) {
        self.global.clear();
        self.given.clear();
        for (edge, fraction) in edges.iter().zip(fractions) {
            let tail = self.number(network.tail[*edge as usize]);
            let head = self.number(network.head[*edge as usize]);
            self.given.push(Edge { tail, head, fraction: *fraction });
        }
        for node in &self.global {
            self.local[*node as usize] = NONE;
        }
    }

    fn number(&mut self, node: u32) -> u32 {
        let local = &mut self.local[node as usize];
        if *local == NONE {
            *local = self.global.len() as u32;
            self.global.push(node);
        }
        *local
    }

    /// Step 1: shuffles the edges and lists them at their ends.
    fn arrange<C: Chooser>(&mut self, chooser: &mut C) {
        let count = self.given.len();
        self.order.clear();
        self.order.extend(0..count as u32);
        for i in (1..count).rev() {
            self.order.swap(i, chooser.below(i as u64 + 1) as usize);
        }
        self.edges.clear();
        self.edges.extend(self.order.iter().map(|from| self.given[*from as usize]));

        let nodes = self.global.len();
        self.first.clear();
        self.first.resize(nodes, 0);
        for edge in &self.edges {
            self.first[edge.tail as usize] += 1;
            self.first[edge.head as usize] += 1;
        }
        let mut total = 0;
        for first in &mut self.first {
            (*first, total) = (total, total + *first);
        }
        self.end.clear();
        self.end.extend_from_slice(&self.first);
        self.incident.clear();
        self.incident.resize(2 * count, 0);
        for (number, edge) in self.edges.iter().enumerate() {
            for node in [edge.tail, edge.head] {
                let end = &mut self.end[node as usize];
                self.incident[*end as usize] = number as u32;
                *end += 1;
            }
        }
        self.place.clear();
        self.place.resize(nodes, NONE);
    }

    /// Step 3: walks from `start` until no live edge is left there.
    fn walk<C: Chooser>(&mut self, start: u32, chooser: &mut C) {
        self.path_nodes.clear();
        self.path_nodes.push(start);
        self.place[start as usize] = 0;
        let mut node = start;
        loop {
            let arrival = self.path_edges.last().copied().unwrap_or(NONE);
            let Some(next) = self.next_live(node, arrival) else {
                let Some(last) = self.path_edges.len().checked_sub(1) else {
                    self.place[start as usize] = NONE;
                    return;
                };
                node = self.cut(last);
                self.edges[arrival as usize].fraction |= LEFT;
                continue;
            };
            let edge = self.edges[next as usize];
            let (reached, flow) = if edge.tail == node {
                (edge.head, edge.fraction)
            } else {
                (edge.tail, BATCH - edge.fraction)
            };
            self.path_edges.push(next);
            self.path_flows.push(flow);
            let place = self.place[reached as usize];
            if place == NONE {
                self.place[reached as usize] = self.path_nodes.len() as u32;
                self.path_nodes.push(reached);
                node = reached;
            } else {
                let kept = self.push(place as usize, chooser);
                node = self.cut(kept);
            }
        }
    }

    /// The first live edge at `node` other than `arrival`. Dead edges before it are dropped from
    /// the node's list, over which `arrival` is moved up, so that none is looked at again.
    fn next_live(&mut self, node: u32, arrival: u32) -> Option<u32> {
        let end = self.end[node as usize];
        let mut first = self.first[node as usize];
        while first < end && !self.edges[self.incident[first as usize] as usize].is_live() {
            first += 1;
        }
        let mut found = first;
        if first < end && self.incident[first as usize] == arrival {
            found = first + 1;
            while found < end && !self.edges[self.incident[found as usize] as usize].is_live() {
                self.incident[found as usize] = arrival;
                found += 1;
            }
            first = found - 1;
        }
        self.first[node as usize] = first;
        (found < end).then(|| self.incident[found as usize])
    }

    /// Step 4: pushes along the cycle of the edges on the path from place `from` on, which leaves
    /// from, and closes at, the node at that place. Returns the place of the first edge that
    /// became whole.
    fn push<C: Chooser>(&mut self, from: usize, chooser: &mut C) -> usize {
        let flows = &mut self.path_flows[from..];
        let (least, most) =
            flows.iter().fold((BATCH, 0), |(least, most), f| (least.min(*f), most.max(*f)));
        let (plus, minus) = (BATCH - most, least);
        let whole = if chooser.plus(plus, minus) {
            flows.iter_mut().for_each(|flow| *flow += plus);
            BATCH
        } else {
            flows.iter_mut().for_each(|flow| *flow -= minus);
            0
        };
        // The edge that bounded the push is whole now, so there is always one.
        from + flows.iter().position(|flow| *flow == whole).unwrap_or(0)
    }

    /// Cuts the path down to its first `kept` edges, brings the fractions of the others up to
    /// date, and returns the node where the path now ends.
    fn cut(&mut self, kept: usize) -> u32 {
        for place in kept..self.path_edges.len() {
            let edge = &mut self.edges[self.path_edges[place] as usize];
            let flow = self.path_flows[place];
            let is_forward = edge.tail == self.path_nodes[place];
            edge.fraction = if is_forward { flow } else { BATCH - flow };
        }
        for node in &self.path_nodes[kept + 1..] {
            self.place[*node as usize] = NONE;
        }
        self.path_nodes.truncate(kept + 1);
        self.path_edges.truncate(kept);
        self.path_flows.truncate(kept);
        self.path_nodes[kept]
    }
}
