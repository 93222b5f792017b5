//! The store: small records that change together, and immutable bulk by its digest.
//!
//! Knows keys and bytes, nothing of what they mean. May touch the file system and sled.

mod committer;
mod memory;
mod segments;
mod sled_store;

use std::path::PathBuf;

use crate::model::Digest;

pub use memory::MemoryStore;
pub use sled_store::SledStore;

/// Most bytes of a record's value: larger ones would spill into sled's blob files, which are
/// never synced (they belong into a segment).
pub const VALUE_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of a record's key: many keys fit one page.
pub const KEY_BYTES_MAX: usize = 512;

/// Durable records and segments.
///
/// **Durability.** When [`PlanStore::commit`] or [`PlanStore::put_segment`] returns `Ok`, what it
/// wrote survives the death of the process and the loss of power. When one returns an error,
/// nothing of it is visible, then or after a restart, with one exception: after
/// [`StoreError::Io`] from a commit the batch may or may not be found at the next start, whole in
/// either case, and the store takes no further writes until then.
///
/// **Atomicity.** A batch is applied whole or not at all, and no reader sees a part of it.
/// A reader may see a batch shortly before it is durable; nothing read is told to anybody as
/// acknowledged by it.
///
/// **Isolation.** The expectations of a batch are checked and its changes applied without any
/// other batch in between: of two that expect the same key to be absent one fails with
/// [`StoreError::Conflict`].
///
/// Blocking; call it where waiting for a disk is allowed.
pub trait PlanStore: Send + Sync {
    /// Applies a batch.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an expectation fails; [`StoreError::TooLarge`]; I/O.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// The value of a key.
    ///
    /// # Errors
    /// I/O.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Records whose key begins with `prefix`, ascending, those after the key `after` only, at
    /// most `limit`.
    ///
    /// # Errors
    /// I/O.
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// Keeps immutable bytes and returns their SHA-256; the same bytes twice are kept once.
    ///
    /// # Errors
    /// I/O; nothing is kept then.
    fn put_segment(&self, bytes: &[u8]) -> Result<Digest, StoreError>;

    /// The bytes of a digest, checked against it.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Corrupt`], I/O.
    fn get_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError>;

    /// Whether a segment is kept (its bytes are not read).
    ///
    /// # Errors
    /// I/O.
    fn has_segment(&self, digest: &Digest) -> Result<bool, StoreError>;

    /// All segments with their sizes in bytes, ascending by digest.
    ///
    /// # Errors
    /// I/O.
    fn segments(&self) -> Result<Vec<(Digest, u64)>, StoreError>;

    /// Forgets a segment that no record names any more; of one that is not kept, does nothing.
    ///
    /// # Errors
    /// I/O.
    fn remove_segment(&self, digest: &Digest) -> Result<(), StoreError>;

    /// Checks that every segment that is referred to is kept.
    ///
    /// # Errors
    /// [`StoreError::Missing`] for the first that is not.
    fn check(&self, referenced: &mut dyn Iterator<Item = Digest>) -> Result<(), StoreError> {
        for digest in referenced {
            if !self.has_segment(&digest)? {
                return Err(StoreError::Missing { digest });
            }
        }
        Ok(())
    }
}

/// Changes that are made together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    expected: Vec<(String, Option<Vec<u8>>)>,
    changes: Vec<(String, Option<Vec<u8>>)>,
}

impl Batch {
    /// A batch without changes.
    #[must_use]
    pub fn new() -> Self {
        Batch::default()
    }

    /// Writes a record.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.changes.push((key.into(), Some(value.into())));
        self
    }

    /// Removes a record.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.changes.push((key.into(), None));
        self
    }

    /// Applies only if `key` has no value.
    #[must_use]
    pub fn expect_absent(mut self, key: impl Into<String>) -> Self {
        self.expected.push((key.into(), None));
        self
    }

    /// Applies only if `key` has exactly this value.
    #[must_use]
    pub fn expect(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.expected.push((key.into(), Some(value.into())));
        self
    }

    /// Refuses what no store takes.
    fn check_sizes(&self) -> Result<(), StoreError> {
        for (key, value) in &self.changes {
            let bytes = value.as_ref().map_or(0, Vec::len);
            if bytes > VALUE_BYTES_MAX {
                return Err(StoreError::TooLarge { key: key.clone(), bytes, max: VALUE_BYTES_MAX });
            }
            if key.len() > KEY_BYTES_MAX {
                let bytes = key.len();
                return Err(StoreError::TooLarge { key: key.clone(), bytes, max: KEY_BYTES_MAX });
            }
        }
        Ok(())
    }

    /// The first key whose value is not the expected one.
    fn conflict<E>(
        &self,
        get: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<String>, E> {
        for (key, wanted) in &self.expected {
            if get(key)? != *wanted {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the store open.
    #[error(
        "the store {} is in use by another process; if that is a server, use --server URL instead of --store",
        dir.display()
    )]
    Locked {
        /// The store's directory.
        dir: PathBuf,
    },
    /// A record was changed by somebody else in between.
    #[error("the record `{key}` was changed by somebody else in between")]
    Conflict {
        /// Its key.
        key: String,
    },
    /// A key or value is too large.
    #[error("the record `{key}` has {bytes} bytes where at most {max} are allowed")]
    TooLarge {
        /// Its key.
        key: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A file is damaged.
    #[error("{what} is damaged; {restore}")]
    Corrupt {
        /// Which file.
        what: String,
        /// How to get it back.
        restore: &'static str,
    },
    /// A segment is not there.
    #[error("the segment {digest} is missing; put it back from a copy of the store")]
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// The directory holds something else.
    #[error("{} is not empty and no store; give an empty or new directory", dir.display())]
    NotAStore {
        /// The directory.
        dir: PathBuf,
    },
    /// The store has another format.
    #[error("the store has format `{found}`, this program reads `{expected}`")]
    Version {
        /// The stamp that was found.
        found: String,
        /// The stamp that is known.
        expected: &'static str,
    },
    /// An earlier write failed, so that nothing more is written.
    #[error("an earlier write failed ({cause}); start again when the disk is well")]
    Failed {
        /// What failed.
        cause: String,
    },
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What it said.
        source: std::io::Error,
    },
}

impl StoreError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StoreError {
        let what = what.into();
        move |source| StoreError::Io { what, source }
    }
}
