//! Replacement units: from the own cell as long as it has any, then from cells that are equal in
//! everything that a quota counts.

use crate::model::Digest;
use crate::plan::Line;

use super::dims::{Dimensions, ranks};
use super::groups::Numbering;
use super::lines::unit;
use super::report::Check;
use super::rows::Membership;
use super::view::{NONE, View};

/// What the replacement lines of one arc are.
#[derive(Clone, Copy, Default)]
struct Pool {
    /// Lines of the own cell that there must be.
    own_wanted: u64,
    own: u64,
    others: u64,
    /// Lines wanted from other cells.
    lacking: u64,
}

/// Checks all replacement lines.
pub(super) fn check(view: &View<'_>, dims: &Dimensions, check: &mut Check) {
    let pools = pools(view);
    for (arc, pool) in pools.iter().enumerate() {
        check.require(pool.own == pool.own_wanted, || {
            format!(
                "arc {arc}: {} replacement lines of its own cell; expected {}",
                pool.own, pool.own_wanted
            )
        });
        check.require(pool.others <= pool.lacking, || {
            format!(
                "arc {arc}: {} replacement lines of other cells, but only {} were lacking",
                pool.others, pool.lacking
            )
        });
    }
    let equals = Equals::new(view, dims, &pools);
    fallback_lines(view, &equals, check);
    exhausted(view, &pools, &equals, check);
}

fn is_own(view: &View<'_>, line: &Line) -> bool {
    view.arcs.cell[line.arc as usize] == line.cell
}

/// What each arc must have and has.
fn pools(view: &View<'_>) -> Vec<Pool> {
    let per_line = u64::from(view.policy.replacements_per_line);
    let mut pools = vec![Pool::default(); view.arcs.cell.len()];
    for cell in 0..view.cells.units.len() {
        let drawn: u64 = view.arcs.n[view.arcs_of(cell)].iter().map(|n| u64::from(*n)).sum();
        let mut left = u64::from(view.cells.units[cell]).saturating_sub(drawn);
        for arc in view.arcs_of(cell) {
            let wanted = per_line * u64::from(view.arcs.n[arc]);
            let own = wanted.min(left);
            left -= own;
            pools[arc].own_wanted = own;
            pools[arc].lacking = wanted - own;
        }
    }
    for line in view.document.lines.iter().filter(|line| line.replacement_rank > 0) {
        let pool = &mut pools[line.arc as usize];
        if is_own(view, line) { pool.own += 1 } else { pool.others += 1 }
    }
    pools
}

/// Which arcs can stand in for each other: two tiers.
struct Equals {
    /// The class of each arc in each tier; [`NONE`] for arcs that nobody asks.
    class: [Vec<u32>; 2],
    classes: [usize; 2],
}

impl Equals {
    /// Classes of all arcs that agree coarsely with one that lacks something: by authority,
    /// channel, area and the product (first tier) or key flag and key group (second), then by
    /// the groups of every firm quota that they count in.
    fn new(view: &View<'_>, dims: &Dimensions, pools: &[Pool]) -> Self {
        let arcs = pools.len();
        let mut equals = Equals { class: [vec![NONE; arcs], vec![NONE; arcs]], classes: [0; 2] };
        if pools.iter().all(|pool| pool.lacking == 0) {
            return equals;
        }
        let products = &view.document.frame.products;
        let groups: Vec<&str> = products.iter().map(|p| p.key_group.as_str()).collect();
        let (names, group_of) = ranks(&groups);
        let product = |arc: usize| view.cells.product[view.arcs.cell[arc] as usize] as usize;
        for tier in 0..2 {
            let mut coarse = Numbering::whole(arcs)
                .split(view.document.allocation.authorities.len(), |arc| view.authority(arc))
                .split(3, |arc| view.arcs.channel[arc].into())
                .split(2, |arc| view.cells.area[view.arcs.cell[arc] as usize].into())
                .split(2, |arc| products[product(arc)].key.into());
            coarse = match tier {
                0 => coarse.split(products.len(), |arc| product(arc) as u32),
                _ => coarse.split(names.len(), |arc| group_of[product(arc)]),
            };
            let mut asked = vec![false; coarse.count];
            let fits = |arc: usize| tier == 0 || !products[product(arc)].key_group.is_empty();
            for (arc, pool) in pools.iter().enumerate() {
                asked[coarse.of[arc] as usize] |= pool.lacking > 0 && fits(arc);
            }
            let some: Vec<u32> =
                (0..arcs as u32).filter(|arc| asked[coarse.of[*arc as usize] as usize]).collect();
            let start = Numbering::whole(some.len())
                .split(coarse.count, |item| coarse.of[some[item] as usize]);
            let fine = by_quotas(view, dims, &some, start);
            for (arc, class) in some.iter().zip(&fine.of) {
                equals.class[tier][*arc as usize] = *class;
            }
            equals.classes[tier] = fine.count;
        }
        equals
    }

    /// The tier in which `other` can stand in for `arc`.
    fn tier(&self, arc: usize, other: usize) -> Option<usize> {
        let agree = |tier: &usize| {
            let class = &self.class[*tier];
            class[arc] != NONE && class[arc] == class[other]
        };
        (0..2).find(agree)
    }
}

