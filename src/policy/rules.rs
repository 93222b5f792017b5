//! Quotas, certainty rules and exclusions: their conditions, groupings and bounds.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{BATCHES_MAX, Findings, certain_level};
use super::dim::{DIM_NAMES, grouping_text, parse_grouping};
use super::draft::{Amount, DraftCertain, DraftExclude, DraftQuota, Values};
use super::types::{Bound, Certain, Condition, Dim, Exclude, Filter, Grouping, Hardness, Quota};
use crate::model::{Area, Channel, DivisionCode, Level, Ratio};

/// Most quotas of a policy.
const QUOTAS_MAX: usize = 1_000;
/// Most certainty rules, and most exclusions.
const RULES_MAX: usize = 1_000;
/// Most groupings of a quota.
const EACH_MAX: usize = 32;
/// Most values of a condition.
const VALUES_MAX: usize = 10_000;
/// Most that a missing batch can cost: ten million batches of it stay far below 2^63.
const PENALTY_MAX: u64 = 1_000_000_000;

/// Checks all quotas of a policy with `batches` batches in all, if that is known.
pub(super) fn quotas(
    drafts: &[DraftQuota],
    batches: Option<u64>,
    found: &mut Findings,
) -> Vec<Quota> {
    found.at_most("quota", drafts.len(), QUOTAS_MAX, "quotas");
    let mut names = BTreeSet::new();
    let mut quotas = Vec::new();
    for (i, draft) in drafts.iter().enumerate().take(QUOTAS_MAX) {
        let path = format!("quota[{i}]");
        let name = format!("{path}.name");
        if found.required(&name, &draft.name, "a name") && !names.insert(&draft.name) {
            found.add(&name, &draft.name, "a name that no other quota has");
        }
        quotas.push(quota(draft, &path, batches, found));
    }
    quotas
}

fn quota(draft: &DraftQuota, path: &str, batches: Option<u64>, found: &mut Findings) -> Quota {
    let filter = filter(&draft.filter, &format!("{path}.where"), found);
    let min = draft.min.as_ref().and_then(|b| bound(b, &format!("{path}.min"), found));
    let max = draft.max.as_ref().and_then(|b| bound(b, &format!("{path}.max"), found));
    let mut rate = |key: &str, text: &Option<String>| {
        text.as_ref().and_then(|text| found.share(&format!("{path}.{key}"), text))
    };
    let (min_rate, max_rate) =
        (rate("min_rate", &draft.min_rate), rate("max_rate", &draft.max_rate));
    bounds_agree(draft, min.zip(max), min_rate.zip(max_rate), path, found);
    if let (Some(Bound::Batches(min)), Some(batches)) = (min, batches)
        && min > batches
    {
        let expected = format!("at most the {batches} batches of all levels");
        found.add(&format!("{path}.min"), &min.to_string(), expected);
    }
    let each = groupings(&draft.each, &format!("{path}.each"), found);
    let of = draft.of.as_ref().and_then(|text| grouping(text, &format!("{path}.of"), found));
    let quota = Quota {
        name: draft.name.clone(),
        filter,
        each,
        of,
        min,
        max,
        min_rate,
        max_rate,
        hardness: hardness(draft, path, found),
    };
    denominator(draft, &quota, path, found);
    quota
}

fn bounds_agree(
    draft: &DraftQuota,
    bounds: Option<(Bound, Bound)>,
    rates: Option<(Ratio, Ratio)>,
    path: &str,
    found: &mut Findings,
) {
    let written = draft.min.is_some() || draft.max.is_some();
    if !written && draft.min_rate.is_none() && draft.max_rate.is_none() {
        found.add(path, "", "at least one bound: min, max, min_rate or max_rate");
    }
    // Batches and shares can't be compared without the size of the group.
    let crossed = match bounds {
        Some((Bound::Batches(min), Bound::Batches(max))) if min > max => {
            Some((min.to_string(), max.to_string()))
        }
        Some((Bound::Share(min), Bound::Share(max))) if min > max => {
            Some((min.to_string(), max.to_string()))
        }
        _ => None,
    };
    if let Some((min, max)) = crossed {
        found.add(&format!("{path}.min"), &min, format!("at most the max of {max}"));
    }
    if let Some((min, max)) = rates
        && min > max
    {
        let expected = format!("at most the max_rate of {max}");
        found.add(&format!("{path}.min_rate"), &min.to_string(), expected);
    }
}

