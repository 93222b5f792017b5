//! The bundle of a county: her part of a plan, without any unit of another county.
//!
//! From it alone follow: that her units, and the reasons for those that are not eligible, are what was
//! frozen; that her cells, expected batches and certificate's digest are; that her batches are the
//! committed ones, rounded as they may be; that exactly the units with the smallest lots were drawn and
//! stand by; and that her quotas are kept. That her batches follow from the seed is shown by the whole
//! plan's bundle.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::container::Members;
use super::whole::History;
use crate::audit::dims::Dimensions;
use crate::audit::keys::{self, SubKeys};
use crate::audit::lines::probability;
use crate::audit::lots::lot;
use crate::audit::report::Check;
use crate::audit::rows;
use crate::audit::view::View;
use crate::frame::{
    CountyCells, CountyRoll, Frame, FrameOutline, FrameRoll, RosterRow, blind, county_leaf,
    county_secret, frame_digest, outline_digest, row_leaf,
};
use crate::model::{Channel, Digest, DivisionCode, HashName, Level, merkle};
use crate::plan::{
    Allocation, ArcColumns, AuthorityRow, CellColumns, Certificate, Document, Head, Line,
    SeedRecord, certificate_digest, commitments, county_commitment, design_digest,
};
use crate::policy::Policy;

/// Names the format of a county's part.
pub const COUNTY_FORMAT: &str = "spotcheck-county/1";

/// A place in a tree with the proof of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// Number of the leaf, from 0.
    pub place: u64,
    /// Leaves of the tree.
    pub size: u64,
    /// The siblings, from the bottom up.
    pub siblings: Vec<Digest>,
}

impl Path {
    fn of(hash: HashName, leaves: &[Digest], place: usize) -> Self {
        let siblings = merkle::inclusion(hash, leaves, place).unwrap_or_default();
        Path { place: place as u64, size: leaves.len() as u64, siblings }
    }

    /// The root that the leaf leads to; none if the path has not the right length.
    #[must_use]
    pub fn root(&self, hash: HashName, leaf: &Digest) -> Option<Digest> {
        merkle::root_from(hash, leaf, (self.place, self.size), &self.siblings)
    }
}

/// What the county's bundle says beside her roster and her lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountyPart {
    /// [`COUNTY_FORMAT`].
    pub format: String,
    /// The county.
    pub county: DivisionCode,
    /// The head of the plan.
    pub plan: Head,
    /// The policy in canonical form.
    pub policy: serde_json::Value,
    /// The frame in outline.
    pub frame: FrameOutline,
    /// The seed.
    pub seed: SeedRecord,
    /// The batches of all authorities.
    pub authorities: Vec<AuthorityRow>,
    /// Digest of the frame's catalogue.
    pub catalogue: Digest,
    /// What the frame says of the county.
    pub roll: CountyRoll,
    /// Where the county stands in the frame.
    pub in_frame: Path,
    /// The secret that the blinds of her rows follow from.
    pub secret: Digest,
    /// Her cells; the number of the first in the plan is `first_cell`.
    pub cells: CountyCells,
    /// Number of her first cell in the plan.
    pub first_cell: u32,
    /// Her arcs, whose cells count from her first; the number of the first in the plan is `first_arc`.
    pub arcs: ArcColumns,
    /// Number of her first arc in the plan.
    pub first_arc: u32,
    /// Where the county stands in the commitments; none if she has no cell.
    pub in_design: Option<Path>,
    /// The same for the batches.
    pub in_counts: Option<Path>,
    /// Digest of the certificate.
    pub certificate: Digest,
}

