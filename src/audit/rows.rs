//! The quota rows: which there must be, what each says, and what the certificate proves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::model::{DivisionCode, Level, Ratio};
use crate::plan::{CertificateRow, ComplianceRow, Interval};
use crate::policy::{Bound, Dim, Quota, grouping_text};

use super::dims::Dimensions;
use super::families::Nodes;
use super::groups::Groups;
use super::report::{Check, Kind};
use super::standing::RowNow;
use super::view::{BATCH, NONE, View};

/// The certificate and the compliance table, in this order.
pub(super) type Checks = [Check; 2];

/// What all rows are recounted from.
pub(super) struct Source<'a> {
    pub view: &'a View<'a>,
    pub dims: &'a Dimensions,
    pub nodes: &'a Nodes,
    /// Number of drawn lines of each arc.
    pub drawn: &'a [u64],
}

/// One quota in one grouping, and its rows in the file.
struct Part<'a> {
    quota: &'a Quota,
    grouping: &'a [Dim],
    rows: std::ops::Range<usize>,
}

/// Which arcs count in which group of a quota and grouping.
pub(super) struct Membership {
    /// Values of each group.
    pub groups: Vec<Vec<u32>>,
    /// The group that each arc counts in, or [`NONE`].
    pub matching: Vec<u32>,
    /// For shares of a base that is not fixed: the group whose rest each arc belongs to.
    pub rest: Option<Vec<u32>>,
}

/// Whether `quota` in `grouping` has shares of a base that no budget fixes.
fn is_open(quota: &Quota, grouping: &[Dim]) -> bool {
    let fixed = |dim: &Dim| matches!(dim, Dim::Level | Dim::Authority);
    quota.has_share() && !quota.base(grouping).iter().all(fixed)
}

impl Membership {
    /// Of `arcs`, in `quota` by `grouping`.
    pub fn new(
        view: &View<'_>,
        dims: &Dimensions,
        quota: &Quota,
        grouping: &[Dim],
        arcs: &[u32],
    ) -> Self {
        let groups = Groups::new(view, dims, grouping, &quota.filter, arcs);
        let passing = dims.passing(view, &quota.filter, arcs);
        let only = |wanted: bool| -> Vec<u32> {
            let pairs = groups.of.iter().zip(&passing);
            pairs.map(|(group, passes)| if *passes == wanted { *group } else { NONE }).collect()
        };
        let rest = is_open(quota, grouping).then(|| only(false));
        Membership { matching: only(true), rest, groups: groups.values }
    }
}

/// Checks all rows on two threads; what is found doesn't depend on which does what.
pub(super) fn check(source: &Source<'_>) -> Checks {
    let fresh = || [Check::new(Kind::Certificate), Check::new(Kind::Compliance)];
    let mut checks = fresh();
    let document = source.view.document;
    let (rows, proofs) = (&document.compliance, &document.certificate.rows);
    checks[0].equal(proofs.len(), rows.len(), || "the number of certificate.rows".into());
    let parts = parts(source.view, &mut checks[1]);
    let arcs: Vec<u32> = (0..source.view.arcs.cell.len() as u32).collect();
    let next = AtomicUsize::new(0);
    let found: Mutex<BTreeMap<usize, Checks>> = Mutex::default();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(number) else { break };
            let mut own = fresh();
            part.check(source, &arcs, &mut own);
            // A poisoned lock only means that the other thread is about to pass its panic on.
            found.lock().unwrap_or_else(PoisonError::into_inner).insert(number, own);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    for [certificate, compliance] in found.into_values() {
        checks[0].absorb(certificate);
        checks[1].absorb(compliance);
    }
    checks
}

/// Finds the rows of every quota and grouping: they stand together, in the policy's order.
fn parts<'a>(view: &View<'a>, check: &mut Check) -> Vec<Part<'a>> {
    let rows = &view.document.compliance;
    let mut parts = Vec::new();
    let mut at = 0;
    for quota in &view.policy.quotas {
        for grouping in &quota.each {
            let scope = grouping_text(grouping);
            let from = at;
            while rows.get(at).is_some_and(|row| row.quota == quota.name && row.scope == scope) {
                at += 1;
            }
            check.require(at > from, || {
                format!("no rows of quota {:?} for each {scope} after row {from}", quota.name)
            });
            parts.push(Part { quota, grouping, rows: from..at });
        }
    }
    check.require(at == rows.len(), || {
        let row =
            rows.get(at).map_or(String::new(), |row| format!("{:?}, {}", row.quota, row.scope));
        format!("row {} ({row}): no quota asks for it at this place", at + 1)
    });
    parts
}

/// A total of nodes, and the integers it can become.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    x: u64,
    low: u64,
    high: u64,
    nodes: u64,
    /// A node is partly in it.
    mixed: bool,
}

