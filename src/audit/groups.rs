//! Grouping by several dimensions at once.

use std::collections::BTreeMap;

use crate::model::Level;
use crate::policy::{Condition, Dim, Filter};

use super::dims::{Dimension, Dimensions};
use super::view::{NONE, View};

/// Items numbered by the group that they are in; groups are numbered from 0 in the order of
/// their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbering {
    /// The group of each item.
    pub of: Vec<u32>,
    /// Number of groups, none of them empty.
    pub count: usize,
}

impl Numbering {
    /// All items in one group.
    pub fn whole(items: usize) -> Self {
        Numbering { of: vec![0; items], count: usize::from(items > 0) }
    }

    /// Splits every group by `value`, of which there are `values` different ones from 0. Groups
    /// stay in the order of the values split by, those split by first before the others.
    pub fn split(&self, values: usize, value: impl Fn(usize) -> u32) -> Numbering {
        // A table of all pairs where it is not much larger than the items; else sorted pairs.
        let size = self.count.saturating_mul(values);
        if size <= self.of.len().saturating_mul(4).saturating_add(1 << 16) {
            self.split_by_table(values, size, value)
        } else {
            self.split_by_sorting(value)
        }
    }

    fn split_by_table(
        &self,
        values: usize,
        size: usize,
        value: impl Fn(usize) -> u32,
    ) -> Numbering {
        let place = |item: usize| self.of[item] as usize * values + value(item) as usize;
        let mut table = vec![NONE; size];
        for item in 0..self.of.len() {
            table[place(item)] = 0;
        }
        let mut count = 0u32;
        for slot in table.iter_mut().filter(|slot| **slot == 0) {
            *slot = count;
            count += 1;
        }
        let of = (0..self.of.len()).map(|item| table[place(item)]).collect();
        Numbering { of, count: count as usize }
    }

    fn split_by_sorting(&self, value: impl Fn(usize) -> u32) -> Numbering {
        let pair = |item: usize| (u64::from(self.of[item]) << 32) | u64::from(value(item));
        let mut order: Vec<(u64, u32)> =
            (0..self.of.len()).map(|item| (pair(item), item as u32)).collect();
        order.sort_unstable();
        let mut of = vec![0; self.of.len()];
        let mut count = 0u32;
        for (place, (key, item)) in order.iter().enumerate() {
            if place > 0 && order[place - 1].0 != *key {
                count += 1;
            }
            of[*item as usize] = count;
        }
        Numbering { of, count: if order.is_empty() { 0 } else { count as usize + 1 } }
    }
}

/// The groups of a grouping, in canonical order.
pub(super) struct Groups {
    /// Values of each group, as places in the dimensions' texts.
    pub values: Vec<Vec<u32>>,
    /// The group of each arc that was asked for.
    pub of: Vec<u32>,
}

impl Groups {
    /// The groups of `arcs` by `grouping` that `filter` does not contradict, and those that exist
    /// without arcs (docs/PLAN.md, groups).
    pub fn new(
        view: &View<'_>,
        dims: &Dimensions,
        grouping: &[Dim],
        filter: &Filter,
        arcs: &[u32],
    ) -> Self {
        let dimensions = dims.of(grouping);
        let mut numbering = Numbering::whole(arcs.len());
        for dimension in &dimensions {
            let value = |item: usize| dimension.value(view, arcs[item] as usize);
            numbering = numbering.split(dimension.texts.len(), value);
        }
        let mut found: Vec<Vec<u32>> = vec![Vec::new(); numbering.count];
        for (arc, group) in arcs.iter().zip(&numbering.of) {
            let values = &mut found[*group as usize];
            if values.is_empty() {
                values.extend(dimensions.iter().map(|d| d.value(view, *arc as usize)));
            }
        }
        let closed = |d: &Dim| matches!(d, Dim::Level | Dim::Authority | Dim::City | Dim::County);
        let speaks = |condition: &&Condition| {
            let dim = &condition.dim;
            closed(dim)
                || grouping.contains(dim)
                || (grouping.contains(&Dim::Product) && dim.is_of_product())
        };
        let said: Filter = filter.iter().filter(speaks).cloned().collect();
        let mut values = if grouping.iter().all(closed) {
            without_arcs(view, dims, grouping, &said)
        } else {
            let passing = dims.passing(view, &said, arcs);
            let mut exists = vec![false; numbering.count];
            for (group, passes) in numbering.of.iter().zip(passing) {
                exists[*group as usize] |= passes;
            }
            found.iter().zip(exists).filter(|(_, e)| *e).map(|(v, _)| v.clone()).collect()
        };
        values.sort_unstable();
        values.dedup();
        let place = |own: &Vec<u32>| values.binary_search(own).map_or(NONE, |place| place as u32);
        let places: Vec<u32> = found.iter().map(place).collect();
        let of = numbering.of.iter().map(|group| places[*group as usize]).collect();
        Groups { values, of }
    }

