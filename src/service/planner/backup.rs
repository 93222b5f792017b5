//! Copies of a store, whether one is whole, and what nothing in it needs.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use super::records::key;
use super::registrar::{Registrar, key_name};
use super::{FrameRecord, PlanRecord, Planner, PlannerError, RevisionRecord};
use crate::frame::Frame;
use crate::model::{Digest, Work};
use crate::registry::Registry;
use crate::store::{BATCH_BYTES_MAX, Batch, PlanStore, SledStore};

/// Bytes of records in one batch of a copy.
const BATCH_BYTES: usize = BATCH_BYTES_MAX / 2;

/// A part of a store, in the order in which a copy takes them.
#[derive(Debug)]
pub enum Part {
    /// A segment.
    Segment(Vec<u8>),
    /// A key of the service; secret.
    Secret(String, [u8; 32]),
    /// A record. All segments that records name came before.
    Record(String, Vec<u8>),
}

/// A copy that is being made in a new store.
#[derive(Debug)]
pub struct Copy {
    store: SledStore,
    batch: Batch,
    bytes: usize,
}

impl Copy {
    /// Begins a copy in a store that is new.
    ///
    /// # Errors
    /// If there is something in it.
    pub fn begin(store: SledStore) -> Result<Self, PlannerError> {
        if !store.scan("", None, 1)?.is_empty() {
            return Err(PlannerError::NotEmpty);
        }
        Ok(Copy { store, batch: Batch::new(), bytes: 0 })
    }

