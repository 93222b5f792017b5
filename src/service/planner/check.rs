//! Whether quotas can be met, before anything is frozen.

use std::sync::Arc;

use super::plans::Source;
use super::records::key;
use super::{Planner, PlannerError};
use crate::feasibility::{self, Answer};
use crate::frame::Frame;
use crate::model::{Digest, Work};
use crate::plan::MakeError;
use crate::policy::Policy;

impl Planner {
    /// Says whether the quotas of a policy can be met, what they cost, or what clashes and what
    /// would do. Keeps nothing.
    ///
    /// # Errors
    /// If there is no such revision or frame, or the policy doesn't fit it.
    pub fn feasibility(&self, source: &Source, work: &Work<'_>) -> Result<Answer, PlannerError> {
        work.stage("frame")?;
        let (frame, policy) = self.looked_at(source)?;
        Ok(feasibility::check(&frame, &policy, work)?)
    }

    /// What a source says, without keeping it.
    fn looked_at(&self, source: &Source) -> Result<(Arc<Frame>, Policy), PlannerError> {
        match source {
            Source::Frame(digest) => {
                let record = self.frame_record(digest)?;
                Ok((self.frame(digest)?, self.policy(&record)?))
            }
            Source::Policy { policy, revision } => {
                let revision = match revision {
                    Some(number) => self.revision(*number)?,
                    None => self.latest_revision()?,
                };
                let memo = key::frozen(&revision.digest, &policy.digest());
                let frame = match self.book.get::<Digest>(&memo)? {
                    Some(digest) => self.frame(&digest)?,
                    None => Arc::new(self.freeze_now(&revision, policy)?),
                };
                Ok((frame, policy.as_ref().clone()))
            }
        }
    }
}

/// The error of a design that could not be made, with its reasons and what would do.
pub(super) fn explained(
    frame: &Frame,
    policy: &Policy,
    error: MakeError,
    work: &Work<'_>,
) -> PlannerError {
    match error {
        MakeError::Refused(refusal) => match feasibility::explain(frame, policy, refusal, work) {
            Ok(refusal) => refusal.into(),
            Err(cancelled) => cancelled.into(),
        },
        other => other.into(),
    }
}
