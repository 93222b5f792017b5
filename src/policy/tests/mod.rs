//! The grammar as seen from outside.

mod budget;
mod errors;
mod text;

/// The annual plan that the method's description uses as its example.
const ANNUAL: &str = include_str!("annual.toml");
