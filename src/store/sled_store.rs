//! The embedded store: sled for records, files for segments.
//!
//! ```text
//! DIR/VERSION     format stamp; being there says that the creation was finished
//! DIR/LOCK        held while the store is open
//! DIR/sled/       records, in one tree
//! DIR/SEAL        by which the next start knows that no record is missing
//! DIR/segments/   bulk, each file named by its SHA-256
//! DIR/secrets/    keys of the service, readable by their owner alone
//! ```
//!
//! Creation: the directories down to `DIR`, each synced in its parent · `LOCK` · `VERSION.new`,
//! synced · `sled`, `SEAL` and `segments` · sync `DIR` · rename `VERSION.new` to `VERSION` · sync
//! `DIR`. One that was cut off leaves no `VERSION` and is done again. So a store that has a `VERSION`
//! and no log has lost it, and is refused rather than shown as an empty one.
//!
//! Formats: 3 is this one; 2 has no seal, and is else the same. Migration: seal the records · `SEAL`,
//! synced · `VERSION.new`, synced · sync `DIR` · rename `VERSION.new` to `VERSION` · sync `DIR`. One
//! that was cut off before the rename leaves a store of format 2 with a seal that nobody reads, and is
//! done again.

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

/// The format of stores.
pub(super) const FORMAT: u32 = 3;
/// The oldest format that can still be read, and brought to [`FORMAT`].
pub(super) const FORMAT_OLDEST: u32 = 2;
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
    dir: PathBuf,
    /// The format that it was opened with.
    format: u32,
    _lock: File,
}

impl SledStore {
    /// The stamp of the format that stores have, and copies of them.
    #[must_use]
    pub fn format() -> String {
        stamp(FORMAT)
    }

    /// Whether records of a store with this stamp can be read.
    #[must_use]
    pub fn reads(text: &str) -> bool {
        known(text).is_some()
    }

    /// The file of the records of the store in `dir`.
    #[must_use]
    pub fn log(dir: &Path) -> PathBuf {
        dir.join("sled").join("db")
    }

    /// Opens the store in `dir`, or makes one if the directory is new or empty.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if it is open elsewhere; [`StoreError::NotAStore`];
    /// [`StoreError::Older`] and [`StoreError::Version`]; [`StoreError::Corrupt`]; I/O.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        SledStore::open_with(dir, FORMAT)
    }

    /// As [`SledStore::open`], also a store of an older format that can still be read; nothing of it
    /// can be changed but by [`SledStore::migrate`]. What it lacks cannot be told.
    ///
    /// # Errors
    /// As [`SledStore::open`], without [`StoreError::Older`].
    pub fn open_older(dir: &Path) -> Result<Self, StoreError> {
        SledStore::open_with(dir, FORMAT_OLDEST)
    }

    fn open_with(dir: &Path, oldest: u32) -> Result<Self, StoreError> {
        create_dir_durably(dir)?;
        // Looked at before so that nothing is left in a directory of somebody else's, and after
        // because another process may have finished a creation in between.
        created(dir)?;
        let lock = lock(dir)?;
        let created = created(dir)?;
        let what = || format!("creating the store {}", dir.display());
        match created {
            Some(found) if found < oldest => {
                return Err(StoreError::Older { dir: dir.into(), found });
            }
            Some(_) => {
                let log = SledStore::log(dir);
                if !log.is_file() {
                    return Err(StoreError::Corrupt {
                        what: log.display().to_string(),
                        how_to_restore: "it is missing: restore the store from a copy",
                    });
                }
            }
            None => {
                write_stamp(dir).map_err(StoreError::io(what()))?;
                sync_dir(dir)?;
            }
        }
        let health = Health::default();
        let records = Arc::new(Records::open(dir.join("sled"))?);
        match created {
            Some(FORMAT) => records.check_seal(&dir.join("SEAL"))?,
            Some(_) => {}
            None => records.seal(&dir.join("SEAL"), || Ok(()))?,
        }
        let segments = Segments::open(dir.join("segments"), health.clone())?;
        sync_dir(dir)?;
        if created.is_none() {
            put_stamp(dir, what())?;
        }
        let secrets = Secrets::new(dir.join("secrets"));
        let committer = Committer::start(Arc::clone(&records), health)?;
        let (dir, format) = (dir.to_owned(), created.unwrap_or(FORMAT));
        Ok(SledStore { committer, records, segments, secrets, dir, format, _lock: lock })
    }

    /// Brings a store of an older format to this one; of one that has it, does nothing. Cut off, it
    /// leaves the store as it was and can be done again. The format that it had.
    ///
    /// # Errors
    /// I/O. The store then has the format that it had, or this one.
    pub fn migrate(&self) -> Result<String, StoreError> {
        if !self.records.is_sealed() {
            let what = || format!("migrating the store {}", self.dir.display());
            self.records.seal(&self.dir.join("SEAL"), || {
                write_stamp(&self.dir).map_err(StoreError::io(what()))?;
                sync_dir(&self.dir)?;
                put_stamp(&self.dir, what())
            })?;
        }
        Ok(stamp(self.format))
    }

    /// Refuses changes of a store that is only read.
    fn changing(&self) -> Result<(), StoreError> {
        // The seal is asked of an older store alone: it is in use while a batch is applied.
        if self.format == FORMAT || self.records.is_sealed() {
            return Ok(());
        }
        Err(StoreError::Older { dir: self.dir.clone(), found: self.format })
    }
}

