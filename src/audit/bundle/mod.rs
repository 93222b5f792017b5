//! The bundle: one file with all that an auditor needs, offline, to check a plan and the way it came
//! about. A zip archive, so that people can open it; docs/BUNDLE.md describes its members.
//!
//! | file | what for |
//! |---|---|
//! | `container` | members, manifest and signature; bounded and strict reading |
//! | `replaced` | lines that fell out, with the evidence |
//! | `whole` | the bundle of a whole plan, and its checks |

mod container;
mod replaced;
mod whole;

#[cfg(test)]
mod tests;

pub use container::{BUNDLE_FORMAT, BundleError, Members, is_bundle, open, pack};
pub use replaced::OpenedReplacement;
pub use whole::{Parts, members, verify};
