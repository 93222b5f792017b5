//! Processes that die while they write, disks that take no more, and losses of power.
//!
//! The test runs itself as a child, which prints the number of each record that was acknowledged;
//! then the store is opened here, and every printed record must be there and whole. A killed
//! process leaves the kernel's cache; a cut of power is therefore a file system of its own, shut down
//! without its journal's last writes (`FS_IOC_SHUTDOWN` of ext4) and mounted again. That needs root
//! and a loop device, and is passed over with a message where they are missing.

#[cfg(target_os = "linux")]
mod disk;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
use disk::Disk;
use spotcheck::model::Digest;
use spotcheck::store::{Batch, PlanStore, SledStore, StoreError};

/// Tells the child that [`child_writes`] is.
const CHILD: &str = "STORE_TEST_CHILD_WRITES";
/// Records of one batch.
const PARTS: u64 = 3;

/// A record's value: told by its number, and of a length that varies.
fn value(number: u64, part: u64) -> Vec<u8> {
    let length = (number * 2_654_435_761 + part) % 3000;
    format!("{number}/{part} ").into_bytes().into_iter().cycle().take(length as usize + 8).collect()
}

fn bulk(number: u64) -> Vec<u8> {
    value(number, 9).repeat(20)
}

fn batch(number: u64) -> Batch {
    let start = Batch::new().put(format!("s/{number:08}"), Digest::of(&bulk(number)).to_string());
    (0..PARTS).fold(start, |batch, part| {
        let key = format!("n/{number:08}/{part}");
        batch.expect_absent(&*key).put(key, value(number, part))
    })
}

/// Run by the tests below in a process of its own: four threads write until they fail.
#[test]
fn child_writes() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let store = SledStore::open(Path::new(&dir)).unwrap();
    let first = store
        .scan("s/", None, usize::MAX)
        .unwrap()
        .last()
        .map_or(0, |(key, _)| key["s/".len()..].parse::<u64>().unwrap() + 1);
    let next = AtomicU64::new(first);
    println!("OPEN");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let written =
                        store.put_segment(&bulk(number)).and_then(|_| store.commit(batch(number)));
                    // One write to a pipe of less than a page: whole, also when this is killed.
                    let line = match &written {
                        Ok(()) => format!("ACK {number}\n"),
                        Err(error) => format!("ERROR {error:?}\n"),
                    };
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                    if written.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let refused = store.commit(Batch::new().put("late", ""));
    println!("AFTERWARDS {}", matches!(refused, Err(StoreError::Failed { .. })));
    match store.scan("s/", None, usize::MAX) {
        Ok(found) => println!("READS {}", found.len()),
        Err(error) => println!("READS NOTHING {error:?}"),
    }
}

fn spawn(mut command: Command, dir: &Path) -> Child {
    command.args(["--exact", "child_writes", "--nocapture"]).env(CHILD, dir);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Checks a store against the records that were acknowledged; returns how many batches it has.
fn check(dir: &Path, acknowledged: &[u64]) -> usize {
    let store = SledStore::open(dir).unwrap();
    for &number in acknowledged {
        for part in 0..PARTS {
            let found = store.get(&format!("n/{number:08}/{part}")).unwrap();
            assert_eq!(found, Some(value(number, part)), "record {number}/{part}");
        }
        assert_eq!(store.get_segment(&Digest::of(&bulk(number))).unwrap(), bulk(number));
    }
    // Those that nobody was told of are whole or absent, and name a segment that is there.
    let batches = store.scan("s/", None, usize::MAX).unwrap();
    for (key, _) in &batches {
        let number: u64 = key["s/".len()..].parse().unwrap();
        for part in 0..PARTS {
            let found = store.get(&format!("n/{number:08}/{part}")).unwrap();
            assert_eq!(found, Some(value(number, part)), "record {number}/{part}");
        }
    }
    let records = store.scan("n/", None, usize::MAX).unwrap();
    assert_eq!(records.len(), batches.len() * PARTS as usize);
    let named = batches.iter().map(|(_, digest)| std::str::from_utf8(digest).unwrap());
    store.check(&mut named.map(|digest| digest.parse().unwrap())).unwrap();
    batches.len()
}

/// Lets a process write to a store and ends it by `end`, each round at another moment.
///
/// Some rounds end while the store opens, the others after some records and a while.
fn interrupted(dir: &Path, round: u32, acknowledged: &mut Vec<u64>, end: impl FnOnce()) {
    let before = acknowledged.len();
    let mut child = spawn(Command::new(std::env::current_exe().unwrap()), dir);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut read = |acknowledged: &mut Vec<u64>, ended: bool| {
        let Some(Ok(line)) = lines.next() else { return false };
        assert!(ended || !line.starts_with("ERROR"), "{line}");
        if let Some(number) = line.strip_prefix("ACK ") {
            acknowledged.push(number.parse().unwrap());
        }
        true
    };
    if !round.is_multiple_of(4) {
        let wanted = before + 1 + (round as usize * 37) % 90;
        while acknowledged.len() < wanted && read(acknowledged, false) {}
    }
    thread::sleep(Duration::from_micros(u64::from(round) * 7919 % 20_000));
    end();
    child.kill().unwrap();
    child.wait().unwrap();
    while read(acknowledged, true) {}
    assert!(round.is_multiple_of(4) || acknowledged.len() > before, "round {round} wrote nothing");
}

/// Kills a writing process again and again, always in the same store.
fn kill(rounds: u32) {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        interrupted(dir.path(), round, &mut acknowledged, || ());
        check(dir.path(), &acknowledged);
    }
    let found = check(dir.path(), &acknowledged);
    assert!(found >= acknowledged.len());
    println!("{rounds} kills: {} batches acknowledged, 0 lost, {found} found", acknowledged.len());
}

