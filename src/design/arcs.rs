//! Authorities with their budgets, arcs, and the dimensions by which arcs are grouped.

use crate::frame::{Frame, product_value};
use crate::model::{Area, Channel, DivisionCode, Level};
use crate::policy::{Dim, Policy};

use super::{Clash, Refusal};

/// No authority, no group.
pub const NONE: u32 = u32::MAX;

/// An authority that draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Level.
    pub level: Level,
    /// Code.
    pub code: DivisionCode,
    /// Eligible units in its territory that its level may draw.
    pub units: u64,
    /// Batches.
    pub batches: u64,
}

/// The authorities of a plan, by level and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// All of them.
    pub list: Vec<Authority>,
    /// For each county and level, the authority's place in `list`, or [`NONE`].
    pub of_county: Vec<[u32; 3]>,
}

impl Authorities {
    /// Finds the authorities and splits the budgets.
    ///
    /// # Errors
    /// If a level's budget cannot be split or exceeds its eligible units.
    pub fn new(frame: &Frame, policy: &Policy) -> Result<Self, Refusal> {
        let mut authorities = Authorities { list: Vec::new(), of_county: Vec::new() };
        authorities.of_county = vec![[NONE; 3]; frame.counties.len()];
        for level in policy.levels() {
            let digits = [2, 4, 6][level.index()];
            let first = authorities.list.len();
            let codes = frame.divisions.iter().map(|(c, _)| *c).filter(|c| c.digits() == digits);
            authorities.list.extend(codes.map(|code| Authority {
                level,
                code,
                units: 0,
                batches: 0,
            }));
            let own = &authorities.list[first..];
            for (county, code) in frame.counties.iter().enumerate() {
                let Some(cut) = code.cut(digits) else { continue };
                if let Ok(place) = own.binary_search_by_key(&cut, |authority| authority.code) {
                    authorities.of_county[county][level.index()] = (first + place) as u32;
                }
            }
        }
        for cell in 0..frame.cells.len() {
            for level in Level::ALL {
                let county = frame.cells.county[cell] as usize;
                let authority = authorities.of_county[county][level.index()];
                if authority != NONE && !frame.cells.channels[cell][level.index()].is_empty() {
                    authorities.list[authority as usize].units += u64::from(frame.cell_units(cell));
                }
            }
        }
        authorities.split(policy)?;
        Ok(authorities)
    }

    fn split(&mut self, policy: &Policy) -> Result<(), Refusal> {
        for level in policy.levels() {
            let Some(budget) = &policy.budget[level.index()] else { continue };
            let own = self.list.iter().filter(|authority| authority.level == level);
            let units: Vec<(DivisionCode, u64)> = own.map(|a| (a.code, a.units)).collect();
            let shares = budget.split(&units).map_err(|error| {
                let clash = Clash::new("budget", level.as_str(), "", error.to_string());
                Refusal::infeasible(vec![clash])
            })?;
            for authority in self.list.iter_mut().filter(|authority| authority.level == level) {
                let share = shares.iter().find(|(code, _)| *code == authority.code);
                authority.batches = share.map_or(0, |(_, batches)| *batches);
            }
        }
        Ok(())
    }

    /// Batches of the whole plan.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.list.iter().map(|authority| authority.batches).sum()
    }
}

/// The arcs, ascending by cell, level and channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arcs {
    /// Cell.
    pub cell: Vec<u32>,
    /// [`Level::index`].
    pub level: Vec<u8>,
    /// [`Channel::index`].
    pub channel: Vec<u8>,
    /// Where the arcs of each cell begin; one entry more than cells.
    pub start: Vec<u32>,
}

