//! The certificate and the compliance table: what was asked, planned and guaranteed.

use crate::design::{BATCH, Design, Limit, NONE, Required, Side, Span, holds};
use crate::policy::Policy;

use super::{Certificate, CertificateRow, ComplianceRow, Interval};

/// One row of each for every bound of every quota and group; `n` are the batches of the arcs.
pub(super) fn rows(
    policy: &Policy,
    design: &Design,
    n: &[u32],
) -> (Certificate, Vec<ComplianceRow>) {
    let names = |dims: &[crate::policy::Dim]| dims.iter().map(ToString::to_string).collect();
    let families = [names(&design.chains.first), names(&design.chains.second)];
    let mut certificate = Certificate { families, rows: Vec::new() };
    let mut compliance = Vec::new();
    for (number, partition) in design.partitions.iter().enumerate() {
        let quota = &policy.quotas[partition.quota];
        let planned = sums(&partition.of_arc, n, partition.groups.len());
        let rest = partition.rest_of_arc.as_deref();
        let planned_rest = rest.map(|rest| sums(rest, n, partition.groups.len()));
        let placement = &design.placements[number];
        for (place, group) in partition.groups.iter().enumerate() {
            let span = &design.spans[number][place];
            let own = planned[place];
            let open_base = planned_rest.as_ref().map(|rest| own + rest[place]);
            for limit in &group.limits {
                certificate.rows.push(CertificateRow {
                    family: placement.family,
                    depth: placement.depth,
                    nodes: span.own.nodes,
                    x: span.own.x,
                    low: span.own.low,
                    high: span.own.high,
                    rest: open_base.map(|_| interval(&span.rest)),
                });
                compliance.push(ComplianceRow {
                    quota: quota.name.clone(),
                    scope: partition.scope(),
                    group: group.name.clone(),
                    hardness: quota.hardness.as_str().into(),
                    bound: if limit.side == Side::Min { "min" } else { "max" }.into(),
                    asked: limit.asked.clone(),
                    base: open_base
                        .filter(|_| matches!(limit.required, Required::Share(_)))
                        .unwrap_or(limit.base),
                    required: required(limit, open_base.unwrap_or(0)),
                    planned: own,
                    guaranteed_low: span.own.low,
                    guaranteed_high: span.own.high,
                    holds: holds(limit, span),
                });
            }
        }
    }
    (certificate, compliance)
}

fn required(limit: &Limit, base: u64) -> u64 {
    match (limit.required, limit.side) {
        (Required::Batches(n), _) => n,
        (Required::Share(share), Side::Min) => share.ceil_of(base),
        (Required::Share(share), Side::Max) => share.floor_of(base),
    }
}

fn interval(span: &Span) -> Interval {
    Interval { x: span.x, low: span.low, high: span.high }
}

fn sums(of_arc: &[u32], n: &[u32], groups: usize) -> Vec<u64> {
    let mut sums = vec![0u64; groups];
    for (group, n) in of_arc.iter().zip(n).filter(|(group, _)| **group != NONE) {
        sums[*group as usize] += u64::from(*n);
    }
    sums
}

/// Per cents that the price of the quotas is told for.
const PERCENTS: [u32; 7] = [0, 5, 25, 50, 75, 95, 100];

/// Percentiles, over units, of π divided by the risk-proportional π.
pub(super) fn price(frame: &crate::frame::Frame, design: &Design) -> Vec<super::Percentile> {
    let cells = frame.cells.len();
    let x = design.x();
    let weight =
        |cell: usize| u128::from(frame.cells.weight[cell]) * u128::from(frame.cell_units(cell));
    let whole: u128 = (0..cells).map(weight).sum();
    let batches = u128::from(design.authorities.batches());
    let mut ratios: Vec<(u128, u32)> = (0..cells)
        .map(|cell| {
            let total: u128 = x[design.arcs.of_cell(cell)].iter().map(|x| u128::from(*x)).sum();
            let ratio = total * whole / weight(cell) * 10_000 / (batches * u128::from(BATCH));
            (ratio, frame.cell_units(cell))
        })
        .collect();
    ratios.sort_unstable();
    let last = frame.units().saturating_sub(1);
    let mut percentiles = Vec::new();
    let (mut seen, mut place) = (0u64, 0);
    for percent in PERCENTS {
        let wanted = u64::from(percent) * last / 100;
        while place < ratios.len() && seen + u64::from(ratios[place].1) <= wanted {
            seen += u64::from(ratios[place].1);
            place += 1;
        }
        let ratio = ratios.get(place).map_or(0, |(ratio, _)| *ratio);
        let ratio = format!("{}.{:04}", ratio / 10_000, ratio % 10_000);
        percentiles.push(super::Percentile { percent, ratio });
    }
    percentiles
}
