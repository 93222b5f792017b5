//! Each thing that can be forged, and the check that names it.

use super::honest::{bare, rich};
use super::{failing, report};
use crate::model::{Area, Channel, Digest, Level, gcd};
use crate::plan::{Document, Interval, Line};

/// Changes the rich plan and expects that `check` fails, and says something in `words`.
#[track_caller]
fn forged(check: &str, words: &str, forge: impl FnOnce(&mut Document)) {
    let mut document = rich().make();
    forge(&mut document);
    let report = report(&document);
    let found = report.check(check).unwrap();
    assert!(!found.holds(), "{check} was expected to fail:\n{report}");
    let said = found.problems.iter().any(|problem| problem.contains(words));
    assert!(said, "{check} was expected to say {words:?}:\n{report}");
}

/// The place of the first drawn or replacement line for which `wanted` holds.
fn place(document: &Document, wanted: impl Fn(&Line) -> bool) -> usize {
    document.lines.iter().position(wanted).unwrap()
}

fn is_foreign(document: &Document, line: &Line) -> bool {
    document.allocation.arcs.cell[line.arc as usize] != line.cell
}

#[test]
fn policy_and_keys() {
    forged("policy", "frame.policy_digest", |d| d.frame.policy_digest = Digest::of(b""));
    forged("policy", "found `m2`", |d| d.policy["method"] = "m2".into());
    forged("policy", "frame.policy_digest", |d| d.policy["title"] = "other".into());
    forged("policy", "canonical form", |d| d.policy["floor"] = "5.0%".into());
    forged("policy", "plan.method", |d| d.plan.method = "m2".into());
    forged("policy", "plan.policy_id", |d| d.plan.policy_id = "x".into());
    forged("policy", "plan.title", |d| d.plan.title = "x".into());
    forged("policy", "frame.as_of", |d| d.frame.as_of = "2025-12-16".into());
    forged("keys", "plan.input_digest", |d| d.plan.input_digest = Digest::of(b""));
    forged("keys", "plan.input_digest", |d| d.frame.digest = Digest::of(b""));
    forged("keys", "seed.digest", |d| d.seed.digest = Digest::of(b""));
    forged("keys", "seed.source", |d| d.seed.source = "dice".into());
    forged("keys", "seed.share", |d| d.seed.source = "beacon".into());
    forged("keys", "seed.share", |d| d.seed.share = "00".repeat(32));
    forged("keys", "seed.text is", |d| d.seed.source = "ceremony".into());
    forged("keys", "seed.digest", |d| {
        d.seed.source = "system".into();
        d.seed.text = "00".repeat(32);
    });
    forged("keys", "seed.text is", |d| d.seed.text = " 1".into());
    forged("keys", "plan.id", |d| d.seed.text = "1".into());
    forged("keys", "plan.id", |d| d.plan.id.push('0'));
    forged("lots", "recomputed", |d| d.seed.text = "1".into());
}

