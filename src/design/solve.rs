//! From a frame and a policy to a certified design: target, fit, flow, certificate, and again
//! with tighter targets, a bounded number of times.

use std::borrow::Cow;

use crate::frame::Frame;
use crate::model::{Level, Work, both};
use crate::policy::{Dim, Policy, WeightBy};

use super::calibrate::{Band, Bounds, Fit, Problem};
use super::certify::{GroupSpan, Placement, holds, room, shortfall};
use super::check::{arithmetic, clashing_pairs};
use super::explain::{cut_clashes, uncertified_clashes};
use super::flow::{Adjacency, repair};
use super::{
    Arcs, Authorities, BATCH, Chains, Context, Dimensions, Family, Knowledge, Layout, NONE,
    Network, Partition, Refusal, Required, Side, partitions,
};

/// Sweeps before the first look at the certificate, and after each tightening.
const SWEEPS_FIRST: usize = 8;
const SWEEPS_AGAIN: usize = 2;
/// Tightenings before the flow: they only guess, from values that are not exact yet.
const GUESSES: usize = 6;
/// Flows, each with its certificate, before rows are pinned, and in all.
const ROUNDS_FREE: usize = 4;
const ROUNDS: usize = 8;
/// Before the flow a value this near an integer counts as that integer: about 2^-20 of a batch.
const NEAR: u64 = 1 << 12;

/// Why there is no design.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesignError {
    /// The quotas cannot be met, or no certificate was found.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The work was told to stop.
    #[error(transparent)]
    Cancelled(#[from] crate::model::Cancelled),
}

/// A certified design: exact expected batches of every arc, and the proof that every rounding
/// keeps every quota.
#[derive(Debug, Clone)]
pub struct Design {
    /// The authorities with their budgets.
    pub authorities: Authorities,
    /// The arcs.
    pub arcs: Arcs,
    /// The quota rows, in the order of the policy.
    pub partitions: Vec<Partition>,
    /// Where each partition's rows are found among the nodes.
    pub placements: Vec<Placement>,
    /// The spans of each partition's groups.
    pub spans: Vec<Vec<GroupSpan>>,
    /// The dimensions of both families.
    pub chains: Chains,
    /// Where nodes and arcs are found among the edges.
    pub layout: Layout,
    /// The network of both families.
    pub network: Network,
    /// The value of every edge, in units of 2^-32 of a batch; a circulation.
    pub values: Vec<u64>,
    /// A number for every arc, the same for two arcs exactly if they belong to one authority and
    /// count in the same groups of every firm quota: one can then stand in for the other without
    /// moving any row.
    pub classes: Vec<u64>,
    /// For each partition's groups what the fit multiplied the matching batches and the rest by,
    /// 1 where the quota asks for nothing that wasn't there; says what a quota costs, decides
    /// nothing.
    pub factors: Vec<Vec<[f64; 2]>>,
}

/// The best design that was found where no certificate was.
#[derive(Debug)]
pub struct Draft {
    /// As a design, without a certificate.
    pub design: Design,
    /// Partition and group of the rows that some draw might break.
    pub missing: Vec<(usize, usize)>,
}

/// How a design's search ended.
#[derive(Debug)]
pub enum Attempt {
    /// With a certified design.
    Certified(Box<Design>),
    /// With a refusal, and the best design where only the certificate is missing.
    Refused(Refusal, Option<Box<Draft>>),
}

impl Design {
    /// The expected batches of an arc, in units of 2^-32.
    #[must_use]
    pub fn x(&self) -> &[u64] {
        &self.values[self.layout.arc_edges()]
    }

    /// Whether a limit of a partition's group holds in every draw.
    #[must_use]
    pub fn holds(&self, partition: usize, group: usize, limit: usize) -> bool {
        let limit = &self.partitions[partition].groups[group].limits[limit];
        holds(limit, &self.spans[partition][group])
    }

