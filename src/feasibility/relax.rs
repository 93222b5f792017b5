//! How far quotas of a clash can be met, and what would do instead.
//!
//! The most that a quota can reach is proved from above as a clash is; every remedy is a policy (or
//! a number of units) for which a certified design was made. Legal quotas are never touched.

use crate::design::{Attempt, BoundKind, Design, Partition, Side};
use crate::frame::Frame;
use crate::model::{Cancelled, DivisionCode, Level, Ratio, Work};
use crate::policy::{Bound, Hardness, Policy, Quota};

use super::aggregate::Aggregate;
use super::conflict::Conflict;
use super::model::{Model, Rule};
use super::program::{Give, build};
use super::proof::clash;

/// Flows that a remedy's design may take.
const FLOWS: usize = 2;
/// Per mille that a remedy stays behind what real numbers could reach: what rounding may lose.
pub(super) const BEHIND: &[u64] = &[12, 50];
/// The same for several quotas at once.
pub(super) const TOGETHER: &[u64] = &[12, 50, 150];
/// The same where nothing nearer would do: at last without the bound, or with twice the maximum.
pub(super) const FAR_BEHIND: &[u64] = &[150, 400, 1000];
/// Most quotas that are tried to give way alone, those with the least penalties.
pub(super) const ALONE_MAX: usize = 4;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Another bound for a quota.
    Bound {
        /// Name of the quota.
        quota: String,
        /// Which bound.
        kind: BoundKind,
        /// As it is.
        from: Bound,
        /// As it would have to be.
        to: Bound,
    },
    /// Another budget for a level, split as before.
    Budget {
        /// The level.
        level: Level,
        /// Batches as they are.
        from: u64,
        /// Batches as they would have to be.
        to: u64,
    },
    /// More eligible units.
    Units {
        /// So many.
        more: u64,
        /// Of what, as names of quotas whose batches they count in.
        of: Vec<String>,
        /// Where, descending by number: at most ten counties.
        counties: Vec<(DivisionCode, u64)>,
    },
}

/// Changes that together make the plan possible: a certified design was made with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// The changes.
    pub steps: Vec<Step>,
    /// Batches given up, each times its quota's penalty.
    pub cost: u64,
}

impl Remedy {
    /// The policy with the changes that a policy can say.
    #[must_use]
    pub fn apply(&self, policy: &Policy) -> Policy {
        let mut changed = policy.clone();
        for step in &self.steps {
            match step {
                Step::Bound { quota, kind, to, .. } => {
                    let found = changed.quotas.iter_mut().find(|other| other.name == *quota);
                    if let Some(found) = found {
                        set(found, *kind, *to);
                    }
                }
                Step::Budget { level, to, .. } => {
                    if let Some(budget) = &mut changed.budget[level.index()] {
                        budget.total = *to;
                    }
                }
                Step::Units { .. } => {}
            }
        }
        changed
    }
}

/// How far a quota can be met while the other rules of the clash are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Name of the quota.
    pub quota: String,
    /// Which bound.
    pub kind: BoundKind,
    /// As asked.
    pub asked: Bound,
    /// The most of a minimum, the least of a maximum: nothing beyond can be met, proved.
    pub limit: Bound,
    /// In batches, where the quota has one row in the clash.
    pub batches: Option<u64>,
}

/// A quota's bound.
pub(super) fn get(quota: &Quota, kind: BoundKind) -> Option<Bound> {
    match kind {
        BoundKind::Min => quota.min,
        BoundKind::Max => quota.max,
        BoundKind::MinRate => quota.min_rate.map(Bound::Share),
        BoundKind::MaxRate => quota.max_rate.map(Bound::Share),
    }
}

fn set(quota: &mut Quota, kind: BoundKind, bound: Bound) {
    let rate = |bound: Bound| match bound {
        Bound::Share(share) => Some(share),
        Bound::Batches(_) => None,
    };
    match kind {
        BoundKind::Min => quota.min = Some(bound),
        BoundKind::Max => quota.max = Some(bound),
        BoundKind::MinRate => quota.min_rate = rate(bound),
        BoundKind::MaxRate => quota.max_rate = rate(bound),
    }
}