#[test]
fn structure() {
    let cells = |forge: fn(&mut crate::plan::CellColumns)| {
        move |d: &mut Document| forge(&mut d.allocation.cells)
    };
    let arcs = |forge: fn(&mut crate::plan::ArcColumns)| {
        move |d: &mut Document| forge(&mut d.allocation.arcs)
    };
    forged("structure", "cells.county has 7", cells(|c| c.county.truncate(7)));
    forged("structure", "cells.weight has 9", cells(|c| c.weight.push(1)));
    forged("structure", "x_size has 7", |d| {
        d.allocation.cells.attributes.get_mut("x_size").unwrap().pop();
    });
    forged("structure", "other attributes", cells(|c| c.attributes.clear()));
    forged("structure", "quota mentions x_size", |d| {
        d.allocation.cells.attributes.clear();
        d.frame.attributes.clear();
    });
    forged("structure", "cell 7: county is 3", cells(|c| c.county[7] = 3));
    forged("structure", "cell 7: area is 2", cells(|c| c.area[7] = 2));
    forged("structure", "cell 7: product is 3", cells(|c| c.product[7] = 3));
    forged("structure", "cell 7: tier is 3", cells(|c| c.tier[7] = 3));
    forged("structure", "cell 7: its tier is the empty", cells(|c| c.tier[7] = 0));
    forged("structure", "cell 7: cluster is 2", cells(|c| c.cluster[7] = 2));
    forged("structure", "cell 7: accident is 2", cells(|c| c.accident[7] = 2));
    forged("structure", "cell 7: first_wave is 2", cells(|c| c.first_wave[7] = 2));
    forged("structure", "cell 7: certain is 2", cells(|c| c.certain[7] = 2));
    forged("structure", "cell 7: weight is 0", cells(|c| c.weight[7] = 0));
    forged("structure", "cell 7: has no unit", cells(|c| c.units[7] = 0));
    forged("structure", "cell 1 does not come after cell 0", cells(|c| c.product[1] = 0));
    forged("structure", "arcs.level has 14", arcs(|a| a.level.truncate(14)));
    forged("structure", "arc 14 (cell 8", arcs(|a| a.cell[14] = 8));
    forged("structure", "arc 14 (cell 7, level 3", arcs(|a| a.level[14] = 3));
    forged("structure", "arc 14 (cell 7, level 1, channel 3", arcs(|a| a.channel[14] = 3));
    forged("structure", "arc 1 (cell 0", arcs(|a| a.channel[1] = 0));
    forged("structure", "cell 6: has no arc", arcs(|a| a.cell[12..14].fill(7)));
    forged("structure", "sum to", arcs(|a| a.x[..2].fill(u64::MAX)));
    forged("structure", "no county authority with batches", |d| {
        d.allocation.authorities[3].batches = 0;
    });
    forged("structure", "the number of allocation.authorities", |d| {
        d.allocation.authorities.pop();
    });
    forged("structure", "allocation.authorities[1]", |d| {
        d.allocation.authorities[1].name = "x".into();
    });
    forged("structure", "allocation.authorities[1]", |d| d.allocation.authorities.swap(1, 2));
    forged("structure", "frame.counties are not", |d| d.frame.counties.truncate(2));
    forged("structure", "does not come after", |d| d.frame.divisions.swap(1, 2));
    forged("structure", "begin with the province", |d| drop(d.frame.divisions.remove(0)));
    forged("structure", "is no city", |d| {
        d.frame.divisions[4].code = "3802".parse().unwrap();
    });
    forged("structure", "frame.tiers[2]", |d| d.frame.tiers[2] = "A".into());
    forged("structure", "frame.clusters[1]", |d| d.frame.clusters[1] = String::new());
    forged("structure", "frame.products[1]", |d| d.frame.products[1].product_id = "P1".into());
    forged("structure", "families[0]", |d| d.certificate.families[0].push("level".into()));
    forged("structure", "families[1]", |d| d.certificate.families[1].swap(0, 1));
    forged("structure", "families[1]", |d| d.certificate.families[1][2] = "colour".into());
    forged("structure", "no arc 15", |d| d.lines[3].arc = 15);
    forged("structure", "no cell 8", |d| d.lines[3].cell = 8);
    let mut document = bare().make();
    document.frame.clusters.push("silk".into());
    document.allocation.cells.cluster[0] = 1;
    let report = report(&document);
    assert!(report.to_string().contains("no quota mentions"), "{report}");
    assert!(failing(&report).contains(&"lots"), "{report}");
}

