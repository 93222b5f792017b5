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
//! - `design = F("spotcheck/m1/design"; tree, certificate)`, the certificate as its text in the plan
//!   file.
//! - `counts(county) = F("spotcheck/m1/counts/county"; code, n)`, n the 4-byte column of the
//!   county's arcs; `counts = tree`.
//!
//! So a county's share of both can be shown without any other county's cells.

use crate::design::Design;
use crate::frame::Frame;
use crate::model::{Digest, DivisionCode, FramedHasher, merkle, spread};
use crate::policy::Policy;

use super::{Allocation, Certificate, compliance, make};

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
        county_commitment(allocation, county, cells, arcs)
    })
}

fn county_commitment(
    allocation: &Allocation,
    county: DivisionCode,
    own: std::ops::Range<usize>,
    arcs: std::ops::Range<usize>,
) -> CountyCommitment {
    let (cells, all) = (&allocation.cells, &allocation.arcs);
    let words = |column: &[u32]| column.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let longs = |column: &[u64]| column.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let code = county.to_string();
    let mut hasher = FramedHasher::new("spotcheck/m1/design/county")
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
    let counts = FramedHasher::new("spotcheck/m1/counts/county")
        .field(code.as_bytes())
        .field(&words(&all.n[arcs]))
        .finish();
    CountyCommitment { county, design, counts }
}

/// The commitment to cells, expected batches and certificate: what a frozen record fixes.
#[must_use]
pub fn design_commitment(counties: &[CountyCommitment], certificate: &Certificate) -> Digest {
    let leaves: Vec<Digest> = counties.iter().map(|c| merkle::leaf(&c.design.0)).collect();
    // Numbers and texts, written into memory: nothing of this can fail.
    let text = serde_json::to_vec(certificate).unwrap_or_default();
    FramedHasher::new("spotcheck/m1/design").field(&merkle::root(&leaves).0).field(&text).finish()
}

/// The commitment to the batches of all arcs.
#[must_use]
pub fn counts_commitment(counties: &[CountyCommitment]) -> Digest {
    let leaves: Vec<Digest> = counties.iter().map(|c| merkle::leaf(&c.counts.0)).collect();
    merkle::root(&leaves)
}

/// The design's commitment before anything is drawn from it.
#[must_use]
pub fn commit_design(frame: &Frame, policy: &Policy, design: &Design, threads: usize) -> Digest {
    let none = vec![0; design.arcs.len()];
    let (certificate, _) = compliance::rows(policy, design, &none);
    let allocation = make::allocation(frame, design, &none, Vec::new());
    design_commitment(&commitments(&frame.counties, &allocation, threads), &certificate)
}
