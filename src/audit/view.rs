//! The structure of a plan: what must fit together before anything else can be counted.
//!
//! Once [`View::new`] has found no problem, every number that refers to something refers to
//! something that is there, and sums of expected batches fit 64 bits.

use crate::model::{DivisionCode, Level};
use crate::plan::{ArcColumns, CellColumns, Document};
use crate::policy::{Dim, Policy, WEIGHT_MAX};

use super::dims::{Families, families};
use super::report::Check;

/// One batch in the units of `x`.
pub(super) const BATCH: u64 = 1 << 32;

/// No authority, no group.
pub(super) const NONE: u32 = u32::MAX;

/// Most divisions: three times those of the whole country, so that no file can ask for a split
/// that takes for ever.
const DIVISIONS_MAX: usize = 10_000;

/// Most dimensions of a family.
const FAMILY_DIMS_MAX: usize = 64;

/// A plan whose structure is sound.
pub(super) struct View<'a> {
    pub document: &'a Document,
    pub policy: &'a Policy,
    pub cells: &'a CellColumns,
    pub arcs: &'a ArcColumns,
    /// Where the arcs of each cell begin; one entry more than cells.
    pub start: Vec<u32>,
    /// Place in `allocation.authorities` by county and level, or [`NONE`].
    pub authority_of: Vec<[u32; 3]>,
    /// The dimensions of both families.
    pub families: Families,
    /// Eligible units in all, at least 1.
    pub units: u64,
    /// Batches of all levels, by the policy.
    pub batches: u64,
}

impl<'a> View<'a> {
    /// Checks the structure; none if something is wrong.
    pub fn new(document: &'a Document, policy: &'a Policy, check: &mut Check) -> Option<Self> {
        let (cells, arcs) = (&document.allocation.cells, &document.allocation.arcs);
        divisions(document, check);
        dictionaries(document, check);
        columns(document, check);
        if !check.holds() {
            return None;
        }
        cell_values(document, policy, check);
        let authority_of = authorities(document, policy, check);
        let start = arc_places(cells, arcs, check);
        let families = families(document, FAMILY_DIMS_MAX, check);
        attributes(document, policy, check);
        line_references(document, check);
        let (families, start) = (families?, start?);
        if !check.holds() {
            return None;
        }
        let batches = policy.budget.iter().flatten().map(|level| level.total).sum();
        let units = cells.units.iter().map(|units| u64::from(*units)).sum();
        let view =
            View { document, policy, cells, arcs, start, authority_of, families, units, batches };
        view.arc_authorities(check);
        view.cell_order(check);
        check.holds().then_some(view)
    }

    /// The arcs of a cell.
    pub fn arcs_of(&self, cell: usize) -> std::ops::Range<usize> {
        self.start[cell] as usize..self.start[cell + 1] as usize
    }

    /// The place of an arc's authority in `allocation.authorities`.
    pub fn authority(&self, arc: usize) -> u32 {
        let county = self.cells.county[self.arcs.cell[arc] as usize];
        self.authority_of[county as usize][usize::from(self.arcs.level[arc])]
    }

    /// The arc of `cell` with the level and channel of `arc`.
    pub fn same_kind(&self, cell: usize, arc: usize) -> Option<usize> {
        let kind = |arc: usize| (self.arcs.level[arc], self.arcs.channel[arc]);
        self.arcs_of(cell).find(|other| kind(*other) == kind(arc))
    }

    /// Number of waves, at least 1.
    pub fn waves(&self) -> usize {
        self.policy.waves.len().max(1)
    }

    fn arc_authorities(&self, check: &mut Check) {
        let list = &self.document.allocation.authorities;
        for arc in 0..self.arcs.cell.len() {
            let place = self.authority(arc);
            let batches = list.get(place as usize).map_or(0, |row| row.batches);
            check.require(batches > 0, || {
                let cell = self.arcs.cell[arc] as usize;
                let county = self.document.frame.counties[self.cells.county[cell] as usize];
                let level = Level::ALL[usize::from(self.arcs.level[arc])];
                format!("arc {arc}: no {level} authority with batches covers county {county}")
            });
        }
    }

