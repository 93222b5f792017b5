//! How long the stages of long work take.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use super::names;
use super::traces::Cause;

/// Times the stages of one piece of work: each lasts until the next one begins, the last one
/// until this is dropped.
pub(in crate::service) struct Stages {
    current: Mutex<Option<Stage>>,
    cause: Cause,
}

struct Stage {
    name: &'static str,
    begun: Instant,
    at: SystemTime,
}

impl Stages {
    pub fn of(cause: Cause) -> Self {
        Stages { current: Mutex::default(), cause }
    }

    pub fn begin(&self, name: &'static str) {
        self.switch(Some(Stage { name, begun: Instant::now(), at: SystemTime::now() }));
    }

    fn switch(&self, next: Option<Stage>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Stage { name, begun, at }) = std::mem::replace(&mut *current, next) {
            metrics::histogram!(names::STAGE_SECONDS, "stage" => name).record(begun.elapsed());
            self.cause.stage(name, at);
        }
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.switch(None);
    }
}