    /// Makes the design of `policy` on `frame`: a function of both alone.
    ///
    /// # Errors
    /// A [`Refusal`] if the quotas cannot be met or no certificate was found within the bounded
    /// work; nothing is ever relaxed.
    pub fn make(frame: &Frame, policy: &Policy, work: &Work<'_>) -> Result<Self, DesignError> {
        match Self::attempt(frame, policy, work)? {
            Attempt::Certified(design) => Ok(*design),
            Attempt::Refused(refusal, _) => Err(refusal.into()),
        }
    }

    /// As [`Design::make`], and shows how far it came where it failed.
    ///
    /// # Errors
    /// If the work was told to stop.
    pub fn attempt(
        frame: &Frame,
        policy: &Policy,
        work: &Work<'_>,
    ) -> Result<Attempt, crate::model::Cancelled> {
        Self::attempt_within(frame, policy, ROUNDS, work)
    }

    /// As [`Design::attempt`], with at most so many flows: a beginning of the same search, so what
    /// it certifies is what [`Design::make`] makes.
    ///
    /// # Errors
    /// If the work was told to stop.
    pub fn attempt_within(
        frame: &Frame,
        policy: &Policy,
        flows: usize,
        work: &Work<'_>,
    ) -> Result<Attempt, crate::model::Cancelled> {
        match Self::search(frame, policy, flows.clamp(1, ROUNDS), work) {
            Ok(attempt) => Ok(attempt),
            Err(DesignError::Refused(refusal)) => Ok(Attempt::Refused(refusal, None)),
            Err(DesignError::Cancelled(cancelled)) => Err(cancelled),
        }
    }

    fn search(
        frame: &Frame,
        policy: &Policy,
        flows: usize,
        work: &Work<'_>,
    ) -> Result<Attempt, DesignError> {
        work.stage("quota rows")?;
        let authorities = Authorities::new(frame, policy)?;
        let arcs = Arcs::new(frame, &authorities);
        let context = Context { frame, authorities: &authorities, arcs: &arcs };
        if arcs.is_empty() {
            let why = "no unit is eligible".to_owned();
            return Err(
                Refusal::infeasible(vec![super::Clash::new("budget", "plan", "", why)]).into()
            );
        }
        let dims = Dimensions::new(context, policy);
        let partitions = partitions(context, &dims, policy, work.threads)?;
        arithmetic(context, policy, &partitions)?;
        work.stage("families of totals")?;
        let levels = std::array::from_fn(|i| policy.budget[i].is_some());
        let knowledge = Knowledge::new(&dims, levels);
        let chains = Chains::derive(knowledge, &partitions);
        let (first, second) = both(
            work.threads,
            || Family::of_cells(context, &dims, &chains.first),
            || Family::of_arcs(context, &dims, &chains.second),
        );
        let layout = Layout::new(&first, &second, arcs.len());
        let families = [&first, &second];
        let find = |p: &Partition| Placement::find(context, knowledge, policy, p, families, layout);
        let ((network, adjacency), placements) = both(
            work.threads,
            || {
                let network = layout.network(context, &first, &second);
                let adjacency = Adjacency::new(&network);
                (network, adjacency)
            },
            || partitions.iter().map(find).collect::<Vec<Placement>>(),
        );
        let mut solver = Solver {
            context,
            policy,
            partitions: &partitions,
            placements: &placements,
            first: &first,
            second: &second,
            layout,
            network: &network,
            adjacency,
            low: vec![0; network.edges()],
            high: vec![u64::MAX; network.edges()],
            tighter: partitions.iter().map(|p| vec![[0.0; 2]; p.groups.len()]).collect(),
            pinned: Vec::new(),
            threads: work.threads,
        };
        solver.bounds()?;
        let Solved { values, spans, classes, factors, missing } = solver.solve(flows, work)?;
        let refusal = (!missing.is_empty()).then(|| solver.not_certified(&spans, &missing));
        let design = Design {
            placements,
            spans,
            chains,
            layout,
            values,
            classes,
            factors,
            network,
            partitions,
            arcs,
            authorities,
        };
        Ok(match refusal {
            None => Attempt::Certified(Box::new(design)),
            Some(refusal) => Attempt::Refused(refusal, Some(Box::new(Draft { design, missing }))),
        })
    }
}