/// A bound as a row states it.
struct Asked {
    side: &'static str,
    text: String,
    base: u64,
    limit: Limit,
}

/// A number of batches, or a share of a base that is not fixed.
#[derive(Clone, Copy)]
enum Limit {
    Batches(u64),
    Share(Ratio),
}

/// What is known of one group.
struct Group {
    name: String,
    /// Batches that the budgets fix for a share's base; none if they don't.
    fixed_base: Option<u64>,
    units: u64,
    planned: u64,
    planned_rest: u64,
}

impl Part<'_> {
    fn check(&self, source: &Source<'_>, arcs: &[u32], checks: &mut Checks) {
        let view = source.view;
        let rows = &view.document.compliance[self.rows.clone()];
        let proofs = view.document.certificate.rows.get(self.rows.clone()).unwrap_or_default();
        let members = Membership::new(view, source.dims, self.quota, self.grouping, arcs);
        let [certificate, compliance] = checks;
        if members.rest.is_some() && self.quota.base(self.grouping) != self.grouping {
            compliance.problem(|| {
                format!("quota {:?}: `of` names a base that no budget fixes", self.quota.name)
            });
            return;
        }
        let groups = self.groups(view, source.dims, source.drawn, &members);
        let mut spans = Spans { source, members: &members, found: BTreeMap::new() };
        let mut at = 0;
        for (number, group) in groups.iter().enumerate() {
            for asked in group.asked(self.quota) {
                let place = self.rows.start + at;
                let Some(row) = rows.get(at) else {
                    compliance.problem(|| {
                        let (name, side) = (&self.quota.name, asked.side);
                        format!(
                            "row {}: the {side} of {name:?} in {:?} is missing",
                            place + 1,
                            group.name
                        )
                    });
                    return;
                };
                let span = proofs.get(at).and_then(|proof| spans.of(proof, number));
                if let Some(proof) = proofs.get(at) {
                    let open = members.rest.is_some();
                    check_proof(place, proof, span, open, certificate);
                }
                let span = span.filter(|[own, rest]| !own.mixed && !rest.mixed);
                self.check_row(place, row, group, &asked, span, compliance);
                at += 1;
            }
        }
        compliance.require(at == rows.len(), || {
            format!(
                "row {}: no group of {:?} asks for it",
                self.rows.start + at + 1,
                self.quota.name
            )
        });
    }

    /// Recounts what rows say of each group.
    fn groups(
        &self,
        view: &View<'_>,
        dims: &Dimensions,
        counts: &[u64],
        members: &Membership,
    ) -> Vec<Group> {
        let dimensions = dims.of(self.grouping);
        let open = members.rest.is_some();
        let mut groups: Vec<Group> = members
            .groups
            .iter()
            .map(|values| Group {
                name: Groups::name(&dimensions, values),
                fixed_base: (!open).then(|| self.fixed_base(view, values)),
                units: 0,
                planned: 0,
                planned_rest: 0,
            })
            .collect();
        // The last cell that was counted in each group, so that none is counted twice.
        let mut counted = vec![NONE; groups.len()];
        for (arc, group) in members.matching.iter().enumerate().filter(|(_, g)| **g != NONE) {
            let (group, cell) = (*group as usize, view.arcs.cell[arc]);
            groups[group].planned += counts[arc];
            if counted[group] != cell {
                counted[group] = cell;
                groups[group].units += u64::from(view.cells.units[cell as usize]);
            }
        }
        for (arc, group) in members.rest.iter().flatten().enumerate().filter(|(_, g)| **g != NONE) {
            groups[*group as usize].planned_rest += counts[arc];
        }
        groups
    }

    /// The batches of all authorities that agree with a group in the dimensions of the base.
    fn fixed_base(&self, view: &View<'_>, values: &[u32]) -> u64 {
        let base = self.quota.base(self.grouping);
        let wanted = |dim: Dim| {
            let place = self.grouping.iter().position(|other| *other == dim)?;
            if base.contains(&dim) { values.get(place).copied() } else { None }
        };
        let (level, authority) = (wanted(Dim::Level), wanted(Dim::Authority));
        let agrees = |(place, row): &(usize, &crate::plan::AuthorityRow)| {
            level.is_none_or(|level| row.level.index() as u32 == level)
                && authority.is_none_or(|authority| *place as u32 == authority)
        };
        let own = view.document.allocation.authorities.iter().enumerate().filter(agrees);
        own.fold(0, |sum: u64, (_, row)| sum.saturating_add(row.batches))
    }

    fn check_row(
        &self,
        place: usize,
        row: &ComplianceRow,
        group: &Group,
        asked: &Asked,
        span: Option<[Span; 2]>,
        check: &mut Check,
    ) {
        let number = place + 1;
        let name = |what: &str| {
            format!(
                "row {number} ({:?}, {:?}, {}): {what}",
                self.quota.name, group.name, asked.side
            )
        };
        check.equal(row.group.as_str(), &group.name, || name("group"));
        check.equal(row.hardness.as_str(), self.quota.hardness.as_str(), || name("hardness"));
        check.equal(row.bound.as_str(), asked.side, || name("bound"));
        check.equal(row.asked.as_str(), &asked.text, || name("asked"));
        let (base, required) = group.required(asked);
        check.equal(row.base, base, || name("base"));
        check.equal(row.required, required, || name("required"));
        check.equal(row.planned, group.planned, || name("planned"));
        // Without a valid proof there is nothing to compare with; the certificate fails then.
        let Some(span) = span else { return };
        check.equal(row.guaranteed_low, span[0].low, || name("guaranteed_low"));
        check.equal(row.guaranteed_high, span[0].high, || name("guaranteed_high"));
        let holds = holds(asked, &span);
        check.equal(row.holds, holds, || name("holds"));
        check.require(holds || !self.quota.is_firm(), || name("a firm quota does not hold"));
        let inside = (span[0].low..=span[0].high).contains(&group.planned);
        check.require(inside, || {
            name(&format!("{} planned are outside of what was guaranteed", group.planned))
        });
        check.require(group.keeps(asked, required) || !self.quota.is_firm(), || {
            name(&format!("{} are planned where {required} are required", group.planned))
        });
    }
}

