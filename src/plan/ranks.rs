//! Which units are drawn and which stand by: lots, levels, replacement blocks and fallbacks.
//!
//! docs/METHOD.md, "Lots" and "Replacement units".

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::design::Design;
use crate::draw::{LOT_LABEL, ranked};
use crate::frame::Frame;
use crate::model::{Digest, Work, join};
use crate::policy::Policy;

/// A unit on the list of an arc.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// The arc that draws it or keeps it as a replacement.
    pub arc: u32,
    /// Its own cell.
    pub cell: u32,
    /// Its number in the frame.
    pub unit: u32,
    /// Its lot.
    pub lot: Digest,
    /// 0 if drawn, else its place among the arc's replacement units.
    pub rank: u32,
}

/// The units that are drawn, then the replacement units, each in the order of the plan's lines;
/// and how many replacement units are missing.
pub(super) struct Ranks {
    pub drawn: Vec<Placed>,
    pub replacements: Vec<Placed>,
    pub shortfall: u64,
}

/// Writes the id of a unit.
pub(super) fn unit_id(frame: &Frame, cell: usize, unit: usize, id: &mut String) {
    id.push_str(frame.enterprise_ids.get(frame.unit_enterprise[unit] as usize));
    id.push('/');
    id.push_str(&frame.products[frame.cells.product[cell] as usize].id);
}

/// The arcs in the order of the plan's lines: by authority, then by number.
fn arc_order(frame: &Frame, design: &Design) -> Vec<u32> {
    let mut next = vec![0u32; design.authorities.list.len() + 1];
    let places: Vec<u32> =
        (0..design.arcs.len()).map(|arc| authority(frame, design, arc)).collect();
    for place in &places {
        next[*place as usize + 1] += 1;
    }
    for place in 1..next.len() {
        next[place] += next[place - 1];
    }
    let mut order = vec![0u32; places.len()];
    for (arc, place) in places.iter().enumerate() {
        let slot = &mut next[*place as usize];
        order[*slot as usize] = arc as u32;
        *slot += 1;
    }
    order
}

/// The place of an arc's authority.
pub(super) fn authority(frame: &Frame, design: &Design, arc: usize) -> u32 {
    let county = frame.cells.county[design.arcs.cell[arc] as usize] as usize;
    design.authorities.of_county[county][usize::from(design.arcs.level[arc])]
}

/// Draws: `n` batches of every arc, and replacement units for them.
pub(super) fn rank(
    frame: &Frame,
    policy: &Policy,
    design: &Design,
    n: &[u32],
    key: &crate::draw::DrawKey,
    work: &Work<'_>,
) -> Ranks {
    let per_line = u64::from(policy.replacements_per_line);
    let mut blocks = Blocks::new(frame, design, n, per_line);
    let order = arc_order(frame, design);
    let fallback = Fallback::new(frame, policy, design, &mut blocks, &order);
    let lists = lists(frame, &blocks, &key.sub_key(LOT_LABEL), work.threads);
    let mut ranks = place(&blocks, design, n, &order, &lists);
    fallback.fill(design, &blocks, &lists, &order, &mut ranks);
    ranks.shortfall =
        n.iter().map(|n| u64::from(*n) * per_line).sum::<u64>() - ranks.replacements.len() as u64;
    ranks
}

/// How the first units of every cell's list are shared out; known before any lot is.
struct Blocks {
    /// Units drawn from each cell.
    drawn: Vec<u32>,
    /// Replacement units that each arc has in its own cell.
    spare: Vec<u32>,
    /// Replacement units that each arc lacks.
    lacking: Vec<u32>,
    /// Units of each cell that arcs of its own list.
    listed: Vec<u32>,
    /// Units of each cell that other arcs may ask for.
    extra: Vec<u32>,
}