/// Whether every share has a group to be a share of, other than the batches it counts.
fn denominator(draft: &DraftQuota, quota: &Quota, path: &str, found: &mut Findings) {
    let path = format!("{path}.of");
    let has_share =
        [&draft.min, &draft.max].into_iter().flatten().any(|b| matches!(b, Amount::Share(_)));
    let Some(of) = &quota.of else {
        if draft.of.is_none() && has_share && draft.filter.is_empty() {
            found.add(
                &path,
                "",
                "another group, needed where `where` is empty: a share of a group in itself is always 100%",
            );
        }
        return;
    };
    let text = grouping_text(of);
    if !has_share {
        found.add(&path, &text, "no `of` where no bound is a share");
        return;
    }
    for grouping in &quota.each {
        let group = grouping_text(grouping);
        if !of.iter().all(|dim| grouping.contains(dim)) {
            let expected = format!("plan, or some of the dimensions of `{group}`");
            found.add(&path, &text, expected);
        } else if draft.filter.is_empty() && of == grouping {
            let expected = format!("another group than `{group}` where `where` is empty");
            found.add(&path, &text, expected);
        }
    }
}

fn bound(amount: &Amount, path: &str, found: &mut Findings) -> Option<Bound> {
    match amount {
        Amount::Batches(batches) if *batches > BATCHES_MAX => {
            found.add(path, &batches.to_string(), format!("at most {BATCHES_MAX} batches"));
            None
        }
        Amount::Batches(batches) => Some(Bound::Batches(*batches)),
        Amount::Share(text) => found.share(path, text).map(Bound::Share),
    }
}

fn hardness(draft: &DraftQuota, path: &str, found: &mut Findings) -> Hardness {
    let path_of_penalty = format!("{path}.penalty");
    let hardness = match (draft.hardness.as_str(), draft.penalty) {
        ("legal", None) => Hardness::Legal,
        ("legal", Some(penalty)) => {
            let expected = "no penalty: a legal quota is never relaxed";
            found.add(&path_of_penalty, &penalty.to_string(), expected);
            return Hardness::Legal;
        }
        ("" | "hard", penalty) => Hardness::Hard { penalty: penalty.unwrap_or(1) },
        ("target", Some(penalty)) => Hardness::Target { penalty },
        ("target", None) => {
            found.add(&path_of_penalty, "", "the cost of each missing batch of a target");
            return Hardness::Target { penalty: 1 };
        }
        (other, _) => {
            found.add(&format!("{path}.hardness"), other, "legal, hard or target");
            return Hardness::Hard { penalty: 1 };
        }
    };
    if let Some(penalty) = draft.penalty.filter(|p| *p == 0 || *p > PENALTY_MAX) {
        let expected = format!("1 to {PENALTY_MAX} for each missing batch");
        found.add(&path_of_penalty, &penalty.to_string(), expected);
    }
    hardness
}

fn groupings(texts: &[String], path: &str, found: &mut Findings) -> Vec<Grouping> {
    found.at_most(path, texts.len(), EACH_MAX, "groupings");
    let mut groupings = BTreeSet::new();
    for (i, text) in texts.iter().enumerate().take(EACH_MAX) {
        let path = format!("{path}[{i}]");
        if let Some(grouping) = grouping(text, &path, found)
            && !groupings.insert(grouping)
        {
            found.add(&path, text, "each grouping once");
        }
    }
    if texts.is_empty() {
        groupings.insert(Vec::new());
    }
    groupings.into_iter().collect()
}

fn grouping(text: &str, path: &str, found: &mut Findings) -> Option<Grouping> {
    match parse_grouping(text) {
        Ok(grouping) => Some(grouping),
        Err(error) => {
            let text = if text.is_empty() { "\"\"" } else { text };
            found.add(path, text, error.to_string());
            None
        }
    }
}

