//! The plan file: one JSON object, the only form in which a plan is stored, exported and checked.
//!
//! Objects keep the order of their fields, nothing is optional unless it says so, and there is no
//! space between tokens: a plan has exactly one text. `docs/PLAN.md` describes it for readers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frame::FrameOutline;
use crate::model::{Area, Channel, Digest, DivisionCode, Level};

/// A whole plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What the plan is, with its totals.
    pub plan: Head,
    /// The policy in canonical form.
    pub policy: serde_json::Value,
    /// The frozen frame in outline, with the dictionaries that `allocation` refers to.
    pub frame: FrameOutline,
    /// The seed.
    pub seed: SeedRecord,
    /// Budgets, cells and arcs.
    pub allocation: Allocation,
    /// The proof that every draw keeps every quota.
    pub certificate: Certificate,
    /// What was asked, planned and guaranteed; one row for each bound of each quota and group.
    pub compliance: Vec<ComplianceRow>,
    /// Drawn units, then replacement units, in the order of their numbers.
    pub lines: Vec<Line>,
}

impl Document {
    /// The drawn lines, without replacement units.
    pub fn drawn(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.replacement_rank == 0)
    }
}

/// What the plan is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Name of the plan: the policy's id, a dash, and the first 12 digits of `draw_key`'s hash.
    pub id: String,
    /// Method version.
    pub method: String,
    /// The policy's id.
    pub policy_id: String,
    /// The policy's title.
    pub title: String,
    /// Digest over the frame's and the policy's digests.
    pub input_digest: Digest,
    /// Eligible units.
    pub units: u64,
    /// Units drawn.
    pub batches: u64,
    /// Replacement units listed.
    pub replacements: u64,
    /// Replacement units asked for and not found.
    pub replacement_shortfall: u64,
    /// Ends of the waves; one, the period's last day, if the policy has none.
    pub waves: Vec<WaveTotal>,
    /// Percentiles over eligible units of π divided by the risk-proportional π.
    pub price_of_quotas: Vec<Percentile>,
    /// Remarks for the planner, e.g. authorities without eligible units.
    pub remarks: Vec<String>,
}

/// A wave with its batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveTotal {
    /// Last day, `YYYY-MM-DD`.
    pub until: String,
    /// Batches asked for by the share, as a decimal text.
    pub wanted: String,
    /// Batches planned.
    pub batches: u64,
}

/// A percentile, in decimals that are exact texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Percentile {
    /// Per cent, 0 to 100.
    pub percent: u32,
    /// The ratio, four decimals, rounded down.
    pub ratio: String,
}

/// The seed and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRecord {
    /// `text`, `ceremony`, `beacon` or `system`.
    pub source: String,
    /// What was entered, byte for byte: a text, dice, a published value; for `system` its 32
    /// bytes in hexadecimal.
    pub text: String,
    /// The bureau's share in hexadecimal, where the source has one; else left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub share: String,
    /// The 32 bytes that these make.
    pub digest: Digest,
}

/// Budgets, cells and arcs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// Authorities, by level and code.
    pub authorities: Vec<AuthorityRow>,
    /// Cells, in columns of equal length.
    pub cells: CellColumns,
    /// Arcs (cell × level × channel), in columns of equal length, ascending.
    pub arcs: ArcColumns,
}

/// An authority's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRow {
    /// Level.
    pub level: Level,
    /// Code.
    pub authority: DivisionCode,
    /// Name.
    pub name: String,
    /// Eligible units in its territory that its level may draw.
    pub units: u64,
    /// Batches.
    pub batches: u64,
    /// Batches by wave.
    pub waves: Vec<u64>,
}

/// Cells: units alike in everything that matters. Numbers name places in the frame's dictionaries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellColumns {
    /// County of coverage.
    pub county: Vec<u32>,
    /// 0 urban, 1 rural.
    pub area: Vec<u8>,
    /// Product.
    pub product: Vec<u32>,
    /// Tier.
    pub tier: Vec<u32>,
    /// Cluster; all 0 if the policy doesn't mention clusters.
    pub cluster: Vec<u32>,
    /// 1 with an accident; all 0 if the policy doesn't mention accidents.
    pub accident: Vec<u8>,
    /// Attributes that the policy mentions.
    pub attributes: BTreeMap<String, Vec<u32>>,
    /// Earliest wave in which its units may be sampled, from 0.
    pub first_wave: Vec<u8>,
    /// Risk weight.
    pub weight: Vec<u64>,
    /// 1 if every unit is taken.
    pub certain: Vec<u8>,
    /// Eligible units.
    pub units: Vec<u32>,
}

