//! The rules of a clash and the places where they bind, with their numbers.

use std::collections::BTreeMap;

use crate::design::{Clash, Required, Side};
use crate::model::DivisionCode;

use super::conflict::Conflict;
use super::model::{Model, Rule};
use super::{ClashingRule, RuleKind};

/// A row, authority or county where rules bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the quota, or `budget`, `units`, `certain`, `nobody at zero`.
    pub rule: String,
    /// Grouping.
    pub scope: String,
    /// The group's values.
    pub group: String,
    /// What it asks for or allows there, in a planner's words.
    pub why: String,
}

impl From<Clash> for Place {
    fn from(clash: Clash) -> Self {
        Place { rule: clash.rule, scope: clash.scope, group: clash.group, why: clash.why }
    }
}

impl From<Place> for Clash {
    fn from(place: Place) -> Self {
        Clash::new(&place.rule, &place.scope, &place.group, place.why)
    }
}

/// The rules of a conflict, and where they bind, by descending weight.
pub(super) fn describe(model: &Model<'_>, conflict: &Conflict) -> (Vec<ClashingRule>, Vec<Place>) {
    let mut rules: Vec<(i128, ClashingRule)> = Vec::new();
    let mut places: Vec<(i128, Place)> = Vec::new();
    for (number, rule) in model.rules.iter().enumerate() {
        if !conflict.inside[number] {
            continue;
        }
        let (weight, found, own) = match rule {
            Rule::Quota { .. } => quota(model, conflict, number),
            Rule::Budget(level) => {
                let mut own = Vec::new();
                let mut sum = 0;
                let mut count = 0;
                for (weight, budget) in
                    conflict.weights.budgets.iter().zip(&conflict.aggregate.budgets)
                {
                    if budget.rule != number || *weight == 0 {
                        continue;
                    }
                    sum += budget.batches;
                    count += 1;
                    let group = budget.authority.map_or_else(String::new, |place| {
                        let code = model.authorities.list[place].code;
                        format!("{code} {}", model.frame.division_name(code)).trim().to_owned()
                    });
                    let what = if *weight > 0 { "needs" } else { "has only" };
                    let why = format!("{what} {} batches", budget.batches);
                    let scope = level.as_str().to_owned();
                    let place = Place { rule: "budget".into(), scope, group, why };
                    own.push((i128::from(weight.abs()) * i128::from(budget.batches), place));
                }
                let rule = ClashingRule {
                    kind: RuleKind::Budget,
                    level: Some(*level),
                    batches: sum,
                    rows: count,
                    ..base()
                };
                (0, rule, own)
            }
            Rule::Units => units(model, conflict, true),
            Rule::NobodyAtZero | Rule::Certain => units(model, conflict, false),
        };
        let kind = match rule {
            Rule::Certain => RuleKind::Certain,
            _ => found.kind,
        };
        rules.push((weight, ClashingRule { kind, ..found }));
        places.extend(own);
    }
    let base_last = |rule: &ClashingRule| !matches!(rule.kind, RuleKind::Quota(_));
    rules.sort_by_key(|(weight, rule)| (base_last(rule), std::cmp::Reverse(*weight)));
    places.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    (
        rules.into_iter().map(|(_, rule)| rule).collect(),
        places.into_iter().map(|(_, place)| place).collect(),
    )
}

fn base() -> ClashingRule {
    ClashingRule {
        kind: RuleKind::Units,
        quota: String::new(),
        scope: String::new(),
        level: None,
        asked: String::new(),
        batches: 0,
        rows: 0,
        hardness: None,
        of: Vec::new(),
    }
}

type Described = (i128, ClashingRule, Vec<(i128, Place)>);

