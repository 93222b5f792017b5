//! A store in memory, for tests and for work that keeps nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Batch, PlanStore, StoreError};
use crate::model::Digest;

/// Records and segments in memory; durable only as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    records: BTreeMap<String, Vec<u8>>,
    segments: BTreeMap<Digest, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Every change is made whole before the lock is let go.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PlanStore for MemoryStore {
    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check_sizes()?;
        let mut contents = self.contents();
        let current = |key: &str| Ok::<_, StoreError>(contents.records.get(key).cloned());
        if let Some(key) = batch.conflict(current)? {
            return Err(StoreError::Conflict { key });
        }
        for (key, value) in batch.changes {
            match value {
                Some(value) => contents.records.insert(key, value),
                None => contents.records.remove(&key),
            };
        }
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.contents().records.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(prefix.to_owned()),
        };
        let contents = self.contents();
        let found = contents.records.range((start, Bound::Unbounded));
        let own = found.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(own.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn put_segment(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.contents().segments.entry(digest).or_insert_with(|| bytes.to_vec());
        Ok(digest)
    }

    fn get_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let contents = self.contents();
        contents.segments.get(digest).cloned().ok_or(StoreError::Missing { digest: *digest })
    }

    fn has_segment(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.contents().segments.contains_key(digest))
    }

    fn segments(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let contents = self.contents();
        Ok(contents.segments.iter().map(|(d, bytes)| (*d, bytes.len() as u64)).collect())
    }

    fn remove_segment(&self, digest: &Digest) -> Result<(), StoreError> {
        self.contents().segments.remove(digest);
        Ok(())
    }
}
