//! Frames and seeds into plans; and drawing them again.

use std::sync::Arc;

use super::book::{Change, SCAN};
use super::records::key;
use super::requests::Request;
use super::{FrameRecord, PlanRecord, PlanState, Planner, PlannerError};
use crate::draw::Seed;
use crate::model::{Digest, Work};
use crate::plan::{self, Document};
use crate::policy::Policy;
use crate::service::limits::REASON_CHARS_MAX;

/// What a plan is drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A policy, on a revision.
    Policy {
        /// The policy.
        policy: Box<Policy>,
        /// Number of the revision; none: the latest.
        revision: Option<u64>,
    },
    /// A frozen frame, with the policy that it was frozen for.
    Frame(Digest),
}

/// What a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRequest {
    /// What it is drawn from.
    pub source: Source,
    /// The seed's text, which counts byte for byte.
    pub seed_text: String,
    /// The plan to supersede: the latest of the same input.
    pub supersedes: Option<String>,
    /// Why; needed to supersede, else empty.
    pub reason: String,
    /// Name of the request; empty for none.
    pub request_id: String,
    /// The present, in seconds since 1970-01-01T00:00:00Z.
    pub now: u64,
}

/// A plan that was drawn, or was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The plan.
    pub record: PlanRecord,
    /// Whether it was on record before.
    pub existing: bool,
}

/// How a second draw compares with the plan on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regenerated {
    /// Whether every byte is the same.
    pub same: bool,
    /// The first difference in words.
    pub difference: Option<String>,
    /// Lines drawn again, replacement units included.
    pub lines: u64,
}

/// Where a request stands against what is on record.
enum Standing {
    /// It was drawn before.
    Drawn(Box<PlanRecord>),
    /// It may be drawn; the latest plan of the input, which it supersedes.
    Open(Option<Box<PlanRecord>>),
}

impl Planner {
    /// Draws a plan and keeps it; or finds it, if the same seed drew the same input before.
    ///
    /// # Errors
    /// If the quotas cannot be met, the seed is refused, or the input has a plan from another
    /// seed that the request doesn't supersede; see [`PlannerError`]. Nothing is kept then, but
    /// a frame that was frozen on the way.
    pub fn plan(&self, request: &PlanRequest, work: &Work<'_>) -> Result<Drawn, PlannerError> {
        check_reason(request)?;
        Seed::from_text(&request.seed_text)?;
        let named = named(request)?;
        if let Some(id) = named.known(&self.book)? {
            return Ok(Drawn { record: self.plan_record(&id)?, existing: true });
        }
        work.stage("frame")?;
        let (frame, policy) = self.input(request)?;
        let id = plan::plan_id(&frame.digest, &policy, &request.seed_text)?;
        let before = match self.standing(request, &frame, &id)? {
            Standing::Drawn(record) => {
                named.keep(&self.book, &id)?;
                return Ok(Drawn { record: *record, existing: true });
            }
            Standing::Open(before) => before,
        };
        let drawn_from = self.frame(&frame.digest)?;
        let document = plan::make(&drawn_from, &frame.digest, &policy, &request.seed_text, work)?;
        drop(drawn_from);
        if document.plan.id != id {
            return Err(PlannerError::damaged(id, "the plan was drawn under another name"));
        }
        work.stage("storing")?;
        let bytes = document.to_bytes();
        let segment = self.book.put_segment(&bytes)?;
        let record = record(request, &frame, &document, segment, bytes.len() as u64);
        drop(bytes);
        let mut change = Change::default();
        let latest = key::drawn(&frame.policy_id, &frame.digest);
        change.expect(&latest, before.as_ref().map(|before| &before.id))?;
        change.put(&latest, &id)?;
        change.expect::<PlanRecord>(&key::plan(&id), None)?;
        change.put(&key::plan(&id), &record)?;
        if let Some(before) = before {
            let state = PlanState::Superseded;
            let after = PlanRecord { state, superseded_by: Some(id.clone()), ..*before };
            change.put(&key::plan(&after.id), &after)?;
        }
        named.record(&mut change, &id)?;
        if self.book.commit(change)? {
            self.documents.put(id, Arc::new(document));
            return Ok(Drawn { record, existing: false });
        }
        // Another call was first: with the same plan, with another one, or with the name.
        if let Some(id) = named.known(&self.book)? {
            return Ok(Drawn { record: self.plan_record(&id)?, existing: true });
        }
        match self.standing(request, &frame, &id)? {
            Standing::Drawn(record) => Ok(Drawn { record: *record, existing: true }),
            Standing::Open(_) => Err(PlannerError::damaged(id, "a change was refused twice")),
        }
    }

    fn input(&self, request: &PlanRequest) -> Result<(FrameRecord, Policy), PlannerError> {
        match &request.source {
            Source::Policy { policy, revision } => {
                let frame = self.freeze(policy, *revision, "", request.now)?;
                Ok((frame, policy.as_ref().clone()))
            }
            Source::Frame(digest) => {
                let frame = self.frame_record(digest)?;
                let policy = self.policy(&frame)?;
                Ok((frame, policy))
            }
        }
    }

    fn standing(
        &self,
        request: &PlanRequest,
        frame: &FrameRecord,
        id: &str,
    ) -> Result<Standing, PlannerError> {
        if let Some(record) = self.book.get::<PlanRecord>(&key::plan(id))? {
            return if request.supersedes.is_none() || request.supersedes == record.supersedes {
                Ok(Standing::Drawn(Box::new(record)))
            } else {
                Err(PlannerError::SeedUsed { plan: record.id })
            };
        }
        let latest = self.book.get::<String>(&key::drawn(&frame.policy_id, &frame.digest))?;
        match (latest, &request.supersedes) {
            (None, None) => Ok(Standing::Open(None)),
            (Some(latest), None) => Err(PlannerError::AlreadyDrawn { plan: latest }),
            (Some(latest), Some(given)) if latest == *given => {
                Ok(Standing::Open(Some(Box::new(self.plan_record(&latest)?))))
            }
            (latest, Some(given)) => Err(PlannerError::NotTheLatest {
                given: given.clone(),
                latest: latest.map_or_else(|| "none".into(), |latest| format!("`{latest}`")),
            }),
        }
    }