#[test]
fn eight_kills_lose_nothing() {
    kill(8);
}

#[test]
#[ignore = "long: 200 kills"]
fn two_hundred_kills_lose_nothing() {
    kill(200);
}

/// Cuts the power again and again; every ten cuts a new disk, so that new stores are cut, too.
#[cfg(target_os = "linux")]
fn cut_power(rounds: u32) {
    let mut counts = (0, 0);
    for start in (0..rounds).step_by(10) {
        let Some(disk) = Disk::new(512).filter(|disk| disk.cut() && disk.unmount()) else {
            println!("passed over: no ext4 can be mounted and shut down here");
            return;
        };
        assert!(disk.mount());
        let dir = disk.root().join("store");
        let mut acknowledged = Vec::new();
        for round in start..rounds.min(start + 10) {
            interrupted(&dir, round, &mut acknowledged, || assert!(disk.cut()));
            assert!(disk.unmount() && disk.mount());
            let found = check(&dir, &acknowledged);
            assert!(found >= acknowledged.len());
        }
        counts = (counts.0 + acknowledged.len(), counts.1 + check(&dir, &acknowledged));
    }
    println!("{rounds} cuts: {} batches acknowledged, 0 lost, {} found", counts.0, counts.1);
}

#[cfg(target_os = "linux")]
#[test]
fn five_cuts_of_power_lose_nothing() {
    cut_power(5);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "long: 100 cuts of power"]
fn a_hundred_cuts_of_power_lose_nothing() {
    cut_power(100);
}

/// The cut is one: a file that nobody synchronised is gone.
#[cfg(target_os = "linux")]
#[test]
fn a_cut_of_power_takes_what_was_not_synchronised() {
    let Some(disk) = Disk::new(64) else { return };
    let path = disk.root().join("late");
    std::fs::write(&path, "never synchronised").unwrap();
    if !disk.cut() {
        return;
    }
    assert!(disk.unmount() && disk.mount());
    assert!(std::fs::read(&path).map_or(true, |found| found.is_empty()));
}

/// Lets a process write until it cannot; what it acknowledged.
#[cfg(target_os = "linux")]
fn until_it_cannot(command: Command, dir: &Path) -> Vec<u64> {
    let mut child = spawn(command, dir);
    let mut acknowledged: Vec<u64> = Vec::new();
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.strip_prefix("ACK ") {
            Some(number) => acknowledged.push(number.parse().unwrap()),
            None => said.push(line),
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() > 100, "{} {said:?}", acknowledged.len());
    assert!(said.iter().any(|line| line.starts_with("ERROR")), "{said:?}");
    assert!(said.contains(&"AFTERWARDS true".into()), "{said:?}");
    // Readers were shown what was acknowledged and no more; or, where sled had meanwhile given up as
    // a whole, an error.
    let reads = said.iter().find_map(|line| line.strip_prefix("READS ")).unwrap();
    let sound = reads == acknowledged.len().to_string() || reads.starts_with("NOTHING");
    assert!(sound, "{} {said:?}", acknowledged.len());
    acknowledged
}

/// A file size limit stands in for a full disk: writing the log fails beyond it.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_grow_stops_the_store() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledStore::open(dir.path()).unwrap());
    let mut command = Command::new("sh");
    // The signal is ignored, so that the write says no instead.
    command.args(["-c", "trap '' XFSZ; ulimit -f 20000; exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().unwrap());
    let acknowledged = until_it_cannot(command, dir.path());
    assert!(check(dir.path(), &acknowledged) >= acknowledged.len());
}

/// A disk that is full: nothing is lost, and the store goes on once there is room.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = Disk::new(96) else {
        println!("passed over: no ext4 can be mounted here");
        return;
    };
    let ballast = disk.root().join("ballast");
    std::fs::write(&ballast, vec![1; 16 << 20]).unwrap();
    let dir = disk.root().join("store");
    let mut acknowledged = until_it_cannot(Command::new(std::env::current_exe().unwrap()), &dir);
    std::fs::remove_file(ballast).unwrap();
    let found = check(&dir, &acknowledged);
    assert!(found >= acknowledged.len());
    interrupted(&dir, 1, &mut acknowledged, || ());
    assert!(check(&dir, &acknowledged) > found);
}
