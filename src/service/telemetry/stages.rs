//! How long the stages of long work take.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::names;
use super::traces::Cause;

/// Times the stages of one piece of work: each lasts until the next one begins, the last one
/// until this is dropped.
pub(in crate::service) struct Stages {
    current: Mutex<Option<(&'static str, Instant)>>,
    cause: Cause,
}

impl Stages {
    pub fn of(cause: Cause) -> Self {
        Stages { current: Mutex::default(), cause }
    }

    pub fn begin(&self, stage: &'static str) {
        self.switch(Some((stage, Instant::now())));
    }

    fn switch(&self, next: Option<(&'static str, Instant)>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stage, begun)) = std::mem::replace(&mut *current, next) {
            let took = begun.elapsed();
            metrics::histogram!(names::STAGE_SECONDS, "stage" => stage).record(took);
            self.cause.stage(stage, took);
        }
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.switch(None);
    }
}
