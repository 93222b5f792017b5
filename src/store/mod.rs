//! The store: small records that change together, and immutable bulk by its digest.
//!
//! Knows keys and bytes, nothing of what they mean. May touch the file system and sled.
//! Blocking throughout; whoever calls it from asynchronous code does so where waiting for a disk
//! is allowed.
//!
//! ```text
//! batch       what is changed together          committer   groups batches, one sync for each
//! records     sled, and what of it is durable   segments    files named by their SHA-256
//! seal        how it is known that none is missing
//! sled_store  both of them in one directory     memory      the same without a disk
//! ```

mod batch;
mod committer;
mod error;
mod health;
mod memory;
mod records;
mod seal;
mod secrets;
mod segments;
mod sled_store;

use std::io::Write;

use crate::model::Digest;

pub use batch::Batch;
pub use error::StoreError;
pub use memory::MemoryStore;
pub use sled_store::SledStore;

/// Most bytes of a record's value: pages of larger ones spill into sled's blob files, which are
/// never synced. Larger things are segments.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of a record's key: so that many keys fit one page.
pub const KEY_BYTES_MAX: usize = 512;
/// Most bytes of a batch, keys and values of its changes and expectations together: it is held
/// in memory, its previous values beside it, until it is on disk.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// Durable records and segments.
///
/// **Durability.** When [`PlanStore::commit`], [`PlanStore::put_segment`] or
/// [`SegmentWriter::finish`] returns `Ok`, what it wrote survives the death of the process and the
/// loss of power. When one returns an error, nothing of it is visible, then or after a restart,
/// with one exception: after [`StoreError::Io`] from a commit the batch may or may not be found at
/// the next start, whole in either case. If a sync fails the store takes no further writes
/// ([`StoreError::Failed`]), because what the disk holds is known again only after a restart;
/// reading goes on as long as the engine lets it, and fails with an error rather than showing
/// anything else.
///
/// **Visibility.** A reader sees durable batches only, each whole: nothing that was read can be
/// lost afterwards. One call of [`PlanStore::scan`] sees one state; two calls may see two.
///
/// **Isolation.** The expectations of a batch are checked and its changes applied without any
/// other batch in between: of two that expect the same key to be absent one fails with
/// [`StoreError::Conflict`], and by then the other one is durable and visible.
///
/// **Segments** are stored before the record that names them is committed, and removed after the
/// last such record is gone. Who removes one makes sure that nobody is about to name it.
pub trait PlanStore: Send + Sync {
    /// Applies a batch, all or nothing, and returns when it is on disk.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an expectation fails; [`StoreError::TooLarge`] and
    /// [`StoreError::BatchTooLarge`]; [`StoreError::Reserved`] for keys that begin with a zero byte;
    /// [`StoreError::Failed`]; I/O.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;

    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]; I/O.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Records whose key begins with `prefix`, ascending by the key's bytes, those after the key
    /// `after` only, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]; I/O.
    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError>;

    /// Keeps immutable bytes and returns their SHA-256 when they are durable; the same bytes twice
    /// are kept once, and a damaged copy of them is replaced.
    ///
    /// # Errors
    /// [`StoreError::Failed`]; I/O. Nothing is kept then.
    fn put_segment(&self, bytes: &[u8]) -> Result<Digest, StoreError>;

    /// A segment that is written piece by piece.
    ///
    /// # Errors
    /// [`StoreError::Failed`]; I/O.
    fn segment_writer(&self) -> Result<Box<dyn SegmentWriter>, StoreError>;

    /// The bytes of a digest, checked against it.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; [`StoreError::Corrupt`]; I/O.
    fn get_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let bytes = self.read_segment(digest)?;
        self.check_segment(digest, &bytes)?;
        Ok(bytes)
    }

    /// The bytes of a digest as they are found; for who checks them with
    /// [`PlanStore::check_segment`] before anybody relies on them.
    ///
    /// # Errors
    /// [`StoreError::Missing`]; I/O.
    fn read_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError>;

    /// Checks bytes that were found under a digest against it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    fn check_segment(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError>;

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
    /// [`StoreError::Failed`]; I/O.
    fn remove_segment(&self, digest: &Digest) -> Result<(), StoreError>;

    /// 32 random bytes of the operating system under a name of `a-z` and dashes: made and durable
    /// when first asked for, the same ever after; for the store's owner alone. They are no record:
    /// nothing lists or copies them.
    ///
    /// # Errors
    /// [`StoreError::Failed`]; [`StoreError::Corrupt`] if they were cut short; I/O.
    fn secret(&self, name: &str) -> Result<[u8; 32], StoreError>;

    /// Checks that every segment that is referred to is kept (their bytes are not read).
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::MissingSegments`], naming those that are not; I/O.
    fn check(&self, referenced: &mut dyn Iterator<Item = Digest>) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for digest in referenced {
            if !self.has_segment(&digest)? {
                missing.push(digest);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        match missing[..] {
            [] => Ok(()),
            [digest] => Err(StoreError::Missing { digest }),
            _ => Err(StoreError::MissingSegments { digests: missing }),
        }
    }
}

/// Takes the bytes of a segment; dropped before it is finished, it leaves nothing.
pub trait SegmentWriter: Write + Send {
    /// Keeps what was written and returns its SHA-256 when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Failed`]; I/O. Nothing is kept then.
    fn finish(self: Box<Self>) -> Result<Digest, StoreError>;
}
