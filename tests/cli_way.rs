//! The whole way with the real binary: generate, import, plan, show, lines, regenerate, verify;
//! on a store and through a server.

mod cli_support;

use cli_support::{Server, World, at, plan_name, run};

const SEED: &str = "六个骰子 3 1 4 1 5 9";

#[test]
fn a_store_and_a_server_give_the_same_bytes() {
    let world = World::province(3_000);
    let store = world.store();
    let imported = world.import(&store, &[]).expect(0).out;
    assert!(imported.starts_with("revision  1\n"), "{imported}");
    assert!(imported.contains("enterprises"), "{imported}");

    let own = world.text("own.json");
    let drawn = world.plan(&store, SEED, &["--out", &own]).expect(0);
    let plan = plan_name(&drawn);
    assert!(plan.starts_with("small-"), "{plan}");
    assert!(drawn.out.contains("every one holds in every draw"), "{}", drawn.out);
    // Progress is not data.
    assert!(drawn.err.contains("rounding"), "{}", drawn.err);
    let again = world.plan(&store, SEED, &["--threads", "1"]).expect(0);
    assert!(again.out.contains("on record since"), "{}", again.out);

    let plans = world.on(&store, &["plans"]).expect(0).out;
    assert!(plans.contains(&plan) && plans.contains("小计划"), "{plans}");
    let shown = world.on(&store, &["show", &plan]).expect(0).out;
    for text in ["## Budgets", "key products", "青岛市", "## Excluded", "| unknown |"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let full = world.on(&store, &["show", &plan, "--full"]).expect(0).out;
    assert!(full.len() > shown.len() && full.contains("370102"), "{full}");
    let json = world.on(&store, &["show", &plan, "--format", "json"]).expect(0).out;
    assert_eq!(json.as_bytes(), world.read("own.json"));
    let lines = world.on(&store, &["lines", &plan, "--format", "csv"]).expect(0).out;
    let drawn_lines = lines.lines().skip(1).filter(|line| is_drawn(line)).count();
    assert_eq!(drawn_lines, 60 + 160 + 302);
    world.on(&store, &["regenerate", &plan]).expect(0);
    let verified = run(&["verify", &own]).expect(0).out;
    assert!(verified.contains("everything holds"), "{verified}");

    // Another store, filled and read through a server, from the same files.
    let other = ["--store".to_owned(), world.text("other")];
    let server = Server::start(other[1].as_ref());
    let remote = at(&server);
    assert_eq!(world.import(&remote, &[]).expect(0).out, imported);
    let far = world.text("far.json");
    let drawn_far = world.plan(&remote, SEED, &["--out", &far]).expect(0);
    assert_eq!(drawn_far.out.replace("far.json", "own.json"), drawn.out);
    assert_eq!(world.read("far.json"), world.read("own.json"));
    for args in [
        &["show", &plan][..],
        &["show", &plan, "--format", "json"],
        &["lines", &plan, "--format", "csv"],
        &["lines", &plan, "--format", "json"],
        &["lines", &plan, "--level", "city", "--format", "csv"],
        &["lines", &plan, "--authority", "3702", "--format", "csv"],
        &["regenerate", &plan],
    ] {
        let (near, far) = (world.on(&store, args).expect(0), world.on(&remote, args).expect(0));
        assert_eq!(near.out, far.out, "{args:?}");
        assert!(near.out.lines().count() > 0);
    }

    // While the server runs, the store says who has it.
    let locked = world.on(&other, &["plans"]).expect(1).says(&["in use", "--server"]);
    drop(locked);
    #[cfg(unix)]
    assert_eq!(server.stop("TERM").code(), Some(0));
    let kept = world.on(&other, &["plans"]).expect(0).out;
    assert!(kept.contains(&plan), "{kept}");
}

fn is_drawn(line: &str) -> bool {
    line.split(',').nth(13) == Some("0")
}

#[test]
fn lines_are_filtered_and_json_is_one_array() {
    let world = World::village();
    let store = world.store();
    world.import(&store, &["--id-scheme", "opaque"]).expect(0);
    let plan = plan_name(&world.plan(&store, SEED, &[]).expect(0));
    let json = world.on(&store, &["lines", &plan, "--format", "json"]).expect(0).out;
    let lines: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["level"] == "province"));
    let none = world.on(&store, &["lines", &plan, "--level", "city", "--format", "json"]);
    assert_eq!(none.expect(0).out, "[\n]\n");
    let header = world.on(&store, &["lines", &plan, "--authority", "3701", "--format", "csv"]);
    assert!(header.expect(0).out.starts_with("line,level,authority,enterprise_id,"));
    world.on(&store, &["lines", &plan, "--level", "town", "--format", "csv"]).expect(2);
    // With the collection's name before it, as the service names plans.
    world.on(&store, &["regenerate", &format!("plans/{plan}")]).expect(0);
}

