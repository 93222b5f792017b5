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
const FEASIBILITY: [&str; 10] = [
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
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    // Sorted maps, so that nothing depends on the order of a hash.
    config.btree_map(["."]);
    // What `check --format json` writes is the answer of the service.
    for message in FEASIBILITY {
        config.type_attribute(message, "#[derive(serde::Serialize)]");
    }
    for field in ["verdict", "proof"] {
        config.field_attribute(
            format!("CheckFeasibilityResponse.{field}"),
            format!("#[serde(serialize_with = \"crate::service::{field}_name\")]"),
        );
    }
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}
