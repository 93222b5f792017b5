//! Arithmetic that needs no search: what no plan can keep is told before any is tried.

use crate::model::Level;
use crate::policy::{Dim, Policy};

use super::{
    Authorities, BoundKind, Clash, Context, Limit, NONE, Partition, Refusal, Required, Side,
};

/// Checks each row by itself, and the sums of minima against the batches there are.
///
/// # Errors
/// [`Refusal`] with every clash found; each is a proof.
pub(super) fn arithmetic(
    context: Context<'_>,
    policy: &Policy,
    partitions: &[Partition],
) -> Result<(), Refusal> {
    let mut clashes = capacity(context);
    for partition in partitions.iter().filter(|partition| partition.firm(policy)) {
        single_rows(policy, partition, &mut clashes);
        sums(context.authorities, policy, partition, &mut clashes);
    }
    if clashes.is_empty() { Ok(()) } else { Err(Refusal::infeasible(clashes)) }
}

fn capacity(context: Context<'_>) -> Vec<Clash> {
    let mut clashes = Vec::new();
    let (units, batches) = (context.frame.units(), context.authorities.batches());
    if batches > units {
        let why = format!("{batches} batches are more than the {units} eligible units");
        clashes.push(Clash::new("budget", "plan", "", why));
    }
    let mut zero = 0u64;
    for cell in 0..context.frame.cells.len() {
        if context.arcs.of_cell(cell).is_empty() {
            zero += u64::from(context.frame.cell_units(cell));
        }
    }
    if zero > 0 {
        let why = format!(
            "{zero} eligible units can only be drawn by authorities without a batch; give those \
             authorities a budget or exclude the units with a reason"
        );
        clashes.push(Clash::new("nobody at zero", "plan", "", why));
    }
    clashes
}

fn single_rows(policy: &Policy, partition: &Partition, clashes: &mut Vec<Clash>) {
    let name = &policy.quotas[partition.quota].name;
    let scope = partition.scope();
    for group in &partition.groups {
        let bound = |side: Side| {
            let limits = group.limits.iter().filter(move |limit| limit.side == side);
            limits.filter_map(|limit| match limit.required {
                Required::Batches(n) => Some((n, limit)),
                Required::Share(_) => None,
            })
        };
        for (least, limit) in bound(Side::Min) {
            if least > group.units {
                let why = format!(
                    "asks for at least {least} batches{}, but only {} eligible units match",
                    asked(limit),
                    group.units
                );
                clashes.push(Clash::new(name, &scope, &group.name, why));
            }
            for (most, other) in bound(Side::Max) {
                if least > most {
                    let why = format!(
                        "asks for at least {least} batches{} and at most {most}{}",
                        asked(limit),
                        asked(other)
                    );
                    clashes.push(Clash::new(name, &scope, &group.name, why));
                }
            }
        }
    }
}

fn asked(limit: &Limit) -> String {
    if limit.base == 0 {
        return String::new();
    }
    format!(" ({} of {})", limit.asked.trim_end_matches(" of units"), limit.base)
}

/// The disjoint groups of one partition share the batches of the authorities they lie in.
fn sums(
    authorities: &Authorities,
    policy: &Policy,
    partition: &Partition,
    clashes: &mut Vec<Clash>,
) {
    let quota = &policy.quotas[partition.quota];
    let levels: Vec<Level> = policy
        .levels()
        .filter(|level| {
            let condition = quota.filter.iter().find(|condition| condition.dim == Dim::Level);
            condition.is_none_or(|c| c.any_of.iter().any(|text| text == level.as_str()))
        })
        .collect();
    let key_of = |dim: Dim| partition.grouping.iter().position(|d| *d == dim);
    let (by_level, by_authority) = (key_of(Dim::Level), key_of(Dim::Authority));
    let mut minima: std::collections::BTreeMap<(Option<u32>, Option<u32>), u64> =
        std::collections::BTreeMap::new();
    for group in &partition.groups {
        let key = (by_level.map(|i| group.values[i]), by_authority.map(|i| group.values[i]));
        let least = group.limits.iter().filter_map(|limit| match (limit.side, limit.required) {
            (Side::Min, Required::Batches(n)) => Some(n),
            _ => None,
        });
        *minima.entry(key).or_default() += least.max().unwrap_or(0);
    }
    for ((level, authority), least) in minima {
        let inside = authorities.list.iter().enumerate().filter(|(place, a)| {
            levels.contains(&a.level)
                && level.is_none_or(|level| a.level.index() as u32 == level)
                && authority.is_none_or(|authority| *place as u32 == authority)
        });
        let batches: u64 = inside.map(|(_, a)| a.batches).sum();
        if least > batches {
            let group = match (level, authority) {
                (_, Some(place)) => authorities.list[place as usize].code.to_string(),
                (Some(level), None) => Level::ALL[level as usize].to_string(),
                (None, None) => String::new(),
            };
            let why = format!(
                "the minima of its groups sum to {least}, more than the budget of {batches} batches"
            );
            clashes.push(Clash::new(&quota.name, &partition.scope(), &group, why));
        }
    }
}

/// Shares of one base that are each possible and together more than it, found by comparing
/// quotas pairwise; only looked for when a design failed, since it reads every arc.
pub(super) fn clashing_pairs(policy: &Policy, partitions: &[Partition]) -> Vec<Clash> {
    let firm: Vec<&Partition> = partitions.iter().filter(|p| p.firm(policy)).collect();
    let mut clashes = Vec::new();
    for (place, one) in firm.iter().enumerate() {
        for other in &firm[place + 1..] {
            if one.grouping == other.grouping && disjoint(one, other) {
                pair(policy, one, other, &mut clashes);
            }
        }
    }
    clashes
}

fn disjoint(one: &Partition, other: &Partition) -> bool {
    one.of_arc.iter().zip(&other.of_arc).all(|(a, b)| *a == NONE || *b == NONE)
}

fn pair(policy: &Policy, one: &Partition, other: &Partition, clashes: &mut Vec<Clash>) {
    let least = |limits: &[Limit]| {
        // Rates refer to units and not to the batches that both would share.
        let minima = limits.iter().filter(|limit| limit.kind == BoundKind::Min && limit.base > 0);
        minima
            .filter_map(|limit| match limit.required {
                Required::Batches(n) => Some((n, limit.base)),
                Required::Share(_) => None,
            })
            .max()
    };
    for group in &one.groups {
        let Some(twin) = other.groups.iter().find(|twin| twin.values == group.values) else {
            continue;
        };
        if let (Some((a, base)), Some((b, same))) = (least(&group.limits), least(&twin.limits))
            && base == same
            && a + b > base
        {
            let other = &policy.quotas[other.quota].name;
            let why = format!(
                "asks for at least {a} of {base} batches, and `{other}` for at least {b} others: \
                 together {} more than there are",
                a + b - base
            );
            let name = &policy.quotas[one.quota].name;
            clashes.push(Clash::new(name, &one.scope(), &group.name, why));
        }
    }
}