/// Arcs: what a cell gives to a level in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArcColumns {
    /// The cell.
    pub cell: Vec<u32>,
    /// 0 province, 1 city, 2 county.
    pub level: Vec<u8>,
    /// 0 production, 1 circulation, 2 online.
    pub channel: Vec<u8>,
    /// Expected batches, in units of 2^-32.
    pub x: Vec<u64>,
    /// Batches drawn: `x` rounded down or up.
    pub n: Vec<u32>,
}

/// The proof that every draw keeps every quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The two families of totals; in each, the nodes of depth d are the groups of arcs that
    /// agree in the first d dimensions. Every node is rounded down or up, none is off by one.
    pub families: [Vec<String>; 2],
    /// One for each row of `compliance`, in the same order.
    pub rows: Vec<CertificateRow>,
}

/// How the interval of one compliance row follows from the nodes of a family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRow {
    /// Family, 0 or 1.
    pub family: u8,
    /// Depth of the nodes that are summed.
    pub depth: u8,
    /// Nodes that hold matching arcs.
    pub nodes: u64,
    /// Sum of the nodes' values, in units of 2^-32.
    pub x: u64,
    /// Sum of the nodes rounded down.
    pub low: u64,
    /// Sum of the nodes rounded up.
    pub high: u64,
    /// For a share of a base that is not fixed: the same three of the rest of the base.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rest: Option<Interval>,
}

/// A total and the integers that it can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Value, in units of 2^-32.
    pub x: u64,
    /// Least.
    pub low: u64,
    /// Most.
    pub high: u64,
}

/// One bound of one quota in one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceRow {
    /// The quota's name.
    pub quota: String,
    /// Grouping, e.g. `plan`, `level/channel`.
    pub scope: String,
    /// The group's values, joined by `/`; empty for the plan.
    pub group: String,
    /// `legal`, `hard` or `target`.
    pub hardness: String,
    /// `min` or `max`.
    pub bound: String,
    /// The bound as the policy writes it, e.g. `30%`, `5`, `50% of units`.
    pub asked: String,
    /// Batches (or eligible units, for a rate) that a share refers to; 0 for plain batches.
    pub base: u64,
    /// The bound in batches; for a share of a base that is not fixed, of the planned base.
    pub required: u64,
    /// Batches planned.
    pub planned: u64,
    /// Fewest batches in any draw.
    pub guaranteed_low: u64,
    /// Most batches in any draw.
    pub guaranteed_high: u64,
    /// Whether every draw keeps it; false only for a target.
    pub holds: bool,
}

/// A drawn unit, or a replacement unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Number, from 1; the drawn lines come first.
    pub line: u32,
    /// Level that draws.
    pub level: Level,
    /// Authority that draws.
    pub authority: DivisionCode,
    /// Enterprise.
    pub enterprise_id: String,
    /// Product.
    pub product_id: String,
    /// Channel in which the unit is sampled.
    pub channel: Channel,
    /// County of coverage: where the enterprise is registered.
    pub county: DivisionCode,
    /// Urban or rural.
    pub area: Area,
    /// Tier.
    pub tier: String,
    /// Key product.
    pub key: bool,
    /// Wave, from 1; for a replacement unit the earliest that it may be sampled in.
    pub wave: u32,
    /// Probability that this unit is drawn at this level, in lowest terms.
    pub probability: String,
    /// The unit's lot.
    pub lot: Digest,
    /// 0 for a drawn unit, else the place in the pool of its arc.
    pub replacement_rank: u32,
    /// Arc that drew it, or whose pool it stands in.
    pub arc: u32,
    /// The unit's cell.
    pub cell: u32,
    /// Name of the enterprise.
    pub enterprise_name: String,
    /// Platform, for online; may be empty.
    pub platform: String,
    /// Place of sale, where it is not the place of registration; may be empty.
    pub sale_division: String,
}
