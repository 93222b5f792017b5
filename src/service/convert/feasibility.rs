//! Answers about quotas as messages.

use std::cmp::Reverse;

use crate::feasibility::{
    Answer, ClashingRule, Explanation, Feasible, Language, Place, Proof, QuotaPrice, Reach, Remedy,
    RowRoom, RuleKind, Step, Tables,
};
use crate::policy::{Bound, Hardness};
use crate::service::v1;
use crate::{design::Verdict, service::limits::ROWS_TOLD_MAX};

/// An answer.
pub fn feasibility(answer: &Answer) -> v1::CheckFeasibilityResponse {
    match answer {
        Answer::Certified(found) => certified(found),
        Answer::Refused(explanation) => refused(explanation),
    }
}

fn certified(found: &Feasible) -> v1::CheckFeasibilityResponse {
    let distance = &found.distance;
    let mut rows: Vec<&RowRoom> = distance.rows.iter().collect();
    // Stable: rows with the same room stay in the order of the policy.
    rows.sort_by_key(|row| (row.room, Reverse(row.factor.abs_diff(10_000))));
    rows.truncate(ROWS_TOLD_MAX);
    v1::CheckFeasibilityResponse {
        verdict: v1::FeasibilityVerdict::Feasible.into(),
        proof: v1::FeasibilityProof::Certificate.into(),
        sentences_en: found.sentences(Language::En),
        sentences_zh: found.sentences(Language::Zh),
        batches: found.batches,
        units: found.units,
        moved_hundredths: distance.moved,
        quotas: distance.quotas.iter().map(price).collect(),
        rows: rows.into_iter().map(room).collect(),
        row_count: distance.rows.len() as u64,
        budgets: found
            .budgets
            .iter()
            .map(|(level, authority, batches)| v1::AuthorityBudget {
                level: level.to_string(),
                authority: authority.to_string(),
                batches: *batches,
            })
            .collect(),
        ..Default::default()
    }
}

fn refused(found: &Explanation) -> v1::CheckFeasibilityResponse {
    let verdict = match found.verdict {
        Verdict::Infeasible => v1::FeasibilityVerdict::Infeasible,
        Verdict::NotCertified => v1::FeasibilityVerdict::NotCertified,
    };
    let proof = match found.proof {
        Proof::Arithmetic => v1::FeasibilityProof::Arithmetic,
        Proof::Cut => v1::FeasibilityProof::Cut,
        Proof::Weights => v1::FeasibilityProof::Weights,
        Proof::Exhaustion => v1::FeasibilityProof::Exhaustion,
        Proof::None => v1::FeasibilityProof::Unspecified,
    };
    let (tables, tables_without_units) = match &found.tables {
        None => ("", 0),
        Some(Tables::None) => ("none", 0),
        Some(Tables::NoneWithAll { units }) => ("none-with-all", *units),
        Some(Tables::Some) => ("some", 0),
        Some(Tables::Unknown) => ("unknown", 0),
    };
    v1::CheckFeasibilityResponse {
        verdict: verdict.into(),
        proof: proof.into(),
        sentences_en: found.sentences(Language::En),
        sentences_zh: found.sentences(Language::Zh),
        rules: found.rules.iter().map(rule).collect(),
        places: found.places.iter().map(place).collect(),
        place_count: found.place_count as u64,
        apart_hundredths: found.apart,
        reaches: found.reaches.iter().map(reach).collect(),
        remedies: found.remedies.iter().map(remedy).collect(),
        tables: tables.to_owned(),
        tables_without_units,
        ..Default::default()
    }
}

fn rule(rule: &ClashingRule) -> v1::ClashingRule {
    let kind = match rule.kind {
        RuleKind::Budget => "budget",
        RuleKind::Units => "units",
        RuleKind::Certain => "certain",
        RuleKind::NobodyAtZero => "nobody-at-zero",
        RuleKind::Quota(kind) => kind.as_str(),
    };
    v1::ClashingRule {
        kind: kind.to_owned(),
        quota: rule.quota.clone(),
        scope: rule.scope.clone(),
        level: rule.level.map(|level| level.to_string()).unwrap_or_default(),
        asked: rule.asked.clone(),
        batches: rule.batches,
        rows: rule.rows,
        hardness: rule.hardness.map_or("", Hardness::as_str).to_owned(),
        of: rule.of.clone(),
        text_en: rule.words(Language::En),
        text_zh: rule.words(Language::Zh),
    }
}

fn place(place: &Place) -> v1::ClashPlace {
    let Place { rule, scope, group, why } = place.clone();
    v1::ClashPlace { rule, scope, group, why }
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::Batches(batches) => batches.to_string(),
        Bound::Share(share) => share.to_string(),
    }
}

fn reach(reach: &Reach) -> v1::QuotaReach {
    v1::QuotaReach {
        quota: reach.quota.clone(),
        bound: reach.kind.as_str().to_owned(),
        asked: bound(reach.asked),
        limit: bound(reach.limit),
        limit_batches: reach.batches,
    }
}

fn remedy(remedy: &Remedy) -> v1::Remedy {
    v1::Remedy {
        steps: remedy.steps.iter().map(step).collect(),
        cost: remedy.cost,
        text_en: remedy.words(Language::En),
        text_zh: remedy.words(Language::Zh),
    }
}

fn step(step: &Step) -> v1::RemedyStep {
    match step {
        Step::Bound { quota, kind, from, to } => v1::RemedyStep {
            kind: "bound".to_owned(),
            quota: quota.clone(),
            bound: kind.as_str().to_owned(),
            from: bound(*from),
            to: bound(*to),
            ..Default::default()
        },
        Step::Budget { level, from, to } => v1::RemedyStep {
            kind: "budget".to_owned(),
            level: level.to_string(),
            from: from.to_string(),
            to: to.to_string(),
            ..Default::default()
        },
        Step::Units { more, of, counties } => v1::RemedyStep {
            kind: "units".to_owned(),
            more: *more,
            of: of.clone(),
            counties: counties
                .iter()
                .map(|(county, more)| v1::MoreUnits { county: county.to_string(), more: *more })
                .collect(),
            ..Default::default()
        },
    }
}

fn price(price: &QuotaPrice) -> v1::QuotaPrice {
    v1::QuotaPrice {
        quota: price.quota.clone(),
        rows: price.rows as u64,
        binding: price.binding as u64,
        least_factor: price.factors.0,
        greatest_factor: price.factors.1,
        moved_hundredths: price.moved,
    }
}

fn room(row: &RowRoom) -> v1::RowRoom {
    v1::RowRoom {
        quota: row.quota.clone(),
        scope: row.scope.clone(),
        group: row.group.clone(),
        bound: row.kind.as_str().to_owned(),
        asked: row.asked.clone(),
        required: row.required,
        guaranteed_low: row.guaranteed.0,
        guaranteed_high: row.guaranteed.1,
        expected_hundredths: row.expected,
        room: row.room,
        factor: row.factor,
    }
}
