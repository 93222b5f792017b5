//! The parity counterexample: three binary families, four cells at one half each, all six
//! margins one. No table of whole batches exists, and yet every linear check passes.

mod common;

use common::{Tables, head, plan, policy};
use spotcheck::plan::MakeError;

/// Cells 000, 011, 101, 110 over product, area and county.
fn tables() -> Tables {
    let mut tables = Tables::province(2);
    tables.product("P0", false);
    tables.product("P1", false);
    for (product, area, county) in [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)] {
        let id = format!("E{product}{area}{county}");
        let county = ["370101", "370201"][county];
        tables.enterprise(&id, county, ["urban", "rural"][area], "A");
        tables.supply(&id, &format!("P{product}"), "circulation");
    }
    tables
}

fn quota(each: &str) -> String {
    format!("[[quota]]\nname = \"{each}\"\nmin = 1\nmax = 1\neach = [\"{each}\"]\n")
}

#[test]
fn all_three_families_are_refused() {
    let registry = tables().registry();
    let text = head(2) + &quota("product") + &quota("area") + &quota("city");
    match plan(&registry, &policy(&text), "1") {
        Err(MakeError::Refused(refusal)) => assert!(!refusal.clashes.is_empty(), "{refusal}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn any_two_are_planned_at_one_half_each() {
    let registry = tables().registry();
    for left_out in ["product", "area", "city"] {
        let kept = ["product", "area", "city"].into_iter().filter(|each| *each != left_out);
        let text = head(2) + &kept.map(quota).collect::<String>();
        for seed in 0..8 {
            let plan = plan(&registry, &policy(&text), &seed.to_string())
                .unwrap_or_else(|refusal| panic!("without {left_out}: {refusal}"));
            assert_eq!(plan.lines.len(), 2);
            assert!(plan.lines.iter().all(|line| line.probability == "1/2"), "{:?}", plan.lines);
            assert!(plan.compliance.iter().all(|row| row.holds && row.planned == 1));
        }
    }
}

#[test]
fn one_unit_more_is_still_refused() {
    // A table exists now (that unit with one of the four), but the other units would be at zero.
    let mut tables = tables();
    tables.enterprise("X", "370201", "rural", "A");
    tables.supply("X", "P1", "circulation");
    let text = head(2) + &quota("product") + &quota("area") + &quota("city");
    let refused = plan(&tables.registry(), &policy(&text), "1");
    assert!(matches!(refused, Err(MakeError::Refused(_))), "{refused:?}");
}
