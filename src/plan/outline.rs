//! What a plan says of its frame.

use crate::frame::Frame;
use crate::model::{Digest, Symbols};

use super::{DivisionName, ExcludedCount, FrameOutline, ProductOutline};

fn texts(symbols: &Symbols) -> Vec<String> {
    symbols.iter().map(str::to_owned).collect()
}

/// The frame in outline.
pub(super) fn frame(frame: &Frame, digest: &Digest, policy_digest: &Digest) -> FrameOutline {
    let excluded = frame.exclusions.reasons.iter().zip(frame.exclusions.counts());
    FrameOutline {
        digest: *digest,
        registry_digest: frame.registry_digest,
        policy_digest: *policy_digest,
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
