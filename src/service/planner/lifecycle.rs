//! Plans step by step: freeze, seed, draw, issue, void; each step is an entry of the log.
//!
//! A step that is asked for again after it was done answers as the first time.

use std::sync::Arc;

use super::book::Change;
use super::check::explained;
use super::plans::{Made, Source};
use super::records::{FreezeRecord, OpenedSeed, etag, key};
use super::registrar::Desk;
use super::requests::Request;
use super::{Drawn, PlanRecord, PlanState, Planner, PlannerError};
use crate::audit::log::{Event, Freeze, SeedTerms, State};
use crate::design::Design;
use crate::draw::{SeedSource, seed_commitment, system_commitment};
use crate::model::{Digest, Work};
use crate::plan;
use crate::policy::Policy;

/// What a frozen record shall say of its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedPlan {
    /// Any text, unprotected.
    Text,
    /// Dice before witnesses, with a share of which this is the commitment.
    Ceremony {
        /// The commitment.
        share: Digest,
    },
    /// A published value, with a share of which this is the commitment.
    Beacon {
        /// The commitment.
        share: Digest,
        /// Who publishes it.
        chain: String,
        /// Which value.
        round: String,
    },
    /// The operating system's bytes, made and kept now.
    System,
}

/// What is to be frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeRequest {
    /// What will be drawn from.
    pub source: Source,
    /// What the seed may be.
    pub seed: SeedPlan,
    /// The frozen record, or plan, of the same programme before this; none for the first.
    pub predecessor: Option<String>,
    /// Why there is another one; empty for the first.
    pub reason: String,
    /// Who asks.
    pub actor: String,
    /// Name of the request; empty for none.
    pub request_id: String,
    /// The present, in seconds since 1970-01-01T00:00:00Z.
    pub now: u64,
}

/// Who asks for a step, and on what terms.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Who asks.
    pub actor: &'a str,
    /// Name of the request; empty for none.
    pub request_id: &'a str,
    /// The etag that the caller saw: refused if the record has another by now. Empty for any.
    pub etag: &'a str,
    /// The present, in seconds since 1970-01-01T00:00:00Z.
    pub now: u64,
}

impl Asked<'_> {
    /// Refuses a caller who saw something older.
    fn saw(&self, name: &str, etag: &str) -> Result<(), PlannerError> {
        if self.etag.is_empty() || self.etag == etag {
            return Ok(());
        }
        Err(PlannerError::Etag { name: name.to_owned(), etag: etag.to_owned() })
    }

    fn saw_freeze(&self, desk: &Desk<'_>, name: &str) -> Result<(), PlannerError> {
        // One that is not known is refused by the step itself.
        desk.ledger.freeze(name).map_or(Ok(()), |freeze| self.saw(name, &freeze_etag(freeze)))
    }
}

/// A frozen record with what the log knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The record.
    pub record: FreezeRecord,
    /// The log's view.
    pub log: Freeze,
}

impl Frozen {
    /// Another one whenever the record is another.
    #[must_use]
    pub fn etag(&self) -> String {
        freeze_etag(&self.log)
    }
}

fn freeze_etag(freeze: &Freeze) -> String {
    let seed = freeze.seed.as_ref().map_or(&[][..], |seed| &seed.0);
    etag(&[freeze.name.as_bytes(), freeze.state.as_str().as_bytes(), seed])
}

/// The programme that a policy's plans belong to.
pub(super) fn programme(policy: &Policy) -> (String, [String; 2]) {
    (policy.id.clone(), [policy.period.from.to_string(), policy.period.to.to_string()])
}