/// The stamp of a format.
pub(super) fn stamp(format: u32) -> String {
    format!("spotcheck-store/{format}")
}

/// The format of a stamp, if it is known.
fn known(text: &str) -> Option<u32> {
    (FORMAT_OLDEST..=FORMAT).find(|format| stamp(*format) == text)
}

/// Writes the stamp beside its place.
fn write_stamp(dir: &Path) -> std::io::Result<()> {
    let mut file = File::create(dir.join("VERSION.new"))?;
    file.write_all(format!("{}\n", stamp(FORMAT)).as_bytes())?;
    file.sync_all()
}

/// Puts the stamp in its place, once all that it says is on disk.
fn put_stamp(dir: &Path, what: String) -> Result<(), StoreError> {
    fs::rename(dir.join("VERSION.new"), dir.join("VERSION")).map_err(StoreError::io(what))?;
    sync_dir(dir)
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

/// The format of the store in `dir`, if there is one; refuses one of an unknown format, and something
/// else.
fn created(dir: &Path) -> Result<Option<u32>, StoreError> {
    let what = || format!("opening the store {}", dir.display());
    match fs::read(dir.join("VERSION")) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let stamp = text.trim_end();
            if let Some(format) = known(stamp) {
                return Ok(Some(format));
            }
            let shown = stamp.chars().take(STAMP_CHARS_MAX).flat_map(char::escape_debug);
            Err(StoreError::Version { dir: dir.into(), found: shown.collect() })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if dir.join("VERSION.new").is_file() {
                return Ok(None);
            }
            for entry in fs::read_dir(dir).map_err(StoreError::io(what()))? {
                let name = entry.map_err(StoreError::io(what()))?.file_name();
                // What a creation that was cut off early leaves, and what a new file system has.
                if name != "LOCK" && name != "lost+found" {
                    return Err(StoreError::NotAStore { dir: dir.into() });
                }
            }
            Ok(None)
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
        batch.check()?;
        self.changing()?;
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
        self.changing()?;
        self.segments.put(bytes)
    }

    fn segment_writer(&self) -> Result<Box<dyn SegmentWriter>, StoreError> {
        self.changing()?;
        Ok(Box::new(self.segments.writer()?))
    }

    fn read_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.segments.read(digest)
    }

    fn check_segment(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.segments.check(digest, bytes)
    }

    fn has_segment(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.segments.has(digest)
    }

    fn segments(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        self.segments.list()
    }

    fn remove_segment(&self, digest: &Digest) -> Result<(), StoreError> {
        self.changing()?;
        self.segments.remove(digest)
    }
}