struct Solver<'a> {
    context: Context<'a>,
    policy: &'a Policy,
    partitions: &'a [Partition],
    placements: &'a [Placement],
    first: &'a Family,
    second: &'a Family,
    layout: Layout,
    network: &'a Network,
    adjacency: Adjacency,
    /// Bounds of every edge.
    low: Vec<u64>,
    high: Vec<u64>,
    /// How much closer than asked each group's least and most are aimed at.
    tighter: Vec<Vec<[f64; 2]>>,
    /// Edges that are fixed to whole batches so that a row holds.
    pinned: Vec<(u32, u64)>,
    threads: usize,
}

struct Solved {
    values: Vec<u64>,
    spans: Vec<Vec<GroupSpan>>,
    classes: Vec<u64>,
    factors: Vec<Vec<[f64; 2]>>,
    /// Rows without a certificate; none if there is a design.
    missing: Vec<(usize, usize)>,
}

impl<'a> Solver<'a> {
    /// Bounds of edges: cells, authorities, and the rows that are single nodes.
    fn bounds(&mut self) -> Result<(), Refusal> {
        let frame = self.context.frame;
        let (units, batches) = (frame.units(), self.context.authorities.batches());
        for cell in 0..frame.cells.len() {
            let own = u64::from(frame.cell_units(cell));
            let edge = self.layout.node_edge(0, self.first.leaf[cell] as usize);
            self.high[edge] = own * BATCH;
            self.low[edge] = if frame.cells.certain[cell] {
                own * BATCH
            } else {
                least(self.policy, own, units, batches)
            };
        }
        // Authorities are the nodes of depth 2 of the second family.
        for node in self.second.at_depth(2) {
            let authority = self.context.authority(self.second.sample[node] as usize) as usize;
            let edge = self.layout.node_edge(1, node);
            let batches = self.context.authorities.list[authority].batches * BATCH;
            (self.low[edge], self.high[edge]) = (batches, batches);
        }
        for (partition, placement) in self.partitions.iter().zip(self.placements) {
            if !partition.firm(self.policy) || partition.rest_of_arc.is_some() {
                continue;
            }
            let mut nodes = vec![0u32; partition.groups.len()];
            for (_, group) in &placement.members {
                nodes[*group as usize] += 1;
            }
            for (edge, group) in &placement.members {
                let edge = *edge as usize;
                for limit in &partition.groups[*group as usize].limits {
                    let Required::Batches(batches) = limit.required else { continue };
                    match limit.side {
                        // A node of several: what it alone may not exceed.
                        Side::Max => self.high[edge] = self.high[edge].min(batches * BATCH),
                        Side::Min if nodes[*group as usize] == 1 => {
                            self.low[edge] = self.low[edge].max(batches * BATCH);
                        }
                        Side::Min => {}
                    }
                }
                if self.low[edge] > self.high[edge] {
                    let group = &partition.groups[*group as usize];
                    let name = &self.policy.quotas[partition.quota].name;
                    let why = format!(
                        "another rule asks for at least {} batches where this one allows {}",
                        self.low[edge].div_ceil(BATCH),
                        self.high[edge] / BATCH
                    );
                    let clash = super::Clash::new(name, &partition.scope(), &group.name, why);
                    return Err(Refusal::infeasible(vec![clash]));
                }
            }
        }
        Ok(())
    }

