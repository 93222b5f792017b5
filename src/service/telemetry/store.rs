//! A store that counts what is written to it; and how large it is.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use metrics::{counter, gauge, histogram};

use super::names;
use crate::model::Digest;
use crate::store::{Batch, PlanStore, SegmentWriter, StoreError};

/// Hands everything on to another store, and counts.
pub struct Counted<S>(pub S);

/// Counts how a write went.
fn counted<T>(result: Result<T, StoreError>) -> Result<T, StoreError> {
    if let Err(StoreError::Failed { .. } | StoreError::Io { .. }) = &result {
        gauge!(names::STORE_FAILED).set(1.0);
    }
    result
}

impl<S: PlanStore> PlanStore for Counted<S> {
    fn secret(&self, name: &str) -> Result<[u8; 32], StoreError> {
        self.0.secret(name)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let begun = Instant::now();
        let done = counted(self.0.commit(batch));
        histogram!(names::COMMIT_SECONDS).record(begun.elapsed());
        let result = match &done {
            Ok(()) => "ok",
            Err(StoreError::Conflict { .. }) => "conflict",
            Err(_) => "failed",
        };
        counter!(names::COMMITS, "result" => result).increment(1);
        done
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }

    fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.scan(prefix, after, limit)
    }

    fn put_segment(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = self.0.put_segment(bytes)?;
        counter!(names::SEGMENT_BYTES_WRITTEN).increment(bytes.len() as u64);
        Ok(digest)
    }

    fn segment_writer(&self) -> Result<Box<dyn SegmentWriter>, StoreError> {
        let inner = self.0.segment_writer()?;
        Ok(Box::new(CountedWriter { inner, bytes: 0 }))
    }

    fn read_segment(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        self.0.read_segment(digest)
    }

    fn check_segment(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.check_segment(digest, bytes)
    }

    fn has_segment(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.0.has_segment(digest)
    }

    fn segments(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        self.0.segments()
    }

    fn remove_segment(&self, digest: &Digest) -> Result<(), StoreError> {
        self.0.remove_segment(digest)
    }

    fn check(&self, referenced: &mut dyn Iterator<Item = Digest>) -> Result<(), StoreError> {
        self.0.check(referenced)
    }
}

struct CountedWriter {
    inner: Box<dyn SegmentWriter>,
    bytes: u64,
}

impl Write for CountedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl SegmentWriter for CountedWriter {
    fn finish(self: Box<Self>) -> Result<Digest, StoreError> {
        let digest = self.inner.finish()?;
        counter!(names::SEGMENT_BYTES_WRITTEN).increment(self.bytes);
        Ok(digest)
    }
}

/// The size of a store on disk.
#[derive(Clone)]
pub struct Size {
    /// The store.
    pub store: Arc<dyn PlanStore>,
    /// The file of its records.
    pub log: PathBuf,
}

impl Size {
    /// Measures; blocks. What cannot be read keeps its last figure.
    #[expect(clippy::cast_precision_loss, reason = "figures to look at")]
    pub fn measure(&self) {
        if let Ok(segments) = self.store.segments() {
            gauge!(names::SEGMENTS).set(segments.len() as f64);
            let bytes: u64 = segments.iter().map(|(_, bytes)| bytes).sum();
            gauge!(names::SEGMENT_BYTES).set(bytes as f64);
        }
        if let Ok(file) = std::fs::metadata(&self.log) {
            gauge!(names::LOG_BYTES).set(file.len() as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn writes_are_counted_and_handed_on() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let store = Counted(MemoryStore::new());
            let digest = store.put_segment(b"12345").unwrap();
            let mut writer = store.segment_writer().unwrap();
            writer.write_all(b"678").unwrap();
            writer.finish().unwrap();
            // One that is given up counts nothing.
            store.segment_writer().unwrap().write_all(b"99999").unwrap();
            store.commit(Batch::new().put("k", "v")).unwrap();
            store.commit(Batch::new().expect_absent("k")).unwrap_err();
            assert_eq!(store.get("k").unwrap().unwrap(), b"v");
            assert_eq!(store.get_segment(&digest).unwrap(), b"12345");
            Size { store: Arc::new(store), log: PathBuf::new() }.measure();
        });
        let text = recorder.handle().render();
        for line in [
            "spotcheck_store_segment_written_bytes_total 8",
            "spotcheck_store_commits_total{result=\"ok\"} 1",
            "spotcheck_store_commits_total{result=\"conflict\"} 1",
            "spotcheck_store_commit_duration_seconds_count 2",
            "spotcheck_store_segments 2",
            "spotcheck_store_segment_bytes 8",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }
}
