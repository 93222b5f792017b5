//! Linear programmes over classes, solved in floating point by an interior-point method (Clarabel:
//! Goulart & Chen 2024). Nothing that comes out of here decides anything: multipliers are
//! re-checked in integers ([`super::proof`]), bounds by making the plan.
//!
//! Clarabel is pure Rust and gives the multipliers with the solution, which a proof is made of;
//! solvers of the simplex kind that build without cmake don't.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, ZeroConeT,
};

use super::aggregate::Aggregate;
use super::model::{Model, Rule};

/// Minimise `cost` over values ≥ 0 under rows.
#[derive(Default)]
pub(super) struct Program {
    pub cost: Vec<f64>,
    equal: Vec<(Vec<(usize, f64)>, f64)>,
    least: Vec<(Vec<(usize, f64)>, f64)>,
}

/// Which row of a programme.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Equal(usize),
    Least(usize),
}

/// An optimum, as far as floating point goes.
pub(super) struct Solution {
    pub values: Vec<f64>,
    pub value: f64,
    equal: Vec<f64>,
    least: Vec<f64>,
}

impl Solution {
    /// By how much the optimum grows with the right-hand side of a row.
    pub fn multiplier(&self, place: Place) -> f64 {
        match place {
            Place::Equal(row) => self.equal[row],
            Place::Least(row) => self.least[row],
        }
    }
}

impl Program {
    /// A new value with its cost; its place.
    pub fn value(&mut self, cost: f64) -> usize {
        self.cost.push(cost);
        self.cost.len() - 1
    }

    /// `sum of terms = right`.
    pub fn equal(&mut self, terms: Vec<(usize, f64)>, right: f64) -> Place {
        self.equal.push((terms, right));
        Place::Equal(self.equal.len() - 1)
    }

    /// `sum of terms ≥ right`.
    pub fn least(&mut self, terms: Vec<(usize, f64)>, right: f64) -> Place {
        self.least.push((terms, right));
        Place::Least(self.least.len() - 1)
    }

    /// Solves it; none if there is no solution or it was not found.
    pub fn solve(&self) -> Option<Solution> {
        let columns = self.cost.len();
        let rows = self.equal.len() + self.least.len() + columns;
        let (mut at_row, mut at_column, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut right = Vec::with_capacity(rows);
        // Clarabel's rows are `A x + s = b` with s = 0 or s ≥ 0.
        for (sign, list) in [(1.0, &self.equal), (-1.0, &self.least)] {
            for (terms, bound) in list {
                for (column, coefficient) in terms {
                    at_row.push(right.len());
                    at_column.push(*column);
                    values.push(sign * coefficient);
                }
                right.push(sign * bound);
            }
        }
        for column in 0..columns {
            at_row.push(right.len());
            at_column.push(column);
            values.push(-1.0);
            right.push(0.0);
        }
        let matrix = CscMatrix::new_from_triplets(rows, columns, at_row, at_column, values);
        let quadratic = CscMatrix::zeros((columns, columns));
        let cones = [ZeroConeT(self.equal.len()), NonnegativeConeT(self.least.len() + columns)];
        let settings = DefaultSettings { verbose: false, max_iter: 100, ..Default::default() };
        let mut solver =
            DefaultSolver::new(&quadratic, &self.cost, &matrix, &right, &cones, settings).ok()?;
        solver.solve();
        let found = &solver.solution;
        if !matches!(found.status, SolverStatus::Solved | SolverStatus::AlmostSolved) {
            return None;
        }
        let (equal, rest) = found.z.split_at(self.equal.len());
        Some(Solution {
            values: found.x.clone(),
            value: found.obj_val,
            equal: equal.iter().map(|z| -z).collect(),
            least: rest[..self.least.len()].to_vec(),
        })
    }
}

/// Where the rows of an aggregate stand in a programme; none for rules that are left out.
pub(super) struct Places {
    pub rows: Vec<Option<Place>>,
    pub budgets: Vec<Option<Place>>,
}

/// What may give way in a programme, and what a batch of it costs.
pub(super) struct Give<'a> {
    /// Rows: the cost of each missing batch; none if the row must hold.
    pub row: &'a dyn Fn(usize) -> Option<f64>,
    /// Budgets.
    pub budget: Option<f64>,
    /// Units: the cost of one unit more.
    pub units: Option<f64>,
}

/// What gives way in the solution of a programme.
pub(super) struct Given {
    /// By row: the value that stands for what it lacks.
    pub rows: Vec<Option<usize>>,
    /// By class: the value that stands for the units that it lacks.
    pub units: Vec<Option<usize>>,
}

/// The programme of the rules that are `inside`: the first values are the batches of the arcs.
pub(super) fn build(
    model: &Model<'_>,
    aggregate: &Aggregate,
    inside: &[bool],
    give: &Give<'_>,
) -> (Program, Places, Given) {
    let mut program = Program { cost: vec![0.0; aggregate.arcs.len()], ..Program::default() };
    let has = |rule: Rule| model.rules.iter().zip(inside).any(|(r, inside)| *r == rule && *inside);
    let (units, certain, zero) = (has(Rule::Units), has(Rule::Certain), has(Rule::NobodyAtZero));
    let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new(); aggregate.rows.len()];
    let mut budgets: Vec<Vec<(usize, f64)>> = vec![Vec::new(); aggregate.budgets.len()];
    for arc in 0..aggregate.arcs.len() {
        for (row, coefficient) in aggregate.terms(arc) {
            let unit = aggregate.rows[*row as usize].unit();
            rows[*row as usize].push((arc, *coefficient as f64 / unit));
        }
        budgets[aggregate.budget(arc)].push((arc, 1.0));
    }
    let mut given = Given { rows: vec![None; rows.len()], units: Vec::new() };
    let mut places = Places { rows: Vec::new(), budgets: Vec::new() };
    for (number, mut terms) in rows.into_iter().enumerate() {
        let row = &aggregate.rows[number];
        if !inside.get(row.rule).copied().unwrap_or(false) {
            places.rows.push(None);
            continue;
        }
        if let Some(cost) = (give.row)(number) {
            let value = program.value(cost);
            given.rows[number] = Some(value);
            terms.push((value, 1.0));
        }
        let place = program.least(terms, row.bound() as f64 / row.unit());
        places.rows.push(Some(place));
    }
    for (number, mut terms) in budgets.into_iter().enumerate() {
        let budget = &aggregate.budgets[number];
        if !inside.get(budget.rule).copied().unwrap_or(false) {
            places.budgets.push(None);
            continue;
        }
        if let Some(cost) = give.budget {
            terms.push((program.value(cost), 1.0));
            terms.push((program.value(cost), -1.0));
        }
        places.budgets.push(Some(program.equal(terms, budget.batches as f64)));
    }
    for class in &aggregate.classes {
        let mut more = None;
        if units {
            let mut terms: Vec<(usize, f64)> = class.arcs.clone().map(|arc| (arc, -1.0)).collect();
            if let Some(cost) = give.units {
                let value = program.value(cost);
                more = Some(value);
                terms.push((value, 1.0));
            }
            program.least(terms, -(class.units as f64));
        }
        given.units.push(more);
        if class.least > 0 && if class.certain { certain } else { zero } {
            let terms = class.arcs.clone().map(|arc| (arc, 1.0)).collect();
            program.least(terms, class.least as f64 / 4_294_967_296.0);
        }
    }
    (program, places, given)
}
