//! Lines that fall out in the field, and what the plan comes to then.

use super::book::Change;
use super::lifecycle::random_bytes;
use super::plans::says_why;
use super::records::{ReplacementRecord, key};
use super::registrar::Desk;
use super::requests::Request;
use super::{Planner, PlannerError};
use crate::audit::bundle::OpenedReplacement;
use crate::audit::log::Event;
use crate::audit::recount;
use crate::plan::{
    ComplianceRow, Document, Line, Rate, Replaced, Standing, check_reason, evidence_commitment,
};
use crate::policy::{Policy, ReasonKind};

/// Most quota rows that are told at once.
pub const ROWS_SHOWN: usize = 1_000;

/// A line that fell out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaceRequest {
    /// Name of the plan.
    pub plan: String,
    /// Number of the line.
    pub line: u32,
    /// Code of the reason.
    pub reason: String,
    /// What the reason rests on.
    pub evidence: String,
    /// Who asks.
    pub actor: String,
    /// Name of the request; empty for none.
    pub request_id: String,
    /// The present, in seconds since 1970-01-01T00:00:00Z.
    pub now: u64,
}

/// A line that fell out, with what the plan comes to.
#[derive(Debug, Clone)]
pub struct Fallen {
    /// What was noted.
    pub record: ReplacementRecord,
    /// What the reason says of the unit.
    pub kind: ReasonKind,
    /// The line of the unit that took the place.
    pub taken: Option<Line>,
    /// Quota rows that are not kept now: the first [`ROWS_SHOWN`].
    pub missed: Vec<StandingRow>,
}

/// A quota row counted over the lines that stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingRow {
    /// The row as drawn.
    pub drawn: ComplianceRow,
    /// The bound in batches now.
    pub required: u64,
    /// Batches that count now.
    pub planned: u64,
    /// Whether the bound is kept now.
    pub kept: bool,
}

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStanding {
    /// Batches as drawn.
    pub drawn: u64,
    /// Batches that stand.
    pub standing: u64,
    /// Lines that fell out.
    pub fell_out: u64,
    /// Quota rows that changed or are not kept, these first: the first [`ROWS_SHOWN`].
    pub rows: Vec<StandingRow>,
    /// How many changed or are not kept.
    pub changed: u64,
    /// How many of these are not kept.
    pub missed: u64,
    /// Authorities of which a line fell out.
    pub rates: Vec<Rate>,
}