    /// Cells ascend by all of their columns, the sets of channels by level after the product.
    /// Where an authority of the county has no batch its channels can't be seen, and only the
    /// columns before them are compared.
    fn cell_order(&self, check: &mut Check) {
        let cells = self.cells;
        let list = &self.document.allocation.authorities;
        let channels = |cell: usize| {
            let mut sets = [0u8; 3];
            for arc in self.arcs_of(cell) {
                sets[usize::from(self.arcs.level[arc])] |= 1 << self.arcs.channel[arc];
            }
            sets
        };
        let head = |c: usize| (cells.county[c], cells.area[c], cells.product[c]);
        let tail = |c: usize| {
            let attributes = cells.attributes.values().map(|column| column[c]);
            let attributes: Vec<u32> = attributes.collect();
            let own = (cells.tier[c], cells.cluster[c], cells.accident[c]);
            (channels(c), own, attributes, cells.first_wave[c], cells.weight[c], cells.certain[c])
        };
        for cell in 1..cells.units.len() {
            let before = cell - 1;
            let of_county = &self.authority_of[cells.county[cell] as usize];
            let hidden = of_county
                .iter()
                .any(|place| list.get(*place as usize).is_some_and(|row| row.batches == 0));
            let ascends = match head(before).cmp(&head(cell)) {
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Equal => hidden || tail(before) < tail(cell),
                std::cmp::Ordering::Greater => false,
            };
            check.require(ascends, || {
                format!("cell {cell} does not come after cell {before}, or is the same")
            });
        }
    }
}

fn ascending<T: Ord>(
    values: impl IntoIterator<Item = T>,
    check: &mut Check,
    problem: impl Fn(usize) -> String,
) {
    let mut last = None;
    for (place, value) in values.into_iter().enumerate() {
        check.require(last.as_ref().is_none_or(|last| *last < value), || problem(place));
        last = Some(value);
    }
}

fn divisions(document: &Document, check: &mut Check) {
    let frame = &document.frame;
    let all = &frame.divisions;
    check.require(all.len() <= DIVISIONS_MAX, || {
        format!("frame.divisions has {} entries; at most {DIVISIONS_MAX} can be", all.len())
    });
    ascending(all.iter().map(|d| d.code), check, |i| {
        format!("frame.divisions[{i}] {} does not come after the one before", all[i].code)
    });
    let province = all.first().map(|d| d.code);
    check.require(province.is_some_and(|code| code.digits() == 2), || {
        "frame.divisions does not begin with the province".into()
    });
    for division in all.iter().skip(1) {
        let code = division.code;
        let sound = matches!(code.digits(), 4 | 6) && Some(code.province()) == province;
        check.require(sound, || {
            format!("frame.divisions: {code} is no city and no county of the province")
        });
    }
    let counties = all.iter().map(|d| d.code).filter(|code| code.digits() == 6);
    check.require(counties.eq(frame.counties.iter().copied()), || {
        "frame.counties are not the counties of frame.divisions".into()
    });
}

fn dictionaries(document: &Document, check: &mut Check) {
    let frame = &document.frame;
    let mut dictionary = |name: &str, texts: &[String]| {
        ascending(texts, check, |i| {
            format!("{name}[{i}] {:?} does not come after the one before", texts[i])
        });
    };
    dictionary("frame.tiers", &frame.tiers);
    dictionary("frame.clusters", &frame.clusters);
    for (name, values) in &frame.attributes {
        dictionary(&format!("frame.attributes.{name}"), values);
    }
    ascending(frame.products.iter().map(|p| &p.product_id), check, |i| {
        let id = &frame.products[i].product_id;
        format!("frame.products[{i}] {id:?} does not come after the one before")
    });
    ascending(frame.excluded.iter().map(|e| &e.reason), check, |i| {
        let reason = &frame.excluded[i].reason;
        format!("frame.excluded[{i}] {reason:?} does not come after the one before")
    });
}

