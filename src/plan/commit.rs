//! Commitments: what is fixed about a plan before and after its seed, county by county.
//!
//! # Specification (method `m1`)
//!
//! `F` is the framed hash; numbers are little-endian, columns their numbers joined. `tree` is the
//! root of RFC 9162 over the counties that have a cell, ascending by code, where the data of a
//! leaf are the 32 bytes of the county's hash.
//!
//! - `design(county) = F("spotcheck/m1/design/county"; code, area, product, tier, cluster, accident,
//!   attribute columns by name …, first wave, weight, certain, units; arcs: cell, level, channel,
//!   x)`: the columns of the plan file's `allocation.cells` and `allocation.arcs` for the county's
//!   cells, which lie together; an arc's cell counts from the county's first. Weight and x have 8
//!   bytes; product, tier, cluster, attributes, units and an arc's cell 4; all others 1.
//! - `design = F("spotcheck/m1/design"; tree, F("spotcheck/m1/certificate"; text))`, the text of the
//!   certificate as in the plan file.
//! - `counts(county) = F("spotcheck/m1/counts/county"; code, n)`, n the 4-byte column of the
//!   county's arcs; `counts = tree`.
//!
//! - `line = F("spotcheck/m1/line"; PublicLine as JSON, blind)` with `blind =
//!   F("spotcheck/m1/line-blind"; sub-key of "line-blinds", LE64(number))`; `lines` is the tree over
//!   the lines, drawn and replacement units, in their order.
//!
//! So a county's share of both can be shown without any other county's cells, and a line once it may
//! be known.

use serde::{Deserialize, Serialize};

use crate::design::Design;
use crate::draw::{DrawKey, Seed, SubKey};
use crate::frame::Frame;
use crate::model::{Channel, Digest, DivisionCode, HashName, Level, merkle, spread};
use crate::policy::Policy;

use super::{Allocation, Certificate, Document, Line, compliance, make};

/// The hashes of one county.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountyCommitment {
    /// The county.
    pub county: DivisionCode,
    /// Of its cells and their expected batches.
    pub design: Digest,
    /// Of the batches of its arcs.
    pub counts: Digest,
}

/// The hashes of all counties that have a cell, ascending by code.
///
/// `counties` is the dictionary that the cells refer to.
#[must_use]
pub fn commitments(
    hash: HashName,
    counties: &[DivisionCode],
    allocation: &Allocation,
    threads: usize,
) -> Vec<CountyCommitment> {
    let cells = &allocation.cells;
    let mut parts = Vec::new();
    let (mut first, mut first_arc) = (0, 0);
    for part in cells.county.chunk_by(|a, b| a == b) {
        let last = first + part.len();
        let arcs = &allocation.arcs.cell[first_arc..];
        let last_arc = first_arc + arcs.partition_point(|cell| (*cell as usize) < last);
        // A county that the dictionary lacks can't be named; the file is then refused elsewhere.
        if let Some(county) = counties.get(part[0] as usize) {
            parts.push((*county, first..last, first_arc..last_arc));
        }
        (first, first_arc) = (last, last_arc);
    }
    spread(threads, parts.len(), |place| {
        let (county, cells, arcs) = parts[place].clone();
        county_commitment(hash, allocation, county, cells, arcs)
    })
}

/// The hashes of one county: of `own` cells and `arcs` of an allocation.
#[must_use]
pub fn county_commitment(
    hash: HashName,
    allocation: &Allocation,
    county: DivisionCode,
    own: std::ops::Range<usize>,
    arcs: std::ops::Range<usize>,
) -> CountyCommitment {
    let (cells, all) = (&allocation.cells, &allocation.arcs);
    let words = |column: &[u32]| column.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let longs = |column: &[u64]| column.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let code = county.to_string();
    let mut hasher = hash
        .framed("spotcheck/m1/design/county")
        .field(code.as_bytes())
        .field(&cells.area[own.clone()])
        .field(&words(&cells.product[own.clone()]))
        .field(&words(&cells.tier[own.clone()]))
        .field(&words(&cells.cluster[own.clone()]))
        .field(&cells.accident[own.clone()]);
    for column in cells.attributes.values() {
        hasher = hasher.field(&words(&column[own.clone()]));
    }
    let from = own.start as u32;
    let cell: Vec<u32> = all.cell[arcs.clone()].iter().map(|cell| cell - from).collect();
    let design = hasher
        .field(&cells.first_wave[own.clone()])
        .field(&longs(&cells.weight[own.clone()]))
        .field(&cells.certain[own.clone()])
        .field(&words(&cells.units[own]))
        .field(&words(&cell))
        .field(&all.level[arcs.clone()])
        .field(&all.channel[arcs.clone()])
        .field(&longs(&all.x[arcs.clone()]))
        .finish();
    let counts = hash
        .framed("spotcheck/m1/counts/county")
        .field(code.as_bytes())
        .field(&words(&all.n[arcs]))
        .finish();
    CountyCommitment { county, design, counts }
}

