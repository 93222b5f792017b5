//! What an operator sees: a log line for every call, metrics, and whether the server is ready.
//!
//! | file | what for |
//! |---|---|
//! | [`calls`] | the layer around every call: request ids, log lines, figures, phases |
//! | `methods` | the methods that there are, so that no client makes up labels |
//! | [`names`] | the metrics that there are |
//! | `stages` | how long the stages of long work take |
//! | [`store`] | a store that counts what is written to it |
//! | [`http`] | `/metrics`, `/healthz` and `/readyz` |
//! | [`logs`] | the log on standard error |
//! | [`traces`] | spans of calls, sent to a collector |
//!
//! Logs, metrics and traces name calls, plans and revisions; never what is in a registry or a plan, a
//! seed, or a credential. Where no recorder of metrics is installed, counting does nothing.

pub mod calls;
pub mod http;
pub mod logs;
mod methods;
pub mod names;
mod stages;
pub mod store;
pub mod traces;

pub(super) use stages::Stages;
pub(super) use traces::{Cause, carried};

/// Rows of an import have arrived.
pub(super) fn rows_arrived(rows: u64) {
    metrics::counter!(names::IMPORT_ROWS).increment(rows);
}

/// A plan was drawn that was not there before.
pub(super) fn plan_drawn() {
    metrics::counter!(names::PLANS_DRAWN).increment(1);
}