impl Planner {
    /// Freezes frame, policy, certified design and the terms of the seed.
    ///
    /// # Errors
    /// If the quotas cannot be met, or the log's rules don't allow another record.
    pub fn freeze_plan(
        &self,
        request: &FreezeRequest,
        work: &Work<'_>,
    ) -> Result<Frozen, PlannerError> {
        let named = self.freeze_request(request)?;
        if let Some(name) = named.known(&self.book)? {
            return self.frozen(&name);
        }
        work.stage("frame")?;
        let (frame, policy) = self.input(&request.source, request.now)?;
        let programme = programme(&policy);
        let predecessor = |desk: &Desk<'_>| {
            let given = request.predecessor.as_deref().unwrap_or_default();
            let by_plan = desk.ledger.freeze_of_plan(given);
            by_plan.map_or_else(|| given.to_owned(), |freeze| freeze.name.clone())
        };
        // Refused before the work rather than after it, where that can be known.
        self.registrar.look(|ledger| match ledger.latest(&programme.0, &programme.1) {
            Some(last) if matches!(last.state, State::Frozen | State::Seeded) => {
                let open = last.name.clone();
                Err(crate::audit::log::LedgerError::OpenFreeze {
                    programme: policy.id.clone(),
                    open,
                })
            }
            _ => Ok(()),
        })?;
        let drawn_from = self.frame(&frame.digest)?;
        let design = Design::make(&drawn_from, &policy, work)
            .map_err(|error| explained(&drawn_from, &policy, error.into(), work))?;
        let design = plan::commit_design(&drawn_from, &policy, &design, work.threads);
        drop(drawn_from);
        let (terms, system_value) = match &request.seed {
            SeedPlan::Text => (SeedTerms::Text, String::new()),
            SeedPlan::Ceremony { share } => (SeedTerms::Ceremony { share: *share }, String::new()),
            SeedPlan::Beacon { share, chain, round } => {
                let (chain, round) = (chain.clone(), round.clone());
                (SeedTerms::Beacon { share: *share, chain, round }, String::new())
            }
            SeedPlan::System => {
                let value = random_bytes()?;
                (SeedTerms::System { commitment: system_commitment(&value) }, hex::encode(value))
            }
        };
        let step = |desk: &Desk<'_>, change: &mut Change| {
            let name = desk.ledger.next_name(&policy.id);
            let record = FreezeRecord {
                name: name.clone(),
                frame: frame.digest,
                policy_id: policy.id.clone(),
                title: policy.title.clone(),
                policy_digest: frame.policy_digest,
                design,
                terms,
                system_value,
                seed: None,
                plan: None,
                predecessor: predecessor(desk),
                reason: request.reason.clone(),
                frozen_at: request.now,
            };
            change.put(&key::freeze(&name), &record)?;
            Ok((vec![freeze_event(&record, &programme.1)], name))
        };
        let (name, _) = self.step(&request.actor, request.now, &named, step)?;
        self.frozen(&name)
    }

    fn freeze_request(&self, request: &FreezeRequest) -> Result<Request, PlannerError> {
        let terms = format!("{:?}", request.seed);
        let (kind, digest, revision) = request.source.fields();
        let fields = [
            kind.as_bytes(),
            &digest.0,
            revision.as_bytes(),
            terms.as_bytes(),
            request.predecessor.as_deref().unwrap_or_default().as_bytes(),
            request.reason.as_bytes(),
        ];
        Request::new("freeze-plan", &request.request_id, &fields)
    }

    /// Gives a frozen record its seed; `None` opens the operating system's bytes that are kept.
    ///
    /// # Errors
    /// If the seed is not of the source, or opens another share, than the record fixed; if its
    /// public value has served the programme; if the record has another seed, or is void.
    pub fn seed_plan(
        &self,
        name: &str,
        seed: Option<SeedSource>,
        asked: &Asked<'_>,
    ) -> Result<Frozen, PlannerError> {
        let frozen = self.frozen(name)?;
        let damaged = |error| PlannerError::damaged(format!("frozen record {name}"), error);
        let seed = match seed {
            Some(seed) => seed,
            None if frozen.record.system_value.is_empty() => {
                return Err(self.not_committed(&frozen));
            }
            None => SeedSource::from_parts("system", &frozen.record.system_value, "")
                .map_err(damaged)?,
        };
        let policy = self.policy(&self.frame_record(&frozen.record.frame)?)?;
        let commitment = seed_commitment(&seed.seed(policy.hash)?);
        let fields = [name.as_bytes(), &commitment.0];
        let named = Request::new("seed-plan", asked.request_id, &fields)?;
        if named.settled(&self.book, frozen.log.seed == Some(commitment), name)? {
            return Ok(frozen);
        }
        if frozen.log.state == State::Frozen && !frozen.record.terms.accepts(&seed) {
            return Err(self.not_committed(&frozen));
        }
        self.step(asked.actor, asked.now, &named, |desk, change| {
            asked.saw_freeze(desk, name)?;
            let opened = Some(OpenedSeed::new(&seed));
            let record = FreezeRecord { seed: opened, ..frozen.record.clone() };
            change.put(&key::freeze(name), &record)?;
            Ok((vec![seed_event(name, &seed, commitment)], name.to_owned()))
        })?;
        self.frozen(name)
    }

    fn not_committed(&self, frozen: &Frozen) -> PlannerError {
        PlannerError::NotCommitted {
            freeze: frozen.record.name.clone(),
            source_name: frozen.record.terms.source(),
        }
    }

    /// Draws the plan of a frozen and seeded record, and supersedes the plan before it.
    ///
    /// # Errors
    /// If the record has no seed or is void; see [`PlannerError`].
    pub fn draw_plan(
        &self,
        name: &str,
        asked: &Asked<'_>,
        work: &Work<'_>,
    ) -> Result<Drawn, PlannerError> {
        let named = Request::new("draw-plan", asked.request_id, &[name.as_bytes()])?;
        named.known(&self.book)?;
        let frozen = self.frozen(name)?;
        if let Some((plan, _)) = &frozen.log.plan {
            named.keep(&self.book, name)?;
            return Ok(Drawn { record: self.plan_record(plan)?, existing: true });
        }
        let Some(seed) = &frozen.record.seed else {
            let (name, state) = (name.to_owned(), frozen.log.state);
            return Err(
                crate::audit::log::LedgerError::State { name, state, wanted: "drawn" }.into()
            );
        };
        asked.saw(name, &frozen.etag())?;
        let damaged = |error| PlannerError::damaged(format!("frozen record {name}"), error);
        let seed = seed.source().map_err(damaged)?;
        work.stage("frame")?;
        let frame = self.frame_record(&frozen.record.frame)?;
        let policy = self.policy(&frame)?;
        let made = self.make(&frame, &policy, &seed, work)?;
        if made.design != frozen.record.design {
            let why = "cells, expected batches or certificate are not those that were frozen";
            return Err(PlannerError::damaged(format!("frozen record {name}"), why));
        }
        let id = &made.document.plan.id;
        let ended = self.step(asked.actor, asked.now, &named, |desk, change| {
            asked.saw_freeze(desk, name)?;
            let mut events = vec![draw_event(name, &made)];
            let mut record = made.record(&frame, &frozen.record, asked.now);
            record.draw_number = frozen.log.number;
            record.supersedes = before(desk, &frozen.record.predecessor);
            let next = Successor { name, plan: id, reason: &frozen.record.reason };
            events.extend(self.take_place(desk, change, &frozen.log.programme, &next, false)?);
            change.put(&key::plan(id), &record)?;
            let freeze = FreezeRecord { plan: Some(id.clone()), ..frozen.record.clone() };
            change.put(&key::freeze(name), &freeze)?;
            Ok((events, name.to_owned()))
        });
        match ended {
            Ok((_, existing)) => {
                let record = self.plan_record(id)?;
                self.documents.put(id.clone(), Arc::new(made.document));
                Ok(Drawn { record, existing })
            }
            // Another call was first.
            Err(error) => match self.frozen(name)?.log.plan {
                Some((plan, _)) => Ok(Drawn { record: self.plan_record(&plan)?, existing: true }),
                None => Err(error),
            },
        }
    }

    /// Marks the plans whose place another one of their programme takes: those that were drawn
    /// before it, and with `in_force` those that are in force, too. The events of that.
    pub(super) fn take_place(
        &self,
        desk: &Desk<'_>,
        change: &mut Change,
        programme: &(String, [String; 2]),
        next: &Successor<'_>,
        in_force: bool,
    ) -> Result<Vec<Event>, PlannerError> {
        let gives_way = |freeze: &&Freeze| match freeze.state {
            State::Drawn => true,
            State::Issued => in_force,
            _ => false,
        };
        let before = desk.ledger.programme(programme).take_while(|freeze| freeze.name != next.name);
        let plans = before.filter(gives_way).filter_map(|freeze| freeze.plan.as_ref());
        plans.map(|(old, _)| self.supersede(change, old, next)).collect()
    }

    fn supersede(
        &self,
        change: &mut Change,
        old: &str,
        next: &Successor<'_>,
    ) -> Result<Event, PlannerError> {
        let record = PlanRecord {
            state: PlanState::Superseded,
            superseded_by: Some(next.plan.to_owned()),
            ..self.plan_record(old)?
        };
        change.put(&key::plan(old), &record)?;
        let (plan, by) = (old.to_owned(), next.plan.to_owned());
        Ok(Event::Supersede { plan, by, reason: next.reason.to_owned() })
    }

    /// Ends a plan in favour of a later one of its programme, for a reason. Issuing the later one
    /// does the same.
    ///
    /// # Errors
    /// If the plan is superseded or void, or the other one does not follow it.
    pub fn supersede_plan(
        &self,
        old: &str,
        by: &str,
        reason: &str,
        asked: &Asked<'_>,
    ) -> Result<PlanRecord, PlannerError> {
        let fields = [old.as_bytes(), by.as_bytes(), reason.as_bytes()];
        let named = Request::new("supersede-plan", asked.request_id, &fields)?;
        let record = self.plan_record(old)?;
        let new = self.plan_record(by)?;
        let done =
            record.state == PlanState::Superseded && record.superseded_by.as_deref() == Some(by);
        if named.settled(&self.book, done, old)? {
            return Ok(record);
        }
        self.step(asked.actor, asked.now, &named, |_, change| {
            asked.saw(old, &self.plan_record(old)?.etag())?;
            let next = Successor { name: &new.freeze, plan: by, reason };
            Ok((vec![self.supersede(change, old, &next)?], old.to_owned()))
        })?;
        self.plan_record(old)
    }

    /// Puts a plan in force: signs its file, and supersedes what was in force before it.
    ///
    /// # Errors
    /// If the plan is superseded or void.
    pub fn issue_plan(&self, id: &str, asked: &Asked<'_>) -> Result<PlanRecord, PlannerError> {
        let named = Request::new("issue-plan", asked.request_id, &[id.as_bytes()])?;
        let record = self.plan_record(id)?;
        if named.settled(&self.book, record.state == PlanState::Issued, id)? {
            return Ok(record);
        }
        let frozen = self.frozen(&record.freeze)?;
        self.step(asked.actor, asked.now, &named, |desk, change| {
            asked.saw(id, &self.plan_record(id)?.etag())?;
            let note = desk.key.plan_note(id, &record.document);
            let note = note.map_err(|error| PlannerError::damaged("the log's key", error))?;
            let record = PlanRecord { state: PlanState::Issued, note, ..record.clone() };
            change.put(&key::plan(id), &record)?;
            let (plan, document) = (id.to_owned(), record.document);
            let mut events = vec![Event::Issue { plan, document }];
            let next = Successor { name: &record.freeze, plan: id, reason: &frozen.record.reason };
            events.extend(self.take_place(desk, change, &frozen.log.programme, &next, true)?);
            Ok((events, id.to_owned()))
        })?;
        self.plan_record(id)
    }

    /// Gives up a frozen record, or a plan, for a reason.
    ///
    /// # Errors
    /// If it is superseded, or there is no reason.
    pub fn void_plan(
        &self,
        name: &str,
        reason: &str,
        asked: &Asked<'_>,
    ) -> Result<Frozen, PlannerError> {
        let fields = [name.as_bytes(), reason.as_bytes()];
        let named = Request::new("void-plan", asked.request_id, &fields)?;
        let of_plan =
            self.registrar.look(|ledger| ledger.freeze_of_plan(name).map(|f| f.name.clone()));
        let frozen = self.frozen(of_plan.as_deref().unwrap_or(name))?;
        if named.settled(&self.book, frozen.log.state == State::Void, name)? {
            return Ok(frozen);
        }
        let freeze = &frozen.record.name;
        self.step(asked.actor, asked.now, &named, |desk, change| {
            match &of_plan {
                Some(_) => asked.saw(name, &self.plan_record(name)?.etag())?,
                None => asked.saw_freeze(desk, name)?,
            }
            if let Some(plan) = &frozen.record.plan {
                let record = PlanRecord { state: PlanState::Void, ..self.plan_record(plan)? };
                change.put(&key::plan(plan), &record)?;
            }
            let (freeze, reason) = (freeze.clone(), reason.to_owned());
            Ok((vec![Event::Void { freeze, reason }], name.to_owned()))
        })?;
        self.frozen(freeze)
    }

    /// Takes a step whose result has a name, unless the same request took it in between: the result,
    /// and whether it did.
    pub(super) fn step(
        &self,
        actor: &str,
        now: u64,
        named: &Request,
        step: impl FnOnce(&Desk<'_>, &mut Change) -> Result<(Vec<Event>, String), PlannerError>,
    ) -> Result<(String, bool), PlannerError> {
        let step = |desk: &Desk<'_>, change: &mut Change| {
            let (events, result) = step(desk, change)?;
            named.record(change, &result)?;
            Ok((events, result))
        };
        match self.registrar.record(&self.book, actor, now, step)? {
            Some(result) => Ok((result, false)),
            // Only the request's name can have been taken in between.
            None => match named.known(&self.book)? {
                Some(result) => Ok((result, true)),
                None => Err(PlannerError::damaged("the log", "a change was refused twice")),
            },
        }
    }

    /// A frozen record.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn frozen(&self, name: &str) -> Result<Frozen, PlannerError> {
        let record: Option<FreezeRecord> = self.book.get(&key::freeze(name))?;
        let log = self.registrar.look(|ledger| ledger.freeze(name).cloned());
        match (record, log) {
            (Some(record), Some(log)) => Ok(Frozen { record, log }),
            _ => {
                let name = format!("freezes/{name}");
                Err(PlannerError::NotFound { kind: "frozen record", name })
            }
        }
    }

    /// Frozen records, ascending by name, at most `limit` after the name `after`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn freezes(&self, after: &str, limit: usize) -> Result<Vec<Frozen>, PlannerError> {
        let records: Vec<FreezeRecord> = self.book.list(key::FREEZES, after, limit)?;
        records.iter().map(|record| self.frozen(&record.name)).collect()
    }

    /// As [`Planner::freezes`], of a policy.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn freezes_of(
        &self,
        policy_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Frozen>, PlannerError> {
        // As with plans: named by the policy, and maybe by another one whose id is longer.
        let own = |freeze: &FreezeRecord| freeze.policy_id == policy_id;
        let begin = format!("{policy_id}-");
        let records = self.book.list_of(key::FREEZES, &begin, after, limit, own)?;
        records.iter().map(|record| self.frozen(&record.name)).collect()
    }
}

