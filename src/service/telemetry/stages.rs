//! How long the stages of long work take.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::names;

/// Times the stages of one piece of work: each lasts until the next one begins, the last one
/// until this is dropped.
#[derive(Default)]
pub(in crate::service) struct Stages(Mutex<Option<(&'static str, Instant)>>);

impl Stages {
    pub fn begin(&self, stage: &'static str) {
        self.switch(Some((stage, Instant::now())));
    }

    fn switch(&self, next: Option<(&'static str, Instant)>) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stage, begun)) = std::mem::replace(&mut *current, next) {
            metrics::histogram!(names::STAGE_SECONDS, "stage" => stage).record(begun.elapsed());
        }
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.switch(None);
    }
}