/// A county's part of a plan, with the texts of her roster and her lines; none if the code is none
/// of the frame's.
#[must_use]
pub fn county_part(
    document: &Document,
    policy: &Policy,
    frame: &Frame,
    roll: &FrameRoll,
    county: DivisionCode,
    threads: usize,
) -> Option<(CountyPart, Vec<RosterRow>, Vec<Line>)> {
    let hash = policy.hash;
    let code = county.to_string();
    let place = roll.counties.iter().position(|own| own.code == code)?;
    let leaves: Vec<Digest> = roll.counties.iter().map(|own| county_leaf(hash, own)).collect();
    let (cells, rows) = frame.county(&code)?;
    let all = &document.allocation;
    let number = document.frame.counties.binary_search(&county).ok()? as u32;
    let first = all.cells.county.partition_point(|other| *other < number);
    let last = all.cells.county.partition_point(|other| *other <= number);
    let arc = |cell: usize| all.arcs.cell.partition_point(|other| (*other as usize) < cell);
    let (from, to) = (arc(first), arc(last));
    let commitments = commitments(hash, &document.frame.counties, all, threads);
    let own = commitments.iter().position(|own| own.county == county);
    let path = |pick: &dyn Fn(&crate::plan::CountyCommitment) -> Digest| {
        let leaf = |own: &crate::plan::CountyCommitment| merkle::leaf(hash, &pick(own).0);
        let leaves: Vec<Digest> = commitments.iter().map(leaf).collect();
        own.map(|own| Path::of(hash, &leaves, own))
    };
    let part = CountyPart {
        format: COUNTY_FORMAT.to_owned(),
        county,
        plan: document.plan.clone(),
        policy: document.policy.clone(),
        frame: document.frame.clone(),
        seed: document.seed.clone(),
        authorities: all.authorities.clone(),
        catalogue: roll.catalogue,
        roll: roll.counties[place].clone(),
        in_frame: Path::of(hash, &leaves, place),
        secret: county_secret(hash, &roll.secret, &code),
        cells,
        first_cell: first as u32,
        arcs: ArcColumns {
            cell: all.arcs.cell[from..to].iter().map(|cell| cell - first as u32).collect(),
            level: all.arcs.level[from..to].to_vec(),
            channel: all.arcs.channel[from..to].to_vec(),
            x: all.arcs.x[from..to].to_vec(),
            n: all.arcs.n[from..to].to_vec(),
        },
        first_arc: from as u32,
        in_design: path(&|own| own.design),
        in_counts: path(&|own| own.counts),
        certificate: certificate_digest(hash, &document.certificate),
    };
    let lines = document.lines.iter().filter(|line| line.county == county).cloned().collect();
    Some((part, rows, lines))
}

/// What the checks of a county share.
pub(super) struct County {
    pub part: CountyPart,
    pub policy: Policy,
    rows: Vec<RosterRow>,
    lines: Vec<Line>,
}

impl County {
    /// Reads the members of a county's bundle.
    pub fn read(part: &[u8], roster: &[u8], lines: &[u8], check: &mut Check) -> Option<Self> {
        let part: CountyPart = read_part(part, "the county's part", check)?;
        check.equal(part.format.as_str(), COUNTY_FORMAT, || "the format of the part".into());
        let rows = read_lines(roster, "the roster", check)?;
        let lines = read_lines(lines, "the lines", check)?;
        let policy = read_policy(&part.policy, check)?;
        Some(County { part, policy, rows, lines })
    }

    /// Digests, keys and the plan's name, as for a whole plan.
    pub fn keys(&self, check: &mut Check) -> SubKeys {
        let document = self.document();
        keys::policy(&document, check);
        keys::keys(&document, &self.policy, check)
    }

