//! Messages to values and back. Nothing below this room knows the messages.

mod feasibility;
mod frames;
mod json;
mod lifecycle;
mod names;
mod plans;
mod policy;
mod registry;

pub use feasibility::feasibility;
pub use frames::{exclusion, frame};
pub use json::{level_name, proof_name, seconds, verdict_name};
pub use lifecycle::{fallen, frozen_plan, replacement, seed_plan, standing, tested};
pub use names::{
    Misnamed, frame_digest, frame_name, freeze_id, freeze_name, plan_id, plan_name, revision_name,
    revision_number,
};
pub use plans::{
    area, authority, channel, compliance, level, level_filter, line, percentile, plan,
    verification, wave,
};
pub use policy::{draft, policy_message};
pub use registry::{id_scheme, import_mode, push_rows, revision, row_count, table, table_message};

/// Seconds since 1970-01-01T00:00:00Z as a timestamp.
#[must_use]
pub fn timestamp(seconds: u64) -> Option<prost_types::Timestamp> {
    i64::try_from(seconds).ok().map(|seconds| prost_types::Timestamp { seconds, nanos: 0 })
}
