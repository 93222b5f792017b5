//! Whether the quotas of a policy can be met on a frame, and if not, which of them clash, where,
//! and what would do. No seed is involved.
//!
//! Proofs go from cheap to dear: arithmetic and minimum cuts while the design is made
//! ([`crate::design`]); then a linear programme over classes of cells whose multipliers are
//! checked in integers; then, for what real numbers can keep, exhaustion of small tables. Remedies
//! are only told if a certified design was made with them (docs/FEASIBILITY.md).
//!
//! Values in, values out. Floating point finds candidates and describes; whatever is claimed to be
//! impossible is proved in integers, and whatever is claimed to do has been certified.

mod aggregate;
mod conflict;
mod distance;
mod model;
mod places;
mod program;
mod proof;
mod relax;
mod tables;
mod words;

use crate::design::{Attempt, BoundKind, Design, Draft, Refusal, Verdict};
use crate::frame::Frame;
use crate::model::{Cancelled, DivisionCode, Level, Work, spread};
use crate::policy::{Hardness, Policy};

pub use distance::{Distance, QuotaPrice, RowRoom};
pub use places::Place;
pub use relax::{Reach, Remedy, Step};
pub use tables::Tables;
pub use words::Language;

use conflict::{Found, Tried};
use model::Model;

/// Flows before clashes are looked for: what needs more seldom gets a certificate.
const FLOWS_FIRST: usize = 2;

/// What a rule of a clash is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleKind {
    /// The authorities of a level draw exactly their batches.
    Budget,
    /// No unit is taken more than once.
    Units,
    /// Certainty units are all taken.
    Certain,
    /// Every eligible unit keeps the policy's least probability.
    NobodyAtZero,
    /// A bound of a quota.
    Quota(BoundKind),
}

/// A family of rules in a clash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClashingRule {
    /// What it is about.
    pub kind: RuleKind,
    /// Name of the quota; empty for others.
    pub quota: String,
    /// Grouping of the quota; empty for others.
    pub scope: String,
    /// The level that it belongs to, if it belongs to one.
    pub level: Option<Level>,
    /// The bound as the policy writes it; empty for others.
    pub asked: String,
    /// Batches that it asks for or allows over all its rows in the clash; units, for
    /// [`RuleKind::Units`].
    pub batches: u64,
    /// Rows of it in the clash.
    pub rows: u64,
    /// How firmly it holds; none if it is no quota.
    pub hardness: Option<Hardness>,
    /// For [`RuleKind::Units`] and [`RuleKind::NobodyAtZero`]: the quotas that the units count in.
    pub of: Vec<String>,
}

/// What a refusal rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Sums of whole numbers.
    Arithmetic,
    /// A minimum cut through the network of totals, or sums.
    Cut,
    /// Weights of the rows that show more to be asked for than there is.
    Weights,
    /// All tables of whole batches were searched.
    Exhaustion,
    /// Nothing: no design was found, none is claimed not to exist.
    None,
}

/// Why there is no plan, and what would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What is claimed.
    pub verdict: Verdict,
    /// What the claim rests on.
    pub proof: Proof,
    /// The rules that clash: without any one of them the others don't. Empty where no such set was
    /// found; then the places say all that is known.
    pub rules: Vec<ClashingRule>,
    /// Where they bind, most important first.
    pub places: Vec<Place>,
    /// How many places there are.
    pub place_count: usize,
    /// How many batches the rules are apart, in hundredths; 0 if unknown.
    pub apart: u64,
    /// How far each quota that may give way can be met with the others kept.
    pub reaches: Vec<Reach>,
    /// What would do, each by itself; cheapest first.
    pub remedies: Vec<Remedy>,
    /// What is known of tables of whole batches, where real numbers can keep the rules.
    pub tables: Option<Tables>,
}

/// A feasible policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Feasible {
    /// Batches in all.
    pub batches: u64,
    /// Eligible units.
    pub units: u64,
    /// Quota rows that bind every plan.
    pub rows: usize,
    /// Every authority's batches, as the policy splits them, by level and code.
    pub budgets: Vec<(Level, DivisionCode, u64)>,
    /// What the quotas cost.
    pub distance: Distance,
}

/// Whether there is a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A design was certified.
    Certified(Box<Feasible>),
    /// None was.
    Refused(Box<Explanation>),
}

