//! Revisions and policies into frames.

use std::sync::Arc;

use super::book::Change;
use super::records::key;
use super::requests::Request;
use super::{FrameRecord, PlanState, Planner, PlannerError, RevisionRecord};
use crate::frame::{Frame, FrameRoll, Kept, KeptLine};
use crate::model::Digest;
use crate::plan::Line;
use crate::policy::Policy;
use crate::service::limits::RECORD_REASONS_BYTES_MAX;

impl Planner {
    /// Freezes the part of a revision (none: the latest) that `policy` can draw from.
    ///
    /// Named by its content: the same revision and policy give the same frame, and the record of
    /// the first time. `now` is in seconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// If there is no such revision, or the policy doesn't fit it.
    pub fn freeze(
        &self,
        policy: &Policy,
        revision: Option<u64>,
        request_id: &str,
        now: u64,
    ) -> Result<FrameRecord, PlannerError> {
        let policy_digest = policy.digest();
        let wanted = revision.map_or_else(|| "latest".to_owned(), |number| number.to_string());
        let request = Request::new("freeze", request_id, &[&policy_digest.0, wanted.as_bytes()])?;
        if let Some(name) = request.known(&self.book)? {
            return self.frame_record_named(&name);
        }
        let record = self.freeze_unnamed(policy, &policy_digest, revision, now)?;
        request.keep(&self.book, &record.digest.to_string())?;
        Ok(record)
    }

    fn freeze_unnamed(
        &self,
        policy: &Policy,
        policy_digest: &Digest,
        revision: Option<u64>,
        now: u64,
    ) -> Result<FrameRecord, PlannerError> {
        let revision = match revision {
            Some(number) => self.revision(number)?,
            None => self.latest_revision()?,
        };
        // A frame follows from these two: where they were frozen before, nothing is left to do.
        let memo = key::frozen(&revision.digest, policy_digest);
        if let Some(digest) = self.book.get::<Digest>(&memo)? {
            return self.frame_record(&digest);
        }
        let frame = self.freeze_now(&revision, policy)?;
        let bytes = frame.encode();
        let segment = self.book.put_segment(&bytes)?;
        let roll = frame.roll(&segment, self.threads);
        let digest = roll.digest;
        let roll = serde_json::to_vec(&roll).map_err(|e| PlannerError::damaged("the roll", e))?;
        let roll = self.book.put_segment(&roll)?;
        let policy_segment = self.book.put_segment(policy.canonical_text().as_bytes())?;
        let record = FrameRecord {
            digest,
            segment,
            roll,
            bytes: bytes.len() as u64,
            revision: revision.number,
            registry_digest: revision.digest,
            policy_id: policy.id.clone(),
            policy_digest: *policy_digest,
            policy_segment,
            as_of: frame.as_of.to_string(),
            units: frame.units(),
            enterprises: frame.enterprise_ids.len() as u64,
            cells: frame.cells.len() as u64,
            excluded_units: frame.exclusions.reason.len() as u64,
            excluded: excluded(&frame),
            quality: frame.quality.clone(),
            frozen_at: now,
        };
        let mut change = Change::default();
        change.expect::<Digest>(&memo, None)?;
        change.put(&memo, &digest)?;
        change.put(&key::frame(&digest), &record)?;
        if self.book.commit(change)? {
            self.frames.put(digest, Arc::new(frame));
            return Ok(record);
        }
        // Another call froze the same at the same time.
        self.frame_record(&digest)
    }

    /// The frame of a revision and a policy, whether or not it was frozen before.
    pub(super) fn freeze_now(
        &self,
        revision: &RevisionRecord,
        policy: &Policy,
    ) -> Result<Frame, PlannerError> {
        let kept = self.kept(policy)?;
        let registry = self.registry(revision.number)?;
        Ok(Frame::freeze_keeping(&registry, revision.digest, policy, kept.as_ref())?)
    }

