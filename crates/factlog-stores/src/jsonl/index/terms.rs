//! What events are found by: each field's values as numbers, in lines and in filters alike.
//!
//! Two values may share a number; an index only finds candidates, and the filter judges them.

use std::hash::Hasher;

use factlog::Filter;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::jsonl::line::{Fields, unescaped};

/// Values in one field of a filter that are looked up; with more it is cheaper to read everything.
const KEYS_MAX: usize = 64;

/// The kinds of terms, as they stand in index files.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(in crate::jsonl) enum Kind {
    Id = 1,
    Stream = 2,
    Category = 3,
    Type = 4,
    Source = 5,
    Target = 6,
    Correlation = 7,
    Causation = 8,
    Session = 9,
    User = 10,
    Tag = 11,
}

/// The number of a value.
pub(in crate::jsonl) fn term(kind: Kind, value: &[u8]) -> u64 {
    // The seeds are a part of the format.
    xxh3_64_with_seed(value, kind as u64)
}

/// Calls `each` with every term of an event, and whether it is likely to be the only event that has it.
pub(super) fn of_line(fields: &Fields<'_>, mut each: impl FnMut(u64, bool)) {
    let mut text = |kind: Kind, text: Option<&str>| {
        if let Some(text) = text.and_then(unescaped) {
            each(term(kind, text.as_bytes()), matches!(kind, Kind::Correlation));
        }
    };
    text(Kind::Stream, Some(fields.stream));
    text(Kind::Category, fields.stream.split('-').next());
    text(Kind::Type, Some(fields.event_type));
    text(Kind::Source, fields.source);
    text(Kind::Correlation, fields.correlation_id);
    text(Kind::Session, fields.session_id);
    text(Kind::User, fields.user_id);
    for (kind, list) in [(Kind::Target, fields.targets), (Kind::Tag, fields.tags)] {
        let values: Vec<String> = list.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        for value in values {
            each(term(kind, value.as_bytes()), false);
        }
    }
    if let Some(cause) = fields.causation_id.and_then(|id| Uuid::try_parse(id).ok()) {
        each(term(Kind::Causation, cause.as_bytes()), true);
    }
    each(term(Kind::Id, fields.id.as_bytes()), true);
}

/// What a filter asks of the index: of each list, one of its terms must be there.
#[derive(Debug, Default)]
pub(in crate::jsonl) struct Asked {
    lists: Vec<Vec<u64>>,
    /// The filter of which types are looked up by name, when one has a star.
    types: Option<Filter>,
}

impl Asked {
    pub(in crate::jsonl) fn of(filter: &Filter) -> Self {
        let mut asked = Self::default();
        let mut list = |kind: Kind, values: Vec<&[u8]>, max: usize| {
            if !values.is_empty() && values.len() <= max {
                asked.lists.push(values.into_iter().map(|value| term(kind, value)).collect());
            }
        };
        macro_rules! texts {
            ($kind:ident, $values:expr) => {
                list(Kind::$kind, $values.iter().map(|value| value.as_bytes()).collect(), KEYS_MAX)
            };
        }
        list(Kind::Id, filter.ids.iter().map(|id| id.0.as_bytes().as_slice()).collect(), usize::MAX);
        texts!(Stream, filter.streams);
        texts!(Category, filter.categories);
        texts!(Source, filter.sources);
        texts!(Target, filter.targets);
        texts!(Correlation, filter.correlation);
        texts!(Session, filter.session);
        texts!(User, filter.user);
        texts!(Tag, filter.tags);
        list(
            Kind::Causation,
            filter.causation.iter().map(|id| id.0.as_bytes().as_slice()).collect(),
            KEYS_MAX,
        );
        for (kind, names) in [(factlog::FILE_TAG, &filter.files), (factlog::TOOL_TAG, &filter.tools)] {
            let tags: Vec<String> = names.iter().map(|name| format!("{kind}{name}")).collect();
            list(Kind::Tag, tags.iter().map(String::as_bytes).collect(), KEYS_MAX);
        }
        if !filter.types.is_empty() && filter.types.len() <= KEYS_MAX {
            asked.types = Some(Filter { types: filter.types.clone(), ..Filter::all() });
        }
        asked
    }

    /// Whether the index can help at all.
    pub(in crate::jsonl) fn is_nothing(&self) -> bool {
        self.lists.is_empty() && self.types.is_none()
    }

    /// The lists, where these are the names of all types there are; none when they are not known.
    pub(in crate::jsonl) fn lists(&self, types: Option<&[String]>) -> Vec<Vec<u64>> {
        let mut lists = self.lists.clone();
        let Some(filter) = &self.types else { return lists };
        let exact: Option<Vec<&str>> = filter.types.iter().map(|pattern| pattern.exact()).collect();
        let names = exact.or_else(|| {
            let known = types?.iter().map(String::as_str);
            Some(known.filter(|name| filter.types.iter().any(|pattern| pattern.matches(name))).collect())
        });
        if let Some(names) = names {
            lists.push(names.into_iter().map(|name| term(Kind::Type, name.as_bytes())).collect());
        }
        lists
    }
}

/// The number of a term is as random as a hash.
#[derive(Debug, Default)]
pub(super) struct TermHasher(u64);

impl Hasher for TermHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, term: u64) {
        self.0 = term;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
