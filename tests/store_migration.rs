//! A store of format 2, made by the program of that time: what refuses it, what reads it, and how it is
//! brought to today's format, whatever comes in between.

mod cli_support;
#[cfg(target_os = "linux")]
mod disk;

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use cli_support::{Server, quiet, run};

const PLANS: [(&str, &str); 3] = [
    ("village-2-55716d5af710", "void"),
    ("village-c44e7c8e7bba", "issued"),
    ("village-d6f6e34214cd", "drawn"),
];

/// The old store and the signed head of its log, in `home`.
fn unpack(home: &Path) {
    let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/store-2.zip")).unwrap();
    zip::ZipArchive::new(file).unwrap().extract(home).unwrap();
}

struct Old(tempfile::TempDir);

impl Old {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        unpack(home.path());
        Old(home)
    }

    fn text(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn stamp(&self) -> String {
        fs::read_to_string(self.0.path().join("store/VERSION")).unwrap()
    }
}

/// Checks that a store has today's format and everything that the old one had, and goes on.
fn is_all_there(old: &Path, dir: &str) {
    assert_eq!(fs::read_to_string(format!("{dir}/VERSION")).unwrap(), "spotcheck-store/3\n");
    let checked = run(&["store", "check", "--store", dir]).expect(0).out;
    for line in ["log entries                  15", "records                      35"] {
        assert!(checked.contains(line), "{checked}");
    }
    let shown = run(&["plans", "--store", dir]).expect(0).out;
    for (plan, state) in PLANS {
        let row = shown.lines().find(|line| line.contains(plan)).unwrap();
        assert!(row.contains(state), "{row}");
        run(&["regenerate", "--store", dir, plan]).expect(0);
    }
    let freezes = run(&["freezes", "--store", dir]).expect(0).out;
    assert!(freezes.contains("other-f1"), "{freezes}");
    // The signed head is the very same, byte for byte.
    let head = run(&["log", "checkpoint", "--store", dir]).expect(0).out;
    assert_eq!(head, fs::read_to_string(old.join("checkpoint.txt")).unwrap());
}

#[test]
fn an_older_store_is_refused_and_left_as_it_is() {
    let old = Old::new();
    let store = old.text("store");
    let says =
        ["has format 2, this program works with 3", "spotcheck store migrate --store", &store];
    for args in [
        &["plans", "--store", &store][..],
        &["regenerate", "--store", &store, PLANS[1].0],
        &["issue", "--store", &store, PLANS[2].0],
        &["log", "new-key", "--store", &store],
        &["store", "restore", "--from", &old.text("copy"), "--store", &store],
    ] {
        if args.contains(&"restore") {
            run(&["store", "backup", "--store", &store, "--out", &old.text("copy")]).expect(0);
        }
        run(args).expect(2).says(&says);
    }
    assert!(!old.0.path().join("store/VERSION.new").exists());
    run(&["serve", "--listen", "127.0.0.1:0", "--store", &store]).expect(2);
    assert_eq!(old.stamp(), "spotcheck-store/2\n");
    assert!(!old.0.path().join("store/SEAL").exists());
}

#[test]
fn it_is_brought_to_today_s_format_in_its_place() {
    let old = Old::new();
    let store = old.text("store");
    run(&["store", "check", "--store", &store]).expect(0);
    let said = run(&["store", "migrate", "--store", &store]).expect(0).out;
    assert!(said.ends_with("brought from spotcheck-store/2 to spotcheck-store/3\n"), "{said}");
    is_all_there(old.0.path(), &store);
    let said = run(&["store", "migrate", "--store", &store]).expect(0).out;
    assert!(said.ends_with("has the format spotcheck-store/3 already\n"), "{said}");
    // It goes on: steps that were begun before are ended, and the log still has one key.
    run(&["seed", "--store", &store, "other-f1"]).expect(0);
    run(&["draw", "--store", &store, "other-f1"]).expect(0);
    run(&["issue", "--store", &store, PLANS[2].0]).expect(0);
    let server = Server::start(store.as_ref());
    let copy = old.text("copy");
    run(&["store", "backup", "--server", &server.url, "--out", &copy]).expect(0);
    drop(server);
    run(&["store", "check", "--store", &copy]).expect(0);
    let none = old.text("none");
    run(&["store", "migrate", "--store", &none]).expect(2).says(&["there is no store"]);
    assert!(!Path::new(&none).exists());
}