#[test]
fn revisions_build_on_each_other() {
    let world = World::village();
    let store = world.store();
    let import = |more: &[&str]| {
        let mut all = vec!["--id-scheme", "opaque"];
        all.extend(more);
        world.import(&store, &all)
    };
    assert!(import(&["--base", "0"]).expect(0).out.starts_with("revision  1\n"));
    assert!(import(&[]).expect(0).out.contains("as before"));
    import(&["--base", "7"]).expect(2).says(&["revision 1", "revision 7"]);
    // An upsert of one table leaves the others.
    for name in ["divisions", "products", "supply", "tiers"] {
        std::fs::remove_file(world.path(&format!("csv/{name}.csv"))).unwrap();
    }
    world.write(
        "csv/enterprises.csv",
        "enterprise_id,name,status,division,area,_delete\ne5,E5,active,370102,urban,\n",
    );
    let second = import(&["--mode", "upsert", "--base", "1"]).expect(0).out;
    assert!(second.starts_with("revision  2\n"), "{second}");
    let words: Vec<&str> = second.split_whitespace().collect();
    let count = |table| words[words.iter().position(|word| *word == table).unwrap() + 1];
    assert_eq!((count("enterprises"), count("supply")), ("5", "8"));
}

#[test]
fn another_seed_supersedes_and_says_why() {
    let world = World::village();
    let store = world.store();
    world.import(&store, &["--id-scheme", "opaque"]).expect(0);
    let first = plan_name(&world.plan(&store, "one", &[]).expect(0));
    let before = world.on(&store, &["plans"]).expect(0).out;
    world.plan(&store, "two", &[]).expect(2);
    world.plan(&store, "two", &["--supersedes", &first]).expect(2);
    world.plan(&store, "two", &["--supersedes", "village-000000000000", "--reason", "r"]).expect(2);
    assert_eq!(world.on(&store, &["plans"]).expect(0).out, before);
    let more = ["--supersedes", first.as_str(), "--reason", "a die fell off the table"];
    let second = world.plan(&store, "two", &more).expect(0);
    assert!(second.out.contains(&format!("supersedes    {first}")), "{}", second.out);
    let after = world.on(&store, &["plans"]).expect(0).out;
    assert!(after.contains(&format!("superseded by {}", plan_name(&second))), "{after}");
}

#[test]
fn the_demo_shows_everything_and_keeps_it() {
    let world = World::empty();
    let dir = world.text("demo");
    let shown = run(&["demo", "--units", "20000", "--keep", &dir]).expect(0).out;
    for text in
        ["# Frame", "## Budgets", "## Quotas", "guaranteed", "every byte is the same", "# Times"]
    {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    run(&["verify", &world.text("demo/plan.json")]).expect(0);
    let store = ["--store".to_owned(), world.text("demo/store")];
    assert!(world.on(&store, &["plans"]).expect(0).out.contains("annual-small"));
    // What is there is not written over.
    run(&["demo", "--keep", &dir]).expect(2).says(&["is not empty"]);
}
