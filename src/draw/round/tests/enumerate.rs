//! Exact proof on small networks: every sequence of decisions is played through, with its exact
//! probability, and the expectation of every edge comes out as its value.

use std::sync::{Arc, Mutex};

use crate::design::{BATCH, NO_GROUP, Network};

use super::super::{Chooser, round_with};
use super::networks::{Cell, closed_walks, two_families};

/// All small values are multiples of this, so that probabilities have small denominators.
const EIGHTH: u64 = BATCH / 8;

/// What a shuffle may do.
#[derive(Clone, Copy)]
enum Orders {
    /// Every order, each with its probability.
    All,
    /// One order, made from this number.
    One(u64),
}

/// Whether the push's probability is right, or wrong in one of two ways.
#[derive(Clone, Copy, PartialEq)]
enum Push {
    Right,
    /// One half always.
    Coin,
    /// `plus / (plus + minus)`.
    Swapped,
}

/// One decision: the branch taken now, and the weights of all.
struct Decision {
    taken: usize,
    weights: Vec<u64>,
}

/// The sequence of decisions that is being played, and how far it has come.
struct Lottery {
    orders: Orders,
    push: Push,
    decisions: Vec<Decision>,
    made: usize,
    shuffled: u64,
}

impl Lottery {
    fn decide(&mut self, weights: &[u64]) -> usize {
        if self.made == self.decisions.len() {
            self.decisions.push(Decision { taken: 0, weights: weights.to_vec() });
        }
        let decision = &self.decisions[self.made];
        assert_eq!(decision.weights, weights, "the same past has the same future");
        self.made += 1;
        decision.taken
    }

    /// The probability of the sequence just played.
    fn probability(&self) -> Fraction {
        assert_eq!(self.made, self.decisions.len());
        self.decisions.iter().fold(Fraction::new(1, 1), |product, decision| {
            let sum: u64 = decision.weights.iter().sum();
            product.times(Fraction::new(decision.weights[decision.taken].into(), sum.into()))
        })
    }

    /// Goes to the next sequence; false if there is none.
    fn advance(&mut self) -> bool {
        (self.made, self.shuffled) = (0, 0);
        while let Some(last) = self.decisions.last_mut() {
            last.taken += 1;
            if last.taken < last.weights.len() {
                return true;
            }
            self.decisions.pop();
        }
        false
    }
}

impl Chooser for Arc<Mutex<Lottery>> {
    fn below(&mut self, n: u64) -> u64 {
        let mut lottery = self.lock().unwrap();
        match lottery.orders {
            Orders::All => lottery.decide(&vec![1; n as usize]) as u64,
            Orders::One(number) => {
                lottery.shuffled += 1;
                ((number * lottery.shuffled * 0x9E37_79B9) >> 7) % n
            }
        }
    }

    fn plus(&mut self, plus: u64, minus: u64) -> bool {
        assert!(plus > 0 && minus > 0 && plus + minus <= BATCH);
        let (plus, minus) = (plus / EIGHTH, minus / EIGHTH);
        let mut lottery = self.lock().unwrap();
        let weights = match lottery.push {
            Push::Right => [minus, plus],
            Push::Coin => [1, 1],
            Push::Swapped => [plus, minus],
        };
        lottery.decide(&weights) == 0
    }
}

/// An exact fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fraction(u128, u128);

impl Fraction {
    fn new(num: u128, den: u128) -> Self {
        let g = gcd(num, den);
        Fraction(num / g, den / g)
    }

    fn times(self, other: Self) -> Self {
        Fraction::new(self.0.checked_mul(other.0).unwrap(), self.1.checked_mul(other.1).unwrap())
    }

