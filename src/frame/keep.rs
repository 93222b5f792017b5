//! Lines of an earlier plan that a frame keeps.

use std::collections::HashMap;

use crate::model::{Channel, Level};
use crate::registry::Registry;

/// A drawn line of an earlier plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptLine {
    /// Enterprise.
    pub enterprise: String,
    /// Product.
    pub product: String,
    /// The level that drew it.
    pub level: Level,
    /// The channel that it was drawn in.
    pub channel: Channel,
}

/// The lines that a policy's `keep` names. A unit of theirs that the same level may still draw in the
/// same channel is left to these alone, and is a certainty unit or has a greater weight; any
/// other is a unit like all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    lines: Vec<KeptLine>,
}

impl Kept {
    /// Drawn lines, in any order, each unit once.
    #[must_use]
    pub fn new(lines: Vec<KeptLine>) -> Self {
        Kept { lines }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// By place of the enterprise and product in a registry, those that it knows.
    pub(super) fn places(&self, registry: &Registry) -> HashMap<(u32, u32), (Level, Channel)> {
        let place = |line: &KeptLine| {
            let enterprise = registry.enterprises.ids.find_sorted(&line.enterprise)?;
            let id = line.product.as_str();
            let product = registry.products.binary_search_by(|p| p.id.as_str().cmp(id)).ok()?;
            Some(((enterprise as u32, product as u32), (line.level, line.channel)))
        };
        self.lines.iter().filter_map(place).collect()
    }
}
