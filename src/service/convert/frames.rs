//! Frames and exclusions.

use super::{frame_name, revision_name, timestamp};
use crate::service::planner::FrameRecord;
use crate::service::v1;

/// The message of a frame.
#[must_use]
pub fn frame(record: FrameRecord) -> v1::Frame {
    let excluded = record.excluded.into_iter();
    let quality = record.quality.into_iter();
    v1::Frame {
        name: frame_name(&record.digest),
        digest: record.digest.to_string(),
        revision: revision_name(record.revision),
        registry_digest: record.registry_digest.to_string(),
        policy_id: record.policy_id,
        policy_digest: record.policy_digest.to_string(),
        as_of: record.as_of,
        units: record.units,
        enterprises: record.enterprises,
        cells: record.cells,
        excluded_units: record.excluded_units,
        excluded: excluded.map(|(reason, units)| v1::ExcludedCount { reason, units }).collect(),
        quality: quality.map(|(kind, count)| v1::QualityFinding { kind, count }).collect(),
        freeze_time: timestamp(record.frozen_at),
        size_bytes: record.bytes,
    }
}

/// The message of an exclusion.
#[must_use]
pub fn exclusion((enterprise, product, reason): (&str, &str, &str)) -> v1::Exclusion {
    v1::Exclusion {
        enterprise_id: enterprise.to_owned(),
        product_id: product.to_owned(),
        reason: reason.to_owned(),
    }
}
