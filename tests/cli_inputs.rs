//! Wrong input: refused with its place, its value and its exit code, and nothing has changed.

mod cli_support;

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use cli_support::{Server, World, at, run};

const OPAQUE: [&str; 2] = ["--id-scheme", "opaque"];

/// Imports the files as they are now into a store that holds the good ones, and through a server;
/// checks code 2, what it says, and that the good ones are still what is there.
#[track_caller]
fn refused(world: &World, spoil: impl FnOnce(&World), texts: &[&str]) {
    let store = world.store();
    let good = world.import(&store, &OPAQUE).expect(0).out;
    let tables = ["divisions", "products", "enterprises", "supply", "tiers"];
    let kept = tables.map(|table| world.read(&format!("csv/{table}.csv")));
    spoil(world);
    let near = world.import(&store, &OPAQUE).expect(2).says(texts);
    let server = Server::start(&world.path("store"));
    let far = world.import(&at(&server), &OPAQUE).expect(2).says(texts);
    drop(server);
    let told = |text: &str| text.split_once("spotcheck: ").map(|(_, told)| told.to_owned());
    assert_eq!(told(&near.err), told(&far.err));
    for (table, bytes) in tables.iter().zip(kept) {
        world.write(&format!("csv/{table}.csv"), bytes);
    }
    let after = world.import(&store, &OPAQUE).expect(0).out;
    assert_eq!(after.replace("  (as before: it holds exactly these rows)", ""), good);
    assert!(after.contains("as before"), "{after}");
}

#[test]
fn wrong_check_characters() {
    let world = World::village();
    world.write(
        "csv/enterprises.csv",
        "enterprise_id,name,status,division,area\n91370102000000120E,A,active,370102,urban\n\
         91370102000000120F,B,active,370102,urban\n",
    );
    world.write("csv/supply.csv", "enterprise_id,product_id,channel\n");
    world.write("csv/tiers.csv", "enterprise_id,product_id,tier,valid_from\n");
    let texts = ["enterprises.csv", "enterprise_id", "91370102000000120F", "|   3 |"];
    world.import(&world.store(), &[]).expect(2).says(&texts);
    world.on(&world.store(), &["plans"]).expect(0);
}

#[test]
fn unknown_references() {
    refused(
        &World::village(),
        |world| {
            world.add("supply", "e9,p,production");
            world.add("supply", "e1,r,production");
            world.add("enterprises", "e5,E5,active,370199,urban,0");
            world.add("tiers", "e8,,A,");
        },
        &["supply.csv", "e9", "| r ", "370199", "tiers.csv", "e8", "4 problems"],
    );
}

#[test]
fn ids_twice() {
    refused(
        &World::village(),
        |world| {
            world.add("enterprises", "e1,E1,active,370102,urban,0");
            world.add("products", "p,P,true,g,1");
        },
        &["enterprises.csv", "e1", "products.csv", "2 problems"],
    );
}

#[test]
fn numbers_that_are_none() {
    refused(
        &World::village(),
        |world| {
            world.add("enterprises", "e5,E5,active,370102,urban,NaN");
            world.add("enterprises", "e6,E6,active,370102,urban,-1");
            world.add("products", "r,R,false,,1e9");
        },
        &["accidents", "NaN", "-1", "test_quantity", "1e9", "3 problems"],
    );
}

#[test]
fn empty_files_and_foreign_headers() {
    refused(
        &World::village(),
        |world| world.write("csv/products.csv", ""),
        &["products.csv: has no header row", "product_id"],
    );
    refused(
        &World::village(),
        |world| world.write("csv/supply.csv", "enterprise_id,product_id,channel\n"),
        &["supply"],
    );
    refused(
        &World::village(),
        |world| world.write("csv/tiers.csv", "enterprise_id,tier,colour\n"),
        &["tiers.csv: row 1: column `colour`"],
    );
}

#[test]
fn bytes_that_are_no_text() {
    refused(
        &World::village(),
        |world| {
            let mut bytes = world.read("csv/enterprises.csv");
            bytes.extend_from_slice(b"e5,\xff\xfe,active,370102,urban,0\n");
            world.write("csv/enterprises.csv", bytes);
        },
        &["enterprises.csv", "name", "UTF-8", "|   6 |"],
    );
}

#[test]
fn a_line_of_100_megabytes_is_refused_at_once() {
    let world = World::village();
    let spoil = |world: &World| {
        let mut file = File::create(world.path("csv/enterprises.csv")).unwrap();
        file.write_all(b"enterprise_id,name,status,division,area\n").unwrap();
        let block = vec![b'x'; 1 << 20];
        (0..100).for_each(|_| file.write_all(&block).unwrap());
    };
    let start = Instant::now();
    refused(&world, spoil, &["enterprises.csv: row 2", "65536 bytes"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());

    // With the memory of a small process: the line alone would take more.
    #[cfg(target_os = "linux")]
    {
        use std::process::Command;
        let world = World::village();
        spoil(&world);
        let output = Command::new("sh")
            .args(["-c", "ulimit -d 80000; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_spotcheck"))
            .args(["import", "--threads", "1", "--store", &world.text("store")])
            .args(["--dir", &world.text("csv")])
            .args(OPAQUE)
            .env("MALLOC_ARENA_MAX", "1")
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("65536 bytes"), "{err}");
    }
}