impl Arcs {
    /// All arcs of a frame: levels whose authority has a budget.
    #[must_use]
    pub fn new(frame: &Frame, authorities: &Authorities) -> Self {
        let mut arcs = Arcs { start: vec![0], ..Arcs::default() };
        for cell in 0..frame.cells.len() {
            let of_level = &authorities.of_county[frame.cells.county[cell] as usize];
            for level in Level::ALL {
                let authority = of_level[level.index()];
                if authority == NONE || authorities.list[authority as usize].batches == 0 {
                    continue;
                }
                for channel in frame.cells.channels[cell][level.index()].iter() {
                    arcs.cell.push(cell as u32);
                    arcs.level.push(level.index() as u8);
                    arcs.channel.push(channel.index() as u8);
                }
            }
            arcs.start.push(arcs.cell.len() as u32);
        }
        arcs
    }

    /// Number of arcs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cell.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cell.is_empty()
    }

    /// The arcs of a cell.
    #[must_use]
    pub fn of_cell(&self, cell: usize) -> std::ops::Range<usize> {
        self.start[cell] as usize..self.start[cell + 1] as usize
    }
}

/// How a dimension's value is found.
#[derive(Debug, Clone)]
enum Column {
    Level,
    Channel,
    /// By county of the cell and level.
    Authority,
    /// By cell.
    Cell(Vec<u32>),
}

/// A dimension: its values and where each arc stands.
#[derive(Debug, Clone)]
pub struct Dimension {
    /// Which.
    pub dim: Dim,
    /// The values' texts; the order is canonical.
    pub names: Vec<String>,
    /// Whether every value makes a group even if no unit has it (levels, authorities, cities and
    /// counties: a county without units must not drop out of sight).
    pub closed: bool,
    column: Column,
}

/// What dimensions are computed from.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The frame.
    pub frame: &'a Frame,
    /// The authorities.
    pub authorities: &'a Authorities,
    /// The arcs.
    pub arcs: &'a Arcs,
}

impl Context<'_> {
    /// The authority that an arc's batches are drawn by, as a place in the list.
    #[must_use]
    pub fn authority(self, arc: usize) -> u32 {
        let county = self.frame.cells.county[self.arcs.cell[arc] as usize];
        self.authorities.of_county[county as usize][usize::from(self.arcs.level[arc])]
    }
}

impl Dimension {
    /// Builds a dimension.
    #[must_use]
    pub fn new(context: Context<'_>, dim: &Dim) -> Self {
        let frame = context.frame;
        let cells = &frame.cells;
        let names = |texts: &mut dyn Iterator<Item = &str>| texts.map(str::to_owned).collect();
        let mut closed = false;
        let (names, column): (Vec<String>, Column) = match dim {
            Dim::Level => {
                closed = true;
                (names(&mut Level::ALL.iter().map(|l| l.as_str())), Column::Level)
            }
            Dim::Channel => (names(&mut Channel::ALL.iter().map(|c| c.as_str())), Column::Channel),
            Dim::Authority => {
                closed = true;
                let list = &context.authorities.list;
                (list.iter().map(|a| a.code.to_string()).collect(), Column::Authority)
            }
            Dim::City | Dim::County => {
                closed = true;
                let digits = if *dim == Dim::City { 4 } else { 6 };
                let mut codes: Vec<DivisionCode> =
                    frame.counties.iter().filter_map(|code| code.cut(digits)).collect();
                let all = codes.clone();
                codes.dedup();
                let place = |county: &u32| {
                    codes.partition_point(|code| *code < all[*county as usize]) as u32
                };
                let column = cells.county.iter().map(place).collect();
                (codes.iter().map(DivisionCode::to_string).collect(), Column::Cell(column))
            }
            Dim::Area => {
                let column = cells.area.iter().map(|area| area.index() as u32).collect();
                (names(&mut Area::ALL.iter().map(|a| a.as_str())), Column::Cell(column))
            }
            Dim::Tier => {
                let column = cells.tier.iter().map(|symbol| symbol.0).collect();
                (names(&mut frame.tiers.iter()), Column::Cell(column))
            }
            Dim::Cluster => {
                let column = cells.cluster.iter().map(|symbol| symbol.0).collect();
                (names(&mut frame.clusters.iter()), Column::Cell(column))
            }
            Dim::Accident => {
                let column = cells.accident.iter().map(|flag| u32::from(*flag)).collect();
                (names(&mut ["false", "true"].into_iter()), Column::Cell(column))
            }
            Dim::Attribute(name) => {
                match frame.attributes.iter().position(|(other, _)| other == name) {
                    Some(place) => {
                        let column = cells.attributes[place].iter().map(|s| s.0).collect();
                        (names(&mut frame.attributes[place].1.iter()), Column::Cell(column))
                    }
                    None => (vec![String::new()], Column::Cell(vec![0; cells.len()])),
                }
            }
            dim => {
                let texts: Vec<&str> = frame
                    .products
                    .iter()
                    .map(|product| product_value(product, dim).unwrap_or(""))
                    .collect();
                let mut values = texts.clone();
                values.sort_unstable();
                values.dedup();
                let places: Vec<u32> = texts
                    .iter()
                    .map(|text| values.partition_point(|value| value < text) as u32)
                    .collect();
                let column = cells.product.iter().map(|p| places[*p as usize]).collect();
                (names(&mut values.into_iter()), Column::Cell(column))
            }
        };
        Dimension { dim: dim.clone(), names, closed, column }
    }