    /// The lines that a policy keeps of an earlier plan of its programme, if it does.
    pub(super) fn kept(&self, policy: &Policy) -> Result<Option<Kept>, PlannerError> {
        let Some(keep) = &policy.keep else { return Ok(None) };
        let cannot = |why| PlannerError::Keep { plan: keep.plan.clone(), why };
        let record = self.plan_record(&keep.plan)?;
        if record.policy_id != policy.id {
            return Err(cannot("it is of another programme"));
        }
        if record.state == PlanState::Void {
            return Err(cannot("it is void"));
        }
        let document = self.document(&keep.plan)?;
        let line = |line: &Line| KeptLine {
            enterprise: line.enterprise_id.clone(),
            product: line.product_id.clone(),
            level: line.level,
            channel: line.channel,
        };
        Ok(Some(Kept::new(document.drawn().map(line).collect())))
    }

    fn frame_record_named(&self, name: &str) -> Result<FrameRecord, PlannerError> {
        match name.parse() {
            Ok(digest) => self.frame_record(&digest),
            Err(_) => Err(PlannerError::NotFound { kind: "frame", name: name.to_owned() }),
        }
    }

    /// A frame's record.
    ///
    /// # Errors
    /// If there is none of this digest.
    pub fn frame_record(&self, digest: &Digest) -> Result<FrameRecord, PlannerError> {
        self.book.get(&key::frame(digest))?.ok_or_else(|| PlannerError::NotFound {
            kind: "frame",
            name: format!("frames/{digest}"),
        })
    }

    /// Records of frames, ascending by digest, at most `limit` after the digest `after`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn frames(
        &self,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Vec<FrameRecord>, PlannerError> {
        let after = after.map(ToString::to_string).unwrap_or_default();
        self.book.list(key::FRAMES, &after, limit)
    }

    /// A frame.
    ///
    /// # Errors
    /// If there is none of this digest, or its segment is damaged.
    pub fn frame(&self, digest: &Digest) -> Result<Arc<Frame>, PlannerError> {
        self.frames.get_or(digest, || self.load_frame(digest))
    }

    /// Reads a frame from its segment, whatever is cached.
    pub(super) fn load_frame(&self, digest: &Digest) -> Result<Frame, PlannerError> {
        let record = self.frame_record(digest)?;
        let bytes = self.book.segment(&record.segment)?;
        let damaged = |error| PlannerError::damaged(format!("frame {digest}"), error);
        Frame::decode(&bytes).map_err(damaged)
    }

    /// The roll of a frame.
    ///
    /// # Errors
    /// If there is no such frame, or its segment is damaged.
    pub(super) fn roll(&self, digest: &Digest) -> Result<FrameRoll, PlannerError> {
        let bytes = self.book.segment(&self.frame_record(digest)?.roll)?;
        let damaged = |error| PlannerError::damaged(format!("roll of frame {digest}"), error);
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// The policy that a frame was frozen for.
    ///
    /// # Errors
    /// If its segment is damaged.
    pub fn policy(&self, frame: &FrameRecord) -> Result<Policy, PlannerError> {
        Planner::policy_in(frame, &self.book.segment(&frame.policy_segment)?)
    }

    /// The policy in the bytes of the segment that a frame names.
    pub(super) fn policy_in(frame: &FrameRecord, bytes: &[u8]) -> Result<Policy, PlannerError> {
        let what = format!("policy of frame {}", frame.digest);
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| PlannerError::damaged(what.as_str(), e))?;
        let policy =
            Policy::from_json(&value).map_err(|e| PlannerError::damaged(what.as_str(), e))?;
        if policy.digest() == frame.policy_digest {
            Ok(policy)
        } else {
            Err(PlannerError::damaged(what, "another digest"))
        }
    }
}

/// Counts by reason, as many as a record holds.
fn excluded(frame: &Frame) -> Vec<(String, u64)> {
    let mut left = RECORD_REASONS_BYTES_MAX;
    let counts = frame.exclusions.reasons.iter().cloned().zip(frame.exclusions.counts());
    counts
        .take_while(|(reason, _)| {
            let fits = reason.len() + 32 <= left;
            left = left.saturating_sub(reason.len() + 32);
            fits
        })
        .collect()
}
