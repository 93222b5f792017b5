//! (see the map in the crate root)

/// The protobuf messages, services and clients of `proto/spotcheck/v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("spotcheck.v1");
    /// The encoded descriptors of all files, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
