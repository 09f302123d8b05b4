//! What a pattern looks at, and where in its chains that stands.

use std::collections::HashMap;
use std::sync::Arc;

use super::chain::{Atom, Chain};
use crate::Event;

/// Types whose part in the pattern is remembered.
const TYPES_MAX: usize = 4_096;

/// Everything that a pattern looks at, and what of it an event is.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    all: Vec<Arc<Atom>>,
    /// Which of them a type may be.
    types: HashMap<Arc<str>, Arc<[usize]>>,
    /// Which of them have the type of the event that is looked at.
    of_type: Vec<usize>,
    /// Whether it is this one.
    is_hit: Vec<bool>,
}

/// Where in one chain its atoms stand: of steps, and of guards.
#[derive(Debug)]
pub(super) struct Places {
    /// By step, the atoms.
    steps: Vec<Vec<usize>>,
    /// By the number of steps taken, the atom of each guard.
    guards: Vec<Vec<usize>>,
    /// Where its lists begin among those of a key.
    pub(super) lists: usize,
}

impl Atoms {
    /// Those of all chains, and where they stand in each.
    pub(super) fn of(chains: &[Chain]) -> (Self, Vec<Places>) {
        let mut known: HashMap<*const Atom, usize> = HashMap::new();
        let mut all: Vec<Arc<Atom>> = Vec::new();
        let mut place = |atom: &Arc<Atom>| {
            *known.entry(Arc::as_ptr(atom)).or_insert_with(|| {
                all.push(Arc::clone(atom));
                all.len() - 1
            })
        };
        let mut lists = 0;
        let mut places = Vec::new();
        for chain in chains {
            let steps = chain.steps.iter().map(|step| step.atoms.iter().map(&mut place).collect()).collect();
            let guards = chain
                .guards
                .iter()
                .map(|guards| guards.iter().map(|guard| place(&guard.atom)).collect())
                .collect();
            places.push(Places { steps, guards, lists });
            lists += chain.steps.len() + 1;
        }
        let is_hit = vec![false; all.len()];
        (Self { all, is_hit, ..Self::default() }, places)
    }

    /// Whether an event has the type of any.
    pub(super) fn has_type(&mut self, event: &Event) -> bool {
        let may_be = self.may_be(event);
        self.of_type.clear();
        self.of_type.extend(may_be.iter().copied().filter(|at| self.all[*at].is_of_type(event)));
        !self.of_type.is_empty()
    }

    /// Whether that event is any of those of its type, as their conditions say; remembered for each.
    pub(super) fn looks_like_any(&mut self, event: &Event) -> bool {
        self.is_hit.fill(false);
        for at in &self.of_type {
            self.is_hit[*at] = self.all[*at].holds(event);
        }
        self.of_type.iter().any(|at| self.is_hit[*at])
    }

    /// Which an event of this type may be.
    fn may_be(&mut self, event: &Event) -> Arc<[usize]> {
        if let Some(known) = self.types.get(event.event_type.as_str()) {
            return Arc::clone(known);
        }
        let atoms = self.all.iter().enumerate();
        let may_be: Arc<[usize]> =
            atoms.filter(|(_, atom)| atom.may_be(&event.event_type)).map(|(at, _)| at).collect();
        if self.types.len() >= TYPES_MAX {
            self.types.clear();
        }
        self.types.insert(event.event_type.as_str().into(), Arc::clone(&may_be));
        may_be
    }
}

impl Places {
    /// Where the lists of the next chain begin.
    pub(super) fn lists_end(&self) -> usize {
        self.lists + self.guards.len()
    }

    /// The numbers of steps that can have been taken.
    pub(super) fn steps_taken(&self) -> impl Iterator<Item = usize> + use<> {
        1..self.guards.len()
    }

    /// Whether the event that is looked at could be the step after so many.
    pub(super) fn is_step(&self, taken: usize, atoms: &Atoms) -> bool {
        self.steps.get(taken).is_some_and(|any_of| any_of.iter().any(|at| atoms.is_hit[*at]))
    }

    /// Whether it could be what must not come after so many, by guard.
    fn guards<'a>(&'a self, taken: usize, atoms: &'a Atoms) -> impl Iterator<Item = bool> + 'a {
        self.guards[taken].iter().map(|at| atoms.is_hit[*at])
    }

    /// Whether it matters to those that have taken so many steps.
    pub(super) fn concerns(&self, taken: usize, atoms: &Atoms) -> bool {
        self.is_step(taken, atoms) || self.guards(taken, atoms).any(|is_hit| is_hit)
    }
}

/// What a chain makes of one event, whoever is waiting: which steps and guards it could be.
pub(super) struct Hits<'a> {
    pub(super) chain: &'a Chain,
    pub(super) event: &'a Arc<Event>,
    pub(super) places: &'a Places,
    pub(super) atoms: &'a Atoms,
}

impl Hits<'_> {
    /// Whether the event could be the step after so many.
    pub(super) fn is_step(&self, taken: usize) -> bool {
        self.places.is_step(taken, self.atoms)
    }

    /// Whether it could be what must not come after so many, by guard.
    pub(super) fn guards(&self, taken: usize) -> impl Iterator<Item = bool> {
        self.places.guards(taken, self.atoms)
    }
}
