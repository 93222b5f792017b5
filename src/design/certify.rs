//! The certificate: between which integers every quota row lies in every draw.
//!
//! Rounding takes every node to ⌊x⌋ or ⌈x⌉. A row is a sum of nodes of one depth of one family,
//! so it lies between the sums of both.

use crate::model::Level;
use crate::policy::{Dim, Policy};

use super::{BATCH, Context, Family, Knowledge, Layout, Limit, NONE, Partition, Required, Side};

/// Which nodes make up the rows of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Family, 0 or 1.
    pub family: u8,
    /// Depth of the nodes; one more than the second family has stands for its arcs.
    pub depth: u8,
    /// Edge and group of each node that counts.
    pub members: Vec<(u32, u32)>,
    /// Edge and group of each node of the rest of an open base.
    pub rest: Vec<(u32, u32)>,
}

/// A total, the integers that it can become, and of how many nodes it is the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Value, in units of 2^-32.
    pub x: u64,
    /// Least, in batches.
    pub low: u64,
    /// Most, in batches.
    pub high: u64,
    /// Nodes.
    pub nodes: u64,
}

impl Span {
    fn add(&mut self, value: u64, near: u64) {
        let rest = value % BATCH;
        let floor = value / BATCH;
        self.x += value;
        self.low += floor + u64::from(rest > 0 && BATCH - rest <= near);
        self.high += floor + u64::from(rest > near);
        self.nodes += 1;
    }
}

/// The spans of a group: of its matching part, and of the rest of an open base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupSpan {
    /// What matches.
    pub own: Span,
    /// The rest of an open base; nothing where the base is fixed.
    pub rest: Span,
}

impl Placement {
    /// Finds the nodes that make up the rows of `partition`: of all depths at which they do, the
    /// one with the fewest nodes, the second family before the first.
    #[must_use]
    pub fn find(
        context: Context<'_>,
        knowledge: Knowledge<'_>,
        policy: &Policy,
        partition: &Partition,
        families: [&Family; 2],
        layout: Layout,
    ) -> Self {
        let level = single_level(policy, partition);
        let found = [1usize, 0].into_iter().filter_map(|family| {
            let depth = families[family].depth_for(knowledge, &partition.dims, level)?;
            Some(Self::at(partition, families[family], family, depth, layout))
        });
        let best = found.min_by_key(|placement| placement.members.len() + placement.rest.len());
        best.unwrap_or_else(|| {
            let arcs = 0..context.arcs.len();
            Self::of_arcs(partition, arcs, families[1].depths(), layout)
        })
    }

    fn at(
        partition: &Partition,
        family: &Family,
        number: usize,
        depth: usize,
        layout: Layout,
    ) -> Self {
        let select = |column: &[u32]| {
            let nodes = family.at_depth(depth).map(|node| {
                let group = column.get(family.sample[node] as usize).copied().unwrap_or(NONE);
                (layout.node_edge(number, node) as u32, group)
            });
            nodes.filter(|(_, group)| *group != NONE).collect()
        };
        Placement {
            family: number as u8,
            depth: depth as u8,
            members: select(&partition.of_arc),
            rest: partition.rest_of_arc.as_deref().map(select).unwrap_or_default(),
        }
    }

    fn of_arcs(
        partition: &Partition,
        arcs: std::ops::Range<usize>,
        depth: usize,
        layout: Layout,
    ) -> Self {
        let select = |column: &[u32]| {
            let nodes = arcs.clone().map(|arc| (layout.arc_edge(arc) as u32, column[arc]));
            nodes.filter(|(_, group)| *group != NONE).collect()
        };
        Placement {
            family: 1,
            depth: depth as u8,
            members: select(&partition.of_arc),
            rest: partition.rest_of_arc.as_deref().map(select).unwrap_or_default(),
        }
    }

    /// The spans of so many groups under `values` of the edges; values within `near` units of an
    /// integer count as that integer (0 for a proof).
    #[must_use]
    pub fn spans(&self, values: &[u64], groups: usize, near: u64) -> Vec<GroupSpan> {
        let mut spans = vec![GroupSpan::default(); groups];
        for (edge, group) in &self.members {
            spans[*group as usize].own.add(values[*edge as usize], near);
        }
        for (edge, group) in &self.rest {
            spans[*group as usize].rest.add(values[*edge as usize], near);
        }
        spans
    }
}

/// The one level that the partition's filter leaves, if it names one.
fn single_level(policy: &Policy, partition: &Partition) -> Option<Level> {
    let filter = &policy.quotas[partition.quota].filter;
    let condition = filter.iter().find(|condition| condition.dim == Dim::Level)?;
    match &condition.any_of[..] {
        [one] => one.parse().ok(),
        _ => None,
    }
}

/// By how much a limit is missed in the worst draw, in batches (for an open share, in batches
/// of the base); 0 or less if it holds in every draw.
#[must_use]
pub fn shortfall(limit: &Limit, span: &GroupSpan) -> f64 {
    // Only says how far to tighten; whether a limit holds is decided by `holds`.
    match (limit.required, limit.side) {
        (Required::Batches(n), Side::Min) => n as f64 - span.own.low as f64,
        (Required::Batches(n), Side::Max) => span.own.high as f64 - n as f64,
        (Required::Share(share), Side::Min) => {
            let share = share.num() as f64 / share.den() as f64;
            share * span.rest.high as f64 - (1.0 - share) * span.own.low as f64
        }
        (Required::Share(share), Side::Max) => {
            let share = share.num() as f64 / share.den() as f64;
            (1.0 - share) * span.own.high as f64 - share * span.rest.low as f64
        }
    }
}

/// By how much a limit is kept on average, in batches (for an open share, in batches of the
/// base); less than 0 if it is not.
#[must_use]
pub(super) fn room(limit: &Limit, span: &GroupSpan) -> f64 {
    // Only says how far to tighten, as `shortfall` does.
    let (own, rest) = (span.own.x as f64 / BATCH as f64, span.rest.x as f64 / BATCH as f64);
    let kept = match limit.required {
        Required::Batches(n) => own - n as f64,
        Required::Share(share) => {
            let share = share.num() as f64 / share.den() as f64;
            (1.0 - share) * own - share * rest
        }
    };
    if limit.side == Side::Min { kept } else { -kept }
}

/// Whether a limit holds in every draw: in integers.
#[must_use]
pub fn holds(limit: &Limit, span: &GroupSpan) -> bool {
    match (limit.required, limit.side) {
        (Required::Batches(n), Side::Min) => span.own.low >= n,
        (Required::Batches(n), Side::Max) => span.own.high <= n,
        (Required::Share(share), side) => {
            let (num, den) = (u128::from(share.num()), u128::from(share.den()));
            let own = |batches: u64| (den - num) * u128::from(batches);
            let rest = |batches: u64| num * u128::from(batches);
            match side {
                Side::Min => own(span.own.low) >= rest(span.rest.high),
                Side::Max => own(span.own.high) <= rest(span.rest.low),
            }
        }
    }
}
