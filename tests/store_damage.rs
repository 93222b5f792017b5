//! Damaged files of a store: what was acknowledged is there and whole, or the damage is named at the
//! start. Nothing goes missing without a word.

use std::fs;
use std::path::{Path, PathBuf};

use spotcheck::store::{Batch, PlanStore, SledStore, StoreError};

/// Records of the store that is damaged.
const RECORDS: u32 = 400;

type Records = Vec<(String, Vec<u8>)>;

/// A store on disk that is damaged again and again, always from the same state.
struct Patient {
    home: tempfile::TempDir,
    whole: Records,
}

impl Patient {
    /// Whose records were written so many times over, of at least so many bytes.
    fn new(times: u32, bytes: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = SledStore::open(&home.path().join("store")).unwrap();
        for n in 0..times * RECORDS {
            let value = vec![(n % 251) as u8; bytes + (n % RECORDS) as usize];
            let batch = Batch::new().put(format!("k/{:03}", n * 7 % RECORDS), value);
            store.commit(batch.put("head", n.to_string())).unwrap();
        }
        drop(store);
        // Opened once more, so that there is all that an older store has.
        let store = SledStore::open(&home.path().join("store")).unwrap();
        let whole = store.scan("", None, usize::MAX).unwrap();
        assert_eq!(whole.len() as u32, RECORDS + 1);
        Patient { home, whole }
    }

    /// A copy of the store, with a file that is changed.
    fn with(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
        let copy = self.home.path().join("copy");
        let _ = fs::remove_dir_all(&copy);
        copy_dir(&self.home.path().join("store"), &copy);
        let path = copy.join(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
        copy
    }

    /// Whether the store is refused; else all of it must be there, again and again.
    fn is_refused(&self, dir: &Path) -> bool {
        match SledStore::open(dir) {
            Err(StoreError::Corrupt { what, how_to_restore }) => {
                assert!(what.contains(dir.to_str().unwrap()), "{what}");
                assert!(how_to_restore.contains("restore the store from a copy"));
                // It is not taken for whole the next time, either.
                assert!(matches!(SledStore::open(dir), Err(StoreError::Corrupt { .. })));
                true
            }
            // The stamp of another format, which is left alone.
            Err(StoreError::Version { .. } | StoreError::Older { .. }) => true,
            Err(other) => panic!("{other}"),
            Ok(store) => {
                let found = store.scan("", None, usize::MAX).unwrap();
                assert!(found == self.whole, "{} of {RECORDS} + 1 records", found.len());
                store.commit(Batch::new().put("head", "on")).unwrap();
                drop(store);
                let store = SledStore::open(dir).unwrap();
                assert_eq!(store.get("head").unwrap().unwrap(), b"on");
                false
            }
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Files of a store that the records depend on.
fn files(dir: &Path) -> Vec<String> {
    let mut files = vec!["VERSION".to_owned(), "SEAL".to_owned()];
    for entry in fs::read_dir(dir.join("sled")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            files.push(format!("sled/{}", entry.file_name().to_str().unwrap()));
        }
    }
    files.sort();
    files
}

fn flip_bits(patient: &Patient, rounds: usize) {
    let dir = patient.home.path().join("store");
    for file in files(&dir) {
        let bytes = fs::read(dir.join(&file)).unwrap();
        let used: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        let mut refused = 0;
        for round in 0..rounds {
            // Anywhere that something is, and sometimes where nothing is.
            let spread = round * 1_299_709 + 7;
            let at = if round % 5 == 4 { spread % bytes.len() } else { used[spread % used.len()] };
            let damaged = patient.with(&file, |bytes| bytes[at] ^= 1 << (round % 8));
            refused += usize::from(patient.is_refused(&damaged));
        }
        println!("{file}: {refused} of {rounds} refused, the others whole");
        // One that is there for nothing would be of no use to the records.
        assert!(refused > 0 || file == "SEAL" || file.contains("snap"), "{file}");
    }
}

#[test]
fn a_flipped_bit_is_named_or_harmless() {
    flip_bits(&Patient::new(1, 300), 60);
}

#[test]
#[ignore = "long: 1300 flipped bits in each file"]
fn flipped_bits_are_named_or_harmless() {
    flip_bits(&Patient::new(1, 300), 1_000);
    // Several segments, most of whose records are no longer those that hold.
    flip_bits(&Patient::new(4, 12_000), 300);
}

#[test]
fn records_that_were_cut_off_are_missed() {
    let patient = Patient::new(1, 300);
    let bytes = fs::read(patient.home.path().join("store/sled/db")).unwrap();
    let length = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut refused = 0;
    for round in 0..40 {
        let left = length * round / 40;
        let damaged = patient.with("sled/db", |bytes| bytes.truncate(left));
        refused += usize::from(patient.is_refused(&damaged));
        let damaged = patient.with("sled/db", |bytes| {
            let block = left..(left + 4096).min(length);
            bytes[block].fill(0);
        });
        refused += usize::from(patient.is_refused(&damaged));
    }
    assert!(refused > 60, "{refused}");
}

/// A sound log of an earlier day, or of another store, is not the log of this one.
#[test]
fn another_log_in_its_place_is_refused() {
    let patient = Patient::new(1, 300);
    let dir = patient.with("VERSION", |_| ());
    let store = SledStore::open(&dir).unwrap();
    for n in 0..3 {
        store.commit(Batch::new().put("head", format!("later {n}"))).unwrap();
    }
    drop(store);
    let put = |from: &Path| {
        fs::remove_dir_all(dir.join("sled")).unwrap();
        copy_dir(&from.join("sled"), &dir.join("sled"));
        SledStore::open(&dir).unwrap_err().to_string()
    };
    let earlier = put(&patient.home.path().join("store"));
    let missing = format!("the last 3 of {} changes are missing", RECORDS + 3);
    assert!(earlier.contains(&missing), "{earlier}");
    let other = tempfile::tempdir().unwrap();
    let store = SledStore::open(other.path()).unwrap();
    for n in 0..RECORDS + 3 {
        store.commit(Batch::new().put("head", n.to_string())).unwrap();
    }
    drop(store);
    let other = put(other.path());
    assert!(other.contains("not the one that SEAL beside it was written for"), "{other}");
}

/// What is lost without the seal's file is no reason to go on without it.
#[test]
fn a_seal_that_is_gone_is_named() {
    let patient = Patient::new(1, 300);
    let dir = patient.with("SEAL", |bytes| bytes.fill(0));
    assert!(patient.is_refused(&dir));
    fs::remove_file(dir.join("SEAL")).unwrap();
    let error = SledStore::open(&dir).unwrap_err().to_string();
    assert!(error.contains("SEAL is damaged; restore the store from a copy"), "{error}");
}

#[test]
fn what_is_the_store_s_own_is_neither_shown_nor_taken() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    store.commit(Batch::new().put("a", "1").put("b", "2").put("a", "3").delete("b")).unwrap();
    assert_eq!(store.scan("", None, 9).unwrap(), [("a".into(), b"3".to_vec())]);
    assert_eq!(store.scan("", None, 1).unwrap().len(), 1);
    let refused = store.commit(Batch::new().put("\0seal", "mine")).unwrap_err();
    assert!(matches!(&refused, StoreError::Reserved { .. }), "{refused}");
    drop(store);
    assert_eq!(SledStore::open(dir.path()).unwrap().get("a").unwrap().unwrap(), b"3");
}