/// Bounds in steps: whole batches, or thousandths (of small shares ten-thousandths).
#[derive(Debug, Clone, Copy)]
struct Steps {
    share: Option<u64>,
}

impl Steps {
    fn of(bound: Bound) -> Self {
        match bound {
            Bound::Batches(_) => Steps { share: None },
            Bound::Share(share) => {
                let small = share < Ratio::new(2, 100).unwrap_or(Ratio::ZERO);
                Steps { share: Some(if small { 10_000 } else { 1_000 }) }
            }
        }
    }

    fn number(self, bound: Bound) -> f64 {
        match (bound, self.share) {
            (Bound::Batches(n), _) => n as f64,
            (Bound::Share(share), Some(unit)) => {
                share.num() as f64 / share.den() as f64 * unit as f64
            }
            (Bound::Share(_), None) => 0.0,
        }
    }

    fn bound(self, number: u64) -> Bound {
        match self.share {
            None => Bound::Batches(number),
            Some(unit) => Bound::Share(Ratio::new(number.min(unit), unit).unwrap_or(Ratio::ONE)),
        }
    }
}

/// The quotas of a clash that may give way, with their bounds; each once.
pub(super) fn soft(model: &Model<'_>, inside: &[bool]) -> Vec<(usize, BoundKind)> {
    let mut soft: Vec<(usize, BoundKind)> = Vec::new();
    for (rule, inside) in model.rules.iter().zip(inside) {
        if let Rule::Quota { partition, kind, .. } = rule
            && *inside
        {
            let quota = model.partitions[*partition].quota;
            let legal = model.policy.quotas[quota].hardness == Hardness::Legal;
            if !legal && !soft.contains(&(quota, *kind)) {
                soft.push((quota, *kind));
            }
        }
    }
    soft
}

fn of_quota(
    model: &Model<'_>,
    aggregate: &Aggregate,
    row: usize,
    what: (usize, BoundKind),
) -> bool {
    let row = &aggregate.rows[row];
    model.partitions[row.partition].quota == what.0 && row.kind == what.1
}

/// The part of its bound that a quota can reach beside the other rules, in real numbers; more than
/// 1 for a maximum.
fn part(
    model: &Model<'_>,
    aggregate: &Aggregate,
    inside: &[bool],
    what: (usize, BoundKind),
) -> Option<f64> {
    let mut inside = inside.to_vec();
    // The quota's own rows are written anew, with the part as a value.
    let own: Vec<usize> = (0..aggregate.rows.len())
        .filter(|row| inside[aggregate.rows[*row].rule] && of_quota(model, aggregate, *row, what))
        .collect();
    for (rule, inside) in model.rules.iter().zip(&mut inside) {
        if let Rule::Quota { partition, kind, .. } = rule
            && (model.partitions[*partition].quota, *kind) == what
        {
            *inside = false;
        }
    }
    let give = Give { row: &|_| None, budget: None, units: None };
    let (mut program, _, _) = build(model, aggregate, &inside, &give);
    let min = what.1.side() == Side::Min;
    let part = program.value(if min { -1.0 } else { 1.0 });
    let mut terms: Vec<Vec<(usize, f64)>> = vec![Vec::new(); aggregate.rows.len()];
    for arc in 0..aggregate.arcs.len() {
        for (row, coefficient) in aggregate.terms(arc) {
            terms[*row as usize].push((arc, *coefficient as f64));
        }
    }
    for row in own {
        if aggregate.rows[row].unit() != 1.0 {
            // The share of an open base is not linear in its bound.
            return None;
        }
        let mut terms = std::mem::take(&mut terms[row]);
        terms.push((part, -(aggregate.rows[row].bound() as f64)));
        program.least(terms, 0.0);
    }
    if min {
        program.least(vec![(part, -1.0)], -1.0);
    } else {
        program.least(vec![(part, 1.0)], 1.0);
    }
    let solution = program.solve()?;
    Some(solution.values[part])
}