/// Checks certainty rules.
pub(super) fn certain(
    drafts: &[DraftCertain],
    has_budget: [bool; 3],
    found: &mut Findings,
) -> Vec<Certain> {
    found.at_most("certain", drafts.len(), RULES_MAX, "certainty rules");
    let mut rules = Vec::new();
    for (i, draft) in drafts.iter().enumerate().take(RULES_MAX) {
        let path = format!("certain[{i}].where");
        let filter = conditions(&draft.filter, &path, found);
        for condition in &filter {
            let expected = match condition.dim {
                Dim::Level => "no level here: `level` is a key of the rule itself",
                Dim::Authority | Dim::Channel => {
                    "what a unit is, not who draws it and where: use city, county or an attribute"
                }
                _ => continue,
            };
            found.add(&format!("{path}.{}", condition.dim), &condition.any_of.join(", "), expected);
        }
        let path = format!("certain[{i}].level");
        let level =
            draft.level.as_ref().and_then(|text| certain_level(&path, text, has_budget, found));
        rules.push(Certain { filter, level });
    }
    rules
}

/// Checks exclusions.
pub(super) fn exclude(drafts: &[DraftExclude], found: &mut Findings) -> Vec<Exclude> {
    found.at_most("exclude", drafts.len(), RULES_MAX, "exclusions");
    let mut rules = Vec::new();
    for (i, draft) in drafts.iter().enumerate().take(RULES_MAX) {
        let filter = conditions(&draft.filter, &format!("exclude[{i}].where"), found);
        found.required(&format!("exclude[{i}].reason"), &draft.reason, "a reason");
        rules.push(Exclude { filter, reason: draft.reason.clone() });
    }
    rules
}

/// A filter of a rule that must not match everything.
fn conditions(drafts: &BTreeMap<String, Values>, path: &str, found: &mut Findings) -> Filter {
    if drafts.is_empty() {
        found.add(path, "", "at least one condition");
    }
    filter(drafts, path, found)
}

fn filter(drafts: &BTreeMap<String, Values>, path: &str, found: &mut Findings) -> Filter {
    let mut filter = Vec::new();
    for (name, values) in drafts {
        let path = format!("{path}.{name}");
        let Ok(dim) = name.parse::<Dim>() else {
            found.add(&path, name, DIM_NAMES);
            continue;
        };
        if values.0.is_empty() {
            found.add(&path, "", "at least one value");
        }
        found.at_most(&path, values.0.len(), VALUES_MAX, "values");
        let listed = values.0.len() > 1;
        for (i, value) in values.0.iter().enumerate().take(VALUES_MAX) {
            let place = if listed { format!("{path}[{i}]") } else { path.clone() };
            check_value(&dim, value, &place, found);
        }
        let mut any_of = values.0.clone();
        any_of.sort_unstable();
        any_of.dedup();
        filter.push(Condition { dim, any_of });
    }
    filter.sort_unstable();
    filter
}

/// Checks that `value` can be a value of `dim`: a word of a closed vocabulary, a division code of
/// the right level, or any bounded text.
pub(super) fn check_value(dim: &Dim, value: &str, path: &str, found: &mut Findings) {
    let is_division = |digits: &[u8]| {
        value.parse::<DivisionCode>().is_ok_and(|code| digits.contains(&code.digits()))
    };
    let (fits, expected) = match dim {
        Dim::Level => (value.parse::<Level>().is_ok(), "province, city or county"),
        Dim::Channel => (value.parse::<Channel>().is_ok(), "production, circulation or online"),
        Dim::Area => (value.parse::<Area>().is_ok(), "urban or rural"),
        Dim::Key | Dim::Licence | Dim::Ccc | Dim::Accident => {
            (matches!(value, "true" | "false"), "true or false")
        }
        Dim::Authority => (is_division(&[2, 4, 6]), "a division code of 2, 4 or 6 digits"),
        Dim::City => (is_division(&[4]), "a division code of 4 digits (city)"),
        Dim::County => (is_division(&[6]), "a division code of 6 digits (county)"),
        Dim::Category => (
            !value.split('/').any(str::is_empty),
            "a category path such as steel/bar, without a slash at its ends",
        ),
        _ => (value != "*", "a value (`*` stands for every other value in weights only)"),
    };
    if value.is_empty() {
        found.add(path, "\"\"", "a value that is not empty");
    } else if !fits {
        found.add(path, value, expected);
    } else {
        found.text(path, value);
    }
}
