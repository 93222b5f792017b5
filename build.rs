//! Makes Rust of `proto/` and keeps its descriptors for reflection; needs no `protoc`.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 6] = [
    "spotcheck/v1/registry.proto",
    "spotcheck/v1/frame.proto",
    "spotcheck/v1/plan.proto",
    "spotcheck/v1/policy.proto",
    "spotcheck/v1/lifecycle.proto",
    "spotcheck/v1/audit.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    // Sorted maps, so that nothing depends on the order of a hash.
    config.btree_map(["."]);
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}
