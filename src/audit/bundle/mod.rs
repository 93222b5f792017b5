//! The bundle: one file with all that an auditor needs, offline, to check a plan and the way it came
//! about. A zip archive, so that people can open it; docs/BUNDLE.md describes its members.
//!
//! | file | what for |
//! |---|---|
//! | `container` | members, manifest and signature; bounded and strict reading |
//! | `replaced` | lines that fell out, with the evidence |
//! | `whole` | the bundle of a whole plan |
//! | `county` | a county's part of a plan, without any other county's units |
//! | `public` | what everybody may know |
//! | `verify` | the checks of every form |

mod container;
mod county;
mod public;
mod replaced;
mod verify;
mod whole;

#[cfg(test)]
mod tests;

pub use container::{BUNDLE_FORMAT, BundleError, Members, is_bundle, open, pack};
pub use county::{COUNTY_FORMAT, CountyPart, Path, county_members, county_part};
pub use public::{OpenedLine, PUBLIC_FORMAT, PublicPart, public_members, public_part};
pub use replaced::OpenedReplacement;
pub use verify::verify;
pub use whole::{History, Parts, members};
