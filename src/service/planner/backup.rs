//! Copies of a store, and whether one is whole.

use super::records::key;
use super::registrar::key_name;
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
        for digest in self.book.segments().map_err(E::from)? {
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
        self.check()?;
        self.check_log()?;
        let mut checked = Checked { entries: self.ledger().len(), ..Checked::default() };
        checked.records = self.book.list_bytes("", "", usize::MAX)?.len() as u64;
        for digest in self.book.segments()? {
            work.stage("reading all of the store")?;
            let bytes = self.book.segment(&digest)?.len() as u64;
            checked.segments = (checked.segments.0 + 1, checked.segments.1 + bytes);
        }
        let number = |record: &RevisionRecord| format!("{:020}", record.number);
        self.book.each(key::REVISIONS, number, |record| {
            work.stage("reading all of the store")?;
            let bytes = self.book.segment(&record.digest)?;
            let what = format!("revision {}", record.number);
            Registry::decode(&bytes).map_err(|error| PlannerError::damaged(what, error))?;
            checked.decoded += 1;
            Ok(())
        })?;
        let digest = |record: &FrameRecord| record.digest.to_string();
        self.book.each(key::FRAMES, digest, |record: FrameRecord| {
            work.stage("reading all of the store")?;
            let what = format!("frame {}", record.digest);
            let bytes = self.book.segment(&record.segment)?;
            let frame = Frame::decode(&bytes)
                .map_err(|error| PlannerError::damaged(what.clone(), error))?;
            let found = frame.roll(&Digest::of(&bytes), work.threads).digest;
            if found != record.digest {
                let why = format!("its segment is of the frame {found}");
                return Err(PlannerError::damaged(what, why));
            }
            self.policy(&record)?;
            checked.decoded += 1;
            Ok(())
        })?;
        let id = |record: &PlanRecord| record.id.clone();
        self.book.each(key::PLANS, id, |record: PlanRecord| {
            work.stage("reading all of the store")?;
            let report = crate::audit::verify(&self.book.segment(&record.document)?);
            if !report.holds() || report.plan.as_deref() != Some(record.id.as_str()) {
                let failing = report.checks.iter().find(|check| !check.holds());
                let why = failing.and_then(|check| check.problems.first());
                let why = why.map_or("is another plan", String::as_str);
                return Err(PlannerError::damaged(format!("plan {}", record.id), why));
            }
            checked.decoded += 1;
            Ok(())
        })?;
        Ok(checked)
    }
}
