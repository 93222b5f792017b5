//! The frame: which units are eligible for a policy, in which cells, and which are not and why;
//! and the roll, a digest of it all that single counties and units can be shown by.

mod build;
mod encode;
mod keep;
mod outline;
mod roll;
mod rules;
mod types;

#[cfg(test)]
mod tests;

use crate::policy::WEIGHT_MAX;

pub(crate) use build::NOT_KEPT;
pub use build::{ExcludeFact, TierFact, UnitFacts, WeightFact, WindowFact};
pub use keep::{Kept, KeptLine};
pub use outline::{DivisionName, ExcludedCount, FrameOutline, ProductOutline};
pub use roll::{
    AbsenceProof, CountyCells, CountyRoll, FrameRoll, NO_COUNTY, RosterOption, RosterRow, RowProof,
    blind, county_leaf, county_secret, frame_digest, outline_digest, row_leaf,
};
pub use rules::{UNKNOWN_TIER, product_value};
pub use types::{CellKey, Cells, Exclusions, Frame, SaleOption};

/// Why no frame could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A tier that `weights.tier` doesn't name.
    #[error(
        "tier `{tier}` of enterprise {enterprise} is not in the policy: name it in weights.tier ({named})"
    )]
    UnknownTier {
        /// The tier.
        tier: String,
        /// An enterprise that has it.
        enterprise: String,
        /// The tiers that are named.
        named: String,
    },
    /// A condition names a value that the registry doesn't have.
    #[error("{place}: {dim} = `{value}`: {what}")]
    UnknownValue {
        /// Where in the policy.
        place: String,
        /// The dimension.
        dim: String,
        /// The value.
        value: String,
        /// What is wrong.
        what: &'static str,
    },
    /// The multipliers of one unit multiply to more than [`WEIGHT_MAX`].
    #[error(
        "weights: the multipliers of one unit multiply to more than {WEIGHT_MAX}; use smaller ones"
    )]
    WeightTooLarge,
    /// The policy keeps lines of a plan, and they were not at hand.
    #[error("keep.plan: the lines of plan `{plan}` are needed to freeze this policy")]
    KeptMissing {
        /// Name of the plan.
        plan: String,
    },
    /// The registry has no province.
    #[error("the registry has no divisions: import divisions.csv first")]
    NoProvince,
    /// More units than a frame can number.
    #[error("{units} units are more than a frame can hold ({max})", max = u32::MAX)]
    TooManyUnits {
        /// Units found.
        units: u64,
    },
}
