//! Which units are drawn and which stand by: lots, levels, replacement blocks and fallbacks.
//!
//! docs/METHOD.md, "Lots" and "Replacement units".

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::design::{Context, Design, NONE};
use crate::draw::{LOT_LABEL, ranked};
use crate::frame::Frame;
use crate::model::{Digest, Work, join, spread};
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
        (0..design.arcs.len() as u32).map(|arc| authority(frame, design, arc)).collect();
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
pub(super) fn authority(frame: &Frame, design: &Design, arc: u32) -> u32 {
    let Design { authorities, arcs, .. } = design;
    Context { frame, authorities, arcs }.authority(arc as usize)
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
    let fallback = Fallback::new(frame, design, &mut blocks, &order, work.threads);
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
    sub_key: &crate::draw::SubKey,
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
    /// Arcs that lack replacement units, in the order of the plan's lines.
    lacking: Vec<u32>,
    /// For each tier: the pool of each arc that lacks something, by place in `pools`, or [`NONE`].
    of_arc: [Vec<u32>; 2],
    /// Arcs whose cells serve the pool.
    pools: Vec<Vec<u32>>,
}

impl Fallback {
    /// Finds the pools and notes in `blocks.extra` how many units each cell may be asked for.
    fn new(
        frame: &Frame,
        design: &Design,
        blocks: &mut Blocks,
        order: &[u32],
        threads: usize,
    ) -> Self {
        let lacks = |arc: &u32| blocks.lacking[*arc as usize] > 0;
        let lacking: Vec<u32> = order.iter().copied().filter(lacks).collect();
        let mut fallback =
            Fallback { lacking, of_arc: [Vec::new(), Vec::new()], pools: Vec::new() };
        if fallback.lacking.is_empty() {
            return fallback;
        }
        let coarse = Coarse::new(frame, design);
        let same = |a: &u32, b: &u32| authority(frame, design, *a) == authority(frame, design, *b);
        let territories: Vec<&[u32]> = order.chunk_by(same).collect();
        for tier in 0..2 {
            fallback.of_arc[tier] = vec![NONE; design.arcs.len()];
            let found = spread(threads, territories.len(), |place| {
                pools(design, blocks, &coarse, tier, territories[place])
            });
            for arcs in found.into_iter().flatten() {
                fallback.pool(design, blocks, tier, arcs);
            }
        }
        fallback
    }

    /// Adds a pool of arcs that count in the same rows, one of which lacks something.
    fn pool(&mut self, design: &Design, blocks: &mut Blocks, tier: usize, arcs: Vec<u32>) {
        let lacking: u64 = arcs.iter().map(|arc| u64::from(blocks.lacking[*arc as usize])).sum();
        let number = self.pools.len() as u32;
        for arc in &arcs {
            if blocks.lacking[*arc as usize] > 0 {
                self.of_arc[tier][*arc as usize] = number;
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
        let mut more: Vec<Vec<Placed>> = vec![Vec::new(); self.lacking.len()];
        let mut heaps: Vec<Option<Heap>> = self.pools.iter().map(|_| None).collect();
        for of_arc in &self.of_arc {
            for (arc, list) in self.lacking.iter().zip(&mut more) {
                let a = *arc as usize;
                let number = of_arc[a];
                if number == NONE {
                    continue;
                }
                let heap = heaps[number as usize].get_or_insert_with(|| {
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
        let mut own = std::mem::take(&mut ranks.replacements).into_iter().peekable();
        let mut more = self.lacking.iter().zip(more).peekable();
        for arc in order {
            while let Some(placed) = own.next_if(|placed| placed.arc == *arc) {
                ranks.replacements.push(placed);
            }
            if let Some((_, list)) = more.next_if(|(lacking, _)| *lacking == arc) {
                ranks.replacements.extend(list);
            }
        }
    }
}

/// The pools of one tier among the arcs of one authority: arcs alike in what a fallback must
/// share and in every row, more than one of them, of which one lacks something.
fn pools(
    design: &Design,
    blocks: &Blocks,
    coarse: &Coarse<'_>,
    tier: usize,
    territory: &[u32],
) -> Vec<Vec<u32>> {
    let lacks = |arc: u32| blocks.lacking[arc as usize] > 0;
    let mut asked = vec![false; coarse.size(tier)];
    for arc in territory.iter().filter(|arc| lacks(**arc)) {
        if let Some(key) = coarse.key(tier, *arc as usize) {
            asked[key as usize] = true;
        }
    }
    // Only what lacks something or has something to give takes part.
    let takes_part = |arc: u32| {
        let cell = design.arcs.cell[arc as usize] as usize;
        lacks(arc) || blocks.listed[cell] < coarse.frame.cell_units(cell)
    };
    let mut members: Vec<(u32, u64, u32)> = territory
        .iter()
        .filter(|arc| takes_part(**arc))
        .filter_map(|arc| {
            let key = coarse.key(tier, *arc as usize).filter(|key| asked[*key as usize])?;
            Some((key, design.classes[*arc as usize], *arc))
        })
        .collect();
    members.sort_unstable();
    members
        .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .filter(|part| part.len() > 1 && part.iter().any(|(.., arc)| lacks(*arc)))
        .map(|part| part.iter().map(|(.., arc)| *arc).collect())
        .collect()
}

/// What a fallback unit must share with the arc beside the authority.
struct Coarse<'a> {
    frame: &'a Frame,
    design: &'a Design,
    /// The key group of each product as a number; `None` for products without one.
    groups: Vec<Option<u32>>,
}

impl<'a> Coarse<'a> {
    fn new(frame: &'a Frame, design: &'a Design) -> Self {
        let mut names: Vec<&str> =
            frame.products.iter().map(|product| product.key_group.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let number = |group: &str| {
            (!group.is_empty()).then(|| names.partition_point(|name| *name < group) as u32)
        };
        let groups = frame.products.iter().map(|product| number(&product.key_group)).collect();
        Coarse { frame, design, groups }
    }

    /// Channel, area, key flag, and in tier 0 the product, in tier 1 its key group, as a number
    /// below [`Coarse::size`]; `None` where there is no key group.
    fn key(&self, tier: usize, arc: usize) -> Option<u32> {
        let cell = self.design.arcs.cell[arc] as usize;
        let product = self.frame.cells.product[cell] as usize;
        let last = if tier == 0 { product as u32 } else { self.groups[product]? };
        let flags = u32::from(self.design.arcs.channel[arc]) << 2
            | (self.frame.cells.area[cell].index() as u32) << 1
            | u32::from(self.frame.products[product].key);
        Some(last << 4 | flags)
    }

    fn size(&self, tier: usize) -> usize {
        let most = if tier == 0 {
            self.groups.len()
        } else {
            self.groups.iter().flatten().max().map_or(0, |most| *most as usize + 1)
        };
        most << 4
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
