//! Dimensions as numbers: the value of every cell and arc, as a place in canonical order.

use std::collections::BTreeMap;

use crate::model::{Area, Channel, DivisionCode, Level};
use crate::plan::{Document, ProductOutline};
use crate::policy::{Dim, Filter};

use super::report::Check;
use super::view::View;

/// The dimensions of the two families.
pub(super) type Families = [Vec<Dim>; 2];

/// Where a value is found.
enum Values {
    Level,
    Channel,
    Authority,
    Cell(Vec<u32>),
}

/// A dimension with its values.
pub(super) struct Dimension {
    /// The values' texts in canonical order.
    pub texts: Vec<String>,
    values: Values,
}

/// All dimensions that a check asks for, each made once.
pub(super) struct Dimensions(BTreeMap<Dim, Dimension>);

impl Dimensions {
    /// The dimensions that quotas, rules and families mention.
    pub fn new(view: &View<'_>) -> Self {
        let policy = view.policy;
        let filters = (policy.quotas.iter().map(|quota| &quota.filter))
            .chain(policy.certain.iter().map(|rule| &rule.filter))
            .chain(policy.exclude.iter().map(|rule| &rule.filter));
        let conditions = filters.flatten().map(|condition| &condition.dim);
        let groupings = policy.quotas.iter().flat_map(|quota| quota.each.iter().flatten());
        let mut all = BTreeMap::new();
        for dim in conditions.chain(groupings).chain(view.families.iter().flatten()) {
            if !all.contains_key(dim) {
                all.insert(dim.clone(), Dimension::new(view, dim));
            }
        }
        Dimensions(all)
    }

    /// The dimension `dim`; none if nothing mentions it.
    pub fn get(&self, dim: &Dim) -> Option<&Dimension> {
        self.0.get(dim)
    }

    /// The dimensions of a grouping that are known; all of them, for a policy's own groupings.
    pub fn of<'a>(&'a self, grouping: &'a [Dim]) -> Vec<&'a Dimension> {
        grouping.iter().filter_map(|dim| self.get(dim)).collect()
    }

    /// Whether each of `arcs` passes `filter`.
    pub fn passing(&self, view: &View<'_>, filter: &Filter, arcs: &[u32]) -> Vec<bool> {
        let mut passing = vec![true; arcs.len()];
        for condition in filter {
            let Some(dimension) = self.get(&condition.dim) else { continue };
            let selected: Vec<bool> =
                dimension.texts.iter().map(|text| condition.matches(text)).collect();
            for (slot, arc) in passing.iter_mut().zip(arcs) {
                *slot &= selected[dimension.value(view, *arc as usize) as usize];
            }
        }
        passing
    }
}

impl Dimension {
    /// Makes a dimension. An attribute that cells don't have is empty everywhere.
    pub fn new(view: &View<'_>, dim: &Dim) -> Self {
        let (frame, cells) = (&view.document.frame, view.cells);
        let texts = |texts: &[String]| texts.to_vec();
        let (texts, values) = match dim {
            Dim::Level => (words(Level::ALL.iter().map(|l| l.as_str())), Values::Level),
            Dim::Channel => (words(Channel::ALL.iter().map(|c| c.as_str())), Values::Channel),
            Dim::Authority => {
                let list = &view.document.allocation.authorities;
                (list.iter().map(|row| row.authority.to_string()).collect(), Values::Authority)
            }
            Dim::County => {
                let codes = frame.counties.iter().map(DivisionCode::to_string).collect();
                (codes, Values::Cell(cells.county.clone()))
            }
            Dim::City => {
                let cities: Vec<_> = frame.counties.iter().filter_map(|c| c.city()).collect();
                let (sorted, places) = ranks(&cities);
                let column = cells.county.iter().map(|county| places[*county as usize]);
                let texts = sorted.iter().map(|city| city.to_string()).collect();
                (texts, Values::Cell(column.collect()))
            }
            Dim::Area => {
                let column = cells.area.iter().map(|area| u32::from(*area)).collect();
                (words(Area::ALL.iter().map(|a| a.as_str())), Values::Cell(column))
            }
            Dim::Tier => (texts(&frame.tiers), Values::Cell(cells.tier.clone())),
            Dim::Cluster => (texts(&frame.clusters), Values::Cell(cells.cluster.clone())),
            Dim::Accident => {
                let column = cells.accident.iter().map(|flag| u32::from(*flag)).collect();
                (words(["false", "true"]), Values::Cell(column))
            }
            Dim::Attribute(name) => {
                match (frame.attributes.get(name), cells.attributes.get(name)) {
                    (Some(values), Some(column)) => (texts(values), Values::Cell(column.clone())),
                    _ => (words([""]), Values::Cell(vec![0; cells.units.len()])),
                }
            }
            dim => {
                let values: Vec<&str> =
                    frame.products.iter().map(|product| product_text(product, dim)).collect();
                let (sorted, places) = ranks(&values);
                let column = cells.product.iter().map(|product| places[*product as usize]);
                (words(sorted), Values::Cell(column.collect()))
            }
        };
        Dimension { texts, values }
    }