/// How far a quota can be met.
pub(super) fn reach(
    model: &Model<'_>,
    conflict: &Conflict,
    what: (usize, BoundKind),
) -> Option<Reach> {
    let quota = &model.policy.quotas[what.0];
    let asked = get(quota, what.1)?;
    let steps = Steps::of(asked);
    // Beside all rules, if they leave anything to reach; else beside those of the clash.
    let all = conflict.wide.rules(model);
    let tries = [(&conflict.wide, &all), (&conflict.aggregate, &conflict.inside)];
    let mut found = tries.map(|(aggregate, inside)| {
        Some((part(model, aggregate, inside, what)?, aggregate, inside))
    });
    let min = what.1.side() == Side::Min;
    let whole = |value: f64| if min { (value + 1e-4).floor() } else { (value - 1e-4).ceil() };
    let limit_of = |part: f64| whole(part * steps.number(asked)) as u64;
    // What the rules of the clash show by themselves is proved on their few classes.
    if let [Some((one, ..)), Some((other, ..))] = &found
        && limit_of(*one) == limit_of(*other)
    {
        found.swap(0, 1);
    }
    let (part, aggregate, inside) = found.into_iter().flatten().next()?;
    let mut limit = limit_of(part);
    // What lies one step beyond must be proved impossible; the solver may be off by one.
    for _ in 0..3 {
        let beyond = if min { limit + 1 } else { limit.checked_sub(1)? };
        let bound = steps.bound(beyond);
        let other = aggregate.with_bound(model, what.0, what.1, bound);
        if clash(model, &other, inside).is_some() {
            let own: Vec<usize> = (0..conflict.aggregate.rows.len())
                .filter(|row| {
                    conflict.inside[conflict.aggregate.rows[*row].rule]
                        && of_quota(model, &conflict.aggregate, *row, what)
                })
                .collect();
            let batches = match own.as_slice() {
                [row] => {
                    Some(whole(part * conflict.aggregate.rows[*row].bound().abs() as f64) as u64)
                }
                _ => None,
            };
            let limit = steps.bound(limit);
            let quota = quota.name.clone();
            return Some(Reach { quota, kind: what.1, asked, limit, batches });
        }
        limit = beyond;
    }
    None
}

/// Whether a design can be certified, within bounded work.
fn certified(frame: &Frame, policy: &Policy, work: &Work<'_>) -> Result<bool, Cancelled> {
    let attempt = Design::attempt_within(frame, policy, FLOWS, work)?;
    Ok(matches!(attempt, Attempt::Certified(_)))
}

/// A remedy with its cost, if a design can be certified with it.
fn proved(
    model: &Model<'_>,
    mut remedy: Remedy,
    work: &Work<'_>,
) -> Result<Option<Remedy>, Cancelled> {
    if !certified(model.frame, &remedy.apply(model.policy), work)? {
        return Ok(None);
    }
    remedy.cost = cost(model, &remedy.steps);
    Ok(Some(remedy))
}

/// The cost of each missing batch of a quota.
pub(super) fn penalty(model: &Model<'_>, what: (usize, BoundKind)) -> u64 {
    match model.policy.quotas[what.0].hardness {
        Hardness::Hard { penalty } | Hardness::Target { penalty } => penalty,
        Hardness::Legal => u64::MAX,
    }
}

/// About how many batches fall into each group whose base no budget fixes: in proportion to units.
fn expected(model: &Model<'_>, partition: &Partition, rest: &[u32]) -> Vec<u64> {
    let mut units = vec![0u64; partition.groups.len()];
    for cell in 0..model.frame.cells.len() {
        let arcs = model.arcs.of_cell(cell);
        let group = arcs.clone().map(|arc| partition.of_arc[arc].min(rest[arc])).min();
        if let Some(slot) = group.and_then(|group| units.get_mut(group as usize)) {
            *slot += u64::from(model.frame.cell_units(cell));
        }
    }
    let (batches, all) = (model.authorities.batches(), model.frame.units().max(1));
    let share = |own: u64| (u128::from(own) * u128::from(batches) / u128::from(all)) as u64;
    units.into_iter().map(share).collect()
}