impl Planner {
    /// Notes that a line of a plan in force fell out: the next replacement unit takes its place.
    ///
    /// # Errors
    /// If the plan is not in force, the line is none that is to be sampled, the reason is not among
    /// the policy's, or there is no evidence.
    pub fn replace_line(&self, request: &ReplaceRequest) -> Result<Fallen, PlannerError> {
        let named = Request::new(
            "replace-line",
            &request.request_id,
            &[
                request.plan.as_bytes(),
                &request.line.to_le_bytes(),
                request.reason.as_bytes(),
                request.evidence.as_bytes(),
            ],
        )?;
        let (document, policy) = self.drawn_by(&request.plan)?;
        if let Some(place) = named.known(&self.book)? {
            return self.fallen(&document, &policy, &place);
        }
        check_reason(&policy, &request.reason)?;
        let evidence = &request.evidence;
        if !says_why(evidence) {
            return Err(PlannerError::Evidence);
        }
        let salt = random_bytes()?;
        let step = |desk: &Desk<'_>, change: &mut Change| {
            let done = desk.ledger.replaced(&request.plan);
            let standing = standing(&document, done)?;
            let next = standing.next(request.line)?;
            let record = ReplacementRecord {
                sequence: desk.ledger.len(),
                plan: request.plan.clone(),
                line: request.line,
                arc: next.out.arc,
                rank: next.rank(),
                taken: next.taken.map_or(0, |line| line.line),
                reason: request.reason.clone(),
                evidence: evidence.clone(),
                salt: hex::encode(salt),
                replaced_at: request.now,
            };
            let place = format!("{}{:020}", key::replacements(&record.plan), record.sequence);
            change.put(&place, &record)?;
            let event = Event::Replace {
                plan: record.plan.clone(),
                line: record.line,
                arc: record.arc,
                rank: record.rank,
                reason: record.reason.clone(),
                evidence: evidence_commitment(&salt, evidence),
            };
            Ok((vec![event], place))
        };
        let (place, _) = self.step(&request.actor, request.now, &named, step)?;
        self.fallen(&document, &policy, &place)
    }

    fn fallen(
        &self,
        document: &Document,
        policy: &Policy,
        place: &str,
    ) -> Result<Fallen, PlannerError> {
        let record: ReplacementRecord = self
            .book
            .get(place)?
            .ok_or_else(|| PlannerError::damaged(place, "the record is missing"))?;
        let taken = record.taken.checked_sub(1).and_then(|at| document.lines.get(at as usize));
        let done = self.replaced(&document.plan.id);
        let rows = rows_now(document, policy, &standing(document, &done)?)?;
        let missed = rows.into_iter().filter(|row| !row.kept).take(ROWS_SHOWN).collect();
        let kind = kind(policy, &record.reason);
        Ok(Fallen { kind, taken: taken.cloned(), missed, record })
    }

    /// The lines of a plan that fell out, as the log has them.
    fn replaced(&self, plan: &str) -> Vec<Replaced> {
        self.registrar.look(|ledger| ledger.replaced(plan).to_vec())
    }

    fn drawn_by(&self, plan: &str) -> Result<(std::sync::Arc<Document>, Policy), PlannerError> {
        let record = self.plan_record(plan)?;
        let policy = self.policy(&self.frame_record(&record.frame)?)?;
        Ok((self.document(plan)?, policy))
    }

    /// What a plan comes to now.
    ///
    /// # Errors
    /// If there is no such plan, or the store cannot be read.
    pub fn plan_standing(&self, plan: &str) -> Result<PlanStanding, PlannerError> {
        let (document, policy) = self.drawn_by(plan)?;
        let done = self.replaced(plan);
        let standing = standing(&document, &done)?;
        let rows = rows_now(&document, &policy, &standing)?;
        let changed = |row: &StandingRow| {
            !row.kept || (row.planned, row.required) != (row.drawn.planned, row.drawn.required)
        };
        let mut rows: Vec<StandingRow> = rows.into_iter().filter(changed).collect();
        rows.sort_by_key(|row| row.kept);
        let changed = rows.len() as u64;
        let missed = rows.partition_point(|row| !row.kept) as u64;
        rows.truncate(ROWS_SHOWN);
        let rates = standing.rates(&policy);
        Ok(PlanStanding {
            drawn: document.plan.batches,
            standing: standing.lines().count() as u64,
            fell_out: done.len() as u64,
            rows,
            changed,
            missed,
            rates: rates.into_iter().filter(|rate| rate.fell_out() > 0).collect(),
        })
    }

    /// The lines of a plan that fell out, with what the reasons say of the units, in the order of the
    /// log: at most `limit` after the entry `after`.
    ///
    /// # Errors
    /// If there is no such plan, or the store cannot be read.
    pub fn replacements(
        &self,
        plan: &str,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(ReplacementRecord, ReasonKind)>, PlannerError> {
        let record = self.plan_record(plan)?;
        let policy = self.policy(&self.frame_record(&record.frame)?)?;
        let after = after.map(|sequence| format!("{sequence:020}")).unwrap_or_default();
        let found: Vec<ReplacementRecord> =
            self.book.list(&key::replacements(plan), &after, limit)?;
        let with_kind = |record: ReplacementRecord| {
            let kind = kind(&policy, &record.reason);
            (record, kind)
        };
        Ok(found.into_iter().map(with_kind).collect())
    }

    /// The lines of a plan that fell out in the first `entries` of the log, as a bundle shows them.
    pub(super) fn opened_replacements(
        &self,
        plan: &str,
        entries: u64,
    ) -> Result<Vec<OpenedReplacement>, PlannerError> {
        let opened = |(record, _): (ReplacementRecord, ReasonKind)| OpenedReplacement {
            sequence: record.sequence,
            line: record.line,
            arc: record.arc,
            rank: record.rank,
            taken: record.taken,
            reason: record.reason,
            evidence: record.evidence,
            salt: record.salt,
        };
        let all = self.replacements(plan, None, usize::MAX)?;
        Ok(all.into_iter().map(opened).filter(|shown| shown.sequence < entries).collect())
    }
}

fn standing<'a>(
    document: &'a Document,
    done: &'a [Replaced],
) -> Result<Standing<'a>, PlannerError> {
    let damaged = |why| PlannerError::damaged(document.plan.id.clone(), why);
    Standing::new(document, done).map_err(damaged)
}

/// Every quota row over the lines that stand.
fn rows_now(
    document: &Document,
    policy: &Policy,
    standing: &Standing<'_>,
) -> Result<Vec<StandingRow>, PlannerError> {
    let rows = recount(document, policy, standing.lines())
        .map_err(|why| PlannerError::damaged(document.plan.id.clone(), why))?;
    let row = |(drawn, now): (&ComplianceRow, crate::audit::RowNow)| StandingRow {
        drawn: drawn.clone(),
        required: now.required,
        planned: now.planned,
        kept: now.kept,
    };
    Ok(document.compliance.iter().zip(rows).map(row).collect())
}

fn kind(policy: &Policy, code: &str) -> ReasonKind {
    policy.reason(code).map_or(ReasonKind::NonResponse, |reason| reason.kind)
}
