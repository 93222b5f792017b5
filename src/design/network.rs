//! The flow network of the two families of totals: edges with values, conserved at every node.

/// One batch, in the units of every fixed-point value: 2^32.
pub const BATCH: u64 = 1 << 32;

/// Edge group for edges that belong to no single county.
pub const NO_GROUP: u32 = u32::MAX;

/// A directed graph whose edges carry fixed-point values.
///
/// A *circulation* has, at every node, the same sum on the edges that enter and that leave.
/// Edges stand for totals: a tree edge for the total of a node of a family, an arc for a cell at
/// a level in a channel. The direction only says which sign an edge has at which end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Number of nodes.
    pub nodes: u32,
    /// The node that each edge leaves.
    pub tail: Vec<u32>,
    /// The node that each edge enters.
    pub head: Vec<u32>,
    /// The county that each edge lies in, as any number that is dense from 0, or [`NO_GROUP`].
    /// Every choice of groups is correct; it decides only the order of work.
    pub group: Vec<u32>,
}

impl Network {
    /// Number of edges.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.tail.len()
    }

    /// Appends an edge and returns its number.
    pub fn edge(&mut self, tail: u32, head: u32, group: u32) -> u32 {
        let number = self.tail.len() as u32;
        self.tail.push(tail);
        self.head.push(head);
        self.group.push(group);
        number
    }

    /// What enters each node less what leaves it.
    #[must_use]
    pub fn excess(&self, values: &[u64]) -> Vec<i128> {
        let mut excess = vec![0i128; self.nodes as usize];
        for (edge, value) in values.iter().enumerate() {
            excess[self.head[edge] as usize] += i128::from(*value);
            excess[self.tail[edge] as usize] -= i128::from(*value);
        }
        excess
    }
}
