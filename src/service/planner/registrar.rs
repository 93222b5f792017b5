//! The keeper of the log: every step of a plan becomes an entry in the same batch as its records.
//!
//! The ledger is read from the store at the start and held in memory. Steps are taken one at a
//! time: each is checked against the ledger, then entry, signed checkpoint and records are
//! committed together, then the ledger moves on.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::PlannerError;
use super::book::{Book, Change};
use super::records::{FreezeRecord, PlanRecord, ReplacementRecord, key};
use crate::audit::log::{Checkpoint, Entry, Event, LOG_FORMAT, Ledger, LogKey, open_checkpoint};
use crate::model::Digest;

/// Name of the first key among the store's secrets; later ones have a number behind it.
const KEY: &str = "log-key";

pub(super) struct Registrar(Mutex<Inner>);

struct Inner {
    ledger: Ledger,
    /// The signed head, as stored.
    checkpoint: Option<String>,
    /// How many changes of keys there were.
    key_changes: u64,
    /// Why nothing more is written.
    damage: Option<String>,
}

/// What a step may look at.
pub(super) struct Desk<'a> {
    /// The log so far.
    pub ledger: &'a Ledger,
    /// The key that signs it.
    pub key: &'a LogKey,
}

/// Name of the key after so many changes.
pub(super) fn key_name(changes: u64) -> String {
    if changes == 0 { KEY.to_owned() } else { format!("{KEY}-{}", changes + 1) }
}

