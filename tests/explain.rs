//! Explanations of every unit of a small province agree with the plan's lines, with the registry,
//! and with what a shell makes of their commands.

mod common;

use std::process::Command;

use common::{example, frame, plan, province};
use spotcheck::frame::Frame;
use spotcheck::plan::explain;

#[test]
fn every_unit_is_explained_as_the_plan_has_it() {
    let (registry, policy) = (province(5_000, 1), example("special-action.toml"));
    let document = plan(&registry, &policy, "1").unwrap();
    let (frame, _) = frame(&registry, &policy);
    let facts = |e: &str, p: &str| Frame::facts(&registry, &policy, None, e, p).unwrap();
    let (mut drawn, mut spare, mut not, mut excluded) = (0, 0, 0, 0);
    let enterprises = (0..registry.enterprises.ids.len()).step_by(3);
    for enterprise in enterprises.map(|place| registry.enterprises.ids.get(place)) {
        let found = explain(&frame, &document, &policy, enterprise, None, &facts);
        for unit in &found.units {
            let own = |line: &&spotcheck::plan::Line| {
                line.enterprise_id == enterprise && line.product_id == unit.product_id
            };
            let line = document.lines.iter().find(own);
            let facts = unit.facts.as_ref().expect("the registry supplies it");
            let Some(cell) = &unit.cell else {
                assert!(unit.exclusion.is_some() && line.is_none());
                excluded += 1;
                continue;
            };
            let lot = unit.lot.as_ref().unwrap();
            assert_eq!(cell.tier, facts.tier.tier, "{enterprise}");
            let weight: u64 = facts.weight.iter().map(|fact| fact.factor).product();
            assert_eq!(cell.weight, weight, "{enterprise}: {:?}", facts.weight);
            assert_eq!(lot.short == 0, unit.standing == "drawn");
            match line {
                Some(line) => {
                    assert_eq!(
                        (line.lot, &unit.line.as_ref().unwrap().line),
                        (lot.lot, &line.line)
                    );
                    let by = &cell.arcs.iter().find(|arc| arc.arc == line.arc);
                    if line.replacement_rank == 0 {
                        drawn += 1;
                        let [first, last] = by.unwrap().ranks.unwrap();
                        assert!((first..=last).contains(&lot.rank));
                        assert_eq!(by.unwrap().probability, line.probability);
                    } else {
                        spare += 1;
                        assert!(lot.rank > lot.drawn);
                    }
                }
                None => {
                    not += 1;
                    assert!(lot.rank > lot.drawn);
                }
            }
            if not % 97 == 1 && line.is_none() {
                let output = Command::new("sh").arg("-c").arg(&lot.command).output().unwrap();
                let printed = String::from_utf8(output.stdout).unwrap();
                assert!(printed.starts_with(&lot.lot.to_string()), "{printed}");
            }
        }
    }
    assert!(
        drawn > 50 && spare > 10 && not > 50 && excluded > 100,
        "{drawn} {spare} {not} {excluded}"
    );
    assert!(explain(&frame, &document, &policy, "nobody", None, &facts).units.is_empty());
}
