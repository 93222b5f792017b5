//! A province drawn many times over: no quota is ever broken, every arc is rounded up as often as
//! its fraction says, and lots favour nobody.
//!
//! Seeds are fixed, so the test always ends the same way; an honest draw fails it with a probability
//! of about 3 × 10^-6. That the same statistics catch a rounding that spares an arc, one that breaks
//! a row and lots that favour a unit is shown beside them (`plan::selftest`).

mod common;

use common::{example, frame, province};
use spotcheck::design::Design;
use spotcheck::model::Work;
use spotcheck::plan::selftest;

#[test]
fn honest_draws_keep_every_row_and_every_probability() {
    let policy = example("special-action.toml");
    let (frame, digest) = frame(&province(6_000, 3), &policy);
    let work = Work::unwatched(2);
    let design = Design::make(&frame, &policy, &work).unwrap();
    let found = selftest(&frame, &design, &digest, 400, 1e-6, &work).unwrap();
    assert!(found.passes, "{found:?}");
    assert_eq!(found.violations, 0);
    assert!(found.arcs > 300 && found.rows >= 30 && found.ranked_cells > 20, "{found:?}");
}
