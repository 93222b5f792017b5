//! The embedded store: sled for records, files for segments.
//!
//! ```text
//! DIR/VERSION     format stamp; being there says that the creation was finished
//! DIR/LOCK        held while the store is open
//! DIR/sled/       records, in one tree
//! DIR/segments/   bulk, each file named by its SHA-256
//! DIR/secrets/    keys of the service, readable by their owner alone
//! ```
//!
//! Creation: the directories down to `DIR`, each synced in its parent · `LOCK` · `VERSION.new`,
//! synced · `sled` and `segments` · sync `DIR` · rename `VERSION.new` to `VERSION` · sync `DIR`.
//! One that was cut off leaves no `VERSION` and is done again. So a store that has a `VERSION` and
//! no log has lost it, and is refused rather than shown as an empty one.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::committer::Committer;
use super::health::Health;
use super::records::Records;
use super::secrets::Secrets;
use super::segments::{Segments, sync_dir};
use super::{Batch, PlanStore, SegmentWriter, StoreError};
use crate::model::Digest;

const VERSION: &str = "spotcheck-store/2";
/// How long the lock of the store is waited for.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
/// Characters of a foreign stamp that a message shows.
const STAMP_CHARS_MAX: usize = 40;

/// Records in sled and segments in files, in one directory.
#[derive(Debug)]
pub struct SledStore {
    // In the order in which they must go: the thread, the records, the lock.
    committer: Committer,
    records: Arc<Records>,
    segments: Segments,
    secrets: Secrets,
    _lock: File,
}

impl SledStore {
    /// The file of the records of the store in `dir`.
    #[must_use]
    pub fn log(dir: &Path) -> PathBuf {
        dir.join("sled").join("db")
    }

    /// Opens the store in `dir`, or makes one if the directory is new or empty.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if it is open elsewhere; [`StoreError::NotAStore`];
    /// [`StoreError::Version`]; [`StoreError::Corrupt`]; I/O.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        create_dir_durably(dir)?;
        // Looked at before so that nothing is left in a directory of somebody else's, and after
        // because another process may have finished a creation in between.
        is_created(dir)?;
        let lock = lock(dir)?;
        let created = is_created(dir)?;
        let (stamp, new_stamp) = (dir.join("VERSION"), dir.join("VERSION.new"));
        let what = || format!("creating the store {}", dir.display());
        if created {
            let log = dir.join("sled").join("db");
            if !log.is_file() {
                return Err(StoreError::Corrupt {
                    what: log.display().to_string(),
                    how_to_restore: "it is missing: restore the store from a copy",
                });
            }
        } else {
            let write = || {
                let mut file = File::create(&new_stamp)?;
                file.write_all(format!("{VERSION}\n").as_bytes())?;
                file.sync_all()
            };
            write().map_err(StoreError::io(what()))?;
            sync_dir(dir)?;
        }
        let health = Health::default();
        let records = Arc::new(Records::open(dir.join("sled"))?);
        let segments = Segments::open(dir.join("segments"), health.clone())?;
        sync_dir(dir)?;
        if !created {
            fs::rename(&new_stamp, &stamp).map_err(StoreError::io(what()))?;
            sync_dir(dir)?;
        }
        let secrets = Secrets::new(dir.join("secrets"));
        let committer = Committer::start(Arc::clone(&records), health)?;
        Ok(SledStore { committer, records, segments, secrets, _lock: lock })
    }
}

impl SledStore {
    /// Puts a secret in its place, as a copy of a store needs it; one that is there must be the same.
    ///
    /// # Errors
    /// If another one is there, or it cannot be written.
    pub fn put_secret(&self, name: &str, secret: &[u8; 32]) -> Result<(), StoreError> {
        self.secrets.put(name, secret)
    }
}

/// Makes a directory, and the name of every directory on the way that is new, durable.
fn create_dir_durably(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    if dir.exists() {
        return Err(StoreError::NotAStore { dir: dir.into() });
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir_durably(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::Io { what: format!("creating {}", dir.display()), source: error })
        }
        _ => sync_dir(parent),
    }
}

/// Whether there is a store in `dir`; refuses one of another format, and something else.
fn is_created(dir: &Path) -> Result<bool, StoreError> {
    let what = || format!("opening the store {}", dir.display());
    match fs::read(dir.join("VERSION")) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let stamp = text.trim_end();
            if stamp == VERSION {
                return Ok(true);
            }
            let shown = stamp.chars().take(STAMP_CHARS_MAX).flat_map(char::escape_debug);
            Err(StoreError::Version { found: shown.collect(), expected: VERSION })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if dir.join("VERSION.new").is_file() {
                return Ok(false);
            }
            for entry in fs::read_dir(dir).map_err(StoreError::io(what()))? {
                let name = entry.map_err(StoreError::io(what()))?.file_name();
                // What a creation that was cut off early leaves, and what a new file system has.
                if name != "LOCK" && name != "lost+found" {
                    return Err(StoreError::NotAStore { dir: dir.into() });
                }
            }
            Ok(false)
        }
        Err(source) => Err(StoreError::Io { what: what(), source }),
    }
}

/// Takes the store's lock, before sled is touched; it is held as long as the file is open.
fn lock(dir: &Path) -> Result<File, StoreError> {
    let what = || format!("locking the store {}", dir.display());
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(dir.join("LOCK"));
    let file = file.map_err(StoreError::io(what()))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that starts another one shares its locks with it for an instant, and one
            // that was killed may not be gone yet.
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_PATIENCE / 20);
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { dir: dir.into() }),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { what: what(), source });
            }
        }
    }
}

impl PlanStore for SledStore {
    fn secret(&self, name: &str) -> Result<[u8; 32], StoreError> {
        self.secrets.get(name)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check_sizes()?;
        self.committer.commit(batch)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.records.get(key)
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.records.scan(prefix, after, limit)
    }

    fn put_segment(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.segments.put(bytes)
    }

    fn segment_writer(&self) -> Result<Box<dyn SegmentWriter>, StoreError> {
        Ok(Box::new(self.segments.writer()?))
    }

    fn get_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.segments.get(digest)
    }

    fn has_segment(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.segments.has(digest)
    }

    fn segments(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        self.segments.list()
    }

    fn remove_segment(&self, digest: &Digest) -> Result<(), StoreError> {
        self.segments.remove(digest)
    }
}
