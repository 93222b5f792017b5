//! Why the planner did not do what was asked, in a planner's words.

use crate::audit::log::LedgerError;
use crate::design::Refusal;
use crate::draw::SeedError;
use crate::frame::FrameError;
use crate::model::Cancelled;
use crate::plan::{MakeError, ReplaceError};
use crate::policy::PolicyErrors;
use crate::registry::Report;
use crate::service::limits::REASON_CHARS_MAX;
use crate::store::StoreError;

/// Why the planner did not do what was asked. Nothing was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlannerError {
    /// The registry is empty.
    #[error("nothing has been imported yet")]
    NothingImported,
    /// There is no such thing.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// `revision`, `frame` or `plan`.
        kind: &'static str,
        /// The name that was given.
        name: String,
    },
    /// Rows of an import are wrong.
    #[error("nothing was imported: {0}")]
    BadRows(Report),
    /// The policy is wrong.
    #[error("the policy cannot be used:\n{0}")]
    Policy(#[from] PolicyErrors),
    /// The policy doesn't fit the registry.
    #[error("the policy does not fit the registry: {0}")]
    Frame(#[from] FrameError),
    /// The lines of a plan cannot be kept.
    #[error("keep.plan: the lines of plan `{plan}` cannot be kept: {why}")]
    Keep {
        /// The plan.
        plan: String,
        /// Why not.
        why: &'static str,
    },
    /// The seed's text is refused.
    #[error("{0}")]
    Seed(#[from] SeedError),
    /// The quotas cannot be met, or no certificate was found.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller wants no more.
    #[error("cancelled")]
    Cancelled,
    /// The registry is at another revision than the import builds on.
    #[error(
        "the registry is at revision {head}, the import builds on revision {base}; \
         nothing was imported (0 is the empty registry)"
    )]
    RevisionConflict {
        /// The revision that the import builds on; 0 for none.
        base: u64,
        /// The latest revision; 0 for none.
        head: u64,
    },
    /// The programme has been drawn.
    #[error(
        "this programme has been drawn: plan `{plan}`; another seed, policy or frame needs to \
         supersede it, with a reason"
    )]
    AlreadyDrawn {
        /// The latest plan of the programme.
        plan: String,
    },
    /// What is to be superseded is not the latest of the programme.
    #[error("`{given}` cannot be superseded: the latest of this programme is {latest}")]
    NotTheLatest {
        /// The plan that was named.
        given: String,
        /// The latest plan, or `none`.
        latest: String,
    },
    /// The seed belongs to a plan of this input that was drawn in another way.
    #[error("this seed drew plan `{plan}` of the same input before; take another seed")]
    SeedUsed {
        /// The plan.
        plan: String,
    },
    /// A supersession must say why.
    #[error("superseding a plan needs a reason of 1-{REASON_CHARS_MAX} characters on one line")]
    Reason,
    /// A reason without a supersession.
    #[error("a reason is given for superseding a plan, and no plan is named")]
    ReasonAlone,
    /// The request's name breaks the rules.
    #[error(
        "`{0}` is no request id: it must be 1-64 characters of A-Z a-z 0-9 . _ -, \
         beginning with a letter or digit"
    )]
    RequestId(String),
    /// The request's name was used before, for something else.
    #[error("request id `{0}` was used for another request")]
    RequestReused(String),
    /// The caller saw something older.
    #[error(
        "`{name}` is another by now than when you read it: its etag is `{etag}`; read it again"
    )]
    Etag {
        /// The record.
        name: String,
        /// Its etag now.
        etag: String,
    },
    /// The log's rules don't allow it.
    #[error("{0}")]
    Log(#[from] LedgerError),
    /// The seed does not open what the frozen record committed to.
    #[error(
        "the seed does not open what `{freeze}` committed to: it needs a seed from `{source_name}`, \
         with the same share"
    )]
    NotCommitted {
        /// The frozen record.
        freeze: String,
        /// The source that it fixed.
        source_name: &'static str,
    },
    /// The line cannot fall out.
    #[error("{0}")]
    Replace(#[from] ReplaceError),
    /// There is no evidence.
    #[error("the evidence must be 1-{REASON_CHARS_MAX} characters on one line")]
    Evidence,
    /// A copy needs a new place.
    #[error("the directory holds a store already: a copy needs a new or empty one")]
    NotEmpty,
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The store has something that cannot be read, or lacks something.
    #[error("the store is damaged: {what}: {why}")]
    Damaged {
        /// The record or segment.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl PlannerError {
    /// Whether something that was stored is not there as it was.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            PlannerError::Damaged { .. } => true,
            PlannerError::Store(error) => error.is_damage(),
            _ => false,
        }
    }

    pub(super) fn damaged(what: impl Into<String>, why: impl ToString) -> Self {
        PlannerError::Damaged { what: what.into(), why: why.to_string() }
    }
}

impl From<Cancelled> for PlannerError {
    fn from(_: Cancelled) -> Self {
        PlannerError::Cancelled
    }
}

impl From<Report> for PlannerError {
    fn from(report: Report) -> Self {
        PlannerError::BadRows(report)
    }
}

impl From<MakeError> for PlannerError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Seed(error) => PlannerError::Seed(error),
            MakeError::Refused(refusal) => PlannerError::Refused(refusal),
            MakeError::Cancelled(_) => PlannerError::Cancelled,
            // The planner hands over a frame with the policy it was frozen for.
            other => PlannerError::damaged("frame", other),
        }
    }
}