    /// The county's cells and arcs as a plan of their own.
    fn document(&self) -> Document {
        let part = &self.part;
        let number = part.frame.counties.binary_search(&part.county).unwrap_or(0) as u32;
        let cells = &part.cells;
        Document {
            plan: part.plan.clone(),
            policy: part.policy.clone(),
            frame: part.frame.clone(),
            seed: part.seed.clone(),
            allocation: Allocation {
                authorities: part.authorities.clone(),
                cells: CellColumns {
                    county: vec![number; cells.units.len()],
                    area: cells.area.clone(),
                    product: cells.product.clone(),
                    tier: cells.tier.clone(),
                    cluster: cells.cluster.clone(),
                    accident: cells.accident.clone(),
                    attributes: cells.attributes.clone(),
                    first_wave: cells.first_wave.clone(),
                    weight: cells.weight.clone(),
                    certain: cells.certain.clone(),
                    units: cells.units.clone(),
                },
                arcs: part.arcs.clone(),
            },
            certificate: Certificate {
                families: [Vec::new(), vec!["level".into(), "authority".into()]],
                rows: Vec::new(),
            },
            compliance: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The frame's digest, as it follows from the county's roster, cells and place.
    pub fn frame(&self, check: &mut Check) {
        let (hash, part) = (self.policy.hash, &self.part);
        check.equal(part.roll.code.as_str(), &part.county.to_string(), || "roll.code".into());
        let ascends = self.rows.is_sorted_by(|a, b| a.key() < b.key());
        check.require(ascends, || "rows of the roster do not ascend by unit".into());
        let leaf = |row: &RosterRow| {
            row_leaf(hash, &row.to_text(), &blind(hash, &part.secret, &row.unit_id()))
        };
        let leaves: Vec<Digest> = self.rows.iter().map(leaf).collect();
        check.count += leaves.len() as u64;
        check.equal(part.roll.rows, merkle::root(hash, &leaves), || "the roster's root".into());
        check.equal(part.roll.cells, part.cells.digest(hash), || "the cells' digest".into());
        let excluded = self.rows.iter().filter(|row| row.excluded.is_some()).count() as u64;
        check.equal(part.roll.excluded, excluded, || "the number of excluded units".into());
        let eligible = self.rows.len() as u64 - excluded;
        check.equal(part.roll.eligible, eligible, || "the number of eligible units".into());
        let mut units = vec![0u32; part.cells.units.len()];
        for row in &self.rows {
            let sound = match (row.cell, &row.excluded) {
                (Some(cell), None) => {
                    let product = part.cells.product.get(cell as usize);
                    let product = product.and_then(|p| part.frame.products.get(*p as usize));
                    if let Some(count) = units.get_mut(cell as usize) {
                        *count += 1;
                    }
                    product.is_some_and(|product| product.product_id == row.product_id)
                }
                (None, Some(_)) => true,
                _ => false,
            };
            check.require(sound, || format!("{}: is in no cell of its product", row.unit_id()));
        }
        check.equal(&part.cells.units, &units, || "the units of cells".into());
        let size = part.frame.counties.len() as u64 + 1;
        check.equal(part.in_frame.size, size, || "the number of counties in the frame".into());
        let place = part.frame.counties.binary_search(&part.county).ok();
        check.equal(Some(part.in_frame.place), place.map(|place| place as u64), || {
            "the county's place in the frame".into()
        });
        let found = part.in_frame.root(hash, &county_leaf(hash, &part.roll)).map(|root| {
            frame_digest(hash, &outline_digest(hash, &part.frame), &part.catalogue, &root)
        });
        check.equal(Some(part.frame.digest), found, || "frame.digest".into());
    }

    /// The digests of design and batches that the county's cells and arcs lead to.
    pub fn commitments(&self, check: &mut Check) -> (Option<Digest>, Option<Digest>) {
        let (hash, part) = (self.policy.hash, &self.part);
        let (Some(in_design), Some(in_counts)) = (&part.in_design, &part.in_counts) else {
            check.require(part.cells.units.is_empty(), || "the county's place is missing".into());
            return (None, None);
        };
        let allocation = self.document().allocation;
        if !super::whole::sound(&allocation) {
            check.problem(|| "cells and arcs do not fit together".into());
            return (None, None);
        }
        let (cells, arcs) = (allocation.cells.units.len(), allocation.arcs.cell.len());
        let own = county_commitment(hash, &allocation, part.county, 0..cells, 0..arcs);
        let root = |path: &Path, of: &Digest| path.root(hash, &merkle::leaf(hash, &of.0));
        let design = root(in_design, &own.design);
        let design = design.map(|root| design_digest(hash, &root, &part.certificate));
        (design, root(in_counts, &own.counts))
    }

    /// Cells within their bounds, batches rounded as they may be, the county's own budget used up.
    pub fn cells(&self, check: &mut Check) -> Option<()> {
        let document = self.document();
        if document.allocation.cells.units.is_empty() {
            check.require(document.allocation.arcs.cell.is_empty(), || "arcs without cells".into());
            return Some(());
        }
        let mut view = View::new(&document, &self.policy, check)?;
        // The floor depends on the whole frame, not on the county.
        view.units = document.frame.units.max(1);
        crate::audit::cells::check(&view, check);
        let drawable = &self.part.cells.channels;
        check.equal(drawable.len(), view.cells.units.len(), || "cells.channels".into());
        for arc in 0..view.arcs.cell.len() {
            let sets = drawable.get(view.arcs.cell[arc] as usize);
            let set = sets.map_or(0, |sets| sets[usize::from(view.arcs.level[arc])]);
            check.require(set >> view.arcs.channel[arc] & 1 == 1, || {
                format!("arc {arc}: its level may not draw in its channel")
            });
        }
        let own =
            |level: Level, code: DivisionCode| level == Level::County && code == self.part.county;
        if let Some(row) = self.part.authorities.iter().find(|row| own(row.level, row.authority)) {
            let county = Level::County.index();
            let arcs = view.arcs.level.iter().zip(&view.arcs.n);
            let own = arcs.filter(|(level, _)| usize::from(**level) == county);
            let batches: u64 = own.map(|(_, n)| u64::from(*n)).sum();
            check.equal(row.batches, batches, || "the batches of the county's authority".into());
        }
        Some(())
    }

    /// The quota rows that the county's batches alone decide.
    pub fn quotas(&self, check: &mut Check) {
        let document = self.document();
        if document.allocation.cells.units.is_empty() {
            return;
        }
        let mut structure = Check::named("structure", "");
        let Some(view) = View::new(&document, &self.policy, &mut structure) else {
            check.problem(|| "not counted, because cells and arcs do not fit together".into());
            return;
        };
        let counts: Vec<u64> = view.arcs.n.iter().map(|n| u64::from(*n)).collect();
        rows::of_county(&view, &Dimensions::new(&view), &counts, self.part.county, check);
    }

    /// Every unit's lot, and that lines are exactly the units that the lots say, with what they say.
    pub fn lots(&self, keys: &SubKeys, check: &mut Check) {
        let part = &self.part;
        let mut units: BTreeMap<u32, Vec<(Digest, String, &RosterRow)>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(cell) = row.cell {
                let id = row.unit_id();
                let lot = lot(keys.hash, &keys.lots, row.key());
                units.entry(cell).or_default().push((lot, id, row));
            }
        }
        let mut lines: HashMap<(&str, &str), &Line> = HashMap::new();
        for line in &self.lines {
            let key = (line.enterprise_id.as_str(), line.product_id.as_str());
            let twice = lines.insert(key, line).is_some();
            check.require(!twice, || format!("line {}: its unit has two lines", line.line));
        }
        let mut used: HashSet<u32> = HashSet::new();
        for (cell, mut own) in units {
            own.sort_unstable_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            let from = part.arcs.cell.partition_point(|other| *other < cell);
            let to = part.arcs.cell.partition_point(|other| *other <= cell);
            // Whom each unit, in the order of lots, belongs to: an arc's lines, then its spares.
            let mut expected: Vec<(usize, u32)> = Vec::new();
            for arc in from..to {
                expected.extend((0..part.arcs.n[arc]).map(|_| (arc, 0)));
            }
            for arc in from..to {
                let wanted =
                    u64::from(part.arcs.n[arc]) * u64::from(self.policy.replacements_per_line);
                let left = (own.len() - expected.len().min(own.len())) as u64;
                expected.extend((0..wanted.min(left)).map(|rank| (arc, rank as u32 + 1)));
            }
            for (place, (lot, id, row)) in own.iter().enumerate() {
                check.count += 1;
                let line = lines.get(&row.key()).copied();
                if let Some(line) = line {
                    used.insert(line.line);
                    self.line(line, row, cell, lot, keys, check);
                }
                match (expected.get(place), line) {
                    (Some((arc, rank)), Some(line)) => {
                        let wanted = (part.first_arc + *arc as u32, *rank);
                        check.equal((line.arc, line.replacement_rank), wanted, || {
                            format!("{id}: (arc, rank)")
                        });
                    }
                    (Some(_), None) => {
                        check.problem(|| {
                            format!("{id}: its lot is among the first, it has no line")
                        });
                    }
                    // Behind its own cell's units it may stand by for another cell's arc.
                    (None, Some(line)) => check.require(line.replacement_rank > 0, || {
                        format!("{id}: was drawn, and its lot is not among the first")
                    }),
                    (None, None) => {}
                }
            }
        }
        check.require(used.len() == lines.len(), || {
            format!("{} lines are of no unit of the county", lines.len() - used.len())
        });
    }

    fn line(
        &self,
        line: &Line,
        row: &RosterRow,
        cell: u32,
        lot: &Digest,
        keys: &SubKeys,
        check: &mut Check,
    ) {
        let (part, c) = (&self.part, cell as usize);
        let said = |what: &str| format!("line {}: {what}", line.line);
        check.equal(line.lot, *lot, || said("lot"));
        check.equal(line.cell, part.first_cell + cell, || said("cell"));
        check.equal(line.county, part.county, || said("county"));
        let name = row.enterprise_name.as_deref().unwrap_or_default();
        check.equal(line.enterprise_name.as_str(), name, || said("enterprise_name"));
        let area = part.cells.area.get(c).copied();
        check.equal(Some(line.area.index() as u8), area, || said("area"));
        let tier = part.cells.tier.get(c).and_then(|tier| part.frame.tiers.get(*tier as usize));
        check.equal(Some(line.tier.as_str()), tier.map(String::as_str), || said("tier"));
        let product = part.cells.product.get(c).and_then(|p| part.frame.products.get(*p as usize));
        check.equal(Some(line.key), product.map(|product| product.key), || said("key"));
        let code = part.county.cut(crate::audit::view::digits(line.level));
        check.equal(Some(line.authority), code, || said("authority"));
        let same = (0..part.arcs.cell.len()).find(|arc| {
            part.arcs.cell[*arc] == cell
                && usize::from(part.arcs.level[*arc]) == line.level.index()
                && part.arcs.channel[*arc] == line.channel as u8
        });
        let units = part.cells.units.get(c).copied().unwrap_or(1).max(1);
        let chance = same.map(|arc| probability(part.arcs.x[arc], units));
        check.equal(Some(&line.probability), chance.as_ref(), || said("probability"));
        let first = u32::from(part.cells.first_wave.get(c).copied().unwrap_or(0)) + 1;
        let waves = self.policy.waves.len().max(1) as u32;
        let sound = if line.replacement_rank > 0 {
            line.wave == first
        } else {
            (first..=waves).contains(&line.wave)
        };
        check.require(sound, || said(&format!("wave {} where {first} is the first", line.wave)));
        let option = option(row, line.channel, keys);
        let found = (line.platform.as_str(), line.sale_division.as_str());
        check.equal(Some(found), option, || said("(platform, place of sale)"));
    }
}

/// The option that a unit is sampled by in a channel: the one of the smallest hash.
fn option<'a>(row: &'a RosterRow, channel: Channel, keys: &SubKeys) -> Option<(&'a str, &'a str)> {
    let own = row.options.iter().filter(|option| option.channel == channel);
    let id = row.unit_id();
    let text = |(platform, place): &(&str, &str)| format!("{platform}/{place}");
    let mut all: Vec<(&str, &str)> =
        own.map(|option| (option.platform.as_str(), option.sale_division.as_str())).collect();
    all.sort_by_cached_key(|option| {
        let text = text(option);
        (keys.hash.of(&[&keys.options, id.as_bytes(), b"/", text.as_bytes()]), text)
    });
    all.first().copied()
}

