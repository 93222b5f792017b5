//! Calibration: expected batches near the risk-proportional target that meet the quota rows.
//!
//! Iterative proportional fitting with multiplicative duals (Bregman's method for the
//! Kullback–Leibler distance; Csiszár 1975, Censor & Zenios 1997 ch. 6): each *band* scales the
//! arcs of a group so that their sum falls between two bounds, undoing what it no longer needs.
//!
//! Floating point, and reproducible: only + − × ÷ and comparisons of IEEE 754 doubles, in an
//! order that depends on the design alone (sums run over fixed chunks of cells, and the chunks
//! are added in their order, however many threads there are). What comes out is published as it
//! is, after the flow has made it exact, so convergence is not needed and the sweeps are bounded.

use std::borrow::Cow;

use super::NONE;
use crate::model::{join, spread_parts};

/// Cells that one chunk holds; part of the method, since it fixes the order of sums.
const CHUNK_CELLS: usize = 1 << 14;
/// Inner sweeps over the bands of one block, between two passes over the arcs.
const INNER_SWEEPS: usize = 6;
/// A scale factor stays inside these bounds, so that a clash of bands can't run into zero.
const FACTOR_MAX: f64 = 1_048_576.0;

/// Disjoint groups of arcs with bounds on their sums, in batches.
#[derive(Debug, Clone)]
pub(super) struct Band<'a> {
    /// The group of each arc, or [`NONE`].
    pub of_arc: Cow<'a, [u32]>,
    /// For a share of a base that is not fixed: the group whose rest each arc belongs to.
    pub rest_of_arc: Option<&'a [u32]>,
    /// Bounds of each group.
    pub bounds: Vec<Bounds>,
}

/// Bounds of one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bounds {
    /// Sum between two numbers of batches.
    Sum {
        /// Least.
        low: f64,
        /// Most.
        high: f64,
    },
    /// Matching part between two shares of matching part and rest together, with so many batches
    /// of room.
    Share {
        /// Least share and room above it.
        low: (f64, f64),
        /// Most and room below it.
        high: (f64, f64),
    },
}

/// What the fit runs over.
pub(super) struct Problem<'a> {
    /// Where the arcs of each cell begin; one entry more than cells.
    pub start: &'a [u32],
    /// Least batches of each cell.
    pub floor: &'a [f64],
    /// Most batches of each cell.
    pub capacity: &'a [f64],
    /// Threads.
    pub threads: usize,
}

/// Bands whose groups together part the arcs into few signatures.
struct Block {
    /// Signature of each arc.
    of_arc: Vec<u32>,
    signatures: usize,
    /// Place of each band, and its groups by signature.
    bands: Vec<(usize, Vec<u32>, Option<Vec<u32>>)>,
}

/// The state of a fit, so that bounds can be tightened between sweeps.
pub(super) struct Fit {
    blocks: Vec<Block>,
    /// Duals of each band's groups: of the matching part and of the rest.
    duals: Vec<Vec<[f64; 2]>>,
    cell_dual: Vec<f64>,
    /// Expected batches of each arc.
    pub x: Vec<f64>,
}

