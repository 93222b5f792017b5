//! The roll: the frame's digest as the root of a tree, so that a county, or a single unit, can be shown
//! to be in the frame, or not to be in it, without anything of the others.
//!
//! # Specification (method `m1`)
//!
//! `F` is the framed hash and `tree` the root of RFC 9162, both with the method's hash; JSON is
//! without blanks, with the fields in the order of the structs below.
//!
//! - A *row* is a unit of the supply, eligible ([`RosterRow`] with its cell and options) or not (with
//!   the reason), as JSON. `leaf(row) = F("spotcheck/m1/frame/row"; row, blind)`, with
//!   `blind = F("spotcheck/m1/frame/blind"; county secret, unit id)`: without it, who knows the
//!   leaf of another unit could try out what it says.
//! - `county = F("spotcheck/m1/frame/county"; code, cells, LE64(eligible), LE64(excluded), rows)`,
//!   with `cells = F("spotcheck/m1/frame/cells"; CountyCells as JSON)` and `rows` the tree over the
//!   leaves of the county's rows, ascending by enterprise, then by product, as bytes. There is one
//!   for each county of the frame, ascending by code, and behind them one with the code `none`
//!   for rows of enterprises that are in no county of the registry. A cell's number counts from the
//!   county's first.
//! - `outline = F("spotcheck/m1/frame/outline"; text)`, the text being the `frame` object of the plan
//!   file with 64 zeros in place of its `digest`.
//! - `catalogue = F("spotcheck/m1/frame/catalogue"; bytes)`: the products in full, in canonical bytes.
//! - `digest = F("spotcheck/m1/frame"; outline, catalogue, tree over the counties)`.
//! - `secret = F("spotcheck/m1/frame/secret"; SHA-256 of the frame's canonical bytes)`, and a county's
//!   `F("spotcheck/m1/frame/county-secret"; secret, code)`: known to who knows the whole frame, and
//!   the same whenever the same frame is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Frame;
use crate::model::{Area, Channel, Digest, HashName, Symbol, Writer, merkle, spread};
use crate::registry::write_product;

/// The code that stands for rows of enterprises in no county of the registry.
pub const NO_COUNTY: &str = "none";

/// A unit of the supply: eligible, or not and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterRow {
    /// Enterprise.
    pub enterprise_id: String,
    /// Product.
    pub product_id: String,
    /// Why it is not eligible; left out if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<String>,
    /// Name of the enterprise; left out if it is not eligible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise_name: Option<String>,
    /// Its cell, from the county's first; left out if it is not eligible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<u32>,
    /// The ways in which it can be sampled; left out if it is not eligible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<RosterOption>,
}

/// A way in which a unit can be sampled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterOption {
    /// Channel.
    pub channel: Channel,
    /// Platform, for online; may be empty.
    pub platform: String,
    /// Place of sale, where it is not the place of registration; may be empty.
    pub sale_division: String,
}

impl RosterRow {
    /// The row's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Texts and numbers, written into memory: nothing of this can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The unit's id, `enterprise/product`.
    #[must_use]
    pub fn unit_id(&self) -> String {
        format!("{}/{}", self.enterprise_id, self.product_id)
    }

    /// What rows of a county ascend by.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.enterprise_id, &self.product_id)
    }
}

/// The cells of a county, in columns; numbers name places in the frame's dictionaries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountyCells {
    /// 0 urban, 1 rural.
    pub area: Vec<u8>,
    /// Product.
    pub product: Vec<u32>,
    /// By level, channels in which it may draw: 1 production, 2 circulation, 4 online, summed.
    pub channels: Vec<[u8; 3]>,
    /// Tier.
    pub tier: Vec<u32>,
    /// Cluster.
    pub cluster: Vec<u32>,
    /// 1 with an accident.
    pub accident: Vec<u8>,
    /// Attributes that the policy mentions.
    pub attributes: BTreeMap<String, Vec<u32>>,
    /// Earliest wave, from 0.
    pub first_wave: Vec<u8>,
    /// Risk weight.
    pub weight: Vec<u64>,
    /// 1 if every unit is taken.
    pub certain: Vec<u8>,
    /// Eligible units.
    pub units: Vec<u32>,
}