#[test]
fn budgets_and_cells() {
    forged("budgets", "city 3701: units", |d| d.allocation.authorities[1].units += 1);
    forged("budgets", "city: the sum", |d| d.allocation.authorities[1].batches += 1);
    forged("budgets", "city 3701: batches", |d| {
        d.allocation.authorities[1].batches += 1;
        d.allocation.authorities[2].batches -= 1;
    });
    forged("budgets", "county 370101: batches", |d| {
        d.allocation.authorities[3].batches -= 1;
        d.allocation.authorities[5].batches += 1;
    });
    forged("budgets", "city 3702: the sum of x", |d| d.allocation.arcs.x[14] += 1);
    forged("budgets", "the sum of n", |d| d.allocation.arcs.n[3] += 1);
    forged("cells", "more than its 1 units", |d| d.allocation.arcs.x[6] += 1);
    forged("cells", "cell 2: is certain", |d| d.allocation.arcs.x[6] -= 1);
    forged("cells", "cell 3: 0 / 2^32 batches are below", |d| d.allocation.arcs.x[7] = 0);
    forged("cells", "arc 2: 2 batches", |d| d.allocation.arcs.n[2] = 2);
    forged("rules", "cell 0: is certain, but no", |d| d.allocation.cells.certain[0] = 1);
    forged("rules", "cell 2: a certainty rule", |d| d.allocation.cells.certain[2] = 0);
    forged("rules", "exclude[0] rules it out", |d| {
        d.allocation.arcs.channel[8] = Channel::Online as u8;
    });
}

#[test]
fn nodes() {
    // Right for the arc itself, but one more or less than its channel has in all.
    forged("nodes", "of families[1]", |d| d.allocation.arcs.n[0] = 1 - d.allocation.arcs.n[0]);
    forged("nodes", "of families[0]", |d| d.allocation.arcs.n[6] = 0);
}

#[test]
fn certificate() {
    let row = |d: &Document| d.certificate.rows.iter().position(|r| r.rest.is_some()).unwrap();
    forged("certificate", "the number of", |d| {
        d.certificate.rows.pop();
    });
    forged("certificate", "has no depth 7", |d| d.certificate.rows[0].depth = 7);
    forged("certificate", "family 2 has no depth", |d| d.certificate.rows[0].family = 2);
    forged("certificate", "only partly", |d| d.certificate.rows[0].depth = 0);
    forged("certificate", "row 1: (nodes", |d| d.certificate.rows[0].nodes += 1);
    forged("certificate", "row 1: (nodes", |d| d.certificate.rows[0].x -= 1);
    forged("certificate", "row 1: (nodes", |d| d.certificate.rows[0].low += 1);
    forged("certificate", "row 1: (nodes", |d| d.certificate.rows[0].high += 1);
    forged("certificate", "row 1: rest", |d| {
        d.certificate.rows[0].rest = Some(Interval { x: 0, low: 0, high: 0 });
    });
    forged("certificate", "rest is", |d| {
        let row = row(d);
        d.certificate.rows[row].rest = None;
    });
    forged("certificate", "rest is", |d| {
        let row = row(d);
        d.certificate.rows[row].rest.as_mut().unwrap().low += 1;
    });
}

#[test]
fn compliance() {
    forged("compliance", "group is", |d| d.compliance[0].group = "x".into());
    forged("compliance", "no rows of quota", |d| d.compliance[0].quota = "x".into());
    forged("compliance", "no quota asks", |d| {
        d.compliance.last_mut().unwrap().scope = "county".into();
    });
    forged("compliance", "hardness is", |d| d.compliance[0].hardness = "hard".into());
    forged("compliance", "bound is", |d| d.compliance[0].bound = "max".into());
    forged("compliance", "asked is", |d| d.compliance[0].asked = "29%".into());
    forged("compliance", "base is", |d| d.compliance[0].base += 1);
    forged("compliance", "required is", |d| d.compliance[0].required -= 1);
    forged("compliance", "planned is", |d| d.compliance[0].planned += 1);
    forged("compliance", "guaranteed_low is", |d| d.compliance[0].guaranteed_low -= 1);
    forged("compliance", "guaranteed_high is", |d| d.compliance[0].guaranteed_high += 1);
    forged("compliance", "holds is", |d| d.compliance[0].holds = false);
    forged("compliance", "is missing", |d| {
        // The last county of a grouping whose groups exist without arcs.
        let row = d.compliance.iter().rposition(|row| row.scope == "county").unwrap();
        d.compliance.remove(row);
        d.certificate.rows.remove(row);
    });
    forged("compliance", "no group of", |d| {
        let last = d.compliance.len() - 1;
        d.compliance.push(d.compliance[last].clone());
        d.certificate.rows.push(d.certificate.rows[last].clone());
    });
    forged("compliance", "planned is", |d| {
        let line = place(d, |line| line.replacement_rank == 0 && line.key);
        d.lines.remove(line);
    });
}

