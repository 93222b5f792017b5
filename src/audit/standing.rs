//! What a plan comes to once lines fell out: every quota row counted again over the lines that stand.

use crate::plan::{Document, Line};
use crate::policy::Policy;

use super::dims::Dimensions;
use super::report::{Check, Kind};
use super::rows;
use super::view::View;

/// A quota row counted over the lines that stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowNow {
    /// Place of the row in the plan's `compliance`.
    pub row: usize,
    /// The bound in batches; for a share of a base that is not fixed, of the base as it is now.
    pub required: u64,
    /// Batches that count.
    pub planned: u64,
    /// Whether the bound is kept.
    pub kept: bool,
}

/// Counts every quota row over `lines` instead of the drawn ones.
///
/// # Errors
/// With the first problem, if the plan's tables do not fit together.
pub fn recount<'a>(
    document: &Document,
    policy: &Policy,
    lines: impl IntoIterator<Item = &'a Line>,
) -> Result<Vec<RowNow>, String> {
    let mut check = Check::new(Kind::Structure);
    let problem = |check: Check| check.problems.into_iter().next().unwrap_or_default();
    let Some(view) = View::new(document, policy, &mut check) else { return Err(problem(check)) };
    let dims = Dimensions::new(&view);
    let mut counts = vec![0u64; view.arcs.cell.len()];
    for line in lines {
        // A unit of another cell counts where its own cell does.
        let own = view.same_kind(line.cell as usize, line.arc as usize);
        counts[own.unwrap_or(line.arc as usize)] += 1;
    }
    let mut check = Check::new(Kind::Compliance);
    let found = rows::recount(&view, &dims, &counts, &mut check);
    if check.holds() { Ok(found) } else { Err(problem(check)) }
}
