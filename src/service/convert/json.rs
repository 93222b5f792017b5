//! How enumerations and times are written where a message is shown as JSON.

use serde::Serializer;

use crate::service::v1;

/// The name of a verdict, for JSON: `feasible`.
pub fn verdict_name<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    let verdict = v1::FeasibilityVerdict::try_from(*value).unwrap_or_default();
    short(verdict.as_str_name(), "FEASIBILITY_VERDICT_", serializer)
}

/// The name of a level, for JSON: `county`.
pub fn level_name<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    let level = v1::Level::try_from(*value).unwrap_or_default();
    short(level.as_str_name(), "LEVEL_", serializer)
}

/// A time in seconds since 1970-01-01T00:00:00Z, for JSON.
pub fn seconds<S: Serializer>(
    value: &Option<prost_types::Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(value.map_or(0, |time| time.seconds))
}

/// The name of a proof, for JSON: `weights`.
pub fn proof_name<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    let proof = v1::FeasibilityProof::try_from(*value).unwrap_or_default();
    short(proof.as_str_name(), "FEASIBILITY_PROOF_", serializer)
}

fn short<S: Serializer>(name: &str, prefix: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let name = name.strip_prefix(prefix).unwrap_or(name).to_lowercase();
    serializer.serialize_str(&name.replace('_', "-"))
}
