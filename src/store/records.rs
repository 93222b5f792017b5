//! Records in sled, and which of them are durable.
//!
//! sled shows a batch to readers when it is applied, one record after the other, and long before
//! it is on disk. Here readers are shown durable batches only, each whole: while a group of
//! batches is on its way to the disk the previous values of its keys are kept beside sled
//! ([`Records::apply`]), and readers are given those; when it is there they are let go
//! ([`Records::settle`]).
//!
//! Every batch changes the seal, too, by which the next start knows that nothing is missing
//! ([`Records::check_seal`]).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::error::RESTORE;
use super::seal::{SEAL_KEY, Seal, SealFile};
use super::segments::sync_dir;
use super::{Batch, StoreError};

/// Size of sled's log segments, fixed when a log is created. A page of more than a quarter of it
/// would go to a blob file, which is never synced; pages of records of 16 KiB stay far below.
const LOG_SEGMENT_BYTES: usize = 8 << 20;
/// Bytes at the beginning of each that say which one it is.
const SEGMENT_HEADER_BYTES: usize = 20;
/// Bytes of records that are cached.
const CACHE_BYTES: u64 = 64 << 20;
/// How long a log that was closed just now may stay locked by sled's own threads.
const CLOSING: Duration = Duration::from_secs(10);

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
    /// None as long as they are only read.
    sealed: Mutex<Option<Sealed>>,
}

/// What keeps the seal.
#[derive(Debug)]
struct Sealed {
    /// Of all that was applied.
    seal: Seal,
    file: SealFile,
}

impl Records {
    /// Opens the records in `dir`, or makes them if there are none; to be read.
    pub fn open(dir: PathBuf) -> Result<Self, StoreError> {
        refuse_blobs(&dir)?;
        check_log(&dir)?;
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
        let (durable, sealed) = (RwLock::default(), Mutex::new(None));
        let records = Records { db, log, dir, durable, sealed };
        // The names of the files that sled has made, and what it has written by now.
        records.sync()?;
        sync_dir(&records.dir.join("blobs"))?;
        sync_dir(&records.dir)?;
        Ok(records)
    }

    /// Seals what is there, whatever it is, and takes the `next` step that relies on it; from then on it
    /// can be written to.
    pub fn seal(
        &self,
        path: &Path,
        next: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut sealed = self.sealed();
        let seal = Seal { sum: self.sum()?.1, ..Seal::default() };
        let put = self.db.insert(SEAL_KEY, seal.text().as_bytes());
        put.map_err(|error| StoreError::sled("sealing the records", error))?;
        self.sync()?;
        let file = SealFile::create(path, seal)?;
        next()?;
        *sealed = Some(Sealed { seal, file });
        Ok(())
    }

    /// Compares the records with their seal; from now on they can be written to.
    pub fn check_seal(&self, path: &Path) -> Result<(), StoreError> {
        let mut sealed = self.sealed();
        let mut file = SealFile::open(path)?;
        let (seal, sum) = self.sum()?;
        let corrupt = |why: String| {
            let what = format!("{} ({why})", self.dir.join("db").display());
            Err(StoreError::Corrupt { what, how_to_restore: RESTORE })
        };
        let kept = file.seal();
        if seal.batches < kept.batches {
            let missing = kept.batches - seal.batches;
            return corrupt(format!(
                "the last {missing} of {} changes are missing; SEAL beside it has them counted",
                kept.batches
            ));
        }
        if seal.sum != sum {
            return corrupt("records are missing or are not as they were written".into());
        }
        if seal.batches == kept.batches && seal != kept {
            return corrupt("it is not the one that SEAL beside it was written for".into());
        }
        file.write(seal)?;
        *sealed = Some(Sealed { seal, file });
        Ok(())
    }

    /// Whether it can be written to.
    pub fn is_sealed(&self) -> bool {
        self.sealed().is_some()
    }

