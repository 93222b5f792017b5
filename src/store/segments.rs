//! Segments: immutable files named by the SHA-256 of their bytes.
//!
//! A durable write, call by call: create `segments/tmp/<n>` · write · fsync the file · rename to
//! `segments/<xx>/<digest>` · fsync `segments/<xx>` (and `segments` if `<xx>` is new). A crash
//! before the rename leaves a temporary file, which the next start removes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;
use crate::model::Digest;

/// The directory of segments.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    next: AtomicU64,
}

/// Makes what was done to a directory's entries durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let sync = || File::open(dir)?.sync_all();
    sync().map_err(StoreError::io(format!("syncing {}", dir.display())))
}

impl Segments {
    /// Opens or creates the directory and removes what a crash left unfinished.
    pub fn open(dir: PathBuf) -> Result<Self, StoreError> {
        let tmp = dir.join("tmp");
        let what = || format!("opening {}", dir.display());
        fs::create_dir_all(&tmp).map_err(StoreError::io(what()))?;
        for entry in fs::read_dir(&tmp).map_err(StoreError::io(what()))? {
            let entry = entry.map_err(StoreError::io(what()))?;
            fs::remove_file(entry.path()).map_err(StoreError::io(what()))?;
        }
        sync_dir(&dir)?;
        Ok(Segments { dir, next: AtomicU64::new(0) })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        if path.exists() {
            return Ok(digest);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let tmp = self.dir.join("tmp").join(number.to_string());
        let write = || {
            let mut file = File::create(&tmp)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        let moved = write().map_err(StoreError::io(format!("writing segment {digest}")));
        let moved = moved.and_then(|()| self.publish(&tmp, &path));
        if moved.is_err() {
            // Best effort: the next start removes it too.
            let _ = fs::remove_file(&tmp);
        }
        moved.map(|()| digest)
    }

    fn publish(&self, tmp: &Path, path: &Path) -> Result<(), StoreError> {
        let Some(parent) = path.parent() else { return Ok(()) };
        let what = || format!("publishing {}", path.display());
        if !parent.exists() {
            fs::create_dir_all(parent).map_err(StoreError::io(what()))?;
            sync_dir(&self.dir)?;
        }
        fs::rename(tmp, path).map_err(StoreError::io(what()))?;
        sync_dir(parent)
    }

    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest });
            }
            Err(source) => {
                return Err(StoreError::Io { what: format!("reading {}", path.display()), source });
            }
        };
        if Digest::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(StoreError::Corrupt {
                what: path.display().to_string(),
                restore: "put the file back from a copy of the store; its name is its SHA-256",
            })
        }
    }

    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    pub fn list(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let mut found = Vec::new();
        let read = |dir: &Path| -> Result<Vec<fs::DirEntry>, StoreError> {
            let entries = fs::read_dir(dir).and_then(Iterator::collect);
            entries.map_err(StoreError::io(format!("reading {}", dir.display())))
        };
        for dir in read(&self.dir)? {
            if dir.file_name() == "tmp" {
                continue;
            }
            for file in read(&dir.path())? {
                let name = file.file_name();
                if let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) {
                    let size = file.metadata().map(|metadata| metadata.len());
                    let size = size.map_err(StoreError::io(format!("reading {name:?}")))?;
                    found.push((digest, size));
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), sync_dir),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => {
                Err(StoreError::Io { what: format!("removing {}", path.display()), source })
            }
        }
    }
}
