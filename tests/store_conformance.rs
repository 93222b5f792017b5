//! What every store must do: one suite over the store in memory and the one on disk.

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

/// Makes a test of each function for each store.
macro_rules! suite {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&super::MemoryStore::new()); })*
        }
        mod on_disk {
            $(#[test] fn $name() {
                let dir = tempfile::tempdir().unwrap();
                super::$name(&super::SledStore::open(dir.path()).unwrap());
                // Whatever was written, nothing of it may have become an unsynced blob.
                let blobs = std::fs::read_dir(dir.path().join("sled/blobs")).unwrap();
                assert_eq!(blobs.count(), 0);
            })*
        }
    };
}

suite! {
    expectations_decide
    a_refused_batch_changes_nothing
    the_last_change_of_a_key_counts
    values_are_any_bytes
    scans_page
    scans_stay_in_their_prefix
    one_of_many_wins
    counters_lose_nothing
    readers_see_whole_batches
    sizes_are_bounded
    the_largest_are_taken
    segments_are_kept_once
    segments_are_put_by_many
    missing_segments_are_named
}

fn put(store: &dyn PlanStore, key: &str, value: &str) {
    store.commit(Batch::new().put(key, value)).unwrap();
}

fn all(store: &dyn PlanStore) -> Vec<(String, Vec<u8>)> {
    store.scan("", None, usize::MAX).unwrap()
}

/// The keys of a scan.
fn keys(store: &dyn PlanStore, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    store.scan(prefix, after, limit).unwrap().into_iter().map(|(key, _)| key).collect()
}

#[track_caller]
fn conflicts(store: &dyn PlanStore, batch: Batch, at: &str) {
    match store.commit(batch) {
        Err(StoreError::Conflict { key }) => assert_eq!(key, at),
        other => panic!("{other:?}"),
    }
}

fn expectations_decide(store: &dyn PlanStore) {
    store.commit(Batch::new().expect_absent("a").put("a", "1")).unwrap();
    conflicts(store, Batch::new().expect_absent("a").put("a", "2"), "a");
    conflicts(store, Batch::new().expect("a", "2").put("a", "3"), "a");
    conflicts(store, Batch::new().expect("b", "").put("a", "3"), "b");
    assert_eq!(store.get("a").unwrap().unwrap(), b"1");
    store.commit(Batch::new().expect("a", "1").put("a", "")).unwrap();
    // An empty value is a value.
    conflicts(store, Batch::new().expect_absent("a"), "a");
    store.commit(Batch::new().expect("a", "").delete("a")).unwrap();
    assert_eq!(store.get("a").unwrap(), None);
    // A batch may only ask, of other keys than it changes; deleting nothing is no error.
    store.commit(Batch::new().expect_absent("a").expect_absent("b")).unwrap();
    store.commit(Batch::new().expect_absent("b").delete("nothing").put("c", "1")).unwrap();
    store.commit(Batch::new()).unwrap();
    // The first that fails is named.
    conflicts(store, Batch::new().expect("c", "1").expect_absent("c").expect("d", "1"), "c");
    assert_eq!(keys(store, "", None, 9), ["c"]);
}

fn a_refused_batch_changes_nothing(store: &dyn PlanStore) {
    store.commit(Batch::new().put("a", "1").put("b", "1")).unwrap();
    let before = all(store);
    conflicts(store, Batch::new().put("a", "2").delete("b").put("c", "2").expect("b", "9"), "b");
    let large = Batch::new().put("a", "2").put("large", vec![0; VALUE_BYTES_MAX + 1]);
    assert!(matches!(store.commit(large), Err(StoreError::TooLarge { .. })));
    assert_eq!(all(store), before);
}

fn the_last_change_of_a_key_counts(store: &dyn PlanStore) {
    store.commit(Batch::new().put("a", "1").put("a", "2").delete("b").put("b", "3")).unwrap();
    store.commit(Batch::new().put("c", "1").delete("c")).unwrap();
    assert_eq!(all(store), [("a".to_owned(), b"2".to_vec()), ("b".to_owned(), b"3".to_vec())]);
}

fn values_are_any_bytes(store: &dyn PlanStore) {
    let bytes: Vec<u8> = (0..=255).collect();
    store.commit(Batch::new().put("", bytes.clone()).put("济南", "\0")).unwrap();
    assert_eq!(store.get("").unwrap().unwrap(), bytes);
    assert_eq!(store.get("济南").unwrap().unwrap(), b"\0");
    assert_eq!(keys(store, "", None, 9), ["", "济南"]);
    assert_eq!(keys(store, "", Some(""), 9), ["济南"]);
    assert_eq!(keys(store, "济", None, 9), ["济南"]);
}