/// Bytes of the operating system that nobody can know before.
pub(super) fn random_bytes() -> Result<[u8; 32], PlannerError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| PlannerError::damaged("the operating system's bytes", e))?;
    Ok(bytes)
}

/// A plan that takes the place of others.
pub(super) struct Successor<'a> {
    /// Its frozen record.
    pub name: &'a str,
    /// The plan.
    pub plan: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// The plan of the frozen record before, if it is drawn or in force.
fn before(desk: &Desk<'_>, predecessor: &str) -> Option<String> {
    let before = desk.ledger.freeze(predecessor)?;
    let standing = matches!(before.state, State::Drawn | State::Issued);
    before.plan.as_ref().filter(|_| standing).map(|(plan, _)| plan.clone())
}

/// The entry of a frozen record.
pub(super) fn freeze_event(record: &FreezeRecord, period: &[String; 2]) -> Event {
    Event::Freeze {
        freeze: record.name.clone(),
        programme: record.policy_id.clone(),
        period: period.clone(),
        frame: record.frame,
        policy: record.policy_digest,
        design: record.design,
        seed: record.terms.clone(),
        predecessor: record.predecessor.clone(),
        reason: record.reason.clone(),
    }
}

/// The entry of a seed.
pub(super) fn seed_event(name: &str, seed: &SeedSource, commitment: Digest) -> Event {
    Event::Seed {
        freeze: name.to_owned(),
        source: seed.name().to_owned(),
        public_value: seed.public_value().unwrap_or_default().to_owned(),
        seed: commitment,
    }
}

/// The entry of a drawn plan.
pub(super) fn draw_event(name: &str, made: &Made) -> Event {
    Event::Draw {
        freeze: name.to_owned(),
        plan: made.document.plan.id.clone(),
        document: made.segment,
        counts: made.counts,
        lines: made.lines,
    }
}
