//! Unbiasedness through the real streams: in K draws an edge is rounded up Binomial(K, φ) times.

use statrs::distribution::{Binomial, DiscreteCDF};

use crate::design::{BATCH, Network};
use crate::model::{Digest, HashName};

use super::super::{Chooser, round_with};
use super::networks::golden;
use crate::draw::{DrawKey, Seed, Stream};

/// Draws of one test.
const DRAWS: u64 = 3000;

/// A right implementation fails with at most this probability (over random seeds; the seeds
/// here are fixed, so that the answer never changes), shared out over the edges.
const ERROR_RATE: f64 = 1e-6;

/// The smallest two-sided tail probability of any edge, times the number of edges.
fn least_p_value<C: Chooser>(
    network: &Network,
    values: &[u64],
    chooser: impl Fn(&DrawKey, &str) -> C + Sync,
) -> f64 {
    let mut ups = vec![0u64; values.len()];
    for number in 0..DRAWS {
        let key = DrawKey::new(
            HashName::Sha256,
            &Seed::from_text(HashName::Sha256, &number.to_string()).unwrap(),
            &Digest([0; 32]),
        );
        let mut after = values.to_vec();
        round_with(network, &mut after, &|label| chooser(&key, label), 1);
        for (up, (after, before)) in ups.iter_mut().zip(after.iter().zip(values)) {
            *up += u64::from(after > before);
        }
    }
    let fractional = values.iter().zip(ups).filter(|(v, _)| !v.is_multiple_of(BATCH));
    let p_values: Vec<f64> = fractional
        .map(|(value, up)| {
            let law = Binomial::new((value % BATCH) as f64 / BATCH as f64, DRAWS).unwrap();
            let (low, high) = (law.cdf(up), if up == 0 { 1.0 } else { law.sf(up - 1) });
            (2.0 * low.min(high)).min(1.0)
        })
        .collect();
    p_values.iter().fold(1.0, |least: f64, p| least.min(*p)) * p_values.len() as f64
}

/// A stream whose pushes have a wrong probability.
struct Biased(Stream);

impl Chooser for Biased {
    fn below(&mut self, n: u64) -> u64 {
        self.0.below(n)
    }

    fn plus(&mut self, _: u64, _: u64) -> bool {
        self.0.below(2) == 0
    }
}

#[test]
fn every_edge_is_rounded_up_as_often_as_it_should() {
    let (network, values) = golden();
    let p = least_p_value(&network, &values, |key, label| key.stream(label));
    assert!(p > ERROR_RATE, "{p}");
}

#[test]
fn a_biased_push_is_noticed() {
    let (network, values) = golden();
    let p = least_p_value(&network, &values, |key, label| Biased(key.stream(label)));
    assert!(p < ERROR_RATE, "{p}");
}
