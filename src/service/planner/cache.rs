//! The few large values that were used last, decoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A bounded cache of shared values, the one used last at the end.
pub(super) struct Recent<K, V> {
    capacity: usize,
    entries: Mutex<Vec<(K, Arc<V>)>>,
    /// Held while a value is loaded, so that ten callers who want the same one load it once.
    loading: Mutex<()>,
}

/// A panic of another thread leaves these locks' contents whole: they guard single statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: PartialEq + Clone, V> Recent<K, V> {
    pub fn new(capacity: usize) -> Self {
        Recent { capacity, entries: Mutex::new(Vec::new()), loading: Mutex::new(()) }
    }

    /// The value of `key`, if it is here.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut entries = lock(&self.entries);
        let place = entries.iter().position(|(known, _)| known == key)?;
        let entry = entries.remove(place);
        let value = Arc::clone(&entry.1);
        entries.push(entry);
        Some(value)
    }

    /// Keeps a value, in place of the one that was not used for longest.
    pub fn put(&self, key: K, value: Arc<V>) {
        let mut entries = lock(&self.entries);
        entries.retain(|(known, _)| *known != key);
        if entries.len() >= self.capacity {
            entries.remove(0);
        }
        entries.push((key, value));
    }

    /// The value of `key`, loaded if it is not here.
    pub fn get_or<E>(&self, key: &K, load: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        if let Some(value) = self.get(key) {
            return Ok(value);
        }
        let _one_at_a_time = lock(&self.loading);
        if let Some(value) = self.get(key) {
            return Ok(value);
        }
        let value = Arc::new(load()?);
        self.put(key.clone(), Arc::clone(&value));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes() {
        let recent = Recent::new(2);
        let load = |key: &u8, value: u8| *recent.get_or::<()>(key, || Ok(value)).unwrap();
        assert_eq!(load(&1, 10), 10);
        assert_eq!(load(&2, 20), 20);
        assert_eq!(load(&1, 11), 10);
        assert_eq!(load(&3, 30), 30);
        assert_eq!(recent.get(&2), None);
        assert_eq!(recent.get(&1).as_deref(), Some(&10));
        assert_eq!(recent.get_or(&4, || Err("no")), Err("no"));
        assert_eq!(recent.get(&4), None);
    }
}
