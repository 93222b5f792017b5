//! The two families of totals: which dimensions nest in which order, and the nodes they make.
//!
//! Budish, Che, Kojima & Milgrom (2013): totals that form two laminar families can be rounded
//! together, every one of them down or up. The first family nests whole cells, over all levels
//! and channels; the second nests arcs, beginning with level and authority. Which dimensions go
//! where follows from the quotas (docs/METHOD.md, "Families").

use crate::model::Level;
use crate::policy::Dim;

use super::arcs::{Context, Dimensions, NONE};
use super::rows::Partition;

/// Dimensions that belong to arcs and not to cells.
fn of_arcs(dim: &Dim) -> bool {
    matches!(dim, Dim::Level | Dim::Authority | Dim::Channel)
}

/// What follows from what: the dimensions that are known once others are.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    dims: &'a Dimensions,
    levels: [bool; 3],
}

impl<'a> Knowledge<'a> {
    /// The dependencies among dimensions for the levels that take part.
    #[must_use]
    pub fn new(dims: &'a Dimensions, levels: [bool; 3]) -> Self {
        Knowledge { dims, levels }
    }

    fn single(self, dim: &Dim) -> bool {
        match dim {
            Dim::Level => self.levels.iter().filter(|part| **part).count() == 1,
            dim => self.dims.get(dim).names.len() <= 1,
        }
    }

    fn only_level(self) -> Option<Level> {
        let part = |level: &&Level| self.levels[level.index()];
        if self.single(&Dim::Level) { Level::ALL.iter().find(part).copied() } else { None }
    }

    /// Whether `dim` is known where the dimensions in `known` are, and the level is `level` if
    /// that is given.
    #[must_use]
    pub fn follows(self, known: &[Dim], level: Option<Level>, dim: &Dim) -> bool {
        let level = level.or(self.only_level());
        let has = |dim: &Dim| known.contains(dim);
        let authority = has(&Dim::Authority);
        let county = has(&Dim::County) || authority && level == Some(Level::County);
        let city = county || has(&Dim::City) || authority && level == Some(Level::City);
        if has(dim) || (*dim != Dim::Level && *dim != Dim::Authority && self.single(dim)) {
            return true;
        }
        match dim {
            Dim::Level => level.is_some() || authority,
            Dim::Authority => match level {
                Some(Level::Province) => true,
                Some(Level::City) => city,
                Some(Level::County) => county,
                None => has(&Dim::Level) && county,
            },
            Dim::County => county,
            Dim::City => city,
            Dim::Category | Dim::KeyGroup | Dim::Risk | Dim::Key | Dim::Licence | Dim::Ccc => {
                has(&Dim::Product)
            }
            _ => false,
        }
    }

    /// The number of values that `dim` takes where `known` are known; 1 if it follows.
    fn spread(self, known: &[Dim], dim: &Dim) -> u64 {
        if self.follows(known, None, dim) { 1 } else { self.dims.get(dim).names.len() as u64 }
    }

    /// About how many nodes of a chain make up one row over `row`'s dimensions: the product of
    /// the spreads of the dimensions up to the last that the row needs.
    fn nodes(self, chain: &[Dim], row: &[Dim]) -> u64 {
        let mut known = row.to_vec();
        let mut nodes = 1u64;
        for (depth, dim) in chain.iter().enumerate() {
            if row.iter().all(|wanted| self.follows(&chain[..depth], None, wanted)) {
                break;
            }
            nodes = nodes.saturating_mul(self.spread(&known, dim));
            known.push(dim.clone());
        }
        nodes
    }
}

/// The order of dimensions in both families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chains {
    /// Of the first family; cells come after the last.
    pub first: Vec<Dim>,
    /// Of the second family; arcs come after the last.
    pub second: Vec<Dim>,
}

impl Chains {
    /// Derives the chains from the dimensions that the rows depend on.
    ///
    /// A set of dimensions that mentions level, authority or channel can only be placed in the
    /// second family. Of the others the finest (most rows) heads the first family; each further
    /// one goes where its rows are sums of fewer nodes.
    #[must_use]
    pub fn derive(knowledge: Knowledge<'_>, partitions: &[Partition]) -> Self {
        let mut sets: Vec<(Vec<Dim>, usize)> = Vec::new();
        for partition in partitions {
            let needed = partition.dims.iter().filter(|dim| !knowledge.follows(&[], None, dim));
            let set: Vec<Dim> = needed.cloned().collect();
            match sets.iter_mut().find(|(other, _)| *other == set) {
                Some((_, rows)) => *rows += partition.groups.len(),
                None => sets.push((set, partition.groups.len())),
            }
        }
        sets.retain(|(set, _)| !set.is_empty());
        let (mut second_sets, mut first_sets): (Vec<_>, Vec<_>) =
            sets.into_iter().partition(|(set, _)| set.iter().any(of_arcs));
        let size = |dim: &Dim| knowledge.dims.get(dim).names.len();

        // Sets with the authority come first: their rows can be nodes.
        let extra = |set: &[Dim]| -> usize {
            set.iter().filter(|dim| !matches!(dim, Dim::Level | Dim::Authority)).map(size).product()
        };
        second_sets
            .sort_by_key(|(set, _)| (!set.contains(&Dim::Authority), extra(set), set.clone()));
        let mut chains = Chains { first: Vec::new(), second: vec![Dim::Level, Dim::Authority] };
        for (set, _) in &second_sets {
            push_missing(&mut chains.second, set, &size);
        }
        first_sets.sort_by_key(|(set, rows)| (std::cmp::Reverse(*rows), set.clone()));
        for (set, _) in &first_sets {
            chains.place(knowledge, set, &size);
        }
        // Counties last of all, so that the plan is spread over them.
        push_missing(&mut chains.second, &[Dim::County], &size);
        chains
    }

