//! Why a unit is drawn or not: for one enterprise, its place in the frame, its probability, its
//! lot, its rank, and how far that is from being drawn.
//!
//! A function of the frame, the plan and the policy; ranking needs the units of one cell only,
//! and every lot can be made again with `sha256sum`.

use serde::Serialize;

use crate::design::BATCH;
use crate::draw::{DrawKey, LOT_LABEL, Seed, SubKey, ranked};
use crate::frame::{AbsenceProof, Frame, FrameRoll, RowProof, UnitFacts};
use crate::model::{Channel, Digest, DivisionCode, HashName, Level, gcd};
use crate::policy::Policy;

use super::lines::probability;
use super::{Document, Line};

/// What there is to say of one enterprise in one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Form of this object.
    pub format: &'static str,
    /// The plan.
    pub plan: String,
    /// The frame that it was drawn from.
    pub frame: Digest,
    /// The enterprise.
    pub enterprise_id: String,
    /// The product, if only its unit was asked for.
    pub product_id: Option<String>,
    /// Its name, if it has an eligible unit; else empty.
    pub enterprise_name: String,
    /// Its units, ascending by product: eligible ones and excluded ones. Empty if the frame knows
    /// nothing of the enterprise (or of the product that was asked for).
    pub units: Vec<UnitExplanation>,
    /// If there is no unit: that the frame has none in a county that was asked for.
    pub absence: Option<AbsenceProof>,
    /// Numbers of the log's entries about the plan, each of which can be proved by itself.
    pub log_entries: Vec<u64>,
}

/// One unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitExplanation {
    /// Product.
    pub product_id: String,
    /// `drawn`, `replacement`, `not drawn` or `excluded`.
    pub standing: &'static str,
    /// Why it is not in the frame; none if it is.
    pub exclusion: Option<Exclusion>,
    /// What the rules saw in the registry; none if the registry was not at hand.
    pub facts: Option<UnitFacts>,
    /// Its cell; none if it is excluded. So for all that follows.
    pub cell: Option<CellFacts>,
    /// Its probabilities.
    pub probability: Option<Probabilities>,
    /// Its lot, and what became of it.
    pub lot: Option<LotFacts>,
    /// Its line of the plan, if it is drawn or stands by.
    pub line: Option<LineFacts>,
    /// That the frame says so, where the frame's roll was at hand.
    pub proof: Option<RowProof>,
}

/// Why a unit is not in the frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// The reason as the frame lists it.
    pub reason: String,
    /// Places of the policy's `exclude` rules with this reason, from 0; empty if none excluded it.
    pub rules: Vec<usize>,
}

/// What the units of a cell have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellFacts {
    /// Number of the cell in the plan, from 0.
    pub cell: u32,
    /// County of coverage.
    pub county: DivisionCode,
    /// `urban` or `rural`.
    pub area: &'static str,
    /// Key product.
    pub key: bool,
    /// Tier.
    pub tier: String,
    /// Cluster; empty if none, or if the policy mentions none.
    pub cluster: String,
    /// Attributes that the policy mentions, with their values.
    pub attributes: Vec<(String, String)>,
    /// Earliest wave, from 1.
    pub first_wave: u32,
    /// Risk weight.
    pub weight: u64,
    /// Whether every unit is taken.
    pub certain: bool,
    /// Eligible units of the cell, N.
    pub units: u32,
    /// What each level gets in each channel, in the order in which the cell's list is shared out.
    pub arcs: Vec<ArcFacts>,
}

/// What a level gets of a cell in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArcFacts {
    /// Number of the arc in the plan, from 0.
    pub arc: u32,
    /// Level.
    pub level: &'static str,
    /// Authority.
    pub authority: DivisionCode,
    /// Channel.
    pub channel: &'static str,
    /// Expected batches as a fraction in lowest terms.
    pub expected: String,
    /// Batches drawn.
    pub n: u32,
    /// Ranks that are drawn by it, first and last; none if it draws none.
    pub ranks: Option<[u32; 2]>,
    /// Probability that a unit of the cell is drawn by it.
    pub probability: String,
}

/// Probabilities of being drawn, as fractions in lowest terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probabilities {
    /// By the province; `0/1` if it may not draw the unit.
    pub province: String,
    /// By the city.
    pub city: String,
    /// By the county.
    pub county: String,
    /// By anyone.
    pub total: String,
}

/// A lot and its rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LotFacts {
    /// The lot.
    pub lot: Digest,
    /// A line for a shell that prints the lot, followed by ` -`.
    pub command: String,
    /// Place among the units of the cell in the order of lots, from 1.
    pub rank: u32,
    /// Units drawn from the cell: ranks up to this are drawn.
    pub drawn: u32,
    /// By how many ranks the unit is short of being drawn; 0 if it is drawn.
    pub short: u32,
}