fn scans_page(store: &dyn PlanStore) {
    let wanted: Vec<String> = (0..1000).map(|n| format!("k/{n:04}")).collect();
    // Against the order of keys, and between neighbours that do not belong.
    let batch = wanted.iter().rev().fold(Batch::new(), |batch, key| batch.put(key, key.as_str()));
    store.commit(batch.put("k", "").put("k.", "").put("k0", "").put("l", "")).unwrap();
    for limit in [1, 7, 500, 999, 1000, 1001, usize::MAX] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let page = keys(store, "k/", found.last().map(String::as_str), limit);
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, wanted, "pages of {limit}");
    }
    assert!(store.scan("k/", None, 0).unwrap().is_empty());
}

fn scans_stay_in_their_prefix(store: &dyn PlanStore) {
    for key in ["a", "a/", "a/1", "a/1\0", "a/10", "a/2", "a0", "b", "é", "\u{10ffff}"] {
        put(store, key, "");
    }
    let scan = |prefix, after| keys(store, prefix, after, 99);
    assert_eq!(scan("a/", None), ["a/", "a/1", "a/1\0", "a/10", "a/2"]);
    // `after` is exclusive, and need not be a key that is there.
    assert_eq!(scan("a/", Some("a/")), ["a/1", "a/1\0", "a/10", "a/2"]);
    assert_eq!(scan("a/", Some("a/1")), ["a/1\0", "a/10", "a/2"]);
    assert_eq!(scan("a/", Some("a/1\0")), ["a/10", "a/2"]);
    assert_eq!(scan("a/", Some("a/11")), ["a/2"]);
    assert_eq!(scan("a/", Some("a/2")), [""; 0]);
    // Before the prefix it means nothing, behind it nothing is left.
    for before in ["", "a", "Z"] {
        assert_eq!(scan("a/", Some(before)).len(), 5, "{before}");
    }
    for behind in ["a0", "b", "\u{10ffff}"] {
        assert_eq!(scan("a/", Some(behind)), [""; 0]);
    }
    assert_eq!(scan("c", None), [""; 0]);
    assert_eq!(scan("", Some("b")), ["é", "\u{10ffff}"]);
    assert_eq!(scan("a/10", None), ["a/10"]);
    // A deleted key is a good place to go on from.
    store.commit(Batch::new().delete("a/10")).unwrap();
    assert_eq!(scan("a/", Some("a/10")), ["a/2"]);
}

fn one_of_many_wins(store: &dyn PlanStore) {
    let barrier = Barrier::new(16);
    for round in 0..20 {
        let key = format!("round/{round}");
        let attempt = |caller: usize| {
            barrier.wait();
            let own = format!("{key}/{caller}");
            let batch = Batch::new().expect_absent(&key).put(&key, caller.to_string());
            match store.commit(batch.put(&own, "")) {
                Ok(()) => true,
                Err(StoreError::Conflict { key: at }) => {
                    assert_eq!(at, key);
                    // Who has lost can see who won.
                    assert!(store.get(&key).unwrap().is_some());
                    false
                }
                Err(error) => panic!("{error}"),
            }
        };
        let won: Vec<usize> = thread::scope(|scope| {
            let attempt = &attempt;
            let callers: Vec<_> = (0..16)
                .map(|caller| scope.spawn(move || attempt(caller).then_some(caller)))
                .collect();
            callers.into_iter().filter_map(|caller| caller.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1, "round {round}: {won:?} have won");
        assert_eq!(store.get(&key).unwrap().unwrap(), won[0].to_string().as_bytes());
        assert_eq!(keys(store, &format!("{key}/"), None, 99), [format!("{key}/{}", won[0])]);
    }
}

fn counters_lose_nothing(store: &dyn PlanStore) {
    put(store, "counter", "0");
    let count = || {
        let mut done = 0;
        while done < 10 {
            let old = String::from_utf8(store.get("counter").unwrap().unwrap()).unwrap();
            let new = (old.parse::<u32>().unwrap() + 1).to_string();
            match store.commit(Batch::new().expect("counter", old).put("counter", new)) {
                Ok(()) => done += 1,
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(count))));
    assert_eq!(store.get("counter").unwrap().unwrap(), b"80");
}

fn readers_see_whole_batches(store: &dyn PlanStore) {
    // Far enough apart that they lie on different pages.
    let names: Vec<String> = (0..200).map(|n| format!("r/{n:03}/{}", "x".repeat(100))).collect();
    let write = |value: u32| {
        let change = |batch: Batch, name: &String| batch.put(name, value.to_le_bytes());
        store.commit(names.iter().fold(Batch::new(), change)).unwrap();
    };
    write(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            (1..=60).for_each(write);
            done.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let found = store.scan("r/", None, usize::MAX).unwrap();
                    assert_eq!(found.len(), names.len());
                    assert!(found.iter().all(|(_, value)| *value == found[0].1), "a part was seen");
                    let value = found[0].1.as_slice().try_into().map(u32::from_le_bytes).unwrap();
                    assert!(value >= last, "went back in time");
                    last = value;
                }
            });
        }
    });
}

