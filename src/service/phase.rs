//! Where in its life a server is: starting, serving, draining, ending.

use std::sync::Arc;

use tokio::sync::watch;

/// Where in its life a server is; only ever the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The store is being opened and checked; calls are refused.
    Starting,
    /// Calls are taken.
    Serving,
    /// New calls are refused, open ones may end.
    Draining,
    /// Open calls are ended.
    Ending,
}

/// The phase of one server, as all its parts see it.
#[derive(Debug, Clone)]
pub struct Phases(Arc<watch::Sender<Phase>>);

impl Default for Phases {
    fn default() -> Self {
        Phases(Arc::new(watch::Sender::new(Phase::Starting)))
    }
}

impl Phases {
    /// The phase now.
    #[must_use]
    pub fn now(&self) -> Phase {
        *self.0.borrow()
    }

    /// Goes on to a later phase; never back.
    pub(super) fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
    }

    /// Waits until `phase`, or a later one, is reached.
    pub async fn reached(&self, phase: Phase) {
        // The sender is held here, so it cannot be gone.
        let _ = self.0.subscribe().wait_for(|now| *now >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_never_go_back() {
        let phases = Phases::default();
        assert_eq!(phases.now(), Phase::Starting);
        phases.enter(Phase::Draining);
        phases.enter(Phase::Serving);
        assert_eq!(phases.now(), Phase::Draining);
        phases.reached(Phase::Serving).await;
    }
}
