//! Work on threads of its own: turns for what is heavy, deadlines, and being told to stop.
//!
//! Work on a blocking thread goes on when the call that wants it is gone; so every call holds a
//! flag that says so, and heavy work asks it between its stages.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio_stream::Stream;
use tonic::{Code, Status};
use tracing::Instrument;

use super::errors;
use super::limits::{
    EXPORT_WAIT_MAX, EXPORTS_AT_ONCE, HEAVY_AT_ONCE, HEAVY_NICENESS, HEAVY_WAITING_MAX,
    IMPORTS_AT_ONCE,
};
use super::planner::{Planner, PlannerError};
use super::telemetry::{Cause, Stages};
use crate::model::Work;

/// The planner, as handlers reach it.
#[derive(Clone)]
pub(super) struct Desk {
    planner: Arc<Planner>,
    lanes: [Arc<Semaphore>; 2],
    waiting: Arc<AtomicUsize>,
    exports: Arc<Semaphore>,
    stop: Stop,
    idle: Duration,
}

/// Whether the server has been told to end all work.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The answers of a stream.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What is left of the answers of a stream, and how many were fetched.
struct Rest<I> {
    answers: Option<I>,
    fetched: u64,
}

/// A task that ends with whoever holds this.
struct Watching(AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Which turns a piece of heavy work takes: a client that sends its rows slowly must not keep
/// others from drawing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lane {
    /// Freezes, draws and checks.
    Draw,
    /// Imports.
    Import,
}

/// A turn of heavy work; given back when dropped.
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// Work ended in a panic, which the panic hook has reported.
pub(super) struct Panic;

/// Lets the threads that answer short calls go first: this thread, and those that it starts.
///
/// Where the system has no such thing the work goes on as it is.
fn step_back() {
    #[cfg(target_os = "linux")]
    {
        // On Linux every thread has a priority of its own.
        let thread = Some(rustix::thread::gettid());
        let _ = rustix::process::setpriority_process(thread, HEAVY_NICENESS);
    }
}

/// Says to the work of a call that nobody waits for it any more.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Desk {
    pub fn new(planner: Arc<Planner>, stop: Stop, idle: Duration) -> Self {
        Desk {
            planner,
            lanes: [HEAVY_AT_ONCE, IMPORTS_AT_ONCE].map(|turns| Arc::new(Semaphore::new(turns))),
            waiting: Arc::default(),
            exports: Arc::new(Semaphore::new(EXPORTS_AT_ONCE)),
            stop,
            idle,
        }
    }

    /// The planner, for what doesn't block.
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// How long a stream may stand still.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// The answers of a stream, made when the client fetches them; ended by an error once the server stops,
    /// and let go, with all that they hold, if the client fetches none for too long.
    pub fn answers<T, I>(&self, answers: I) -> Answers<T>
    where
        T: 'static,
        I: Iterator<Item = Result<T, Status>> + Send + 'static,
    {
        let rest = Arc::new(Mutex::new(Rest { answers: Some(answers), fetched: 0 }));
        let (watched, idle) = (Arc::downgrade(&rest), self.idle);
        let watch = async move {
            let mut before = 0;
            loop {
                tokio::time::sleep(idle).await;
                let Some(rest) = watched.upgrade() else { return };
                let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
                if rest.fetched == before {
                    rest.answers = None;
                    tracing::warn!(fetched = before, "the client fetches nothing");
                    return;
                }
                before = rest.fetched;
            }
        };
        let watching = Watching(tokio::spawn(watch.in_current_span()).abort_handle());
        let stop = self.stop.clone();
        let mut ended = false;
        let fetch = move || {
            // Held as long as there may be something to fetch.
            let _watching = &watching;
            if ended {
                return None;
            }
            let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
            rest.fetched += 1;
            let answer = match &mut rest.answers {
                None => Some(Err(late())),
                Some(_) if stop.is_set() => Some(Err(stopping())),
                Some(answers) => answers.next(),
            };
            ended = !matches!(answer, Some(Ok(_)));
            answer
        };
        Box::pin(tokio_stream::iter(std::iter::from_fn(fetch)))
    }

    /// Reads or changes a few records, on a thread where that may block.
    pub async fn light<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Planner) -> Result<T, PlannerError> + Send + 'static,
    ) -> Result<T, Status> {
        let planner = Arc::clone(&self.planner);
        let ended = tokio::task::spawn_blocking(move || read(&planner)).await;
        self.end(ended.map_err(|_| Panic))
    }

    /// Waits for a turn of heavy work, in order; refuses if too many wait.
    pub async fn turn(&self, lane: Lane) -> Result<Turn, Status> {
        let turns = &self.lanes[lane as usize];
        if let Ok(permit) = Arc::clone(turns).try_acquire_owned() {
            return Ok(Turn(permit));
        }
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= HEAVY_WAITING_MAX {
            let message = "too many imports, draws and checks are waiting; try again later";
            return Err(errors::later(Code::ResourceExhausted, "BUSY", message));
        }
        match Arc::clone(turns).acquire_owned().await {
            Ok(permit) => Ok(Turn(permit)),
            Err(_) => Err(stopping()),
        }
    }

    /// Does heavy work on a thread of its own; it is told to stop when this future is dropped.
    pub async fn heavy<T: Send + 'static>(
        &self,
        lane: Lane,
        progress: impl Fn(&'static str) + Send + Sync + 'static,
        work: impl FnOnce(&Planner, &Work<'_>) -> Result<T, PlannerError> + Send + 'static,
    ) -> Result<T, Status> {
        let turn = self.turn(lane).await?;
        let unwanted = Arc::new(AtomicBool::new(false));
        let _flag = Flag(Arc::clone(&unwanted));
        let (planner, stop) = (Arc::clone(&self.planner), self.stop.clone());
        let (sender, ended) = oneshot::channel();
        let cause = Cause::current();
        let run = move || {
            step_back();
            let cancelled = || unwanted.load(Ordering::Relaxed) || stop.is_set();
            let threads = planner.threads();
            let stages = Stages::of(cause);
            let progress = |stage| {
                stages.begin(stage);
                progress(stage);
            };
            let work =
                || work(&planner, &Work { threads, cancelled: &cancelled, progress: &progress });
            // Nothing of a work that panicked is looked at again.
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // The turn ends with the work, not with the call.
            drop(turn);
            let _ = sender.send(ended.map_err(|_| Panic));
        };
        // A thread of its own, since it can't take its priority back.
        let started = std::thread::Builder::new().name("heavy work".into()).spawn(run);
        if let Err(error) = started {
            tracing::error!(%error, "no thread for heavy work");
            let message = "the server has no thread left; try again later";
            return Err(errors::later(Code::ResourceExhausted, "BUSY", message));
        }
        self.end(ended.await.unwrap_or(Err(Panic)))
    }

    /// A place among the exports, which each hold a plan file in memory.
    pub async fn export_place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.exports).acquire_owned();
        match tokio::time::timeout(EXPORT_WAIT_MAX, place).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let message = "too many exports at once; try again later";
                Err(errors::later(Code::ResourceExhausted, "BUSY", message))
            }
        }
    }

    /// What became of work on a blocking thread.
    pub fn end<T>(&self, ended: Result<Result<T, PlannerError>, Panic>) -> Result<T, Status> {
        match ended {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(PlannerError::Cancelled)) if self.stop.is_set() => Err(stopping()),
            Ok(Err(error)) => {
                if matches!(error, PlannerError::Store(_) | PlannerError::Damaged { .. }) {
                    tracing::error!(%error, "the store failed");
                }
                Err(errors::status(&error))
            }
            Err(Panic) => {
                tracing::error!("work ended in a panic");
                let message = "the server made a mistake; nothing was kept";
                Err(errors::simple(Code::Internal, "PANIC", message))
            }
        }
    }
}