impl CountyCells {
    /// The digest of the cells.
    #[must_use]
    pub fn digest(&self, hash: HashName) -> Digest {
        // Numbers, written into memory: nothing of this can fail.
        let text = serde_json::to_vec(self).unwrap_or_default();
        hash.framed("spotcheck/m1/frame/cells").field(&text).finish()
    }
}

/// What the digest of a frame says of a county.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountyRoll {
    /// Its code, or [`NO_COUNTY`].
    pub code: String,
    /// Digest of its cells.
    pub cells: Digest,
    /// Eligible units.
    pub eligible: u64,
    /// Units that are not eligible.
    pub excluded: u64,
    /// Root over its rows.
    pub rows: Digest,
}

/// A frame's digest with what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRoll {
    /// The digest.
    pub digest: Digest,
    /// Digest of the outline.
    pub outline: Digest,
    /// Digest of the catalogue.
    pub catalogue: Digest,
    /// What the blinds follow from.
    pub secret: Digest,
    /// The counties, ascending by code, then [`NO_COUNTY`].
    pub counties: Vec<CountyRoll>,
}

/// The leaf of a county in the tree over counties.
#[must_use]
pub fn county_leaf(hash: HashName, county: &CountyRoll) -> Digest {
    let of = hash
        .framed("spotcheck/m1/frame/county")
        .field(county.code.as_bytes())
        .field(&county.cells.0)
        .field(&county.eligible.to_le_bytes())
        .field(&county.excluded.to_le_bytes())
        .field(&county.rows.0)
        .finish();
    merkle::leaf(hash, &of.0)
}

/// The leaf of a row in the tree over a county's rows.
#[must_use]
pub fn row_leaf(hash: HashName, row: &str, blind: &Digest) -> Digest {
    let of = hash.framed("spotcheck/m1/frame/row").field(row.as_bytes()).field(&blind.0).finish();
    merkle::leaf(hash, &of.0)
}

/// The secret of a county.
#[must_use]
pub fn county_secret(hash: HashName, secret: &Digest, code: &str) -> Digest {
    let domain = "spotcheck/m1/frame/county-secret";
    hash.framed(domain).field(&secret.0).field(code.as_bytes()).finish()
}

/// The blind of a row.
#[must_use]
pub fn blind(hash: HashName, county_secret: &Digest, unit_id: &str) -> Digest {
    let domain = "spotcheck/m1/frame/blind";
    hash.framed(domain).field(&county_secret.0).field(unit_id.as_bytes()).finish()
}

/// The digest of an outline, whatever digest it holds.
#[must_use]
pub fn outline_digest(hash: HashName, outline: &super::FrameOutline) -> Digest {
    let blank = super::FrameOutline { digest: Digest([0; 32]), ..outline.clone() };
    // Texts and numbers, written into memory: nothing of this can fail.
    let text = serde_json::to_vec(&blank).unwrap_or_default();
    hash.framed("spotcheck/m1/frame/outline").field(&text).finish()
}

/// The digest of a frame.
#[must_use]
pub fn frame_digest(
    hash: HashName,
    outline: &Digest,
    catalogue: &Digest,
    counties: &Digest,
) -> Digest {
    let hasher = hash.framed("spotcheck/m1/frame");
    hasher.field(&outline.0).field(&catalogue.0).field(&counties.0).finish()
}

impl Frame {
    /// The frame's digest with what it is made of; `bytes` is the SHA-256 of [`Frame::encode`].
    #[must_use]
    pub fn roll(&self, bytes: &Digest, threads: usize) -> FrameRoll {
        let hash = self.hash;
        let secret = hash.framed("spotcheck/m1/frame/secret").field(&bytes.0).finish();
        let places = self.county_places();
        let counties = spread(threads, places.len(), |place| {
            let own = &places[place];
            let leaves = self.row_leaves(&secret, own);
            CountyRoll {
                code: own.code.clone(),
                cells: self.county_cells(own).digest(hash),
                eligible: u64::from(own.units.1 - own.units.0),
                excluded: own.excluded.len() as u64,
                rows: merkle::root(hash, &leaves),
            }
        });
        let leaves: Vec<Digest> = counties.iter().map(|county| county_leaf(hash, county)).collect();
        let outline = outline_digest(hash, &self.outline(&Digest([0; 32])));
        let mut catalogue = Writer::new("spotcheck/catalogue/1");
        catalogue.uint(self.products.len() as u64);
        for product in &self.products {
            write_product(&mut catalogue, product);
        }
        let catalogue =
            hash.framed("spotcheck/m1/frame/catalogue").field(&catalogue.finish()).finish();
        let root = merkle::root(hash, &leaves);
        let digest = frame_digest(hash, &outline, &catalogue, &root);
        FrameRoll { digest, outline, catalogue, secret, counties }
    }

