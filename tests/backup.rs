//! Copies of a store, of a stopped one and of one that serves; what is put back goes on as if nothing had
//! happened, and what is not whole is named.

mod cli_support;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use cli_support::{Done, Server, World, at, plan_name, quiet, run};
use spotcheck::store::{PlanStore, SledStore};

/// A store with an issued plan.
fn issued() -> (World, String) {
    let world = World::province(3_000);
    let store = world.store();
    world.import(&store, &[]).expect(0);
    let plan = plan_name(&world.plan(&store, "3 1 4 1 5", &[]).expect(0));
    world.on(&store, &["issue", &plan]).expect(0);
    (world, plan)
}

/// Notes that a line fell out.
fn replace(world: &World, place: &[String; 2], plan: &str, line: u32) {
    let line = line.to_string();
    let args = ["replace", plan, &line, "--reason", "closed", "--evidence", "x"];
    world.on(place, &args).expect(0);
}

fn backup(place: &[String; 2], out: &str) -> Done {
    run(&["store", "backup", &place[0], &place[1], "--out", out])
}

fn check(dir: &str) -> Done {
    run(&["store", "check", "--store", dir])
}

#[test]
fn what_is_put_back_goes_on_as_if_nothing_had_happened() {
    let (world, plan) = issued();
    let store = world.store();
    let (copy, back) = (world.text("copy"), world.text("back"));
    backup(&store, &copy).expect(0);
    let whole = check(&copy).expect(0).out;
    assert_eq!(whole.replace(&copy, ""), check(&store[1]).expect(0).out.replace(&store[1], ""));
    assert!(whole.contains("everything is whole"), "{whole}");
    // A copy is not made over something.
    backup(&store, &copy).expect(2).says(&["holds a store already"]);
    backup(&store, &world.text("csv")).expect(2);
    backup(&["--store".into(), world.text("none")], &back).expect(2);
    run(&["store", "restore", "--from", &copy, "--store", &back]).expect(0);
    let restored = ["--store".to_owned(), back.clone()];
    world.on(&restored, &["regenerate", &plan]).expect(0);
    for place in [&store, &restored] {
        replace(&world, place, &plan, 3);
    }
    // The log goes on under the same key, and the head from before is its beginning.
    let log =
        |place: &[String; 2], what: &str| run(&["log", what, &place[0], &place[1]]).expect(0).out;
    assert_eq!(log(&store, "key"), log(&restored, "key"));
    world.write("head", log(&["--store".into(), copy], "checkpoint"));
    world.write("key", log(&restored, "key"));
    let zip = world.text("plan.zip");
    world.on(&restored, &["bundle", &plan, "--out", &zip]).expect(0);
    let (head, key) = (world.text("head"), world.text("key"));
    run(&["verify", &zip, "--key", &key, "--earlier", &head]).expect(0);
}

#[test]
fn a_store_that_serves_is_copied_as_it_is_at_one_moment() {
    let (world, plan) = issued();
    let store = world.store();
    let server = Server::start(store[1].as_ref());
    let far = at(&server);
    // Somebody works on while it is copied again and again.
    let work = std::thread::scope(|scope| {
        let busy = scope.spawn(|| (1..40).for_each(|line| replace(&world, &far, &plan, line)));
        let mut copies = 0;
        while !busy.is_finished() || copies < 2 {
            let copy = world.text(&format!("copy-{copies}"));
            backup(&far, &copy).expect(0);
            let whole = check(&copy).expect(0).out;
            assert!(whole.contains("everything is whole"), "{whole}");
            copies += 1;
        }
        busy.join().unwrap();
        copies
    });
    println!("{work} copies while a plan was worked on");
    let last = ["--store".to_owned(), world.text(&format!("copy-{}", work - 1))];
    let shown = world.on(&last, &["replacements", &plan]).expect(0).out;
    assert!(shown.contains("drawn lines fell out"), "{shown}");
}

/// A server reads all of its store while others work, and names what is not whole.
#[test]
fn a_store_that_serves_is_checked() {
    let (world, plan) = issued();
    let store = world.store();
    let server = Server::start(store[1].as_ref());
    let far = at(&server);
    let check = || run(&["store", "check", &far[0], &far[1]]);
    thread::scope(|scope| {
        let busy = scope.spawn(|| (1..20).for_each(|line| replace(&world, &far, &plan, line)));
        while !busy.is_finished() {
            let whole = check().expect(0).out;
            assert!(whole.contains(&format!("{}: everything is whole", far[1])), "{whole}");
        }
        busy.join().unwrap();
    });
    let whole = check().expect(0).out;
    for path in files(world.path("store/segments")) {
        let sound = fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        bytes[sound.len() / 3] ^= 4;
        fs::write(&path, &bytes).unwrap();
        check().expect(4).says(&[path.file_name().unwrap().to_str().unwrap()]);
        fs::write(&path, &sound).unwrap();
    }
    assert_eq!(check().expect(0).out, whole);
}

