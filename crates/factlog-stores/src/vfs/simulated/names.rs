//! The names in one folder: as programs see them, as the disk has them, and the changes in between.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::Luck;

/// What a name is of: a file or a folder, by its number.
pub(super) type Node = usize;

/// A folder's names.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// Since the folder was synced.
    changes: Vec<Change>,
}

/// A change that the disk makes wholly or not at all.
#[derive(Debug)]
struct Change {
    gone: Option<String>,
    new: Option<(String, Node)>,
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, node)) = &self.new {
            names.insert(name.clone(), *node);
        }
    }
}

impl Names {
    /// Takes one name away and gives another one, at once.
    pub(super) fn change(&mut self, gone: Option<&str>, new: Option<(&str, Node)>) {
        let change =
            Change { gone: gone.map(str::to_owned), new: new.map(|(name, node)| (name.to_owned(), node)) };
        change.apply(&mut self.live);
        self.changes.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.changes.clear();
    }

    /// Leaves what a power cut could leave: the changes up to some moment.
    pub(super) fn crash(&mut self, random: &mut Rng, luck: Luck) {
        let kept = luck.of(random, self.changes.len());
        for change in self.changes.drain(..).take(kept) {
            change.apply(&mut self.durable);
        }
        self.live.clone_from(&self.durable);
    }
}