    /// Cells and rows of a county; none if the code is none of the frame's.
    #[must_use]
    pub fn county(&self, code: &str) -> Option<(CountyCells, Vec<RosterRow>)> {
        let own = self.county_places().into_iter().find(|own| own.code == code)?;
        Some((self.county_cells(&own), self.roster(&own)))
    }

    fn county_places(&self) -> Vec<Place> {
        let codes = self.counties.iter().map(ToString::to_string);
        let mut first = 0;
        let mut places: Vec<Place> = codes
            .chain([NO_COUNTY.to_owned()])
            .enumerate()
            .map(|(place, code)| {
                let after = self.cells.county.partition_point(|county| *county as usize <= place);
                let cells = (first, after);
                first = after;
                let units = (self.unit_start[cells.0], self.unit_start[cells.1]);
                Place { code, cells, units, excluded: Vec::new() }
            })
            .collect();
        for (row, county) in self.exclusions.county.iter().enumerate() {
            places[*county as usize].excluded.push(row as u32);
        }
        places
    }

    fn county_cells(&self, own: &Place) -> CountyCells {
        let cells = &self.cells;
        let range = own.cells.0..own.cells.1;
        let numbers = |column: &[Symbol]| column[range.clone()].iter().map(|s| s.0).collect();
        let bits = |column: &[bool]| column[range.clone()].iter().map(|b| u8::from(*b)).collect();
        let areas = &cells.area[range.clone()];
        CountyCells {
            area: areas.iter().map(|area| u8::from(*area == Area::Rural)).collect(),
            product: cells.product[range.clone()].to_vec(),
            channels: cells.channels[range.clone()]
                .iter()
                .map(|sets| sets.map(|set| set.bits()))
                .collect(),
            tier: numbers(&cells.tier),
            cluster: numbers(&cells.cluster),
            accident: bits(&cells.accident),
            attributes: self
                .attributes
                .iter()
                .zip(&cells.attributes)
                .map(|((name, _), column)| (name.clone(), numbers(column)))
                .collect(),
            first_wave: cells.first_wave[range.clone()].to_vec(),
            weight: cells.weight[range.clone()].to_vec(),
            certain: bits(&cells.certain),
            units: range.clone().map(|cell| self.cell_units(cell)).collect(),
        }
    }

    /// The rows of a county in their order.
    fn rows_of(&self, own: &Place) -> Vec<Row> {
        // Enterprises and products ascend by id, so that their numbers order eligible units.
        let mut units: Vec<(u32, u32, u32, u32)> =
            Vec::with_capacity((own.units.1 - own.units.0) as usize);
        for cell in own.cells.0..own.cells.1 {
            for unit in self.unit_start[cell]..self.unit_start[cell + 1] {
                let enterprise = self.unit_enterprise[unit as usize];
                units.push((enterprise, self.cells.product[cell], unit, cell as u32));
            }
        }
        units.sort_unstable();
        let mut rows = Vec::with_capacity(units.len() + own.excluded.len());
        let e = &self.exclusions;
        let mut excluded = own.excluded.iter().peekable();
        for (enterprise, product, unit, cell) in units {
            let key = (
                self.enterprise_ids.get(enterprise as usize),
                self.products[product as usize].id.as_str(),
            );
            let before = |row: &&u32| {
                (e.enterprise.get(**row as usize), e.product.get(**row as usize)) < key
            };
            while let Some(row) = excluded.next_if(|row| before(row)) {
                rows.push(Row::Excluded(*row));
            }
            rows.push(Row::Unit { unit, cell });
        }
        rows.extend(excluded.map(|row| Row::Excluded(*row)));
        rows
    }

