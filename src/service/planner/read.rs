//! Records that were read last, as bytes, so that reading them again waits for no disk.
//!
//! The planner is the only writer of its store, and every change goes through the book; so what
//! is here is what the store holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records kept, each of at most 16 KiB; when there are more, all are let go.
const RECORDS_MAX: usize = 1_024;

#[derive(Default)]
pub(super) struct LastRead(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    records: HashMap<String, Arc<[u8]>>,
    /// Changes made so far.
    changes: u64,
}

impl LastRead {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Single statements: whole even after a panic of another thread.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of a record, if they are here.
    pub fn get(&self, key: &str) -> Option<Arc<[u8]>> {
        self.lock().records.get(key).cloned()
    }

    /// How many changes there were; to be asked before a record is read.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Keeps what was read, unless there was a change since.
    pub fn keep(&self, key: &str, bytes: &[u8], changes: u64) {
        let mut inner = self.lock();
        if inner.changes != changes {
            return;
        }
        if inner.records.len() >= RECORDS_MAX {
            inner.records.clear();
        }
        inner.records.insert(key.to_owned(), bytes.into());
    }

    /// Lets go of records that were changed; to be called once the change is made.
    pub fn changed<'a>(&self, keys: impl Iterator<Item = &'a str>) {
        let mut inner = self.lock();
        inner.changes += 1;
        for key in keys {
            inner.records.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let last = LastRead::default();
        let before = last.changes();
        last.keep("a", b"1", before);
        last.keep("b", b"1", before);
        assert_eq!(last.get("a").as_deref(), Some(&b"1"[..]));
        last.changed(["a"].into_iter());
        assert_eq!(last.get("a"), None);
        assert_eq!(last.get("b").as_deref(), Some(&b"1"[..]));
        last.keep("a", b"1", before);
        assert_eq!(last.get("a"), None, "read before the change");
        last.keep("a", b"2", last.changes());
        assert_eq!(last.get("a").as_deref(), Some(&b"2"[..]));
    }

    #[test]
    fn the_number_of_records_is_bounded() {
        let last = LastRead::default();
        for number in 0..3 * RECORDS_MAX {
            last.keep(&number.to_string(), b"", 0);
            assert!(last.lock().records.len() <= RECORDS_MAX);
        }
    }
}
