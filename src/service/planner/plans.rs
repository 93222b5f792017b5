//! Frames and seeds into plans; and drawing them again.

use std::sync::Arc;

use super::book::Change;
use super::check::explained;
use super::lifecycle::{Successor, draw_event, freeze_event, programme, seed_event};
use super::records::{FreezeRecord, OpenedSeed, key};
use super::registrar::Desk;
use super::requests::Request;
use super::{FrameRecord, PlanRecord, PlanState, Planner, PlannerError};
use crate::audit::log::{Freeze, Ledger, SeedTerms};
use crate::design::Design;
use crate::draw::{SeedSource, seed_commitment};
use crate::frame::Frame;
use crate::model::{Digest, HashName, Work};
use crate::plan::{self, Document, Explanation, SelfTest};
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
    /// The plan, or frozen record, to supersede: the latest of the same programme.
    pub supersedes: Option<String>,
    /// Why; needed to supersede, else empty.
    pub reason: String,
    /// Who asks.
    pub actor: String,
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

impl Planner {
    /// Draws a plan and keeps it; or finds it, if the same seed drew the same input before.
    ///
    /// Freezing, seeding with a text and drawing in one: three entries of the log.
    ///
    /// # Errors
    /// If the quotas cannot be met, the seed is refused, or the programme has a plan that the
    /// request doesn't supersede; see [`PlannerError`]. Nothing is kept then, but a frame that
    /// was frozen on the way.
    pub fn plan(&self, request: &PlanRequest, work: &Work<'_>) -> Result<Drawn, PlannerError> {
        check_reason(request)?;
        let seed = SeedSource::Text(request.seed_text.clone());
        // Refused before any work; what is fit for a seed doesn't depend on the hash.
        seed.seed(HashName::default())?;
        let named = named(request)?;
        if let Some(id) = named.known(&self.book)? {
            return Ok(Drawn { record: self.plan_record(&id)?, existing: true });
        }
        work.stage("frame")?;
        let (frame, policy) = self.input(&request.source, request.now)?;
        let commitment = seed_commitment(&seed.seed(policy.hash)?);
        let id = plan::plan_id(&frame.digest, &policy, &seed)?;
        if let Some(record) = self.drawn(request, &id)? {
            named.keep(&self.book, &id)?;
            return Ok(Drawn { record, existing: true });
        }
        let programme = programme(&policy);
        let standing = |ledger: &Ledger| standing(ledger, request, &programme);
        self.registrar.look(standing)?;
        let made = self.make(&frame, &policy, &seed, work)?;
        if made.document.plan.id != id {
            return Err(PlannerError::damaged(id, "the plan was drawn under another name"));
        }
        let step = |desk: &Desk<'_>, change: &mut Change| {
            let (predecessor, number) = standing(desk.ledger)?;
            let name = desk.ledger.next_name(&policy.id);
            let freeze = FreezeRecord {
                name: name.clone(),
                frame: frame.digest,
                policy_id: policy.id.clone(),
                title: policy.title.clone(),
                policy_digest: frame.policy_digest,
                design: made.design,
                terms: SeedTerms::Text,
                system_value: String::new(),
                seed: Some(OpenedSeed::new(&seed)),
                plan: Some(id.clone()),
                predecessor,
                reason: request.reason.clone(),
                frozen_at: request.now,
            };
            let mut events = vec![
                freeze_event(&freeze, &programme.1),
                seed_event(&name, &seed, commitment),
                draw_event(&name, &made),
            ];
            let mut record = made.record(&frame, &freeze, request.now);
            record.draw_number = number;
            record.supersedes.clone_from(&request.supersedes);
            let next = Successor { name: &name, plan: &id, reason: &request.reason };
            events.extend(self.take_place(desk, change, &programme, &next, false)?);
            change.put(&key::freeze(&name), &freeze)?;
            change.expect::<PlanRecord>(&key::plan(&id), None)?;
            change.put(&key::plan(&id), &record)?;
            named.record(change, &id)?;
            Ok((events, record))
        };
        let ended = self.registrar.record(&self.book, &request.actor, request.now, step);
        if let Ok(Some(record)) = ended {
            self.documents.put(id, Arc::new(made.document));
            return Ok(Drawn { record, existing: false });
        }
        // Another call may have been first: with the same plan, or with the name.
        if let Some(id) = named.known(&self.book)? {
            return Ok(Drawn { record: self.plan_record(&id)?, existing: true });
        }
        if let Some(record) = self.drawn(request, &id)? {
            return Ok(Drawn { record, existing: true });
        }
        match ended {
            Err(error) => Err(error),
            Ok(_) => Err(PlannerError::damaged(id, "a change was refused twice")),
        }
    }

    /// Draws and stores the plan file; no record names it yet.
    pub(super) fn make(
        &self,
        frame: &FrameRecord,
        policy: &Policy,
        seed: &SeedSource,
        work: &Work<'_>,
    ) -> Result<Made, PlannerError> {
        let drawn_from = self.frame(&frame.digest)?;
        let document = plan::make(&drawn_from, &frame.digest, policy, seed, work)
            .map_err(|error| explained(&drawn_from, policy, error, work))?;
        drop(drawn_from);
        work.stage("storing")?;
        let counties = &document.frame.counties;
        let counties = plan::commitments(policy.hash, counties, &document.allocation, work.threads);
        let bytes = document.to_bytes();
        Ok(Made {
            design: plan::design_commitment(policy.hash, &counties, &document.certificate),
            counts: plan::counts_commitment(policy.hash, &counties),
            lines: plan::lines_commitment(policy.hash, &document),
            segment: self.book.put_segment(&bytes)?,
            bytes: bytes.len() as u64,
            document,
        })
    }

    pub(super) fn input(
        &self,
        source: &Source,
        now: u64,
    ) -> Result<(FrameRecord, Policy), PlannerError> {
        match source {
            Source::Policy { policy, revision } => {
                let frame = self.freeze(policy, *revision, "", now)?;
                Ok((frame, policy.as_ref().clone()))
            }
            Source::Frame(digest) => {
                let frame = self.frame_record(digest)?;
                let policy = self.policy(&frame)?;
                Ok((frame, policy))
            }
        }
    }

    /// The plan that a request asks for, if it is on record.
    fn drawn(&self, request: &PlanRequest, id: &str) -> Result<Option<PlanRecord>, PlannerError> {
        let Some(record) = self.book.get::<PlanRecord>(&key::plan(id))? else { return Ok(None) };
        if request.supersedes.is_none() || request.supersedes == record.supersedes {
            Ok(Some(record))
        } else {
            Err(PlannerError::SeedUsed { plan: record.id })
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

    /// As [`Planner::plans`], of a policy.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn plans_of(
        &self,
        policy_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<PlanRecord>, PlannerError> {
        // A plan is named by its policy (`plan::plan_id`); so may be those of another one's, longer id.
        let (begin, own) =
            (format!("{policy_id}-"), |plan: &PlanRecord| plan.policy_id == policy_id);
        self.book.list_of(key::PLANS, &begin, after, limit, own)
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

    /// The digest of a plan's file and its bytes as they are found, which may be handed out while
    /// [`Planner::check_found`] checks them, all but the last of them.
    ///
    /// # Errors
    /// If there is none of this name, or its segment is missing.
    pub fn found_document(&self, id: &str) -> Result<(Digest, Vec<u8>), PlannerError> {
        let digest = self.plan_record(id)?.document;
        Ok((digest, self.book.unchecked_segment(&digest)?))
    }

    /// Checks a plan's file that was found.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn check_found(&self, digest: &Digest, bytes: &[u8]) -> Result<(), PlannerError> {
        self.book.check_bytes(digest, bytes)
    }

    /// Says of an enterprise, or of one of its units, why it is drawn or not, with the proof of what
    /// the frame has of it; or that the frame has nothing of it in `county`.
    ///
    /// # Errors
    /// If there is no such plan, or what it was drawn from cannot be read.
    pub fn explain(
        &self,
        id: &str,
        enterprise: &str,
        product: Option<&str>,
        county: Option<&str>,
    ) -> Result<Explanation, PlannerError> {
        let record = self.plan_record(id)?;
        let document = self.document(id)?;
        let frame_record = self.frame_record(&record.frame)?;
        let policy = self.policy(&frame_record)?;
        let frame = self.frame(&record.frame)?;
        // Old revisions may have been let go, and plans voided; the frame has what the draw depends on.
        let registry = self.registry(frame_record.revision).ok();
        let kept = self.kept(&policy).ok().flatten();
        let facts = |enterprise: &str, product: &str| {
            let registry = registry.as_ref()?;
            Frame::facts(registry, &policy, kept.as_ref(), enterprise, product).ok().flatten()
        };
        let mut found = plan::explain(&frame, &document, &policy, enterprise, product, &facts);
        found.prove(&frame, &self.roll(&record.frame)?, product, county);
        found.log_entries = self.frozen(&record.freeze)?.log.entries;
        Ok(found)
    }

    /// Draws a plan's design many times over, and judges the draws at the error rate `alpha`.
    ///
    /// # Errors
    /// If there is no such plan, or what it was drawn from cannot be read.
    pub fn selftest(
        &self,
        id: &str,
        draws: u64,
        alpha: f64,
        work: &Work<'_>,
    ) -> Result<SelfTest, PlannerError> {
        let record = self.plan_record(id)?;
        let frame_record = self.frame_record(&record.frame)?;
        let policy = self.policy(&frame_record)?;
        let frame = self.frame(&record.frame)?;
        let design = Design::make(&frame, &policy, work).map_err(plan::MakeError::from)?;
        Ok(plan::selftest(&frame, &design, &record.input_digest, draws, alpha, work)?)
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
        let seed = record.seed.source();
        let seed = seed.map_err(|error| PlannerError::damaged(format!("plan {id}"), error))?;
        work.stage("frame")?;
        let frame = self.load_frame(&record.frame)?;
        let again = plan::make(&frame, &record.frame, &policy, &seed, work)?;
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
    if says_why(reason) { Ok(()) } else { Err(PlannerError::Reason) }
}

/// Whether a text says something, on one line of a length that the log and its readers can bear.
pub(super) fn says_why(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= REASON_CHARS_MAX
        && !text.chars().any(char::is_control)
}

impl Source {
    /// What it is, for the name of a request.
    pub(super) fn fields(&self) -> (&'static str, Digest, String) {
        match self {
            Source::Policy { policy, revision } => {
                let revision =
                    revision.map_or_else(|| "latest".into(), |number| number.to_string());
                ("policy", policy.digest(), revision)
            }
            Source::Frame(digest) => ("frame", *digest, String::new()),
        }
    }
}

fn named(request: &PlanRequest) -> Result<Request, PlannerError> {
    let (kind, digest, revision) = request.source.fields();
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

/// Whether a request may be drawn as the log stands: the frozen record that it follows (empty if
/// it is the first), and its number in the programme.
fn standing(
    ledger: &Ledger,
    request: &PlanRequest,
    (id, period): &(String, [String; 2]),
) -> Result<(String, u64), PlannerError> {
    let latest = ledger.latest(id, period);
    let names = |freeze: &Freeze, given: &str| {
        freeze.name == given || freeze.plan.as_ref().is_some_and(|(plan, _)| plan == given)
    };
    let shown = |freeze: &Freeze| {
        freeze.plan.as_ref().map_or_else(|| freeze.name.clone(), |(plan, _)| plan.clone())
    };
    match (latest, &request.supersedes) {
        (None, None) => Ok((String::new(), 1)),
        (Some(last), None) => Err(PlannerError::AlreadyDrawn { plan: shown(last) }),
        (Some(last), Some(given)) if names(last, given) => Ok((last.name.clone(), last.number + 1)),
        (latest, Some(given)) => Err(PlannerError::NotTheLatest {
            given: given.clone(),
            latest: latest.map_or_else(|| "none".into(), |last| format!("`{}`", shown(last))),
        }),
    }
}

/// A plan that is drawn and stored, and that no record names yet.
pub(super) struct Made {
    pub document: Document,
    /// SHA-256 of the plan file.
    pub segment: Digest,
    /// Size of the plan file.
    pub bytes: u64,
    /// Commitment to cells, expected batches and certificate.
    pub design: Digest,
    /// Commitment to the batches of all arcs.
    pub counts: Digest,
    /// Commitment to all lines.
    pub lines: Digest,
}

impl Made {
    /// The plan's record.
    pub fn record(&self, frame: &FrameRecord, freeze: &FreezeRecord, now: u64) -> PlanRecord {
        let head = &self.document.plan;
        let compliance = &self.document.compliance;
        let seed = &self.document.seed;
        PlanRecord {
            id: head.id.clone(),
            document: self.segment,
            bytes: self.bytes,
            policy_id: head.policy_id.clone(),
            title: head.title.clone(),
            method: head.method.clone(),
            policy_digest: frame.policy_digest,
            frame: frame.digest,
            input_digest: head.input_digest,
            freeze: freeze.name.clone(),
            draw_number: 1,
            seed: OpenedSeed {
                source: seed.source.clone(),
                text: seed.text.clone(),
                share: seed.share.clone(),
            },
            seed_digest: seed.digest,
            created_at: now,
            units: head.units,
            batches: head.batches,
            replacements: head.replacements,
            replacement_shortfall: head.replacement_shortfall,
            compliance_rows: compliance.len() as u64,
            compliance_missed: compliance.iter().filter(|row| !row.holds).count() as u64,
            state: PlanState::Drawn,
            supersedes: None,
            reason: freeze.reason.clone(),
            superseded_by: None,
            note: String::new(),
        }
    }
}
