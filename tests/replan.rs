//! Plans that keep what an earlier one drew: all of it where the quotas allow, as much as they leave
//! room for where they don't; what changed is told, and everything still holds.

mod cli_support;
#[path = "common/verifier.rs"]
mod verifier;

use std::collections::BTreeMap;

use cli_support::{Done, Server, World, at, plan_name};
use serde_json::Value;

const SEED: &str = "3 1 4 1 5 9";

/// A province with a plan; the plan's name.
fn drawn() -> (World, String) {
    let world = World::province(4_000);
    world.import(&world.store(), &[]).expect(0);
    let first = world.text("first.json");
    let done = world.plan(&world.store(), SEED, &["--out", &first]).expect(0);
    let name = plan_name(&done);
    (world, name)
}

fn replan(world: &World, place: &[String; 2], plan: &str, more: &[&str]) -> Done {
    let (policy, out) = (world.text("policy.toml"), world.text("second.json"));
    let mut args = vec!["replan", plan, "--policy", &policy, "--seed-text", "2 7 1 8"];
    args.extend(["--reason", "the county level has more money", "--out", &out]);
    args.extend(more);
    world.on(place, &args)
}

/// Level and channel of every drawn unit.
fn lines(world: &World, file: &str) -> BTreeMap<(String, String), (String, String)> {
    let plan: Value = serde_json::from_slice(&world.read(file)).unwrap();
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let drawn = plan["lines"].as_array().unwrap().iter();
    drawn
        .filter(|line| line["replacement_rank"] == 0)
        .map(|line| {
            let unit = (text(line, "enterprise_id"), text(line, "product_id"));
            (unit, (text(line, "level"), text(line, "channel")))
        })
        .collect()
}

fn with_policy(world: &World, from: &str, to: &str) {
    let policy = String::from_utf8(world.read("policy.toml")).unwrap();
    assert!(policy.contains(from));
    world.write("policy.toml", policy.replace(from, to));
}