    fn row(&self, own: &Place, row: Row) -> RosterRow {
        match row {
            Row::Unit { unit, cell } => {
                let enterprise = self.unit_enterprise[unit as usize] as usize;
                let options = &self.options[self.unit_options[unit as usize] as usize];
                RosterRow {
                    enterprise_id: self.enterprise_ids.get(enterprise).to_owned(),
                    product_id: self.products[self.cells.product[cell as usize] as usize]
                        .id
                        .clone(),
                    excluded: None,
                    enterprise_name: Some(self.enterprise_names.get(enterprise).to_owned()),
                    cell: Some(cell - own.cells.0 as u32),
                    options: options
                        .iter()
                        .map(|option| RosterOption {
                            channel: option.channel,
                            platform: self.platforms.get(option.platform).to_owned(),
                            sale_division: option
                                .sale_division
                                .map(|code| code.to_string())
                                .unwrap_or_default(),
                        })
                        .collect(),
                }
            }
            Row::Excluded(row) => {
                let (e, row) = (&self.exclusions, row as usize);
                RosterRow {
                    enterprise_id: e.enterprise.get(row).to_owned(),
                    product_id: e.product.get(row).to_owned(),
                    excluded: Some(e.reasons[e.reason[row] as usize].clone()),
                    enterprise_name: None,
                    cell: None,
                    options: Vec::new(),
                }
            }
        }
    }

    fn roster(&self, own: &Place) -> Vec<RosterRow> {
        self.rows_of(own).into_iter().map(|row| self.row(own, row)).collect()
    }

    fn row_leaves(&self, secret: &Digest, own: &Place) -> Vec<Digest> {
        let secret = county_secret(self.hash, secret, &own.code);
        let leaf = |row: Row| {
            let row = self.row(own, row);
            row_leaf(self.hash, &row.to_text(), &blind(self.hash, &secret, &row.unit_id()))
        };
        self.rows_of(own).into_iter().map(leaf).collect()
    }
}

/// Where a county's parts stand in the frame.
struct Place {
    code: String,
    cells: (usize, usize),
    units: (u32, u32),
    excluded: Vec<u32>,
}

#[derive(Clone, Copy)]
enum Row {
    Unit { unit: u32, cell: u32 },
    Excluded(u32),
}

/// A row of the frame with all that leads from it to the frame's digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowProof {
    /// Name of the hash.
    pub hash: String,
    /// The row's text: a [`RosterRow`] as JSON.
    pub row: String,
    /// Its blind.
    pub blind: Digest,
    /// Its place among the county's rows, from 0.
    pub place: u64,
    /// Its siblings there, from the bottom up.
    pub siblings: Vec<Digest>,
    /// The county.
    pub county: CountyRoll,
    /// The county's place in the frame, from 0.
    pub county_place: u64,
    /// Counties of the frame, with the one called [`NO_COUNTY`].
    pub counties: u64,
    /// The county's siblings.
    pub county_siblings: Vec<Digest>,
    /// Digest of the frame's outline.
    pub outline: Digest,
    /// Digest of its catalogue.
    pub catalogue: Digest,
}

impl RowProof {
    /// The digest of the frame that the row is in; none if the proof proves nothing.
    #[must_use]
    pub fn frame(&self) -> Option<Digest> {
        let hash: HashName = self.hash.parse().ok()?;
        let rows = self.county.eligible.checked_add(self.county.excluded)?;
        let leaf = row_leaf(hash, &self.row, &self.blind);
        let root = merkle::root_from(hash, &leaf, (self.place, rows), &self.siblings)?;
        let county = county_leaf(hash, &self.county);
        let place = (self.county_place, self.counties);
        let counties = merkle::root_from(hash, &county, place, &self.county_siblings)?;
        let digest = frame_digest(hash, &self.outline, &self.catalogue, &counties);
        (root == self.county.rows).then_some(digest)
    }

    /// What the row says.
    #[must_use]
    pub fn row(&self) -> Option<RosterRow> {
        serde_json::from_str(&self.row).ok()
    }
}

/// That no unit of an enterprise is among a county's rows: the rows on both sides of where it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbsenceProof {
    /// Code of the county.
    pub county: String,
    /// The row before; none if it would be the first.
    pub before: Option<RowProof>,
    /// The row after; none if it would be the last.
    pub after: Option<RowProof>,
}

