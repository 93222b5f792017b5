//! The frame in outline: what a plan says of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Frame;
use crate::model::{Digest, DivisionCode, Symbols};

/// The frozen frame in outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameOutline {
    /// Digest of the frame.
    pub digest: Digest,
    /// Digest of the registry revision that it is a snapshot of.
    pub registry_digest: Digest,
    /// Digest of the policy that it was made for.
    pub policy_digest: Digest,
    /// Day as of which tiers, status and history are known.
    pub as_of: String,
    /// Eligible units.
    pub units: u64,
    /// Enterprises with an eligible unit.
    pub enterprises: u64,
    /// Cells.
    pub cells: u64,
    /// Counts of what is not eligible, by reason, ascending.
    pub excluded: Vec<ExcludedCount>,
    /// Findings on the data, by kind, with counts.
    pub quality: BTreeMap<String, u64>,
    /// The province, its cities and counties, ascending by code.
    pub divisions: Vec<DivisionName>,
    /// Dictionary of counties: a cell's `county` is a place in this list.
    pub counties: Vec<DivisionCode>,
    /// Dictionary of products.
    pub products: Vec<ProductOutline>,
    /// Dictionary of tiers.
    pub tiers: Vec<String>,
    /// Dictionary of clusters; the empty text is none.
    pub clusters: Vec<String>,
    /// Dictionaries of attribute values by attribute; the empty text is none.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// How many units one reason excludes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedCount {
    /// The reason.
    pub reason: String,
    /// Units.
    pub units: u64,
}

/// A division's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DivisionName {
    /// Code.
    pub code: DivisionCode,
    /// Name.
    pub name: String,
}

/// What a plan says of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductOutline {
    /// Identifier.
    pub product_id: String,
    /// Chinese name.
    pub name: String,
    /// English name; may be empty.
    pub name_en: String,
    /// Category path.
    pub category: String,
    /// Key product.
    pub key: bool,
    /// Group of key products; may be empty.
    pub key_group: String,
    /// Product-risk grade; may be empty.
    pub risk: String,
    /// Production licence required.
    pub licence: bool,
    /// CCC certification required.
    pub ccc: bool,
    /// Mandatory standards.
    pub mandatory_standards: Vec<String>,
    /// Inspection items, safety items first and marked `!`.
    pub items: Vec<String>,
    /// Test sample, in `quantity_unit`.
    pub test_quantity: u32,
    /// Reserve sample, in `quantity_unit`.
    pub reserve_quantity: u32,
    /// Unit of both.
    pub quantity_unit: String,
}

fn texts(symbols: &Symbols) -> Vec<String> {
    symbols.iter().map(str::to_owned).collect()
}

/// The frame in outline; `digest` is the frame's own.
pub(super) fn outline(frame: &Frame, digest: &Digest) -> FrameOutline {
    let excluded = frame.exclusions.reasons.iter().zip(frame.exclusions.counts());
    FrameOutline {
        digest: *digest,
        registry_digest: frame.registry_digest,
        policy_digest: frame.policy_digest,
        as_of: frame.as_of.to_string(),
        units: frame.units(),
        enterprises: frame.enterprise_ids.len() as u64,
        cells: frame.cells.len() as u64,
        excluded: excluded
            .map(|(reason, units)| ExcludedCount { reason: reason.clone(), units })
            .collect(),
        quality: frame.quality.iter().cloned().collect(),
        divisions: frame
            .divisions
            .iter()
            .map(|(code, name)| DivisionName { code: *code, name: name.clone() })
            .collect(),
        counties: frame.counties.clone(),
        products: frame.products.iter().map(product).collect(),
        tiers: texts(&frame.tiers),
        clusters: texts(&frame.clusters),
        attributes: frame
            .attributes
            .iter()
            .map(|(name, values)| (name.clone(), texts(values)))
            .collect(),
    }
}

fn product(product: &crate::registry::Product) -> ProductOutline {
    let mandatory = product.standards.iter().filter(|standard| standard.mandatory);
    // Safety items first, each part as listed.
    let safety = product.items.iter().filter(|item| item.safety);
    let others = product.items.iter().filter(|item| !item.safety);
    ProductOutline {
        product_id: product.id.clone(),
        name: product.name.clone(),
        name_en: product.name_en.clone(),
        category: product.category.clone(),
        key: product.key,
        key_group: product.key_group.clone(),
        risk: product.risk.clone(),
        licence: product.licence,
        ccc: product.ccc,
        mandatory_standards: mandatory.map(|standard| standard.code.clone()).collect(),
        items: safety
            .map(|item| format!("{}!", item.name))
            .chain(others.map(|item| item.name.clone()))
            .collect(),
        test_quantity: product.test_quantity,
        reserve_quantity: product.reserve_quantity,
        quantity_unit: product.quantity_unit.clone(),
    }
}
