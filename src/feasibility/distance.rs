//! What quotas cost in a feasible plan: how far they move probabilities away from risk, which rows
//! bind, and how much room the others have.
//!
//! The fit multiplies the expected batches of every group by a factor, the exponential of its
//! row's multiplier (shadow price) in the Kullback–Leibler distance to the risk-proportional
//! target. Factors are told as they are: 1.25 means that the probabilities in the group are a
//! quarter higher because of the quota, other things being equal.

use crate::design::{BATCH, BoundKind, Context, Design, NONE, Required, Side};
use crate::frame::Frame;
use crate::policy::Policy;

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowRoom {
    /// Name of the quota.
    pub quota: String,
    /// Grouping.
    pub scope: String,
    /// The group's values.
    pub group: String,
    /// Which bound.
    pub kind: BoundKind,
    /// The bound as the policy writes it.
    pub asked: String,
    /// What is required, in batches; of an open share what it is of the expected base.
    pub required: u64,
    /// Least and most in any draw.
    pub guaranteed: (u64, u64),
    /// Expected, in hundredths of a batch.
    pub expected: u64,
    /// Batches by which the worst draw keeps the bound (of an open share: of the base).
    pub room: u64,
    /// What the quota multiplied the group's probabilities by, in ten-thousandths.
    pub factor: u64,
}

/// One quota.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaPrice {
    /// Its name.
    pub quota: String,
    /// Rows, and those among them that bind: that move probabilities or leave less than a batch.
    pub rows: usize,
    /// See `rows`.
    pub binding: usize,
    /// Least and greatest factor of its rows, in ten-thousandths.
    pub factors: (u64, u64),
    /// Batches that would be elsewhere without the quota's factors, in hundredths.
    pub moved: u64,
}

/// What the quotas of a design cost.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distance {
    /// By quota, in the order of the policy.
    pub quotas: Vec<QuotaPrice>,
    /// All rows, in the order of the policy.
    pub rows: Vec<RowRoom>,
    /// Batches that would be elsewhere without any quota's factors, in hundredths.
    pub moved: u64,
}

fn scaled(value: f64, unit: f64) -> u64 {
    // Reported only; `as` saturates.
    (value * unit + 0.5) as u64
}

/// Computes it.
pub(super) fn distance(frame: &Frame, policy: &Policy, design: &Design) -> Distance {
    let arcs = design.arcs.len();
    let context = Context { frame, authorities: &design.authorities, arcs: &design.arcs };
    let x: Vec<f64> = design.x().iter().map(|x| *x as f64 / BATCH as f64).collect();
    let mut distance = Distance::default();
    let mut all = vec![1.0f64; arcs];
    for (number, quota) in policy.quotas.iter().enumerate() {
        let mut own = vec![1.0f64; arcs];
        let mut price = QuotaPrice {
            quota: quota.name.clone(),
            rows: 0,
            binding: 0,
            factors: (10_000, 10_000),
            moved: 0,
        };
        for (place, partition) in design.partitions.iter().enumerate() {
            if partition.quota != number || !partition.firm(policy) {
                continue;
            }
            let factors = &design.factors[place];
            for (value, group) in own.iter_mut().zip(&partition.of_arc) {
                if *group != NONE {
                    *value *= factors[*group as usize][0];
                }
            }
            if let Some(rest) = &partition.rest_of_arc {
                for (value, group) in own.iter_mut().zip(rest) {
                    if *group != NONE {
                        *value *= factors[*group as usize][1];
                    }
                }
            }
            for (group, found) in partition.groups.iter().enumerate() {
                let span = &design.spans[place][group];
                let factor = scaled(factors[group][0] / factors[group][1], 10_000.0);
                for limit in &found.limits {
                    let (required, room) = match (limit.required, limit.side) {
                        (Required::Batches(n), Side::Min) => (n, span.own.low.saturating_sub(n)),
                        (Required::Batches(n), Side::Max) => (n, n.saturating_sub(span.own.high)),
                        (Required::Share(share), side) => {
                            let base = (span.own.x + span.rest.x) / BATCH;
                            let (num, den) = (u128::from(share.num()), u128::from(share.den()));
                            let own = |n: u64| (den - num) * u128::from(n);
                            let rest = |n: u64| num * u128::from(n);
                            let room = if side == Side::Min {
                                own(span.own.low).saturating_sub(rest(span.rest.high))
                            } else {
                                rest(span.rest.low).saturating_sub(own(span.own.high))
                            };
                            (share.ceil_of(base), (room / den) as u64)
                        }
                    };
                    price.rows += 1;
                    price.binding += usize::from(room == 0 || factor != 10_000);
                    price.factors = (price.factors.0.min(factor), price.factors.1.max(factor));
                    distance.rows.push(RowRoom {
                        quota: quota.name.clone(),
                        scope: partition.scope(),
                        group: found.name.clone(),
                        kind: limit.kind,
                        asked: limit.asked.clone(),
                        required,
                        guaranteed: (span.own.low, span.own.high),
                        expected: (u128::from(span.own.x) * 100 / u128::from(BATCH)) as u64,
                        room,
                        factor,
                    });
                }
            }
        }
        if price.rows > 0 {
            price.moved = scaled(moved(context, &x, &own), 100.0);
            for (whole, own) in all.iter_mut().zip(&own) {
                *whole *= own;
            }
            distance.quotas.push(price);
        }
    }
    distance.moved = scaled(moved(context, &x, &all), 100.0);
    distance
}

/// Half the sum of what arcs would gain or lose without the factors, every authority's batches
/// staying what they are.
fn moved(context: Context<'_>, x: &[f64], factors: &[f64]) -> f64 {
    if factors.iter().all(|factor| *factor == 1.0) {
        return 0.0;
    }
    let authority = |arc: usize| context.authority(arc) as usize;
    let mut with = vec![0.0f64; context.authorities.list.len()];
    let mut without = with.clone();
    for (arc, (x, factor)) in x.iter().zip(factors).enumerate() {
        with[authority(arc)] += x;
        without[authority(arc)] += x / factor;
    }
    let mut moved = 0.0;
    for (arc, (x, factor)) in x.iter().zip(factors).enumerate() {
        let place = authority(arc);
        if without[place] > 0.0 {
            let other = x / factor * (with[place] / without[place]);
            moved += (x - other).abs();
        }
    }
    moved / 2.0
}
