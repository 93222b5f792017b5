//! Plans of the honest engine hold.

use super::builder::{Cell, HALF, ONE, Recipe};
use super::{failing, report};
use crate::audit::{Report, verify};

/// Three levels, every kind of quota, waves, replacements of both tiers, an authority without
/// batches, a certain cell and one that must wait for the second wave.
pub fn rich() -> Recipe {
    let policy = r#"
id     = "probe-2026"
title  = "试"
method = "m1"
period = { from = "2026-01-01", to = "2026-12-31" }
as_of  = "2025-12-15"
floor  = "5%"
[budget]
province = { total = 3 }
city     = { total = 4, split = "equal" }
county   = { total = 3, table = { 370101 = 2, 370201 = 1 } }
[[quota]]
name = "key products"
where = { key = true }
min = "30%"
each = ["plan", "level"]
hardness = "legal"
[[quota]]
name = "rural in a city"
where = { area = "rural" }
min = "0%"
max = "60%"
max_rate = "100%"
each = ["city"]
[[quota]]
name = "circulation"
where = { channel = "circulation" }
max = "70%"
each = ["level"]
[[quota]]
name = "key of an authority"
where = { key = true, licence = [true, false] }
min = "30%"
each = ["authority", "level/authority"]
hardness = "target"
penalty = 5
[[quota]]
name = "visits"
where = { level = "province" }
min = 1
max = 9
each = ["county"]
hardness = "target"
penalty = 3
[[quota]]
name = "class D"
where = { tier = "D" }
min_rate = "50%"
max_rate = "90%"
hardness = "target"
penalty = 3
[[quota]]
name = "breadth"
min = 1
max = "80%"
of = "plan"
each = ["product", "key_group", "risk", "category"]
hardness = "target"
penalty = 3
[[quota]]
name = "clusters and sizes"
where = { accident = false }
max = 9
each = ["cluster", "x_size", "area/channel", "tier/cluster"]
hardness = "target"
penalty = 1
[[quota]]
name = "steel"
where = { category = "steel/bar", ccc = false }
min = 2
each = ["plan", "city/county", "level/city", "level/authority/county", "authority/city"]
hardness = "target"
penalty = 1
[weights]
tier = { A = 1, D = 4 }
[[certain]]
where = { tier = "D", area = "rural" }
level = "city"
[[exclude]]
where = { level = "province", channel = "online" }
reason = "not online"
[replacements]
per_line = 3
[[wave]]
until = "2026-07-31"
share = "60%"
[[wave]]
until = "2026-10-31"
share = "40%"
"#;
    let cell = |county, area, product, tier, units, arcs: &[(u8, u8, u64)]| Cell {
        county,
        area,
        product,
        tier,
        weight: if tier == 2 { 4 } else { 1 },
        units,
        arcs: arcs.to_vec(),
        ..Cell::default()
    };
    let mut cells = vec![
        cell(0, 0, 0, 1, 4, &[(0, 0, HALF), (0, 1, HALF), (1, 0, ONE), (2, 0, ONE + HALF)]),
        cell(0, 0, 1, 1, 7, &[(0, 0, HALF), (2, 0, HALF)]),
        cell(0, 1, 2, 2, 1, &[(1, 1, ONE)]),
        cell(1, 0, 0, 1, 6, &[(0, 0, HALF)]),
        cell(1, 1, 2, 1, 3, &[(0, 1, HALF)]),
        cell(2, 0, 0, 2, 2, &[(0, 0, HALF), (1, 0, HALF), (2, 0, HALF)]),
        cell(2, 0, 2, 1, 6, &[(1, 1, ONE), (2, 2, HALF)]),
        cell(2, 1, 1, 1, 2, &[(1, 0, HALF)]),
    ];
    cells[0].cluster = 1;
    cells[1].cluster = 1;
    cells[2].certain = 1;
    cells[3].size = 1;
    cells[4].first_wave = 1;
    cells[5].accident = 1;
    Recipe {
        policy: policy.into(),
        seed: "一粒种子2".into(),
        cells,
        families: [
            vec!["city", "area", "product", "tier"],
            vec!["level", "authority", "key", "channel", "county"],
        ],
        budgets: vec![
            (0, "37", 3),
            (1, "3701", 2),
            (1, "3702", 2),
            (2, "370101", 2),
            (2, "370102", 0),
            (2, "370201", 1),
        ],
        attributes: true,
    }
}

/// One level, no quota, one wave, no replacement units.
pub fn bare() -> Recipe {
    let policy = r#"
id     = "bare"
method = "m1"
period = { from = "2026-01-01", to = "2026-12-31" }
as_of  = "2025-12-15"
[budget]
province = { total = 2 }
"#;
    let cell = |county, units, x| Cell {
        county,
        tier: 1,
        weight: 1,
        units,
        arcs: vec![(0, 0, x)],
        ..Cell::default()
    };
    Recipe {
        policy: policy.into(),
        seed: "1".into(),
        cells: vec![cell(0, 1, HALF), cell(1, 2, ONE), cell(2, 1, HALF)],
        families: [vec![], vec!["level", "authority"]],
        budgets: vec![(0, "37", 2)],
        attributes: false,
    }
}

fn assert_holds(report: &Report) {
    assert!(report.holds() && failing(report).is_empty(), "{report}");
}

#[test]
fn honest_plans_hold() {
    for seed in 0..40 {
        let recipe = Recipe { seed: format!("seed {seed}"), ..rich() };
        let report = report(&recipe.make());
        assert_holds(&report);
        assert!(report.checks.iter().all(|check| check.count > 0), "{report}");
    }
    assert_holds(&report(&bare().make()));
}

/// The rich plan has something of everything that can go wrong.
#[test]
fn the_rich_plan_is_rich() {
    let document = rich().make();
    let lines = &document.lines;
    let cell_of = |arc: u32| document.allocation.arcs.cell[arc as usize];
    let foreign: Vec<_> = lines.iter().filter(|line| cell_of(line.arc) != line.cell).collect();
    let product = |cell: u32| document.allocation.cells.product[cell as usize];
    assert!(foreign.iter().any(|line| product(line.cell) == product(cell_of(line.arc))));
    assert!(foreign.iter().any(|line| product(line.cell) != product(cell_of(line.arc))));
    assert!(document.plan.replacement_shortfall > 0);
    assert!(document.compliance.iter().any(|row| !row.holds));
    assert!(document.certificate.rows.iter().any(|row| row.rest.is_some()));
    assert!(document.certificate.rows.iter().any(|row| row.family == 0));
    assert!(lines.iter().any(|line| line.wave == 2) && lines.iter().any(|line| line.wave == 1));
}

#[test]
fn the_report_is_a_table() {
    let mut document = rich().make();
    document.plan.id = "evil\u{1b}[2J".into();
    let report = report(&document);
    let text = report.to_string();
    assert!(text.starts_with("plan evil\\u{1b}[2J DOES NOT HOLD\n"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("ok   lots ")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("FAIL keys ")), "{text}");
    assert!(!text.contains('\u{1b}'));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["checks"][0]["name"], "readable");
    assert_eq!(verify(b"{}").plan, None);
}
