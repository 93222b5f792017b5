//! What every store must do, run over each of them.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;
use spotcheck::model::Digest;
use spotcheck::store::{
    BATCH_BYTES_MAX, Batch, KEY_BYTES_MAX, MemoryStore, PlanStore, SledStore, StoreError,
    VALUE_BYTES_MAX,
};

/// Runs `check` over a new store of each kind.
fn each(check: impl Fn(&dyn PlanStore)) {
    check(&MemoryStore::new());
    let dir = tempfile::tempdir().unwrap();
    check(&SledStore::open(dir.path()).unwrap());
}

fn keys(store: &dyn PlanStore, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    store.scan(prefix, after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
}

#[test]
fn expectations_decide() {
    each(|store| {
        store.commit(Batch::new().expect_absent("a").put("a", "1")).unwrap();
        let again = store.commit(Batch::new().expect_absent("a").put("a", "2"));
        assert!(matches!(again, Err(StoreError::Conflict { key }) if key == "a"));
        store.commit(Batch::new().expect("a", "1").put("a", "2")).unwrap();
        let stale = store.commit(Batch::new().expect("a", "1").delete("a"));
        assert!(matches!(stale, Err(StoreError::Conflict { key }) if key == "a"));
        let none = store.commit(Batch::new().expect("b", "").put("b", "1"));
        assert!(matches!(none, Err(StoreError::Conflict { key }) if key == "b"));
        assert_eq!(store.get("a").unwrap().unwrap(), b"2");
        assert_eq!(store.get("b").unwrap(), None);
        // A batch that only asks, and one that does nothing.
        store.commit(Batch::new().expect("a", "2").expect_absent("b")).unwrap();
        store.commit(Batch::new()).unwrap();
        // An empty value is a value.
        store.commit(Batch::new().put("b", "")).unwrap();
        assert_eq!(store.get("b").unwrap().unwrap(), b"");
        assert!(store.commit(Batch::new().expect_absent("b")).is_err());
    });
}

#[test]
fn a_batch_is_whole_or_nothing() {
    each(|store| {
        store.commit(Batch::new().put("a", "1").put("b", "1")).unwrap();
        let batch = Batch::new().put("a", "2").delete("b").put("c", "2").expect("b", "other");
        assert!(matches!(store.commit(batch), Err(StoreError::Conflict { key }) if key == "b"));
        let found = store.scan("", None, 9).unwrap();
        assert_eq!(found, [("a".into(), b"1".to_vec()), ("b".into(), b"1".to_vec())]);
        // The last change of a key holds.
        let batch = Batch::new().put("a", "3").delete("a").delete("b").put("b", "4").delete("none");
        store.commit(batch).unwrap();
        assert_eq!(store.scan("", None, 9).unwrap(), [("b".into(), b"4".to_vec())]);
    });
}

#[test]
fn scans_page_through_a_prefix() {
    each(|store| {
        let names = ["p", "p/", "p/1", "p/10", "p/2", "p/é", "p0", "q"];
        let batch = names.iter().fold(Batch::new(), |batch, name| batch.put(*name, *name));
        store.commit(batch).unwrap();
        assert_eq!(keys(store, "p/", None, 9), ["p/", "p/1", "p/10", "p/2", "p/é"]);
        assert_eq!(keys(store, "p/", None, 2), ["p/", "p/1"]);
        assert_eq!(keys(store, "p/", Some("p/1"), 2), ["p/10", "p/2"]);
        assert_eq!(keys(store, "p/", Some("p/15"), 2), ["p/2", "p/é"]);
        assert_eq!(keys(store, "p/", Some("p/é"), 2), [""; 0]);
        // Before and behind the prefix.
        assert_eq!(keys(store, "p/", Some("a"), 1), ["p/"]);
        assert_eq!(keys(store, "p/", Some("z"), 1), [""; 0]);
        assert_eq!(keys(store, "p/", None, 0), [""; 0]);
        assert_eq!(keys(store, "", None, 99), names);
    });
}

#[test]
fn sizes_are_bounded() {
    each(|store| {
        let (key, value) = ("k".repeat(KEY_BYTES_MAX), vec![7; VALUE_BYTES_MAX]);
        store.commit(Batch::new().put(key.clone(), value.clone())).unwrap();
        assert_eq!(store.get(&key).unwrap().unwrap(), value);
        let refused = store.commit(Batch::new().put("x", "x").put("v", vec![7; 16 * 1024 + 1]));
        let wanted = |error: &StoreError| match error {
            StoreError::TooLarge { key, bytes, max } => {
                (key.as_str(), *bytes, *max) == ("v", 16 * 1024 + 1, VALUE_BYTES_MAX)
            }
            _ => false,
        };
        assert!(refused.is_err_and(|error| wanted(&error)));
        let refused = store.commit(Batch::new().put(format!("{key}k"), ""));
        let max = KEY_BYTES_MAX;
        assert!(matches!(refused, Err(StoreError::TooLarge { bytes, .. }) if bytes == max + 1));
        let many = (0..=BATCH_BYTES_MAX / VALUE_BYTES_MAX)
            .fold(Batch::new(), |batch, n| batch.put(n.to_string(), value.clone()));
        assert!(matches!(store.commit(many), Err(StoreError::BatchTooLarge { .. })));
        assert_eq!(keys(store, "", None, 9), [key]);
    });
}

#[test]
fn one_of_sixteen_wins() {
    each(|store| {
        for round in 0..20 {
            let (key, start) = (format!("round/{round}"), Barrier::new(16));
            let contend = |name: usize| {
                start.wait();
                let batch = Batch::new().expect_absent(&*key).put(&*key, name.to_string());
                let won = match store.commit(batch) {
                    Ok(()) => true,
                    Err(StoreError::Conflict { .. }) => false,
                    Err(error) => panic!("{error}"),
                };
                // Who lost sees what won.
                (name, won, store.get(&key).unwrap().unwrap())
            };
            let outcomes: Vec<_> = thread::scope(|scope| {
                let callers: Vec<_> = (0..16).map(|n| scope.spawn(move || contend(n))).collect();
                callers.into_iter().map(|caller| caller.join().unwrap()).collect()
            });
            let winners: Vec<_> = outcomes.iter().filter(|(_, won, _)| *won).collect();
            assert_eq!(winners.len(), 1, "{outcomes:?}");
            let value = winners[0].0.to_string().into_bytes();
            assert!(outcomes.iter().all(|(_, _, seen)| *seen == value), "{outcomes:?}");
        }
    });
}

#[test]
fn a_counter_loses_no_step() {
    each(|store| {
        store.commit(Batch::new().put("n", "0")).unwrap();
        let step = || loop {
            let old = store.get("n").unwrap().unwrap();
            let new: u32 = std::str::from_utf8(&old).unwrap().parse().unwrap();
            match store.commit(Batch::new().expect("n", old).put("n", (new + 1).to_string())) {
                Ok(()) => return,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        };
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..5).for_each(|_| step()));
            }
        });
        assert_eq!(store.get("n").unwrap().unwrap(), b"80");
    });
}

