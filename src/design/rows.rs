//! Quota rows: for every quota and grouping, which arcs count in which group, and the bounds.

use crate::model::{DivisionCode, Level, Ratio, spread};
use crate::policy::{Bound, Condition, Dim, Grouping, Policy, Quota, grouping_text};

use super::arcs::{Context, Dimension, Dimensions, NONE};
use super::{Clash, Refusal};

/// Most groups of one grouping: more rows than any report can show.
const GROUPS_MAX: usize = 1 << 22;

/// Which way a bound holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At least.
    Min,
    /// At most.
    Max,
}

/// What a row's bound is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// So many batches.
    Batches(u64),
    /// So large a share of the group's batches, which are not fixed in advance.
    Share(Ratio),
}

/// Which of a quota's bounds a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoundKind {
    /// `min`.
    Min,
    /// `max`.
    Max,
    /// `min_rate`.
    MinRate,
    /// `max_rate`.
    MaxRate,
}

impl BoundKind {
    /// Which way it holds.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            BoundKind::Min | BoundKind::MinRate => Side::Min,
            BoundKind::Max | BoundKind::MaxRate => Side::Max,
        }
    }

    /// The policy's key.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BoundKind::Min => "min",
            BoundKind::Max => "max",
            BoundKind::MinRate => "min_rate",
            BoundKind::MaxRate => "max_rate",
        }
    }
}

/// One bound of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Which of the quota's bounds.
    pub kind: BoundKind,
    /// Min or max.
    pub side: Side,
    /// The bound.
    pub required: Required,
    /// The bound as the policy writes it.
    pub asked: String,
    /// Batches or eligible units that a share refers to; 0 for plain batches.
    pub base: u64,
}

/// One group of a grouping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The values, as places in the dimensions' names.
    pub values: Vec<u32>,
    /// The values' texts, joined by `/`.
    pub name: String,
    /// Eligible units that match.
    pub units: u64,
    /// Its bounds; at least one.
    pub limits: Vec<Limit>,
}

/// The rows of one quota in one grouping: disjoint groups of arcs.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Place of the quota in the policy.
    pub quota: usize,
    /// The grouping.
    pub grouping: Grouping,
    /// All dimensions that membership depends on, ascending.
    pub dims: Vec<Dim>,
    /// For each arc the group it counts in, or [`NONE`].
    pub of_arc: Vec<u32>,
    /// For shares of a base that is not fixed: the group whose rest each arc belongs to.
    pub rest_of_arc: Option<Vec<u32>>,
    /// The groups.
    pub groups: Vec<Group>,
}

impl Partition {
    /// Whether the quota binds.
    #[must_use]
    pub fn firm(&self, policy: &Policy) -> bool {
        policy.quotas[self.quota].is_firm()
    }

    /// The grouping's name.
    #[must_use]
    pub fn scope(&self) -> String {
        grouping_text(&self.grouping)
    }
}

/// Numbers the groups of some dimensions.
struct Groups<'a> {
    dims: Vec<&'a Dimension>,
    size: usize,
}

impl<'a> Groups<'a> {
    fn new(dims: &'a Dimensions, grouping: &[Dim]) -> Option<Self> {
        let dims: Vec<&Dimension> = grouping.iter().map(|dim| dims.get(dim)).collect();
        let size = dims.iter().try_fold(1usize, |size, dim| size.checked_mul(dim.names.len()))?;
        (size <= GROUPS_MAX).then_some(Groups { dims, size })
    }

    /// The number of every arc's group; below [`GROUPS_MAX`].
    fn numbers(&self, context: Context<'_>) -> Vec<u32> {
        // What depends on cells alone is added up once for each cell.
        let mut of_cell = vec![0u32; context.frame.cells.len()];
        let mut of_arcs = Vec::new();
        let mut stride = 1u32;
        for dim in self.dims.iter().rev() {
            match dim.of_cells() {
                Some(values) => {
                    for (number, value) in of_cell.iter_mut().zip(values) {
                        *number += value * stride;
                    }
                }
                None => of_arcs.push((dim, stride)),
            }
            stride *= dim.names.len() as u32;
        }
        let mut numbers: Vec<u32> =
            context.arcs.cell.iter().map(|cell| of_cell[*cell as usize]).collect();
        for (dim, stride) in of_arcs {
            dim.for_each(context, |arc, value| numbers[arc] += value * stride);
        }
        numbers
    }

