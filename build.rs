//! Makes Rust of `proto/` and keeps its descriptors for reflection; needs no `protoc`.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 7] = [
    "spotcheck/v1/registry.proto",
    "spotcheck/v1/frame.proto",
    "spotcheck/v1/feasibility.proto",
    "spotcheck/v1/plan.proto",
    "spotcheck/v1/policy.proto",
    "spotcheck/v1/lifecycle.proto",
    "spotcheck/v1/audit.proto",
];

/// Messages that are also written as JSON.
const JSON: [&str; 15] = [
    "CheckFeasibilityResponse",
    "AuthorityBudget",
    "ClashingRule",
    "ClashPlace",
    "QuotaReach",
    "Remedy",
    "RemedyStep",
    "MoreUnits",
    "QuotaPrice",
    "RowRoom",
    "Replacement",
    "StandingRow",
    "ComplianceRow",
    "ReplacementRate",
    "GetPlanStandingResponse",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    // Sorted maps, so that nothing depends on the order of a hash.
    config.btree_map(["."]);
    // What `check` and `replacements` write as JSON are the answers of the service.
    for message in JSON {
        config.type_attribute(message, "#[derive(serde::Serialize)]");
    }
    for (field, writer) in [
        ("CheckFeasibilityResponse.verdict", "verdict_name"),
        ("CheckFeasibilityResponse.proof", "proof_name"),
        ("ReplacementRate.level", "level_name"),
        ("Replacement.create_time", "seconds"),
    ] {
        let attribute = format!("#[serde(serialize_with = \"crate::service::{writer}\")]");
        config.field_attribute(field, attribute);
    }
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}
