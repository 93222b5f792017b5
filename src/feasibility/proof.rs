//! Proofs that rules clash, checked in integers.
//!
//! Farkas (1902): weigh the rows, those of budgets with either sign. Whatever the batches, the
//! weighted sum of what the rows ask for must not exceed what the cells can give at these weights:
//! a class gives at most its units at its best arc, and where even its best arc counts against the
//! sum, at least what it must get. If more is asked for than can be given, no table of batches,
//! whole or not, keeps the rules. Any weights will do, so it is of no importance where they come
//! from or how they were rounded.

use super::aggregate::Aggregate;
use super::model::{Model, Rule};
use super::program::{Give, Places, Solution, build};

/// Weights of rows and budgets, in whole numbers of any scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weights {
    /// One for each row, not negative.
    pub rows: Vec<i64>,
    /// One for each budget, of either sign.
    pub budgets: Vec<i64>,
    /// How many of them make one batch.
    pub scale: i64,
}

/// Finer than the solver's accuracy.
const SCALE_MAX: i64 = 1 << 30;

impl Weights {
    /// A solution's multipliers as multiples of 1 / `scale`.
    fn of(aggregate: &Aggregate, places: &Places, solution: &Solution, scale: i64) -> Self {
        let whole = |multiplier: f64, unit: f64| (multiplier * scale as f64 / unit).round() as i64;
        let rows = places.rows.iter().zip(&aggregate.rows).map(|(place, row)| {
            place.map_or(0, |place| whole(solution.multiplier(place), row.unit()).max(0))
        });
        let budgets = places
            .budgets
            .iter()
            .map(|place| place.map_or(0, |place| whole(solution.multiplier(place), 1.0)));
        Weights { rows: rows.collect(), budgets: budgets.collect(), scale }
    }

    /// Without the rows of one rule.
    pub fn without(&self, aggregate: &Aggregate, rule: usize) -> Self {
        let mut other = self.clone();
        for (weight, row) in other.rows.iter_mut().zip(&aggregate.rows) {
            if row.rule == rule {
                *weight = 0;
            }
        }
        for (weight, budget) in other.budgets.iter_mut().zip(&aggregate.budgets) {
            if budget.rule == rule {
                *weight = 0;
            }
        }
        other
    }

    /// What a batch of every arc counts at these weights.
    pub fn counts(&self, aggregate: &Aggregate) -> Vec<i128> {
        let count = |arc: usize| {
            let terms = aggregate.terms(arc).iter();
            let rows: i128 =
                terms.map(|(row, c)| i128::from(self.rows[*row as usize]) * i128::from(*c)).sum();
            rows + i128::from(self.budgets[aggregate.budget(arc)])
        };
        (0..aggregate.arcs.len()).map(count).collect()
    }
}

/// Whether a rule is among those that are `inside`.
pub(super) fn has(model: &Model<'_>, inside: &[bool], rule: Rule) -> bool {
    model.rules.iter().zip(inside).any(|(other, inside)| *other == rule && *inside)
}

/// By how much the rules ask for more than there is, in 2^-32 of a batch × scale; more than 0 is a
/// proof. Weights of rules outside must be 0. None if the weights bound nothing.
pub(super) fn excess(
    model: &Model<'_>,
    aggregate: &Aggregate,
    inside: &[bool],
    weights: &Weights,
) -> Option<i128> {
    let (units, certain, zero) = (
        has(model, inside, Rule::Units),
        has(model, inside, Rule::Certain),
        has(model, inside, Rule::NobodyAtZero),
    );
    let mut asked: i128 = 0;
    for (weight, row) in weights.rows.iter().zip(&aggregate.rows) {
        asked += i128::from(*weight) * i128::from(row.bound());
    }
    for (weight, budget) in weights.budgets.iter().zip(&aggregate.budgets) {
        asked += i128::from(*weight) * i128::from(budget.batches);
    }
    asked <<= 32;
    let counts = weights.counts(aggregate);
    for class in &aggregate.classes {
        let Some(best) = counts[class.arcs.clone()].iter().max() else { continue };
        if *best > 0 {
            if !units {
                return None;
            }
            asked -= best * (i128::from(class.units) << 32);
        } else if if class.certain { certain } else { zero } {
            asked -= best * class.least as i128;
        }
    }
    Some(asked)
}

/// Lowers the weights of budgets until no arc counts more than nothing: what is needed, and best,
/// where units are not among the rules.
fn level(aggregate: &Aggregate, weights: &mut Weights, inside: &[bool]) {
    let mut most = vec![i128::MIN; aggregate.budgets.len()];
    for (arc, count) in weights.counts(aggregate).into_iter().enumerate() {
        let budget = aggregate.budget(arc);
        most[budget] = most[budget].max(count);
    }
    for ((weight, most), budget) in weights.budgets.iter_mut().zip(most).zip(&aggregate.budgets) {
        if most > i128::MIN && inside.get(budget.rule).copied().unwrap_or(false) {
            *weight = (i128::from(*weight) - most) as i64;
        }
    }
}

/// A clash of some rules, proved.
#[derive(Debug, Clone)]
pub(super) struct Clash {
    /// The weights that prove it.
    pub weights: Weights,
    /// How many batches they are apart, as the solver sees it.
    pub apart: f64,
}

/// Whether the rules inside clash: solves the programme in which rows and budgets may give way,
/// each missing batch for 1, and checks its multipliers in integers.
pub(super) fn clash(model: &Model<'_>, aggregate: &Aggregate, inside: &[bool]) -> Option<Clash> {
    let give = Give { row: &|_| Some(1.0), budget: Some(1.0), units: None };
    let (program, places, _) = build(model, aggregate, inside, &give);
    let solution = program.solve()?;
    if solution.value < 1e-6 {
        return None;
    }
    // Simple numbers first: they make the shorter proofs, and are mostly the true ones.
    [1, 2, 6, 60, SCALE_MAX].into_iter().find_map(|scale| {
        let mut weights = Weights::of(aggregate, &places, &solution, scale);
        if !has(model, inside, Rule::Units) {
            level(aggregate, &mut weights, inside);
        }
        let excess = excess(model, aggregate, inside, &weights)?;
        (excess > 0).then_some(Clash { weights, apart: solution.value })
    })
}