    fn values(&self, mut number: usize) -> Vec<u32> {
        let mut values = vec![0; self.dims.len()];
        for (slot, dim) in values.iter_mut().zip(&self.dims).rev() {
            *slot = (number % dim.names.len()) as u32;
            number /= dim.names.len();
        }
        values
    }

    fn name(&self, values: &[u32]) -> String {
        let texts = values.iter().zip(&self.dims).map(|(v, dim)| dim.names[*v as usize].as_str());
        texts.collect::<Vec<_>>().join("/")
    }
}

/// All rows of a policy, in the order of its quotas and their groupings.
///
/// # Errors
/// If a grouping has too many groups to be reported.
pub fn partitions(
    context: Context<'_>,
    dims: &Dimensions,
    policy: &Policy,
    threads: usize,
) -> Result<Vec<Partition>, Refusal> {
    let quotas = policy.quotas.iter().enumerate();
    let all: Vec<(usize, &Grouping)> = quotas
        .flat_map(|(number, quota)| quota.each.iter().map(move |grouping| (number, grouping)))
        .collect();
    let partitions = spread(threads, all.len(), |place| {
        let (number, grouping) = all[place];
        let matches = matching(context, dims, policy.quotas[number].filter.iter());
        partition(context, dims, policy, number, grouping, &matches)
    });
    partitions.into_iter().collect()
}

/// Whether each arc passes all of the conditions.
fn matching<'a>(
    context: Context<'_>,
    dims: &Dimensions,
    conditions: impl Iterator<Item = &'a Condition>,
) -> Vec<bool> {
    let mut of_cell = vec![true; context.frame.cells.len()];
    let mut of_arcs = Vec::new();
    for condition in conditions {
        let dimension = dims.get(&condition.dim);
        let selected: Vec<bool> =
            dimension.names.iter().map(|name| condition.matches(name)).collect();
        match dimension.of_cells() {
            Some(values) => {
                for (matches, value) in of_cell.iter_mut().zip(values) {
                    *matches &= selected[*value as usize];
                }
            }
            None => of_arcs.push((dimension, selected)),
        }
    }
    let mut matches: Vec<bool> =
        context.arcs.cell.iter().map(|cell| of_cell[*cell as usize]).collect();
    for (dimension, selected) in of_arcs {
        dimension.for_each(context, |arc, value| matches[arc] &= selected[value as usize]);
    }
    matches
}