/// Checks whether `policy` can be met on `frame`.
///
/// # Errors
/// If the work was told to stop.
pub fn check(frame: &Frame, policy: &Policy, work: &Work<'_>) -> Result<Answer, Cancelled> {
    let (refusal, draft) = match Design::attempt_within(frame, policy, FLOWS_FIRST, work)? {
        Attempt::Certified(design) => return Ok(certified(frame, policy, &design)),
        Attempt::Refused(refusal, draft) => (refusal, draft),
    };
    let mut tried = Tried::default();
    let found = match Model::new(frame, policy, work.threads) {
        Ok(model) => {
            let rows = hints(&model, &refusal, draft.as_deref());
            let found = conflict::find(&model, &rows, conflict::FIRST, &mut tried, work)?;
            if let Found::Conflict(conflict) = found {
                return clash(&model, &conflict, work);
            }
            Some((model, found))
        }
        Err(_) => None,
    };
    let Some((model, found)) = found else { return Ok(refused(refusal)) };
    // Nothing was proved at a glance: the whole search for a design, then the whole for a clash.
    let (refusal, draft) = match draft {
        Some(_) if refusal.verdict == Verdict::NotCertified => {
            match Design::attempt(frame, policy, work)? {
                Attempt::Certified(design) => return Ok(certified(frame, policy, &design)),
                Attempt::Refused(refusal, draft) => (refusal, draft),
            }
        }
        draft => (refusal, draft),
    };
    if !matches!(found, Found::Solvable) {
        let rows = hints(&model, &refusal, draft.as_deref());
        let sizes = match refusal.verdict {
            Verdict::Infeasible => conflict::KNOWN,
            Verdict::NotCertified => conflict::REST,
        };
        let found = conflict::find(&model, &rows, sizes, &mut tried, work)?;
        if let Found::Conflict(conflict) = found {
            return clash(&model, &conflict, work);
        }
    }
    if refusal.verdict == Verdict::Infeasible {
        return Ok(refused(refusal));
    }
    gap(&model, refusal, draft.as_deref(), work)
}

/// Explains a refusal that [`Design::make`] came to: as [`check`], of which it is a part.
///
/// # Errors
/// If the work was told to stop.
pub fn explain(
    frame: &Frame,
    policy: &Policy,
    refusal: Refusal,
    work: &Work<'_>,
) -> Result<Refusal, Cancelled> {
    match check(frame, policy, work)? {
        Answer::Refused(explanation) => Ok(explanation.refusal()),
        // Both run one search; kept as it was in case they should ever differ.
        Answer::Certified(_) => Ok(refusal),
    }
}

fn certified(frame: &Frame, policy: &Policy, design: &Design) -> Answer {
    let distance = distance::distance(frame, policy, design);
    Answer::Certified(Box::new(Feasible {
        batches: design.authorities.batches(),
        units: frame.units(),
        rows: distance.rows.len(),
        budgets: design.authorities.list.iter().map(|a| (a.level, a.code, a.batches)).collect(),
        distance,
    }))
}

/// The partitions that a refusal or a draft without certificate points at.
fn hints(model: &Model<'_>, refusal: &Refusal, draft: Option<&Draft>) -> Vec<usize> {
    let missing = draft.map(|draft| draft.missing.as_slice()).unwrap_or_default();
    let mut hints: Vec<usize> = missing.iter().map(|(partition, _)| *partition).collect();
    hints.extend((0..model.partitions.len()).filter(|number| {
        let partition = &model.partitions[*number];
        let name = &model.policy.quotas[partition.quota].name;
        let scope = partition.scope();
        refusal.clashes.iter().any(|clash| clash.rule == *name && clash.scope == scope)
    }));
    hints.sort_unstable();
    hints.dedup();
    hints
}

/// What arithmetic or a minimum cut said.
fn refused(refusal: Refusal) -> Answer {
    let arithmetic = !refusal.clashes.iter().any(|clash| clash.rule == "in all");
    let proof = match refusal.verdict {
        Verdict::NotCertified => Proof::None,
        Verdict::Infeasible if arithmetic => Proof::Arithmetic,
        Verdict::Infeasible => Proof::Cut,
    };
    Answer::Refused(Box::new(Explanation {
        verdict: refusal.verdict,
        proof,
        rules: Vec::new(),
        place_count: refusal.clash_count,
        places: refusal.clashes.into_iter().map(Place::from).collect(),
        apart: 0,
        reaches: Vec::new(),
        remedies: Vec::new(),
        tables: None,
    }))
}