#[test]
fn copies_of_it_have_today_s_format_and_it_keeps_its_own() {
    let old = Old::new();
    let (store, copy, back) = (old.text("store"), old.text("copy"), old.text("back"));
    run(&["store", "backup", "--store", &store, "--out", &copy]).expect(0);
    is_all_there(old.0.path(), &copy);
    // A copy of that time is put back as it is.
    run(&["store", "restore", "--from", &store, "--store", &back]).expect(0);
    is_all_there(old.0.path(), &back);
    assert_eq!(old.stamp(), "spotcheck-store/2\n");
}

/// What is damaged is not sealed as if it were whole.
#[test]
fn a_damaged_store_is_not_migrated() {
    let old = Old::new();
    let store = old.text("store");
    let log = sled::Config::new().path(old.0.path().join("store/sled")).segment_size(8 << 20);
    let records = log.open().unwrap();
    records.remove("plan/village-d6f6e34214cd").unwrap().unwrap();
    drop(records);
    let refused = run(&["store", "migrate", "--store", &store]).expect(4);
    assert!(refused.err.contains("the store is damaged: the log"), "{refused:?}");
    assert_eq!(old.stamp(), "spotcheck-store/2\n");
}

#[test]
fn a_migration_that_is_killed_is_done_again() {
    let (mut before, mut after) = (0, 0);
    for round in 0..24 {
        let old = Old::new();
        let store = old.text("store");
        let mut child = quiet(&["store", "migrate", "--store", &store]).spawn().unwrap();
        thread::sleep(Duration::from_micros(round * 4_000));
        // The last one is let be, however slow the machine is.
        if round < 23 {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        match old.stamp().as_str() {
            "spotcheck-store/2\n" => before += 1,
            "spotcheck-store/3\n" => after += 1,
            other => panic!("{other}"),
        }
        run(&["store", "migrate", "--store", &store]).expect(0);
        is_all_there(old.0.path(), &store);
    }
    println!("24 kills: {before} before the new stamp, {after} after it");
    assert!(before > 0 && after > 0, "{before} {after}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_migration_that_loses_its_power_is_done_again() {
    let home = tempfile::tempdir().unwrap();
    unpack(home.path());
    let (mut before, mut after) = (0, 0);
    for round in 0..12 {
        let Some(disk) = disk::Disk::new(64) else {
            println!("passed over: no ext4 can be mounted here");
            return;
        };
        unpack(&disk.root());
        assert!(std::process::Command::new("sync").status().unwrap().success());
        let store = disk.root().join("store").to_str().unwrap().to_owned();
        let mut migrate = quiet(&["store", "migrate", "--store", &store]);
        // The cut takes a while to begin; the migration begins ever later in it.
        let cut = thread::scope(|scope| {
            let cut = scope.spawn(|| disk.cut());
            thread::sleep(Duration::from_millis(round * 5));
            migrate.status().unwrap();
            cut.join().unwrap()
        });
        if !cut {
            println!("passed over: no file system can be shut down here");
            return;
        }
        assert!(disk.unmount() && disk.mount());
        match fs::read_to_string(disk.root().join("store/VERSION")).unwrap().as_str() {
            "spotcheck-store/2\n" => before += 1,
            "spotcheck-store/3\n" => after += 1,
            other => panic!("{other}"),
        }
        run(&["store", "migrate", "--store", &store]).expect(0);
        is_all_there(home.path(), &store);
    }
    println!("12 cuts: {before} before the new stamp, {after} after it");
}
