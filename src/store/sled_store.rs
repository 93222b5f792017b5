//! The embedded store: sled for records, files for segments.
//!
//! ```text
//! DIR/VERSION     format stamp
//! DIR/LOCK        held while the store is open
//! DIR/sled/       records, in one tree
//! DIR/segments/   bulk, each file named by its SHA-256
//! ```

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;

use super::committer::Committer;
use super::segments::{Segments, sync_dir};
use super::{Batch, PlanStore, StoreError};
use crate::model::Digest;

const VERSION: &str = "spotcheck-store/1";
/// Small log segments: a plan's records are few, and one of them is the least that is written.
const SLED_SEGMENT_BYTES: usize = 8 << 20;
/// Bytes of records that are cached.
const CACHE_BYTES: u64 = 64 << 20;

/// Records in sled and segments in files, in one directory.
#[derive(Debug)]
pub struct SledStore {
    // In the order in which they must go: the thread, the records, the lock.
    committer: Committer,
    db: sled::Db,
    segments: Segments,
    _lock: File,
}

impl SledStore {
    /// Opens the store in `dir`, or makes one if the directory is new or empty.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another process has it open; [`StoreError::NotAStore`];
    /// [`StoreError::Version`]; [`StoreError::Corrupt`]; I/O.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let what = || format!("opening the store {}", dir.display());
        fs::create_dir_all(dir).map_err(StoreError::io(what()))?;
        let stamp = dir.join("VERSION");
        let found = match fs::read_to_string(&stamp) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(StoreError::Io { what: what(), source }),
        };
        match &found {
            Some(text) if text.trim_end() == VERSION => {}
            Some(text) => {
                let found = text.trim_end().chars().take(40).collect();
                return Err(StoreError::Version { found, expected: VERSION });
            }
            None => {
                // A creation that was cut off has left only its lock.
                let mut entries = fs::read_dir(dir).map_err(StoreError::io(what()))?;
                if entries.any(|entry| entry.is_ok_and(|e| e.file_name() != "LOCK")) {
                    return Err(StoreError::NotAStore { dir: dir.into() });
                }
            }
        }
        let lock = File::create(dir.join("LOCK")).map_err(StoreError::io(what()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { dir: dir.into() }),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { what: what(), source });
            }
        }
        if found.is_none() {
            let write = || {
                let mut file = File::create(&stamp)?;
                file.write_all(VERSION.as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_all()
            };
            write().map_err(StoreError::io(what()))?;
        }
        let records = dir.join("sled");
        let blobs = records.join("blobs");
        if fs::read_dir(&blobs).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(StoreError::Corrupt {
                what: blobs.display().to_string(),
                restore: "it must be empty: restore the store from a copy",
            });
        }
        let db = open_records(&records)?;
        let segments = Segments::open(dir.join("segments"))?;
        sync_dir(&records)?;
        sync_dir(dir)?;
        let committer = Committer::start(db.clone(), records.join("db"))?;
        Ok(SledStore { committer, db, segments, _lock: lock })
    }
}

fn open_records(dir: &Path) -> Result<sled::Db, StoreError> {
    let config = sled::Config::new()
        .path(dir)
        .segment_size(SLED_SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES)
        // The committer flushes; a second flusher would only write the same pages again.
        .flush_every_ms(None);
    config.open().map_err(|error| match error {
        sled::Error::Corruption { .. } => StoreError::Corrupt {
            what: dir.display().to_string(),
            restore: "restore the store from a copy",
        },
        error => StoreError::Io {
            what: format!("opening {}", dir.display()),
            source: std::io::Error::other(error),
        },
    })
}

fn read_error(error: sled::Error) -> StoreError {
    StoreError::Io { what: "reading records".into(), source: std::io::Error::other(error) }
}

impl PlanStore for SledStore {
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check_sizes()?;
        self.committer.commit(batch)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.db.get(key).map_err(read_error)?;
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let from = match after {
            // The least key after `after`.
            Some(after) if after >= prefix => format!("{after}\0"),
            _ => prefix.to_owned(),
        };
        let mut found = Vec::new();
        for record in self.db.range(from.as_bytes()..).take(limit) {
            let (key, value) = record.map_err(read_error)?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            let key = String::from_utf8(key.to_vec()).map_err(|_| StoreError::Corrupt {
                what: "a record's key".into(),
                restore: "restore the store from a copy",
            })?;
            found.push((key, value.to_vec()));
        }
        Ok(found)
    }

    fn put_segment(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.segments.put(bytes)
    }

    fn get_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.segments.get(digest)
    }

    fn has_segment(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.segments.has(digest))
    }

    fn segments(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        self.segments.list()
    }

    fn remove_segment(&self, digest: &Digest) -> Result<(), StoreError> {
        self.segments.remove(digest)
    }
}