fn number(done: &Done, what: &str) -> usize {
    let cell = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let row = done.out.lines().map(cell).find(|row| row.iter().any(|cell| cell == what));
    let row = row.unwrap_or_else(|| panic!("{}", done.out));
    row.iter().rev().find(|cell| !cell.is_empty()).unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn an_authority_gets_more_batches_and_every_line_stays() {
    let (world, plan) = drawn();
    let store = world.store();
    let (first, second) = (world.text("first.json"), world.text("second.json"));
    let read = |name: &str| -> Value { serde_json::from_slice(&world.read(name)).unwrap() };
    let authority = {
        let plan = read("first.json");
        let rows = plan["allocation"]["authorities"].as_array().unwrap().iter();
        let counties = rows.filter(|row| row["level"] == "county");
        let largest = counties.max_by_key(|row| row["units"].as_u64()).unwrap();
        largest["authority"].as_str().unwrap().to_owned()
    };
    let more = |authority: &str, batches: &str| {
        let mut args = vec!["topup", &plan, "--authority", authority, "--batches", batches];
        args.extend(["--seed-text", "9 9", "--reason", "more money", "--out", &second]);
        world.on(&store, &args)
    };
    more("379999", "7").expect(2).says(&["379999 draws nothing"]);
    more(&authority, "0").expect(2);
    more(&authority, "90000").expect(3);
    let done = more(&authority, "7").expect(0);
    assert_eq!(number(&done, "added"), 7, "{}", done.out);
    assert_eq!((number(&done, "dropped"), number(&done, "moved")), (0, 0), "{}", done.out);
    let (before, after) = (lines(&world, "first.json"), lines(&world, "second.json"));
    assert!(before.iter().all(|(unit, by)| after.get(unit) == Some(by)));
    cli_support::run(&["verify", &second, "--kept", &first]).expect(0);
    let plan = read("second.json");
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let added = plan["lines"].as_array().unwrap().iter().filter(|line| {
        let unit = (text(line, "enterprise_id"), text(line, "product_id"));
        line["replacement_rank"] == 0 && !before.contains_key(&unit)
    });
    let of: Vec<String> = added.map(|line| text(line, "authority")).collect();
    assert_eq!(of, vec![authority; 7]);
}

#[test]
fn more_batches_keep_every_line_that_was_drawn() {
    let (world, first) = drawn();
    with_policy(&world, "county   = { total = 302", "county   = { total = 402");
    let server = Server::start(&world.path("store"));
    let done = replan(&world, &at(&server), &first, &[]).expect(0);
    drop(server);
    let (before, after) = (lines(&world, "first.json"), lines(&world, "second.json"));
    assert_eq!((before.len(), after.len()), (522, 622));
    for (unit, how) in &before {
        assert_eq!(after.get(unit), Some(how), "{unit:?}");
    }
    assert_eq!(number(&done, "kept"), 522);
    assert_eq!((number(&done, "dropped"), number(&done, "moved")), (0, 0));
    assert_eq!(number(&done, "added"), 100);
    assert!(done.out.contains("no. 2 of this programme") && done.out.contains(&first));

    // It is a plan like any other: checked offline, drawn again, on record as the second.
    let second = plan_of(&world, "second.json");
    let file = world.text("second.json");
    cli_support::run(&["verify", &file]).expect(0);
    world.on(&world.store(), &["regenerate", &second]).expect(0);
    let old = world.text("first.json");
    let kept = ["verify", &file, "--kept", &old];
    assert!(cli_support::run(&kept).expect(0).out.contains("| kept "));
    // Another plan is not the one that was kept, and a plan of its own keeps none.
    cli_support::run(&["verify", &file, "--kept", &file]).expect(4).says(&["keep.plan"]);
    cli_support::run(&["verify", &old, "--kept", &file]).expect(4).says(&["keeps no plan's lines"]);
    let plans = world.on(&world.store(), &["plans"]).expect(0).out;
    assert!(plans.contains(&first) && plans.contains(&second), "{plans}");

    // Every change is listed once, on files alone.
    let csv = cli_support::run(&["changes", &old, &file, "--format", "csv"]).expect(0).out;
    assert_eq!(csv.lines().count(), 101);
    assert!(csv.lines().skip(1).all(|row| row.starts_with("added,")), "{csv}");
    let json = cli_support::run(&["changes", &old, &file, "--format", "json"]).expect(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["kept"], 522);
    assert_eq!(json["changes"].as_array().unwrap().len(), 100);

    // A bundle of it holds, and its design can be drawn again and again.
    let bundle = world.text("second.zip");
    world.on(&world.store(), &["issue", &second]).expect(0);
    world.on(&world.store(), &["bundle", &second, "--out", &bundle]).expect(0);
    cli_support::run(&["verify", &bundle]).expect(0);
    world.on(&world.store(), &["selftest", &second, "--draws", "200"]).expect(0);

    // The independent verifier has it so too.
    if verifier::has_python() {
        let (code, said) = verifier::verify(&[world.path("second.json")]);
        assert!(code == 0 && said.contains("everything holds"), "{said}");
    }

    // The new lines have probabilities below one, the kept ones are certain.
    let plan: Value = serde_json::from_slice(&world.read("second.json")).unwrap();
    for line in plan["lines"].as_array().unwrap().iter().filter(|l| l["replacement_rank"] == 0) {
        let unit = (
            line["enterprise_id"].as_str().unwrap().to_owned(),
            line["product_id"].as_str().unwrap().to_owned(),
        );
        if before.contains_key(&unit) {
            assert_eq!(line["probability"], "1/1", "{line}");
        }
    }
    let kept = before.keys().next().unwrap();
    let asked = ["explain", &second, "--enterprise", &kept.0, "--format", "json"];
    let told = world.on(&world.store(), &asked).expect(0).out;
    assert!(told.contains("\"drawn_before\":["), "{told}");
}

fn plan_of(world: &World, file: &str) -> String {
    let plan: Value = serde_json::from_slice(&world.read(file)).unwrap();
    plan["plan"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn fewer_batches_keep_as_many_as_there_is_room_for() {
    let (world, first) = drawn();
    with_policy(&world, "city     = { total = 160", "city     = { total = 120");
    let done = replan(&world, &world.store(), &first, &[]).expect(0);
    let (before, after) = (lines(&world, "first.json"), lines(&world, "second.json"));
    assert_eq!((before.len(), after.len()), (522, 482));
    let kept = before.iter().filter(|(unit, how)| after.get(unit) == Some(how)).count();
    assert_eq!(number(&done, "kept"), kept);
    // The city level must drop 40; little else is to change.
    assert!(kept >= 470, "{}", done.out);
    assert!(done.out.contains("fewer batches than lines to keep: city"), "{}", done.out);
    let file = world.text("second.json");
    cli_support::run(&["verify", &file]).expect(0);
    let plan: Value = serde_json::from_slice(&world.read("second.json")).unwrap();
    assert_eq!(plan["policy"]["keep"]["weight"], 20_000);
    assert_eq!(plan["policy"]["keep"]["levels"], serde_json::json!(["city"]));
    assert_eq!(plan["policy"]["keep"]["plan"], first.as_str());
    let remarks = plan["plan"]["remarks"].to_string();
    assert!(remarks.contains("conditional") && remarks.contains(&first), "{remarks}");
    for (unit, how) in before.iter().filter(|(_, how)| how.0 != "city") {
        assert_eq!(after.get(unit), Some(how), "only the city level gives way: {unit:?}");
    }
}

#[test]
fn what_the_law_no_longer_lets_is_dropped_and_counted() {
    let (world, first) = drawn();
    let before = lines(&world, "first.json");
    let ((enterprise, _), _) = before.iter().next().unwrap();
    let gone = before.keys().filter(|unit| unit.0 == *enterprise).count();
    let mut table = String::new();
    for line in String::from_utf8(world.read("csv/enterprises.csv")).unwrap().lines() {
        let closed = line.starts_with(enterprise.as_str());
        table += &if closed { line.replace(",active,", ",deregistered,") } else { line.to_owned() };
        table.push('\n');
    }
    world.write("csv/enterprises.csv", table);
    world.import(&world.store(), &[]).expect(0);
    let done = replan(&world, &world.store(), &first, &[]).expect(0);
    assert_eq!(number(&done, "dropped"), gone, "{}", done.out);
    assert_eq!(number(&done, "added"), gone);
    assert_eq!(number(&done, "kept"), before.len() - gone);
    let plan: Value = serde_json::from_slice(&world.read("second.json")).unwrap();
    let lost = &plan["frame"]["quality"]["drawn lines of the earlier plan that cannot be kept"];
    assert_eq!(lost.as_u64(), Some(gone as u64), "{}", plan["frame"]["quality"]);
}

#[test]
fn what_cannot_be_kept_is_refused_in_words() {
    let (world, first) = drawn();
    let store = world.store();
    replan(&world, &store, "small-0123456789ab", &[]).expect(2).says(&["small-0123456789ab"]);
    replan(&world, &store, &first, &["--keep-weight", "1"]).expect(2).says(&["keep.weight", "2"]);
    with_policy(&world, "id     = \"small\"", "id     = \"other\"");
    replan(&world, &store, &first, &[]).expect(2).says(&[&first, "another programme"]);
    with_policy(&world, "[budget]", "[keep]\nplan = \"small-0123456789ab\"\n[budget]");
    replan(&world, &store, &first, &[]).expect(2).says(&["keep", "leave it out"]);
    assert_eq!(world.on(&store, &["plans"]).expect(0).out.lines().count(), 3);
    // Nothing was written either.
    assert!(!world.path("second.json").exists());
}
