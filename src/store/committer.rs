//! The committer: one thread that applies batches in groups and acknowledges them when they are
//! on disk.
//!
//! For each group, in this order: check and apply each batch (sled applies one atomically) ·
//! sled's `flush` · `fdatasync` of its log · show the group to readers · answer every caller of
//! it, also those whose expectations failed, because what they lost against is durable only now.
//! While one group is synced the next one gathers; so many callers share one sync, and one caller
//! alone waits for nobody. sled's `flush_async` is never called: it deadlocks under load.
//!
//! The seal's file follows when nothing comes for a moment, so that nobody waits for it, either.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::health::Health;
use super::records::Records;
use super::{BATCH_BYTES_MAX, Batch, StoreError};

/// Batches that one sync may stand for: more than callers are expected at once.
const GROUP_MAX: usize = 256;
/// Bytes after which a group takes no further batch: bounds what is held beside sled.
const GROUP_BYTES: usize = 2 * BATCH_BYTES_MAX;
/// How long nothing comes before the seal's file is written.
const QUIET: Duration = Duration::from_millis(20);
/// Groups after which it is written in any case.
const UNSEALED_MAX: u32 = 256;

type Answer = Result<(), StoreError>;

struct Request {
    batch: Batch,
    answer: SyncSender<Answer>,
}

/// Hands batches to the committing thread, and stops it when dropped.
#[derive(Debug)]
pub(super) struct Committer {
    sender: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread.
    pub fn start(records: Arc<Records>, health: Health) -> Result<Self, StoreError> {
        let (sender, receiver) = sync_channel(GROUP_MAX);
        let thread = std::thread::Builder::new()
            .name("store-committer".into())
            .spawn(move || Work { records, health }.run(&receiver))
            .map_err(StoreError::io("starting the committing thread"))?;
        Ok(Committer { sender: Some(sender), thread: Some(thread) })
    }

    /// Waits until the batch is on disk.
    pub fn commit(&self, batch: Batch) -> Answer {
        let stopped = || StoreError::Failed { cause: "the committing thread has stopped".into() };
        let (answer, wait) = sync_channel(1);
        let sender = self.sender.as_ref().ok_or_else(stopped)?;
        sender.send(Request { batch, answer }).map_err(|_| stopped())?;
        wait.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // No sender, no further request: the thread ends after those that were sent.
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been told to every waiting caller already.
            let _ = thread.join();
        }
    }
}

struct Work {
    records: Arc<Records>,
    health: Health,
}

impl Work {
    fn run(self, receiver: &Receiver<Request>) {
        let mut unsealed = 0;
        loop {
            let next = match unsealed {
                0 => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                UNSEALED_MAX.. => Err(RecvTimeoutError::Timeout),
                _ => receiver.recv_timeout(QUIET),
            };
            let first = match next {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => {
                    self.seal();
                    unsealed = 0;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return self.seal(),
            };
            unsealed += 1;
            let mut bytes = first.batch.bytes();
            let mut group = vec![first];
            while group.len() < GROUP_MAX && bytes < GROUP_BYTES {
                let Ok(next) = receiver.try_recv() else { break };
                bytes += next.batch.bytes();
                group.push(next);
            }
            let batches: Vec<&Batch> = group.iter().map(|request| &request.batch).collect();
            let answers = self.commit(&batches);
            for (request, answer) in group.into_iter().zip(answers) {
                // The caller may have gone; that is its own affair.
                let _ = request.answer.send(answer);
            }
        }
    }

    /// Writes the seal of what was acknowledged.
    fn seal(&self) {
        // After a failure nobody knows what is on disk; the next start compares it as it is.
        if self.health.check().is_ok()
            && let Err(error) = self.records.write_seal()
        {
            self.health.fail(&error);
        }
    }

    /// The answers to a group, in its order.
    fn commit(&self, group: &[&Batch]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(group.len());
        for batch in group {
            let applied = self.health.check().and_then(|()| self.records.apply(batch));
            if let Err(error) = &applied
                && !matches!(error, StoreError::Conflict { .. } | StoreError::Failed { .. })
            {
                self.health.fail(error);
            }
            answers.push(applied);
        }
        if answers.iter().all(Result::is_err) {
            return answers;
        }
        match self.health.check().and_then(|()| self.records.sync()) {
            Ok(()) => {
                self.records.settle();
                answers
            }
            Err(error) => {
                self.health.fail(&error);
                answers.into_iter().map(|answer| not_synced(answer, &error)).collect()
            }
        }
    }
}

/// The answer to a batch whose group could not be synced because of `error`.
fn not_synced(answer: Answer, error: &StoreError) -> Answer {
    match answer {
        // May be found at the next start.
        Ok(()) => Err(StoreError::Io {
            what: "the batch may or may not be on disk".into(),
            source: std::io::Error::other(error.to_string()),
        }),
        // What it lost against may be gone.
        Err(StoreError::Conflict { .. }) => Err(StoreError::Failed { cause: error.to_string() }),
        other => other,
    }
}