    /// The value of an arc, as a place in `names`.
    #[must_use]
    pub fn value(&self, context: Context<'_>, arc: usize) -> u32 {
        match &self.column {
            Column::Level => u32::from(context.arcs.level[arc]),
            Column::Channel => u32::from(context.arcs.channel[arc]),
            Column::Authority => context.authority(arc),
            Column::Cell(values) => values[context.arcs.cell[arc] as usize],
        }
    }

    /// The value of every cell, if it depends on the cell alone.
    #[must_use]
    pub fn of_cells(&self) -> Option<&[u32]> {
        match &self.column {
            Column::Cell(values) => Some(values),
            _ => None,
        }
    }

    /// The values of all arcs, in order.
    pub fn for_each(&self, context: Context<'_>, mut take: impl FnMut(usize, u32)) {
        let arcs = context.arcs;
        match &self.column {
            Column::Level => {
                for (arc, level) in arcs.level.iter().enumerate() {
                    take(arc, u32::from(*level));
                }
            }
            Column::Channel => {
                for (arc, channel) in arcs.channel.iter().enumerate() {
                    take(arc, u32::from(*channel));
                }
            }
            Column::Authority => {
                for arc in 0..arcs.len() {
                    take(arc, context.authority(arc));
                }
            }
            Column::Cell(values) => {
                for (arc, cell) in arcs.cell.iter().enumerate() {
                    take(arc, values[*cell as usize]);
                }
            }
        }
    }
}

/// The dimensions that a policy's quotas mention, and those that every design uses.
#[derive(Debug, Clone)]
pub struct Dimensions(Vec<Dimension>);

impl Dimensions {
    /// Builds each dimension once.
    #[must_use]
    pub fn new(context: Context<'_>, policy: &Policy) -> Self {
        let mut dims = vec![Dim::Level, Dim::Authority, Dim::County];
        for quota in &policy.quotas {
            dims.extend(quota.filter.iter().map(|condition| condition.dim.clone()));
            dims.extend(quota.each.iter().flatten().cloned());
            dims.extend(quota.of.iter().flatten().cloned());
        }
        dims.sort();
        dims.dedup();
        Dimensions(dims.iter().map(|dim| Dimension::new(context, dim)).collect())
    }

    /// The dimension `dim`.
    ///
    /// # Panics
    /// If the policy doesn't mention it and no design uses it.
    #[must_use]
    pub fn get(&self, dim: &Dim) -> &Dimension {
        self.0.iter().find(|d| d.dim == *dim).expect("every mentioned dimension is built")
    }
}
