//! The policy's exclusions and certainty rules, as far as cells show what the rules look at.

use crate::policy::{Condition, Dim, Filter};

use super::dims::{Dimension, Dimensions};
use super::report::Check;
use super::view::{View, mentioned};

/// A filter made ready: for each condition the dimension and which of its values are selected.
struct Test<'a> {
    conditions: Vec<(&'a Dimension, Vec<bool>)>,
    /// Whether a condition looks at what cells don't show.
    partly: bool,
}

impl<'a> Test<'a> {
    fn new(view: &View<'_>, dims: &'a Dimensions, filter: &Filter) -> Self {
        let shown = |condition: &&Condition| match &condition.dim {
            dim @ (Dim::Cluster | Dim::Accident) => mentioned(view.policy, dim),
            Dim::Attribute(name) => view.cells.attributes.contains_key(name),
            _ => true,
        };
        let conditions: Vec<_> = filter
            .iter()
            .filter(shown)
            .filter_map(|condition| {
                let dimension = dims.get(&condition.dim)?;
                let selected = dimension.texts.iter().map(|text| condition.matches(text));
                Some((dimension, selected.collect()))
            })
            .collect();
        let partly = conditions.len() < filter.len();
        Test { conditions, partly }
    }

    /// Whether an arc passes all conditions that can be seen.
    fn passes(&self, view: &View<'_>, arc: usize) -> bool {
        let selected = |(dimension, selected): &(&Dimension, Vec<bool>)| {
            selected[dimension.value(view, arc) as usize]
        };
        self.conditions.iter().all(selected)
    }
}

/// What the certainty rules say of a cell, as far as it shows what they look at.
#[derive(Clone, Copy)]
pub(super) struct Certainty {
    /// Whether a rule may take it.
    pub may: bool,
    /// Whether a rule takes it for sure.
    must: bool,
}

/// What the certainty rules say of every cell.
pub(super) fn certainty(view: &View<'_>, dims: &Dimensions) -> Vec<Certainty> {
    let rules = view.policy.certain.iter();
    let tests: Vec<Test> = rules.map(|rule| Test::new(view, dims, &rule.filter)).collect();
    let of_cell = |cell: usize| {
        // These rules look at units, so that any arc of the cell will do.
        let arc = view.start[cell] as usize;
        Certainty {
            may: tests.iter().any(|test| test.passes(view, arc)),
            must: tests.iter().any(|test| !test.partly && test.passes(view, arc)),
        }
    };
    (0..view.cells.units.len()).map(of_cell).collect()
}

/// Checks that no arc is excluded, that cells are certain if a rule says so, and only then.
pub(super) fn check(view: &View<'_>, dims: &Dimensions, check: &mut Check) {
    let excluded: Vec<(usize, Test)> = view
        .policy
        .exclude
        .iter()
        .enumerate()
        .map(|(i, rule)| (i, Test::new(view, dims, &rule.filter)))
        .filter(|(_, test)| !test.partly)
        .collect();
    for arc in 0..view.arcs.cell.len() {
        let rule = excluded.iter().find(|(_, test)| test.passes(view, arc));
        check.require(rule.is_none(), || {
            let number = rule.map_or(0, |(number, _)| *number);
            format!("arc {arc} (cell {}): exclude[{number}] rules it out", view.arcs.cell[arc])
        });
    }
    // Cells don't show which units an earlier plan drew.
    let keeps = view.policy.keep.is_some();
    for (cell, Certainty { may, must }) in certainty(view, dims).into_iter().enumerate() {
        let says = view.cells.certain[cell] == 1;
        check.require(says || !must, || {
            format!("cell {cell}: a certainty rule matches, but it is not certain")
        });
        check.require(!says || may || keeps, || {
            format!("cell {cell}: is certain, but no certainty rule matches")
        });
    }
}