#[track_caller]
fn too_large(store: &dyn PlanStore, batch: Batch, kind: &str, size: usize, most: usize) -> String {
    let error = store.commit(batch).unwrap_err();
    let text = error.to_string();
    let StoreError::TooLarge { key, what, bytes, max } = error else { panic!("{error}") };
    assert!(what.starts_with(kind), "{what}");
    assert_eq!((bytes, max), (size, most));
    assert!(text.contains(&size.to_string()) && text.contains(&most.to_string()), "{text}");
    key
}

fn sizes_are_bounded(store: &dyn PlanStore) {
    let value = Batch::new().put("v", vec![0; VALUE_BYTES_MAX + 1]);
    assert_eq!(too_large(store, value, "value", VALUE_BYTES_MAX + 1, VALUE_BYTES_MAX), "v");
    // An error stays small, and valid text, however large the key.
    let name = "省".repeat(100_000);
    let key = too_large(store, Batch::new().put(&name, ""), "key", 300_000, KEY_BYTES_MAX);
    assert!(key.len() <= KEY_BYTES_MAX && name.starts_with(&key) && !key.is_empty());
    let longer = "k".repeat(KEY_BYTES_MAX + 1);
    too_large(store, Batch::new().delete(&longer), "key", KEY_BYTES_MAX + 1, KEY_BYTES_MAX);
    let full = |batch: Batch, n: usize| batch.put(format!("{n:03}"), vec![0; VALUE_BYTES_MAX - 3]);
    let batch = (0..256).fold(Batch::new(), full);
    too_large(store, batch.delete("x"), "batch", BATCH_BYTES_MAX + 1, BATCH_BYTES_MAX);
    assert!(all(store).is_empty());
    // To ask for what cannot be there is no error.
    assert_eq!(store.get(&longer).unwrap(), None);
    store.commit(Batch::new().expect_absent(&longer)).unwrap();
    conflicts(store, Batch::new().expect("v", vec![0; VALUE_BYTES_MAX + 1]), "v");
}

fn the_largest_are_taken(store: &dyn PlanStore) {
    // Bytes that do not repeat, in keys and values of every size up to the largest.
    let value = |n: usize| -> Vec<u8> {
        let blocks = (0..)
            .flat_map(|block: u64| Digest::of(&[n as u64, block].map(u64::to_le_bytes).concat()).0);
        blocks.take(VALUE_BYTES_MAX - 3).collect()
    };
    let full = |batch: Batch, n: usize| batch.put(format!("{n:03}"), value(n));
    store.commit((0..256).fold(Batch::new(), full)).unwrap();
    for round in 0..8 {
        let name = |n: usize| format!("{n:0width$}", width = KEY_BYTES_MAX - round);
        let change = |batch: Batch, n: usize| batch.put(name(n), value(n));
        store.commit((0..200).fold(Batch::new(), change)).unwrap();
        assert_eq!(store.get(&name(7)).unwrap().unwrap(), value(7));
    }
    let found = all(store);
    assert_eq!(found.len(), 256 + 8 * 200);
    for (key, bytes) in found {
        let n = key.trim_start_matches('0').parse().unwrap_or(0);
        assert_eq!(bytes, value(n), "{key}");
    }
}

fn segments_are_kept_once(store: &dyn PlanStore) {
    let bodies = [vec![], b"a".to_vec(), vec![7; 3 << 20]];
    let digests: Vec<Digest> = bodies.iter().map(|b| store.put_segment(b).unwrap()).collect();
    for (digest, body) in digests.iter().zip(&bodies) {
        assert_eq!(*digest, Digest::of(body));
        assert_eq!(store.put_segment(body).unwrap(), *digest);
        assert_eq!(store.get_segment(digest).unwrap(), *body);
        assert!(store.has_segment(digest).unwrap());
    }
    let mut wanted: Vec<_> =
        digests.iter().zip(&bodies).map(|(d, b)| (*d, b.len() as u64)).collect();
    wanted.sort_unstable();
    assert_eq!(store.segments().unwrap(), wanted);
    store.check(&mut digests.iter().copied()).unwrap();
    store.remove_segment(&digests[1]).unwrap();
    store.remove_segment(&digests[1]).unwrap();
    assert!(!store.has_segment(&digests[1]).unwrap());
    wanted.retain(|(digest, _)| *digest != digests[1]);
    assert_eq!(store.segments().unwrap(), wanted);
    assert_eq!(store.put_segment(b"a").unwrap(), digests[1]);
    assert_eq!(store.get_segment(&digests[1]).unwrap(), b"a");
}

