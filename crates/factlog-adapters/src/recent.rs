//! What was seen lately, found by its name in memory that does not grow with the file.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Names that are remembered for sure; up to twice as many are.
pub(crate) const REMEMBERED_MAX: usize = 50_000;

/// Values by the hashes of their names; the oldest are forgotten.
pub(crate) struct Recent<V> {
    hasher: RandomState,
    newer: HashMap<u64, V>,
    older: HashMap<u64, V>,
}

// A derived one would ask for it of the values too.
impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), newer: HashMap::new(), older: HashMap::new() }
    }
}

impl<V> Recent<V> {
    /// Remembers the newest value of a name.
    pub(crate) fn put(&mut self, name: &str, value: V) {
        if self.newer.len() == REMEMBERED_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(self.hasher.hash_one(name), value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        let hash = self.hasher.hash_one(name);
        self.newer.get(&hash).or_else(|| self.older.get(&hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of a gigabyte must not fill the memory with the names of its calls.
    #[test]
    fn the_last_names_are_remembered_and_the_first_are_forgotten() {
        let mut recent = Recent::default();
        for name in 0..=2 * REMEMBERED_MAX {
            recent.put(&name.to_string(), name);
        }
        assert_eq!(recent.get(&(REMEMBERED_MAX + 1).to_string()), Some(&(REMEMBERED_MAX + 1)));
        assert_eq!(recent.get("0"), None);
        assert!(recent.newer.len() + recent.older.len() <= 2 * REMEMBERED_MAX);
        recent.put("1", 7);
        assert_eq!(recent.get("1"), Some(&7));
    }
}