    fn place(&mut self, knowledge: Knowledge<'_>, set: &[Dim], size: &impl Fn(&Dim) -> usize) {
        let all_follow = set.iter().all(|dim| knowledge.follows(&self.first, None, dim));
        if self.first.is_empty() {
            push_missing(&mut self.first, set, size);
        } else if all_follow {
            // Coarser than what is there: in front of it, where every node stays what it was.
            let missing: Vec<Dim> =
                set.iter().filter(|dim| !self.first.contains(dim)).cloned().collect();
            self.first.splice(0..0, missing);
        } else {
            let with = |chain: &[Dim]| {
                let mut longer = chain.to_vec();
                push_missing(&mut longer, set, size);
                knowledge.nodes(&longer, set)
            };
            if with(&self.second) < with(&self.first) {
                push_missing(&mut self.second, set, size);
            } else {
                push_missing(&mut self.first, set, size);
            }
        }
    }
}

/// Appends what `chain` lacks of `set`, dimensions with fewer values first.
fn push_missing(chain: &mut Vec<Dim>, set: &[Dim], size: &impl Fn(&Dim) -> usize) {
    let mut missing: Vec<&Dim> = set.iter().filter(|dim| !chain.contains(dim)).collect();
    missing.sort_by_key(|dim| (size(dim), (*dim).clone()));
    chain.extend(missing.into_iter().cloned());
}

/// One family: a tree of nodes, numbered by depth and inside a depth by their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The dimensions.
    pub dims: Vec<Dim>,
    /// Where each depth's nodes begin; depth 0 is the root alone. One entry more than depths.
    pub depth_start: Vec<u32>,
    /// Each node's parent; the root's is itself.
    pub parent: Vec<u32>,
    /// An arc of each node.
    pub sample: Vec<u32>,
    /// The deepest node of each item (cell of the first family, arc of the second).
    pub leaf: Vec<u32>,
}

impl Family {
    /// Nests `items` (in any number, each with an arc to stand for it) by `dims`.
    ///
    /// `one_each` adds a last depth with a node for every item.
    fn nest(
        context: Context<'_>,
        dims: &Dimensions,
        chain: &[Dim],
        arcs_of_items: &[u32],
        one_each: bool,
    ) -> Self {
        let items = arcs_of_items.len();
        let mut family = Family {
            dims: chain.to_vec(),
            depth_start: vec![0, 1],
            parent: vec![0],
            sample: vec![arcs_of_items.first().copied().unwrap_or(0)],
            leaf: vec![0; items],
        };
        // Items in the order of their nodes, ascending inside each: refined depth by depth.
        let mut order: Vec<u32> = (0..items as u32).collect();
        for dim in chain {
            let dimension = dims.get(dim);
            let value = |item: u32| dimension.value(context, arcs_of_items[item as usize] as usize);
            family.refine(&mut order, value, dimension.names.len(), arcs_of_items);
        }
        if one_each {
            // The items of a node ascend already.
            family.refine(&mut order, |item| item, 0, arcs_of_items);
        }
        family
    }

    /// Adds a depth: the items of each deepest node, parted by their value (below `limit`; 0 if
    /// values ascend with the items).
    fn refine(
        &mut self,
        order: &mut [u32],
        value: impl Fn(u32) -> u32,
        limit: usize,
        arcs: &[u32],
    ) {
        let mut sorter = Sorter { counts: vec![0; limit], keys: Vec::new(), sorted: Vec::new() };
        let mut rest = order;
        while let Some(first) = rest.first() {
            let node = self.leaf[*first as usize];
            let count = rest.iter().take_while(|item| self.leaf[**item as usize] == node).count();
            let (own, others) = std::mem::take(&mut rest).split_at_mut(count);
            rest = others;
            sorter.sort(own, &value);
            let mut last = None;
            for (item, key) in own.iter().map(|item| *item as usize).zip(&sorter.keys) {
                let here = key >> 32;
                if last != Some(here) {
                    last = Some(here);
                    self.parent.push(node);
                    self.sample.push(arcs[item]);
                }
                self.leaf[item] = self.parent.len() as u32 - 1;
            }
        }
        self.depth_start.push(self.parent.len() as u32);
    }