    /// A plan's record.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn plan_record(&self, id: &str) -> Result<PlanRecord, PlannerError> {
        let record = self.book.get(&key::plan(id))?;
        record.ok_or_else(|| PlannerError::NotFound { kind: "plan", name: format!("plans/{id}") })
    }

    /// A plan's record, if it was read lately; never waits.
    #[must_use]
    pub fn plan_record_at_hand(&self, id: &str) -> Option<PlanRecord> {
        self.book.at_hand(&key::plan(id))
    }

    /// Records of plans, ascending by name, at most `limit` after the name `after`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn plans(&self, after: &str, limit: usize) -> Result<Vec<PlanRecord>, PlannerError> {
        self.book.list(key::PLANS, after, limit)
    }

    /// As [`Planner::plans`], of those that are wanted.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn plans_where(
        &self,
        after: &str,
        limit: usize,
        wants: impl Fn(&PlanRecord) -> bool,
    ) -> Result<Vec<PlanRecord>, PlannerError> {
        let mut found = Vec::new();
        let mut after = after.to_owned();
        while found.len() < limit {
            let page = self.plans(&after, SCAN)?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            found.extend(page.into_iter().filter(&wants).take(limit - found.len()));
        }
        Ok(found)
    }

    /// A plan, decoded.
    ///
    /// # Errors
    /// If there is none of this name, or its segment is damaged.
    pub fn document(&self, id: &str) -> Result<Arc<Document>, PlannerError> {
        self.documents.get_or(&id.to_owned(), || {
            let bytes = self.document_bytes(id)?;
            Document::from_bytes(&bytes)
                .map_err(|error| PlannerError::damaged(format!("plan {id}"), error))
        })
    }

    /// A plan, decoded, if it was used lately; touches no store.
    #[must_use]
    pub fn document_at_hand(&self, id: &str) -> Option<Arc<Document>> {
        self.documents.get(&id.to_owned())
    }

    /// The bytes of a plan's file.
    ///
    /// # Errors
    /// If there is none of this name, or its segment is damaged.
    pub fn document_bytes(&self, id: &str) -> Result<Vec<u8>, PlannerError> {
        let record = self.plan_record(id)?;
        self.book.segment(&record.document)
    }

    /// Draws a plan again from its stored frame, policy and seed alone, and compares every byte.
    ///
    /// # Errors
    /// If there is no such plan, or what it was drawn from cannot be read.
    pub fn regenerate(&self, id: &str, work: &Work<'_>) -> Result<Regenerated, PlannerError> {
        let record = self.plan_record(id)?;
        let stored = self.document_bytes(id)?;
        let frame_record = self.frame_record(&record.frame)?;
        let policy = self.policy(&frame_record)?;
        work.stage("frame")?;
        let frame = self.load_frame(&record.frame)?;
        let again = plan::make(&frame, &record.frame, &policy, &record.seed_text, work)?;
        drop(frame);
        let lines = again.lines.len() as u64;
        let difference = plan::difference(&stored, &again.to_bytes());
        Ok(Regenerated { same: difference.is_none(), difference, lines })
    }
}

fn check_reason(request: &PlanRequest) -> Result<(), PlannerError> {
    let reason = &request.reason;
    if request.supersedes.is_none() {
        return if reason.is_empty() { Ok(()) } else { Err(PlannerError::ReasonAlone) };
    }
    let fits = !reason.trim().is_empty()
        && reason.chars().count() <= REASON_CHARS_MAX
        && !reason.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(PlannerError::Reason) }
}

fn named(request: &PlanRequest) -> Result<Request, PlannerError> {
    let (kind, digest, revision) = match &request.source {
        Source::Policy { policy, revision } => {
            let revision = revision.map_or_else(|| "latest".into(), |number| number.to_string());
            ("policy", policy.digest(), revision)
        }
        Source::Frame(digest) => ("frame", *digest, String::new()),
    };
    let supersedes = request.supersedes.as_deref().unwrap_or_default();
    let fields = [
        kind.as_bytes(),
        &digest.0,
        revision.as_bytes(),
        request.seed_text.as_bytes(),
        supersedes.as_bytes(),
        request.reason.as_bytes(),
    ];
    Request::new("plan", &request.request_id, &fields)
}

fn record(
    request: &PlanRequest,
    frame: &FrameRecord,
    document: &Document,
    segment: Digest,
    bytes: u64,
) -> PlanRecord {
    let head = &document.plan;
    PlanRecord {
        id: head.id.clone(),
        document: segment,
        bytes,
        policy_id: head.policy_id.clone(),
        title: head.title.clone(),
        method: head.method.clone(),
        policy_digest: frame.policy_digest,
        frame: frame.digest,
        input_digest: head.input_digest,
        seed_text: request.seed_text.clone(),
        seed_digest: document.seed.digest,
        created_at: request.now,
        units: head.units,
        batches: head.batches,
        replacements: head.replacements,
        replacement_shortfall: head.replacement_shortfall,
        compliance_rows: document.compliance.len() as u64,
        compliance_missed: document.compliance.iter().filter(|row| !row.holds).count() as u64,
        state: PlanState::Drawn,
        supersedes: request.supersedes.clone(),
        reason: request.reason.clone(),
        superseded_by: None,
    }
}
