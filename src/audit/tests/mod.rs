//! A small honest engine, and what happens to its plans when anything in them is changed.

mod builder;
mod forgeries;
mod honest;
mod noise;
mod parts;

use crate::audit::{Report, verify};
use crate::plan::Document;

/// The bytes of a plan.
pub fn bytes(document: &Document) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(document).unwrap();
    bytes.push(b'\n');
    bytes
}

/// Verifies a document in its canonical text.
pub fn report(document: &Document) -> Report {
    verify(&bytes(document))
}

/// The names of the checks that fail.
pub fn failing(report: &Report) -> Vec<&'static str> {
    report.checks.iter().filter(|check| !check.holds()).map(|check| check.name).collect()
}