fn columns(document: &Document, check: &mut Check) {
    let (cells, arcs) = (&document.allocation.cells, &document.allocation.arcs);
    let count = cells.units.len();
    let mut column = |name: &str, length: usize, count: usize| {
        check.require(length == count, || {
            format!("allocation.{name} has {length} entries where others have {count}")
        });
    };
    column("cells.county", cells.county.len(), count);
    column("cells.area", cells.area.len(), count);
    column("cells.product", cells.product.len(), count);
    column("cells.tier", cells.tier.len(), count);
    column("cells.cluster", cells.cluster.len(), count);
    column("cells.accident", cells.accident.len(), count);
    column("cells.first_wave", cells.first_wave.len(), count);
    column("cells.weight", cells.weight.len(), count);
    column("cells.certain", cells.certain.len(), count);
    for (name, values) in &cells.attributes {
        column(&format!("cells.attributes.{name}"), values.len(), count);
    }
    let count = arcs.cell.len();
    column("arcs.level", arcs.level.len(), count);
    column("arcs.channel", arcs.channel.len(), count);
    column("arcs.x", arcs.x.len(), count);
    column("arcs.n", arcs.n.len(), count);
    check.require(cells.units.len() < NONE as usize && count < NONE as usize, || {
        "more cells or arcs than a number of 32 bits can name".into()
    });
    check.require(!cells.units.is_empty(), || "there is no cell".into());
    let x: u128 = arcs.x.iter().map(|x| u128::from(*x)).sum();
    check.require(u64::try_from(x).is_ok(), || format!("allocation.arcs.x sum to {x}"));
    let names = cells.attributes.keys();
    check.require(names.eq(document.frame.attributes.keys()), || {
        "allocation.cells.attributes and frame.attributes name other attributes".into()
    });
}

fn cell_values(document: &Document, policy: &Policy, check: &mut Check) {
    let (frame, cells) = (&document.frame, &document.allocation.cells);
    let mut below = |name: &str, values: &mut dyn Iterator<Item = u64>, limit: usize| {
        for (cell, value) in values.enumerate() {
            check.require(value < limit as u64, || {
                format!("cell {cell}: {name} is {value}; expected less than {limit}")
            });
        }
    };
    fn wide<T: Copy + Into<u64>>(values: &[T]) -> impl Iterator<Item = u64> {
        values.iter().map(|value| (*value).into())
    }
    below("county", &mut wide(&cells.county), frame.counties.len());
    below("area", &mut wide(&cells.area), 2);
    below("product", &mut wide(&cells.product), frame.products.len());
    below("tier", &mut wide(&cells.tier), frame.tiers.len());
    below("cluster", &mut wide(&cells.cluster), frame.clusters.len());
    below("accident", &mut wide(&cells.accident), 2);
    below("first_wave", &mut wide(&cells.first_wave), policy.waves.len().max(1));
    below("certain", &mut wide(&cells.certain), 2);
    for (name, values) in &cells.attributes {
        below(name, &mut wide(values), frame.attributes.get(name).map_or(0, Vec::len));
    }
    for (cell, (units, weight)) in cells.units.iter().zip(&cells.weight).enumerate() {
        check.require(*units > 0, || format!("cell {cell}: has no unit"));
        check.require((1..=WEIGHT_MAX).contains(weight), || {
            format!("cell {cell}: weight is {weight}; expected 1 to {WEIGHT_MAX}")
        });
    }
    for (cell, tier) in cells.tier.iter().enumerate() {
        let empty = frame.tiers.get(*tier as usize).is_some_and(String::is_empty);
        check.require(!empty, || format!("cell {cell}: its tier is the empty text"));
    }
}