    /// Takes a part.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn take(&mut self, part: Part) -> Result<(), PlannerError> {
        match part {
            Part::Segment(bytes) => drop(self.store.put_segment(&bytes)?),
            Part::Secret(name, bytes) => self.store.put_secret(&name, &bytes)?,
            Part::Record(key, value) => {
                self.bytes += key.len() + value.len();
                self.batch = std::mem::take(&mut self.batch).put(&key, value);
                if self.bytes >= BATCH_BYTES {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PlannerError> {
        self.bytes = 0;
        Ok(self.store.commit(std::mem::take(&mut self.batch))?)
    }

    /// Ends the copy and checks it as a start would: that the log, its key and all records agree and
    /// that no segment is missing.
    ///
    /// # Errors
    /// If the copy is no sound store.
    pub fn end(mut self, threads: usize) -> Result<(), PlannerError> {
        self.flush()?;
        Planner::new(std::sync::Arc::new(self.store), threads)?.check_log()
    }
}

/// What was removed from a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Segments.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a check of a store looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries of the log.
    pub entries: u64,
    /// Records.
    pub records: u64,
    /// Segments, and their bytes.
    pub segments: (u64, u64),
    /// Revisions, frames and plans that were decoded.
    pub decoded: u64,
}

impl Planner {
    /// Hands out all of the store as it is at one moment; what is written meanwhile is not part of it.
    ///
    /// # Errors
    /// If something cannot be read or is not what its digest says; whatever `take` fails with.
    pub fn copy<E: From<PlannerError>>(
        &self,
        mut take: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        // One scan sees one moment. Segments never change, and are there before a record names them.
        let records = self.book.list_bytes("", "", usize::MAX).map_err(E::from)?;
        for (digest, _) in self.book.segments().map_err(E::from)? {
            take(Part::Segment(self.book.segment(&digest).map_err(E::from)?))?;
        }
        for number in 0..=self.registrar.key_changes() {
            // An empty log has no key yet, and must not get one by being copied.
            if records.iter().any(|(place, _)| place.starts_with(key::LOG)) {
                let name = key_name(number);
                let secret = self.book.secret(&name).map_err(E::from)?;
                take(Part::Secret(name, secret))?;
            }
        }
        for (place, value) in records {
            take(Part::Record(place, value))?;
        }
        Ok(())
    }

    /// Reads everything: every segment against its digest, every revision, frame and plan as what its
    /// record says of it.
    ///
    /// # Errors
    /// With the first thing that is not as it should be.
    pub fn check_all(&self, work: &Work<'_>) -> Result<Checked, PlannerError> {
        self.check_log()?;
        // What is known of the log by now must be the beginning of what is stored.
        let known = self.ledger();
        let records = self.book.at_one_moment()?;
        let log = Registrar::load(&records)?;
        let stored = log.ledger();
        let cut = stored.leaves().get(..known.leaves().len()) != Some(known.leaves());
        let cut = cut.then(|| "it is not the one that was read at the start".to_owned());
        if let Some(damage) = log.damage().or(cut) {
            return Err(PlannerError::damaged("the log", damage));
        }
        self.check()?;
        // What was read, with its size; nothing is read twice.
        let mut read = HashMap::new();
        let mut segment = |digest: &Digest| -> Result<Vec<u8>, PlannerError> {
            work.stage("reading all of the store")?;
            let bytes = self.book.segment(digest)?;
            read.insert(*digest, bytes.len() as u64);
            Ok(bytes)
        };
        let mut checked = Checked { entries: stored.len(), ..Checked::default() };
        records.walk("", None, |_, _| {
            checked.records += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        records.each(key::REVISIONS, |record: RevisionRecord| {
            let bytes = segment(&record.digest)?;
            let what = format!("revision {}", record.number);
            Registry::decode(&bytes).map_err(|error| PlannerError::damaged(what, error))?;
            checked.decoded += 1;
            Ok(())
        })?;
        records.each(key::FRAMES, |record: FrameRecord| {
            let what = format!("frame {}", record.digest);
            let bytes = segment(&record.segment)?;
            let frame = Frame::decode(&bytes)
                .map_err(|error| PlannerError::damaged(what.clone(), error))?;
            let found = frame.roll(&Digest::of(&bytes), work.threads).digest;
            if found != record.digest {
                let why = format!("its segment is of the frame {found}");
                return Err(PlannerError::damaged(what, why));
            }
            Planner::policy_in(&record, &segment(&record.policy_segment)?)?;
            checked.decoded += 1;
            Ok(())
        })?;
        records.each(key::PLANS, |record: PlanRecord| {
            let report = crate::audit::verify(&segment(&record.document)?);
            if !report.holds() || report.plan.as_deref() != Some(record.id.as_str()) {
                let failing = report.checks.iter().find(|check| !check.holds());
                let why = failing.and_then(|check| check.problems.first());
                let why = why.map_or("is another plan", String::as_str);
                return Err(PlannerError::damaged(format!("plan {}", record.id), why));
            }
            checked.decoded += 1;
            Ok(())
        })?;
        for (digest, _) in self.book.segments()? {
            if let Entry::Vacant(entry) = read.entry(digest) {
                work.stage("reading all of the store")?;
                entry.insert(self.book.segment(&digest)?.len() as u64);
            }
        }
        checked.segments = (read.len() as u64, read.values().sum());
        Ok(checked)
    }

    /// Removes the segments that no record names: those of work that was refused, stopped or killed
    /// after it had stored them. Nobody else may use the store meanwhile.
    ///
    /// # Errors
    /// If the store is not whole; nothing is removed then. If it fails; what is removed by then stays
    /// removed.
    pub fn compact(&mut self, work: &Work<'_>) -> Result<Compacted, PlannerError> {
        // That every segment is there was checked when this was made, and nobody has removed one since.
        self.check_log()?;
        // Whatever reads like a digest in a record is taken for the name of a segment.
        let mut named = HashSet::new();
        work.stage("reading records")?;
        self.book.walk("", None, |place, value| {
            named.extend(digests(place.as_bytes()).chain(digests(value)));
            Ok(ControlFlow::Continue(()))
        })?;
        let mut removed = Compacted::default();
        for (digest, bytes) in self.book.segments()? {
            if !named.contains(&digest) {
                work.stage("removing segments")?;
                self.book.remove_segment(&digest)?;
                removed.segments += 1;
                removed.bytes += bytes;
            }
        }
        Ok(removed)
    }
}

/// What reads like a digest: 64 hexadecimal digits and no more.
fn digests(bytes: &[u8]) -> impl Iterator<Item = Digest> + '_ {
    let words = bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|word| word.len() == 64);
    words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
}
