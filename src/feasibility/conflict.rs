//! Which rules clash: an irreducible set of them, proved to be impossible together.
//!
//! The rules that can be told apart by few classes are tried together; where they clash, a deletion
//! filter (Chinneck & Dravnieks 1991) over whole rules, not rows, takes out every rule without
//! which the others still clash.

use crate::model::{Cancelled, Work};

use super::aggregate::{Aggregate, Signatures};
use super::model::{Model, Rule};
use super::proof::{Clash, Weights, clash, excess};

/// Most arcs of the programmes that are tried, and how many of each size: one small one first,
/// which most clashes show in.
pub(super) const FIRST: &[(usize, usize)] = &[(3_000, 1)];
/// What is tried where it is known to be impossible already, and only lacks its reasons.
pub(super) const KNOWN: &[(usize, usize)] = &[(12_000, 1)];
/// What is tried where that showed nothing.
pub(super) const REST: &[(usize, usize)] = &[(3_000, 2), (12_000, 3)];

/// Rules that clash.
pub(super) struct Conflict {
    /// The classes of all rules that were tried together.
    pub wide: Aggregate,
    /// The classes that they are shown on.
    pub aggregate: Aggregate,
    /// Which rules of the model are among them.
    pub inside: Vec<bool>,
    /// The proof.
    pub weights: Weights,
    /// How many batches they are apart.
    pub apart: f64,
}

/// How the search ended.
pub(super) enum Found {
    /// Rules that clash.
    Conflict(Box<Conflict>),
    /// All rules together have a solution in real numbers.
    Solvable,
    /// Those that were tried together have one; not all could be.
    Undecided,
}

/// Most arcs by authority on which rules are tried to do without.
const FINE_MAX: usize = 12_000;

/// Sets of partitions that were tried together, and whether by authority.
#[derive(Default)]
pub(super) struct Tried(Vec<(Vec<usize>, bool)>);

/// Looks for rules that clash, in programmes of so many arcs, so many of each size; partitions in
/// `hints` are tried first, what is in `tried` is not tried again.
pub(super) fn find(
    model: &Model<'_>,
    hints: &[usize],
    sizes: &[(usize, usize)],
    tried: &mut Tried,
    work: &Work<'_>,
) -> Result<Found, Cancelled> {
    let firm: Vec<usize> = (0..model.partitions.len())
        .filter(|number| model.partitions[*number].firm(model.policy))
        .collect();
    let tried = &mut tried.0;
    for (arcs_max, most) in sizes {
        // First everything coarse; then what didn't fit, in turn, with as much as fits beside it.
        let mut firsts: Vec<Option<usize>> = vec![None];
        let mut tries = 0;
        while let Some(first) = firsts.pop() {
            work.stage("feasibility")?;
            let (aggregate, left) = gather(model, first, hints, &firm, *arcs_max);
            let complete = left.is_empty() && aggregate.by_authority;
            if first.is_none() {
                firsts = left.iter().rev().map(|number| Some(*number)).collect();
            }
            let mut key = aggregate.partitions.clone();
            key.sort_unstable();
            let key = (key, aggregate.by_authority);
            if tried.contains(&key) {
                continue;
            }
            tried.push(key);
            let inside = aggregate.rules(model);
            if let Some(found) = clash(model, &aggregate, &inside) {
                let conflict = reduce(model, aggregate, inside, found.weights, work)?;
                return Ok(Found::Conflict(Box::new(conflict)));
            }
            if complete {
                return Ok(Found::Solvable);
            }
            tries += 1;
            if tries == *most {
                break;
            }
        }
    }
    Ok(Found::Undecided)
}