/// The members of a county's bundle.
#[must_use]
pub fn county_members(
    history: History,
    (part, rows, lines): &(CountyPart, Vec<RosterRow>, Vec<Line>),
) -> Members {
    let mut members = super::whole::history(history);
    // Texts and numbers, written into memory: nothing of this can fail.
    let text = serde_json::to_vec(part).unwrap_or_default();
    members.insert("county.json".to_owned(), text);
    members.insert("roster.jsonl".to_owned(), to_lines(rows));
    members.insert("lines.jsonl".to_owned(), to_lines(lines));
    members
}

/// Reads the member that tells most of a part, and sees that it has no other text.
pub(super) fn read_part<T: Serialize + for<'a> Deserialize<'a>>(
    bytes: &[u8],
    what: &str,
    check: &mut Check,
) -> Option<T> {
    match serde_json::from_slice::<T>(bytes) {
        Ok(found) => {
            let text = serde_json::to_vec(&found).unwrap_or_default();
            check.require(text == bytes, || format!("{what} is not in canonical form"));
            Some(found)
        }
        Err(error) => {
            check.problem(|| format!("{what}: {error}"));
            None
        }
    }
}

/// Reads a part's policy.
pub(super) fn read_policy(policy: &serde_json::Value, check: &mut Check) -> Option<Policy> {
    let read = Policy::from_json(policy);
    read.map_err(|errors| check.problem(|| format!("the policy: {errors}"))).ok()
}

/// Texts as a member, a line each.
pub(super) fn to_lines<T: Serialize>(all: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in all {
        // Texts and numbers, written into memory: nothing of this can fail.
        bytes.extend(serde_json::to_vec(one).unwrap_or_default());
        bytes.push(b'\n');
    }
    bytes
}

/// Reads a member of a line each, and sees that it has no other text.
pub(super) fn read_lines<T: Serialize + for<'a> Deserialize<'a>>(
    bytes: &[u8],
    what: &str,
    check: &mut Check,
) -> Option<Vec<T>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut all = Vec::new();
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(one) => all.push(one),
            Err(error) => {
                check.problem(|| format!("{what}, line {}: {error}", all.len() + 1));
                return None;
            }
        }
    }
    check.require(to_lines(&all) == bytes, || format!("{what}: is not the text that it has"));
    Some(all)
}
