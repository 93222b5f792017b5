//! A store in memory, for tests and for work that keeps nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Batch, PlanStore, SegmentWriter, StoreError};
use crate::model::Digest;

/// Records and segments in memory; durable only as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore(Shared);

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    records: BTreeMap<String, Vec<u8>>,
    segments: BTreeMap<Digest, Vec<u8>>,
    secrets: BTreeMap<String, [u8; 32]>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.contents()
    }
}

impl Shared {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Every change is made whole before the lock is let go.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.contents().segments.entry(digest).or_insert(bytes);
        digest
    }
}

impl PlanStore for MemoryStore {
    fn secret(&self, name: &str) -> Result<[u8; 32], StoreError> {
        if let Some(secret) = self.contents().secrets.get(name) {
            return Ok(*secret);
        }
        let secret = super::secrets::random()?;
        Ok(*self.contents().secrets.entry(name.to_owned()).or_insert(secret))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        batch.check()?;
        let mut contents = self.contents();
        if let Some(key) = batch.conflict(|key| Ok(contents.records.get(key).cloned()))? {
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
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let contents = self.contents();
        let found = contents.records.range::<str, _>((from, Bound::Unbounded));
        let own = found.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(own.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn put_segment(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        Ok(self.0.put(bytes.to_vec()))
    }

    fn segment_writer(&self) -> Result<Box<dyn SegmentWriter>, StoreError> {
        Ok(Box::new(MemoryWriter { shared: self.0.clone(), bytes: Vec::new() }))
    }

    fn read_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let contents = self.contents();
        contents.segments.get(digest).cloned().ok_or(StoreError::Missing { digest: *digest })
    }

    fn check_segment(&self, _: &Digest, _: &[u8]) -> Result<(), StoreError> {
        // Nothing changes them in memory.
        Ok(())
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

struct MemoryWriter {
    shared: Shared,
    bytes: Vec<u8>,
}

impl Write for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SegmentWriter for MemoryWriter {
    fn finish(self: Box<Self>) -> Result<Digest, StoreError> {
        Ok(self.shared.put(self.bytes))
    }
}