fn quota(model: &Model<'_>, conflict: &Conflict, number: usize) -> Described {
    let Rule::Quota { partition, level, kind } = model.rules[number] else {
        return (0, base(), Vec::new());
    };
    let found = &model.partitions[partition];
    let quota = &model.policy.quotas[found.quota];
    let mut rule = ClashingRule {
        kind: RuleKind::Quota(kind),
        quota: quota.name.clone(),
        scope: found.scope(),
        level,
        hardness: Some(quota.hardness),
        ..base()
    };
    let (mut all, mut own) = (0i128, Vec::new());
    for (weight, row) in conflict.weights.rows.iter().zip(&conflict.aggregate.rows) {
        if row.rule != number || *weight == 0 {
            continue;
        }
        let group = &found.groups[row.group as usize];
        let limit = group.limits.iter().find(|limit| limit.kind == row.kind);
        let asked = limit.map(|limit| limit.asked.clone()).unwrap_or_default();
        let side = if kind.side() == Side::Min { "at least" } else { "at most" };
        let (batches, why) = match row.required {
            Required::Batches(n) if row.base > 0 => (
                n,
                format!(
                    "asks for {side} {n} batches ({} of {}); {} eligible units match",
                    asked.trim_end_matches(" of units"),
                    row.base,
                    group.units
                ),
            ),
            Required::Batches(n) => {
                (n, format!("asks for {side} {n} batches; {} eligible units match", group.units))
            }
            Required::Share(share) => (0, format!("asks for {side} {share} of its batches")),
        };
        rule.asked = asked;
        rule.batches += batches;
        rule.rows += 1;
        let weight = i128::from(*weight) * i128::from(batches.max(1));
        all += weight;
        let place = Place {
            rule: quota.name.clone(),
            scope: found.scope(),
            group: group.name.clone(),
            why,
        };
        own.push((weight, place));
    }
    (all, rule, own)
}

/// The cells that are full, or that must get what counts against the others.
fn units(model: &Model<'_>, conflict: &Conflict, full: bool) -> Described {
    let aggregate = &conflict.aggregate;
    let counts = conflict.weights.counts(aggregate);
    let binds: Vec<i128> = aggregate
        .classes
        .iter()
        .map(|class| {
            let best = counts[class.arcs.clone()].iter().max().copied().unwrap_or(0);
            if full { best.max(0) } else { (-best).max(0) }
        })
        .collect();
    let kind = if full { RuleKind::Units } else { RuleKind::NobodyAtZero };
    let mut rule = ClashingRule { kind, of: matching(model, conflict, &binds), ..base() };
    let mut of_county: BTreeMap<DivisionCode, (i128, u64, u128)> = BTreeMap::new();
    for (cell, class) in aggregate.class_of_cell.iter().enumerate() {
        let weight = binds[*class as usize];
        if weight == 0 {
            continue;
        }
        let units = u64::from(model.frame.cell_units(cell));
        let least = model.least(cell);
        let county = model.frame.counties[model.frame.cells.county[cell] as usize];
        let slot = of_county.entry(county).or_default();
        let given = if full { units << 32 } else { least };
        slot.0 += weight * i128::from(given >> 16);
        slot.1 += units;
        slot.2 += u128::from(least);
    }
    let mut own = Vec::new();
    for (county, (weight, units, least)) in of_county {
        rule.rows += 1;
        let hundredths = least * 100 / u128::from(crate::design::BATCH);
        let (name, why) = if full {
            rule.batches += units;
            ("units", format!("has only {units} eligible units that count"))
        } else {
            let batches = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            let said = match hundredths {
                0 => format!("{units} units must each keep more than 0"),
                _ => format!("{units} units must keep {batches} batches"),
            };
            ("nobody at zero", said)
        };
        if !full {
            rule.batches += (least >> 32) as u64;
        }
        let group = format!("{county} {}", model.frame.division_name(county)).trim().to_owned();
        own.push((weight >> 16, Place { rule: name.into(), scope: "county".into(), group, why }));
    }
    (0, rule, own)
}

/// Quotas in which all units that bind can count.
fn matching(model: &Model<'_>, conflict: &Conflict, binds: &[i128]) -> Vec<String> {
    let aggregate = &conflict.aggregate;
    let mut names: Vec<String> = Vec::new();
    for (number, rule) in model.rules.iter().enumerate() {
        let Rule::Quota { partition, .. } = rule else { continue };
        let quota = &model.policy.quotas[model.partitions[*partition].quota];
        if !conflict.inside[number] || quota.filter.is_empty() || names.contains(&quota.name) {
            continue;
        }
        let counts = |arc: usize| {
            aggregate.terms(arc).iter().any(|(row, _)| aggregate.rows[*row as usize].rule == number)
        };
        let all = aggregate
            .classes
            .iter()
            .zip(binds)
            .filter(|(_, binds)| **binds > 0)
            .all(|(class, _)| class.arcs.clone().any(counts));
        if all {
            names.push(quota.name.clone());
        }
    }
    names
}
