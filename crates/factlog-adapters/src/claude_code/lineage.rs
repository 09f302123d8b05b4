//! Which session a line of a file is of: a resumed session may begin with lines of the one before.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use factlog::Text;

/// Lines that are remembered for sure; up to twice as many are.
const LINES_MAX: usize = 50_000;

/// The sessions of the last lines, found by the hash of their uuid.
#[derive(Default)]
pub(super) struct Lineage {
    hasher: RandomState,
    newer: HashMap<u64, Text>,
    older: HashMap<u64, Text>,
    last: Option<Text>,
}

impl Lineage {
    pub(super) fn add(&mut self, uuid: &str, session: &Text) {
        // Most lines are of the session of the line before, and share its name.
        let session = match &self.last {
            Some(last) if last == session => last.clone(),
            _ => self.last.insert(session.clone()).clone(),
        };
        if self.newer.len() == LINES_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(self.hasher.hash_one(uuid), session);
    }

    /// The session of a line that was read not too long ago.
    pub(super) fn session(&self, uuid: &str) -> Option<&Text> {
        let hash = self.hasher.hash_one(uuid);
        self.newer.get(&hash).or_else(|| self.older.get(&hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transcript of a gigabyte must not fill the memory with its uuids.
    #[test]
    fn the_last_lines_are_remembered_and_the_first_are_forgotten() {
        let session = Text::trusted("s");
        let mut lineage = Lineage::default();
        for line in 0..=2 * LINES_MAX {
            lineage.add(&line.to_string(), &session);
        }
        assert_eq!(lineage.session(&(LINES_MAX + 1).to_string()), Some(&session));
        assert_eq!(lineage.session("0"), None);
        assert!(lineage.newer.len() + lineage.older.len() <= 2 * LINES_MAX);
    }
}
