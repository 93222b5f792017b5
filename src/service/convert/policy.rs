//! The policy message: the draft's shape, field by field.

use std::collections::BTreeMap;

use crate::policy::{
    Amount, Draft, DraftBudget, DraftCertain, DraftExclude, DraftKeep, DraftLevel, DraftPeriod,
    DraftQuota, DraftReason, DraftReplacements, DraftWave, DraftWindow, Multipliers, Values,
};
use crate::service::v1;

/// The draft that a message is; unchecked.
#[must_use]
pub fn draft(policy: v1::Policy) -> Draft {
    let period = policy.period.unwrap_or_default();
    let budget = policy.budget.unwrap_or_default();
    let certain = |rule: v1::PolicyCertain| DraftCertain {
        filter: filter(rule.r#where),
        level: rule.level.filter(|level| !level.is_empty()),
    };
    let exclude = |rule: v1::PolicyExclude| DraftExclude {
        filter: filter(rule.r#where),
        reason: rule.reason,
    };
    Draft {
        id: policy.id,
        title: policy.title,
        method: policy.method,
        hash: policy.hash,
        period: DraftPeriod { from: period.from, to: period.to },
        as_of: policy.as_of,
        floor: policy.floor,
        budget: DraftBudget {
            province: budget.province.map(level),
            city: budget.city.map(level),
            county: budget.county.map(level),
        },
        quota: policy.quota.into_iter().map(quota).collect(),
        weights: policy.weights.into_iter().map(|(by, m)| (by, multipliers(m))).collect(),
        certain: policy.certain.into_iter().map(certain).collect(),
        exclude: policy.exclude.into_iter().map(exclude).collect(),
        window: policy.window.map(|w| DraftWindow { months: w.months, exempt: w.exempt }),
        keep: policy.keep.map(|keep| DraftKeep {
            plan: keep.plan,
            weight: keep.weight,
            levels: keep.levels,
        }),
        replacements: replacements(policy.replacements.unwrap_or_default()),
        wave: policy
            .wave
            .into_iter()
            .map(|wave| DraftWave { until: wave.until, share: wave.share })
            .collect(),
    }
}

fn replacements(message: v1::PolicyReplacements) -> DraftReplacements {
    let reason = |r: v1::PolicyReason| DraftReason { code: r.code, kind: r.kind, title: r.title };
    let v1::PolicyReplacements { per_line, reasons } = message;
    DraftReplacements { per_line, reason: reasons.into_iter().map(reason).collect() }
}

fn level(budget: v1::PolicyLevelBudget) -> DraftLevel {
    let v1::PolicyLevelBudget { total, split, floor, table } = budget;
    DraftLevel { total, split, floor, table }
}

fn quota(quota: v1::PolicyQuota) -> DraftQuota {
    DraftQuota {
        name: quota.name,
        filter: filter(quota.r#where),
        min: quota.min.map(amount),
        max: quota.max.map(amount),
        min_rate: quota.min_rate,
        max_rate: quota.max_rate,
        each: quota.each,
        of: quota.of,
        hardness: quota.hardness,
        penalty: quota.penalty,
    }
}

/// An amount without its kind is an empty share, which the check refuses in its own words.
fn amount(amount: v1::PolicyAmount) -> Amount {
    match amount.amount {
        Some(v1::policy_amount::Amount::Batches(batches)) => Amount::Batches(batches),
        Some(v1::policy_amount::Amount::Share(share)) => Amount::Share(share),
        None => Amount::Share(String::new()),
    }
}

fn multipliers(multipliers: v1::PolicyMultipliers) -> Multipliers {
    match multipliers.multipliers {
        Some(v1::policy_multipliers::Multipliers::IfTrue(value)) => Multipliers::IfTrue(value),
        Some(v1::policy_multipliers::Multipliers::Table(table)) => Multipliers::Table(table.values),
        None => Multipliers::Table(BTreeMap::new()),
    }
}

fn filter(conditions: BTreeMap<String, v1::PolicyValues>) -> BTreeMap<String, Values> {
    conditions.into_iter().map(|(dim, values)| (dim, Values(values.values))).collect()
}

/// The message of a draft.
#[must_use]
pub fn policy_message(draft: Draft) -> v1::Policy {
    v1::Policy {
        id: draft.id,
        title: draft.title,
        method: draft.method,
        hash: draft.hash,
        period: Some(v1::PolicyPeriod { from: draft.period.from, to: draft.period.to }),
        as_of: draft.as_of,
        floor: draft.floor,
        budget: Some(v1::PolicyBudget {
            province: draft.budget.province.map(level_message),
            city: draft.budget.city.map(level_message),
            county: draft.budget.county.map(level_message),
        }),
        quota: draft.quota.into_iter().map(quota_message).collect(),
        weights: draft.weights.into_iter().map(|(by, m)| (by, multipliers_message(m))).collect(),
        certain: draft
            .certain
            .into_iter()
            .map(|rule| v1::PolicyCertain {
                r#where: filter_message(rule.filter),
                level: rule.level,
            })
            .collect(),
        exclude: draft
            .exclude
            .into_iter()
            .map(|rule| v1::PolicyExclude {
                r#where: filter_message(rule.filter),
                reason: rule.reason,
            })
            .collect(),
        window: draft.window.map(|w| v1::PolicyWindow { months: w.months, exempt: w.exempt }),
        keep: draft.keep.map(|keep| v1::PolicyKeep {
            plan: keep.plan,
            weight: keep.weight,
            levels: keep.levels,
        }),
        replacements: Some(replacements_message(draft.replacements)),
        wave: draft
            .wave
            .into_iter()
            .map(|wave| v1::PolicyWave { until: wave.until, share: wave.share })
            .collect(),
    }
}

fn replacements_message(replacements: DraftReplacements) -> v1::PolicyReplacements {
    let reason = |r: DraftReason| v1::PolicyReason { code: r.code, kind: r.kind, title: r.title };
    let DraftReplacements { per_line, reason: reasons } = replacements;
    v1::PolicyReplacements { per_line, reasons: reasons.into_iter().map(reason).collect() }
}

fn level_message(level: DraftLevel) -> v1::PolicyLevelBudget {
    let DraftLevel { total, split, floor, table } = level;
    v1::PolicyLevelBudget { total, split, floor, table }
}

fn quota_message(quota: DraftQuota) -> v1::PolicyQuota {
    v1::PolicyQuota {
        name: quota.name,
        r#where: filter_message(quota.filter),
        min: quota.min.map(amount_message),
        max: quota.max.map(amount_message),
        min_rate: quota.min_rate,
        max_rate: quota.max_rate,
        each: quota.each,
        of: quota.of,
        hardness: quota.hardness,
        penalty: quota.penalty,
    }
}

fn amount_message(amount: Amount) -> v1::PolicyAmount {
    let amount = match amount {
        Amount::Batches(batches) => v1::policy_amount::Amount::Batches(batches),
        Amount::Share(share) => v1::policy_amount::Amount::Share(share),
    };
    v1::PolicyAmount { amount: Some(amount) }
}

fn multipliers_message(multipliers: Multipliers) -> v1::PolicyMultipliers {
    let multipliers = match multipliers {
        Multipliers::IfTrue(value) => v1::policy_multipliers::Multipliers::IfTrue(value),
        Multipliers::Table(values) => {
            v1::policy_multipliers::Multipliers::Table(v1::PolicyMultiplierTable { values })
        }
    };
    v1::PolicyMultipliers { multipliers: Some(multipliers) }
}

fn filter_message(filter: BTreeMap<String, Values>) -> BTreeMap<String, v1::PolicyValues> {
    let message = |values: Values| v1::PolicyValues { values: values.0 };
    filter.into_iter().map(|(dim, values)| (dim, message(values))).collect()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_policy_survives_the_wire() {
        let every_key = r#"
            id = "x"
            title = "标题"
            method = "m1"
            period = { from = "2026-01-01", to = "2026-12-31" }
            as_of = "2025-12-15"
            floor = "5%"
            [budget]
            province = { total = 3 }
            city = { total = 4, split = "root", floor = 1 }
            county = { total = 5, table = { 370102 = 5 } }
            [[quota]]
            name = "all"
            where = { key = true, county = [370102, "370103"] }
            min = 5
            max = "1.5%"
            min_rate = "0%"
            max_rate = "50%"
            each = ["plan", "level/channel"]
            of = "plan"
            hardness = "target"
            penalty = 7
            [[quota]]
            name = "least"
            [weights]
            accident = 3
            tier = { A = 1, "*" = 2 }
            [[certain]]
            where = { tier = "D" }
            level = "city"
            [[certain]]
            where = { tier = "E" }
            [[exclude]]
            where = { channel = "online" }
            reason = "done elsewhere"
            [window]
            months = 6
            exempt = ["failed"]
            [keep]
            plan = "annual-0123456789ab"
            weight = 20
            levels = ["city"]
            [replacements]
            per_line = 2
            [[wave]]
            until = "2026-12-31"
            share = "100%"
        "#;
        let annual = include_str!("../../../examples/annual.toml");
        for text in [every_key, annual, "id = \"bare\""] {
            let written = Draft::from_toml(text).unwrap();
            let bytes = policy_message(written.clone()).encode_to_vec();
            assert_eq!(draft(v1::Policy::decode(bytes.as_slice()).unwrap()), written);
        }
    }

    #[test]
    fn an_amount_without_its_kind_is_refused() {
        let text = include_str!("../../../examples/annual.toml");
        let mut message = policy_message(Draft::from_toml(text).unwrap());
        message.quota[0].min = Some(v1::PolicyAmount { amount: None });
        let errors = draft(message).check().unwrap_err();
        assert!(errors.iter().any(|error| error.path == "quota[0].min"), "{errors:?}");
    }
}
