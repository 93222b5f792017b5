//! The embedded store's directory: creation, lock, damage, and what is found again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use spotcheck::model::Digest;
use spotcheck::store::{Batch, PlanStore, SledStore, StoreError};

/// Tells the child that [`child_opens`] is.
const CHILD: &str = "STORE_TEST_CHILD_OPENS";

fn segment_path(dir: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    dir.join("segments").join(&name[..2]).join(name)
}

#[test]
fn what_was_acknowledged_is_found_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("new").join("store");
    let digest = Digest::of(b"bulk");
    for round in 0..20_u8 {
        let store = SledStore::open(&dir).unwrap();
        assert_eq!(store.scan("", None, 99).unwrap().len(), usize::from(round));
        store.commit(Batch::new().put(format!("{round:02}"), [round])).unwrap();
        assert_eq!(store.put_segment(b"bulk").unwrap(), digest);
    }
    let store = SledStore::open(&dir).unwrap();
    let found = store.scan("", None, 99).unwrap();
    let expected: Vec<_> = (0..20_u8).map(|n| (format!("{n:02}"), vec![n])).collect();
    assert_eq!(found, expected);
    assert_eq!(store.segments().unwrap(), [(digest, 4)]);
    assert_eq!(fs::read_to_string(dir.join("VERSION")).unwrap(), "spotcheck-store/3\n");
}

#[test]
fn large_values_stay_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let value = |n: usize| vec![(n % 251) as u8; 16 * 1024];
    let store = SledStore::open(dir.path()).unwrap();
    for group in 0..15 {
        let batch = (0..200).fold(Batch::new(), |batch, k| {
            // Keys that fall between those of earlier batches.
            let n = k * 15 + group;
            batch.put(format!("{n:06}"), value(n))
        });
        store.commit(batch).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path().join("sled/blobs")).unwrap().count(), 0);
    drop(store);
    let store = SledStore::open(dir.path()).unwrap();
    for n in 0..3000 {
        assert_eq!(store.get(&format!("{n:06}")).unwrap().unwrap(), value(n), "{n}");
    }
}

#[test]
fn the_directory_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let refused = SledStore::open(dir.path());
    assert!(matches!(refused, Err(StoreError::NotAStore { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let refused = SledStore::open(&dir.path().join("letter.txt"));
    assert!(matches!(refused, Err(StoreError::NotAStore { .. })));
}

#[test]
fn another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledStore::open(dir.path()).unwrap());
    for (stamp, shown) in [
        ("spotcheck-store/1\n", "spotcheck-store/1"),
        ("spotcheck-store/4", "spotcheck-store/4"),
        ("", ""),
        ("\u{1b}", "\\u{1b}"),
    ] {
        fs::write(dir.path().join("VERSION"), stamp).unwrap();
        let refused = SledStore::open(dir.path());
        assert!(matches!(refused, Err(StoreError::Version { found, .. }) if found == shown));
    }
}

#[test]
fn a_creation_that_was_cut_off_is_done_again() {
    // Cut off before the stamp, with the stamp begun, and before it got its name.
    for stage in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("lost+found")).unwrap();
        fs::write(path("LOCK"), "").unwrap();
        if stage == 1 {
            fs::write(path("VERSION.new"), "spot").unwrap();
        }
        if stage >= 2 {
            drop(SledStore::open(dir.path()).unwrap());
            fs::rename(path("VERSION"), path("VERSION.new")).unwrap();
        }
        if stage == 3 {
            fs::remove_dir_all(path("segments")).unwrap();
        }
        SledStore::open(dir.path()).unwrap().commit(Batch::new().put("a", "1")).unwrap();
        let store = SledStore::open(dir.path()).unwrap();
        assert_eq!(store.get("a").unwrap().unwrap(), b"1");
        assert!(path("VERSION").is_file() && !path("VERSION.new").exists());
    }
}

#[test]
fn lost_records_are_no_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    SledStore::open(dir.path()).unwrap().commit(Batch::new().put("a", "1")).unwrap();
    fs::rename(dir.path().join("sled"), dir.path().join("elsewhere")).unwrap();
    let error = SledStore::open(dir.path()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt { what, .. } if what.ends_with("sled/db")),
        "{error}"
    );
    fs::rename(dir.path().join("elsewhere"), dir.path().join("sled")).unwrap();
    assert_eq!(SledStore::open(dir.path()).unwrap().get("a").unwrap().unwrap(), b"1");
}

#[test]
fn records_outside_the_log_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    store.commit(Batch::new().put("a", "1")).unwrap();
    fs::write(dir.path().join("sled/blobs/17"), "spilled").unwrap();
    // Noticed before anything is acknowledged that may lie there.
    assert!(store.commit(Batch::new().put("a", "2")).is_err());
    assert!(matches!(store.commit(Batch::new().put("a", "3")), Err(StoreError::Failed { .. })));
    assert!(matches!(store.put_segment(b"bulk"), Err(StoreError::Failed { .. })));
    // Reading goes on, and shows what is durable.
    assert_eq!(store.get("a").unwrap().unwrap(), b"1");
    assert_eq!(store.scan("", None, 9).unwrap(), [("a".into(), b"1".to_vec())]);
    drop(store);
    let error = SledStore::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("blobs"), "{error}");
}

#[test]
fn a_damaged_segment_is_found_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let bytes = vec![5; 300_000];
    let digest = store.put_segment(&bytes).unwrap();
    let path = segment_path(dir.path(), &digest);
    let (mut changed, mut longer) = (bytes.clone(), bytes.clone());
    changed[299_999] ^= 1;
    longer.push(5);
    for damaged in [&changed[..], &longer, &bytes[..7]] {
        fs::write(&path, damaged).unwrap();
        let error = store.get_segment(&digest).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }));
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert_eq!(store.put_segment(&bytes).unwrap(), digest);
        assert_eq!(store.get_segment(&digest).unwrap(), bytes);
    }
}

#[test]
fn unfinished_segments_go_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let digest = SledStore::open(dir.path()).unwrap().put_segment(b"kept").unwrap();
    fs::write(dir.path().join("segments/tmp/0"), "half of som").unwrap();
    // What is no segment is not taken for one.
    fs::write(dir.path().join("segments/notes"), "").unwrap();
    fs::write(segment_path(dir.path(), &digest).with_file_name("notes"), "").unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("segments/tmp")).unwrap().count(), 0);
    assert_eq!(store.segments().unwrap(), [(digest, 4)]);
}

#[test]
fn a_store_is_opened_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let error = SledStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }));
    assert!(error.to_string().contains("point at the running server with --server URL"));
    // Another process, too.
    let open = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_opens", "--nocapture"]).env(CHILD, dir.path());
        String::from_utf8(child.stderr(Stdio::null()).output().unwrap().stdout).unwrap()
    };
    assert!(open().contains("LOCKED"));
    drop(store);
    assert!(open().contains("OPENED"));
}

/// Run by [`a_store_is_opened_once`] in a process of its own.
#[test]
fn child_opens() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    match SledStore::open(Path::new(&dir)) {
        Ok(_) => println!("OPENED"),
        Err(StoreError::Locked { .. }) => println!("LOCKED"),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn a_damaged_log_is_no_empty_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    for n in 0..50 {
        store.commit(Batch::new().put(format!("{n:02}"), vec![7; 1000])).unwrap();
    }
    drop(store);
    // The configuration that the log was made with.
    let mut conf = File::options().write(true).open(dir.path().join("sled/conf")).unwrap();
    conf.write_all(b"XXXXXXXX").unwrap();
    drop(conf);
    let error = SledStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Io { .. }), "{error}");
}