impl Fit {
    /// Starts at `target`.
    pub fn new(target: Vec<f64>, cells: usize, bands: &[Band<'_>], threads: usize) -> Self {
        let arcs = target.len();
        let limit = (arcs / 8).clamp(64, 1 << 14);
        let mut blocks: Vec<Block> = Vec::new();
        for (place, band) in bands.iter().enumerate() {
            let open = blocks.last_mut();
            if !open.is_some_and(|block| block.add(place, band, limit, threads)) {
                let mut block = Block { of_arc: vec![0; arcs], signatures: 1, bands: Vec::new() };
                block.add(place, band, usize::MAX, threads);
                blocks.push(block);
            }
        }
        Fit {
            blocks,
            duals: bands.iter().map(|band| vec![[1.0; 2]; band.bounds.len()]).collect(),
            cell_dual: vec![1.0; cells],
            x: target,
        }
    }

    /// Multiplies `factors` by what each partition's groups were scaled by; `of_partition` says
    /// which partition each band is of.
    pub fn factors_into(&self, of_partition: &[Option<usize>], factors: &mut [Vec<[f64; 2]>]) {
        for (duals, number) in self.duals.iter().zip(of_partition) {
            let Some(number) = number else { continue };
            for (factor, dual) in factors[*number].iter_mut().zip(duals) {
                *factor = [factor[0] * dual[0], factor[1] * dual[1]];
            }
        }
    }

    /// A number for every arc, the same for two arcs exactly if every band has them in the same
    /// groups.
    pub fn classes(&self) -> Vec<u64> {
        let mut classes = vec![0u64; self.x.len()];
        let mut limit = 1u64;
        for block in &self.blocks {
            let signatures = block.signatures as u64;
            if limit.checked_mul(signatures).is_none() {
                let mut dense = classes.clone();
                dense.sort_unstable();
                dense.dedup();
                for class in &mut classes {
                    *class = dense.partition_point(|other| other < class) as u64;
                }
                // Arcs and signatures are fewer than 2^32 each.
                limit = dense.len() as u64;
            }
            for (class, signature) in classes.iter_mut().zip(&block.of_arc) {
                *class = *class * signatures + u64::from(*signature);
            }
            limit *= signatures;
        }
        classes
    }

    /// Runs so many sweeps over the blocks (at least one) and the cells; each ends with the cells,
    /// then the last block.
    pub fn sweep(&mut self, problem: &Problem<'_>, bands: &[Band<'_>], sweeps: usize) {
        let last = self.blocks.len() - 1;
        let mut step = Step { factor: None, cells: last == 0 };
        for _ in 0..sweeps {
            for block in 0..=last {
                let sums = self.pass(problem, &step, Some(block));
                let factor = Some((block, self.factors(bands, block, &sums)));
                // The cells come right before the last block.
                step = Step { factor, cells: block + 1 == last || last == 0 };
            }
        }
        step.cells = false;
        self.pass(problem, &step, None);
    }

