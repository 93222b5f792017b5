//! `spotcheck` plans random product-quality spot checks (产品质量监督抽查) for a province.
//!
//! The rooms, in order of dependency; each uses only those before it:
//!
//! | room | what it is for | may touch |
//! |---|---|---|
//! | [`model`] | terms, identifiers, rationals, digests, canonical bytes | values only |
//! | [`registry`] | tables, validation, revisions; CSV reading | streams handed in |
//! | [`policy`] | the policy grammar, parsing, budgets | values only |
//! | [`frame`] | eligibility, cells, exclusions, frame digest | values only |
//! | [`design`] | target, calibration, exact flow, certificate | values only |
//! | [`draw`] | random streams, rounding, lots | values only |
//! | [`feasibility`] | which quotas clash, and what would do; what quotas cost | values only |
//! | [`plan`] | lines, compliance, estimates, encoding | streams handed in |
//! | [`audit`] | verification of an exported plan | streams handed in |
//! | [`store`] | durable records and content-addressed segments | the file system, sled |
//! | [`config`] | settings of the server: file, environment, command line | values only |
//! | [`service`] | the gRPC interface | tonic, prost, tokio |
//! | [`cli`] | the command line | everything |
//!
//! [`generate`] writes a synthetic province and stands beside them; it uses [`model`] and the
//! random streams of [`draw`].
//!
//! From [`model`] to [`audit`] nothing knows a clock, a socket or a file system, and every
//! decision is taken in integers, so that a seed means the same plan on every platform.

pub mod audit;
pub mod cli;
pub mod config;
pub mod design;
pub mod draw;
pub mod feasibility;
pub mod frame;
pub mod generate;
pub mod model;
pub mod plan;
pub mod policy;
pub mod registry;
pub mod service;
pub mod store;