/// The commitment to cells, expected batches and certificate: what a frozen record fixes.
#[must_use]
pub fn design_commitment(
    hash: HashName,
    counties: &[CountyCommitment],
    certificate: &Certificate,
) -> Digest {
    let leaves: Vec<Digest> = counties.iter().map(|c| merkle::leaf(hash, &c.design.0)).collect();
    design_digest(hash, &merkle::root(hash, &leaves), &certificate_digest(hash, certificate))
}

/// The digest of a certificate.
#[must_use]
pub fn certificate_digest(hash: HashName, certificate: &Certificate) -> Digest {
    // Numbers and texts, written into memory: nothing of this can fail.
    let text = serde_json::to_vec(certificate).unwrap_or_default();
    hash.framed("spotcheck/m1/certificate").field(&text).finish()
}

/// The design's commitment from the root over the counties and the certificate's digest.
#[must_use]
pub fn design_digest(hash: HashName, counties: &Digest, certificate: &Digest) -> Digest {
    hash.framed("spotcheck/m1/design").field(&counties.0).field(&certificate.0).finish()
}

/// The commitment to the batches of all arcs.
#[must_use]
pub fn counts_commitment(hash: HashName, counties: &[CountyCommitment]) -> Digest {
    let leaves: Vec<Digest> = counties.iter().map(|c| merkle::leaf(hash, &c.counts.0)).collect();
    merkle::root(hash, &leaves)
}

/// The design's commitment before anything is drawn from it.
#[must_use]
pub fn commit_design(frame: &Frame, policy: &Policy, design: &Design, threads: usize) -> Digest {
    let none = vec![0; design.arcs.len()];
    let (certificate, _) = compliance::rows(policy, design, &none);
    let allocation = make::allocation(frame, design, &none, Vec::new());
    let counties = commitments(policy.hash, &frame.counties, &allocation, threads);
    design_commitment(policy.hash, &counties, &certificate)
}

/// Label of the sub-key that the blinds of lines follow from.
pub const LINE_BLINDS: &str = "line-blinds";

/// What may be known of a line once its wave is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicLine {
    /// Number.
    pub line: u32,
    /// Level that draws.
    pub level: Level,
    /// Authority that draws.
    pub authority: DivisionCode,
    /// Enterprise.
    pub enterprise_id: String,
    /// Name of the enterprise.
    pub enterprise_name: String,
    /// Product.
    pub product_id: String,
    /// Channel in which the unit is sampled.
    pub channel: Channel,
    /// County of coverage.
    pub county: DivisionCode,
    /// Wave, from 1.
    pub wave: u32,
    /// 0 for a drawn unit.
    pub replacement_rank: u32,
}

impl PublicLine {
    /// Of a line.
    #[must_use]
    pub fn of(line: &Line) -> Self {
        PublicLine {
            line: line.line,
            level: line.level,
            authority: line.authority,
            enterprise_id: line.enterprise_id.clone(),
            enterprise_name: line.enterprise_name.clone(),
            product_id: line.product_id.clone(),
            channel: line.channel,
            county: line.county,
            wave: line.wave,
            replacement_rank: line.replacement_rank,
        }
    }
}

/// The blind of a line, under the sub-key of [`LINE_BLINDS`].
#[must_use]
pub fn line_blind(sub_key: &SubKey, line: u32) -> Digest {
    let hasher = sub_key.hash.framed("spotcheck/m1/line-blind").field(&sub_key.key);
    hasher.field(&u64::from(line).to_le_bytes()).finish()
}

/// The leaf of a line in the tree over all lines of a plan.
#[must_use]
pub fn line_leaf(hash: HashName, line: &PublicLine, blind: &Digest) -> Digest {
    // Texts and numbers, written into memory: nothing of this can fail.
    let text = serde_json::to_vec(line).unwrap_or_default();
    let of = hash.framed("spotcheck/m1/line").field(&text).field(&blind.0).finish();
    merkle::leaf(hash, &of.0)
}

/// The leaves of all lines of a plan that was drawn with `key`.
#[must_use]
pub fn line_leaves(document: &Document, key: &DrawKey) -> Vec<Digest> {
    let sub_key = key.sub_key(LINE_BLINDS);
    let leaf = |line: &Line| {
        line_leaf(sub_key.hash, &PublicLine::of(line), &line_blind(&sub_key, line.line))
    };
    document.lines.iter().map(leaf).collect()
}

/// The commitment to all lines of a plan, as its seed and inputs give the key.
#[must_use]
pub fn lines_commitment(hash: HashName, document: &Document) -> Digest {
    let key = DrawKey::new(hash, &Seed(document.seed.digest.0), &document.plan.input_digest);
    merkle::root(hash, &line_leaves(document, &key))
}
