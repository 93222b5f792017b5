//! Whether the store may still be written to.

use std::sync::{Arc, OnceLock};

use super::StoreError;

/// The first failed sync of a store, shared by all who write to it.
///
/// After a sync has failed the kernel may have dropped the pages that it could not write, and the
/// next sync succeeds without them. So nothing is acknowledged any more until the store is opened
/// again and has read what the disk really holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Health(Arc<OnceLock<String>>);

impl Health {
    /// Refuses if something has failed.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.0.get() {
            None => Ok(()),
            Some(cause) => Err(StoreError::Failed { cause: cause.clone() }),
        }
    }

    /// Nothing is written from now on. The first cause is kept: later ones follow from it.
    pub fn fail(&self, cause: &StoreError) {
        let _ = self.0.set(cause.to_string());
    }
}