/// Puts segments into a store that nothing names, as work leaves them that is killed.
fn litter(dir: &str, count: u32) -> Vec<PathBuf> {
    let store = SledStore::open(dir.as_ref()).unwrap();
    let before = files(PathBuf::from(dir).join("segments"));
    for number in 0..count {
        store.put_segment(format!("litter {number} ").repeat(100).as_bytes()).unwrap();
    }
    before
}

#[test]
fn what_nothing_names_is_removed_and_nothing_else() {
    let (world, plan) = issued();
    let store = world.store();
    let compact = || run(&["store", "compact", &store[0], &store[1]]);
    let none = compact().expect(0).out;
    assert!(none.ends_with("removed 0 segments, 0 bytes\n"), "{none}");
    let before = litter(&store[1], 30);
    let kept = check(&store[1]).expect(0).out;
    let removed = compact().expect(0).out;
    assert!(removed.ends_with("removed 30 segments, 29,000 bytes\n"), "{removed}");
    assert_eq!(files(world.path("store/segments")), before);
    assert_ne!(check(&store[1]).expect(0).out, kept);
    world.on(&store, &["regenerate", &plan]).expect(0);
    world.rename_an_enterprise("later");
    world.import(&store, &[]).expect(0);
    // A store that is not whole is left as it is, so that nothing is lost that was only not named.
    litter(&store[1], 3);
    let server = Server::start(store[1].as_ref());
    compact().expect(1).says(&["is in use by another process"]);
    drop(server);
    let lost = before.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::rename(lost, world.path("lost")).unwrap();
    let all = files(world.path("store/segments"));
    compact().expect(4);
    assert_eq!(files(world.path("store/segments")), all);
    fs::rename(world.path("lost"), lost).unwrap();
    compact().expect(0);
}

#[test]
fn a_compaction_that_is_killed_loses_nothing() {
    let (world, plan) = issued();
    let store = world.store();
    let (mut before, mut midway) = (Vec::new(), 0);
    for round in 0..20 {
        let left = litter(&store[1], 300);
        if round == 0 {
            before = left;
        }
        let mut child = quiet(&["store", "compact", &store[0], &store[1]]).spawn().unwrap();
        thread::sleep(Duration::from_millis(20 + round * 9));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = files(world.path("store/segments"));
        midway += u32::from(now.len() > before.len() && now.len() < before.len() + 300);
        assert!(before.iter().all(|path| now.contains(path)));
        check(&store[1]).expect(0);
    }
    run(&["store", "compact", &store[0], &store[1]]).expect(0);
    assert_eq!(files(world.path("store/segments")), before);
    world.on(&store, &["regenerate", &plan]).expect(0);
    println!("20 kills, {midway} of them midway: 0 lost");
}

/// Files of a directory and below.
fn files(dir: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] });
    let mut below: Vec<PathBuf> = below.collect();
    below.sort();
    below
}

#[test]
fn what_is_not_whole_is_named() {
    let (world, _) = issued();
    let copy = world.text("copy");
    backup(&world.store(), &copy).expect(0);
    for path in files(world.path("copy/segments")) {
        let sound = fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        check(&copy).expect(4).says(&[&name]);
        let from = ["--store".to_owned(), copy.clone()];
        let out = world.text("of-a-damaged-one");
        assert_ne!(backup(&from, &out).code, 0);
        fs::remove_dir_all(world.path("of-a-damaged-one")).unwrap();
        fs::remove_file(&path).unwrap();
        assert_ne!(check(&copy).code, 0, "{name} is missing");
        fs::write(&path, &sound).unwrap();
    }
    check(&copy).expect(0);
    // Without its key the log cannot go on.
    fs::remove_file(world.path("copy/secrets/log-key")).unwrap();
    let lost = ["--store".to_owned(), copy.clone()];
    let plan = world.plan(&lost, "2", &["--supersedes", "small-f1", "--reason", "r"]);
    assert_ne!(plan.code, 0, "{plan:?}");
}