/// A firm quota that the plan does not keep is found even if the file owns up to it.
#[test]
fn a_firm_quota_that_does_not_hold() {
    let mut recipe = rich();
    recipe.policy = recipe.policy.replacen("min = \"30%\"", "min = \"90%\"", 1);
    let report = report(&recipe.make());
    assert_eq!(failing(&report), ["compliance"], "{report}");
    assert!(report.to_string().contains("a firm quota does not hold"), "{report}");
    assert!(report.to_string().contains("are required"), "{report}");
}

#[test]
fn totals_and_price() {
    forged("totals", "plan.units", |d| d.plan.units += 1);
    forged("totals", "frame.units", |d| d.frame.units += 1);
    forged("totals", "frame.cells", |d| d.frame.cells += 1);
    forged("totals", "plan.batches", |d| d.plan.batches += 1);
    forged("totals", "plan.replacements", |d| d.plan.replacements += 1);
    forged("totals", "replacement_shortfall", |d| d.plan.replacement_shortfall += 1);
    forged("totals", "frame.enterprises", |d| d.frame.enterprises = 3);
    forged("totals", "frame.excluded[0]", |d| d.frame.excluded[0].units = 0);
    forged("price", "[3]", |d| d.plan.price_of_quotas[3].ratio = "1.0000".into());
    forged("price", "[3]", |d| d.plan.price_of_quotas[3].percent = 51);
    forged("price", "number of", |d| {
        d.plan.price_of_quotas.pop();
    });
    forged("price", "[0]", |d| d.allocation.cells.weight[3] = 1000);
    forged("price", "too large", |d| {
        d.allocation.cells.weight.fill(1_000_000_000_000);
        d.allocation.cells.units.fill(u32::MAX);
        d.allocation.arcs.x[0] = u64::MAX / 2;
    });
}

#[test]
fn lines() {
    forged("line_order", "stands at place 1", |d| d.lines[0].line = 2);
    forged("line_order", "does not come after", |d| d.lines.swap(0, 1));
    forged("line_order", "rank", |d| d.lines.last_mut().unwrap().replacement_rank += 1);
    forged("line_counts", "drawn lines", |d| drop(d.lines.remove(0)));
    let fact = |what: &'static str, forge: fn(&mut Line)| {
        forged("line_facts", what, move |d| forge(&mut d.lines[0]));
    };
    fact("level is not", |line| line.level = Level::City);
    fact("authority is not", |line| line.authority = "3701".parse().unwrap());
    fact("channel is not", |line| line.channel = Channel::Online);
    fact("county is not", |line| line.county = "370299".parse().unwrap());
    fact("area is not", |line| line.area = Area::Rural);
    fact("tier is not", |line| line.tier = "D".into());
    fact("product_id is not", |line| line.product_id = "P3".into());
    fact("key is not", |line| line.key = false);
    fact("cell is not", |line| line.cell = 3);
    fact("is no id", |line| line.enterprise_id = "a/b".into());
    fact("though not online", |line| line.platform = "p".into());
    fact("is no division code", |line| line.sale_division = "here".into());
    forged("line_facts", "has two names", |d| {
        let first = place(d, |line| line.cell == 0);
        let own = d.lines[first].enterprise_id.clone();
        let other = place(d, |line| line.cell == 1);
        d.lines[other].enterprise_id = own;
        d.lines[other].enterprise_name = "another".into();
    });
    forged("line_facts", "has two names", |d| {
        let own = d.lines[place(d, |line| line.cell == 0)].enterprise_id.clone();
        let other = place(d, |line| line.cell == 6);
        d.lines[other].enterprise_id = own;
    });
}