#[test]
fn places_that_are_none() {
    let world = World::village();
    // Reading makes no store.
    world.on(&world.store(), &["plans"]).expect(2).says(&["no store"]);
    assert!(!world.path("store").exists());
    run(&["import", "--store", &world.text("store"), "--dir", &world.text("nowhere")]).expect(2);
    let empty = World::empty();
    empty.import(&empty.store(), &[]).expect(2).says(&["has none of divisions.csv"]);
    // A directory with other things in it is not made into a store.
    let csv = ["--store".to_owned(), world.text("csv")];
    world.import(&csv, &OPAQUE).expect(2).says(&["no store"]);
    // Nobody is there, and what is no address.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let server = |url: String| ["--server".to_owned(), url];
    world.on(&server(format!("http://{address}")), &["plans"]).expect(1).says(&["--server"]);
    world.on(&server("http://".into()), &["plans"]).expect(2);
    world.on(&server("ftp://x:1".into()), &["plans"]).expect(2);
    run(&["plans"]).expect(2);
    run(&["frobnicate"]).expect(2);
    run(&["generate", "--units", "0", "--seed", "1", "--out", &world.text("g")]).expect(2);
    run(&["--help"]).expect(0);
}

/// Plans with a spoilt policy on a store and through a server: the code, what it says, and that
/// no plan is there afterwards.
#[track_caller]
fn no_plan(code: i32, spoil: impl Fn(&str) -> String, texts: &[&str]) {
    let world = World::village();
    let store = world.store();
    world.import(&store, &OPAQUE).expect(0);
    let policy = String::from_utf8(world.read("policy.toml")).unwrap();
    let spoilt = spoil(&policy);
    assert_ne!(spoilt, policy);
    world.write("policy.toml", spoilt);
    let out = world.text("plan.json");
    world.plan(&store, "seed", &["--out", &out]).expect(code).says(texts);
    let server = Server::start(&world.path("store"));
    world.plan(&at(&server), "seed", &["--out", &out]).expect(code).says(texts);
    drop(server);
    assert!(!world.path("plan.json").exists());
    assert_eq!(world.on(&store, &["plans"]).expect(0).out.lines().count(), 2);
}

#[test]
fn policies_that_are_wrong() {
    let in_place = |from: &'static str, to: &'static str| move |p: &str| p.replace(from, to);
    no_plan(2, in_place("total = 4", "total = -4"), &["policy.toml is no policy", "line 7", "-4"]);
    no_plan(2, in_place("\"25%\"", "nan"), &["line 11", "nan"]);
    no_plan(2, in_place("\"25%\"", "\"-5%\""), &["line 11", "-5%"]);
    no_plan(2, in_place("B = 2", "B = -2"), &["-2"]);
    no_plan(2, in_place("B = 2", "B = 2.5"), &["2.5"]);
    no_plan(2, in_place("min ", "most"), &["line 11", "most"]);
    no_plan(2, in_place("[budget]", "[budget"), &["line 6"]);
    no_plan(2, in_place("key = true", "product = \"zz\""), &["zz"]);
}

#[test]
fn a_tier_that_the_policy_does_not_name() {
    no_plan(2, |policy| policy.replace("B = 2, ", ""), &["tier `B`", "weights.tier"]);
}

#[test]
fn more_batches_than_units() {
    no_plan(3, |policy| policy.replace("total = 4", "total = 9"), &["INFEASIBLE", "9"]);
}

#[test]
fn quotas_that_clash() {
    let other = "[[quota]]\nname = \"rest\"\nwhere = { key = false }\nmin = 1\n[weights]";
    let clash = |policy: &str| policy.replace("\"25%\"", "4").replace("[weights]", other);
    no_plan(3, clash, &["INFEASIBLE", "key", "rest"]);
}

#[test]
fn seeds_that_are_refused() {
    let world = World::village();
    world.import(&world.store(), &OPAQUE).expect(0);
    for seed in ["", " x", "x ", "a\tb"] {
        world.plan(&world.store(), seed, &[]).expect(2);
    }
    world.write("policy.toml", b"id = \"\xff\"");
    world.plan(&world.store(), "seed", &[]).expect(2).says(&["policy.toml", "utf-8"]);
    world.write("policy.toml", vec![b'#'; (1 << 20) + 1]);
    world.plan(&world.store(), "seed", &[]).expect(2).says(&["more than 1048576 bytes"]);
    assert_eq!(world.on(&world.store(), &["plans"]).expect(0).out.lines().count(), 2);
}

#[test]
fn a_plan_that_is_not_there() {
    let world = World::village();
    world.import(&world.store(), &OPAQUE).expect(0);
    let server = Server::start(&world.path("store"));
    let far = at(&server);
    for args in [
        &["show", "village-000000000000"][..],
        &["lines", "village-000000000000", "--format", "csv"],
        &["regenerate", "village-000000000000"],
    ] {
        world.on(&far, args).expect(2).says(&["village-000000000000"]);
    }
    drop(server);
    world.on(&world.store(), &["show", "village-000000000000"]).expect(2);
}