fn partition(
    context: Context<'_>,
    dims: &Dimensions,
    policy: &Policy,
    number: usize,
    grouping: &Grouping,
    matches: &[bool],
) -> Result<Partition, Refusal> {
    let quota = &policy.quotas[number];
    let too_many = || {
        let why = format!("makes more than {GROUPS_MAX} groups; group by fewer dimensions");
        Refusal::infeasible(vec![Clash::new(&quota.name, &grouping_text(grouping), "", why)])
    };
    let groups = Groups::new(dims, grouping).ok_or_else(too_many)?;
    let numbers = groups.numbers(context);

    let exists = existing(context, dims, policy, quota, &groups, &numbers).ok_or_else(too_many)?;
    let mut place = vec![NONE; groups.size];
    let mut found = Vec::new();
    for number in 0..groups.size {
        if exists[number] {
            place[number] = found.len() as u32;
            let values = groups.values(number);
            let name = groups.name(&values);
            found.push(Group { values, name, units: 0, limits: Vec::new() });
        }
    }
    if found.is_empty() {
        let why = "`where` leaves no group: no eligible unit and no authority has what it names"
            .to_owned();
        let clash = Clash::new(&quota.name, &grouping_text(grouping), "", why);
        return Err(Refusal::infeasible(vec![clash]));
    }
    let of_arc: Vec<u32> = numbers
        .iter()
        .zip(matches)
        .map(|(number, matches)| if *matches { place[*number as usize] } else { NONE })
        .collect();
    count_units(context, &of_arc, &mut found);

    let mut partition = Partition {
        quota: number,
        grouping: grouping.clone(),
        dims: Vec::new(),
        of_arc,
        rest_of_arc: None,
        groups: found,
    };
    let base = quota.of.as_ref().unwrap_or(grouping);
    let shares = [quota.min, quota.max].iter().any(|b| matches!(b, Some(Bound::Share(_))));
    let fixed = fixed_bases(context, dims, &partition, base);
    if shares && fixed.is_none() {
        // A coarser base is the union of several groups: its rest is everything in it outside.
        if base != grouping {
            let why = format!(
                "a share of `{}` is not fixed by the budgets; write `of` as plan, level or authority",
                grouping_text(base)
            );
            let clash = Clash::new(&quota.name, &grouping_text(grouping), "", why);
            return Err(Refusal::infeasible(vec![clash]));
        }
        let rest = numbers
            .iter()
            .zip(matches)
            .map(|(number, matches)| if *matches { NONE } else { place[*number as usize] });
        partition.rest_of_arc = Some(rest.collect());
    }
    for (place, group) in partition.groups.iter_mut().enumerate() {
        group.limits = limits(quota, fixed.as_ref().map(|bases| bases[place]), group.units);
    }
    let mut all: Vec<Dim> = quota.filter.iter().map(|condition| condition.dim.clone()).collect();
    all.extend(grouping.iter().cloned());
    all.sort();
    all.dedup();
    partition.dims = all;
    Ok(partition)
}

/// Which groups there are: those that don't contradict what the filter says of them.
///
/// A condition speaks of a group if its dimension is one of the grouping's, or says where or by
/// whom, or is a property of the product and the grouping has products. If the grouping has only
/// closed dimensions, a group exists if some consistent combination of them and of the closed ones
/// of the filter has its values and passes; otherwise if some arc has its values and passes.
/// Nothing if there are too many combinations.
fn existing(
    context: Context<'_>,
    dims: &Dimensions,
    policy: &Policy,
    quota: &Quota,
    groups: &Groups<'_>,
    numbers: &[u32],
) -> Option<Vec<bool>> {
    let of_product = groups.dims.iter().any(|dim| dim.dim == Dim::Product);
    let speaks = |condition: &&Condition| {
        let dim = &condition.dim;
        dims.get(dim).closed
            || groups.dims.iter().any(|own| own.dim == *dim)
            || (of_product && dim.is_of_product())
    };
    let conditions = || quota.filter.iter().filter(speaks);
    let mut exists = vec![false; groups.size];
    if !groups.dims.iter().all(|dim| dim.closed) {
        let matches = matching(context, dims, conditions());
        for (number, matches) in numbers.iter().zip(matches) {
            exists[*number as usize] |= matches;
        }
        return Some(exists);
    }
    let mut all: Vec<Dim> = groups.dims.iter().map(|dim| dim.dim.clone()).collect();
    all.extend(conditions().map(|condition| condition.dim.clone()));
    all.sort();
    all.dedup();
    let combined = Groups::new(dims, &all)?;
    let place = |dim: &Dim| all.iter().position(|other| other == dim);
    for number in 0..combined.size {
        let values = combined.values(number);
        let passes = conditions().all(|condition| {
            place(&condition.dim)
                .is_some_and(|at| condition.matches(&combined.dims[at].names[values[at] as usize]))
        });
        if passes && consistent(context, &combined.dims, policy, &values) {
            let own = groups.dims.iter().fold(0, |number, dim| {
                let value = place(&dim.dim).map_or(0, |at| values[at] as usize);
                number * dim.names.len() + value
            });
            exists[own] = true;
        }
    }
    Some(exists)
}