    /// Batches in proportion to units and weights, by authority.
    fn target(&self) -> Vec<f64> {
        let (frame, arcs) = (self.context.frame, self.context.arcs);
        let channel = self.policy.weights.0.get(&WeightBy::Dim(Dim::Channel));
        let factor: Vec<f64> = crate::model::Channel::ALL
            .iter()
            .map(|c| channel.and_then(|table| table.get(c.as_str())).map_or(1.0, |f| *f as f64))
            .collect();
        let authority_of = |arc: usize| {
            let county = frame.cells.county[arcs.cell[arc] as usize] as usize;
            self.context.authorities.of_county[county][usize::from(arcs.level[arc])] as usize
        };
        let mut sums = vec![0.0f64; self.context.authorities.list.len()];
        let mut target = Vec::with_capacity(arcs.len());
        for arc in 0..arcs.len() {
            let cell = arcs.cell[arc] as usize;
            let units = f64::from(frame.cell_units(cell));
            let score =
                units * frame.cells.weight[cell] as f64 * factor[usize::from(arcs.channel[arc])];
            sums[authority_of(arc)] += score;
            target.push(score);
        }
        for (arc, score) in target.iter_mut().enumerate() {
            let authority = authority_of(arc);
            let batches = self.context.authorities.list[authority].batches;
            *score = *score / sums[authority] * batches as f64;
        }
        target
    }