    /// The factors of a block's signatures that bring its bands inside their bounds.
    fn factors(&mut self, bands: &[Band<'_>], number: usize, sums: &[f64]) -> Vec<f64> {
        let block = &self.blocks[number];
        let mut factor = vec![1.0f64; block.signatures];
        let mut totals = Vec::new();
        for _ in 0..INNER_SWEEPS {
            for (place, of_signature, rest) in &block.bands {
                let duals = &mut self.duals[*place];
                totals.clear();
                totals.resize(duals.len(), [0.0f64; 2]);
                for (signature, group) in of_signature.iter().enumerate() {
                    if *group != NONE {
                        totals[*group as usize][0] += sums[signature] * factor[signature];
                    }
                }
                for (signature, group) in rest.iter().flatten().enumerate() {
                    if *group != NONE {
                        totals[*group as usize][1] += sums[signature] * factor[signature];
                    }
                }
                for ((total, dual), bounds) in
                    totals.iter_mut().zip(duals).zip(&bands[*place].bounds)
                {
                    *total = scale(*total, dual, *bounds);
                }
                for (signature, group) in of_signature.iter().enumerate() {
                    if *group != NONE {
                        factor[signature] *= totals[*group as usize][0];
                    }
                }
                for (signature, group) in rest.iter().flatten().enumerate() {
                    if *group != NONE {
                        factor[signature] *= totals[*group as usize][1];
                    }
                }
            }
        }
        factor
    }

    /// One pass over the arcs: a step, and the sums of a block's signatures after it. The sums
    /// run chunk by chunk and the chunks are added in their order.
    fn pass(&mut self, problem: &Problem<'_>, step: &Step, sums: Option<usize>) -> Vec<f64> {
        let mut chunks = Vec::new();
        let (mut x, mut duals) = (&mut self.x[..], &mut self.cell_dual[..]);
        let mut first = 0;
        while !duals.is_empty() {
            let cells = CHUNK_CELLS.min(duals.len());
            let arcs = problem.start[first + cells] - problem.start[first];
            let (own_duals, rest_duals) = duals.split_at_mut(cells);
            let (own_x, rest_x) = x.split_at_mut(arcs as usize);
            chunks.push(Chunk { first, x: own_x, duals: own_duals });
            (x, duals, first) = (rest_x, rest_duals, first + cells);
        }
        let blocks = &self.blocks;
        let block = sums.map(|number| &blocks[number]);
        let work = |chunks: &mut [Chunk<'_>]| -> Vec<Vec<f64>> {
            chunks.iter_mut().map(|chunk| chunk.run(problem, blocks, step, block)).collect()
        };
        let part = chunks.len().div_ceil(problem.threads.max(1)).max(1);
        let sums: Vec<Vec<f64>> = if part >= chunks.len() {
            work(&mut chunks)
        } else {
            std::thread::scope(|scope| {
                let handles: Vec<_> =
                    chunks.chunks_mut(part).map(|part| scope.spawn(|| work(part))).collect();
                handles.into_iter().flat_map(join).collect()
            })
        };
        let mut total = vec![0.0f64; block.map_or(0, |block| block.signatures)];
        for sums in &sums {
            for (slot, sum) in total.iter_mut().zip(sums) {
                *slot += sum;
            }
        }
        total
    }
}

/// What a pass does to the arcs, in this order.
struct Step {
    /// Multiplies by the factors of a block's signatures.
    factor: Option<(usize, Vec<f64>)>,
    /// Brings every cell between its floor and its capacity.
    cells: bool,
}

/// Some cells with their arcs.
struct Chunk<'a> {
    first: usize,
    x: &'a mut [f64],
    duals: &'a mut [f64],
}

impl Chunk<'_> {
    fn run(
        &mut self,
        problem: &Problem<'_>,
        blocks: &[Block],
        step: &Step,
        sums: Option<&Block>,
    ) -> Vec<f64> {
        let first_arc = problem.start[self.first] as usize;
        let arcs = first_arc..first_arc + self.x.len();
        if let Some((number, factor)) = &step.factor {
            let signatures = &blocks[*number].of_arc[arcs.clone()];
            for (value, signature) in self.x.iter_mut().zip(signatures) {
                *value *= factor[*signature as usize];
            }
        }
        if step.cells {
            self.cells(problem, first_arc);
        }
        let Some(block) = sums else { return Vec::new() };
        let mut sums = vec![0.0f64; block.signatures];
        for (value, signature) in self.x.iter().zip(&block.of_arc[arcs]) {
            sums[*signature as usize] += value;
        }
        sums
    }

    fn cells(&mut self, problem: &Problem<'_>, first_arc: usize) {
        for (i, dual) in self.duals.iter_mut().enumerate() {
            let cell = self.first + i;
            let from = problem.start[cell] as usize - first_arc;
            let to = problem.start[cell + 1] as usize - first_arc;
            let sum: f64 = self.x[from..to].iter().sum();
            let bounds = Bounds::Sum { low: problem.floor[cell], high: problem.capacity[cell] };
            let mut both = [*dual, 1.0];
            let step = scale([sum, 0.0], &mut both, bounds)[0];
            if step != 1.0 {
                *dual = both[0];
                for value in &mut self.x[from..to] {
                    *value *= step;
                }
            }
        }
    }
}

