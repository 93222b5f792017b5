//! What a frame holds.

use crate::model::{
    Area, Channel, ChannelSet, Date, Digest, DivisionCode, HashName, Symbol, Symbols, TextColumn,
};
use crate::registry::Product;

/// A frozen snapshot of a registry revision for a policy: the eligible units in their cells, and
/// what is not eligible with the reason.
///
/// A function of the revision and the policy alone; equal inputs make equal bytes
/// (docs/METHOD.md, "Frame").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The hash of the policy's method.
    pub hash: HashName,
    /// Digest of the registry revision.
    pub registry_digest: Digest,
    /// Digest of the policy.
    pub policy_digest: Digest,
    /// Day as of which tiers, status and history are known.
    pub as_of: Date,
    /// The province, its cities and its counties with their names, ascending by code.
    pub divisions: Vec<(DivisionCode, String)>,
    /// Every county of the province, ascending, with or without eligible units.
    pub counties: Vec<DivisionCode>,
    /// The products that have an eligible unit, ascending by id.
    pub products: Vec<Product>,
    /// Tiers.
    pub tiers: Symbols,
    /// Clusters; only the empty one if the policy's rules don't mention clusters.
    pub clusters: Symbols,
    /// Values of the attributes that the policy's rules mention, ascending by attribute.
    pub attributes: Vec<(String, Symbols)>,
    /// Names of platforms.
    pub platforms: Symbols,
    /// Distinct sets of options, ascending; each option list is sorted.
    pub options: Vec<Vec<SaleOption>>,
    /// Enterprises with an eligible unit, ascending by id.
    pub enterprise_ids: TextColumn,
    /// Their names.
    pub enterprise_names: TextColumn,
    /// The cells, ascending by key.
    pub cells: Cells,
    /// Where the units of each cell begin in the columns below; one entry more than cells.
    pub unit_start: Vec<u32>,
    /// The enterprise of each unit, ascending inside a cell.
    pub unit_enterprise: Vec<u32>,
    /// The option list of each unit.
    pub unit_options: Vec<u32>,
    /// What is not eligible.
    pub exclusions: Exclusions,
    /// Findings on the data by kind, ascending.
    pub quality: Vec<(String, u64)>,
}

/// One way in which a unit can be sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SaleOption {
    /// Channel.
    pub channel: Channel,
    /// Platform, for online; else empty.
    pub platform: Symbol,
    /// Place of sale, where it is not the place of registration.
    pub sale_division: Option<DivisionCode>,
}

/// What the units of a cell have in common; the order of the fields is the order of cells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// Place in [`Frame::counties`].
    pub county: u32,
    /// Urban or rural.
    pub area: Area,
    /// Place in [`Frame::products`].
    pub product: u32,
    /// Channels that each level may draw it in.
    pub channels: [ChannelSet; 3],
    /// Tier.
    pub tier: Symbol,
    /// Cluster, if the policy's rules mention clusters.
    pub cluster: Symbol,
    /// Whether the enterprise had an accident, if the policy's rules mention accidents.
    pub accident: bool,
    /// Values of the attributes that the policy's rules mention.
    pub attributes: Vec<Symbol>,
    /// Earliest wave, from 0.
    pub first_wave: u8,
    /// Risk weight.
    pub weight: u64,
    /// Whether all units are taken.
    pub certain: bool,
}

/// Cells in columns of equal length; see [`CellKey`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cells {
    /// Place in [`Frame::counties`].
    pub county: Vec<u32>,
    /// Urban or rural.
    pub area: Vec<Area>,
    /// Place in [`Frame::products`].
    pub product: Vec<u32>,
    /// Channels that each level may draw in.
    pub channels: Vec<[ChannelSet; 3]>,
    /// Tier.
    pub tier: Vec<Symbol>,
    /// Cluster.
    pub cluster: Vec<Symbol>,
    /// Accident.
    pub accident: Vec<bool>,
    /// Attribute columns, as [`Frame::attributes`].
    pub attributes: Vec<Vec<Symbol>>,
    /// Earliest wave, from 0.
    pub first_wave: Vec<u8>,
    /// Risk weight.
    pub weight: Vec<u64>,
    /// Whether all units are taken.
    pub certain: Vec<bool>,
}

impl Cells {
    /// Number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.county.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.county.is_empty()
    }

    /// Appends a cell.
    pub fn push(&mut self, key: &CellKey) {
        self.county.push(key.county);
        self.area.push(key.area);
        self.product.push(key.product);
        self.channels.push(key.channels);
        self.tier.push(key.tier);
        self.cluster.push(key.cluster);
        self.accident.push(key.accident);
        self.attributes.resize_with(key.attributes.len(), Vec::new);
        for (column, value) in self.attributes.iter_mut().zip(&key.attributes) {
            column.push(*value);
        }
        self.first_wave.push(key.first_wave);
        self.weight.push(key.weight);
        self.certain.push(key.certain);
    }

    /// The key of a cell.
    #[must_use]
    pub fn key(&self, cell: usize) -> CellKey {
        CellKey {
            county: self.county[cell],
            area: self.area[cell],
            product: self.product[cell],
            channels: self.channels[cell],
            tier: self.tier[cell],
            cluster: self.cluster[cell],
            accident: self.accident[cell],
            attributes: self.attributes.iter().map(|column| column[cell]).collect(),
            first_wave: self.first_wave[cell],
            weight: self.weight[cell],
            certain: self.certain[cell],
        }
    }
}

/// What is not eligible, in columns, ascending by enterprise and product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// Enterprise ids.
    pub enterprise: TextColumn,
    /// Product ids.
    pub product: TextColumn,
    /// Place in [`Frame::counties`] of the county where the enterprise is registered; their number
    /// where that is none of them.
    pub county: Vec<u32>,
    /// Place in `reasons`.
    pub reason: Vec<u32>,
    /// The reasons, ascending.
    pub reasons: Vec<String>,
}

impl Exclusions {
    /// Each excluded unit: enterprise, product, reason.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.reason.iter().enumerate().map(|(row, reason)| {
            let reason = self.reasons[*reason as usize].as_str();
            (self.enterprise.get(row), self.product.get(row), reason)
        })
    }

    /// Number of units by reason, in the order of reasons.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.reasons.len()];
        for reason in &self.reason {
            counts[*reason as usize] += 1;
        }
        counts
    }
}

impl Frame {
    /// What a plan says of the frame, whose digest is `digest`.
    #[must_use]
    pub fn outline(&self, digest: &Digest) -> super::FrameOutline {
        super::outline::outline(self, digest)
    }

    /// Eligible units of a cell.
    #[must_use]
    pub fn cell_units(&self, cell: usize) -> u32 {
        self.unit_start[cell + 1] - self.unit_start[cell]
    }

    /// Eligible units in all.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.unit_enterprise.len() as u64
    }

    /// The province.
    ///
    /// # Panics
    /// Never for a frame that was built or decoded: it has a province.
    #[must_use]
    pub fn province(&self) -> DivisionCode {
        self.divisions.first().expect("a frame has a province").0
    }

    /// The name of a division, or the empty text.
    #[must_use]
    pub fn division_name(&self, code: DivisionCode) -> &str {
        match self.divisions.binary_search_by_key(&code, |(code, _)| *code) {
            Ok(place) => &self.divisions[place].1,
            Err(_) => "",
        }
    }
}