/// Counts the rows of the file over `counts` batches by arc, whatever the file says of them.
pub(super) fn recount(
    view: &View<'_>,
    dims: &Dimensions,
    counts: &[u64],
    check: &mut Check,
) -> Vec<RowNow> {
    let arcs: Vec<u32> = (0..view.arcs.cell.len() as u32).collect();
    let mut found = Vec::new();
    for part in parts(view, check) {
        let members = Membership::new(view, dims, part.quota, part.grouping, &arcs);
        let from = found.len();
        for group in part.groups(view, dims, counts, &members) {
            for asked in group.asked(part.quota) {
                let (_, required) = group.required(&asked);
                let kept = group.keeps(&asked, required);
                found.push(RowNow { row: found.len(), required, planned: group.planned, kept });
            }
        }
        check.equal(found.len() - from, part.rows.len(), || {
            format!("the number of rows of {:?}", part.quota.name)
        });
    }
    found
}

/// Checks the rows of the groups that lie in one county: those by county, or of its own authority.
pub(super) fn of_county(
    view: &View<'_>,
    dims: &Dimensions,
    counts: &[u64],
    county: DivisionCode,
    check: &mut Check,
) {
    let arcs: Vec<u32> = (0..view.arcs.cell.len() as u32).collect();
    let place = view.document.frame.counties.binary_search(&county);
    let place = place.map_or(NONE, |place| place as u32);
    let own = |dim: &Dim, value: u32| match dim {
        Dim::County => value == place,
        Dim::Authority => {
            let row = view.document.allocation.authorities.get(value as usize);
            row.is_some_and(|row| row.level == Level::County && row.authority == county)
        }
        _ => false,
    };
    for quota in &view.policy.quotas {
        for grouping in &quota.each {
            let part = Part { quota, grouping, rows: 0..0 };
            let members = Membership::new(view, dims, quota, grouping, &arcs);
            let groups = part.groups(view, dims, counts, &members);
            for (values, group) in members.groups.iter().zip(&groups) {
                if !grouping.iter().zip(values).any(|(dim, value)| own(dim, *value)) {
                    continue;
                }
                for asked in group.asked(quota) {
                    let (_, required) = group.required(&asked);
                    let kept = group.keeps(&asked, required);
                    check.require(kept || !quota.is_firm(), || {
                        format!(
                            "{:?}, {:?}: {} are planned where {} {required} are required",
                            quota.name, group.name, group.planned, asked.side
                        )
                    });
                }
            }
        }
    }
}

/// A share in whole batches: minima are rounded up, maxima down.
fn part(side: &str, share: Ratio, base: u64) -> u64 {
    if side == "min" { share.ceil_of(base) } else { share.floor_of(base) }
}

/// Whether a bound holds for the least or most that a draw can give.
fn holds(asked: &Asked, [own, rest]: &[Span; 2]) -> bool {
    match (asked.limit, asked.side) {
        (Limit::Batches(batches), "min") => own.low >= batches,
        (Limit::Batches(batches), _) => own.high <= batches,
        (Limit::Share(share), side) => {
            let (num, den) = (u128::from(share.num()), u128::from(share.den()));
            let own_part = |batches: u64| (den - num) * u128::from(batches);
            let rest_part = |batches: u64| num * u128::from(batches);
            if side == "min" {
                own_part(own.low) >= rest_part(rest.high)
            } else {
                own_part(own.high) <= rest_part(rest.low)
            }
        }
    }
}