/// The server goes away.
pub(super) fn stopping() -> Status {
    errors::later(Code::Unavailable, "STOPPING", "the server is stopping; try again later")
}

/// Ends work at the deadline that its client set.
pub(super) async fn by_deadline<T>(
    headers: &HeaderMap,
    work: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match patience(headers) {
        None => work.await,
        Some(patience) => {
            tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(late()))
        }
    }
}

/// How long a client waits for a call; none if it doesn't say.
///
/// tonic ends calls at that time, too, but as CANCELLED; so this is a little less.
pub(super) fn patience(headers: &HeaderMap) -> Option<Duration> {
    let timeout = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    let timeout = timeout.and_then(parse_timeout)?;
    Some(timeout - (timeout / 10).min(Duration::from_millis(20)))
}

/// The deadline passed.
pub(super) fn late() -> Status {
    errors::simple(Code::DeadlineExceeded, "DEADLINE", "the deadline of the call has passed")
}

/// `grpc-timeout`: at most 8 digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3_600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_that_nobody_fetches_are_let_go() {
        use tokio_stream::StreamExt;
        let store = Arc::new(crate::store::MemoryStore::new());
        let planner = Arc::new(Planner::new(store, 1).unwrap());
        let idle = Duration::from_millis(100);
        let desk = Desk::new(planner, Stop::default(), idle);
        let held = Arc::new(());
        let numbers = |held: Arc<()>| {
            (0..3).map(move |number| {
                let _held = &held;
                Ok(number)
            })
        };
        let mut slow = desk.answers(numbers(Arc::clone(&held)));
        assert_eq!(slow.next().await.unwrap().unwrap(), 0);
        let begun = std::time::Instant::now();
        while Arc::strong_count(&held) > 1 {
            assert!(begun.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(idle / 4).await;
        }
        assert_eq!(slow.next().await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert!(slow.next().await.is_none());
        // One that is fetched all the while may take longer as a whole.
        let mut steady = desk.answers(numbers(Arc::clone(&held)));
        let mut fetched = Vec::new();
        while let Some(number) = steady.next().await {
            fetched.push(number.unwrap());
            tokio::time::sleep(idle * 2 / 3).await;
        }
        assert_eq!(fetched, [0, 1, 2]);
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(parse_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        assert_eq!(parse_timeout("20m"), Some(Duration::from_millis(20)));
        for wrong in ["", "S", "5", "5x", "123456789S", "-1S", "5秒"] {
            assert_eq!(parse_timeout(wrong), None, "{wrong}");
        }
    }
}
