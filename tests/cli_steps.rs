//! Plans step by step with the real binary, on a store and through a server; the log and its
//! proofs checked offline.

mod cli_support;

use cli_support::{Done, Server, World, at, plan_name, run};

const DICE: &str = "12345612345612345612345612345612345612345612345612";

fn steps(world: &World, target: &[String; 2], share: &str, out: &str) -> [Done; 4] {
    let policy = world.text("policy.toml");
    let on = |args: &[&str]| world.on(target, args);
    let frozen = on(&["freeze", "--policy", &policy, "--share-file", share]).expect(0);
    let seeded = on(&["seed", "small-f1", "--value", DICE, "--share-file", share]).expect(0);
    let drawn = on(&["draw", "small-f1", "--out", out]).expect(0);
    let plan = plan_name(&drawn);
    let issued = on(&["issue", &plan]).expect(0);
    [frozen, seeded, drawn, issued]
}

#[test]
fn a_ceremony_on_a_store_and_through_a_server() {
    let world = World::province(3_000);
    let share = world.text("share");
    let store = world.store();
    world.import(&store, &[]).expect(0);
    let own = world.text("own.json");
    let [frozen, seeded, drawn, issued] = steps(&world, &store, &share, &own);
    assert!(frozen.out.contains("state      frozen"), "{}", frozen.out);
    assert!(seeded.out.contains("state      seeded"), "{}", seeded.out);
    assert!(!drawn.out.contains("unprotected"), "{}", drawn.out);
    run(&["verify", &own]).expect(0);
    let plan = plan_name(&drawn);
    world.on(&store, &["regenerate", &plan]).expect(0);

    // The same share and dice give the same bytes through a server.
    let other = ["--store".to_owned(), world.text("other")];
    let server = Server::start(other[1].as_ref());
    let remote = at(&server);
    world.import(&remote, &[]).expect(0);
    let far = world.text("far.json");
    let [frozen_far, seeded_far, drawn_far, issued_far] = steps(&world, &remote, &share, &far);
    assert_eq!((frozen_far.out, seeded_far.out), (frozen.out, seeded.out));
    assert_eq!(drawn_far.out.replace("far.json", "own.json"), drawn.out);
    assert_eq!(world.read("far.json"), world.read("own.json"));
    let text = |note: &str| note.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(text(&issued_far.out), text(&issued.out));
    assert_ne!(issued_far.out, issued.out, "every store has a key of its own");

    for (target, note, file) in [(&store, &issued.out, &own), (&remote, &issued_far.out, &far)] {
        offline(&world, target, note, file);
    }
    let listed = world.on(&remote, &["freezes"]).expect(0).out;
    assert!(listed.contains("small-f1") && listed.contains("void"), "{listed}");
    assert_eq!(world.on(&store, &["freezes"]).expect(0).out, listed);
}

/// Runs a command with the place at its end.
fn last(target: &[String; 2], args: &[&str]) -> Done {
    run(&[args, &[&target[0], &target[1]]].concat())
}

/// What an auditor does with files alone.
fn offline(world: &World, target: &[String; 2], note: &str, plan: &str) {
    let on = |args: &[&str]| last(target, args).expect(0).out;
    let file = |name: &str, text: &str| {
        world.write(name, text);
        world.text(name)
    };
    let key = file("key", &on(&["log", "key"]));
    let head = file("head", &on(&["log", "checkpoint"]));
    let note = file("note", note);
    let check = |args: &[&str]| run(&[&["log", "check"], args, &["--key", &key]].concat());
    assert!(check(&[&head]).expect(0).out.contains("5 entries"));
    assert!(check(&[&note, "--plan", plan]).expect(0).out.contains("is in force"));

    let entries = on(&["log", "entries"]);
    let kinds = ["open", "freeze", "seed", "draw", "issue"];
    assert_eq!(entries.lines().count(), kinds.len());
    for (line, kind) in entries.lines().zip(kinds) {
        assert!(line.contains(&format!("\"kind\":\"{kind}\"")), "{line}");
    }
    let proof = on(&["log", "prove", "3"]);
    let good = file("proof.json", &proof);
    assert!(check(&[&good]).expect(0).out.contains("\"kind\":\"draw\""));
    let edited =
        file("edited.json", &proof.replacen("\\\"plan\\\":\\\"small", "\\\"plan\\\":\\\"smell", 1));
    check(&[&edited]).expect(4);

    // Plan file and log in one file, checked by key and head; and redraws.
    let name = &plan[plan.len() - 8..];
    let bundle = world.text(&format!("{name}.zip"));
    let id = on(&["plans"]).lines().nth(2).unwrap().split('|').nth(1).unwrap().trim().to_owned();
    on(&["bundle", &id, "--out", &bundle]);
    let tested = on(&["selftest", &id, "--draws", "40"]);
    assert!(tested.contains("| 0 violations"), "{tested}");
    let lines = on(&["lines", &id, "--format", "csv"]);
    let first: Vec<&str> = lines.lines().nth(1).unwrap().split(',').collect();
    let asked = ["explain", &id, "--enterprise", first[3], "--product", first[4]];
    let why = on(&asked);
    assert!(why.contains(": drawn") && why.contains(first[12]), "{why}");
    let why = on(&[&asked[..], &["--format", "json"]].concat());
    assert!(why.contains("\"standing\":\"drawn\""), "{why}");
    // The proof of it is checked offline, and what is edited in it is seen.
    let proof = file("why.json", &why);
    assert!(run(&["verify", &proof]).expect(0).out.contains("in the frame, eligible"));
    let edited = why.replace(first[3], &format!("{}0", first[3]));
    let edited = file("edited-why.json", &edited);
    run(&["verify", &edited]).expect(4).says(&["its proof does not hold"]);
    last(target, &["explain", &id, "--enterprise", "nobody"]).expect(2);
    let county = first[6];
    let absent = ["explain", &id, "--enterprise", "nobody", "--county", county];
    assert!(on(&absent).contains("not in the frame's county"));
    let absent = file("absent.json", &on(&[&absent[..], &["--format", "json"]].concat()));
    assert!(run(&["verify", &absent]).expect(0).out.contains("not in the frame's county"));
    let json = on(&["selftest", &id, "--draws", "40", "--format", "json"]);
    assert!(json.starts_with("{\"draws\":40,") && json.contains("\"passes\":true"), "{json}");
    let held = run(&["verify", &bundle, "--key", &key, "--earlier", &head]).expect(0).out;
    assert!(held.contains("| protocol") && held.contains("everything holds"), "{held}");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let altered = file("altered.zip", "");
    std::fs::write(&altered, bytes).unwrap();
    run(&["verify", &altered, "--key", &key]).expect(4);
    run(&["verify", plan, "--key", &key]).expect(2);

    // The log grows; the earlier head is its beginning, and no other is.
    on(&["void", "small-f1", "--reason", "the registry was wrong"]);
    let growth = on(&["log", "consistency", "5"]);
    let growth = file("growth.json", &growth);
    check(&[&growth, "--earlier", &head]).expect(0);
    let other_head = file("later-head", &on(&["log", "checkpoint"]));
    check(&[&growth, "--earlier", &other_head]).expect(4);
    let wrong_key =
        "spotcheck.local/29656db9+480a921e+AXidJBLLbf/u+yuNjx/WKegIHeCfzqLHkKXLxeIdwFyr";
    run(&["log", "check", &head, "--key", wrong_key]).expect(4);
    run(&["log", "check", &head, "--key", "no key"]).expect(2);
}

