//! What is given to every cell: no more than its units, never nothing, unless an earlier plan's lines
//! are kept.

use super::families::is_rounded;
use super::report::Check;
use super::view::{BATCH, View};

/// Checks every cell and every arc.
pub(super) fn check(view: &View<'_>, check: &mut Check) {
    let floor = view.policy.floor;
    let mean = u128::from(view.batches) * u128::from(BATCH);
    for cell in 0..view.cells.units.len() {
        let arcs = view.arcs_of(cell);
        let units = u128::from(view.cells.units[cell]);
        let x: u128 = view.arcs.x[arcs.clone()].iter().map(|x| u128::from(*x)).sum();
        let whole = units * u128::from(BATCH);
        check.require(x <= whole, || {
            format!("cell {cell}: {x} / 2^32 batches are more than its {units} units")
        });
        let certain = view.cells.certain[cell] == 1;
        check.require(!certain || x == whole, || {
            format!("cell {cell}: is certain, but {x} / 2^32 batches are not its {units} units")
        });
        // A share has at most 27 bits on either side, units 32, batches 25: far from 128.
        let least = (u128::from(floor.num()) * units * mean)
            .div_ceil(u128::from(floor.den()) * u128::from(view.units))
            .max(1);
        check.require(view.policy.keep.is_some() || x >= least, || {
            format!("cell {cell}: {x} / 2^32 batches are below the floor of {least} / 2^32")
        });
        for arc in arcs {
            let (n, x) = (view.arcs.n[arc], view.arcs.x[arc]);
            check.require(is_rounded(u64::from(n), x), || {
                format!("arc {arc}: {n} batches where {x} / 2^32 are expected")
            });
        }
    }
}
