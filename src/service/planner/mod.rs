//! The planner: imports, freezes, draws and shows plans over a store. Blocking, without a clock
//! and without gRPC, so that the server and the command line do the same.
//!
//! | file | what for |
//! |---|---|
//! | `imports` | rows into revisions |
//! | `frames` | revisions and policies into frames |
//! | `plans` | frames and seeds into plans; drawing them again |
//! | `requests` | named requests: asked twice, done once |
//! | `records`, `book` | what the store keeps, and how it is read and changed |
//! | `cache` | decoded values that were used last |
//! | `error` | why something was not done |

mod book;
mod cache;
mod error;
mod frames;
mod imports;
mod plans;
mod read;
mod records;
mod requests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::frame::Frame;
use crate::model::{Digest, Work};
use crate::plan::Document;
use crate::registry::Registry;
use crate::store::PlanStore;

use super::limits::{FRAMES_CACHED, PLANS_CACHED, REVISIONS_CACHED};
use book::Book;
use cache::Recent;
use records::key;

pub use error::PlannerError;
pub use imports::{Begun, ImportOrder, ImportTicket, Imported};
pub use plans::{Drawn, PlanRequest, Regenerated, Source};
pub use records::{FrameRecord, PlanRecord, PlanState, RevisionRecord};

/// The application over one store.
///
/// Everything that succeeded is durable as far as the store is. Concurrent calls are safe: each
/// change names what it expects of the store, and the one that comes second sees it.
pub struct Planner {
    book: Book,
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
        let planner = Planner {
            book: Book::new(store),
            threads: threads.max(1),
            revisions: Recent::new(REVISIONS_CACHED),
            frames: Recent::new(FRAMES_CACHED),
            documents: Recent::new(PLANS_CACHED),
        };
        planner.check()?;
        Ok(planner)
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
        let number = |record: &RevisionRecord| format!("{:020}", record.number);
        self.book.each(key::REVISIONS, number, |record| {
            self.book.check_segment(&format!("revision {}", record.number), &record.digest)
        })?;
        let digest = |record: &FrameRecord| record.digest.to_string();
        self.book.each(key::FRAMES, digest, |record| {
            let what = format!("frame {}", record.digest);
            self.book.check_segment(&what, &record.digest)?;
            self.book.check_segment(&what, &record.policy_segment)
        })?;
        let id = |record: &PlanRecord| record.id.clone();
        self.book.each(key::PLANS, id, |record| {
            self.book.check_segment(&format!("plan {}", record.id), &record.document)
        })
    }
}
