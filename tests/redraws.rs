//! A province drawn many times over: no quota is ever broken, every arc is rounded up as often as
//! its fraction says, and lots favour nobody. A rounding that is chosen from two to spare one arc is caught.
//!
//! Seeds are fixed, so the tests always end the same way; the error rates say how unlikely it was
//! that an honest draw fails them: below 10^-6 for the exact tests (Holm's correction included),
//! and below 10^-6 for the pooled statistic as far as the normal limit holds.

mod common;

use common::{example, frame, province};
use spotcheck::design::{BATCH, Design, NONE, Required, Side};
use spotcheck::draw::{DrawKey, LOT_LABEL, Seed, ranked, round};
use spotcheck::model::{Digest, Work};
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};

const DRAWS: u64 = 400;
const ERROR_RATE: f64 = 1e-6;

fn key(number: u64) -> DrawKey {
    let seed = Seed::from_text(&format!("redraw {number}")).unwrap();
    DrawKey::new(&seed, &Digest::of(b"redraws"))
}

fn design() -> Design {
    let registry = province(6_000, 3);
    let policy = example("special-action.toml");
    let (frame, _) = frame(&registry, &policy);
    Design::make(&frame, &policy, &Work::unwatched(2)).unwrap()
}

fn draw(design: &Design, number: u64) -> Vec<u64> {
    let mut values = design.values.clone();
    round(&design.network, &mut values, &key(number), 1);
    values[design.layout.arc_edges()].iter().map(|value| value / BATCH).collect()
}

/// Rows that a draw breaks.
fn violations(design: &Design, n: &[u64]) -> usize {
    let mut broken = 0;
    for partition in &design.partitions {
        let mut sums = vec![0u64; partition.groups.len()];
        for (group, n) in partition.of_arc.iter().zip(n).filter(|(group, _)| **group != NONE) {
            sums[*group as usize] += n;
        }
        for (group, sum) in partition.groups.iter().zip(sums) {
            for limit in &group.limits {
                let Required::Batches(bound) = limit.required else { panic!("an open base") };
                let holds = if limit.side == Side::Min { sum >= bound } else { sum <= bound };
                broken += usize::from(!holds);
            }
        }
    }
    broken
}

/// What the statistics say of a series of draws.
struct Verdict {
    /// Smallest p-value of an arc's count, after Holm's correction.
    smallest: f64,
    arcs: usize,
    /// Mean of z² over arcs and draws, and how many standard errors it is from 1.
    pooled: f64,
    errors: f64,
}

fn judge(design: &Design, draws: &[Vec<u64>]) -> Verdict {
    let count = draws.len() as u64;
    let fraction = |x: u64| (x % BATCH) as f64 / BATCH as f64;
    let x = design.x();
    let mut p_values = Vec::new();
    for (arc, x) in x.iter().enumerate() {
        let (phi, floor) = (fraction(*x), x / BATCH);
        if count as f64 * phi * (1.0 - phi) < 5.0 {
            continue;
        }
        let up = draws.iter().filter(|n| n[arc] > floor).count() as u64;
        let binomial = Binomial::new(phi, count).unwrap();
        let below = binomial.cdf(up);
        let above = if up == 0 { 1.0 } else { binomial.sf(up - 1) };
        p_values.push((2.0 * below.min(above)).min(1.0));
    }
    // Holm: the smallest of m p-values is held against the rate / m.
    let smallest = p_values.iter().copied().fold(1.0, f64::min) * p_values.len() as f64;
    let fractional: Vec<usize> =
        (0..x.len()).filter(|arc| (0.05..0.95).contains(&fraction(x[*arc]))).collect();
    let per_draw: Vec<f64> = draws
        .iter()
        .map(|n| {
            let z2 = fractional.iter().map(|arc| {
                let phi = fraction(x[*arc]);
                let up = f64::from(u8::from(n[*arc] > x[*arc] / BATCH));
                (up - phi) * (up - phi) / (phi * (1.0 - phi))
            });
            z2.sum::<f64>() / fractional.len() as f64
        })
        .collect();
    let mean = per_draw.iter().sum::<f64>() / count as f64;
    let variance = per_draw.iter().map(|t| (t - mean) * (t - mean)).sum::<f64>() / count as f64;
    let error = (variance / count as f64).sqrt();
    Verdict { smallest, arcs: p_values.len(), pooled: mean, errors: (mean - 1.0).abs() / error }
}

#[test]
fn honest_draws_keep_every_row_and_every_probability() {
    let design = design();
    let draws: Vec<Vec<u64>> = (0..DRAWS).map(|number| draw(&design, number)).collect();
    let broken: usize = draws.iter().map(|n| violations(&design, n)).sum();
    assert_eq!(broken, 0);
    for n in &draws {
        for (n, x) in n.iter().zip(design.x()) {
            assert!(*n == x / BATCH || *n == x.div_ceil(BATCH));
        }
    }
    let verdict = judge(&design, &draws);
    assert!(verdict.arcs > 300, "{}", verdict.arcs);
    assert!(verdict.smallest > ERROR_RATE, "{}", verdict.smallest);
    assert!(verdict.errors < 5.0, "{} at {} errors", verdict.pooled, verdict.errors);
}

#[test]
fn a_rounding_that_spares_one_arc_is_caught() {
    let design = design();
    let near_half = |x: &u64| (x % BATCH).abs_diff(BATCH / 2);
    let (spared, _) = design.x().iter().enumerate().min_by_key(|(_, x)| near_half(x)).unwrap();
    // Whoever may draw twice and keep what suits them: no quota is broken by it, nothing else
    // looks odd.
    let draws: Vec<Vec<u64>> = (0..DRAWS)
        .map(|number| {
            let [one, other] = [draw(&design, 2 * number), draw(&design, 2 * number + 1)];
            if one[spared] <= other[spared] { one } else { other }
        })
        .collect();
    assert_eq!(draws.iter().map(|n| violations(&design, n)).sum::<usize>(), 0);
    let verdict = judge(&design, &draws);
    assert!(verdict.smallest < ERROR_RATE, "{}", verdict.smallest);
}

#[test]
fn every_unit_of_a_cell_has_every_rank_equally_often() {
    let (units, draws) = (12usize, 6_000u64);
    let id = |unit: usize, text: &mut String| text.push_str(&format!("E{unit}/P"));
    let mut counts = vec![vec![0u64; units]; units];
    for number in 0..draws {
        let sub_key = key(number).sub_key(LOT_LABEL);
        for (rank, (_, unit)) in ranked(&sub_key, id, units, units).iter().enumerate() {
            counts[*unit as usize][rank] += 1;
        }
    }
    let expected = draws as f64 / units as f64;
    let cells = counts.iter().flatten();
    let statistic: f64 = cells.map(|n| (*n as f64 - expected).powi(2) / expected).sum();
    // Margins are fixed both ways.
    let freedom = ((units - 1) * (units - 1)) as f64;
    let p = ChiSquared::new(freedom).unwrap().sf(statistic);
    assert!(p > ERROR_RATE, "{statistic} at {freedom} degrees, p {p}");
}