#[test]
fn a_reader_never_sees_half_a_batch() {
    each(|store| {
        let value = |n: u32| n.to_string().into_bytes();
        let write = |n: u32| {
            let batch =
                (0..40).fold(Batch::new(), |batch, k| batch.put(format!("{k:02}"), value(n)));
            store.commit(batch).unwrap();
        };
        write(0);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let found = store.scan("", None, 99).unwrap();
                        assert_eq!(found.len(), 40);
                        assert!(found.iter().all(|(_, seen)| *seen == found[0].1));
                    }
                });
            }
            (1..200).for_each(write);
            done.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn segments_are_kept_once() {
    each(|store| {
        let (small, large) = (b"small".to_vec(), vec![3; 1 << 20]);
        let digest = store.put_segment(&small).unwrap();
        assert_eq!(digest, Digest::of(&small));
        assert_eq!(store.put_segment(&small).unwrap(), digest);
        let mut writer = store.segment_writer().unwrap();
        large.chunks(777).for_each(|piece| writer.write_all(piece).unwrap());
        assert_eq!(writer.finish().unwrap(), Digest::of(&large));
        assert_eq!(store.put_segment(&large).unwrap(), Digest::of(&large));
        let mut writer = store.segment_writer().unwrap();
        writer.write_all(&small).unwrap();
        assert_eq!(writer.finish().unwrap(), digest);
        // One that is given up leaves nothing.
        store.segment_writer().unwrap().write_all(b"given up").unwrap();
        let empty = store.segment_writer().unwrap().finish().unwrap();
        let mut expected = [(digest, 5), (Digest::of(&large), 1 << 20), (Digest::of(b""), 0)];
        expected.sort_unstable();
        assert_eq!(store.segments().unwrap(), expected);
        assert_eq!(store.get_segment(&digest).unwrap(), small);
        assert_eq!(store.get_segment(&Digest::of(&large)).unwrap(), large);
        assert_eq!(store.get_segment(&empty).unwrap(), b"");
    });
}