/// The classes of `first`, of hints, and of as many others as fit, those with few groups first;
/// and the partitions that didn't fit.
fn gather(
    model: &Model<'_>,
    first: Option<usize>,
    hints: &[usize],
    firm: &[usize],
    arcs_max: usize,
) -> (Aggregate, Vec<usize>) {
    let groups = |number: &usize| model.partitions[*number].groups.len();
    let mut order: Vec<usize> =
        firm.iter().copied().filter(|number| first != Some(*number)).collect();
    order.sort_by_key(|number| (!hints.contains(number), groups(number), *number));
    let order = first.into_iter().chain(order).map(Some).chain([None]);
    let mut signatures = Signatures::new(model, false);
    let mut fits = Aggregate::of(model, &signatures, usize::MAX)
        .unwrap_or_else(|| unreachable!("no limit was set"));
    let mut left = Vec::new();
    let mut budgets_are_due = true;
    for number in order {
        // Budgets by authority come where their number of groups puts them, or last.
        let due = number.is_none_or(|number| groups(&number) >= model.authorities.list.len());
        if budgets_are_due && due {
            budgets_are_due = false;
            let mut finer = Signatures::new(model, true);
            fits.partitions.iter().for_each(|number| finer.add(model, *number));
            if let Some(found) = Aggregate::of(model, &finer, arcs_max) {
                (fits, signatures) = (found, finer);
            }
        }
        let Some(number) = number else { break };
        let mut finer = signatures.clone();
        finer.add(model, number);
        match Aggregate::of(model, &finer, arcs_max) {
            Some(found) => (fits, signatures) = (found, finer),
            None => left.push(number),
        }
    }
    (fits, left)
}

/// In which order rules are tried to do without: the least probability first, as what quotas do to
/// one another is plainer; then the finest; other base rules last.
fn order(model: &Model<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..model.rules.len()).collect();
    order.sort_by_key(|number| match model.rules[*number] {
        Rule::Quota { partition, .. } => {
            let quota = &model.policy.quotas[model.partitions[partition].quota];
            let legal = quota.hardness == crate::policy::Hardness::Legal;
            (1 + u8::from(legal), usize::MAX - model.partitions[partition].groups.len())
        }
        Rule::NobodyAtZero => (0, 0),
        Rule::Certain => (3, 0),
        Rule::Budget(level) => (4, level.index()),
        Rule::Units => (5, 0),
    });
    order
}

/// Takes out rules as long as the others clash.
fn reduce(
    model: &Model<'_>,
    aggregate: Aggregate,
    mut inside: Vec<bool>,
    mut weights: Weights,
    work: &Work<'_>,
) -> Result<Conflict, Cancelled> {
    // What the proof at hand doesn't need.
    for rule in order(model) {
        if !inside[rule] {
            continue;
        }
        let mut fewer = inside.clone();
        fewer[rule] = false;
        let lighter = weights.without(&aggregate, rule);
        if excess(model, &aggregate, &fewer, &lighter).is_some_and(|excess| excess > 0) {
            (inside, weights) = (fewer, lighter);
        }
    }
    // Fewer rules, fewer classes. Levels as a whole first, where they show the clash: they are
    // quick; then authorities, which may do without rules that levels need.
    let wide = aggregate;
    let mut best: Option<(Aggregate, Clash)> = None;
    for by_authority in [false, true] {
        if by_authority && !wide.by_authority {
            let kept = partitions_of(model, &wide, &inside);
            if Aggregate::new(model, &kept, true, FINE_MAX).is_none() {
                break;
            }
        }
        loop {
            let kept = partitions_of(model, &wide, &inside);
            let Some(smaller) = Aggregate::new(model, &kept, by_authority, usize::MAX) else {
                break;
            };
            let Some(proof) = clash(model, &smaller, &inside) else { break };
            // The coarser showing is the plainer one, as long as it is of the same rules.
            if best.is_none() {
                best = Some((smaller.clone(), proof));
            }
            let mut shrunk = false;
            for rule in order(model) {
                if !inside[rule] {
                    continue;
                }
                work.stage("feasibility")?;
                let mut fewer = inside.clone();
                fewer[rule] = false;
                if clash(model, &smaller, &fewer).is_some() {
                    inside = fewer;
                    shrunk = true;
                    best = None;
                }
            }
            if !shrunk {
                break;
            }
        }
    }
    let Some((aggregate, proof)) = best else {
        // Only the classes of all rules tried together show it.
        return Ok(Conflict { aggregate: wide.clone(), wide, inside, weights, apart: 0.0 });
    };
    Ok(Conflict { wide, aggregate, inside, weights: proof.weights, apart: proof.apart })
}

/// The partitions of an aggregate that some rule `inside` needs.
fn partitions_of(model: &Model<'_>, aggregate: &Aggregate, inside: &[bool]) -> Vec<usize> {
    let needed = |number: &usize| {
        let mut rules = model.rules.iter().zip(inside);
        rules.any(|(rule, inside)| {
            *inside && matches!(rule, Rule::Quota { partition, .. } if partition == number)
        })
    };
    aggregate.partitions.iter().copied().filter(needed).collect()
}