impl Blocks {
    fn new(frame: &Frame, design: &Design, n: &[u32], per_line: u64) -> Self {
        let cells = frame.cells.len();
        let mut blocks = Blocks {
            drawn: vec![0; cells],
            spare: vec![0; n.len()],
            lacking: vec![0; n.len()],
            listed: vec![0; cells],
            extra: vec![0; cells],
        };
        for cell in 0..cells {
            let arcs = design.arcs.of_cell(cell);
            let units = frame.cell_units(cell);
            let drawn: u32 = n[arcs.clone()].iter().sum();
            let mut left = units - drawn;
            for arc in arcs {
                let want = u64::from(n[arc]) * per_line;
                let spare = want.min(u64::from(left)) as u32;
                left -= spare;
                blocks.spare[arc] = spare;
                blocks.lacking[arc] = u32::try_from(want).unwrap_or(u32::MAX) - spare;
            }
            blocks.drawn[cell] = drawn;
            blocks.listed[cell] = units - left;
        }
        blocks
    }
}

/// The first units of each cell in the order of their lots: as many as may be asked for.
fn lists(
    frame: &Frame,
    blocks: &Blocks,
    sub_key: &[u8; 32],
    threads: usize,
) -> Vec<Vec<(Digest, u32)>> {
    let list = |cell: usize| {
        let first = frame.unit_start[cell] as usize;
        let count = frame.cell_units(cell) as usize;
        let want = (blocks.listed[cell] as usize + blocks.extra[cell] as usize).min(count);
        ranked(sub_key, |unit, id| unit_id(frame, cell, first + unit, id), count, want)
    };
    let cells = frame.cells.len();
    let part = cells.div_ceil(threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..cells)
            .step_by(part)
            .map(|from| scope.spawn(move || (from..(from + part).min(cells)).map(list).collect()))
            .collect();
        let parts = handles.into_iter().map(join);
        let parts: Vec<Vec<Vec<(Digest, u32)>>> = parts.collect();
        parts.into_iter().flatten().collect()
    })
}

/// Shares every cell's list out: what each arc draws, then the arcs' replacement blocks.
fn place(
    blocks: &Blocks,
    design: &Design,
    n: &[u32],
    order: &[u32],
    lists: &[Vec<(Digest, u32)>],
) -> Ranks {
    let mut ranks = Ranks { drawn: Vec::new(), replacements: Vec::new(), shortfall: 0 };
    let take = |arc: u32, from: u32, count: u32, first_rank: Option<u32>, out: &mut Vec<Placed>| {
        let cell = design.arcs.cell[arc as usize];
        let list = &lists[cell as usize][from as usize..(from + count) as usize];
        for (place, (lot, unit)) in list.iter().enumerate() {
            let rank = first_rank.map_or(0, |first| first + place as u32);
            out.push(Placed { arc, cell, unit: *unit, lot: *lot, rank });
        }
    };
    for arc in order {
        let a = *arc as usize;
        let cell = design.arcs.cell[a] as usize;
        let before = design.arcs.start[cell] as usize..a;
        if n[a] > 0 {
            let from: u32 = n[before.clone()].iter().sum();
            take(*arc, from, n[a], None, &mut ranks.drawn);
        }
        if blocks.spare[a] > 0 {
            let from: u32 = blocks.drawn[cell] + blocks.spare[before].iter().sum::<u32>();
            take(*arc, from, blocks.spare[a], Some(1), &mut ranks.replacements);
        }
    }
    ranks
}

/// Which arcs may take replacement units from which other cells: two tiers.
struct Fallback {
    /// For each tier: the pool of each arc that lacks something, by place in `pools`.
    of_arc: [HashMap<u32, u32>; 2],
    /// Arcs whose cells serve the pool.
    pools: Vec<Vec<u32>>,
}