/// Checks that exactly the province, cities and counties whose level has a budget are listed,
/// by level and code, and finds them for each county.
fn authorities(document: &Document, policy: &Policy, check: &mut Check) -> Vec<[u32; 3]> {
    let frame = &document.frame;
    let list = &document.allocation.authorities;
    let mut of_county = vec![[NONE; 3]; frame.counties.len()];
    let mut expected = Vec::new();
    for level in policy.levels() {
        let digits = digits(level);
        let first = expected.len();
        let own = frame.divisions.iter().filter(|d| d.code.digits() == digits);
        expected.extend(own.map(|d| (level, d.code, d.name.as_str())));
        for (county, code) in frame.counties.iter().enumerate() {
            let own = &expected[first..];
            let place = code
                .cut(digits)
                .and_then(|cut| own.binary_search_by_key(&cut, |(_, code, _)| *code).ok());
            if let Some(place) = place {
                of_county[county][level.index()] = (first + place) as u32;
            }
        }
    }
    let count = expected.len();
    check.equal(list.len(), count, || "the number of allocation.authorities".into());
    for (i, (row, expected)) in list.iter().zip(&expected).enumerate() {
        let written = (row.level, row.authority, row.name.as_str());
        check.equal(written, *expected, || format!("allocation.authorities[{i}]"));
    }
    of_county
}

/// Digits of the code of an authority of `level`.
pub(super) fn digits(level: Level) -> u8 {
    match level {
        Level::Province => 2,
        Level::City => 4,
        Level::County => 6,
    }
}

/// Checks arcs and finds where those of each cell begin.
fn arc_places(cells: &CellColumns, arcs: &ArcColumns, check: &mut Check) -> Option<Vec<u32>> {
    let count = cells.units.len();
    let mut start = vec![0u32; count + 1];
    let key = |arc: usize| (arcs.cell[arc], arcs.level[arc], arcs.channel[arc]);
    let mut sound = true;
    for arc in 0..arcs.cell.len() {
        let (cell, level, channel) = key(arc);
        let fits = (cell as usize) < count && level < 3 && channel < 3;
        let ascends = arc == 0 || key(arc - 1) < key(arc);
        check.require(fits && ascends, || {
            format!(
                "arc {arc} (cell {cell}, level {level}, channel {channel}) names nothing or does \
                 not come after the one before"
            )
        });
        sound &= fits && ascends;
        if fits {
            start[cell as usize + 1] += 1;
        }
    }
    for cell in 0..count {
        check.require(start[cell + 1] > 0, || format!("cell {cell}: has no arc"));
        start[cell + 1] += start[cell];
    }
    sound.then_some(start)
}

/// Checks that cells say whatever the policy's quotas ask of them, and nothing of clusters and
/// accidents if they ask nothing.
fn attributes(document: &Document, policy: &Policy, check: &mut Check) {
    let cells = &document.allocation.cells;
    let mut silent = |dim: Dim, zero: bool| {
        check.require(zero || mentioned(policy, &dim), || {
            format!("cells differ in {dim}, which no quota mentions")
        });
    };
    silent(Dim::Cluster, cells.cluster.iter().all(|value| *value == 0));
    silent(Dim::Accident, cells.accident.iter().all(|value| *value == 0));
    for dim in mentions(policy) {
        if let Dim::Attribute(name) = dim {
            check.require(cells.attributes.contains_key(name), || {
                format!("a quota mentions {name}, but cells do not have it")
            });
        }
    }
}

/// The dimensions that the policy's quotas mention, with repeats.
fn mentions(policy: &Policy) -> impl Iterator<Item = &Dim> {
    policy.quotas.iter().flat_map(|quota| {
        let filter = quota.filter.iter().map(|condition| &condition.dim);
        filter.chain(quota.each.iter().flatten()).chain(quota.of.iter().flatten())
    })
}

/// Whether a quota of the policy mentions `dim`, so that cells are told apart by it.
pub(super) fn mentioned(policy: &Policy, dim: &Dim) -> bool {
    mentions(policy).any(|other| other == dim)
}

fn line_references(document: &Document, check: &mut Check) {
    let cells = document.allocation.cells.units.len();
    let arcs = document.allocation.arcs.cell.len();
    for line in &document.lines {
        check.require((line.cell as usize) < cells && (line.arc as usize) < arcs, || {
            format!("line {}: there is no cell {} or no arc {}", line.line, line.cell, line.arc)
        });
    }
}

/// The county of a cell.
pub(super) fn county(view: &View<'_>, cell: usize) -> DivisionCode {
    view.document.frame.counties[view.cells.county[cell] as usize]
}