#[test]
fn steps_out_of_turn_are_refused_in_words() {
    let world = World::province(3_000);
    let store = world.store();
    world.import(&store, &[]).expect(0);
    let (policy, share) = (world.text("policy.toml"), world.text("share"));
    let on = |args: &[&str]| world.on(&store, args);
    last(&store, &["log", "checkpoint"]).expect(2).says(&["the log has no entry yet"]);
    on(&["seed", "small-f1", "--value", DICE]).expect(2).says(&["there is no frozen record"]);
    on(&["freeze", "--policy", &policy]).expect(2);
    on(&["freeze", "--policy", &policy, "--share-file", &share]).expect(0);
    on(&["draw", "small-f1"]).expect(2);
    on(&["freeze", "--policy", &policy, "--share-file", &share]).expect(2);
    on(&["seed", "small-f1", "--value", "123", "--share-file", &share])
        .expect(2)
        .says(&["the ceremony has 3 dice; 50 to 4096 are needed"]);
    on(&["seed", "small-f1", "--value", &DICE.replace('6', "7"), "--share-file", &share])
        .expect(2)
        .says(&["character 6 of the ceremony is no die"]);
    world.write("other-share", format!("{}\n", "00".repeat(32)));
    on(&["seed", "small-f1", "--value", DICE, "--share-file", &world.text("other-share")])
        .expect(2)
        .says(&["does not open what `small-f1` committed to"]);
    on(&["seed", "small-f1", "--value", DICE, "--share-file", &world.text("none")]).expect(2);
    on(&["void", "small-f1", "--reason", " "]).expect(2).says(&["the reason must be"]);
    on(&["void", "small-f1", "--reason", "never mind"]).expect(0);
    on(&["seed", "small-f1", "--value", DICE, "--share-file", &share]).expect(2);
    // A text, after the record that was given up: it counts as the second draw, unprotected.
    let plan = ["--supersedes", "small-f1", "--reason", "the first was void"];
    world.plan(&store, "1", &[]).expect(2);
    let drawn = world.plan(&store, "1", &plan).expect(0).out;
    assert!(drawn.contains("unprotected") && drawn.contains("no. 2 of this programme"), "{drawn}");
}

#[test]
fn a_new_key_is_vouched_for_by_the_old_one() {
    let world = World::province(3_000);
    let store = world.store();
    world.import(&store, &[]).expect(0);
    let plan = plan_name(&world.plan(&store, "3 1 4", &[]).expect(0));
    world.on(&store, &["issue", &plan]).expect(0);
    let log = |what: &str| last(&store, &["log", what]).expect(0).out;
    let (old, head) = (log("key"), log("checkpoint"));
    let new = run(&["log", "new-key", &store[0], &store[1]]).expect(0).out;
    assert_ne!(new, old);
    assert_eq!(log("key"), new);
    assert!(log("entries").lines().last().unwrap().contains("\"kind\":\"key_change\""));
    // The plan was signed by the old key, bundle and head are by the new one, and both are in the log.
    let bundle = world.text("plan.zip");
    world.on(&store, &["bundle", &plan, "--out", &bundle]).expect(0);
    world.write("head", head);
    world.write("old", &old);
    world.write("new", &new);
    let (head, old, new) = (world.text("head"), world.text("old"), world.text("new"));
    run(&["verify", &bundle, "--key", &new, "--earlier", &head]).expect(0);
    run(&["verify", &bundle, "--key", &old]).expect(4);
    run(&["log", "new-key", "--store", &world.text("none")]).expect(2).says(&["there is no store"]);
}
