//! Plan files that were cut, changed or are none, and servers that are told to stop.

mod cli_support;

use cli_support::{Server, World, at, plan_name, run};

fn planned() -> World {
    let world = World::village();
    world.import(&world.store(), &["--id-scheme", "opaque"]).expect(0);
    let out = world.text("plan.json");
    world.plan(&world.store(), "seed", &["--out", &out]).expect(0);
    world
}

#[test]
fn a_plan_file_that_was_touched_does_not_hold() {
    let world = planned();
    let plan = world.read("plan.json");
    let file = world.text("changed.json");
    let verify = |bytes: &[u8]| {
        world.write("changed.json", bytes);
        run(&["verify", &file])
    };
    verify(&plan).expect(0);
    for length in [0, 1, plan.len() / 2, plan.len() - 2, plan.len() - 1] {
        verify(&plan[..length]).expect(4);
    }
    verify(&[&plan[..], b" "].concat()).expect(4);
    verify(b"\xff\xfe").expect(4);
    verify(b"{}\n").expect(4);
    let text = String::from_utf8(plan).unwrap();
    for (from, to) in [
        ("\"seed\",\"digest\"", "\"sees\",\"digest\""),
        ("\"batches\":4", "\"batches\":5"),
        ("\"level\":\"province\"", "\"level\":\"city\""),
        ("\"enterprise_id\":\"e1\"", "\"enterprise_id\":\"e9\""),
        ("\"probability\":\"8", "\"probability\":\"9"),
        ("\"holds\":true", "\"holds\":false"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert!(changed != text, "{from} is not in the file");
        let done = verify(changed.as_bytes()).expect(4);
        assert!(done.err.contains("does not hold"), "{from}: {}", done.err);
    }
}

#[test]
fn a_file_that_is_not_there_is_another_matter() {
    let world = planned();
    run(&["verify", &world.text("nowhere.json")]).expect(2);
    run(&["verify", &world.text("csv")]).expect(4);
}

#[test]
fn an_old_file_stays_whole_where_the_new_one_cannot_be_written() {
    let world = planned();
    let before = world.read("plan.json");
    let nowhere = world.text("nowhere/plan.json");
    world.plan(&world.store(), "seed", &["--out", &nowhere]).expect(2);
    world.plan(&world.store(), "seed", &["--out", &world.text("csv")]).expect(2);
    // Over the old one, whole.
    world.plan(&world.store(), "seed", &["--out", &world.text("plan.json")]).expect(0);
    assert_eq!(world.read("plan.json"), before);
    let left = std::fs::read_dir(world.path("")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{names:?}");
}

#[cfg(unix)]
#[test]
fn a_server_stops_on_either_signal_and_keeps_what_it_acknowledged() {
    let world = World::village();
    let mut plans = Vec::new();
    for (signal, seed) in [("TERM", "one"), ("INT", "one"), ("KILL", "one")] {
        let server = Server::start(&world.path("store"));
        world.import(&at(&server), &["--id-scheme", "opaque"]).expect(0);
        plans.push(plan_name(&world.plan(&at(&server), seed, &[]).expect(0)));
        let code = server.stop(signal).code();
        assert_eq!(code, if signal == "KILL" { None } else { Some(0) }, "{signal}");
        let kept = world.on(&world.store(), &["plans"]).expect(0).out;
        assert!(kept.contains(&plans[0]), "{kept}");
    }
    plans.dedup();
    assert_eq!(plans.len(), 1);
}

#[test]
fn two_servers_do_not_share_a_store_or_a_port() {
    let world = planned();
    let server = Server::start(&world.path("store"));
    run(&["serve", "--listen", "127.0.0.1:0", "--store", &world.text("store")])
        .expect(1)
        .says(&["in use"]);
    let address = server.url.trim_start_matches("http://").to_owned();
    run(&["serve", "--listen", &address, "--store", &world.text("other")]).expect(1);
    world.on(&world.store(), &["plans"]).expect(1).says(&["in use", "--server"]);
}
