//! Frozen records and the terms of seeds.

use super::{Misnamed, frame_name, freeze_name, plan_name, timestamp};
use crate::audit::log::{SeedTerms, State};
use crate::model::Digest;
use crate::plan::{Rate, SelfTest};
use crate::policy::ReasonKind;
use crate::service::planner::{
    Fallen, Frozen, PlanStanding, ReplacementRecord, SeedPlan, StandingRow,
};
use crate::service::v1;
use v1::seed_terms::Source;

/// The message of a frozen record.
#[must_use]
pub fn frozen_plan(frozen: Frozen) -> v1::FrozenPlan {
    let etag = frozen.etag();
    let Frozen { record, log } = frozen;
    let (policy_id, [period_start, period_end]) = log.programme;
    let named = |name: String| if name.is_empty() { name } else { freeze_name(&name) };
    v1::FrozenPlan {
        name: freeze_name(&record.name),
        state: match log.state {
            State::Frozen => v1::FrozenState::Frozen,
            State::Seeded => v1::FrozenState::Seeded,
            State::Drawn => v1::FrozenState::Drawn,
            State::Issued => v1::FrozenState::Issued,
            State::Superseded => v1::FrozenState::Superseded,
            State::Void => v1::FrozenState::Void,
        }
        .into(),
        policy_id,
        period_start,
        period_end,
        frame: frame_name(&record.frame),
        policy_digest: record.policy_digest.to_string(),
        design_digest: record.design.to_string(),
        seed_protected: record.terms.is_protected(),
        terms: Some(terms(record.terms)),
        seed_commitment: log.seed.map(|seed| seed.to_string()).unwrap_or_default(),
        plan: log.plan.map(|(plan, _)| plan_name(&plan)).unwrap_or_default(),
        predecessor: named(log.predecessor),
        reason: log.reason,
        number: log.number,
        number_of_frame: log.number_of_frame,
        freeze_time: timestamp(record.frozen_at),
        entries: log.entries,
        etag,
    }
}

fn terms(terms: SeedTerms) -> v1::SeedTerms {
    let source = match terms {
        SeedTerms::Text => Source::Text(v1::seed_terms::Text {}),
        SeedTerms::Ceremony { share } => {
            Source::Ceremony(v1::seed_terms::Ceremony { share_commitment: share.to_string() })
        }
        SeedTerms::Beacon { share, chain, round } => {
            let share_commitment = share.to_string();
            Source::Beacon(v1::seed_terms::Beacon { share_commitment, chain, round })
        }
        SeedTerms::System { commitment } => {
            Source::System(v1::seed_terms::System { commitment: commitment.to_string() })
        }
    };
    v1::SeedTerms { source: Some(source) }
}

/// The message of a line that fell out.
#[must_use]
pub fn replacement(record: ReplacementRecord, kind: ReasonKind) -> v1::Replacement {
    v1::Replacement {
        line: record.line,
        taken: record.taken,
        arc: record.arc,
        rank: record.rank,
        reason: record.reason,
        reason_kind: kind.as_str().to_owned(),
        evidence: record.evidence,
        evidence_salt: record.salt,
        create_time: timestamp(record.replaced_at),
        sequence: record.sequence,
    }
}

/// The answer to a replacement.
#[must_use]
pub fn fallen(fallen: Fallen) -> v1::ReplaceLineResponse {
    v1::ReplaceLineResponse {
        replacement: Some(replacement(fallen.record, fallen.kind)),
        taken: fallen.taken.as_ref().map(super::line),
        missed: fallen.missed.into_iter().map(standing_row).collect(),
    }
}

fn standing_row(row: StandingRow) -> v1::StandingRow {
    v1::StandingRow {
        drawn: Some(super::compliance(&row.drawn)),
        required: row.required,
        planned: row.planned,
        kept: row.kept,
    }
}

/// What a plan comes to.
#[must_use]
pub fn standing(standing: PlanStanding) -> v1::GetPlanStandingResponse {
    let rate = |rate: Rate| v1::ReplacementRate {
        level: super::level(rate.level).into(),
        authority: rate.authority,
        batches: rate.batches,
        out_of_scope: rate.out_of_scope,
        non_response: rate.non_response,
        lost: rate.lost,
    };
    v1::GetPlanStandingResponse {
        drawn: standing.drawn,
        standing: standing.standing,
        fell_out: standing.fell_out,
        changed: standing.changed,
        missed: standing.missed,
        rows: standing.rows.into_iter().map(standing_row).collect(),
        rates: standing.rates.into_iter().map(rate).collect(),
    }
}

/// What redraws showed.
#[must_use]
pub fn tested(found: &SelfTest) -> v1::TestDrawsResponse {
    v1::TestDrawsResponse {
        draws: found.draws,
        alpha: found.alpha,
        rows: found.rows,
        violations: found.violations,
        arcs: found.arcs,
        smallest_p: found.smallest_p,
        least_likely_arc: found.least_likely_arc,
        mean_z2: found.mean_z2,
        standard_errors: found.standard_errors,
        ranked_cells: found.ranked_cells,
        ranks_p: found.ranks_p,
        passes: found.passes,
    }
}

/// What a message wants of a seed.
///
/// # Errors
/// If it names no source, or a commitment is no digest.
pub fn seed_plan(message: Option<v1::SeedTerms>) -> Result<SeedPlan, Misnamed> {
    let digest = |text: &str| -> Result<Digest, Misnamed> {
        text.parse().map_err(|_| "share_commitment must be 64 hexadecimal digits")
    };
    match message.and_then(|message| message.source) {
        Some(Source::Text(_)) => Ok(SeedPlan::Text),
        Some(Source::Ceremony(ceremony)) => {
            Ok(SeedPlan::Ceremony { share: digest(&ceremony.share_commitment)? })
        }
        Some(Source::Beacon(beacon)) => Ok(SeedPlan::Beacon {
            share: digest(&beacon.share_commitment)?,
            chain: beacon.chain,
            round: beacon.round,
        }),
        Some(Source::System(_)) => Ok(SeedPlan::System),
        None => Err("a source of the seed is required"),
    }
}