/// Splits classes of arcs by the groups of every firm quota: those that they count in, and those
/// whose base they belong to.
fn by_quotas(view: &View<'_>, dims: &Dimensions, arcs: &[u32], start: Numbering) -> Numbering {
    let mut classes = start;
    for quota in view.policy.quotas.iter().filter(|quota| quota.is_firm()) {
        for grouping in &quota.each {
            let members = Membership::new(view, dims, quota, grouping, arcs);
            let values = members.groups.len() + 1;
            let number = |group: u32| if group == NONE { 0 } else { group + 1 };
            classes = classes.split(values, |item| number(members.matching[item]));
            if let Some(rest) = &members.rest {
                classes = classes.split(values, |item| number(rest[item]));
            }
        }
    }
    classes
}

/// Checks every line that comes from another cell, and that each pool is taken from strictly in
/// the order of lots: first all of the first tier, then the second.
fn fallback_lines(view: &View<'_>, equals: &Equals, check: &mut Check) {
    let mut last: [Vec<Option<&Line>>; 2] = equals.classes.map(|count| vec![None; count]);
    let order = |line: &Line| -> (Digest, String, String) {
        (line.lot, unit(line).0.to_owned(), unit(line).1.to_owned())
    };
    let mut before: Option<(u32, usize)> = None;
    for line in view.document.lines.iter().filter(|line| line.replacement_rank > 0) {
        // Own lines count as tier 0, so that tiers ascend inside an arc.
        let arc = line.arc as usize;
        let tier = if is_own(view, line) {
            Some(0)
        } else {
            let other = view.same_kind(line.cell as usize, arc);
            let tier = other.and_then(|other| equals.tier(arc, other));
            check.require(tier.is_some(), || unequal(view, line));
            tier.map(|tier| tier + 1)
        };
        let Some(tier) = tier else { continue };
        let ascends = before.is_none_or(|(other, before)| other != line.arc || before <= tier);
        check.require(ascends, || {
            format!("line {}: a nearer replacement unit of arc {arc} comes later", line.line)
        });
        before = Some((line.arc, tier));
        if tier == 0 {
            continue;
        }
        let class = equals.class[tier - 1][arc] as usize;
        let last = &mut last[tier - 1][class];
        check.require(last.is_none_or(|last| order(last) < order(line)), || {
            let first = last.map_or(0, |last| last.line);
            format!(
                "lines {first} and {}: taken from one pool against the order of lots",
                line.line
            )
        });
        *last = Some(line);
    }
}

/// Why the unit of a line can't stand in for its arc, in words.
fn unequal(view: &View<'_>, line: &Line) -> String {
    let (arc, cell) = (line.arc as usize, line.cell as usize);
    let own = view.arcs.cell[arc] as usize;
    let products = &view.document.frame.products;
    let product = |cell: usize| &products[view.cells.product[cell] as usize];
    let (ours, theirs) = (product(own), product(cell));
    let kin = !ours.key_group.is_empty() && ours.key_group == theirs.key_group;
    let why = match view.same_kind(cell, arc) {
        None => "has no arc of the level and channel",
        Some(other) if view.authority(other) != view.authority(arc) => "has another authority",
        _ if view.cells.area[own] != view.cells.area[cell] => "has another area",
        _ if ours.key != theirs.key => "is not key as the arc's cell is, or is where it is not",
        _ if ours.product_id != theirs.product_id && !kin => "has another product and key group",
        _ => "counts in other groups of firm quotas, or the arc's own cell is not exhausted",
    };
    format!("line {}: cell {cell} cannot stand in for arc {arc} of cell {own}: it {why}", line.line)
}

/// Checks that an arc lacks replacement units only if no cell that could stand in has any left.
fn exhausted(view: &View<'_>, pools: &[Pool], equals: &Equals, check: &mut Check) {
    let mut left: Vec<u64> = view.cells.units.iter().map(|units| u64::from(*units)).collect();
    for line in &view.document.lines {
        let left = &mut left[line.cell as usize];
        *left = left.saturating_sub(1);
    }
    let mut left_in: [Vec<u64>; 2] = equals.classes.map(|count| vec![0; count]);
    for (tier, class) in equals.class.iter().enumerate() {
        for (arc, class) in class.iter().enumerate().filter(|(_, class)| **class != NONE) {
            left_in[tier][*class as usize] += left[view.arcs.cell[arc] as usize];
        }
    }
    for (arc, pool) in pools.iter().enumerate().filter(|(_, pool)| pool.lacking > 0) {
        let cell = view.arcs.cell[arc] as usize;
        check.require(left[cell] == 0 || pool.others == 0, || {
            format!("arc {arc}: takes other cells' units while its cell {cell} has {}", left[cell])
        });
        let lacking = pool.lacking.saturating_sub(pool.others);
        let pick = |tier: usize| match equals.class[tier][arc] {
            NONE => 0,
            class => left_in[tier][class as usize],
        };
        let available = pick(0).max(pick(1));
        check.require(lacking == 0 || available == 0, || {
            format!(
                "arc {arc}: lacks {lacking} replacement units while cells that could stand in \
                 have {available}"
            )
        });
    }
}