/// Batches that a step gives up, times the quota's penalty: over the rows that count, at most what
/// the difference of bounds is of their bases.
fn cost(model: &Model<'_>, steps: &[Step]) -> u64 {
    let mut cost = 0u64;
    for step in steps {
        let Step::Bound { quota, kind, from, to } = step else { continue };
        let Some(number) = model.policy.quotas.iter().position(|q| q.name == *quota) else {
            continue;
        };
        let penalty = penalty(model, (number, *kind));
        let mut batches = 0u64;
        for partition in model.partitions.iter().filter(|p| p.quota == number) {
            let open = partition.rest_of_arc.as_ref().map(|rest| expected(model, partition, rest));
            for (place, group) in partition.groups.iter().enumerate() {
                for limit in group.limits.iter().filter(|limit| limit.kind == *kind) {
                    let base = open.as_ref().map_or(limit.base, |open| open[place]);
                    let of = |bound: &Bound| match bound {
                        Bound::Batches(n) => *n,
                        Bound::Share(share) => share.ceil_of(base),
                    };
                    batches += of(from).abs_diff(of(to));
                }
            }
        }
        cost = cost.saturating_add(batches.saturating_mul(penalty));
    }
    cost
}

/// Shares are tried a step behind at least: at the very edge of what real numbers reach, rounding
/// has no room.
fn quota_is_share(bound: Bound) -> bool {
    matches!(bound, Bound::Share(_))
}

/// The nearest bound of one quota with which a design was certified.
pub(super) fn one_bound(
    model: &Model<'_>,
    what: (usize, BoundKind),
    limit: Option<Bound>,
    offsets: &[u64],
    work: &Work<'_>,
) -> Result<Option<Remedy>, Cancelled> {
    let quota = &model.policy.quotas[what.0];
    let Some(from) = get(quota, what.1) else { return Ok(None) };
    let steps = Steps::of(from);
    let start = steps.number(limit.unwrap_or(from)).round() as u64;
    let min = what.1.side() == Side::Min;
    let candidate = |behind: u64| {
        let off = (start * behind / 1000).max(u64::from(quota_is_share(from)));
        let number = if min { start.saturating_sub(off) } else { start + off };
        let to = steps.bound(number);
        let step = Step::Bound { quota: quota.name.clone(), kind: what.1, from, to };
        (to != from).then(|| Remedy { steps: vec![step], cost: 0 })
    };
    nearest(offsets, candidate, |remedy| proved(model, remedy, work))
}

/// What stays behind least and would do, found in at most two tries: a middle one, then the nearer one
/// if that would do and the farther one, if any, if not. There are two offsets at least; a candidate
/// that is the same as the one before is not tried again.
fn nearest<C: Clone + PartialEq>(
    offsets: &[u64],
    candidate: impl Fn(u64) -> Option<C>,
    found: impl Fn(C) -> Result<Option<Remedy>, Cancelled>,
) -> Result<Option<Remedy>, Cancelled> {
    let middle = offsets.len() / 2;
    let first = candidate(offsets[middle]);
    let remedy = first.clone().map_or(Ok(None), &found)?;
    let next = if remedy.is_some() { middle.checked_sub(1) } else { Some(middle + 1) };
    let second = next.and_then(|place| offsets.get(place)).and_then(|behind| candidate(*behind));
    let better = second.filter(|second| first.as_ref() != Some(second)).map_or(Ok(None), &found)?;
    Ok(better.or(remedy))
}

