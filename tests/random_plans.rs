//! Random registries under random policies: either a plan that an independent recount confirms,
//! or a typed refusal; and nothing depends on the order of input or the number of threads.

mod common;
#[path = "common/random.rs"]
mod random;

use common::{frame, plan, policy};
use proptest::prelude::*;
use random::{Case, case};
use spotcheck::model::Work;
use spotcheck::plan::{Document, Line, MakeError, make};

/// Whether a line passes the filter of a quota of [`Case::policy`].
fn passes(line: &Line, quota: &str) -> bool {
    match quota.rsplit_once(' ').unwrap().0 {
        "key products" => line.key,
        "online" => line.channel.as_str() == "online",
        "rural" => line.area.as_str() == "rural",
        "class D" => line.tier == "D",
        "first city's" => line.county.to_string().starts_with("3701"),
        "province's" => line.level.as_str() == "province",
        _ => line.channel.as_str() != "online" && line.area.as_str() == "urban",
    }
}

fn group(line: &Line, scope: &str) -> String {
    let part = |dim: &str| match dim {
        "plan" => String::new(),
        "level" => line.level.to_string(),
        "authority" => line.authority.to_string(),
        "county" => line.county.to_string(),
        "city" => line.county.to_string()[..4].to_owned(),
        "channel" => line.channel.to_string(),
        "area" => line.area.to_string(),
        "product" => line.product_id.clone(),
        "tier" => line.tier.clone(),
        other => panic!("{other}"),
    };
    scope.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// Recounts every row from the lines and the policy's text alone.
fn recount(case: &Case, plan: &Document) {
    let drawn: Vec<&Line> = plan.lines.iter().filter(|l| l.replacement_rank == 0).collect();
    let mut units = std::collections::BTreeSet::new();
    for line in &plan.lines {
        assert!(units.insert((&line.enterprise_id, &line.product_id)), "a unit twice: {line:?}");
    }
    for (level, total) in ["province", "city", "county"].iter().zip(case.budgets) {
        let own = drawn.iter().filter(|line| line.level.as_str() == *level).count() as u64;
        assert!(own == total || case.budgets == [0; 3] && own == u64::from(*level == "province"));
    }
    for row in &plan.compliance {
        let inside = drawn.iter().filter(|line| group(line, &row.scope) == row.group);
        let base = inside.clone().count() as u64;
        let found = inside.filter(|line| passes(line, &row.quota)).count() as u64;
        assert_eq!(found, row.planned, "{row:?}");
        let number: usize = row.quota.rsplit_once(' ').unwrap().1.parse().unwrap();
        let (_, _, share, batches) = case.quotas[number];
        let holds = match (number % 3, row.bound.as_str()) {
            (0, "min") => found >= batches,
            (1, "min") => found * 100 >= share * base,
            (1, "max") => found <= batches + 2,
            (2, "max") => found * 100 <= (100 - share) * base,
            other => panic!("{other:?}"),
        };
        assert!(holds && row.holds, "{row:?} of base {base}");
        assert!((row.guaranteed_low..=row.guaranteed_high).contains(&found), "{row:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_confirmed_plan_or_a_refusal(case in case(), seed in 0u32..1000) {
        let registry = case.tables().registry();
        let policy = match spotcheck::policy::Policy::from_toml(&case.policy()) {
            Ok(policy) => policy,
            // A minimum above the whole budget is refused before any registry is looked at.
            Err(_) if case.budgets.iter().sum::<u64>() < 4 => return Ok(()),
            Err(errors) => panic!("{errors}\n{}", case.policy()),
        };
        match plan(&registry, &policy, &seed.to_string()) {
            Ok(plan) => {
                recount(&case, &plan);
                let cells = &plan.allocation.cells;
                let arcs = &plan.allocation.arcs;
                let mut sums = vec![0u64; cells.units.len()];
                for (cell, x) in arcs.cell.iter().zip(&arcs.x) {
                    sums[*cell as usize] += x;
                }
                for (sum, units) in sums.iter().zip(&cells.units) {
                    prop_assert!(*sum > 0 && *sum <= u64::from(*units) << 32);
                }
                let report = spotcheck::audit::verify(&plan.to_bytes());
                prop_assert!(report.holds(), "{report}");
            }
            Err(MakeError::Refused(refusal)) => prop_assert!(!refusal.clashes.is_empty()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn input_order_and_threads_change_no_byte(case in case(), turn in 1usize..50) {
        let mut tables = case.tables();
        let registry = tables.registry();
        prop_assume!(case.budgets.iter().sum::<u64>() >= 4);
        let policy = policy(&case.policy());
        let before = plan(&registry, &policy, "7");
        for table in [&mut tables.products, &mut tables.enterprises, &mut tables.supply] {
            let mut rows: Vec<&str> = table.lines().collect();
            let len = rows.len() - 1;
            rows[1..].rotate_left(turn % len);
            *table = rows.join("\n");
        }
        let shuffled = tables.registry();
        prop_assert_eq!(&shuffled, &registry);
        let (frame, digest) = frame(&shuffled, &policy);
        let seed = spotcheck::draw::SeedSource::Text("7".into());
        let after = make(&frame, &digest, &policy, &seed, &Work::unwatched(1));
        match (before, after) {
            (Ok(a), Ok(b)) => prop_assert!(a.to_bytes() == b.to_bytes()),
            (a, b) => prop_assert_eq!(a.err(), b.err()),
        }
    }
}
