//! The planner: imports, freezes, draws and shows plans over a store. Blocking, without a clock
//! and without gRPC, so that the server and the command line do the same.
//!
//! | file | what for |
//! |---|---|
//! | `imports` | rows into revisions |
//! | `frames` | revisions and policies into frames |
//! | `plans` | frames and seeds into plans; drawing them again |
//! | `lifecycle` | plans step by step: freeze, seed, draw, issue, void |
//! | `replacements` | lines that fall out, and what the plan comes to then |
//! | `bundles` | what auditors, counties and the public can check offline |
//! | `backup` | copies of a store, whether one is whole, what nothing in it needs |
//! | `registrar` | the log: every step becomes an entry with its records |
//! | `requests` | named requests: asked twice, done once |
//! | `records`, `book` | what the store keeps, and how it is read and changed |
//! | `cache` | decoded values that were used last |
//! | `error` | why something was not done |

mod backup;
mod book;
mod bundles;
mod cache;
mod check;
mod error;
mod frames;
mod imports;
mod lifecycle;
mod plans;
mod read;
mod records;
mod registrar;
mod replacements;
mod requests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::audit::log::{ConsistencyProof, InclusionProof, Ledger};
use crate::frame::Frame;
use crate::model::{Digest, Work};
use crate::plan::Document;
use crate::registry::Registry;
use crate::store::PlanStore;

use super::limits::{FRAMES_CACHED, PLANS_CACHED, REVISIONS_CACHED};
use book::Book;
use cache::Recent;
use records::key;
use registrar::Registrar;

pub use backup::{Checked, Compacted, Copy, Part};
pub use bundles::BundleForm;
pub use error::PlannerError;
pub use imports::{Begun, ImportOrder, ImportTicket, Imported};
pub use lifecycle::{Asked, FreezeRequest, Frozen, SeedPlan};
pub use plans::{Drawn, PlanRequest, Regenerated, Source};
pub use records::{
    FrameRecord, FreezeRecord, OpenedSeed, PlanRecord, PlanState, ReplacementRecord, RevisionRecord,
};
pub use replacements::{Fallen, PlanStanding, ReplaceRequest, StandingRow};

/// The application over one store.
///
/// Everything that succeeded is durable as far as the store is. Concurrent calls are safe: each
/// change names what it expects of the store, and the one that comes second sees it.
pub struct Planner {
    book: Book,
    registrar: Registrar,
    threads: usize,
    revisions: Recent<u64, Registry>,
    frames: Recent<Digest, Frame>,
    documents: Recent<String, Document>,
}

impl Planner {
    /// A planner over `store` that draws on `threads` threads.
    ///
    /// Checks that every segment that a record names is there.
    ///
    /// # Errors
    /// If one is missing, or the store cannot be read.
    pub fn new(store: Arc<dyn PlanStore>, threads: usize) -> Result<Self, PlannerError> {
        let book = Book::new(store);
        let planner = Planner {
            registrar: Registrar::load(&book)?,
            book,
            threads: threads.max(1),
            revisions: Recent::new(REVISIONS_CACHED),
            frames: Recent::new(FRAMES_CACHED),
            documents: Recent::new(PLANS_CACHED),
        };
        planner.check()?;
        Ok(planner)
    }

    /// Why no step of a plan is taken any more: log and records disagree, or the log's key is gone.
    /// What is stored can still be read.
    #[must_use]
    pub fn log_damage(&self) -> Option<String> {
        self.registrar.damage()
    }

    /// Checks that log and records agree.
    ///
    /// # Errors
    /// If they don't.
    pub fn check_log(&self) -> Result<(), PlannerError> {
        self.log_damage().map_or(Ok(()), |damage| Err(PlannerError::damaged("the log", damage)))
    }

    /// The log as it is.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.registrar.ledger()
    }

    /// The signed head of the log; none while it is empty.
    #[must_use]
    pub fn checkpoint(&self) -> Option<String> {
        self.registrar.checkpoint()
    }

    /// Bytes of the log's entries from `first` on, at most `limit`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn log_entries(&self, first: u64, limit: usize) -> Result<Vec<Vec<u8>>, PlannerError> {
        let after = first.checked_sub(1).map(|last| format!("{last:020}")).unwrap_or_default();
        let found = self.book.list_bytes(key::LOG, &after, limit)?;
        Ok(found.into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// The log with its signed head, of one moment; none while it is empty.
    #[must_use]
    pub fn log(&self) -> Option<(Ledger, String)> {
        self.registrar.log()
    }

    /// The proof that an entry is in the log as it is; none if there is no such entry.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn inclusion_proof(&self, sequence: u64) -> Result<Option<InclusionProof>, PlannerError> {
        let Some((ledger, checkpoint)) = self.log() else { return Ok(None) };
        let entries = self.log_entries(sequence, 1)?;
        let entry = entries.first().map(Vec::as_slice).unwrap_or_default();
        Ok(InclusionProof::new(&ledger, &checkpoint, sequence, entry))
    }

    /// The proof that the log as it is begins with what it was at `old_size` entries; none if it
    /// never had so many.
    #[must_use]
    pub fn consistency_proof(&self, old_size: u64) -> Option<ConsistencyProof> {
        let (ledger, checkpoint) = self.log()?;
        ConsistencyProof::new(&ledger, &checkpoint, old_size)
    }

    /// Signs the log with a new key from here on; its public half.
    ///
    /// # Errors
    /// If the store fails.
    pub fn change_log_key(&self, actor: &str, now: u64) -> Result<String, PlannerError> {
        self.registrar.change_key(&self.book, actor, now)
    }

    /// Threads that a draw uses.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Work that nobody watches or stops.
    #[must_use]
    pub fn unwatched(&self) -> Work<'static> {
        Work::unwatched(self.threads)
    }

    /// Checks that every segment that a record names is there. Their digests are checked when
    /// they are read: reading a province's registry at every start would take too long.
    ///
    /// # Errors
    /// With the first record whose segment is missing.
    pub fn check(&self) -> Result<(), PlannerError> {
        self.book.each(key::REVISIONS, |record: RevisionRecord| {
            self.book.check_segment(&format!("revision {}", record.number), &record.digest)
        })?;
        self.book.each(key::FRAMES, |record: FrameRecord| {
            let what = format!("frame {}", record.digest);
            self.book.check_segment(&what, &record.segment)?;
            self.book.check_segment(&what, &record.roll)?;
            self.book.check_segment(&what, &record.policy_segment)
        })?;
        self.book.each(key::PLANS, |record: PlanRecord| {
            self.book.check_segment(&format!("plan {}", record.id), &record.document)
        })
    }
}