/// The factor that brings a group inside its bounds, given what its dual already does.
fn scale(total: [f64; 2], dual: &mut [f64; 2], bounds: Bounds) -> [f64; 2] {
    let bounded = |factor: f64| factor.clamp(1.0 / FACTOR_MAX, FACTOR_MAX);
    let free = [total[0] / dual[0], total[1] / dual[1]];
    let step = match bounds {
        Bounds::Sum { low, high } => {
            if total[0] <= 0.0 {
                return [1.0; 2];
            }
            let wanted = free[0].max(low).min(high.max(low));
            [bounded(wanted / total[0]), 1.0]
        }
        Bounds::Share { low, high } => {
            let base = free[0] + free[1];
            if total[0] <= 0.0 || total[1] <= 0.0 {
                return [1.0; 2];
            }
            let least = (low.0 * base + low.1).min(base);
            let most = (high.0 * base - high.1).max(0.0);
            let wanted = free[0].min(most).max(least);
            [bounded(wanted / total[0]), bounded((base - wanted) / total[1])]
        }
    };
    // The dual of a bound that no longer binds returns to 1 exactly.
    *dual = [dual[0] * step[0], dual[1] * step[1]];
    step
}

impl Block {
    /// Adds a band if the arcs then fall into at most `limit` signatures.
    fn add(&mut self, place: usize, band: &Band<'_>, limit: usize, threads: usize) -> bool {
        let groups = band.bounds.len() + 1;
        let rests = band.rest_of_arc.as_ref().map_or(1, |_| groups);
        let Some(size) =
            self.signatures.checked_mul(groups * rests).filter(|size| *size <= 1 << 24)
        else {
            assert!(limit != usize::MAX || !self.bands.is_empty(), "too many groups for a band");
            return false;
        };
        let group = |column: &[u32], arc: usize| match column[arc] {
            NONE => 0,
            group => group as usize + 1,
        };
        let combined = |arc: usize, signature: u32| {
            let rest = band.rest_of_arc.map_or(0, |column| group(column, arc));
            (signature as usize * groups + group(&band.of_arc, arc)) * rests + rest
        };
        let mut seen = spread_parts(threads, &mut self.of_arc, |first, own| {
            let mut seen = Seen::new(size);
            for (arc, signature) in own.iter().enumerate() {
                seen.insert(combined(first + arc, *signature));
            }
            seen
        });
        let mut all = seen.pop().unwrap_or_else(|| Seen::new(0));
        seen.iter().for_each(|other| all.merge(other));
        let signatures = all.number();
        if signatures > limit {
            return false;
        }
        spread_parts(threads, &mut self.of_arc, |first, own| {
            for (arc, signature) in own.iter_mut().enumerate() {
                *signature = all.place(combined(first + arc, *signature));
            }
        });
        let mut old = vec![0u32; signatures];
        let mut own = vec![NONE; signatures];
        let mut rest = vec![NONE; signatures];
        for (new, combination) in all.iter().enumerate() {
            let back = |group: usize| if group == 0 { NONE } else { group as u32 - 1 };
            rest[new] = back(combination % rests);
            own[new] = back(combination / rests % groups);
            old[new] = (combination / rests / groups) as u32;
        }
        for (_, column, rest) in &mut self.bands {
            *column = old.iter().map(|o| column[*o as usize]).collect();
            if let Some(rest) = rest {
                *rest = old.iter().map(|o| rest[*o as usize]).collect();
            }
        }
        self.signatures = signatures;
        self.bands.push((place, own, band.rest_of_arc.map(|_| rest)));
        true
    }
}

/// A set of numbers that can say how many smaller ones it holds.
pub(crate) struct Seen {
    words: Vec<u64>,
    /// Members below each word.
    below: Vec<u32>,
}

impl Seen {
    pub fn new(size: usize) -> Self {
        Seen { words: vec![0; size.div_ceil(64)], below: Vec::new() }
    }

    pub fn insert(&mut self, member: usize) {
        self.words[member / 64] |= 1 << (member % 64);
    }