    /// The first family: cells by `chain`, then each cell.
    #[must_use]
    pub fn of_cells(context: Context<'_>, dims: &Dimensions, chain: &[Dim]) -> Self {
        // A cell without an arc stands as a node of its own with no value; any arc will do for
        // it, since nothing is read from it but the cell's own dimensions, through a neighbour.
        let cells = context.frame.cells.len();
        let arcs = (0..cells).map(|cell| context.arcs.start[cell]).collect::<Vec<_>>();
        debug_assert!((0..cells).all(|cell| !context.arcs.of_cell(cell).is_empty()));
        Self::nest(context, dims, chain, &arcs, true)
    }

    /// The second family: arcs by `chain`.
    #[must_use]
    pub fn of_arcs(context: Context<'_>, dims: &Dimensions, chain: &[Dim]) -> Self {
        let arcs = (0..context.arcs.len() as u32).collect::<Vec<_>>();
        Self::nest(context, dims, chain, &arcs, false)
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// Never: there is a root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Number of depths, the root's included.
    #[must_use]
    pub fn depths(&self) -> usize {
        self.depth_start.len() - 1
    }

    /// The nodes of a depth.
    #[must_use]
    pub fn at_depth(&self, depth: usize) -> std::ops::Range<usize> {
        self.depth_start[depth] as usize..self.depth_start[depth + 1] as usize
    }

    /// Adds each node's value into its parent, from the deepest depth to the root.
    pub fn sum_up(&self, values: &mut [u64]) {
        for node in (1..self.len()).rev() {
            values[self.parent[node] as usize] += values[node];
        }
    }

    /// The shallowest depth at which every row over `wanted` is a union of nodes, or `None`.
    #[must_use]
    pub fn depth_for(
        &self,
        knowledge: Knowledge<'_>,
        wanted: &[Dim],
        level: Option<Level>,
    ) -> Option<usize> {
        let known = |depth: usize| {
            let prefix = &self.dims[..depth.min(self.dims.len())];
            // What a level implies is only known of nodes that lie in one level.
            let level = level.filter(|_| prefix.contains(&Dim::Level));
            let cell = depth > self.dims.len();
            wanted.iter().all(|dim| knowledge.follows(prefix, level, dim) || cell && !of_arcs(dim))
        };
        (0..self.depths()).find(|depth| known(*depth))
    }

    /// For each node the county that all its items lie in, or [`NONE`].
    #[must_use]
    pub fn county_of_nodes(&self, county_of_item: impl Fn(usize) -> u32) -> Vec<u32> {
        const UNSEEN: u32 = u32::MAX - 1;
        let mut county = vec![UNSEEN; self.len()];
        let merge = |slot: &mut u32, value: u32| {
            *slot = if *slot == UNSEEN || *slot == value { value } else { NONE };
        };
        for (item, leaf) in self.leaf.iter().enumerate() {
            merge(&mut county[*leaf as usize], county_of_item(item));
        }
        for node in (1..self.len()).rev() {
            let value = county[node];
            merge(&mut county[self.parent[node] as usize], value);
        }
        county
    }
}

/// Sorts items by their values.
struct Sorter {
    /// How many items have each value; all 0 between calls. None if values ascend already.
    counts: Vec<u32>,
    /// Value and number of each item, in the order that the last call made.
    keys: Vec<u64>,
    sorted: Vec<u64>,
}

impl Sorter {
    /// Sorts `items`, which ascend, by value and then by number.
    fn sort(&mut self, items: &mut [u32], value: impl Fn(u32) -> u32) {
        self.keys.clear();
        self.keys.extend(items.iter().map(|item| u64::from(value(*item)) << 32 | u64::from(*item)));
        if self.keys.is_sorted() {
            return;
        }
        if self.keys.len() < self.counts.len() / 4 {
            self.keys.sort_unstable();
        } else {
            self.count();
        }
        for (item, key) in items.iter_mut().zip(&self.keys) {
            *item = *key as u32;
        }
    }

    /// A counting sort of the keys.
    fn count(&mut self) {
        for key in &self.keys {
            self.counts[(key >> 32) as usize] += 1;
        }
        let mut total = 0;
        for count in &mut self.counts {
            (*count, total) = (total, total + *count);
        }
        self.sorted.clear();
        self.sorted.resize(self.keys.len(), 0);
        for key in &self.keys {
            let place = &mut self.counts[(key >> 32) as usize];
            self.sorted[*place as usize] = *key;
            *place += 1;
        }
        std::mem::swap(&mut self.keys, &mut self.sorted);
        self.counts.fill(0);
    }
}