impl Fallback {
    /// Finds the pools and notes in `blocks.extra` how many units each cell may be asked for.
    fn new(
        frame: &Frame,
        policy: &Policy,
        design: &Design,
        blocks: &mut Blocks,
        order: &[u32],
    ) -> Self {
        let mut fallback = Fallback { of_arc: [HashMap::new(), HashMap::new()], pools: Vec::new() };
        let lacking: Vec<u32> =
            order.iter().copied().filter(|arc| blocks.lacking[*arc as usize] > 0).collect();
        if lacking.is_empty() {
            return fallback;
        }
        let groups = key_groups(frame);
        let mixed = mixed_rows(policy, design);
        for tier in 0..2 {
            let coarse = |arc: u32| coarse_key(frame, design, &groups, tier, arc as usize);
            let mut keys: Vec<u64> = lacking.iter().filter_map(|arc| coarse(*arc)).collect();
            keys.sort_unstable();
            keys.dedup();
            let place: HashMap<u64, u32> =
                keys.iter().enumerate().map(|(place, key)| (*key, place as u32)).collect();
            // Only what lacks something or has something to give takes part.
            let gives = |arc: u32| {
                let cell = design.arcs.cell[arc as usize] as usize;
                blocks.lacking[arc as usize] > 0 || blocks.listed[cell] < frame.cell_units(cell)
            };
            let mut members: Vec<(u32, u32)> = (0..design.arcs.len() as u32)
                .filter(|arc| gives(*arc))
                .filter_map(|arc| Some((*place.get(&coarse(arc)?)?, arc)))
                .collect();
            // Whatever order brings arcs of the same rows together will do.
            members.sort_unstable_by(|a, b| {
                let rows = || compare_rows(policy, design, a.1 as usize, b.1 as usize);
                let mixed = || mixed[a.1 as usize].cmp(&mixed[b.1 as usize]);
                a.0.cmp(&b.0).then_with(mixed).then_with(rows).then(a.1.cmp(&b.1))
            });
            let alike = |a: &(u32, u32), b: &(u32, u32)| {
                a.0 == b.0 && compare_rows(policy, design, a.1 as usize, b.1 as usize).is_eq()
            };
            for part in members.chunk_by(alike).filter(|part| part.len() > 1) {
                fallback.pool(design, blocks, tier, part.iter().map(|(_, arc)| *arc).collect());
            }
        }
        fallback
    }

    /// A pool of arcs that count in the same rows, if one of them lacks something.
    fn pool(&mut self, design: &Design, blocks: &mut Blocks, tier: usize, arcs: Vec<u32>) {
        let lacking: u64 = arcs.iter().map(|arc| u64::from(blocks.lacking[*arc as usize])).sum();
        if lacking == 0 {
            return;
        }
        let number = self.pools.len() as u32;
        for arc in &arcs {
            if blocks.lacking[*arc as usize] > 0 {
                self.of_arc[tier].insert(*arc, number);
            }
            let extra = &mut blocks.extra[design.arcs.cell[*arc as usize] as usize];
            *extra = u32::try_from(u64::from(*extra) + lacking).unwrap_or(u32::MAX);
        }
        self.pools.push(arcs);
    }

    /// Takes what is lacking from the pools: the first tier for all arcs, then the second.
    fn fill(
        &self,
        design: &Design,
        blocks: &Blocks,
        lists: &[Vec<(Digest, u32)>],
        order: &[u32],
        ranks: &mut Ranks,
    ) {
        if self.pools.is_empty() {
            return;
        }
        let mut used: HashSet<(u32, u32)> = HashSet::new();
        let mut more: HashMap<u32, Vec<Placed>> = HashMap::new();
        let mut heaps: HashMap<u32, Heap> = HashMap::new();
        for of_arc in &self.of_arc {
            for arc in order.iter().filter(|arc| of_arc.contains_key(arc)) {
                let a = *arc as usize;
                let list = more.entry(*arc).or_default();
                let number = of_arc[arc];
                let heap = heaps.entry(number).or_insert_with(|| {
                    Heap::new(&self.pools[number as usize], design, blocks, lists)
                });
                while (list.len() as u32) < blocks.lacking[a] {
                    let Some((lot, cell, unit)) = heap.next(lists) else { break };
                    let rank = blocks.spare[a] + list.len() as u32 + 1;
                    let placed = Placed { arc: *arc, cell, unit, lot, rank };
                    if used.insert((cell, unit)) {
                        list.push(placed);
                    }
                }
            }
        }
        if more.values().all(Vec::is_empty) {
            return;
        }
        let mut own = std::mem::take(&mut ranks.replacements).into_iter().peekable();
        for arc in order {
            while let Some(placed) = own.next_if(|placed| placed.arc == *arc) {
                ranks.replacements.push(placed);
            }
            ranks.replacements.extend(more.remove(arc).into_iter().flatten());
        }
    }
}

