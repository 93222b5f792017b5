//! The audit: an independent recount of an exported plan file.
//!
//! [`verify`] takes the bytes of a plan and nothing else, and derives anew every number of it
//! that follows from the rest: keys, budgets, totals, every quota row, every lot. It shares the
//! vocabulary with the engine that makes plans (terms, policy, the file's structs) and none of
//! the engine itself, so that a slip of the one is not a slip of both.
//!
//! What a plan file cannot show is left open: that the frame's digest is that of the registry,
//! that every eligible unit is in a cell, which units an earlier plan drew ([`verify_keeping`]),
//! that the rounded counts follow from the seed, and which of several platforms a unit takes.
//! `docs/METHOD.md` says how those are checked.

mod budgets;
pub mod bundle;
mod cells;
mod dims;
mod families;
mod groups;
mod kept;
mod keys;
mod lines;
pub mod log;
mod lots;
mod read;
mod report;
mod rows;
mod rules;
mod spares;
mod standing;
mod totals;
mod verify;
mod view;

#[cfg(test)]
mod tests;

pub use kept::verify_keeping;
pub use report::{Check, PROBLEMS_SHOWN, Report};
pub use standing::{RowNow, recount};
pub use verify::verify;