/// Whether divisions, authorities and levels of a combination belong together.
fn consistent(context: Context<'_>, dims: &[&Dimension], policy: &Policy, values: &[u32]) -> bool {
    let value = |dim: Dim| dims.iter().position(|d| d.dim == dim).map(|i| (dims[i], values[i]));
    let code = |dim: Dim| -> Option<DivisionCode> {
        value(dim).and_then(|(dimension, v)| dimension.names[v as usize].parse().ok())
    };
    let level = value(Dim::Level).map(|(_, v)| Level::ALL[v as usize]);
    let authority = value(Dim::Authority).map(|(_, v)| &context.authorities.list[v as usize]);
    let (city, county) = (code(Dim::City), code(Dim::County));
    let overlap = |a: DivisionCode, b: DivisionCode| a.is_within(b) || b.is_within(a);
    level.is_none_or(|level| {
        policy.budget[level.index()].is_some() && authority.is_none_or(|a| a.level == level)
    }) && city.is_none_or(|city| county.is_none_or(|county| county.is_within(city)))
        && authority.is_none_or(|a| {
            city.is_none_or(|city| overlap(city, a.code))
                && county.is_none_or(|county| county.is_within(a.code))
        })
}

/// Counts the units that can be drawn in each group; a unit counts once in each.
fn count_units(context: Context<'_>, of_arc: &[u32], groups: &mut [Group]) {
    for cell in 0..context.frame.cells.len() {
        let arcs = &of_arc[context.arcs.of_cell(cell)];
        for (i, group) in arcs.iter().enumerate() {
            if *group != NONE && !arcs[..i].contains(group) {
                groups[*group as usize].units += u64::from(context.frame.cell_units(cell));
            }
        }
    }
}

/// The batches of the base of each group, if budgets fix them.
fn fixed_bases(
    context: Context<'_>,
    dims: &Dimensions,
    partition: &Partition,
    base: &[Dim],
) -> Option<Vec<u64>> {
    if base.iter().any(|dim| !matches!(dim, Dim::Level | Dim::Authority)) {
        return None;
    }
    let list = &context.authorities.list;
    let value = |group: &Group, dim: &Dim| {
        let place = partition.grouping.iter().position(|d| d == dim)?;
        base.contains(dim).then(|| group.values[place])
    };
    let authority_dim = base.contains(&Dim::Authority).then(|| dims.get(&Dim::Authority));
    debug_assert!(authority_dim.is_none_or(|dim| dim.names.len() == list.len()));
    let bases = partition.groups.iter().map(|group| {
        let (level, authority) = (value(group, &Dim::Level), value(group, &Dim::Authority));
        let inside = list.iter().enumerate().filter(|(place, a)| {
            level.is_none_or(|level| a.level.index() as u32 == level)
                && authority.is_none_or(|authority| *place as u32 == authority)
        });
        inside.map(|(_, a)| a.batches).sum()
    });
    Some(bases.collect())
}

fn limits(quota: &Quota, base: Option<u64>, units: u64) -> Vec<Limit> {
    let mut limits = Vec::new();
    let bounds = [(BoundKind::Min, quota.min), (BoundKind::Max, quota.max)];
    for (kind, bound) in bounds {
        let (Some(bound), side) = (bound, kind.side()) else { continue };
        let (required, base) = match (bound, base) {
            (Bound::Batches(batches), _) => (Required::Batches(batches), 0),
            (Bound::Share(share), Some(base)) => (Required::Batches(part(side, share, base)), base),
            (Bound::Share(share), None) => (Required::Share(share), 0),
        };
        let asked = match bound {
            Bound::Batches(batches) => batches.to_string(),
            Bound::Share(share) => share.to_string(),
        };
        limits.push(Limit { kind, side, required, asked, base });
    }
    let rates = [(BoundKind::MinRate, quota.min_rate), (BoundKind::MaxRate, quota.max_rate)];
    for (kind, rate) in rates {
        let (Some(rate), side) = (rate, kind.side()) else { continue };
        let required = Required::Batches(part(side, rate, units));
        let asked = format!("{rate} of units");
        limits.push(Limit { kind, side, required, asked, base: units });
    }
    limits
}

/// A share in whole batches: minima are rounded up, maxima down.
fn part(side: Side, share: Ratio, base: u64) -> u64 {
    match side {
        Side::Min => share.ceil_of(base),
        Side::Max => share.floor_of(base),
    }
}