/// The cheapest joint change of all quotas of the clash that may give way, each missing batch at
/// its quota's penalty.
pub(super) fn joint(
    model: &Model<'_>,
    conflict: &Conflict,
    soft: &[(usize, BoundKind)],
    offsets: &[u64],
    work: &Work<'_>,
) -> Result<Option<Remedy>, Cancelled> {
    // Beside all rules, if they can be kept then; else beside those of the clash.
    let all = conflict.wide.rules(model);
    let tries = [(&conflict.wide, &all), (&conflict.aggregate, &conflict.inside)];
    let found = tries.into_iter().find_map(|(aggregate, inside)| {
        let price = |row: usize| {
            let what = soft.iter().find(|what| of_quota(model, aggregate, row, **what))?;
            match model.policy.quotas[what.0].hardness {
                Hardness::Hard { penalty } => Some(penalty as f64),
                _ => None,
            }
        };
        let give = Give { row: &price, budget: None, units: None };
        let (program, _, given) = build(model, aggregate, inside, &give);
        Some((program.solve()?, given, aggregate))
    });
    let Some((solution, given, aggregate)) = found else { return Ok(None) };
    // Each quota has one bound: its row that lacks the greatest part sets it.
    let mut parts: Vec<f64> = vec![0.0; soft.len()];
    for (row, value) in given.rows.iter().enumerate() {
        let Some(value) = value else { continue };
        let bound = aggregate.rows[row].bound().abs() as f64;
        if let Some(place) = soft.iter().position(|what| of_quota(model, aggregate, row, *what)) {
            let lacks = solution.values[*value] / bound.max(1.0);
            parts[place] = parts[place].max(lacks);
        }
    }
    let touched = parts.iter().filter(|part| **part > 1e-6).count();
    if touched < 2 {
        return Ok(None);
    }
    let candidate = |behind: u64| {
        let mut changes = Vec::new();
        for (what, lacks) in soft.iter().zip(&parts).filter(|(_, lacks)| **lacks > 1e-6) {
            let quota = &model.policy.quotas[what.0];
            let Some(from) = get(quota, what.1) else { continue };
            let steps = Steps::of(from);
            let off = behind as f64 / 1000.0;
            let number = steps.number(from);
            let to = if what.1.side() == Side::Min {
                steps.bound((number * (1.0 - lacks) * (1.0 - off) + 1e-6).floor() as u64)
            } else {
                steps.bound((number * (1.0 + lacks) * (1.0 + off) - 1e-6).ceil() as u64)
            };
            changes.push(Step::Bound { quota: quota.name.clone(), kind: what.1, from, to });
        }
        Some(Remedy { steps: changes, cost: 0 })
    };
    nearest(offsets, candidate, |remedy| proved(model, remedy, work))
}

/// Units that would be needed more, where they are what lacks.
pub(super) fn more_units(
    model: &Model<'_>,
    conflict: &Conflict,
    of: &[String],
    work: &Work<'_>,
) -> Result<Option<Remedy>, Cancelled> {
    let aggregate = &conflict.aggregate;
    let give = Give { row: &|_| None, budget: None, units: Some(1.0) };
    let (program, _, given) = build(model, aggregate, &conflict.inside, &give);
    let Some(solution) = program.solve() else { return Ok(None) };
    let cells = model.frame.cells.len();
    // By class.
    let wanted = |behind: u64| {
        let more = |value: &Option<usize>| {
            let more = value.map_or(0.0, |value| solution.values[value]);
            if more < 1e-4 { 0 } else { (more * (1.0 + behind as f64 / 1000.0)).ceil() as u64 }
        };
        let wanted: Vec<u64> = given.units.iter().map(more).collect();
        wanted.iter().any(|more| *more > 0).then_some(wanted)
    };
    nearest(&[50, 200, 800], wanted, |wanted| {
        // A class's units are added to its cells in proportion to what they have.
        let mut extra = vec![0u64; cells];
        let mut seen = vec![0u64; aggregate.classes.len()];
        for (cell, extra) in extra.iter_mut().enumerate() {
            let class = aggregate.class_of_cell[cell] as usize;
            let whole = u128::from(aggregate.classes[class].units.max(1));
            let share = |units: u64| (u128::from(wanted[class]) * u128::from(units) / whole) as u64;
            let before = share(seen[class]);
            seen[class] += u64::from(model.frame.cell_units(cell));
            *extra = share(seen[class]) - before;
        }
        if certified(&enlarged(model.frame, &extra), model.policy, work)? {
            let mut by_county = vec![0u64; model.frame.counties.len()];
            for (cell, extra) in extra.iter().enumerate() {
                by_county[model.frame.cells.county[cell] as usize] += extra;
            }
            let codes = model.frame.counties.iter().copied();
            let mut counties: Vec<(DivisionCode, u64)> =
                codes.zip(by_county).filter(|(_, more)| *more > 0).collect();
            counties.sort_by_key(|(code, more)| (std::cmp::Reverse(*more), *code));
            let more = counties.iter().map(|(_, more)| more).sum();
            counties.truncate(10);
            let step = Step::Units { more, of: of.to_vec(), counties };
            return Ok(Some(Remedy { steps: vec![step], cost: 0 }));
        }
        Ok(None)
    })
}

