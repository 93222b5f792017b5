//! The service: a planner over a store, and the gRPC interface to it.
//!
//! | file | what for |
//! |---|---|
//! | [`planner`] | the application: imports, freezes, draws; knows no gRPC |
//! | [`server`] | listens, serves, drains |
//! | `connections` | how many there may be, and how long one may be silent |
//! | `registry`, `frames`, `plans`, `lifecycle`, `audit` | the handlers of the services |
//! | [`convert`] | messages to values and back, one file each |
//! | `errors` | the planner's errors as gRPC statuses |
//! | `lists` | pages and streams of what a plan holds |
//! | `pages` | page sizes and page tokens |
//! | [`phase`], `late` | starting, serving, draining, ending; services that wait for the store |
//! | [`telemetry`] | logs, metrics, readiness |
//! | `tally` | how much each of many holds, up to a bound |
//! | `work` | long work on its own threads: turns, deadlines, cancellation |
//! | [`limits`] | what the service may not exceed, with reasons |

mod audit;
mod connections;
pub mod convert;
mod errors;
mod frames;
pub mod identity;
mod late;
mod lifecycle;
pub mod limits;
mod lists;
mod pages;
pub mod phase;
pub mod planner;
mod plans;
mod registry;
pub mod server;
mod tally;
pub mod telemetry;
mod work;

/// The protobuf messages, services and clients of `proto/spotcheck/v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("spotcheck.v1");
    /// The encoded descriptors of all files, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

pub(crate) use convert::{level_name, proof_name, seconds, verdict_name};
pub use planner::{Planner, PlannerError};
pub use server::{Serving, serve, serve_when};
