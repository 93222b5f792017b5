//! Dimensions and groupings as text.

use std::fmt;
use std::str::FromStr;

use super::types::{Condition, Dim, Grouping, Hardness, Method, Quota, Split};
use super::{Bound, Filter};
use crate::model::Ratio;

/// All dimensions with a fixed name, in canonical order.
const NAMED: [(&str, Dim); 16] = [
    ("level", Dim::Level),
    ("authority", Dim::Authority),
    ("city", Dim::City),
    ("county", Dim::County),
    ("area", Dim::Area),
    ("channel", Dim::Channel),
    ("product", Dim::Product),
    ("category", Dim::Category),
    ("key_group", Dim::KeyGroup),
    ("tier", Dim::Tier),
    ("risk", Dim::Risk),
    ("cluster", Dim::Cluster),
    ("key", Dim::Key),
    ("licence", Dim::Licence),
    ("ccc", Dim::Ccc),
    ("accident", Dim::Accident),
];

/// The dimensions a planner may name, for messages.
pub(super) const DIM_NAMES: &str = "level, authority, city, county, area, channel, product, \
     category, key_group, tier, risk, cluster, key, licence, ccc, accident or an attribute x_…";

/// Longest name of an attribute in bytes, prefix included.
const ATTRIBUTE_BYTES_MAX: usize = 64;

/// A word that names no dimension.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of {DIM_NAMES}")]
pub struct UnknownDim(
    /// What was given.
    pub String,
);

impl Dim {
    /// Whether the dimension is true or false, so that it selects and weighs but never groups.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        matches!(self, Dim::Key | Dim::Licence | Dim::Ccc | Dim::Accident)
    }

    /// Whether it is a property of the product, other than the product itself.
    #[must_use]
    pub fn is_of_product(&self) -> bool {
        matches!(self, Dim::Category | Dim::KeyGroup | Dim::Risk) || {
            matches!(self, Dim::Key | Dim::Licence | Dim::Ccc)
        }
    }

    /// Whether rows can be made for its groups.
    #[must_use]
    pub fn is_groupable(&self) -> bool {
        !self.is_flag()
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Dim::Attribute(name) = self {
            return f.pad(name);
        }
        let named = NAMED.iter().find(|(_, dim)| dim == self);
        f.pad(named.map_or("", |(name, _)| name))
    }
}

impl FromStr for Dim {
    type Err = UnknownDim;

    fn from_str(text: &str) -> Result<Self, UnknownDim> {
        if let Some((_, dim)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(dim.clone());
        }
        let plain = |c: char| !(c.is_control() || c.is_whitespace() || c == '/');
        match text.strip_prefix("x_") {
            Some(rest)
                if !rest.is_empty()
                    && text.len() <= ATTRIBUTE_BYTES_MAX
                    && rest.chars().all(plain) =>
            {
                Ok(Dim::Attribute(text.to_owned()))
            }
            _ => Err(UnknownDim(text.to_owned())),
        }
    }
}

/// Why a text is no grouping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupingError {
    /// A part names no dimension.
    #[error(
        "`plan`, or dimensions joined by `/`: level, authority, city, county, area, channel, product, category, key_group, tier, risk, cluster or an attribute x_…"
    )]
    Unknown(String),
    /// A part only selects.
    #[error("a dimension that groups (`{0}` only selects: use it in `where`)")]
    SelectsOnly(Dim),
    /// A part comes twice.
    #[error("each dimension once (`{0}` comes twice)")]
    Twice(Dim),
}

/// Parses `plan` (the empty grouping) or dimensions crossed by `/`, in any order.
///
/// # Errors
/// For an unknown or repeated dimension, and for one that only selects.
pub fn parse_grouping(text: &str) -> Result<Grouping, GroupingError> {
    if text == "plan" {
        return Ok(Vec::new());
    }
    let mut grouping = Vec::new();
    for part in text.split('/') {
        let part = part.trim();
        let dim: Dim = part.parse().map_err(|_| GroupingError::Unknown(part.to_owned()))?;
        if !dim.is_groupable() {
            return Err(GroupingError::SelectsOnly(dim));
        }
        if grouping.contains(&dim) {
            return Err(GroupingError::Twice(dim));
        }
        grouping.push(dim);
    }
    grouping.sort_unstable();
    Ok(grouping)
}

/// A grouping as it is written: `plan`, or its dimensions joined by `/`.
#[must_use]
pub fn grouping_text(grouping: &[Dim]) -> String {
    if grouping.is_empty() {
        return "plan".to_owned();
    }
    grouping.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")
}

impl Condition {
    /// Whether `value` of this condition's dimension is one of the values; a category matches
    /// also below each of them (`steel` matches `steel/bar`, not `steelwork`).
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        if self.dim != Dim::Category {
            return self.any_of.binary_search_by(|v| v.as_str().cmp(value)).is_ok();
        }
        self.any_of.iter().any(|prefix| {
            value.strip_prefix(prefix.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'))
        })
    }
}

/// The condition of `filter` on `dim`, if it has one.
#[must_use]
pub fn condition_on<'a>(filter: &'a Filter, dim: &Dim) -> Option<&'a Condition> {
    filter.iter().find(|condition| condition.dim == *dim)
}

impl Bound {
    /// The share, if it is one.
    #[must_use]
    pub fn share(self) -> Option<Ratio> {
        match self {
            Bound::Share(share) => Some(share),
            Bound::Batches(_) => None,
        }
    }

    /// The batches, if it is a number of them.
    #[must_use]
    pub fn batches(self) -> Option<u64> {
        match self {
            Bound::Batches(batches) => Some(batches),
            Bound::Share(_) => None,
        }
    }
}

impl Quota {
    /// Whether it holds in every plan (legal or hard), rather than being wished for.
    #[must_use]
    pub fn is_firm(&self) -> bool {
        !matches!(self.hardness, Hardness::Target { .. })
    }

    /// Whether a bound is a share, so that a denominator is needed.
    #[must_use]
    pub fn has_share(&self) -> bool {
        [self.min, self.max].into_iter().flatten().any(|bound| bound.share().is_some())
    }

    /// Whether a bound is a rate, so that the eligible units that match are counted.
    #[must_use]
    pub fn has_rate(&self) -> bool {
        self.min_rate.is_some() || self.max_rate.is_some()
    }

    /// The grouping whose batches are the denominator of the shares of a row of `grouping`.
    #[must_use]
    pub fn base<'a>(&'a self, grouping: &'a [Dim]) -> &'a [Dim] {
        self.of.as_deref().unwrap_or(grouping)
    }
}

impl Hardness {
    /// The word used in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Hardness::Legal => "legal",
            Hardness::Hard { .. } => "hard",
            Hardness::Target { .. } => "target",
        }
    }
}

impl Method {
    /// The word used in policies and plans.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Method::M1 => "m1",
        }
    }
}

impl Split {
    /// The word used in policies; none for a table.
    #[must_use]
    pub fn as_str(&self) -> Option<&'static str> {
        match self {
            Split::Units => Some("units"),
            Split::Root => Some("root"),
            Split::Equal => Some("equal"),
            Split::Table(_) => None,
        }
    }
}
