//! Records in sled, and which of them are durable.
//!
//! sled shows a batch to readers when it is applied, one record after the other, and long before
//! it is on disk. Here readers are shown durable batches only, each whole: while a group of
//! batches is on its way to the disk the previous values of its keys are kept beside sled
//! ([`Records::apply`]), and readers are given those; when it is there they are let go
//! ([`Records::settle`]).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::segments::sync_dir;
use super::{Batch, StoreError};

/// Size of sled's log segments, fixed when a log is created. A page of more than a quarter of it
/// would go to a blob file, which is never synced; pages of records of 16 KiB stay far below.
const LOG_SEGMENT_BYTES: usize = 8 << 20;
/// Bytes of records that are cached.
const CACHE_BYTES: u64 = 64 << 20;
/// How long a log that was closed just now may stay locked by sled's own threads.
const CLOSING: Duration = Duration::from_secs(10);
const RESTORE: &str = "restore the store from a copy";

type Values = BTreeMap<String, Option<Vec<u8>>>;

/// The records of a store; one thread applies batches, any may read.
#[derive(Debug)]
pub(super) struct Records {
    db: sled::Db,
    /// sled's log, kept open: an error of writing it back is told to those who had it open then.
    log: File,
    dir: PathBuf,
    /// Durable values of the keys that sled shows with values that are not yet.
    durable: RwLock<Values>,
}

impl Records {
    /// Opens the records in `dir`, or makes them if there are none.
    pub fn open(dir: PathBuf) -> Result<Self, StoreError> {
        refuse_blobs(&dir)?;
        wait_until_closed(&dir)?;
        let config = sled::Config::new()
            .path(&dir)
            .segment_size(LOG_SEGMENT_BYTES)
            .cache_capacity(CACHE_BYTES)
            // The committer flushes; a second flusher would only write the same pages again.
            .flush_every_ms(None);
        let what = format!("opening {}", dir.display());
        // sled answers some kinds of damage with a panic.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        let corrupt =
            |_| StoreError::Corrupt { what: dir.display().to_string(), how_to_restore: RESTORE };
        let db = opened.map_err(corrupt)?.map_err(|error| StoreError::sled(&what, error))?;
        let log = File::open(dir.join("db")).map_err(StoreError::io(what))?;
        let records = Records { db, log, dir, durable: RwLock::default() };
        // The names of the files that sled has made, and what it has written by now.
        records.sync()?;
        sync_dir(&records.dir.join("blobs"))?;
        sync_dir(&records.dir)?;
        Ok(records)
    }