    pub fn merge(&mut self, other: &Seen) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Numbers the members in ascending order; how many there are.
    pub fn number(&mut self) -> usize {
        let mut total = 0u32;
        self.below.clear();
        self.below.extend(self.words.iter().map(|word| {
            let before = total;
            total += word.count_ones();
            before
        }));
        total as usize
    }

    /// The number of a member.
    pub fn place(&self, member: usize) -> u32 {
        let word = self.words[member / 64] & ((1 << (member % 64)) - 1);
        self.below[member / 64] + word.count_ones()
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(place, word)| {
            let more = |rest: &u64| Some(rest & rest.wrapping_sub(1)).filter(|rest| *rest != 0);
            let first = (*word != 0).then_some(*word);
            std::iter::successors(first, more)
                .map(move |rest| place * 64 + rest.trailing_zeros() as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(low: f64, high: f64) -> Bounds {
        Bounds::Sum { low, high }
    }

    #[test]
    fn crossing_margins_are_met_near_the_target() {
        // Two by two, margins 3/1 and 2/2, one inequality that binds and one that does not.
        let start: Vec<u32> = (0..=4).collect();
        let problem = Problem {
            start: &start,
            floor: &[0.0; 4],
            capacity: &[10.0, 10.0, 10.0, 0.75],
            threads: 1,
        };
        let bands = [
            Band {
                of_arc: vec![0, 0, 1, 1].into(),
                rest_of_arc: None,
                bounds: vec![sum(3.0, 3.0), sum(1.0, 1.0)],
            },
            Band {
                of_arc: vec![0, 1, 0, 1].into(),
                rest_of_arc: None,
                bounds: vec![sum(0.0, 2.0), sum(0.0, 5.0)],
            },
        ];
        let mut fit = Fit::new(vec![1.0; 4], 4, &bands, 1);
        fit.sweep(&problem, &bands, 60);
        let x = &fit.x;
        for (found, wanted) in [(x[0] + x[1], 3.0), (x[2] + x[3], 1.0)] {
            assert!((found - wanted).abs() < 1e-6, "{x:?}");
        }
        assert!(x[0] + x[2] < 2.0 + 1e-6 && x[3] < 0.75 + 1e-6, "{x:?}");
    }

    #[test]
    fn a_share_of_an_open_base_is_reached() {
        let start: Vec<u32> = (0..=2).collect();
        let problem =
            Problem { start: &start, floor: &[0.0; 2], capacity: &[100.0; 2], threads: 1 };
        let share = Bounds::Share { low: (0.3, 0.0), high: (1.0, 0.0) };
        let bands = [Band {
            of_arc: vec![0, NONE].into(),
            rest_of_arc: Some(&[NONE, 0]),
            bounds: vec![share],
        }];
        let mut fit = Fit::new(vec![1.0, 9.0], 2, &bands, 1);
        fit.sweep(&problem, &bands, 3);
        assert!((fit.x[0] - 3.0).abs() < 1e-9 && (fit.x[1] - 7.0).abs() < 1e-9, "{:?}", fit.x);
    }

    #[test]
    fn threads_change_no_bit() {
        let cells = 3 * CHUNK_CELLS + 17;
        let start: Vec<u32> = (0..=cells as u32).collect();
        let of_arc: Vec<u32> = (0..cells as u32).map(|a| a * 7 % 11).collect();
        let bounds = (0..11).map(|g| sum(f64::from(g) * 50.0, f64::from(g) * 50.0 + 9.0)).collect();
        let bands = [Band { of_arc: of_arc.into(), rest_of_arc: None, bounds }];
        let run = |threads| {
            let problem = Problem {
                start: &start,
                floor: &vec![0.0; cells],
                capacity: &vec![1.0; cells],
                threads,
            };
            let target = (0..cells).map(|a| 0.1 + (a % 13) as f64 / 7.0).collect();
            let mut fit = Fit::new(target, cells, &bands, threads);
            fit.sweep(&problem, &bands, 5);
            fit.x.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(5));
    }
}
