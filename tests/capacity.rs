//! Budgets near the number of units, cells of single units, and examples on frames that are too
//! small: a plan that verifies, or a refusal with numbers; in bounded time either way.

mod common;

use common::{Tables, example, head, plan, policy, province};
use spotcheck::plan::MakeError;

/// So many units, each in a cell of its own.
fn singles(units: usize) -> Tables {
    let mut tables = Tables::province(3);
    for product in 0..units.div_ceil(6) {
        tables.product(&format!("P{product:03}"), product % 3 == 0);
    }
    for unit in 0..units {
        let county = format!("370{}{:02}", unit % 2 + 1, unit / 2 % 3 + 1);
        let id = format!("E{unit:04}");
        tables.enterprise(&id, &county, ["urban", "rural"][unit / 6 % 2], "A");
        tables.supply(&id, &format!("P{:03}", unit / 6), ["production", "online"][unit % 2]);
    }
    tables
}

#[test]
fn budgets_up_to_every_unit() {
    let registry = singles(300).registry();
    for batches in [10, 150, 290, 299, 300] {
        let text = head(batches)
            + "[[quota]]\nname = \"key\"\nwhere = { key = true }\nmin = \"30%\"\neach = [\"plan\"]\n";
        let plan =
            plan(&registry, &policy(&text), "1").unwrap_or_else(|e| panic!("{batches}: {e}"));
        assert_eq!(plan.plan.batches, batches);
        let report = spotcheck::audit::verify(&plan.to_bytes());
        assert!(report.holds(), "{batches}: {report}");
    }
}

#[test]
fn one_batch_too_many_is_refused_with_the_numbers() {
    let registry = singles(60).registry();
    match plan(&registry, &policy(&head(61)), "1") {
        Err(MakeError::Refused(refusal)) => {
            let text = refusal.to_string();
            assert!(
                text.contains("INFEASIBLE") && text.contains("61") && text.contains("60"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn three_levels_that_take_nearly_everything() {
    let registry = singles(240).registry();
    let text = "id = \"t\"\nmethod = \"m1\"\nas_of = \"2025-12-15\"\n\
        period = { from = \"2026-01-01\", to = \"2026-12-31\" }\n[budget]\n\
        province = { total = 40 }\ncity = { total = 80 }\ncounty = { total = 118 }\n\
        [[quota]]\nname = \"breadth\"\nmin = 5\neach = [\"product\"]\n\
        [[quota]]\nname = \"rural\"\nwhere = { area = \"rural\" }\nmin = \"40%\"\neach = [\"level\"]\n";
    match plan(&registry, &policy(text), "1") {
        Ok(plan) => {
            let report = spotcheck::audit::verify(&plan.to_bytes());
            assert!(report.holds(), "{report}");
        }
        Err(MakeError::Refused(refusal)) => assert!(!refusal.clashes.is_empty()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn examples_on_too_small_a_province_are_refused_with_the_reason() {
    let registry = province(1_000, 1);
    for name in ["annual.toml", "annual-small.toml"] {
        match plan(&registry, &example(name), "1") {
            Err(MakeError::Refused(refusal)) => assert!(!refusal.clashes.is_empty(), "{refusal}"),
            other => panic!("{name}: {:?}", other.map(|plan| plan.plan)),
        }
    }
}
