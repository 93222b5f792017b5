//! How long work reports back, is told to stop, and is shared among threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads to use, and the two ways in which long work and its caller talk.
///
/// Nothing in it changes a result.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Threads to use, at least 1.
    pub threads: usize,
    /// Asked now and then; the work stops soon after it says so.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Told the name of each stage as it begins.
    pub progress: &'a (dyn Fn(&'static str) + Sync),
}

impl Work<'static> {
    /// Work on `threads` threads that nobody watches or stops.
    #[must_use]
    pub fn unwatched(threads: usize) -> Self {
        Work { threads: threads.max(1), cancelled: &|| false, progress: &|_| {} }
    }
}

/// The work was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

impl Work<'_> {
    /// Begins a stage.
    ///
    /// # Errors
    /// [`Cancelled`] if the caller wants no more.
    pub fn stage(&self, name: &'static str) -> Result<(), Cancelled> {
        if (self.cancelled)() {
            return Err(Cancelled);
        }
        (self.progress)(name);
        Ok(())
    }
}

/// `task` of every number below `count`, in order, on up to `threads` threads.
///
/// Which thread takes which number differs from run to run, so a task must depend on its number
/// alone.
pub fn spread<T: Send>(threads: usize, count: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = threads.min(count);
    if threads <= 1 {
        return (0..count).map(task).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return done;
            }
            done.push((number, task(number)));
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        handles.into_iter().flat_map(join).collect()
    });
    all.sort_unstable_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Runs `task` on as many parts of `items` as there are threads, each with its place in them.
pub fn spread_parts<I: Send, T: Send>(
    threads: usize,
    items: &mut [I],
    task: impl Fn(usize, &mut [I]) -> T + Sync,
) -> Vec<T> {
    let part = items.len().div_ceil(threads.max(1)).max(1);
    if part >= items.len() {
        return vec![task(0, items)];
    }
    std::thread::scope(|scope| {
        let parts = items.chunks_mut(part).enumerate();
        let task = &task;
        let handles: Vec<_> =
            parts.map(|(number, own)| scope.spawn(move || task(number * part, own))).collect();
        handles.into_iter().map(join).collect()
    })
}

/// Two tasks, beside each other if there is more than one thread.
pub fn both<A: Send, B>(
    threads: usize,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    if threads <= 1 {
        return (first(), second());
    }
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (join(first), second)
    })
}

/// The result of a scoped thread; its panic, if it had one, goes on in the caller.
pub fn join<T>(handle: std::thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