/// The units of a pool that no arc lists, in the order of their lots.
struct Heap {
    next: BinaryHeap<Reverse<(Digest, u32, u32, u32)>>,
}

impl Heap {
    fn new(arcs: &[u32], design: &Design, blocks: &Blocks, lists: &[Vec<(Digest, u32)>]) -> Self {
        let heads = arcs.iter().filter_map(|arc| {
            let cell = design.arcs.cell[*arc as usize];
            let from = blocks.listed[cell as usize];
            let (lot, unit) = lists[cell as usize].get(from as usize)?;
            Some(Reverse((*lot, cell, *unit, from)))
        });
        Heap { next: heads.collect() }
    }

    fn next(&mut self, lists: &[Vec<(Digest, u32)>]) -> Option<(Digest, u32, u32)> {
        let Reverse((lot, cell, unit, place)) = self.next.pop()?;
        if let Some((lot, unit)) = lists[cell as usize].get(place as usize + 1) {
            self.next.push(Reverse((*lot, cell, *unit, place + 1)));
        }
        Some((lot, cell, unit))
    }
}

/// The key group of each product as a number; `None` for products without one.
fn key_groups(frame: &Frame) -> Vec<Option<u32>> {
    let groups: std::collections::BTreeSet<&str> =
        frame.products.iter().map(|product| product.key_group.as_str()).collect();
    let places: HashMap<&str, u32> =
        groups.into_iter().enumerate().map(|(place, group)| (group, place as u32)).collect();
    let number = |group: &str| if group.is_empty() { None } else { places.get(group).copied() };
    frame.products.iter().map(|product| number(&product.key_group)).collect()
}

/// What a fallback unit must share with the arc, as a number: authority, channel, area, key flag,
/// and in tier 0 the product, in tier 1 its key group.
fn coarse_key(
    frame: &Frame,
    design: &Design,
    groups: &[Option<u32>],
    tier: usize,
    arc: usize,
) -> Option<u64> {
    let cell = design.arcs.cell[arc] as usize;
    let product = frame.cells.product[cell] as usize;
    let last = if tier == 0 { product as u32 } else { groups[product]? };
    let flags = u64::from(design.arcs.channel[arc]) << 2
        | u64::from(frame.cells.area[cell].index() as u8) << 1
        | u64::from(frame.products[product].key);
    // Authorities are few enough for 28 bits: there are at most 10^6 codes at each level.
    Some(u64::from(authority(frame, design, arc)) << 36 | flags << 32 | u64::from(last))
}

/// A number that is the same for arcs that count in the same rows, and seldom for others.
fn mixed_rows(policy: &Policy, design: &Design) -> Vec<u64> {
    let mut mixed = vec![0u64; design.arcs.len()];
    for partition in design.partitions.iter().filter(|partition| partition.firm(policy)) {
        for column in std::iter::once(&partition.of_arc).chain(&partition.rest_of_arc) {
            for (slot, group) in mixed.iter_mut().zip(column) {
                // Knuth's multiplicative hashing, one group after the other.
                *slot = (*slot ^ u64::from(*group)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                *slot ^= *slot >> 29;
            }
        }
    }
    mixed
}

/// Compares the groups of every firm quota that two arcs count in: arcs that are alike can stand
/// in for each other without moving any row.
fn compare_rows(policy: &Policy, design: &Design, a: usize, b: usize) -> Ordering {
    let firm = design.partitions.iter().filter(|partition| partition.firm(policy));
    firm.fold(Ordering::Equal, |order, partition| {
        let rest = || match &partition.rest_of_arc {
            Some(rest) => rest[a].cmp(&rest[b]),
            None => Ordering::Equal,
        };
        order.then_with(|| partition.of_arc[a].cmp(&partition.of_arc[b])).then_with(rest)
    })
}