fn segments_are_put_by_many(store: &dyn PlanStore) {
    let barrier = Barrier::new(16);
    for round in 0..10u8 {
        let body = vec![round; 20_000];
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    barrier.wait();
                    let digest = store.put_segment(&body).unwrap();
                    assert_eq!(store.get_segment(&digest).unwrap(), body);
                });
            }
        });
    }
    assert_eq!(store.segments().unwrap().len(), 10);
}

fn missing_segments_are_named(store: &dyn PlanStore) {
    let here = store.put_segment(b"here").unwrap();
    let gone = Digest::of(b"gone");
    assert!(!store.has_segment(&gone).unwrap());
    let checked = store.check(&mut [here, gone, Digest::of(b"later")].into_iter());
    for error in [store.get_segment(&gone).unwrap_err(), checked.unwrap_err()] {
        assert!(error.to_string().contains(&gone.to_string()), "{error}");
        let StoreError::Missing { digest } = error else { panic!("{error}") };
        assert_eq!(digest, gone);
    }
    store.check(&mut std::iter::empty()).unwrap();
}

/// What a caller may do.
#[derive(Debug, Clone)]
enum Act {
    Commit(Vec<(Ask, String)>),
    Scan(String, Option<String>, usize),
    Reopen,
}

#[derive(Debug, Clone)]
enum Ask {
    Put(Vec<u8>),
    Delete,
    Expect(Vec<u8>),
    Absent,
}

fn act() -> impl Strategy<Value = Act> {
    // Few keys, so that they meet; the bounds of prefixes among them.
    let key = || "(a|b|a/|é)?[a\u{0}\u{10ffff}]{0,2}";
    let value = || prop::collection::vec(0..2u8, 0..2);
    let ask = prop_oneof![
        5 => value().prop_map(Ask::Put),
        2 => Just(Ask::Delete),
        1 => value().prop_map(Ask::Expect),
        1 => Just(Ask::Absent),
    ];
    prop_oneof![
        12 => prop::collection::vec((ask, key()), 0..5).prop_map(Act::Commit),
        12 => (key(), prop::option::of(key()), 0..6usize).prop_map(|(p, a, n)| Act::Scan(p, a, n)),
        1 => Just(Act::Reopen),
    ]
}

/// What a batch makes of records, said as plainly as can be.
fn oracle(records: &mut BTreeMap<String, Vec<u8>>, asks: &[(Ask, String)]) -> bool {
    let holds = |(ask, key): &(Ask, String)| match ask {
        Ask::Expect(value) => records.get(key) == Some(value),
        Ask::Absent => !records.contains_key(key),
        Ask::Put(_) | Ask::Delete => true,
    };
    if !asks.iter().all(holds) {
        return false;
    }
    for (ask, key) in asks {
        match ask {
            Ask::Put(value) => drop(records.insert(key.clone(), value.clone())),
            Ask::Delete => drop(records.remove(key)),
            Ask::Expect(_) | Ask::Absent => {}
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn stores_do_what_a_map_does(acts in prop::collection::vec(act(), 0..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut on_disk = SledStore::open(dir.path()).unwrap();
        let memory = MemoryStore::new();
        let mut records = BTreeMap::new();
        for act in acts {
            match act {
                Act::Commit(asks) => {
                    let ask = |batch: Batch, (ask, key): &(Ask, String)| match ask {
                        Ask::Put(value) => batch.put(key, value.as_slice()),
                        Ask::Delete => batch.delete(key),
                        Ask::Expect(value) => batch.expect(key, value.as_slice()),
                        Ask::Absent => batch.expect_absent(key),
                    };
                    let batch = asks.iter().fold(Batch::new(), ask);
                    let wanted = oracle(&mut records, &asks);
                    for store in [&memory as &dyn PlanStore, &on_disk] {
                        match store.commit(batch.clone()) {
                            Ok(()) => prop_assert!(wanted),
                            Err(StoreError::Conflict { .. }) => prop_assert!(!wanted),
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                Act::Scan(prefix, after, limit) => {
                    let own = |key: &str| {
                        key.starts_with(&prefix) && after.as_deref().is_none_or(|after| key > after)
                    };
                    let wanted: Vec<_> = records.iter().filter(|(key, _)| own(key)).take(limit)
                        .map(|(key, value)| (key.clone(), value.clone())).collect();
                    for store in [&memory as &dyn PlanStore, &on_disk] {
                        prop_assert_eq!(&store.scan(&prefix, after.as_deref(), limit).unwrap(), &wanted);
                    }
                }
                Act::Reopen => {
                    drop(on_disk);
                    on_disk = SledStore::open(dir.path()).unwrap();
                }
            }
        }
        let wanted: Vec<_> = records.into_iter().collect();
        prop_assert_eq!(all(&memory), wanted.clone());
        prop_assert_eq!(all(&on_disk), wanted);
    }
}