    /// The values' texts of a group, joined by `/`.
    pub fn name(dimensions: &[&Dimension], values: &[u32]) -> String {
        let texts =
            dimensions.iter().zip(values).map(|(d, value)| d.texts[*value as usize].as_str());
        texts.collect::<Vec<_>>().join("/")
    }
}

/// The groups of a grouping by level, authority, city and county alone: those that some consistent
/// combination has that passes `filter`, with arcs or without.
fn without_arcs(
    view: &View<'_>,
    dims: &Dimensions,
    grouping: &[Dim],
    filter: &Filter,
) -> Vec<Vec<u32>> {
    let mut all: Vec<Dim> = grouping.to_vec();
    all.extend(filter.iter().map(|condition| condition.dim.clone()));
    all.sort();
    all.dedup();
    let place = |dim: &Dim| all.iter().position(|other| other == dim);
    let passes = |values: &Vec<u32>| {
        filter.iter().all(|condition| {
            let text = place(&condition.dim).zip(dims.get(&condition.dim));
            text.is_some_and(|(at, d)| condition.matches(&d.texts[values[at] as usize]))
        })
    };
    let own = |values: Vec<u32>| {
        grouping.iter().filter_map(|dim| place(dim).map(|at| values[at])).collect()
    };
    combinations(view, &all).into_iter().filter(passes).map(own).collect()
}

/// Every combination of level, authority, city and county that can exist: a county without units
/// must not drop out of sight. `grouping` has no other dimension.
fn combinations(view: &View<'_>, grouping: &[Dim]) -> Vec<Vec<u32>> {
    let list = &view.document.allocation.authorities;
    let has = |dim: Dim| grouping.contains(&dim);
    let levels: Vec<Level> = view.policy.levels().collect();
    // Level and authority of one place: one choice each for those that are asked for.
    let who = |authorities: &mut dyn Iterator<Item = u32>| -> Vec<Vec<u32>> {
        let level = |place: &u32| list.get(*place as usize).map(|row| row.level.index() as u32);
        match (has(Dim::Level), has(Dim::Authority)) {
            (false, false) => vec![Vec::new()],
            (true, false) => levels.iter().map(|level| vec![level.index() as u32]).collect(),
            (false, true) => authorities.map(|place| vec![place]).collect(),
            (true, true) => {
                authorities.filter_map(|place| Some(vec![level(&place)?, place])).collect()
            }
        }
    };
    let of_county =
        |county: usize| view.authority_of[county].iter().copied().filter(|place| *place != NONE);
    let mut all = Vec::new();
    let mut add = |who: Vec<Vec<u32>>, place: &[u32]| {
        all.extend(who.into_iter().map(|mut values| {
            values.extend(place);
            values
        }));
    };
    let counties = &view.document.frame.counties;
    // Both dimensions come from the same counties, so that places in them agree.
    let cities: Vec<_> = counties.iter().filter_map(|county| county.city()).collect();
    let (_, city_of) = super::dims::ranks(&cities);
    match (has(Dim::City), has(Dim::County)) {
        (false, false) => add(who(&mut (0..list.len() as u32)), &[]),
        (city, true) => {
            for (county, city_place) in city_of.iter().enumerate() {
                let place = [*city_place, county as u32];
                add(who(&mut of_county(county)), if city { &place } else { &place[1..] });
            }
        }
        (true, false) => {
            let mut inside: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for (county, city) in city_of.iter().enumerate() {
                inside.entry(*city).or_default().extend(of_county(county));
            }
            for (city, authorities) in inside {
                add(who(&mut authorities.into_iter()), &[city]);
            }
        }
    }
    all
}
