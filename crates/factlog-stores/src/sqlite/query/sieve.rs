//! Which rows need not be decoded: as much of a filter as can be seen in the columns as they are.

use factlog::{FILE_TAG, Filter, TOOL_TAG, Tag, TextSearch};
use rusqlite::types::ValueRef;

/// A list of more tags than this is left to the filter.
const TAGS_MAX: usize = 64;
/// How the envelope column names the time at which an event expires.
const EXPIRES: &str = "\"expiresAt\"";

/// Holds back rows that a filter cannot match, and lets some through that it does not: the filter judges those. What is
/// damaged and held back is found by a check, as what an index passes over is.
pub(super) struct Sieve {
    /// What the data must have.
    text: Option<TextSearch>,
    /// What the envelope must have: one text of each list.
    envelope: Vec<Vec<TextSearch>>,
}

impl Sieve {
    /// The sieve of a filter; none where all rows would fall through.
    pub(super) fn of(filter: &Filter) -> Option<Self> {
        let text = filter.text.as_deref().map(TextSearch::new);
        let lists = [("", &filter.tags), (FILE_TAG, &filter.files), (TOOL_TAG, &filter.tools)];
        let lists = lists.into_iter().filter(|(_, names)| (1..=TAGS_MAX).contains(&names.len()));
        let envelope: Vec<_> = lists
            .filter_map(|(kind, names)| names.iter().map(|name| written(kind, name)).collect())
            .chain((!filter.expires.is_everything()).then(|| vec![TextSearch::new(EXPIRES)]))
            .collect();
        (text.is_some() || !envelope.is_empty()).then_some(Self { text, envelope })
    }

    /// The columns to look at, each NULL where it does not matter.
    pub(super) fn columns(&self) -> [&'static str; 2] {
        [
            if self.envelope.is_empty() { "NULL" } else { "e.envelope" },
            if self.text.is_none() { "NULL" } else { "e.data" },
        ]
    }

    /// Whether a row with these columns may be meant. One that holds something else than it should is let through, for
    /// decoding to say so.
    pub(super) fn lets_through(&self, envelope: ValueRef<'_>, data: ValueRef<'_>) -> bool {
        let has_envelope = match envelope {
            ValueRef::Text(envelope) => {
                self.envelope.iter().all(|texts| texts.iter().any(|text| text.finds(envelope)))
            }
            ValueRef::Null => self.envelope.is_empty(),
            _ => true,
        };
        has_envelope
            && match (&self.text, data) {
                (Some(text), ValueRef::Text(data)) => text.finds(data),
                _ => true,
            }
    }
}

/// A tag as the envelope column writes it. The search takes upper and lower case for the same, and so lets more through.
fn written(kind: &str, name: &Tag) -> Option<TextSearch> {
    serde_json::to_string(&format!("{kind}{name}")).ok().map(|text| TextSearch::new(&text))
}
