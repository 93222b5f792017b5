//! The one text of a policy, and its digest.

use std::collections::BTreeMap;

use super::dim::grouping_text;
use super::draft::{
    Amount, Draft, DraftBudget, DraftCertain, DraftExclude, DraftKeep, DraftLevel, DraftPeriod,
    DraftQuota, DraftReason, DraftReplacements, DraftWave, DraftWindow, Multipliers, Values,
};
use super::types::{Bound, Condition, Hardness, LevelBudget, Policy, Quota, Reason, Split};
use crate::model::{Digest, HashName, Level};

impl Policy {
    /// The policy in the shape of its TOML, with every default filled in, shares as percentages
    /// and lists in canonical order. [`Policy::from_json`] gives the same policy back.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Fails only for maps whose keys are no texts, and a draft has none.
        serde_json::to_value(Draft::from(self)).unwrap_or_default()
    }

    /// [`Policy::to_json`] on one line, keys ascending: equal policies have equal texts, however
    /// they were written.
    ///
    /// Part of method `m1`.
    #[must_use]
    pub fn canonical_text(&self) -> String {
        let mut text = String::new();
        write_sorted(&self.to_json(), &mut text);
        text
    }

    /// The digest of [`Policy::canonical_text`] in the domain `spotcheck/m1/policy`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.hash.framed("spotcheck/m1/policy").field(self.canonical_text().as_bytes()).finish()
    }
}

/// Writes compact JSON with ascending keys, whatever order the library's objects keep.
fn write_sorted(value: &serde_json::Value, text: &mut String) {
    use serde_json::Value as Json;
    let comma = |text: &mut String, i: usize| {
        if i > 0 {
            text.push(',');
        }
    };
    match value {
        Json::Object(entries) => {
            let sorted: BTreeMap<_, _> = entries.iter().collect();
            text.push('{');
            for (i, (key, value)) in sorted.into_iter().enumerate() {
                comma(text, i);
                text.push_str(&Json::from(key.as_str()).to_string());
                text.push(':');
                write_sorted(value, text);
            }
            text.push('}');
        }
        Json::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                comma(text, i);
                write_sorted(item, text);
            }
            text.push(']');
        }
        leaf => text.push_str(&leaf.to_string()),
    }
}

/// The policy as it could have been written, with nothing left to a default.
impl From<&Policy> for Draft {
    fn from(policy: &Policy) -> Draft {
        let [province, city, county] = policy.budget.each_ref().map(|b| b.as_ref().map(level));
        Draft {
            id: policy.id.clone(),
            title: policy.title.clone(),
            method: policy.method.as_str().to_owned(),
            hash: match policy.hash {
                HashName::Sha256 => String::new(),
                other => other.as_str().to_owned(),
            },
            period: DraftPeriod {
                from: policy.period.from.to_string(),
                to: policy.period.to.to_string(),
            },
            as_of: policy.as_of.to_string(),
            floor: policy.floor.to_string(),
            budget: DraftBudget { province, city, county },
            quota: policy.quotas.iter().map(quota).collect(),
            weights: policy
                .weights
                .0
                .iter()
                .map(|(by, table)| (by.to_string(), Multipliers::Table(table.clone())))
                .collect(),
            certain: policy
                .certain
                .iter()
                .map(|rule| DraftCertain {
                    filter: filter(&rule.filter),
                    level: rule.level.map(|level| level.to_string()),
                })
                .collect(),
            exclude: policy
                .exclude
                .iter()
                .map(|rule| DraftExclude {
                    filter: filter(&rule.filter),
                    reason: rule.reason.clone(),
                })
                .collect(),
            window: policy.window.as_ref().map(|window| DraftWindow {
                months: u64::from(window.months),
                exempt: window.exempt.clone(),
            }),
            keep: policy.keep.as_ref().map(|keep| DraftKeep {
                plan: keep.plan.clone(),
                weight: keep.weight,
                levels: Level::ALL
                    .iter()
                    .filter(|level| keep.gives_way[level.index()])
                    .map(ToString::to_string)
                    .collect(),
            }),
            replacements: DraftReplacements {
                per_line: u64::from(policy.replacements_per_line),
                reason: policy.own_reasons.iter().map(reason).collect(),
            },
            wave: policy
                .waves
                .iter()
                .map(|w| DraftWave { until: w.until.to_string(), share: w.share.to_string() })
                .collect(),
        }
    }
}

fn level(budget: &LevelBudget) -> DraftLevel {
    let table = match &budget.split {
        Split::Table(table) => table.iter().map(|(code, n)| (code.to_string(), *n)).collect(),
        _ => BTreeMap::new(),
    };
    let split = budget.split.as_str().unwrap_or_default().to_owned();
    DraftLevel { total: budget.total, split, floor: budget.floor, table }
}

fn reason(reason: &Reason) -> DraftReason {
    DraftReason {
        code: reason.code.clone(),
        kind: reason.kind.as_str().to_owned(),
        title: reason.title.clone(),
    }
}

fn quota(quota: &Quota) -> DraftQuota {
    let amount = |bound: Bound| match bound {
        Bound::Batches(batches) => Amount::Batches(batches),
        Bound::Share(share) => Amount::Share(share.to_string()),
    };
    DraftQuota {
        name: quota.name.clone(),
        filter: filter(&quota.filter),
        min: quota.min.map(amount),
        max: quota.max.map(amount),
        min_rate: quota.min_rate.map(|rate| rate.to_string()),
        max_rate: quota.max_rate.map(|rate| rate.to_string()),
        each: quota.each.iter().map(|grouping| grouping_text(grouping)).collect(),
        of: quota.of.as_ref().map(|grouping| grouping_text(grouping)),
        hardness: quota.hardness.as_str().to_owned(),
        penalty: match quota.hardness {
            Hardness::Target { penalty } => Some(penalty),
            Hardness::Hard { penalty } => (penalty != 1).then_some(penalty),
            Hardness::Legal => None,
        },
    }
}

fn filter(conditions: &[Condition]) -> BTreeMap<String, Values> {
    conditions.iter().map(|c| (c.dim.to_string(), Values(c.any_of.clone()))).collect()
}
