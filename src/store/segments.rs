//! Segments: immutable files named by the SHA-256 of their bytes.
//!
//! A durable write, call by call: create `segments/tmp/<n>` · write · fsync the file · create
//! `segments/<xx>` if it is new · rename to `segments/<xx>/<digest>` · fsync `segments/<xx>` ·
//! fsync `segments`. A crash before the rename leaves a temporary file, which the next start
//! removes. A segment that is there already has been synced before it got its name, but maybe not
//! the name: another caller may be between its rename and its fsync, or have been killed there. So
//! the two directories are synced in either case.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::health::Health;
use super::{SegmentWriter, StoreError};
use crate::model::{Digest, join};

/// Bytes read or written at a time.
const BUFFER_BYTES: usize = 128 * 1024;

/// The directory of segments.
#[derive(Debug, Clone)]
pub(super) struct Segments(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    /// Names temporary files; they are all removed at the start.
    next: AtomicU64,
    health: Health,
}

/// Makes what was done to a directory's entries durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let sync = || File::open(dir)?.sync_all();
    sync().map_err(StoreError::io(format!("syncing {}", dir.display())))
}

impl Segments {
    /// Opens or creates the directory and removes what a crash left unfinished.
    pub fn open(dir: PathBuf, health: Health) -> Result<Self, StoreError> {
        let tmp = dir.join("tmp");
        let what = || format!("opening {}", dir.display());
        fs::create_dir_all(&tmp).map_err(StoreError::io(what()))?;
        for entry in fs::read_dir(&tmp).map_err(StoreError::io(what()))? {
            let entry = entry.map_err(StoreError::io(what()))?;
            fs::remove_file(entry.path()).map_err(StoreError::io(what()))?;
        }
        sync_dir(&dir)?;
        Ok(Segments(Arc::new(Inner { dir, next: AtomicU64::new(0), health })))
    }

    /// Keeps bytes that are at hand. They are hashed while the disk takes them.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.0.health.check()?;
        let (tmp, mut file) = self.temporary()?;
        let what = || format!("writing {}", tmp.0.display());
        let (digest, written) = std::thread::scope(|scope| {
            let digest = scope.spawn(|| Digest::of(bytes));
            let written = file.write_all(bytes).map_err(StoreError::io(what()));
            (join(digest), written.and_then(|()| self.0.sync(&file, what())))
        });
        written?;
        self.0.publish(&tmp.0, &digest)?;
        Ok(digest)
    }

    pub fn writer(&self) -> Result<FileWriter, StoreError> {
        self.0.health.check()?;
        let (tmp, file) = self.temporary()?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(FileWriter { segments: self.clone(), tmp, file, sha: Sha256::new() })
    }

    fn temporary(&self) -> Result<(Temporary, File), StoreError> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let tmp = self.0.dir.join("tmp").join(number.to_string());
        let file = File::create_new(&tmp)
            .map_err(StoreError::io(format!("creating {}", tmp.display())))?;
        Ok((Temporary(tmp), file))
    }

    /// The bytes of a segment as they are found.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.0.path(digest);
        fs::read(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => StoreError::Missing { digest: *digest },
            _ => StoreError::Io { what: format!("reading {}", path.display()), source },
        })
    }

    /// Checks bytes that were found.
    pub fn check(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        if Digest::of(bytes) == *digest {
            Ok(())
        } else {
            Err(StoreError::Corrupt {
                what: self.0.path(digest).display().to_string(),
                how_to_restore: "put the file back from a copy of the store; its name is the SHA-256 of what it must hold",
            })
        }
    }

    pub fn has(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.0.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => {
                Err(StoreError::Io { what: format!("looking for {}", path.display()), source })
            }
        }
    }

    pub fn list(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let read = |dir: &Path| -> Result<Vec<fs::DirEntry>, StoreError> {
            let entries = fs::read_dir(dir).and_then(Iterator::collect);
            entries.map_err(StoreError::io(format!("reading {}", dir.display())))
        };
        let mut found = Vec::new();
        for dir in read(&self.0.dir)? {
            if dir.file_name() == "tmp" || !dir.path().is_dir() {
                continue;
            }
            for file in read(&dir.path())? {
                let path = file.path();
                let name = file.file_name();
                let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                // Under its one name and in its one place only.
                if self.0.path(&digest) != path {
                    continue;
                }
                match file.metadata() {
                    Ok(metadata) => found.push((digest, metadata.len())),
                    // Removed in between.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(source) => {
                        let what = format!("reading {}", path.display());
                        return Err(StoreError::Io { what, source });
                    }
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        self.0.health.check()?;
        let path = self.0.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), |parent| self.0.sync_or_fail(parent)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => {
                Err(StoreError::Io { what: format!("removing {}", path.display()), source })
            }
        }
    }
}

impl Inner {
    /// Brings a file's bytes to the disk; after a failure nothing is known of what is there.
    fn sync(&self, file: &File, what: String) -> Result<(), StoreError> {
        let synced = file.sync_all().map_err(StoreError::io(what));
        synced.inspect_err(|error| self.health.fail(error))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    /// Gives a synced temporary file its name, unless the segment is there already.
    fn publish(&self, tmp: &Path, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        if !intact(&path, digest)? {
            let publish = || {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::rename(tmp, &path)
            };
            publish().map_err(StoreError::io(format!("publishing {}", path.display())))?;
        }
        self.sync_names(&path)
    }

    /// Makes the names on the way to a segment durable.
    fn sync_names(&self, path: &Path) -> Result<(), StoreError> {
        path.parent().map_or(Ok(()), |parent| self.sync_or_fail(parent))?;
        self.sync_or_fail(&self.dir)
    }

    fn sync_or_fail(&self, dir: &Path) -> Result<(), StoreError> {
        sync_dir(dir).inspect_err(|error| self.health.fail(error))
    }
}

/// Whether a file is there and holds the bytes of its digest.
fn intact(path: &Path, digest: &Digest) -> Result<bool, StoreError> {
    let hash = |mut file: File| -> io::Result<Digest> {
        let (mut sha, mut buffer) = (Sha256::new(), vec![0; BUFFER_BYTES]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Digest(sha.finalize().into())),
                Ok(count) => sha.update(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    match File::open(path).and_then(hash) {
        Ok(found) => Ok(found == *digest),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::Io { what: format!("reading {}", path.display()), source }),
    }
}

/// A temporary file, which goes when this is dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It has its name already, or is not wanted; what stays is removed at the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a segment into a temporary file.
#[derive(Debug)]
pub(super) struct FileWriter {
    segments: Segments,
    tmp: Temporary,
    file: BufWriter<File>,
    sha: Sha256,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sha.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SegmentWriter for FileWriter {
    fn finish(mut self: Box<Self>) -> Result<Digest, StoreError> {
        let inner = Arc::clone(&self.segments.0);
        inner.health.check()?;
        let what = || format!("writing {}", self.tmp.0.display());
        self.file.flush().map_err(StoreError::io(what()))?;
        inner.sync(self.file.get_ref(), what())?;
        let digest = Digest(self.sha.finalize_reset().into());
        inner.publish(&self.tmp.0, &digest)?;
        Ok(digest)
    }
}