/// A line of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineFacts {
    /// Number.
    pub line: u32,
    /// Level.
    pub level: &'static str,
    /// Authority.
    pub authority: DivisionCode,
    /// Channel.
    pub channel: &'static str,
    /// Wave, from 1; of a replacement unit the earliest.
    pub wave: u32,
    /// 0 if drawn, else the place among the replacement units of the arc.
    pub replacement_rank: u32,
    /// Arc that drew it or in whose pool it stands.
    pub arc: u32,
}

/// Looks up what the rules saw in a unit (enterprise, product).
pub type FactsOf<'a> = &'a dyn Fn(&str, &str) -> Option<UnitFacts>;

/// Explains the units of an enterprise, or the one of `product`, in a plan that was drawn from
/// `frame` under `policy`. `facts` looks units up in the registry, where that is at hand.
#[must_use]
pub fn explain(
    frame: &Frame,
    document: &Document,
    policy: &Policy,
    enterprise: &str,
    product: Option<&str>,
    facts: FactsOf<'_>,
) -> Explanation {
    let wanted = |id: &str| product.is_none_or(|product| product == id);
    let mut units = Vec::new();
    for (other, id, reason) in frame.exclusions.iter() {
        if other == enterprise && wanted(id) {
            units.push(excluded(policy, enterprise, id, reason, facts));
        }
    }
    let mut enterprise_name = String::new();
    if let Some(place) = frame.enterprise_ids.find_sorted(enterprise) {
        enterprise_name = frame.enterprise_names.get(place).to_owned();
        let own = frame.unit_enterprise.iter().enumerate();
        for (unit, _) in own.filter(|(_, other)| **other as usize == place) {
            let cell = frame.unit_start.partition_point(|start| *start as usize <= unit) - 1;
            let id = &frame.products[frame.cells.product[cell] as usize].id;
            if wanted(id) {
                units.push(eligible(frame, document, enterprise, cell, unit, policy.hash, facts));
            }
        }
    }
    units.sort_by(|a, b| a.product_id.cmp(&b.product_id));
    Explanation {
        format: "spotcheck/explain/1",
        plan: document.plan.id.clone(),
        frame: document.frame.digest,
        enterprise_id: enterprise.to_owned(),
        product_id: product.map(str::to_owned),
        enterprise_name,
        units,
        absence: None,
        log_entries: Vec::new(),
    }
}

impl Explanation {
    /// Adds the proofs of what it says of the frame: of its units, or that there is none in `county`.
    pub fn prove(
        &mut self,
        frame: &Frame,
        roll: &FrameRoll,
        product: Option<&str>,
        county: Option<&str>,
    ) {
        let own = frame.county_of(&self.enterprise_id);
        let Some(county) = own.as_deref().filter(|_| !self.units.is_empty()).or(county) else {
            return;
        };
        match frame.prove(roll, county, &self.enterprise_id, product) {
            Some(Ok(proofs)) => {
                for (unit, proof) in self.units.iter_mut().zip(proofs) {
                    unit.proof = Some(proof);
                }
            }
            Some(Err(absence)) => self.absence = Some(absence),
            None => {}
        }
    }
}

fn excluded(
    policy: &Policy,
    enterprise: &str,
    product: &str,
    reason: &str,
    facts: FactsOf<'_>,
) -> UnitExplanation {
    let rules = policy.exclude.iter().enumerate();
    let rules = rules.filter(|(_, rule)| rule.reason == reason).map(|(number, _)| number);
    UnitExplanation {
        product_id: product.to_owned(),
        standing: "excluded",
        exclusion: Some(Exclusion { reason: reason.to_owned(), rules: rules.collect() }),
        facts: facts(enterprise, product),
        cell: None,
        probability: None,
        lot: None,
        line: None,
        proof: None,
    }
}

