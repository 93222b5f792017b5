//! The self-test: a design drawn many times over with derived seeds, and what statistics say of it.
//!
//! - **Violations**: quota rows, authorities' budgets and cells' capacities are counted in every
//!   draw; there must be none.
//! - **Arcs**: how often an arc of fraction φ is rounded up in K draws is Binomial(K, φ). Two-sided
//!   exact tails for all arcs with Kφ(1−φ) ≥ 5; the smallest, times their number (Holm, *A simple
//!   sequentially rejective multiple test procedure*, 1979), must not be below the error rate.
//! - **Draws**: the mean of (up − φ)² / φ(1−φ) over arcs, draw by draw, has the expectation 1; the
//!   mean over draws must be within so many standard errors as the error rate allows.
//! - **Lots**: every unit of a cell has every rank equally often: χ² over units × ranks.
//!
//! An honest draw fails with a probability of about three times the error rate. Floating point only
//! judges here; it decides nothing about a plan.

use serde::Serialize;
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF, Normal};

use crate::design::{BATCH, Design, Limit, NONE, Required, Side};
use crate::draw::{DrawKey, LOT_LABEL, Seed, SubKey, ranked, round};
use crate::frame::Frame;
use crate::model::{Cancelled, Digest, FramedHasher, HashName, Work, spread};

use super::ranks::unit_id;

/// Fewest expected roundings up, and not up, of an arc that is tested.
const TESTED: f64 = 5.0;
/// Cells whose ranks are counted, and their most units.
const RANKED_CELLS: usize = 64;
const RANKED_UNITS: usize = 12;
/// Most draws.
pub const DRAWS_MAX: u64 = 100_000;

/// What a self-test found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelfTest {
    /// Draws.
    pub draws: u64,
    /// Error rate of each test.
    pub alpha: f64,
    /// Quota rows that were counted in every draw.
    pub rows: u64,
    /// Rows, budgets and capacities that were broken, over all draws.
    pub violations: u64,
    /// Arcs whose roundings up were tested.
    pub arcs: u64,
    /// Smallest p-value of an arc after Holm's correction, at most 1; 1 if no arc is tested.
    pub smallest_p: f64,
    /// The arc of that p-value.
    pub least_likely_arc: u64,
    /// Mean of z² over arcs and draws; 1 is expected.
    pub mean_z2: f64,
    /// Its distance from 1 in standard errors.
    pub standard_errors: f64,
    /// Cells whose ranks were counted.
    pub ranked_cells: u64,
    /// p-value of the ranks; 1 if no cell has several units.
    pub ranks_p: f64,
    /// Whether there is no violation and no test fails.
    pub passes: bool,
}

/// The key of a redraw: derived from the design's input and a number, so that it is no key of any
/// plan.
fn redraw_key(input: &Digest, number: u64) -> DrawKey {
    let seed = FramedHasher::new("spotcheck/m1/selftest").field(&number.to_le_bytes()).finish();
    DrawKey::new(HashName::Sha256, &Seed(seed.0), input)
}

/// Draws a design `draws` times (at least 2) and judges the draws at the error rate `alpha`.
///
/// # Errors
/// If the work is told to stop.
pub fn selftest(
    frame: &Frame,
    design: &Design,
    input: &Digest,
    draws: u64,
    alpha: f64,
    work: &Work<'_>,
) -> Result<SelfTest, Cancelled> {
    let draw = |number: u64| {
        let mut values = design.values.clone();
        round(&design.network, &mut values, &redraw_key(input, number), 1);
        values[design.layout.arc_edges()].iter().map(|value| value / BATCH).collect()
    };
    let lots = |number: u64| redraw_key(input, number).sub_key(LOT_LABEL);
    judge(frame, design, draws, alpha, work, draw, lots)
}

/// What one part of the draws adds up to.
struct Part {
    up: Vec<u32>,
    z2: Vec<f64>,
    violations: u64,
    ranks: Vec<Vec<u64>>,
}