    fn authority_band(&self) -> Band<'a> {
        let of_arc = (0..self.context.arcs.len()).map(|arc| self.context.authority(arc));
        let exact = |batches: u64| Bounds::Sum { low: batches as f64, high: batches as f64 };
        Band {
            of_arc: of_arc.collect(),
            rest_of_arc: None,
            bounds: self.context.authorities.list.iter().map(|a| exact(a.batches)).collect(),
        }
    }

    /// The bounds to aim at, tightened so far.
    fn row_bounds(&self, number: usize) -> Vec<Bounds> {
        let partition = &self.partitions[number];
        let tighter = &self.tighter[number];
        let bounds = partition.groups.iter().zip(tighter).map(|(group, tighter)| {
            let (mut low, mut high) = (0.0f64, f64::MAX);
            let (mut low_share, mut high_share) = ((0.0f64, 0.0f64), (1.0f64, 0.0f64));
            for limit in &group.limits {
                match (limit.required, limit.side) {
                    (Required::Batches(n), Side::Min) => low = low.max(n as f64 + tighter[0]),
                    (Required::Batches(n), Side::Max) => high = high.min(n as f64 - tighter[1]),
                    (Required::Share(s), Side::Min) => {
                        low_share = (s.num() as f64 / s.den() as f64, tighter[0]);
                    }
                    (Required::Share(s), Side::Max) => {
                        high_share = (s.num() as f64 / s.den() as f64, tighter[1]);
                    }
                }
            }
            if partition.rest_of_arc.is_some() {
                Bounds::Share { low: low_share, high: high_share }
            } else {
                Bounds::Sum { low, high: high.max(0.0) }
            }
        });
        bounds.collect()
    }

    /// The bands of the fit: wishes, rows, pins, and the authorities last.
    fn bands(&self, wishes: bool) -> (Vec<Band<'a>>, Vec<Option<usize>>) {
        let mut bands = Vec::new();
        let mut of_partition = Vec::new();
        for soft in [true, false] {
            for (number, partition) in self.partitions.iter().enumerate() {
                if partition.firm(self.policy) == soft || soft && !wishes {
                    continue;
                }
                bands.push(Band {
                    of_arc: Cow::Borrowed(&partition.of_arc),
                    rest_of_arc: partition.rest_of_arc.as_deref(),
                    bounds: self.row_bounds(number),
                });
                of_partition.push(Some(number));
            }
        }
        if !self.pinned.is_empty() {
            bands.extend(self.pin_bands());
            of_partition.resize(bands.len(), None);
        }
        bands.push(self.authority_band());
        of_partition.push(None);
        (bands, of_partition)
    }

    /// Bands for pinned nodes; nodes that lie inside one another go to different bands.
    fn pin_bands(&self) -> Vec<Band<'a>> {
        let arcs = self.context.arcs;
        let mut bands = Vec::new();
        let nodes_below = self.layout.node_edge(1, 1);
        let depths = self.first.depths().max(self.second.depths()) + 1;
        for family in 0..2usize {
            for depth in 0..depths {
                let nest = if family == 0 { self.first } else { self.second };
                let edges = if depth < nest.depths() {
                    let nodes = nest.at_depth(depth);
                    if depth == 0 {
                        continue;
                    }
                    self.layout.node_edge(family, nodes.start)
                        ..self.layout.node_edge(family, nodes.end - 1) + 1
                } else if family == 1 && depth == nest.depths() {
                    self.layout.arc_edges()
                } else {
                    continue;
                };
                debug_assert!(family == 0 || edges.start >= nodes_below);
                let own: Vec<(u32, u64)> = self
                    .pinned
                    .iter()
                    .filter(|(edge, _)| edges.contains(&(*edge as usize)))
                    .copied()
                    .collect();
                if own.is_empty() {
                    continue;
                }
                let mut place = vec![NONE; self.network.edges()];
                for (number, (edge, _)) in own.iter().enumerate() {
                    place[*edge as usize] = number as u32;
                }
                let group_of_arc = |arc: usize| {
                    let arc_edge = self.layout.arc_edge(arc);
                    if edges.contains(&arc_edge) {
                        return place[arc_edge];
                    }
                    let mut node = if family == 0 {
                        self.first.leaf[arcs.cell[arc] as usize]
                    } else {
                        self.second.leaf[arc]
                    } as usize;
                    while node != 0 && !edges.contains(&self.layout.node_edge(family, node)) {
                        node = nest.parent[node] as usize;
                    }
                    if node == 0 { NONE } else { place[self.layout.node_edge(family, node)] }
                };
                bands.push(Band {
                    of_arc: (0..arcs.len()).map(group_of_arc).collect(),
                    rest_of_arc: None,
                    bounds: own
                        .iter()
                        .map(|(_, n)| Bounds::Sum { low: *n as f64, high: *n as f64 })
                        .collect(),
                });
            }
        }
        bands
    }

    fn solve(&mut self, flows: usize, work: &Work<'_>) -> Result<Solved, DesignError> {
        let frame = self.context.frame;
        let cells = frame.cells.len();
        let batch = BATCH as f64;
        let edge_of = |cell: usize| self.layout.node_edge(0, self.first.leaf[cell] as usize);
        let floor: Vec<f64> = (0..cells).map(|c| self.low[edge_of(c)] as f64 / batch).collect();
        let capacity: Vec<f64> = (0..cells).map(|c| f64::from(frame.cell_units(c))).collect();
        let arcs = self.context.arcs;
        let problem = Problem {
            start: &arcs.start,
            floor: &floor,
            capacity: &capacity,
            threads: work.threads,
        };
        work.stage("calibration")?;
        let has_wishes = self.partitions.iter().any(|p| !p.firm(self.policy));
        let mut target = self.target();
        if has_wishes {
            let (bands, _) = self.bands(true);
            let mut fit = Fit::new(target, cells, &bands, self.threads);
            fit.sweep(&problem, &bands, SWEEPS_FIRST);
            target = fit.x;
        }
        let (mut bands, mut of_partition) = self.bands(false);
        let mut fit = Fit::new(target, cells, &bands, self.threads);
        let classes = fit.classes();
        let mut factors: Vec<Vec<[f64; 2]>> =
            self.partitions.iter().map(|p| vec![[1.0; 2]; p.groups.len()]).collect();
        fit.sweep(&problem, &bands, SWEEPS_FIRST);
        for _ in 0..GUESSES {
            work.stage("calibration")?;
            let spans = self.spans(&self.values(&fit.x), NEAR);
            if self.tighten(&spans, true, 1.5).is_empty() {
                break;
            }
            self.refresh(&mut bands, &of_partition);
            fit.sweep(&problem, &bands, SWEEPS_AGAIN);
        }
        let mut round = 0;
        loop {
            work.stage("exact flow")?;
            let mut values = self.values(&fit.x);
            if let Err(cut) =
                repair(self.network, &self.adjacency, &mut values, &self.low, &self.high)
            {
                return Err(self.no_flow(&cut).into());
            }
            work.stage("certificate")?;
            let spans = self.spans(&values, 0);
            let missing = self.tighten(&spans, false, 1.0 + round as f64 / 2.0);
            if missing.is_empty() || round + 1 == flows {
                fit.factors_into(&of_partition, &mut factors);
                return Ok(Solved { values, spans, classes, factors, missing });
            }
            let mut pinned = false;
            if round + 1 >= ROUNDS_FREE {
                for (partition, group) in &missing {
                    pinned |= self.pin(*partition, *group, &values);
                }
            }
            work.stage("calibration")?;
            if pinned {
                fit.factors_into(&of_partition, &mut factors);
                (bands, of_partition) = self.bands(false);
                let start = std::mem::take(&mut fit.x);
                fit = Fit::new(start, cells, &bands, self.threads);
            } else {
                self.refresh(&mut bands, &of_partition);
            }
            fit.sweep(&problem, &bands, SWEEPS_AGAIN);
            round += 1;
        }
    }

    fn not_certified(&self, spans: &[Vec<GroupSpan>], missing: &[(usize, usize)]) -> Refusal {
        let pairs = clashing_pairs(self.policy, self.partitions);
        if !pairs.is_empty() {
            return Refusal::infeasible(pairs);
        }
        let clashes = uncertified_clashes(self.policy, self.partitions, spans, missing);
        Refusal::not_certified(clashes)
    }

    fn refresh(&self, bands: &mut [Band<'_>], of_partition: &[Option<usize>]) {
        for (band, number) in bands.iter_mut().zip(of_partition) {
            if let Some(number) = number {
                band.bounds = self.row_bounds(*number);
            }
        }
    }

    /// The edges' values for expected batches, cut to 2^-32.
    fn values(&self, x: &[f64]) -> Vec<u64> {
        let (frame, arcs) = (self.context.frame, self.context.arcs);
        let cut = x.iter().zip(&arcs.cell).map(|(value, cell)| {
            let most = u64::from(frame.cell_units(*cell as usize)) * BATCH;
            // A power of two: exact; `as` cuts and saturates, and makes 0 of what is no number.
            ((value * BATCH as f64) as u64).min(most)
        });
        let cut: Vec<u64> = cut.collect();
        self.layout.circulation(&cut, arcs, self.first, self.second, self.threads)
    }

    fn spans(&self, values: &[u64], near: u64) -> Vec<Vec<GroupSpan>> {
        let pairs = self.partitions.iter().zip(self.placements);
        pairs.map(|(p, placement)| placement.spans(values, p.groups.len(), near)).collect()
    }

    /// Makes rows aim beyond where they stand by what they lack, so many times; the groups that
    /// lack something.
    ///
    /// More than once, since nodes that grow lose more in turn.
    fn tighten(
        &mut self,
        spans: &[Vec<GroupSpan>],
        before_flow: bool,
        times: f64,
    ) -> Vec<(usize, usize)> {
        let mut missing = Vec::new();
        for (number, partition) in self.partitions.iter().enumerate() {
            if !partition.firm(self.policy) {
                continue;
            }
            for (place, group) in partition.groups.iter().enumerate() {
                let span = &spans[number][place];
                // Single nodes are held by the flow's bounds.
                if before_flow && span.own.nodes + span.rest.nodes <= 1 {
                    continue;
                }
                let failing: Vec<_> =
                    group.limits.iter().filter(|limit| !holds(limit, span)).collect();
                for limit in &failing {
                    let more = shortfall(limit, span).max(0.0) * times + 0.0625;
                    let aim =
                        &mut self.tighter[number][place][usize::from(limit.side == Side::Max)];
                    // From where the row stands: an aim that it has passed would not move it.
                    *aim = aim.max(room(limit, span)) + more;
                }
                if !failing.is_empty() {
                    missing.push((number, place));
                }
            }
        }
        missing
    }

    /// Fixes nodes of a row to whole batches so that it holds; whether that could be done.
    ///
    /// Only nodes of at least half a batch are fixed, none to zero; smaller ones count as nothing
    /// for a minimum and as one batch for a maximum.
    fn pin(&mut self, partition: usize, group: usize, values: &[u64]) -> bool {
        let found = &self.partitions[partition];
        if found.rest_of_arc.is_some() {
            return false;
        }
        let members = self.placements[partition].members.iter();
        let edges: Vec<u32> =
            members.filter(|(_, g)| *g as usize == group).map(|(edge, _)| *edge).collect();
        let bound = |side: Side| {
            let limits = found.groups[group].limits.iter().filter(move |l| l.side == side);
            limits.filter_map(|l| match l.required {
                Required::Batches(n) => Some(n),
                Required::Share(_) => None,
            })
        };
        let least = bound(Side::Min).max().unwrap_or(0);
        let most = bound(Side::Max).min().unwrap_or(u64::MAX);
        let (mut large, mut small): (Vec<u32>, Vec<u32>) =
            edges.iter().partition(|edge| values[**edge as usize] >= BATCH / 2);
        small.retain(|edge| values[*edge as usize] > 0);
        let total: u64 = large.iter().map(|edge| values[*edge as usize]).sum();
        let most = most.saturating_sub(small.len() as u64);
        let wanted = ((total + BATCH / 2) / BATCH).max(least).min(most);
        if wanted < least || large.is_empty() {
            return false;
        }
        let whole = |edge: &u32| (values[*edge as usize] / BATCH).max(1);
        let floors: u64 = large.iter().map(whole).sum();
        if floors > wanted {
            return false;
        }
        // The largest fractions are rounded up first, ties in the order of nodes.
        large.sort_by_key(|edge| {
            let value = values[*edge as usize];
            (std::cmp::Reverse(if value < BATCH { 0 } else { value % BATCH }), *edge)
        });
        let extra = wanted - floors;
        let count = large.len() as u64;
        for (place, edge) in large.iter().enumerate() {
            let share = extra / count + u64::from((place as u64) < extra % count);
            let batches = whole(edge) + share;
            let fixed = batches * BATCH;
            let place = *edge as usize;
            if fixed < self.low[place] || fixed > self.high[place] {
                continue;
            }
            (self.low[place], self.high[place]) = (fixed, fixed);
            self.pinned.retain(|(other, _)| other != edge);
            self.pinned.push((*edge, batches));
        }
        true
    }

    fn no_flow(&self, cut: &super::flow::Cut) -> Refusal {
        let pairs = clashing_pairs(self.policy, self.partitions);
        if !pairs.is_empty() {
            return Refusal::infeasible(pairs);
        }
        let clashes = cut_clashes(
            self.context,
            self.policy,
            self.partitions,
            self.placements,
            (self.first, self.second, self.layout),
            (self.network, &self.low, &self.high),
            cut,
        );
        // A cut through pins proves only that these pins don't fit.
        if self.pinned.is_empty() {
            Refusal::infeasible(clashes)
        } else {
            Refusal::not_certified(clashes)
        }
    }
}

/// The least that a cell of so many units gets, in units of 2^-32 of a batch: the policy's floor,
/// and never zero, for nobody is exempt. A policy that keeps an earlier plan's lines leaves it at
/// nothing: every unit had its chance in that plan, and probabilities are conditional on it.
pub(crate) fn least(policy: &Policy, own: u64, units: u64, batches: u64) -> u64 {
    if policy.keep.is_some() {
        return 0;
    }
    let share = u128::from(policy.floor.num()) * u128::from(own * BATCH);
    let rate =
        (share * u128::from(batches)).div_ceil(u128::from(policy.floor.den()) * u128::from(units));
    (rate as u64).clamp(1, own * BATCH)
}

/// The level of an arc.
#[must_use]
pub fn level_of(arcs: &Arcs, arc: usize) -> Level {
    Level::ALL[usize::from(arcs.level[arc])]
}
