//! How long work reports back and is told to stop.

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

/// The result of a scoped thread; its panic, if it had one, goes on in the caller.
pub fn join<T>(handle: std::thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