#[test]
fn probabilities() {
    forged("probability", "recounted", |d| d.lines[0].probability = "1/2".into());
    forged("probability", "recounted", |d| {
        let (num, den) = d.lines[0].probability.split_once('/').unwrap();
        let twice = |text: &str| 2 * text.parse::<u64>().unwrap();
        d.lines[0].probability = format!("{}/{}", twice(num), twice(den));
    });
    // A replacement line from another cell shows its own cell's probability.
    forged("probability", "recounted", |d| {
        let line = place(d, |line| is_foreign(d, line));
        let arc = d.lines[line].arc as usize;
        let cell = d.allocation.arcs.cell[arc] as usize;
        let (x, units) = (d.allocation.arcs.x[arc], d.allocation.cells.units[cell]);
        let den = u64::from(units) << 32;
        let g = gcd(x, den);
        d.lines[line].probability = format!("{}/{}", x / g, den / g);
    });
    forged("probability", "has no arc of level", |d| {
        let line = place(d, |line| is_foreign(d, line));
        d.lines[line].cell = 7;
    });
}

#[test]
fn lots_and_their_order() {
    forged("lots", "recomputed", |d| d.lines[2].lot.0[31] ^= 1);
    forged("lots", "recomputed", |d| d.lines[2].enterprise_id.push('x'));
    // A drawn line and a replacement line of one cell change places.
    forged("lot_order", "not in the order", |d| {
        let drawn = place(d, |line| line.replacement_rank == 0 && line.cell == 0);
        let spare = place(d, |line| line.replacement_rank == 1 && line.cell == 0);
        swap_units(d, drawn, spare);
    });
    // A unit that another cell's arc took should have been one of the own cell.
    forged("lot_order", "comes later", |d| {
        let foreign = place(d, |line| is_foreign(d, line) && line.product_id == "P2");
        let cell = d.lines[foreign].cell;
        let own = d.lines.iter().rposition(|l| l.cell == cell && !is_foreign(d, l)).unwrap();
        swap_units(d, foreign, own);
    });
    forged("disjoint", "are the same unit", |d| {
        let copy = d.lines[0].clone();
        let other = place(d, |line| line.replacement_rank > 0);
        let other = &mut d.lines[other];
        other.enterprise_id = copy.enterprise_id;
        other.product_id = copy.product_id;
    });
    forged("disjoint", "more than its 2 units", |d| {
        let copy = d.lines[place(d, |line| line.cell == 5)].clone();
        d.lines.extend([copy.clone(), copy]);
    });
}

/// Lets two lines of one cell change their units.
fn swap_units(document: &mut Document, one: usize, other: usize) {
    let unit = |line: &Line| (line.enterprise_id.clone(), line.enterprise_name.clone(), line.lot);
    let (first, second) = (unit(&document.lines[one]), unit(&document.lines[other]));
    for (line, unit) in [(one, second), (other, first)] {
        let line = &mut document.lines[line];
        (line.enterprise_id, line.enterprise_name, line.lot) = unit;
    }
}

