//! What a failed flow or a missing certificate says, in a planner's words.

use crate::policy::Policy;

use super::certify::{GroupSpan, Placement};
use super::flow::Cut;
use super::{BATCH, Clash, Context, Family, Layout, Network, Partition, Required, Side, level_of};

fn batches(value: u128) -> String {
    let hundredths = value * 100 / u128::from(BATCH);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The bounds that a minimum cut runs through.
pub(super) fn cut_clashes(
    context: Context<'_>,
    policy: &Policy,
    partitions: &[Partition],
    placements: &[Placement],
    (first, second, layout): (&Family, &Family, Layout),
    (network, low, high): (&Network, &[u64], &[u64]),
    cut: &Cut,
) -> Vec<Clash> {
    let crossing = |edge: usize| {
        let tail = cut.inside[network.tail[edge] as usize];
        let head = cut.inside[network.head[edge] as usize];
        match (tail, head) {
            (true, false) if high[edge] != u64::MAX => Some(Side::Max),
            (false, true) if low[edge] > 0 => Some(Side::Min),
            _ => None,
        }
    };
    let mut clashes = Vec::new();
    // Authorities.
    for node in second.at_depth(2) {
        let Some(side) = crossing(layout.node_edge(1, node)) else { continue };
        let arc = second.sample[node] as usize;
        let level = level_of(context.arcs, arc);
        let county = context.frame.cells.county[context.arcs.cell[arc] as usize] as usize;
        let place = context.authorities.of_county[county][level.index()] as usize;
        let authority = &context.authorities.list[place];
        let what = if side == Side::Min { "needs" } else { "has only" };
        let why = format!("{what} {} batches", authority.batches);
        clashes.push(Clash::new("budget", level.as_str(), &authority.code.to_string(), why));
    }
    // Rows that are nodes.
    for (partition, placement) in partitions.iter().zip(placements) {
        if !partition.firm(policy) {
            continue;
        }
        for (edge, group) in &placement.members {
            let Some(side) = crossing(*edge as usize) else { continue };
            let group = &partition.groups[*group as usize];
            let binding = group.limits.iter().find_map(|limit| match limit.required {
                Required::Batches(n) if limit.side == side => Some((n, limit)),
                _ => None,
            });
            if let Some((n, _)) = binding {
                let least = if side == Side::Min { "least" } else { "most" };
                let why = format!("asks for at {least} {n} batches");
                let name = &policy.quotas[partition.quota].name;
                clashes.push(Clash::new(name, &partition.scope(), &group.name, why));
            }
        }
    }
    // Cells, all together.
    let (mut full, mut units) = (0u64, 0u128);
    let (mut floors, mut least) = (0u64, 0u128);
    for cell in 0..context.frame.cells.len() {
        let edge = layout.node_edge(0, first.leaf[cell] as usize);
        match crossing(edge) {
            Some(Side::Max) => {
                full += 1;
                units += u128::from(high[edge]);
            }
            Some(Side::Min) => {
                floors += 1;
                least += u128::from(low[edge]);
            }
            None => {}
        }
    }
    if full > 0 {
        let why = format!(
            "{full} cells can give no more than their {} eligible units",
            units / u128::from(BATCH)
        );
        clashes.push(Clash::new("capacity", "plan", "", why));
    }
    if floors > 0 {
        let why = format!(
            "{floors} cells must keep {} batches (certainty, floor, nobody at zero)",
            batches(least)
        );
        clashes.push(Clash::new("nobody at zero", "plan", "", why));
    }
    let why = format!("together they are {} batches apart", batches(cut.short));
    clashes.push(Clash::new("in all", "", "", why));
    clashes
}

/// The rows that no certificate was found for.
pub(super) fn uncertified_clashes(
    policy: &Policy,
    partitions: &[Partition],
    spans: &[Vec<GroupSpan>],
    missing: &[(usize, usize)],
) -> Vec<Clash> {
    let clash = |(number, place): &(usize, usize)| {
        let partition = &partitions[*number];
        let group = &partition.groups[*place];
        let span = &spans[*number][*place];
        let asked: Vec<String> = group
            .limits
            .iter()
            .map(|limit| {
                let side = if limit.side == Side::Min { "at least" } else { "at most" };
                match limit.required {
                    Required::Batches(n) => format!("{side} {n} batches"),
                    Required::Share(share) => format!("{side} {share}"),
                }
            })
            .collect();
        let why = format!(
            "asks for {}; the best design found guarantees {} to {} (expected {})",
            asked.join(" and "),
            span.own.low,
            span.own.high,
            batches(u128::from(span.own.x))
        );
        Clash::new(&policy.quotas[partition.quota].name, &partition.scope(), &group.name, why)
    };
    missing.iter().map(clash).collect()
}
