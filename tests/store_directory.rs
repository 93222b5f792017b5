//! The store's directory: what is opened, completed and refused, and what damage is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use spotcheck::model::Digest;
use spotcheck::store::{Batch, PlanStore, SledStore, StoreError};

fn open(dir: &Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir)
}

/// A store with a record and a segment, closed.
fn filled(dir: &Path) -> Digest {
    let store = open(dir).unwrap();
    store.commit(Batch::new().put("a", "1")).unwrap();
    store.put_segment(b"bulk").unwrap()
}

#[track_caller]
fn is_whole(dir: &Path) {
    let store = open(dir).unwrap();
    assert_eq!(store.get("a").unwrap().unwrap(), b"1");
    assert_eq!(store.get_segment(&Digest::of(b"bulk")).unwrap(), b"bulk");
}

fn file_of(dir: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    dir.join("segments").join(&name[..2]).join(name)
}

/// Every path below a directory, with the bytes of files.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(path, None);
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

/// The error of opening, having seen that not a byte of the directory has changed.
#[track_caller]
fn refused(dir: &Path) -> StoreError {
    let before = tree(dir);
    let error = open(dir).unwrap_err();
    assert!(tree(dir) == before, "the directory was touched: {error}");
    error
}

#[test]
fn reopening_keeps_everything() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("new/in/new");
    for round in 0..30u32 {
        let store = open(&dir).unwrap();
        let found = store.scan("", None, usize::MAX).unwrap();
        let wanted: Vec<_> = (0..round)
            .map(|n| (format!("{n:03}"), n.to_le_bytes().repeat(1000)))
            .filter(|(key, _)| key != "007" || round < 10)
            .collect();
        assert!(found == wanted, "round {round}: {} records", found.len());
        assert_eq!(store.segments().unwrap().len(), round as usize);
        let batch = Batch::new().put(format!("{round:03}"), round.to_le_bytes().repeat(1000));
        store.commit(if round == 9 { batch.delete("007") } else { batch }).unwrap();
        store.put_segment(&round.to_le_bytes()).unwrap();
    }
}

#[test]
fn a_store_is_opened_once() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).unwrap();
    for _ in 0..3 {
        let error = open(home.path()).unwrap_err();
        assert!(matches!(&error, StoreError::Locked { dir } if dir == home.path()), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("--server") && text.contains(home.path().to_str().unwrap()),
            "{text}"
        );
    }
    store.commit(Batch::new().put("a", "1")).unwrap();
    drop(store);
    assert_eq!(open(home.path()).unwrap().get("a").unwrap().unwrap(), b"1");
}

#[test]
fn of_many_openers_one_gets_it() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..10 {
        // Each round creates the directory, so that openers meet half-made stores.
        let dir = home.path().join(round.to_string());
        let opened: Vec<_> = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&dir))).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|store| store.is_ok()).count(), 1);
        for error in opened.iter().filter_map(|store| store.as_ref().err()) {
            assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        }
    }
}

