//! The committer: one thread that applies batches in groups and acknowledges them when they are
//! on disk.
//!
//! sled's `flush` hands its log to the operating system and no further (`sync_file_range`), so a
//! group is: check and apply each batch (sled applies one atomically) · `flush` · `sync_data` of
//! the log file · acknowledge. `flush_async` is never called: it deadlocks under load.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Batch, StoreError};

/// Batches that one sync may stand for: enough that a group fills while another is synced.
const GROUP_MAX: usize = 256;

struct Request {
    batch: Batch,
    answer: SyncSender<Result<(), StoreError>>,
}

/// Hands batches to the committing thread.
#[derive(Debug)]
pub(super) struct Committer {
    sender: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread; `log` is the file that `db` appends to.
    pub fn start(db: sled::Db, log: PathBuf) -> Result<Self, StoreError> {
        let (sender, receiver) = sync_channel(GROUP_MAX);
        let thread = std::thread::Builder::new()
            .name("store-committer".into())
            .spawn(move || Work { db, log, failed: None }.run(&receiver))
            .map_err(StoreError::io("starting the committing thread"))?;
        Ok(Committer { sender: Some(sender), thread: Some(thread) })
    }

    /// Waits until the batch is on disk.
    pub fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let stopped = || StoreError::Failed { cause: "the committing thread has stopped".into() };
        let (answer, wait) = sync_channel(1);
        let sender = self.sender.as_ref().ok_or_else(stopped)?;
        sender.send(Request { batch, answer }).map_err(|_| stopped())?;
        wait.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been told to every waiting caller already.
            let _ = thread.join();
        }
    }
}

struct Work {
    db: sled::Db,
    log: PathBuf,
    failed: Option<String>,
}

impl Work {
    fn run(mut self, receiver: &Receiver<Request>) {
        while let Ok(first) = receiver.recv() {
            let mut group = vec![first];
            group.extend(receiver.try_iter().take(GROUP_MAX - 1));
            let mut applied = Vec::with_capacity(group.len());
            for Request { batch, answer } in group {
                match self.apply(&batch) {
                    Ok(()) => applied.push(answer),
                    // The caller may have gone; that is its own affair.
                    Err(error) => drop(answer.send(Err(error))),
                }
            }
            if applied.is_empty() {
                continue;
            }
            match self.sync() {
                Ok(()) => applied.into_iter().for_each(|answer| drop(answer.send(Ok(())))),
                Err(source) => {
                    let what = format!("syncing {}", self.log.display());
                    self.failed = Some(format!("{what}: {source}"));
                    for answer in applied {
                        let source = std::io::Error::new(source.kind(), source.to_string());
                        drop(answer.send(Err(StoreError::Io { what: what.clone(), source })));
                    }
                }
            }
        }
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(cause) = &self.failed {
            return Err(StoreError::Failed { cause: cause.clone() });
        }
        let get = |key: &str| self.db.get(key).map(|value| value.map(|bytes| bytes.to_vec()));
        match batch.conflict(get) {
            Ok(None) => {}
            Ok(Some(key)) => return Err(StoreError::Conflict { key }),
            Err(error) => return Err(self.broken("reading records", error)),
        }
        let mut changes = sled::Batch::default();
        for (key, value) in &batch.changes {
            match value {
                Some(value) => changes.insert(key.as_bytes(), value.as_slice()),
                None => changes.remove(key.as_bytes()),
            }
        }
        self.db.apply_batch(changes).map_err(|error| self.broken("writing records", error))
    }

    fn broken(&mut self, what: &str, error: sled::Error) -> StoreError {
        self.failed = Some(format!("{what}: {error}"));
        StoreError::Io { what: what.into(), source: std::io::Error::other(error) }
    }

    fn sync(&self) -> std::io::Result<()> {
        self.db.flush().map_err(std::io::Error::other)?;
        File::open(&self.log)?.sync_data()
    }
}