#[test]
fn waves() {
    forged("window", "expected 1 to 2", |d| d.lines[0].wave = 3);
    forged("window", "expected 1 to 2", |d| d.lines[0].wave = 0);
    forged("window", "expected 2 to 2", |d| {
        let late = place(d, |line| line.cell == 4);
        d.lines[late].wave = 1;
    });
    forged("window", "expected 1 to 1", |d| {
        let spare = place(d, |line| line.replacement_rank > 0 && line.cell != 4);
        d.lines[spare].wave = 2;
    });
    forged("waves", "waves is", |d| d.allocation.authorities[0].waves.swap(0, 1));
    forged("waves", "waves in all", |d| d.allocation.authorities[0].waves[0] += 1);
    forged("waves", "waves in all", |d| d.allocation.authorities[0].waves[0] = u64::MAX);
    forged("waves", "plan.waves[0]", |d| d.plan.waves[0].until = "2026-08-01".into());
    forged("waves", "plan.waves[1]", |d| d.plan.waves[1].wanted = "4".into());
    forged("waves", "plan.waves[1]", |d| d.plan.waves[1].batches += 1);
    forged("waves", "number of plan.waves", |d| {
        d.plan.waves.pop();
    });
    forged("waves", "order of their wave lots", |d| {
        let is = |line: &Line, wave| line.wave == wave && line.replacement_rank == 0;
        let late = |early: &Line| {
            let same = |line: &Line| (line.level, line.authority) == (early.level, early.authority);
            d.lines.iter().position(|line| is(line, 2) && line.cell != 4 && same(line))
        };
        let pair = d.lines.iter().enumerate().filter(|(_, line)| is(line, 1));
        let (early, late) = pair.filter_map(|(i, line)| Some((i, late(line)?))).next().unwrap();
        d.lines[early].wave = 2;
        d.lines[late].wave = 1;
    });
}

#[test]
fn replacements() {
    forged("replacements", "of its own cell; expected", |d| {
        let own = place(d, |line| line.replacement_rank > 0 && !is_foreign(d, line));
        d.lines.remove(own);
    });
    forged("replacements", "while cells that could stand in have", |d| {
        let foreign = place(d, |line| is_foreign(d, line));
        d.lines.remove(foreign);
    });
    forged("replacements", "but only", |d| {
        let foreign = d.lines[place(d, |line| is_foreign(d, line))].clone();
        d.lines.extend(std::iter::repeat_n(foreign, 9));
    });
    forged("replacements", "against the order of lots", |d| {
        let foreign: Vec<usize> =
            (0..d.lines.len()).filter(|i| is_foreign(d, &d.lines[*i])).collect();
        let key = |i: usize| (d.lines[i].arc, d.lines[i].cell);
        let pair = foreign.windows(2).find(|p| key(p[0]) == key(p[1])).unwrap();
        let pair = [pair[0], pair[1]];
        swap_units(d, pair[0], pair[1]);
    });
    forged("replacements", "a nearer replacement unit", |d| {
        let own: Vec<usize> = (1..d.lines.len())
            .filter(|i| {
                let (before, line) = (&d.lines[i - 1], &d.lines[*i]);
                before.arc == line.arc && !is_foreign(d, before) && is_foreign(d, line)
            })
            .collect();
        d.lines.swap(own[0] - 1, own[0]);
    });
    let moved = |cell: u32, words: &str| {
        forged("replacements", words, |d| {
            let foreign = place(d, |line| is_foreign(d, line) && line.arc == 0);
            d.lines[foreign].cell = cell;
        });
    };
    moved(5, "counts in other groups of firm quotas");
    moved(6, "has no arc of the level and channel");
}

/// A unit of an equal cell is no replacement while the own cell has some left.
#[test]
fn replacements_from_afar() {
    let mut recipe = rich();
    recipe.policy = recipe.policy.replace("per_line = 3", "per_line = 0");
    let mut document = recipe.make();
    assert!(super::report(&document).holds());
    let mut line = rich().make().lines.into_iter().rfind(|l| l.replacement_rank > 0).unwrap();
    line.line = document.lines.len() as u32 + 1;
    line.replacement_rank = 1;
    document.lines.push(line);
    let report = super::report(&document);
    assert!(!report.check("replacements").unwrap().holds(), "{report}");
    assert!(!report.check("totals").unwrap().holds(), "{report}");
}