#[test]
fn what_is_no_store_is_left_alone() {
    let foreign: [&[(&str, &str)]; 7] = [
        &[("letter.txt", "dear")],
        &[("LOCK", ""), ("letter.txt", "dear")],
        &[("LOCK", "4711")],
        &[("VERSION", "1.2.3\n"), ("src/main.c", "")],
        &[("VERSION", "")],
        &[("VERSION/of/it", "")],
        &[("sled/db", "")],
    ];
    for files in foreign {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let error = refused(home.path());
        assert!(matches!(&error, StoreError::NotAStore { dir } if dir == home.path()), "{error}");
        assert!(error.to_string().contains(home.path().to_str().unwrap()), "{error}");
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "text").unwrap();
    assert!(matches!(open(&file), Err(StoreError::Io { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"text");
}

#[test]
fn another_format_is_refused() {
    let home = tempfile::tempdir().unwrap();
    filled(home.path());
    let stamp = home.path().join("VERSION");
    let known = fs::read_to_string(&stamp).unwrap();
    for other in ["spotcheck-store/2\n", "spotcheck-store/10", "spotcheck-store/"] {
        fs::write(&stamp, other).unwrap();
        let error = refused(home.path());
        let text = error.to_string();
        let StoreError::Version { found, expected } = error else { panic!("{error}") };
        assert_eq!((found.as_str(), expected), (other.trim_end(), known.trim_end()));
        assert!(text.contains(&found) && text.contains(expected), "{text}");
    }
    fs::write(&stamp, known).unwrap();
    is_whole(home.path());
}

#[test]
fn blobs_are_refused() {
    let home = tempfile::tempdir().unwrap();
    filled(home.path());
    let blob = home.path().join("sled/blobs/4711");
    fs::write(&blob, "x").unwrap();
    let error = refused(home.path());
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.ends_with("blobs")));
    fs::remove_file(&blob).unwrap();
    is_whole(home.path());
}

#[test]
fn a_creation_that_was_cut_off_is_completed() {
    let remains: [&[(&str, &str)]; 6] = [
        &[],
        &[("LOCK", "")],
        &[("LOCK", ""), ("VERSION.new", "")],
        &[("LOCK", ""), ("VERSION.new", "spotch")],
        &[("LOCK", ""), ("VERSION", "spotcheck-store/1\n")],
        &[("LOCK", ""), ("VERSION", "spotcheck-store/1\n"), ("sled/conf", ""), ("sled/db", "")],
    ];
    for files in remains {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        filled(home.path());
        is_whole(home.path());
        assert!(!home.path().join("VERSION.new").exists());
    }
}

#[test]
fn unfinished_segments_are_removed() {
    let home = tempfile::tempdir().unwrap();
    filled(home.path());
    let tmp = home.path().join("segments/tmp");
    for name in ["0", "17", "anything"] {
        fs::write(tmp.join(name), "part of a segm").unwrap();
    }
    is_whole(home.path());
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn damage_to_a_segment_is_named() {
    let home = tempfile::tempdir().unwrap();
    let digest = filled(home.path());
    let path = file_of(home.path(), &digest);
    for damaged in [&b"bulK"[..], b"bul", b"bulk and more", b""] {
        fs::write(&path, damaged).unwrap();
        let store = open(home.path()).unwrap();
        let error = store.get_segment(&digest).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        // Who has the bytes puts them again, and all is well.
        assert_eq!(store.put_segment(b"bulk").unwrap(), digest);
        assert_eq!(store.get_segment(&digest).unwrap(), b"bulk");
    }
    fs::remove_file(&path).unwrap();
    let store = open(home.path()).unwrap();
    assert!(matches!(store.get_segment(&digest), Err(StoreError::Missing { .. })));
    assert!(matches!(store.check(&mut [digest].into_iter()), Err(StoreError::Missing { .. })));
}

#[test]
fn strange_files_are_no_segments() {
    let home = tempfile::tempdir().unwrap();
    let digest = filled(home.path());
    let segments = home.path().join("segments");
    let name = digest.to_string();
    fs::write(segments.join("README"), "hands off").unwrap();
    fs::write(segments.join(&name), "bulk").unwrap();
    fs::write(segments.join(&name[..2]).join(name.to_uppercase()), "bulk").unwrap();
    fs::write(segments.join(&name[..2]).join(format!("{name}.bak")), "bulk").unwrap();
    fs::create_dir_all(segments.join("lost+found")).unwrap();
    fs::write(segments.join("lost+found").join(&name), "bulk").unwrap();
    let other = Digest::of(b"other");
    fs::create_dir_all(file_of(home.path(), &other)).unwrap();
    let store = open(home.path()).unwrap();
    assert_eq!(store.segments().unwrap(), [(digest, 4)]);
    assert!(!store.has_segment(&other).unwrap());
}

#[test]
fn damaged_records_do_not_open_as_if_nothing_were_wrong() {
    let home = tempfile::tempdir().unwrap();
    filled(home.path());
    fs::write(home.path().join("sled/conf"), "segment_size: 4096\nmore and more\n1234").unwrap();
    let error = open(home.path()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Io { .. }), "{error}");
}