/// A frame with so many units more in every cell, only good for making designs.
fn enlarged(frame: &Frame, extra: &[u64]) -> Frame {
    let mut other = frame.clone();
    let mut columns = (Vec::new(), Vec::new(), vec![0u32]);
    for (cell, extra) in extra.iter().enumerate() {
        let (from, to) = (frame.unit_start[cell] as usize, frame.unit_start[cell + 1] as usize);
        columns.0.extend(&frame.unit_enterprise[from..to]);
        columns.1.extend(&frame.unit_options[from..to]);
        for _ in 0..*extra {
            columns.0.push(frame.unit_enterprise[from]);
            columns.1.push(frame.unit_options[from]);
        }
        columns.2.push(columns.0.len() as u32);
    }
    (other.unit_enterprise, other.unit_options, other.unit_start) = columns;
    other
}

/// Another budget for a level of the clash, in coarse steps: for clashes in which nothing else may
/// give way.
pub(super) fn budget(
    model: &Model<'_>,
    level: Level,
    work: &Work<'_>,
) -> Result<Option<Remedy>, Cancelled> {
    let Some(budget) = &model.policy.budget[level.index()] else { return Ok(None) };
    if matches!(budget.split, crate::policy::Split::Table(_)) {
        return Ok(None);
    }
    for percent in [90, 110, 75, 125] {
        let to = budget.total * percent / 100;
        if to == 0 || to == budget.total {
            continue;
        }
        let step = Step::Budget { level, from: budget.total, to };
        if let Some(remedy) = proved(model, Remedy { steps: vec![step], cost: 0 }, work)? {
            return Ok(Some(remedy));
        }
    }
    Ok(None)
}

/// Per mille of a bound that are tried as slack where only whole batches are in the way.
pub(super) const SLACK: &[u64] = &[2, 10, 30, 80, 200];
/// The same for several quotas together where none alone would do.
pub(super) const FAR_SLACK: &[u64] = &[80, 200, 400, 1000];

fn slackened(model: &Model<'_>, what: (usize, BoundKind), per_mille: u64) -> Option<Step> {
    let quota = &model.policy.quotas[what.0];
    let from = get(quota, what.1)?;
    let steps = Steps::of(from);
    let number = steps.number(from);
    let off = (number * per_mille as f64 / 1000.0).max(1.0);
    let to = if what.1.side() == Side::Min {
        steps.bound((number - off + 1e-6).max(0.0).floor() as u64)
    } else {
        steps.bound((number + off - 1e-6).ceil() as u64)
    };
    (to != from).then(|| Step::Bound { quota: quota.name.clone(), kind: what.1, from, to })
}

/// How much slack in one quota would do.
pub(super) fn slack(
    model: &Model<'_>,
    what: (usize, BoundKind),
    work: &Work<'_>,
) -> Result<Option<Remedy>, Cancelled> {
    slack_together(model, &[what], SLACK, work)
}

/// How much slack in several quotas at once would do.
pub(super) fn slack_together(
    model: &Model<'_>,
    soft: &[(usize, BoundKind)],
    slack: &[u64],
    work: &Work<'_>,
) -> Result<Option<Remedy>, Cancelled> {
    let mut last: Vec<Step> = Vec::new();
    for per_mille in slack {
        let changed = soft.iter().filter_map(|what| slackened(model, *what, *per_mille));
        let steps: Vec<Step> = changed.collect();
        if steps.is_empty() || steps == last {
            continue;
        }
        last.clone_from(&steps);
        if let Some(remedy) = proved(model, Remedy { steps, cost: 0 }, work)? {
            return Ok(Some(remedy));
        }
    }
    Ok(None)
}