/// Judges whatever `draw` and `lots` give for each number.
fn judge(
    frame: &Frame,
    design: &Design,
    draws: u64,
    alpha: f64,
    work: &Work<'_>,
    draw: impl Fn(u64) -> Vec<u64> + Sync,
    lots: impl Fn(u64) -> SubKey + Sync,
) -> Result<SelfTest, Cancelled> {
    work.stage("drawing again and again")?;
    let draws = draws.clamp(2, DRAWS_MAX);
    let x = design.x();
    let fraction = |x: u64| (x % BATCH) as f64 / BATCH as f64;
    let open: Vec<usize> =
        (0..x.len()).filter(|arc| (0.05..0.95).contains(&fraction(x[*arc]))).collect();
    let cells: Vec<usize> = (0..frame.cells.len())
        .filter(|cell| (2..=RANKED_UNITS).contains(&(frame.cell_units(*cell) as usize)))
        .take(RANKED_CELLS)
        .collect();
    let part = |from: u64, to: u64| {
        let mut found = Part {
            up: vec![0; x.len()],
            z2: Vec::new(),
            violations: 0,
            ranks: cells.iter().map(|c| vec![0; (frame.cell_units(*c) as usize).pow(2)]).collect(),
        };
        for number in from..to {
            if (work.cancelled)() {
                break;
            }
            let n = draw(number);
            for ((up, n), x) in found.up.iter_mut().zip(&n).zip(x) {
                *up += u32::from(*n > x / BATCH);
            }
            let z2: f64 = open
                .iter()
                .map(|arc| {
                    let phi = fraction(x[*arc]);
                    let up = if n[*arc] > x[*arc] / BATCH { 1.0 } else { 0.0 };
                    (up - phi) * (up - phi) / (phi * (1.0 - phi))
                })
                .sum();
            found.z2.push(z2 / (open.len().max(1)) as f64);
            found.violations += violations(frame, design, &n);
            let sub_key = lots(number);
            for (cell, counts) in cells.iter().zip(&mut found.ranks) {
                let units = frame.cell_units(*cell) as usize;
                let first = frame.unit_start[*cell] as usize;
                let id = |unit: usize, id: &mut String| unit_id(frame, *cell, first + unit, id);
                for (rank, (_, unit)) in ranked(&sub_key, id, units, units).iter().enumerate() {
                    counts[*unit as usize * units + rank] += 1;
                }
            }
        }
        found
    };
    // Fixed parts, added in their order: the same figures for any number of threads.
    let parts = draws.min(16);
    let found = spread(work.threads, parts as usize, |place| {
        let place = place as u64;
        part(draws * place / parts, draws * (place + 1) / parts)
    });
    work.stage("judging")?;
    let mut all = found.into_iter().reduce(add).unwrap_or_else(|| part(0, 0));
    let (mut smallest, mut least_likely, mut tested) = (1.0f64, 0, 0u64);
    for (arc, x) in x.iter().enumerate() {
        let phi = fraction(*x);
        if (draws as f64) * phi * (1.0 - phi) < TESTED {
            continue;
        }
        tested += 1;
        let Ok(binomial) = Binomial::new(phi, draws) else { continue };
        let up = u64::from(all.up[arc]);
        let above = up.checked_sub(1).map_or(1.0, |less| binomial.sf(less));
        let p = 2.0 * binomial.cdf(up).min(above);
        if p < smallest {
            (smallest, least_likely) = (p, arc as u64);
        }
    }
    let smallest_p = (smallest * tested.max(1) as f64).min(1.0);
    let count = all.z2.len().max(1) as f64;
    let mean_z2 = all.z2.iter().sum::<f64>() / count;
    let spread_z2 = all.z2.iter().map(|z| (z - mean_z2) * (z - mean_z2)).sum::<f64>() / count;
    let error = (spread_z2 / count).sqrt();
    let standard_errors =
        if open.is_empty() || error == 0.0 { 0.0 } else { (mean_z2 - 1.0).abs() / error };
    let ranks_p = ranks_p(&mut all.ranks, draws);
    let bound = Normal::standard().inverse_cdf(1.0 - alpha / 2.0);
    Ok(SelfTest {
        draws,
        alpha,
        rows: design.partitions.iter().map(|p| p.groups.len() as u64).sum(),
        violations: all.violations,
        arcs: tested,
        smallest_p,
        least_likely_arc: least_likely,
        mean_z2,
        standard_errors,
        ranked_cells: cells.len() as u64,
        ranks_p,
        passes: all.violations == 0
            && smallest_p >= alpha
            && standard_errors <= bound
            && ranks_p >= alpha,
    })
}

fn add(mut a: Part, b: Part) -> Part {
    for (to, from) in a.up.iter_mut().zip(b.up) {
        *to += from;
    }
    for (to, from) in a.ranks.iter_mut().flatten().zip(b.ranks.into_iter().flatten()) {
        *to += from;
    }
    a.z2.extend(b.z2);
    a.violations += b.violations;
    a
}