impl Registrar {
    /// Reads the log and compares it with its signed head and with the records.
    pub fn load(book: &Book) -> Result<Self, PlannerError> {
        let mut inner =
            Inner { ledger: Ledger::default(), checkpoint: None, key_changes: 0, damage: None };
        inner.damage = inner.read(book)?;
        if inner.damage.is_none() {
            inner.damage = inner.compare(book)?;
        }
        Ok(Registrar(Mutex::new(inner)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // The ledger is replaced as a whole once a step is durable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing more is written, if so.
    pub fn damage(&self) -> Option<String> {
        self.inner().damage.clone()
    }

    /// How many changes of keys there were.
    pub fn key_changes(&self) -> u64 {
        self.inner().key_changes
    }

    /// The log as it is.
    pub fn ledger(&self) -> Ledger {
        self.inner().ledger.clone()
    }

    /// Looks something up in the log as it is.
    pub fn look<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.inner().ledger)
    }

    /// The signed head; none while the log is empty.
    pub fn checkpoint(&self) -> Option<String> {
        self.inner().checkpoint.clone()
    }

    /// The log and its signed head, of one moment.
    pub fn log(&self) -> Option<(Ledger, String)> {
        let inner = self.inner();
        inner.checkpoint.clone().map(|checkpoint| (inner.ledger.clone(), checkpoint))
    }

    /// The key that signs the log.
    pub fn key(&self, book: &Book) -> Result<LogKey, PlannerError> {
        self.inner().key(book)
    }

    /// Takes a step: `step` says which events it is and what records change. `None` if a record was
    /// not as the change expects; then nothing was done.
    pub fn record<T>(
        &self,
        book: &Book,
        actor: &str,
        now: u64,
        step: impl FnOnce(&Desk<'_>, &mut Change) -> Result<(Vec<Event>, T), PlannerError>,
    ) -> Result<Option<T>, PlannerError> {
        let mut inner = self.inner();
        if let Some(damage) = &inner.damage {
            return Err(PlannerError::damaged("the log", damage));
        }
        let key = inner.key(book)?;
        let mut change = Change::default();
        let desk = Desk { ledger: &inner.ledger, key: &key };
        let (events, result) = step(&desk, &mut change)?;
        let changes = events.iter().filter(|e| matches!(e, Event::KeyChange { .. })).count() as u64;
        let mut ledger = inner.ledger.clone();
        let opening = ledger.is_empty().then(|| Event::Open {
            origin: name_of(key.verifier()).to_owned(),
            key: key.verifier().to_owned(),
        });
        for event in opening.into_iter().chain(events) {
            let sequence = ledger.len();
            // A clock that was set back must not stop the work.
            let time = now.max(ledger.time());
            let (log, actor) = (LOG_FORMAT.to_owned(), actor.to_owned());
            let entry = Entry { log, sequence, time, actor, event };
            ledger.append(&entry)?;
            let place = key::entry(sequence);
            change.expect_bytes(&place, None);
            change.put_bytes(&place, &entry.to_bytes());
        }
        let key = if changes == 0 { key } else { inner.key_after(book, changes)? };
        let head = Checkpoint {
            origin: ledger.origin().to_owned(),
            size: ledger.len(),
            root: ledger.root(),
        };
        let signed = key.checkpoint(&head).map_err(|e| PlannerError::damaged("the log", e))?;
        change.expect_bytes(key::CHECKPOINT, inner.checkpoint.as_deref().map(str::as_bytes));
        change.put_bytes(key::CHECKPOINT, signed.as_bytes());
        if !book.commit(change)? {
            return Ok(None);
        }
        inner.key_changes += changes;
        (inner.ledger, inner.checkpoint) = (ledger, Some(signed));
        Ok(Some(result))
    }

    /// Signs with another key from here on; the new key's public half.
    pub fn change_key(&self, book: &Book, actor: &str, now: u64) -> Result<String, PlannerError> {
        let next = key_name(self.inner().key_changes + 1);
        let done = self.record(book, actor, now, |desk, _| {
            let secret = book.secret(&next)?;
            let old = desk.key;
            let new = LogKey::new(name_of(old.verifier()), &secret)
                .map_err(|error| PlannerError::damaged(&*next, error))?;
            let note =
                old.hand_over(&new).map_err(|error| PlannerError::damaged("the log", error))?;
            let verifier = new.verifier().to_owned();
            let (old, new) = (old.verifier().to_owned(), verifier.clone());
            Ok((vec![Event::KeyChange { old, new, note }], verifier))
        });
        done?.ok_or_else(|| PlannerError::damaged("the log", "its head was changed from outside"))
    }
}

/// The name in a public key.
fn name_of(verifier: &str) -> &str {
    verifier.split('+').next().unwrap_or_default()
}

impl Inner {
    /// The key that signs the log: made when the first entry is.
    fn key(&self, book: &Book) -> Result<LogKey, PlannerError> {
        let key = self.key_after(book, 0)?;
        if self.ledger.is_empty() || key.verifier() == self.ledger.key() {
            return Ok(key);
        }
        let why = format!(
            "it is not the key that signs the log, {}; put it back from your copy",
            self.ledger.key()
        );
        Err(PlannerError::damaged(format!("secrets/{}", key_name(self.key_changes)), why))
    }

    fn key_after(&self, book: &Book, changes: u64) -> Result<LogKey, PlannerError> {
        let secret = book.secret(&key_name(self.key_changes + changes))?;
        let failed = |error| PlannerError::damaged("the log's key", error);
        if !self.ledger.is_empty() {
            return LogKey::new(self.ledger.origin(), &secret).map_err(failed);
        }
        // The log's name tells stores apart.
        let unnamed = LogKey::new("spotcheck.local", &secret).map_err(failed)?;
        let mark = Digest::of(unnamed.verifier().as_bytes()).to_string();
        let name = format!("spotcheck.local/{}", mark.get(..8).unwrap_or_default());
        LogKey::new(&name, &secret).map_err(failed)
    }

    /// Reads all entries; what is wrong with them, if something is.
    fn read(&mut self, book: &Book) -> Result<Option<String>, PlannerError> {
        let mut wrong = None;
        book.walk(key::LOG, None, |place, bytes| {
            let appended = match Entry::from_bytes(bytes) {
                Ok(entry) => {
                    self.key_changes += u64::from(matches!(entry.event, Event::KeyChange { .. }));
                    self.ledger.append(&entry).map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            wrong = appended.err().map(|error| format!("{place}: {error}"));
            Ok(if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if wrong.is_some() {
            return Ok(wrong);
        }
        let Some(bytes) = book.bytes(key::CHECKPOINT)? else {
            let cut = !self.ledger.is_empty();
            return Ok(cut.then(|| "its signed head is missing".to_owned()));
        };
        let signed = String::from_utf8_lossy(&bytes).into_owned();
        let head = match open_checkpoint(&signed, self.ledger.key()) {
            Ok(head) => head,
            Err(error) => return Ok(Some(format!("its signed head: {error}"))),
        };
        if (head.size, head.root) != (self.ledger.len(), self.ledger.root()) {
            return Ok(Some(format!(
                "its signed head is of {} entries with root {}, the entries are {} with root {}",
                head.size,
                head.root,
                self.ledger.len(),
                self.ledger.root()
            )));
        }
        self.checkpoint = Some(signed);
        Ok(None)
    }

    /// Compares the log with the records of plans and frozen records.
    fn compare(&self, book: &Book) -> Result<Option<String>, PlannerError> {
        let mut problem = None;
        let (mut plans, mut freezes) = (0, 0);
        book.each(key::PLANS, |record: PlanRecord| {
            plans += 1;
            let known = self.ledger.freeze_of_plan(&record.id);
            let same = known.is_some_and(|freeze| {
                freeze.name == record.freeze
                    && freeze.plan == Some((record.id.clone(), record.document))
                    && super::PlanState::of(freeze.state) == record.state
            });
            if !same && problem.is_none() {
                problem = Some(format!("plan `{}` is not as the log has it", record.id));
            }
            Ok(())
        })?;
        book.each(key::FREEZES, |record: FreezeRecord| {
            freezes += 1;
            let known = self.ledger.freeze(&record.name);
            let same = known.is_some_and(|freeze| {
                (freeze.frame, freeze.policy, freeze.design)
                    == (record.frame, record.policy_digest, record.design)
                    && freeze.terms == record.terms
                    && freeze.seed.is_some() == record.seed.is_some()
                    && freeze.plan.as_ref().map(|(plan, _)| plan) == record.plan.as_ref()
            });
            if !same && problem.is_none() {
                problem = Some(format!("frozen record `{}` is not as the log has it", record.name));
            }
            Ok(())
        })?;
        let mut replaced: HashMap<String, usize> = HashMap::new();
        book.each(key::REPLACEMENTS, |record: ReplacementRecord| {
            let seen = replaced.entry(record.plan.clone()).or_default();
            let known = self.ledger.replaced(&record.plan).get(*seen);
            *seen += 1;
            if !known.is_some_and(|known| record.is(known)) && problem.is_none() {
                problem = Some(format!(
                    "the replacement of line {} of plan `{}` is not as the log has it",
                    record.line, record.plan
                ));
            }
            Ok(())
        })?;
        let plans_known = self.ledger.freezes().filter_map(|freeze| freeze.plan.as_ref());
        for (plan, _) in plans_known {
            let (there, known) =
                (replaced.get(plan).copied().unwrap_or(0), self.ledger.replaced(plan).len());
            if there != known && problem.is_none() {
                problem = Some(format!(
                    "it knows {known} replacements of plan `{plan}`, the store has {there}"
                ));
            }
        }
        let known = self.ledger.freezes().count();
        let drawn = self.ledger.freezes().filter(|freeze| freeze.plan.is_some()).count();
        if problem.is_none() && (plans, freezes) != (drawn, known) {
            problem = Some(format!(
                "it knows {known} frozen records and {drawn} plans, the store has {freezes} and \
                 {plans}"
            ));
        }
        Ok(problem)
    }
}