impl Group {
    /// The base that a bound refers to, and the bound in batches.
    fn required(&self, asked: &Asked) -> (u64, u64) {
        let base = self.planned.saturating_add(self.planned_rest);
        match asked.limit {
            Limit::Batches(batches) => (asked.base, batches),
            Limit::Share(share) => (base, part(asked.side, share, base)),
        }
    }

    /// Whether the batches planned keep a bound.
    fn keeps(&self, asked: &Asked, required: u64) -> bool {
        if asked.side == "min" { self.planned >= required } else { self.planned <= required }
    }

    /// The bounds of the quota in this group, in the order of rows.
    fn asked(&self, quota: &Quota) -> Vec<Asked> {
        let mut all = Vec::new();
        for (side, bound) in [("min", quota.min), ("max", quota.max)] {
            let (text, base, limit) = match (bound, self.fixed_base) {
                (None, _) => continue,
                (Some(Bound::Batches(n)), _) => (n.to_string(), 0, Limit::Batches(n)),
                (Some(Bound::Share(share)), None) => (share.to_string(), 0, Limit::Share(share)),
                (Some(Bound::Share(share)), Some(base)) => {
                    (share.to_string(), base, Limit::Batches(part(side, share, base)))
                }
            };
            all.push(Asked { side, text, base, limit });
        }
        for (side, rate) in [("min", quota.min_rate), ("max", quota.max_rate)] {
            let Some(rate) = rate else { continue };
            let limit = Limit::Batches(part(side, rate, self.units));
            all.push(Asked { side, text: format!("{rate} of units"), base: self.units, limit });
        }
        all
    }
}

/// The spans of all groups, by family and depth; made when a row asks for them.
struct Spans<'a> {
    source: &'a Source<'a>,
    members: &'a Membership,
    found: BTreeMap<(u8, u8), Option<Vec<[Span; 2]>>>,
}

impl Spans<'_> {
    /// The spans, own and rest, of a group at the nodes that `proof` names.
    fn of(&mut self, proof: &CertificateRow, group: usize) -> Option<[Span; 2]> {
        let (source, members) = (self.source, self.members);
        let key = (proof.family, proof.depth);
        let spans = self.found.entry(key).or_insert_with(|| {
            let depth = source.nodes.at(proof.family, proof.depth)?;
            let count = members.groups.len();
            let own = sums(source.view, depth, &members.matching, count);
            let rest = match &members.rest {
                Some(rest) => sums(source.view, depth, rest, count),
                None => vec![Span::default(); count],
            };
            Some(own.into_iter().zip(rest).map(|(own, rest)| [own, rest]).collect())
        });
        spans.as_ref()?.get(group).copied()
    }
}

/// Adds up, for each group, the nodes of a depth whose arcs are all in the group.
fn sums(
    view: &View<'_>,
    depth: &super::families::Depth,
    group_of: &[u32],
    count: usize,
) -> Vec<Span> {
    let mut group_of_node = vec![NONE; depth.x.len()];
    let mut hits = vec![0u32; depth.x.len()];
    let mut spans = vec![Span::default(); count];
    for (arc, group) in group_of.iter().enumerate().filter(|(_, group)| **group != NONE) {
        let node = depth.node(view, arc) as usize;
        hits[node] += 1;
        let other = std::mem::replace(&mut group_of_node[node], *group);
        if other != NONE && other != *group {
            spans[other as usize].mixed = true;
            spans[*group as usize].mixed = true;
        }
    }
    for (node, group) in group_of_node.iter().enumerate().filter(|(_, group)| **group != NONE) {
        let span = &mut spans[*group as usize];
        let x = depth.x[node];
        span.mixed |= hits[node] != depth.arcs[node];
        span.x += x;
        span.low += x / BATCH;
        span.high += x.div_ceil(BATCH);
        span.nodes += 1;
    }
    spans
}

fn check_proof(
    place: usize,
    proof: &CertificateRow,
    span: Option<[Span; 2]>,
    open: bool,
    check: &mut Check,
) {
    let number = place + 1;
    let (family, depth) = (proof.family, proof.depth);
    let Some([own, rest]) = span else {
        check.require(false, || {
            format!("certificate row {number}: family {family} has no depth {depth}")
        });
        return;
    };
    check.require(!own.mixed && !rest.mixed, || {
        format!(
            "certificate row {number}: a node of depth {depth} of family {family} is only partly \
             in the group"
        )
    });
    let words = |what: &str| format!("certificate row {number}: {what}");
    let written = (proof.nodes, proof.x, proof.low, proof.high);
    let recounted = (own.nodes, own.x, own.low, own.high);
    check.equal(written, recounted, || words("(nodes, x, low, high)"));
    let rest = open.then_some(Interval { x: rest.x, low: rest.low, high: rest.high });
    check.equal(proof.rest, rest, || words("rest"));
}
