//! The policy: what a planner asks for, as data. Parses and checks text, splits budgets; knows
//! values only, no file system and no registry.
//!
//! What is written is a [`Draft`], in the shape of the TOML (or of a message with the same
//! fields); [`Draft::check`] turns it into a [`Policy`] or says all that is wrong with it, each
//! with its key and its line. Equal policies have one text and one digest, however written.

mod budget;
mod canon;
mod check;
mod dim;
mod draft;
mod error;
mod node;
mod read;
mod reasons;
mod rules;
mod types;
mod weights;

#[cfg(test)]
mod tests;

pub use budget::BudgetError;
pub use check::{BATCHES_MAX, TEXT_CHARS_MAX};
pub use dim::{GroupingError, UnknownDim, condition_on, grouping_text, parse_grouping};
pub use draft::{
    Amount, Draft, DraftBudget, DraftCertain, DraftExclude, DraftKeep, DraftLevel, DraftPeriod,
    DraftQuota, DraftReason, DraftReplacements, DraftWave, DraftWindow, Multipliers, Values,
};
pub use error::{PolicyError, PolicyErrors};
pub use read::POLICY_BYTES_MAX;
pub use types::{
    Bound, Certain, Condition, Dim, Exclude, Filter, Grouping, Hardness, Keep, LevelBudget, Method,
    Period, Policy, Quota, Reason, ReasonKind, Split, Wave, WeightBy, Weights, Window,
};
pub use weights::WEIGHT_MAX;