    /// The seal's record and the sum over all others.
    fn sum(&self) -> Result<(Seal, [u64; 4]), StoreError> {
        let corrupt = || StoreError::Corrupt {
            what: self.dir.join("db").display().to_string(),
            how_to_restore: RESTORE,
        };
        let what = format!("reading {}", self.dir.display());
        let read = || {
            let (mut kept, mut found) = (Seal::default(), Seal::default());
            for record in self.db.iter() {
                let (key, value) = record.map_err(|error| StoreError::sled(&what, error))?;
                if key.as_ref() == SEAL_KEY.as_bytes() {
                    kept = Seal::parse(&value).ok_or_else(corrupt)?;
                } else {
                    found.add(&key, &value);
                }
            }
            Ok((kept, found.sum))
        };
        // As when it is opened.
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(corrupt()))
    }

    /// Writes down in the seal's file what is on disk. The committer's alone.
    pub fn write_seal(&self) -> Result<(), StoreError> {
        match &mut *self.sealed() {
            Some(sealed) => sealed.file.write(sealed.seal),
            None => Ok(()),
        }
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
            if key != SEAL_KEY && !durable.contains_key(key) {
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
        let mut sealed = self.sealed();
        let Some(sealed) = sealed.as_mut() else {
            return Err(StoreError::Failed { cause: "the records are only read".into() });
        };
        // Of several changes of one key the last holds.
        let last: BTreeMap<&String, &Option<Vec<u8>>> =
            batch.changes.iter().map(|(key, value)| (key, value)).collect();
        let mut seal = Seal { batches: sealed.seal.batches + 1, ..sealed.seal };
        let mut previous = Values::new();
        let mut changes = sled::Batch::default();
        for (key, value) in last {
            let before = self.newest(key)?;
            if let Some(before) = &before {
                seal.remove(key.as_bytes(), before);
            }
            previous.insert(key.clone(), before);
            match value {
                Some(value) => {
                    seal.add(key.as_bytes(), value);
                    changes.insert(key.as_bytes(), value.as_slice());
                }
                None => changes.remove(key.as_bytes()),
            }
        }
        changes.insert(SEAL_KEY, seal.text().as_bytes());
        let mut durable = self.writing();
        for (key, value) in previous {
            durable.entry(key).or_insert(value);
        }
        let applied = self.db.apply_batch(changes);
        applied.map_err(|error| StoreError::sled("writing records", error))?;
        sealed.seal = seal;
        Ok(())
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

    // Changed as a whole, once what it says is so.
    fn sealed(&self) -> MutexGuard<'_, Option<Sealed>> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Waits until nobody writes to sled's log any more, if there is one, and checks it.
fn check_log(dir: &Path) -> Result<(), StoreError> {
    let path = dir.join("db");
    match File::open(&path) {
        Ok(log) => {
            wait_until_closed(dir, &log)?;
            check_headers(&path, &log)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StoreError::Io { what: format!("opening {}", path.display()), source }),
    }
}

/// Checks the header of each segment of sled's log: 4 bytes with the inverted CRC-32 of the 16 that
/// follow, or nothing but zeros.
///
/// sled, where it has a snapshot, reads them not before the next start, and then ignores a segment whose
/// header is damaged, with all that was written into it meanwhile.
fn check_headers(path: &Path, mut log: &File) -> Result<(), StoreError> {
    let what = || format!("reading {}", path.display());
    let bytes = log.metadata().map_err(StoreError::io(what()))?.len();
    let mut header = [0; SEGMENT_HEADER_BYTES];
    for start in (0..bytes).step_by(LOG_SEGMENT_BYTES) {
        // Of a segment that was just begun there may be less.
        if bytes - start < SEGMENT_HEADER_BYTES as u64 {
            break;
        }
        let read = log.seek(SeekFrom::Start(start)).and_then(|_| log.read_exact(&mut header));
        read.map_err(StoreError::io(what()))?;
        let (crc, rest) = header.split_at(4);
        if header != [0; SEGMENT_HEADER_BYTES] && crc != (!crc32fast::hash(rest)).to_le_bytes() {
            let what = format!("{} (the segment at byte {start})", path.display());
            return Err(StoreError::Corrupt { what, how_to_restore: RESTORE });
        }
    }
    Ok(())
}

/// Waits for the threads of a log that this process has closed just now. The store's own lock is
/// held, so nobody else uses it.
fn wait_until_closed(dir: &Path, log: &File) -> Result<(), StoreError> {
    let begun = Instant::now();
    while let Err(error) = log.try_lock() {
        match error {
            fs::TryLockError::WouldBlock if begun.elapsed() < CLOSING => {
                std::thread::sleep(Duration::from_millis(2));
            }
            fs::TryLockError::WouldBlock => return Err(StoreError::Locked { dir: dir.into() }),
            fs::TryLockError::Error(source) => {
                let what = format!("locking {}", dir.join("db").display());
                return Err(StoreError::Io { what, source });
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
        records.seal(&dir.path().join("SEAL"), || Ok(())).unwrap();
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