#[test]
fn missing_segments_are_named() {
    each(|store| {
        let kept = store.put_segment(b"kept").unwrap();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let missing = |error| matches!(error, StoreError::Missing { digest } if digest == one);
        assert!(store.get_segment(&one).is_err_and(missing));
        assert!(!store.has_segment(&one).unwrap() && store.has_segment(&kept).unwrap());
        store.check(&mut [kept].into_iter()).unwrap();
        assert!(store.check(&mut [kept, one, one].into_iter()).is_err_and(missing));
        let error = store.check(&mut [two, kept, one].into_iter()).unwrap_err().to_string();
        assert!(error.contains(&one.to_string()) && error.contains(&two.to_string()), "{error}");
        store.remove_segment(&kept).unwrap();
        store.remove_segment(&kept).unwrap();
        assert!(!store.has_segment(&kept).unwrap());
        assert_eq!(store.put_segment(b"kept").unwrap(), kept);
        assert_eq!(store.get_segment(&kept).unwrap(), b"kept");
    });
}

#[test]
fn many_put_the_same_segment() {
    each(|store| {
        thread::scope(|scope| {
            for n in 0..16_u8 {
                scope.spawn(move || {
                    let bytes = vec![n % 4; 100_000];
                    let digest = store.put_segment(&bytes).unwrap();
                    assert_eq!(store.get_segment(&digest).unwrap(), bytes);
                });
            }
        });
        assert_eq!(store.segments().unwrap().len(), 4);
    });
}

#[derive(Debug, Clone)]
enum Step {
    Commit { expected: Vec<(u8, Option<u8>)>, changes: Vec<(u8, Option<u8>)> },
    Scan { prefix: u8, after: Option<u8>, limit: usize },
    Reopen,
}

/// Few keys, some of them the beginning of others.
fn key(n: u8) -> String {
    ["", "a", "a/", "a/b", "a/b/c", "a0", "b", "ü"][usize::from(n) % 8].to_owned()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pairs = |most| prop::collection::vec((0u8..8, prop::option::of(0u8..3)), 0..most);
    let step = prop_oneof![
        8 => (pairs(2), pairs(5)).prop_map(|(expected, changes)| Step::Commit { expected, changes }),
        4 => (0u8..8, prop::option::of(0u8..8), 0usize..5)
            .prop_map(|(prefix, after, limit)| Step::Scan { prefix, after, limit }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Both stores against a map, whatever is done to them.
    #[test]
    fn stores_agree_with_a_map(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let memory = MemoryStore::new();
        let mut sled = SledStore::open(dir.path()).unwrap();
        let mut map: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Reopen => {
                    drop(sled);
                    sled = SledStore::open(dir.path()).unwrap();
                }
                Step::Commit { expected, changes } => {
                    let mut batch = Batch::new();
                    let mut holds = true;
                    for (n, value) in expected {
                        holds &= map.get(&key(n)).cloned() == value.map(|v| vec![v]);
                        batch = match value {
                            Some(v) => batch.expect(key(n), [v]),
                            None => batch.expect_absent(key(n)),
                        };
                    }
                    for &(n, value) in &changes {
                        batch = match value {
                            Some(v) => batch.put(key(n), [v]),
                            None => batch.delete(key(n)),
                        };
                    }
                    prop_assert_eq!(memory.commit(batch.clone()).is_ok(), holds);
                    prop_assert_eq!(sled.commit(batch).is_ok(), holds);
                    for (n, value) in changes.into_iter().filter(|_| holds) {
                        match value {
                            Some(v) => map.insert(key(n), vec![v]),
                            None => map.remove(&key(n)),
                        };
                    }
                }
                Step::Scan { prefix, after, limit } => {
                    let (prefix, after) = (key(prefix), after.map(key));
                    let expected: Vec<_> = map
                        .iter()
                        .filter(|(k, _)| k.starts_with(&prefix))
                        .filter(|(k, _)| after.as_ref().is_none_or(|after| *k > after))
                        .take(limit)
                        .map(|(k, v)| (k.clone(), v.clone()))
                        .collect();
                    let after = after.as_deref();
                    prop_assert_eq!(&memory.scan(&prefix, after, limit).unwrap(), &expected);
                    prop_assert_eq!(&sled.scan(&prefix, after, limit).unwrap(), &expected);
                }
            }
        }
    }
}
