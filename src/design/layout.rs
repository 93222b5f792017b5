//! The network of both families: which edge stands for which node, arc or total.

use super::{Arcs, Context, Family, NO_GROUP, NONE, Network};
use crate::model::both;

/// Where nodes and arcs are found among the edges of the network.
///
/// Edges: the nodes of the first family below its root, each from its parent; the nodes of the
/// second below its root, each to its parent; the arcs, each from its cell to its node of the
/// second family; last the plan as a whole, from the second root back to the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    first: usize,
    second: usize,
    arcs: usize,
}

impl Layout {
    /// The layout of two families and so many arcs.
    #[must_use]
    pub fn new(first: &Family, second: &Family, arcs: usize) -> Self {
        Layout { first: first.len(), second: second.len(), arcs }
    }

    /// The edge of a node of family 0 or 1; of either root, the plan as a whole.
    #[must_use]
    pub fn node_edge(self, family: usize, node: usize) -> usize {
        match (family, node) {
            (_, 0) => self.whole(),
            (0, node) => node - 1,
            (_, node) => self.first + node - 2,
        }
    }

    /// The edge of an arc.
    #[must_use]
    pub fn arc_edge(self, arc: usize) -> usize {
        self.first + self.second - 2 + arc
    }

    /// The edges of the arcs.
    #[must_use]
    pub fn arc_edges(self) -> std::ops::Range<usize> {
        self.arc_edge(0)..self.arc_edge(self.arcs)
    }

    /// The edge of the plan as a whole.
    #[must_use]
    pub fn whole(self) -> usize {
        self.arc_edge(self.arcs)
    }

    /// Builds the network.
    #[must_use]
    pub fn network(self, context: Context<'_>, first: &Family, second: &Family) -> Network {
        let county = |cell: usize| context.frame.cells.county[cell];
        let first_county = first.county_of_nodes(county);
        let second_county = second.county_of_nodes(|arc| county(context.arcs.cell[arc] as usize));
        let group = |county: u32| if county == NONE { NO_GROUP } else { county };
        let offset = first.len() as u32;
        let edges = self.whole() + 1;
        let mut network = Network {
            nodes: (first.len() + second.len()) as u32,
            tail: Vec::with_capacity(edges),
            head: Vec::with_capacity(edges),
            group: Vec::with_capacity(edges),
        };
        for (node, county) in first_county.iter().enumerate().skip(1) {
            network.edge(first.parent[node], node as u32, group(*county));
        }
        for (node, county) in second_county.iter().enumerate().skip(1) {
            let (tail, head) = (offset + node as u32, offset + second.parent[node]);
            network.edge(tail, head, group(*county));
        }
        for (arc, cell) in context.arcs.cell.iter().enumerate() {
            let (tail, head) = (first.leaf[*cell as usize], offset + second.leaf[arc]);
            network.edge(tail, head, group(county(*cell as usize)));
        }
        network.edge(offset, 0, NO_GROUP);
        network
    }

    /// The circulation that the arcs' values make.
    #[must_use]
    pub fn circulation(
        self,
        x: &[u64],
        arcs: &Arcs,
        first: &Family,
        second: &Family,
        threads: usize,
    ) -> Vec<u64> {
        let mut values = vec![0u64; self.whole() + 1];
        let (of_first, rest) = values.split_at_mut(first.len() - 1);
        let (of_second, rest) = rest.split_at_mut(second.len() - 1);
        let (whole, ()) = both(
            threads,
            || {
                let mut nodes = vec![0u64; first.len()];
                for (arc, cell) in arcs.cell.iter().enumerate() {
                    nodes[first.leaf[*cell as usize] as usize] += x[arc];
                }
                first.sum_up(&mut nodes);
                of_first.copy_from_slice(&nodes[1..]);
                nodes[0]
            },
            || {
                let mut nodes = vec![0u64; second.len()];
                for (arc, leaf) in second.leaf.iter().enumerate() {
                    nodes[*leaf as usize] += x[arc];
                }
                second.sum_up(&mut nodes);
                of_second.copy_from_slice(&nodes[1..]);
            },
        );
        rest[..x.len()].copy_from_slice(x);
        rest[x.len()] = whole;
        values
    }
}