    fn plus(self, other: Self) -> Self {
        let den = (self.1 / gcd(self.1, other.1)).checked_mul(other.1).unwrap();
        let scaled = |f: Self| f.0.checked_mul(den / f.1).unwrap();
        Fraction::new(scaled(self) + scaled(other), den)
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// Plays every sequence, checks each outcome, and returns the expectation of each edge in
/// eighths of a batch and the number of sequences.
fn enumerate(
    network: &Network,
    before: &[u64],
    orders: Orders,
    push: Push,
) -> (Vec<Fraction>, usize) {
    let lottery = Lottery { orders, push, decisions: Vec::new(), made: 0, shuffled: 0 };
    let lottery = Arc::new(Mutex::new(lottery));
    let mut total = Fraction::new(0, 1);
    let mut expectation = vec![Fraction::new(0, 1); before.len()];
    let mut sequences = 0;
    loop {
        let mut after = before.to_vec();
        round_with(network, &mut after, &|_| lottery.clone(), 1);
        for (before, after) in before.iter().zip(&after) {
            assert!(after.is_multiple_of(BATCH) && after.abs_diff(*before) < BATCH);
        }
        assert_eq!(network.excess(before), network.excess(&after));
        let mut lottery = lottery.lock().unwrap();
        let probability = lottery.probability();
        total = total.plus(probability);
        for (sum, after) in expectation.iter_mut().zip(&after) {
            *sum = sum.plus(probability.times(Fraction::new((after / EIGHTH).into(), 1)));
        }
        sequences += 1;
        if !lottery.advance() {
            break;
        }
    }
    assert_eq!(total, Fraction::new(1, 1));
    (expectation, sequences)
}

fn exact(values: &[u64]) -> Vec<Fraction> {
    values.iter().map(|v| Fraction::new((v / EIGHTH).into(), 1)).collect()
}

/// Checks that the expectation is the value at every edge; returns the number of sequences.
fn prove(network: &Network, values: &[u64], orders: Orders) -> usize {
    let (expectation, sequences) = enumerate(network, values, orders, Push::Right);
    assert_eq!(expectation, exact(values));
    sequences
}

/// Cells of a two-family network from values in eighths, in the order county, product, channel.
fn table(products: u32, counties: u32, channels: u32, eighths: &[u64]) -> (Network, Vec<u64>) {
    let cell = |(i, n): (usize, &u64)| {
        let (i, value) = (i as u32, n * EIGHTH);
        let (county, rest) = (i / (products * channels), i % (products * channels));
        Cell { product: rest / channels, county, channel: rest % channels, value }
    };
    let cells: Vec<Cell> = eighths.iter().enumerate().map(cell).collect();
    two_families(products, counties, channels, &cells)
}

#[test]
fn one_cycle_in_every_order() {
    for eighths in 1..8 {
        let (network, values) = closed_walks(3, &[(vec![0, 1, 2], eighths * EIGHTH, 0)]);
        // 3! orders and two directions.
        assert_eq!(prove(&network, &values, Orders::All), 12);
    }
}

#[test]
fn parallel_and_opposite_edges_in_every_order() {
    let mut network = Network { nodes: 2, ..Network::default() };
    let mut values = Vec::new();
    for (tail, eighths) in [(0, 3), (0, 7), (1, 5), (1, 13)] {
        network.edge(tail, 1 - tail, if eighths == 7 { NO_GROUP } else { 0 });
        values.push(eighths * EIGHTH);
    }
    // 5 + 13 exceeds 3 + 7 by one whole batch, which stays as it is.
    prove(&network, &values, Orders::All);
}

#[test]
fn a_loop_is_a_cycle_of_its_own() {
    let (network, values) = closed_walks(2, &[(vec![0, 0, 1], 3 * EIGHTH, 0)]);
    assert_eq!(network.tail[0], network.head[0]);
    prove(&network, &values, Orders::All);
}

#[test]
fn two_cycles_with_a_common_edge_in_every_order() {
    let walks = [(vec![0, 1, 2], 5 * EIGHTH, 0), (vec![0, 1, 3], 2 * EIGHTH, NO_GROUP)];
    let (network, values) = closed_walks(4, &walks);
    assert_eq!(network.edges(), 5);
    prove(&network, &values, Orders::All);
}

#[test]
fn two_families_are_exact() {
    // The first table has whole margins on both sides, so that one coin decides it.
    let tables: [(u32, u32, u32, &[u64]); 5] = [
        (2, 2, 1, &[4, 4, 4, 4]),
        (2, 2, 1, &[1, 3, 6, 11]),
        (3, 2, 1, &[1, 7, 3, 5, 2, 9]),
        (2, 2, 2, &[1, 2, 3, 4, 5, 6, 7, 12]),
        (3, 3, 1, &[3, 3, 2, 3, 2, 3, 2, 3, 3]),
    ];
    for (products, counties, channels, eighths) in tables {
        let (network, values) = table(products, counties, channels, eighths);
        for number in [1, 2, 3] {
            prove(&network, &values, Orders::One(number));
        }
    }
}

#[test]
fn a_wrong_push_does_not_pass() {
    let (network, values) = table(3, 2, 1, &[1, 7, 3, 5, 2, 9]);
    for push in [Push::Coin, Push::Swapped] {
        let (expectation, _) = enumerate(&network, &values, Orders::One(1), push);
        assert_ne!(expectation, exact(&values));
    }
}