/// Margins are fixed both ways, so a cell of N units has (N − 1)² degrees of freedom.
fn ranks_p(ranks: &mut [Vec<u64>], draws: u64) -> f64 {
    let (mut statistic, mut freedom) = (0.0, 0.0);
    for counts in ranks {
        let units = (counts.len() as f64).sqrt();
        let expected = draws as f64 / units;
        statistic += counts.iter().map(|n| (*n as f64 - expected).powi(2) / expected).sum::<f64>()
            // The statistic of a permutation matrix is larger by N / (N − 1).
            * ((units - 1.0) / units);
        freedom += (units - 1.0) * (units - 1.0);
    }
    ChiSquared::new(freedom).map_or(1.0, |chi| chi.sf(statistic))
}

/// Firm rows, budgets and capacities that a draw breaks; and arcs that are not rounded.
fn violations(frame: &Frame, design: &Design, n: &[u64]) -> u64 {
    let mut broken = 0;
    for (arc, x) in design.x().iter().enumerate() {
        broken += u64::from(n[arc] != x / BATCH && n[arc] != x.div_ceil(BATCH));
    }
    for cell in 0..frame.cells.len() {
        let drawn: u64 = n[design.arcs.of_cell(cell)].iter().sum();
        broken += u64::from(drawn > u64::from(frame.cell_units(cell)));
    }
    let mut budgets = vec![0u64; design.authorities.list.len()];
    for (arc, n) in n.iter().enumerate() {
        budgets[super::ranks::authority(frame, design, arc as u32) as usize] += n;
    }
    let authorities = budgets.iter().zip(&design.authorities.list);
    broken += authorities.filter(|(drawn, authority)| **drawn != authority.batches).count() as u64;
    for (number, partition) in design.partitions.iter().enumerate() {
        let sums = |column: &[u32]| {
            let mut sums = vec![0u64; partition.groups.len()];
            for (group, n) in column.iter().zip(n).filter(|(group, _)| **group != NONE) {
                sums[*group as usize] += n;
            }
            sums
        };
        let own = sums(&partition.of_arc);
        let rest = partition.rest_of_arc.as_deref().map(sums);
        for (place, group) in partition.groups.iter().enumerate() {
            let rest = rest.as_ref().map_or(0, |rest| rest[place]);
            // What the certificate promises; a target may promise nothing.
            let promised = (0..group.limits.len()).filter(|l| design.holds(number, place, *l));
            let missed = promised.filter(|l| !keeps(&group.limits[*l], own[place], rest));
            broken += missed.count() as u64;
        }
    }
    broken
}

