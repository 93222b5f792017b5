//! Plans, lines, allocation, compliance.

use super::{frame_name, freeze_name, plan_name, timestamp};
use crate::audit;
use crate::model::{Area, Channel, Level};
use crate::plan::{AuthorityRow, ComplianceRow, Line, Percentile, WaveTotal};
use crate::service::planner::{PlanRecord, PlanState};
use crate::service::v1;

/// The message of a plan.
#[must_use]
pub fn plan(record: PlanRecord) -> v1::Plan {
    let name = |id: Option<String>| id.map(|id| plan_name(&id)).unwrap_or_default();
    let etag = record.etag();
    v1::Plan {
        name: plan_name(&record.id),
        title: record.title,
        policy_id: record.policy_id,
        policy_digest: record.policy_digest.to_string(),
        frame: frame_name(&record.frame),
        input_digest: record.input_digest.to_string(),
        method: record.method,
        seed: Some(v1::Seed {
            protected: record.seed.source != "text",
            source: record.seed.source,
            text: record.seed.text,
            share: record.seed.share,
            digest: record.seed_digest.to_string(),
        }),
        state: match record.state {
            PlanState::Drawn => v1::PlanState::Drawn,
            PlanState::Superseded => v1::PlanState::Superseded,
            PlanState::Issued => v1::PlanState::Issued,
            PlanState::Void => v1::PlanState::Void,
        }
        .into(),
        create_time: timestamp(record.created_at),
        supersedes: name(record.supersedes),
        reason: record.reason,
        superseded_by: name(record.superseded_by),
        units: record.units,
        batches: record.batches,
        replacements: record.replacements,
        replacement_shortfall: record.replacement_shortfall,
        compliance_rows: record.compliance_rows,
        compliance_missed: record.compliance_missed,
        document_digest: record.document.to_string(),
        document_bytes: record.bytes,
        freeze: freeze_name(&record.freeze),
        draw_number: record.draw_number,
        note: record.note,
        etag,
    }
}

/// The message of a level.
#[must_use]
pub fn level(level: Level) -> v1::Level {
    match level {
        Level::Province => v1::Level::Province,
        Level::City => v1::Level::City,
        Level::County => v1::Level::County,
    }
}

/// The level that a filter asks for; none for all.
///
/// # Errors
/// If the number is no level.
pub fn level_filter(number: i32) -> Result<Option<Level>, &'static str> {
    match v1::Level::try_from(number) {
        Ok(v1::Level::Unspecified) => Ok(None),
        Ok(v1::Level::Province) => Ok(Some(Level::Province)),
        Ok(v1::Level::City) => Ok(Some(Level::City)),
        Ok(v1::Level::County) => Ok(Some(Level::County)),
        Err(_) => Err("must be a level"),
    }
}

/// The message of a channel.
#[must_use]
pub fn channel(channel: Channel) -> v1::Channel {
    match channel {
        Channel::Production => v1::Channel::Production,
        Channel::Circulation => v1::Channel::Circulation,
        Channel::Online => v1::Channel::Online,
    }
}

/// The message of an area.
#[must_use]
pub fn area(area: Area) -> v1::Area {
    match area {
        Area::Urban => v1::Area::Urban,
        Area::Rural => v1::Area::Rural,
    }
}

/// The message of a line.
#[must_use]
pub fn line(line: &Line) -> v1::PlanLine {
    v1::PlanLine {
        line: line.line,
        level: level(line.level).into(),
        authority: line.authority.to_string(),
        enterprise_id: line.enterprise_id.clone(),
        enterprise_name: line.enterprise_name.clone(),
        product_id: line.product_id.clone(),
        channel: channel(line.channel).into(),
        platform: line.platform.clone(),
        sale_division: line.sale_division.clone(),
        county: line.county.to_string(),
        area: area(line.area).into(),
        tier: line.tier.clone(),
        key: line.key,
        wave: line.wave,
        probability: line.probability.clone(),
        lot: line.lot.to_string(),
        replacement_rank: line.replacement_rank,
        arc: line.arc,
        cell: line.cell,
    }
}

/// The message of an authority's batches.
#[must_use]
pub fn authority(row: &AuthorityRow) -> v1::AuthorityAllocation {
    v1::AuthorityAllocation {
        level: level(row.level).into(),
        authority: row.authority.to_string(),
        name: row.name.clone(),
        units: row.units,
        batches: row.batches,
        waves: row.waves.clone(),
    }
}

/// The message of a row of compliance.
#[must_use]
pub fn compliance(row: &ComplianceRow) -> v1::ComplianceRow {
    v1::ComplianceRow {
        quota: row.quota.clone(),
        scope: row.scope.clone(),
        group: row.group.clone(),
        hardness: row.hardness.clone(),
        bound: row.bound.clone(),
        asked: row.asked.clone(),
        base: row.base,
        required: row.required,
        planned: row.planned,
        guaranteed_low: row.guaranteed_low,
        guaranteed_high: row.guaranteed_high,
        holds: row.holds,
    }
}

/// The message of a wave.
#[must_use]
pub fn wave(wave: &WaveTotal) -> v1::WaveTotal {
    v1::WaveTotal { until: wave.until.clone(), wanted: wave.wanted.clone(), batches: wave.batches }
}

/// The message of a percentile.
#[must_use]
pub fn percentile(percentile: &Percentile) -> v1::Percentile {
    v1::Percentile { percent: percentile.percent, ratio: percentile.ratio.clone() }
}

/// The message of a verification.
#[must_use]
pub fn verification(report: audit::Report) -> v1::VerifyPlanResponse {
    let holds = report.holds();
    let check = |check: audit::Check| v1::Check {
        name: check.name.to_owned(),
        count: check.count,
        problems: check.problems,
        problem_count: check.problem_count,
        what: check.what.to_owned(),
    };
    v1::VerifyPlanResponse {
        holds,
        plan_id: report.plan.unwrap_or_default(),
        checks: report.checks.into_iter().map(check).collect(),
    }
}
