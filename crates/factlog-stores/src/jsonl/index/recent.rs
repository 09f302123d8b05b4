//! The index of the newest events, which no index file has yet: in memory, made when somebody asks.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

use super::terms::{self, TermHasher};
use crate::jsonl::line::{Fields, unescaped};

/// Ends a chain.
const NONE: u32 = u32::MAX;

/// Terms of the first so many of the newest events.
#[derive(Debug, Default)]
pub(in crate::jsonl) struct Recent {
    /// The newest link of each term.
    newest: HashMap<u64, u32, BuildHasherDefault<TermHasher>>,
    /// An event, and the link before it.
    links: Vec<(u32, u32)>,
    types: BTreeSet<String>,
    types_list: Vec<String>,
    events: u32,
}

impl Recent {
    /// How many events it knows.
    pub(in crate::jsonl) fn events(&self) -> u32 {
        self.events
    }

    /// Takes in the next event.
    pub(in crate::jsonl) fn add(&mut self, fields: &Fields<'_>) {
        let Self { newest, links, events, .. } = self;
        terms::of_line(fields, |term, _| {
            let link = links.len() as u32;
            let before = newest.insert(term, link).unwrap_or(NONE);
            links.push((*events, before));
        });
        self.events += 1;
        if !self.types.contains(fields.event_type)
            && let Some(name) = unescaped(fields.event_type)
        {
            self.types_list.push(name.clone().into_owned());
            self.types.insert(fields.event_type.to_owned());
        }
    }

    /// The names of its types.
    pub(in crate::jsonl) fn types(&self) -> &[String] {
        &self.types_list
    }

    /// The events of a term, ascending.
    pub(in crate::jsonl) fn ordinals(&self, term: u64) -> Vec<u32> {
        let mut ordinals = Vec::new();
        let mut at = self.newest.get(&term).copied().unwrap_or(NONE);
        while at != NONE {
            let (ordinal, before) = self.links[at as usize];
            ordinals.push(ordinal);
            at = before;
        }
        ordinals.reverse();
        ordinals
    }
}