    /// The value of an arc, as a place in `texts`.
    pub fn value(&self, view: &View<'_>, arc: usize) -> u32 {
        match &self.values {
            Values::Level => u32::from(view.arcs.level[arc]),
            Values::Channel => u32::from(view.arcs.channel[arc]),
            Values::Authority => view.authority(arc),
            Values::Cell(values) => values[view.arcs.cell[arc] as usize],
        }
    }

    /// The value of a cell; none for what only arcs have.
    pub fn of_cells(&self) -> Option<&[u32]> {
        match &self.values {
            Values::Cell(values) => Some(values),
            _ => None,
        }
    }
}

fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// The distinct values in order, and the place of each value among them.
pub(super) fn ranks<T: Ord + Copy>(values: &[T]) -> (Vec<T>, Vec<u32>) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let place = |value: &T| sorted.partition_point(|other| other < value) as u32;
    let places = values.iter().map(place).collect();
    (sorted, places)
}

/// What a product says in a dimension that is the product's; empty for another.
fn product_text<'a>(product: &'a ProductOutline, dim: &Dim) -> &'a str {
    let flag = |flag: bool| if flag { "true" } else { "false" };
    match dim {
        Dim::Product => &product.product_id,
        Dim::Category => &product.category,
        Dim::KeyGroup => &product.key_group,
        Dim::Risk => &product.risk,
        Dim::Key => flag(product.key),
        Dim::Licence => flag(product.licence),
        Dim::Ccc => flag(product.ccc),
        _ => "",
    }
}

/// Reads the dimensions of both families; none if they are no families.
pub(super) fn families(document: &Document, most: usize, check: &mut Check) -> Option<Families> {
    let attributes = &document.frame.attributes;
    let mut read = |family: usize| {
        let names = &document.certificate.families[family];
        let mut dims: Vec<Dim> = Vec::new();
        let mut sound = names.len() <= most;
        for name in names {
            match name.parse::<Dim>() {
                Ok(dim) if !dims.contains(&dim) => dims.push(dim),
                _ => sound = false,
            }
        }
        let known = |dim: &Dim| match dim {
            Dim::Attribute(name) => attributes.contains_key(name),
            _ => true,
        };
        sound &= dims.iter().all(known);
        sound &= match family {
            0 => !dims.iter().any(|d| matches!(d, Dim::Level | Dim::Authority | Dim::Channel)),
            _ => dims.starts_with(&[Dim::Level, Dim::Authority]),
        };
        check.require(sound, || {
            format!(
                "certificate.families[{family}] is {names:?}; expected at most {most} distinct \
                 dimensions, of cells in the first, level and authority leading in the second"
            )
        });
        sound.then_some(dims)
    };
    let (first, second) = (read(0), read(1));
    Some([first?, second?])
}
