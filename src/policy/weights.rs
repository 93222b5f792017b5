//! Risk weights: what they look at, and their multipliers.

use std::collections::BTreeMap;

use super::check::Findings;
use super::dim::DIM_NAMES;
use super::draft::Multipliers;
use super::rules::check_value;
use super::types::{Dim, WeightBy, Weights};

/// Largest multiplier.
pub(super) const MULTIPLIER_MAX: u64 = 1_000_000;
/// Largest product of multipliers: with ten million units the sum of all weights fits 64 bits.
pub const WEIGHT_MAX: u64 = 1_000_000_000_000;
/// Most values of one thing looked at.
const VALUES_MAX: usize = 10_000;
/// Most months since the last sampling that can be named.
const MONTHS_MAX: u32 = 1_200;

impl WeightBy {
    /// Whether what is looked at is true or false.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        match self {
            WeightBy::Dim(dim) => dim.is_flag(),
            WeightBy::Failed => true,
            WeightBy::Unchecked => false,
        }
    }
}

impl std::fmt::Display for WeightBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WeightBy::Dim(dim) => dim.fmt(f),
            WeightBy::Failed => f.pad("failed"),
            WeightBy::Unchecked => f.pad("unchecked"),
        }
    }
}

/// Checks the weights of a policy.
pub(super) fn check(drafts: &BTreeMap<String, Multipliers>, found: &mut Findings) -> Weights {
    let mut weights = BTreeMap::new();
    let mut largest = 1u128;
    for (name, draft) in drafts {
        let path = format!("weights.{name}");
        let by = match name.as_str() {
            "failed" => WeightBy::Failed,
            "unchecked" => WeightBy::Unchecked,
            _ => match name.parse() {
                Ok(Dim::Level | Dim::Authority) | Err(_) => {
                    let expected = format!("failed, unchecked or one of {DIM_NAMES}");
                    found.add(&path, name, expected.replace("level, authority, ", ""));
                    continue;
                }
                Ok(dim) => WeightBy::Dim(dim),
            },
        };
        let table = multipliers(&by, draft, &path, found);
        let most = table.values().copied().max().unwrap_or(1);
        largest = largest.saturating_mul(u128::from(most));
        weights.insert(by, table);
    }
    if largest > u128::from(WEIGHT_MAX) {
        let value = format!("up to {largest}");
        found.add("weights", &value, format!("multipliers whose product is at most {WEIGHT_MAX}"));
    }
    Weights(weights)
}

fn multipliers(
    by: &WeightBy,
    draft: &Multipliers,
    path: &str,
    found: &mut Findings,
) -> BTreeMap<String, u64> {
    let table = match draft {
        Multipliers::IfTrue(multiplier) => {
            if by.is_flag() {
                check_multiplier(*multiplier, path, found);
            } else {
                let expected = "a table of multipliers by value, such as { low = 1, high = 4 }";
                found.add(path, &multiplier.to_string(), expected);
            }
            return BTreeMap::from([("true".to_owned(), *multiplier)]);
        }
        Multipliers::Table(table) => table,
    };
    if table.is_empty() {
        found.add(path, "", "at least one value with its multiplier");
    }
    found.at_most(path, table.len(), VALUES_MAX, "values");
    for (value, multiplier) in table.iter().take(VALUES_MAX) {
        let path = format!("{path}.{value}");
        match by {
            WeightBy::Unchecked => check_months(value, &path, found),
            WeightBy::Failed => check_value(&Dim::Key, value, &path, found),
            WeightBy::Dim(dim) if value != "*" || dim.is_flag() => {
                check_value(dim, value, &path, found);
            }
            WeightBy::Dim(_) => {}
        }
        check_multiplier(*multiplier, &path, found);
    }
    table.clone()
}

fn check_multiplier(multiplier: u64, path: &str, found: &mut Findings) {
    if multiplier == 0 || multiplier > MULTIPLIER_MAX {
        let expected = format!("a multiplier from 1 to {MULTIPLIER_MAX}");
        found.add(path, &multiplier.to_string(), expected);
    }
}

fn check_months(text: &str, path: &str, found: &mut Findings) {
    let months = text.parse::<u32>().ok().filter(|months| months.to_string() == text);
    if months.is_none_or(|months| months > MONTHS_MAX) {
        let expected = format!("a number of months from 0 to {MONTHS_MAX}, e.g. \"12\"");
        found.add(path, if text.is_empty() { "\"\"" } else { text }, expected);
    }
}
