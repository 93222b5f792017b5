//! A batch: records that change together, and what must be so for them to change.

use super::{BATCH_BYTES_MAX, KEY_BYTES_MAX, StoreError, VALUE_BYTES_MAX};

/// Changes that are made together.
///
/// Expectations look at the state before the batch; of several changes of one key the last holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    expected: Vec<(String, Option<Vec<u8>>)>,
    pub(super) changes: Vec<(String, Option<Vec<u8>>)>,
}

impl Batch {
    /// A batch without changes.
    #[must_use]
    pub fn new() -> Self {
        Batch::default()
    }

    /// Writes a record.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.changes.push((key.into(), Some(value.into())));
        self
    }

    /// Removes a record, if there is one.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.changes.push((key.into(), None));
        self
    }

    /// Applies only if `key` has no value.
    #[must_use]
    pub fn expect_absent(mut self, key: impl Into<String>) -> Self {
        self.expected.push((key.into(), None));
        self
    }

    /// Applies only if `key` has exactly this value.
    #[must_use]
    pub fn expect(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.expected.push((key.into(), Some(value.into())));
        self
    }

    /// The keys that are written or removed.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().map(|(key, _)| key.as_str())
    }

    /// Bytes of all keys and values.
    pub(super) fn bytes(&self) -> usize {
        let both = self.expected.iter().chain(&self.changes);
        both.map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }

    /// Refuses what no store takes.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        for (key, value) in &self.changes {
            if key.starts_with('\0') {
                return Err(StoreError::Reserved { key: key.clone() });
            }
            let sizes =
                [(key.len(), KEY_BYTES_MAX), (value.as_ref().map_or(0, Vec::len), VALUE_BYTES_MAX)];
            if let Some((bytes, max)) = sizes.into_iter().find(|(bytes, max)| bytes > max) {
                return Err(StoreError::TooLarge { key: key.clone(), bytes, max });
            }
        }
        match self.bytes() {
            bytes if bytes > BATCH_BYTES_MAX => {
                Err(StoreError::BatchTooLarge { bytes, max: BATCH_BYTES_MAX })
            }
            _ => Ok(()),
        }
    }

    /// The first key whose value is not the expected one.
    pub(super) fn conflict(
        &self,
        get: impl Fn(&str) -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<Option<String>, StoreError> {
        for (key, wanted) in &self.expected {
            if get(key)? != *wanted {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }
}