fn clash(
    model: &Model<'_>,
    conflict: &conflict::Conflict,
    work: &Work<'_>,
) -> Result<Answer, Cancelled> {
    let (rules, mut places) = places::describe(model, conflict);
    let soft = relax::soft(model, &conflict.inside);
    work.stage("remedies")?;
    let reach = |number: usize| relax::reach(model, conflict, soft[number]);
    let reaches: Vec<Option<Reach>> = spread(work.threads, soft.len(), reach);
    let units = rules.iter().find(|rule| rule.kind == RuleKind::Units);
    let budgets = rules.iter().filter(|rule| rule.kind == RuleKind::Budget);
    let levels: Vec<Level> = budgets.filter_map(|rule| rule.level).collect();
    let mut alone: Vec<usize> = (0..soft.len()).collect();
    alone.sort_by_key(|number| relax::penalty(model, soft[*number]));
    alone.truncate(relax::ALONE_MAX);
    // Each kind of remedy on one thread, several at once; their stages would only confuse.
    let single = Work { threads: 1, progress: &|_| {}, ..*work };
    let remedies = |tries: &[Try]| -> Result<Vec<Remedy>, Cancelled> {
        let found = spread(work.threads, tries.len(), |number| match tries[number] {
            Try::Joint(offsets) => relax::joint(model, conflict, &soft, offsets, &single),
            Try::Alone(number, offsets) => {
                let limit = reaches[number].as_ref().map(|reach| reach.limit);
                relax::one_bound(model, soft[number], limit, offsets, &single)
            }
            Try::Units => {
                let of = units.map(|rule| rule.of.as_slice()).unwrap_or_default();
                relax::more_units(model, conflict, of, &single)
            }
            Try::Budget(level) => relax::budget(model, level, &single),
        });
        let found: Result<Vec<_>, _> = found.into_iter().collect();
        Ok(found?.into_iter().flatten().collect())
    };
    let bounds = |alone_offsets, joint_offsets| {
        let alone = alone.iter().map(move |number| Try::Alone(*number, alone_offsets));
        alone.chain((soft.len() > 1).then_some(Try::Joint(joint_offsets)))
    };
    let mut tries: Vec<Try> = bounds(relax::BEHIND, relax::TOGETHER).collect();
    tries.extend(units.map(|_| Try::Units));
    let mut remedies_found = remedies(&tries)?;
    if remedies_found.is_empty() {
        let far: Vec<Try> = bounds(relax::FAR_BEHIND, relax::FAR_BEHIND).collect();
        remedies_found = remedies(&far)?;
    }
    if remedies_found.is_empty() {
        let tries: Vec<Try> = levels.into_iter().map(Try::Budget).collect();
        remedies_found = remedies(&tries)?;
    }
    // Changes of the policy first, by what they give up; units are not the planner's to make.
    remedies_found.sort_by_key(|remedy| {
        (matches!(remedy.steps.first(), Some(Step::Units { .. })), remedy.cost)
    });
    let place_count = places.len();
    places.truncate(Refusal::CLASHES_MAX);
    Ok(Answer::Refused(Box::new(Explanation {
        verdict: Verdict::Infeasible,
        proof: Proof::Weights,
        rules,
        places,
        place_count,
        apart: (conflict.apart * 100.0 + 0.5) as u64,
        reaches: reaches.into_iter().flatten().collect(),
        remedies: remedies_found,
        tables: None,
    })))
}

/// A kind of remedy to look for.
#[derive(Clone, Copy)]
enum Try {
    /// Another bound for one of the quotas that may give way, so far behind its reach.
    Alone(usize, &'static [u64]),
    /// Other bounds for several, so far behind.
    Joint(&'static [u64]),
    /// More units.
    Units,
    /// Another budget.
    Budget(Level),
}

/// Real numbers can keep the rules, as far as could be tried, and no certificate was found.
fn gap(
    model: &Model<'_>,
    refusal: Refusal,
    draft: Option<&Draft>,
    work: &Work<'_>,
) -> Result<Answer, Cancelled> {
    let tables = tables::search(model, draft, work)?;
    let proved = matches!(tables, Tables::None | Tables::NoneWithAll { .. });
    let mut remedies = Vec::new();
    let mut soft: Vec<(usize, BoundKind)> = Vec::new();
    for (partition, group) in draft.map(|draft| draft.missing.as_slice()).unwrap_or_default() {
        let found = &model.partitions[*partition];
        let legal = model.policy.quotas[found.quota].hardness == Hardness::Legal;
        for limit in &found.groups[*group].limits {
            if !legal && !soft.contains(&(found.quota, limit.kind)) {
                soft.push((found.quota, limit.kind));
            }
        }
    }
    // Where only legal rows lack a certificate, others may still make room for them.
    if soft.is_empty() {
        soft = relax::soft(model, &vec![true; model.rules.len()]);
    }
    work.stage("remedies")?;
    let single = Work { threads: 1, progress: &|_| {}, ..*work };
    let alone = spread(work.threads, soft.len().min(relax::ALONE_MAX), |number| {
        relax::slack(model, soft[number], &single)
    });
    for found in alone {
        remedies.extend(found?);
    }
    if remedies.is_empty() {
        remedies.extend(relax::slack_together(model, &soft, relax::FAR_SLACK, work)?);
    }
    remedies.sort_by_key(|remedy| remedy.cost);
    Ok(Answer::Refused(Box::new(Explanation {
        verdict: if proved { Verdict::Infeasible } else { Verdict::NotCertified },
        proof: if proved { Proof::Exhaustion } else { Proof::None },
        rules: Vec::new(),
        place_count: refusal.clash_count,
        places: refusal.clashes.into_iter().map(Place::from).collect(),
        apart: 0,
        reaches: Vec::new(),
        remedies,
        tables: Some(tables),
    })))
}
