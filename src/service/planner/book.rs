//! The planner's view of its store: typed records under text keys, and segments that must be there.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::PlannerError;
use super::read::LastRead;
use crate::model::Digest;
use crate::store::{Batch, MemoryStore, PlanStore, StoreError};

/// Records read at once while all are walked through.
const SCAN: usize = 256;

pub(super) struct Book {
    store: Arc<dyn PlanStore>,
    last: LastRead,
}

/// A change of records: made as a whole, and only if what it expects is still so.
#[derive(Default)]
pub(super) struct Change(Batch);

impl Change {
    /// The change is made only if `key` has this value, or none.
    pub fn expect<T: Serialize>(
        &mut self,
        key: &str,
        value: Option<&T>,
    ) -> Result<(), PlannerError> {
        let batch = std::mem::take(&mut self.0);
        self.0 = match value {
            Some(value) => batch.expect(key, encode(key, value)?),
            None => batch.expect_absent(key),
        };
        Ok(())
    }

    /// Sets the value of `key` to bytes that are no JSON of ours.
    pub fn put_bytes(&mut self, key: &str, bytes: &[u8]) {
        self.0 = std::mem::take(&mut self.0).put(key, bytes);
    }

    /// The change is made only if `key` has these bytes, or none.
    pub fn expect_bytes(&mut self, key: &str, bytes: Option<&[u8]>) {
        let batch = std::mem::take(&mut self.0);
        self.0 = match bytes {
            Some(bytes) => batch.expect(key, bytes),
            None => batch.expect_absent(key),
        };
    }

    /// Sets the value of `key`.
    pub fn put<T: Serialize>(&mut self, key: &str, value: &T) -> Result<(), PlannerError> {
        self.0 = std::mem::take(&mut self.0).put(key, encode(key, value)?);
        Ok(())
    }
}

fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, PlannerError> {
    serde_json::to_vec(value).map_err(|error| PlannerError::damaged(key, error))
}

fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, PlannerError> {
    serde_json::from_slice(bytes).map_err(|error| PlannerError::damaged(key, error))
}

impl Book {
    pub fn new(store: Arc<dyn PlanStore>) -> Self {
        Book { store, last: LastRead::default() }
    }

    /// The record of `key`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, PlannerError> {
        let changes = self.last.changes();
        let Some(bytes) = self.store.get(key)? else { return Ok(None) };
        self.last.keep(key, &bytes, changes);
        decode(key, &bytes).map(Some)
    }

    /// The bytes of a record that is no JSON of ours.
    pub fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, PlannerError> {
        Ok(self.store.get(key)?)
    }

    /// Keys and bytes of records, as [`Book::list`] gives them.
    pub fn list_bytes(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, PlannerError> {
        let after = (!after.is_empty()).then(|| format!("{prefix}{after}"));
        Ok(self.store.scan(prefix, after.as_deref(), limit)?)
    }

    /// Random bytes that only the store's owner can read.
    pub fn secret(&self, name: &str) -> Result<[u8; 32], PlannerError> {
        Ok(self.store.secret(name)?)
    }

    /// The record of `key` if it was read lately; never waits.
    pub fn at_hand<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.last.get(key).and_then(|bytes| decode(key, &bytes).ok())
    }

    /// All records as they are at one moment, in a book of their own that has no segments.
    pub fn at_one_moment(&self) -> Result<Book, PlannerError> {
        let moment = MemoryStore::new();
        for (key, value) in self.store.scan("", None, usize::MAX)? {
            moment.commit(Batch::new().put(key, value))?;
        }
        Ok(Book::new(Arc::new(moment)))
    }

    /// Hands out key and bytes of the records whose keys begin with `prefix`, ascending, those after the
    /// key `after`, until `visit` breaks off. A page is read at a time.
    pub fn walk(
        &self,
        prefix: &str,
        mut after: Option<String>,
        mut visit: impl FnMut(&str, &[u8]) -> Result<ControlFlow<()>, PlannerError>,
    ) -> Result<(), PlannerError> {
        loop {
            let page = self.store.scan(prefix, after.as_deref(), SCAN)?;
            for (key, bytes) in &page {
                if visit(key, bytes)?.is_break() {
                    return Ok(());
                }
            }
            let Some((last, _)) = page.into_iter().next_back() else { return Ok(()) };
            after = Some(last);
        }
    }

    /// Records whose keys begin with `prefix`, ascending, the first `limit` after the key
    /// `prefix` + `after`; `after` is empty for the beginning.
    pub fn list<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<T>, PlannerError> {
        let after = (!after.is_empty()).then(|| format!("{prefix}{after}"));
        let found = self.store.scan(prefix, after.as_deref(), limit)?;
        found.iter().map(|(key, bytes)| decode(key, bytes)).collect()
    }

    /// As [`Book::list`], of those whose names begin with `begin` and that are wanted: no others are
    /// read than those that begin so.
    pub fn list_of<T: DeserializeOwned>(
        &self,
        prefix: &str,
        begin: &str,
        after: &str,
        limit: usize,
        wants: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>, PlannerError> {
        let after = (!after.is_empty()).then(|| format!("{prefix}{after}"));
        let mut found = Vec::new();
        self.walk(&format!("{prefix}{begin}"), after, |key, bytes| {
            if found.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            found.extend(Some(decode(key, bytes)?).filter(&wants));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// All records whose keys begin with `prefix`.
    pub fn each<T: DeserializeOwned>(
        &self,
        prefix: &str,
        mut visit: impl FnMut(T) -> Result<(), PlannerError>,
    ) -> Result<(), PlannerError> {
        self.walk(prefix, None, |key, bytes| {
            visit(decode(key, bytes)?)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Makes a change; false if something was not as it expects, and nothing was changed.
    pub fn commit(&self, change: Change) -> Result<bool, PlannerError> {
        let keys: Vec<String> = change.0.keys().map(str::to_owned).collect();
        let ended = self.store.commit(change.0);
        // After a failure, too: what was written then is not known.
        self.last.changed(keys.iter().map(String::as_str));
        match ended {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps bulk; returns its digest.
    pub fn put_segment(&self, bytes: &[u8]) -> Result<Digest, PlannerError> {
        Ok(self.store.put_segment(bytes)?)
    }

    /// Bulk that a record names, checked against its digest by the store.
    pub fn segment(&self, digest: &Digest) -> Result<Vec<u8>, PlannerError> {
        Ok(self.store.get_segment(digest)?)
    }

    /// Bulk as it is found, for who checks it with [`Book::check_bytes`] before anybody relies on it.
    pub fn unchecked_segment(&self, digest: &Digest) -> Result<Vec<u8>, PlannerError> {
        Ok(self.store.read_segment(digest)?)
    }

    /// Checks bulk that was found.
    pub fn check_bytes(&self, digest: &Digest, bytes: &[u8]) -> Result<(), PlannerError> {
        Ok(self.store.check_segment(digest, bytes)?)
    }

    /// All bulk that is kept, with its sizes in bytes.
    pub fn segments(&self) -> Result<Vec<(Digest, u64)>, PlannerError> {
        Ok(self.store.segments()?)
    }

    /// Forgets bulk that no record names.
    pub fn remove_segment(&self, digest: &Digest) -> Result<(), PlannerError> {
        Ok(self.store.remove_segment(digest)?)
    }

    /// Whether bulk that a record names is there.
    pub fn check_segment(&self, what: &str, digest: &Digest) -> Result<(), PlannerError> {
        if self.store.has_segment(digest)? {
            return Ok(());
        }
        let why = format!("segment {digest} is missing; put it back from a copy of the store");
        Err(PlannerError::damaged(what, why))
    }
}