fn keeps(limit: &Limit, own: u64, rest: u64) -> bool {
    match (limit.required, limit.side) {
        (Required::Batches(bound), Side::Min) => own >= bound,
        (Required::Batches(bound), Side::Max) => own <= bound,
        (Required::Share(share), side) => {
            let (num, den) = (u128::from(share.num()), u128::from(share.den()));
            let (own, rest) = ((den - num) * u128::from(own), num * u128::from(rest));
            if side == Side::Min { own >= rest } else { own <= rest }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::IdScheme;
    use crate::policy::Policy;
    use crate::registry::{
        DivisionInput, EnterpriseInput, Import, Mode, ProductInput, SupplyInput,
    };

    const ALPHA: f64 = 1e-6;

    /// Three counties, four products, a few units in each cell.
    fn design() -> (Frame, Design) {
        let mut import = Import::new(IdScheme::Opaque, Mode::Replace);
        let divisions = [("37", "province", ""), ("3701", "city", "37")];
        let counties = ["370102", "370103", "370104"].map(|code| (code, "county", "3701"));
        for (code, level, parent_code) in divisions.into_iter().chain(counties) {
            let name = code;
            import.push_division(
                1,
                &DivisionInput { code, name, level, parent_code, ..Default::default() },
            );
        }
        for product_id in ["P0", "P1", "P2", "P3"] {
            let key = if product_id == "P0" { "true" } else { "false" };
            import.push_product(
                1,
                &ProductInput { product_id, name: "p", key, ..Default::default() },
            );
        }
        for number in 0..90 {
            let id = format!("E{number:03}");
            let (enterprise_id, row) = (id.as_str(), number as u64 + 1);
            let division = ["370102", "370103", "370104"][number % 3];
            let (name, status, area) = ("e", "active", "urban");
            let enterprise = EnterpriseInput {
                enterprise_id,
                name,
                status,
                division,
                area,
                ..Default::default()
            };
            import.push_enterprise(row, &enterprise);
            let (product_id, channel) = (["P0", "P1", "P2", "P3"][number / 3 % 4], "production");
            import.push_supply(
                row,
                &SupplyInput { enterprise_id, product_id, channel, ..Default::default() },
            );
        }
        let registry = import.finish(None).unwrap().0;
        let policy = Policy::from_toml(
            "id = \"t\"\nmethod = \"m1\"\nas_of = \"2025-12-15\"\n\
             period = { from = \"2026-01-01\", to = \"2026-12-31\" }\n\
             [budget]\nprovince = { total = 10 }\ncity = { total = 9 }\n\
             [[quota]]\nname = \"key\"\nwhere = { key = true }\nmin = \"20%\"\neach = [\"level\"]\n",
        );
        let policy = policy.unwrap();
        let frame = Frame::freeze(&registry, registry.digest(), &policy).unwrap();
        let design = Design::make(&frame, &policy, &Work::unwatched(1)).unwrap();
        (frame, design)
    }

    fn honest(design: &Design, number: u64) -> Vec<u64> {
        let mut values = design.values.clone();
        round(&design.network, &mut values, &redraw_key(&Digest([0; 32]), number), 1);
        values[design.layout.arc_edges()].iter().map(|value| value / BATCH).collect()
    }

    fn honest_lots(number: u64) -> SubKey {
        redraw_key(&Digest([0; 32]), number).sub_key(LOT_LABEL)
    }

    #[test]
    fn honest_draws_pass_for_any_number_of_threads() {
        let (frame, design) = design();
        let run = |threads| {
            selftest(&frame, &design, &Digest([0; 32]), 2_000, ALPHA, &Work::unwatched(threads))
        };
        let found = run(1).unwrap();
        assert!(found.passes, "{found:?}");
        assert!(found.arcs > 10 && found.ranked_cells > 5 && found.rows > 1, "{found:?}");
        assert_eq!(run(2).unwrap(), found);
        assert_eq!(run(7).unwrap(), found);
    }

    #[test]
    fn a_rounding_that_spares_one_arc_is_caught() {
        let (frame, design) = design();
        let half = |arc: &usize| (design.x()[*arc] % BATCH).abs_diff(BATCH / 2);
        let spared = (0..design.x().len()).min_by_key(half).unwrap();
        // Drawn twice, and what suits is kept: no row is broken by it.
        let chosen = |number: u64| {
            let [one, other] = [honest(&design, 2 * number), honest(&design, 2 * number + 1)];
            if one[spared] <= other[spared] { one } else { other }
        };
        let work = Work::unwatched(2);
        let found = judge(&frame, &design, 2_000, ALPHA, &work, chosen, honest_lots).unwrap();
        assert!(!found.passes && found.violations == 0 && found.smallest_p < ALPHA, "{found:?}");
        assert_eq!(found.least_likely_arc, spared as u64);
    }

    #[test]
    fn a_rounding_that_breaks_a_row_is_caught() {
        let (frame, design) = design();
        let broken = |number: u64| {
            let mut n = honest(&design, number);
            if number == 77 {
                let full = n.iter().position(|n| *n > 0).unwrap();
                n[full] -= 1;
            }
            n
        };
        let work = Work::unwatched(2);
        let found = judge(&frame, &design, 200, ALPHA, &work, broken, honest_lots).unwrap();
        assert!(!found.passes && found.violations > 0, "{found:?}");
    }

    #[test]
    fn lots_that_favour_a_unit_are_caught() {
        let (frame, design) = design();
        // Of two sub-keys the one that puts the first unit of the first cell later.
        let first = frame.unit_start[0] as usize;
        let units = frame.cell_units(0) as usize;
        let rank = |sub_key: &SubKey| {
            let id = |unit: usize, id: &mut String| unit_id(&frame, 0, first + unit, id);
            ranked(sub_key, id, units, units).iter().position(|(_, unit)| *unit == 0).unwrap()
        };
        let chosen = |number: u64| {
            let [one, other] = [honest_lots(2 * number), honest_lots(2 * number + 1)];
            if rank(&one) > rank(&other) { one } else { other }
        };
        let work = Work::unwatched(2);
        let draw = |number| honest(&design, number);
        let found = judge(&frame, &design, 2_000, ALPHA, &work, draw, chosen).unwrap();
        assert!(!found.passes && found.ranks_p < ALPHA, "{found:?}");
    }

    #[test]
    fn work_stops_when_told_to() {
        let (frame, design) = design();
        let stopped = Work { cancelled: &|| true, ..Work::unwatched(1) };
        let input = Digest([0; 32]);
        assert_eq!(selftest(&frame, &design, &input, 9, ALPHA, &stopped), Err(Cancelled));
    }
}
