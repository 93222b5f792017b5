//! How much each of many holds at the moment, up to a bound.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is held, by whom; who holds nothing is not remembered.
#[derive(Debug)]
pub(super) struct Tally<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally(Arc::default())
    }
}

/// A panic of another thread leaves the counts whole: they change in single statements.
fn lock<K>(counts: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Hash + Eq + Clone> Tally<K> {
    /// One more for `key`, until it is dropped; what `key` holds, if that is `most` already.
    pub fn take(&self, key: K, most: usize) -> Result<Held<K>, usize> {
        let mut counts = lock(&self.0);
        let own = counts.get(&key).copied().unwrap_or(0);
        if own >= most {
            return Err(own);
        }
        counts.insert(key.clone(), own + 1);
        drop(counts);
        Ok(Held { counts: Arc::clone(&self.0), key })
    }

    /// How many hold something.
    #[cfg(test)]
    pub fn holders(&self) -> usize {
        lock(&self.0).len()
    }
}

/// One that somebody holds; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Held<K: Hash + Eq> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

impl<K: Hash + Eq> Drop for Held<K> {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(own) = counts.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                counts.remove(&self.key);
            }
        }
    }
}