    /// The durable value of a key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let durable = self.reading();
        match durable.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.newest(key),
        }
    }

    /// Durable records whose key begins with `prefix`, after `after`, at most `limit`.
    pub fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let durable = self.reading();
        let own = |key: &str| key.starts_with(prefix);
        let held =
            durable.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| own(key));
        let mut found: Vec<(String, Vec<u8>)> =
            held.filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
        let held = found.len();
        let range = (from.map(str::as_bytes), Bound::<&[u8]>::Unbounded);
        for record in self.db.range::<&[u8], _>(range) {
            // Those that come first among all are among the first of either kind.
            if found.len() - held == limit {
                break;
            }
            let (key, value) =
                record.map_err(|error| StoreError::sled("reading records", error))?;
            let key = std::str::from_utf8(&key).map_err(|_| StoreError::Corrupt {
                what: "a record's key".into(),
                how_to_restore: RESTORE,
            })?;
            if !own(key) {
                break;
            }
            if !durable.contains_key(key) {
                found.push((key.to_owned(), value.to_vec()));
            }
        }
        if held > 0 {
            found.sort_unstable();
            found.truncate(limit);
        }
        Ok(found)
    }

    /// Applies a batch if its expectations hold; readers don't see it yet. The committer's alone.
    pub fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(key) = batch.conflict(|key| self.newest(key))? {
            return Err(StoreError::Conflict { key });
        }
        if batch.changes.is_empty() {
            return Ok(());
        }
        let mut previous = Values::new();
        let mut changes = sled::Batch::default();
        for (key, value) in &batch.changes {
            previous.insert(key.clone(), self.newest(key)?);
            match value {
                Some(value) => changes.insert(key.as_bytes(), value.as_slice()),
                None => changes.remove(key.as_bytes()),
            }
        }
        let mut durable = self.writing();
        for (key, value) in previous {
            durable.entry(key).or_insert(value);
        }
        self.db.apply_batch(changes).map_err(|error| StoreError::sled("writing records", error))
    }

    /// Brings everything that was applied onto the disk.
    ///
    /// sled's `flush` hands the log to the kernel and asks it to begin writing, no more
    /// (`sync_file_range`); the second call is the one that waits for the disk.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| StoreError::sled("writing records", error))?;
        refuse_blobs(&self.dir)?;
        self.log.sync_data().map_err(StoreError::io("syncing the records' log"))
    }

    /// Shows readers what was applied, now that it is on disk.
    pub fn settle(&self) {
        self.writing().clear();
    }

    fn newest(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.db.get(key).map_err(|error| StoreError::sled("reading records", error))?;
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    // A panic under the lock is sled's, in `apply`, after the previous values were put down: they
    // stay true.
    fn reading(&self) -> RwLockReadGuard<'_, Values> {
        self.durable.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, Values> {
        self.durable.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses records outside the log: sled never syncs them, so a loss of power takes them.
fn refuse_blobs(dir: &Path) -> Result<(), StoreError> {
    let blobs = dir.join("blobs");
    match fs::read_dir(&blobs).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Corrupt {
            what: blobs.display().to_string(),
            how_to_restore: "it must be empty: restore the store from a copy",
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StoreError::Io { what: format!("reading {}", blobs.display()), source }),
    }
}

/// Waits for the threads of a log that this process has closed just now. The store's own lock is
/// held, so nobody else uses it.
fn wait_until_closed(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join("db");
    let log = match File::open(&path) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(StoreError::Io { what: format!("opening {}", path.display()), source });
        }
    };
    let begun = Instant::now();
    while let Err(error) = log.try_lock() {
        match error {
            fs::TryLockError::WouldBlock if begun.elapsed() < CLOSING => {
                std::thread::sleep(Duration::from_millis(2));
            }
            fs::TryLockError::WouldBlock => return Err(StoreError::Locked { dir: dir.into() }),
            fs::TryLockError::Error(source) => {
                return Err(StoreError::Io { what: format!("locking {}", path.display()), source });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(records: &Records, after: Option<&str>, limit: usize) -> Vec<String> {
        let found = records.scan("k", after, limit).unwrap();
        found
            .into_iter()
            .map(|(key, v)| format!("{key}={}", String::from_utf8(v).unwrap()))
            .collect()
    }

    #[test]
    fn readers_see_durable_batches_only() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path().join("sled")).unwrap();
        let first = Batch::new().put("k1", "a").put("k3", "c").put("k5", "e").put("x", "x");
        records.apply(&first).unwrap();
        assert_eq!(records.get("k1").unwrap(), None);
        assert_eq!(texts(&records, None, 9), [""; 0]);
        records.sync().unwrap();
        records.settle();
        assert_eq!(texts(&records, None, 9), ["k1=a", "k3=c", "k5=e"]);

        // Two batches of one group: the later one's expectations see the earlier one, readers
        // see neither.
        records.apply(&Batch::new().put("k1", "A").put("k2", "B").delete("k3")).unwrap();
        let expecting = Batch::new().expect("k1", "A").expect_absent("k3");
        records.apply(&expecting.put("k1", "AA").put("k0", "0")).unwrap();
        let stale = Batch::new().expect("k1", "a").put("k4", "D");
        assert!(matches!(records.apply(&stale), Err(StoreError::Conflict { key }) if key == "k1"));
        assert_eq!(records.get("k1").unwrap().unwrap(), b"a");
        assert_eq!(texts(&records, None, 9), ["k1=a", "k3=c", "k5=e"]);
        for limit in 0..4 {
            let expected = ["k1=a", "k3=c", "k5=e"];
            assert_eq!(texts(&records, None, limit), expected[..limit], "{limit}");
        }
        assert_eq!(texts(&records, Some("k1"), 1), ["k3=c"]);
        assert_eq!(texts(&records, Some("k4"), 9), ["k5=e"]);
        records.sync().unwrap();
        records.settle();
        assert_eq!(texts(&records, None, 9), ["k0=0", "k1=AA", "k2=B", "k5=e"]);
    }
}