fn eligible(
    frame: &Frame,
    document: &Document,
    enterprise: &str,
    cell: usize,
    unit: usize,
    hash: HashName,
    facts: FactsOf<'_>,
) -> UnitExplanation {
    let product = &frame.products[frame.cells.product[cell] as usize].id;
    let cell_facts = cell_facts(frame, document, cell);
    let first = frame.unit_start[cell] as usize;
    let count = frame.cell_units(cell) as usize;
    let id = |place: usize, id: &mut String| {
        id.push_str(frame.enterprise_ids.get(frame.unit_enterprise[first + place] as usize));
        id.push('/');
        id.push_str(product);
    };
    let key = DrawKey::new(hash, &Seed(document.seed.digest.0), &document.plan.input_digest);
    let sub_key = key.sub_key(LOT_LABEL);
    let order = ranked(&sub_key, id, count, count);
    let place = order.iter().position(|(_, other)| *other as usize == unit - first).unwrap_or(0);
    let rank = place as u32 + 1;
    let drawn: u32 = cell_facts.arcs.iter().map(|arc| arc.n).sum();
    let line = document.lines.iter().find(|line| {
        line.cell as usize == cell
            && line.enterprise_id == enterprise
            && line.product_id == *product
    });
    let standing = match line {
        Some(Line { replacement_rank: 0, .. }) => "drawn",
        Some(_) => "replacement",
        None => "not drawn",
    };
    UnitExplanation {
        product_id: product.clone(),
        standing,
        exclusion: None,
        facts: facts(enterprise, product),
        probability: Some(probabilities(document, cell)),
        lot: Some(LotFacts {
            lot: order[place].0,
            command: command(&sub_key, enterprise, product),
            rank,
            drawn,
            short: rank.saturating_sub(drawn),
        }),
        cell: Some(cell_facts),
        line: line.map(|line| LineFacts {
            line: line.line,
            level: line.level.as_str(),
            authority: line.authority,
            channel: line.channel.as_str(),
            wave: line.wave,
            replacement_rank: line.replacement_rank,
            arc: line.arc,
        }),
        proof: None,
    }
}

/// A shell line that prints a unit's lot, with coreutils alone.
fn command(sub_key: &SubKey, enterprise: &str, product: &str) -> String {
    let bytes = [&sub_key.key[..], enterprise.as_bytes(), b"/", product.as_bytes()].concat();
    let tool = match sub_key.hash {
        HashName::Sha256 => "sha256sum",
        HashName::Sm3 => "cksum -a sm3 --untagged",
    };
    format!("printf %s {} | basenc --base16 -d | {tool}", hex::encode_upper(bytes))
}

/// The arcs of a cell in a plan: they ascend by cell.
fn arcs_of(document: &Document, cell: usize) -> std::ops::Range<usize> {
    let cells = &document.allocation.arcs.cell;
    cells.partition_point(|other| (*other as usize) < cell)
        ..cells.partition_point(|other| (*other as usize) <= cell)
}

fn cell_facts(frame: &Frame, document: &Document, cell: usize) -> CellFacts {
    let cells = &frame.cells;
    let county = frame.counties[cells.county[cell] as usize];
    let units = frame.cell_units(cell);
    let arcs = &document.allocation.arcs;
    let mut first = 1;
    let arcs = arcs_of(document, cell).map(|arc| {
        let level = Level::ALL[usize::from(arcs.level[arc]) % Level::ALL.len()];
        let channel = Channel::ALL[usize::from(arcs.channel[arc]) % Channel::ALL.len()];
        let (x, n) = (arcs.x[arc], arcs.n[arc]);
        let ranks = (n > 0).then(|| [first, first + n - 1]);
        first += n;
        let digits = [2, 4, 6][level.index()];
        ArcFacts {
            arc: arc as u32,
            level: level.as_str(),
            authority: county.cut(digits).unwrap_or(county),
            channel: channel.as_str(),
            expected: fraction(x, BATCH),
            n,
            ranks,
            probability: probability(x, units),
        }
    });
    CellFacts {
        cell: cell as u32,
        county,
        area: cells.area[cell].as_str(),
        key: frame.products[cells.product[cell] as usize].key,
        tier: frame.tiers.get(cells.tier[cell]).to_owned(),
        cluster: frame.clusters.get(cells.cluster[cell]).to_owned(),
        attributes: frame
            .attributes
            .iter()
            .zip(&cells.attributes)
            .map(|((name, values), column)| (name.clone(), values.get(column[cell]).to_owned()))
            .collect(),
        first_wave: u32::from(cells.first_wave[cell]) + 1,
        weight: cells.weight[cell],
        certain: cells.certain[cell],
        units,
        arcs: arcs.collect(),
    }
}

fn probabilities(document: &Document, cell: usize) -> Probabilities {
    let arcs = &document.allocation.arcs;
    let units = document.allocation.cells.units.get(cell).copied().unwrap_or(1);
    let mut x = [0u64; 3];
    for arc in arcs_of(document, cell) {
        x[usize::from(arcs.level[arc]) % 3] += arcs.x[arc];
    }
    let [province, city, county] = x.map(|x| probability(x, units));
    Probabilities { province, city, county, total: probability(x.iter().sum(), units) }
}

fn fraction(num: u64, den: u64) -> String {
    let g = gcd(num, den);
    format!("{}/{}", num / g, den / g)
}