impl AbsenceProof {
    /// The digest of the frame whose county has no unit of the enterprise (of that product, if one is
    /// given); none if the proof doesn't prove that.
    #[must_use]
    pub fn frame(&self, enterprise: &str, product: Option<&str>) -> Option<Digest> {
        let sides = || self.before.iter().chain(&self.after);
        let first = sides().next()?;
        let digest = first.frame()?;
        let same = |proof: &RowProof| {
            proof.frame() == Some(digest)
                && proof.county == first.county
                && proof.county.code == self.county
        };
        // Below and above everything that the enterprise could have.
        let below = |row: &RosterRow| match product {
            Some(product) => row.key() < (enterprise, product),
            None => row.enterprise_id.as_str() < enterprise,
        };
        let above = |row: &RosterRow| match product {
            Some(product) => row.key() > (enterprise, product),
            None => row.enterprise_id.as_str() > enterprise,
        };
        let rows = first.county.eligible.checked_add(first.county.excluded)?;
        let adjacent = match (&self.before, &self.after) {
            (Some(before), Some(after)) => before.place.checked_add(1) == Some(after.place),
            (None, Some(after)) => after.place == 0,
            (Some(before), None) => before.place.checked_add(1) == Some(rows),
            (None, None) => false,
        };
        let between = self.before.iter().all(|proof| proof.row().is_some_and(|row| below(&row)))
            && self.after.iter().all(|proof| proof.row().is_some_and(|row| above(&row)));
        (adjacent && between && sides().all(same)).then_some(digest)
    }
}

impl Frame {
    /// The code of the county in which an enterprise has rows, eligible or not; none if it has none.
    #[must_use]
    pub fn county_of(&self, enterprise: &str) -> Option<String> {
        let excluded = || {
            let row = self.exclusions.enterprise.iter().position(|other| other == enterprise)?;
            Some(self.exclusions.county[row] as usize)
        };
        let eligible = || {
            let place = self.enterprise_ids.find_sorted(enterprise)? as u32;
            let unit = self.unit_enterprise.iter().position(|other| *other == place)?;
            let cell = self.unit_start.partition_point(|start| *start as usize <= unit) - 1;
            Some(self.cells.county[cell] as usize)
        };
        let place = eligible().or_else(excluded)?;
        let code = self.counties.get(place).map(ToString::to_string);
        Some(code.unwrap_or_else(|| NO_COUNTY.to_owned()))
    }

    /// Proofs of an enterprise's rows in a county, or of that product's: in their order. If there is no
    /// such row, the proof of that. None if the county is none of the frame's, or has no row.
    #[must_use]
    pub fn prove(
        &self,
        roll: &FrameRoll,
        county: &str,
        enterprise: &str,
        product: Option<&str>,
    ) -> Option<Result<Vec<RowProof>, AbsenceProof>> {
        let hash = self.hash;
        let county_place = roll.counties.iter().position(|own| own.code == county)?;
        let own = self.county_places().into_iter().nth(county_place)?;
        let rows = self.roster(&own);
        let secret = county_secret(hash, &roll.secret, county);
        let blind = |row: &RosterRow| blind(hash, &secret, &row.unit_id());
        let leaves: Vec<Digest> =
            rows.iter().map(|row| row_leaf(hash, &row.to_text(), &blind(row))).collect();
        let counties: Vec<Digest> =
            roll.counties.iter().map(|own| county_leaf(hash, own)).collect();
        let proof = |place: usize| RowProof {
            hash: hash.as_str().to_owned(),
            row: rows[place].to_text(),
            blind: blind(&rows[place]),
            place: place as u64,
            siblings: merkle::inclusion(hash, &leaves, place).unwrap_or_default(),
            county: roll.counties[county_place].clone(),
            county_place: county_place as u64,
            counties: counties.len() as u64,
            county_siblings: merkle::inclusion(hash, &counties, county_place).unwrap_or_default(),
            outline: roll.outline,
            catalogue: roll.catalogue,
        };
        let wanted = (enterprise, product.unwrap_or_default());
        let first = rows.partition_point(|row| row.key() < wanted);
        let is_own = |row: &RosterRow| {
            row.enterprise_id == enterprise && product.is_none_or(|id| row.product_id == id)
        };
        let own = rows[first..].iter().take_while(|row| is_own(row)).count();
        if own > 0 {
            return Some(Ok((first..first + own).map(proof).collect()));
        }
        if rows.is_empty() {
            return None;
        }
        Some(Err(AbsenceProof {
            county: county.to_owned(),
            before: first.checked_sub(1).map(proof),
            after: (first < rows.len()).then(|| proof(first)),
        }))
    }
}
