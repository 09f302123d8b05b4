//! Which events: one meaning for every store, command and client.

use serde::{Deserialize, Serialize};

use crate::limits::{FILTER_TEXT_BYTES_MAX, FILTER_VALUES_MAX};
use crate::text_search::TextSearch;
use crate::{Error, Event, EventId, Priority, Result, StreamName, Tag, Text, Timestamp, TypePattern};

/// What the path of a file stands behind in a tag.
pub const FILE_TAG: &str = "file:";
/// What the name of a tool stands behind in a tag.
pub const TOOL_TAG: &str = "tool:";

/// Which events; the empty filter is all of them.
///
/// Fields are and-ed, the values in a field or-ed. In `not` one matching field is enough to leave an event out. What
/// an event lacks never matches, in or out. [`Filter::matches`] *is* the meaning; a store's index must agree with it.
///
/// ```
/// use factlog::Filter;
/// let filter = Filter::types(["task:*"])?;
/// assert_eq!(serde_json::to_string(&filter)?, r#"{"types":["task:*"]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Names of streams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<StreamName>,
    /// Categories: the names of streams up to their first `-`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Text>,
    /// Types, where wanted with a condition; `*` stands for any run of characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<TypePattern>,
    /// Who said it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Text>,
    /// Who it is for: one of the event's targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Text>,
    /// Correlation ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub correlation: Vec<Text>,
    /// Ids of causing events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causation: Vec<EventId>,
    /// Session ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub session: Vec<Text>,
    /// User ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<Text>,
    /// Tags: one of the event's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Paths of files: one of the event's tags is `file:` and the path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Tag>,
    /// Names of tools: one of the event's tags is `tool:` and the name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tag>,
    /// Priorities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<Priority>,
    /// Event ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<EventId>,
    /// A person's time: occurredAt, else recordedAt.
    #[serde(skip_serializing_if = "TimeRange::is_everything")]
    pub time: TimeRange,
    /// The store's time: recordedAt.
    #[serde(skip_serializing_if = "TimeRange::is_everything")]
    pub recorded: TimeRange,
    /// When the delivery of an event ends: its expiresAt. An event without one never matches.
    #[serde(skip_serializing_if = "TimeRange::is_everything")]
    pub expires: TimeRange,
    /// A part of the data as stored; ASCII case does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What is left out: an event of which any field here matches. It has no `not` of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<Filter>>,
}

/// From a time on, and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeRange {
    /// The first moment that is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The first moment that is out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

impl TimeRange {
    /// Whether it bounds nothing.
    pub fn is_everything(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether a moment is in.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }

    /// Whether it bounds something, and a moment that may be missing is in.
    fn bounds_and_has(&self, time: Option<Timestamp>) -> bool {
        !self.is_everything() && time.is_some_and(|time| self.contains(time))
    }
}

/// Calls one macro with each field of a filter that is a list, beside what an event has for it.
macro_rules! fields {
    ($filter:expr, $event:expr, $each:ident) => {{
        let (filter, event) = ($filter, $event);
        $each!(filter.streams, filter.streams.contains(&event.stream));
        $each!(filter.categories, filter.categories.iter().any(|name| *name == *event.stream.category()));
        $each!(filter.types, filter.types.iter().any(|pattern| pattern.means(event)));
        $each!(filter.sources, has(&filter.sources, event.source.as_ref()));
        $each!(filter.targets, event.targets.iter().any(|target| filter.targets.contains(target)));
        $each!(filter.correlation, has(&filter.correlation, event.correlation_id.as_ref()));
        $each!(filter.causation, has(&filter.causation, event.causation_id.as_ref()));
        $each!(filter.session, has(&filter.session, event.session_id.as_ref()));
        $each!(filter.user, has(&filter.user, event.user_id.as_ref()));
        $each!(filter.tags, event.tags.iter().any(|tag| filter.tags.contains(tag)));
        $each!(filter.files, has_tag(event, FILE_TAG, &filter.files));
        $each!(filter.tools, has_tag(event, TOOL_TAG, &filter.tools));
        $each!(filter.priorities, has(&filter.priorities, event.priority.as_ref()));
        $each!(filter.ids, filter.ids.contains(&event.id));
    }};
}

fn has<T: PartialEq>(wanted: &[T], value: Option<&T>) -> bool {
    value.is_some_and(|value| wanted.contains(value))
}

/// Whether one of the event's tags is `kind` and one of the names behind it.
fn has_tag(event: &Event, kind: &str, names: &[Tag]) -> bool {
    event
        .tags
        .iter()
        .filter_map(|tag| tag.strip_prefix(kind))
        .any(|name| names.iter().any(|wanted| *wanted == *name))
}

impl Filter {
    /// Every event.
    pub fn all() -> Self {
        Self::default()
    }

    /// The events of one stream.
    pub fn stream(stream: StreamName) -> Self {
        Self { streams: vec![stream], ..Self::default() }
    }

    /// The events with these ids.
    pub fn ids(ids: impl IntoIterator<Item = EventId>) -> Self {
        Self { ids: ids.into_iter().collect(), ..Self::default() }
    }

    /// The events of these types; `*` stands for any run of characters.
    pub fn types<'a>(types: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let types = types.into_iter().map(str::parse).collect::<Result<_>>()?;
        Ok(Self { types, ..Self::default() })
    }

    /// The events of streams of these categories.
    pub fn categories<'a>(categories: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let categories = categories.into_iter().map(str::parse).collect::<Result<_>>()?;
        Ok(Self { categories, ..Self::default() })
    }

    /// Whether it is every event.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an event is meant.
    pub fn matches(&self, event: &Event) -> bool {
        macro_rules! required {
            ($values:expr, $matches:expr) => {
                if !$values.is_empty() && !$matches {
                    return false;
                }
            };
        }
        fields!(self, event, required);
        self.time.contains(event.time())
            && self.recorded.contains(event.recorded_at)
            && (self.expires.is_everything() || self.expires.bounds_and_has(event.expires_at))
            && self
                .text
                .as_deref()
                .is_none_or(|text| TextSearch::new(text).finds(event.data.as_str().as_bytes()))
            && !self.not.as_deref().is_some_and(|not| not.matches_any_field(event))
    }

    fn matches_any_field(&self, event: &Event) -> bool {
        macro_rules! enough {
            ($values:expr, $matches:expr) => {
                if !$values.is_empty() && $matches {
                    return true;
                }
            };
        }
        fields!(self, event, enough);
        self.time.bounds_and_has(Some(event.time()))
            || self.recorded.bounds_and_has(Some(event.recorded_at))
            || self.expires.bounds_and_has(event.expires_at)
            || self
                .text
                .as_deref()
                .is_some_and(|text| TextSearch::new(text).finds(event.data.as_str().as_bytes()))
    }

    /// Whether some event could be meant by both; `true` where that is not plain to see.
    pub fn overlaps(&self, other: &Self) -> bool {
        fn apart<T: PartialEq>(ours: &[T], theirs: &[T]) -> bool {
            !ours.is_empty() && !theirs.is_empty() && !ours.iter().any(|value| theirs.contains(value))
        }
        let categories = |filter: &Self| -> Vec<String> {
            let named = filter.categories.iter().map(std::string::ToString::to_string);
            let of_streams = filter.streams.iter().map(|name| name.category().to_owned());
            if filter.categories.is_empty() { of_streams.collect() } else { named.collect() }
        };
        let names = |filter: &Self| -> Option<Vec<String>> {
            filter.types.iter().map(|pattern| pattern.exact().map(str::to_owned)).collect()
        };
        let types_apart = match (names(self), names(other)) {
            (Some(ours), Some(theirs)) => apart(&ours, &theirs),
            _ => false,
        };
        !(apart(&self.streams, &other.streams) || apart(&categories(self), &categories(other)) || types_apart)
    }

    /// Refuses a filter over its bounds.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn check(&self) -> Result<()> {
        let lists = [
            ("streams", self.streams.len()),
            ("categories", self.categories.len()),
            ("types", self.types.len()),
            ("sources", self.sources.len()),
            ("targets", self.targets.len()),
            ("correlation", self.correlation.len()),
            ("causation", self.causation.len()),
            ("session", self.session.len()),
            ("user", self.user.len()),
            ("tags", self.tags.len()),
            ("files", self.files.len()),
            ("tools", self.tools.len()),
            ("ids", self.ids.len()),
        ];
        if let Some((field, count)) = lists.into_iter().find(|(_, count)| *count > FILTER_VALUES_MAX) {
            return Err(Error::invalid(format!(
                "the filter's {field} has {count} values; {FILTER_VALUES_MAX} are allowed"
            )));
        }
        match (&self.text, &self.not) {
            (Some(text), _) if text.is_empty() || text.len() > FILTER_TEXT_BYTES_MAX => {
                Err(Error::invalid(format!(
                    "the filter's text has {} bytes; 1 to {FILTER_TEXT_BYTES_MAX} are allowed",
                    text.len()
                )))
            }
            (_, Some(not)) if not.not.is_some() => {
                Err(Error::invalid("the filter's not has a not of its own"))
            }
            (_, Some(not)) => not.check(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_cannot_share_an_event_are_told_apart_and_doubt_counts_as_sharing() {
        let of = |text: &str| serde_json::from_str::<Filter>(text).unwrap();
        let tasks = of(r#"{"categories":["task"]}"#);
        assert!(!tasks.overlaps(&of(r#"{"streams":["agent-1"]}"#)));
        assert!(tasks.overlaps(&of(r#"{"streams":["task-1"]}"#)));
        assert!(tasks.overlaps(&of(r#"{"types":["agent:spawned"]}"#)));
        assert!(!of(r#"{"types":["a:b"]}"#).overlaps(&of(r#"{"types":["a:c"]}"#)));
        assert!(of(r#"{"types":["a:*"]}"#).overlaps(&of(r#"{"types":["a:c"]}"#)));
        assert!(Filter::all().overlaps(&Filter::all()));
    }

    #[test]
    fn a_file_and_a_tool_narrow_each_other_where_two_tags_would_widen() {
        let event = |tags: &[&str]| -> Event {
            let line = serde_json::json!({"position": 1, "id": EventId::generate(), "stream": "s", "version": 1,
                "type": "t", "recordedAt": "2026-11-20T23:44:30Z", "tags": tags, "data": {}});
            serde_json::from_value(line).unwrap()
        };
        let edit = event(&["tool:Edit", "file:src/a.rs"]);
        let read = event(&["tool:Read", "file:src/a.rs", "file:src/b.rs"]);
        let neither = event(&["src/a.rs", "Edit", "file:", "tool:file:src/a.rs"]);
        let of = |text: &str| -> [bool; 3] {
            let filter = serde_json::from_str::<Filter>(text).unwrap();
            [&edit, &read, &neither].map(|event| filter.matches(event))
        };
        assert_eq!(of(r#"{"files":["src/a.rs"]}"#), [true, true, false]);
        assert_eq!(of(r#"{"files":["src/a.rs"],"tools":["Edit"]}"#), [true, false, false]);
        assert_eq!(of(r#"{"tags":["file:src/a.rs","tool:Edit"]}"#), [true, true, false]);
        assert_eq!(of(r#"{"files":["src/b.rs","src/c.rs"]}"#), [false, true, false]);
        assert_eq!(of(r#"{"files":["a.rs"],"not":{"tools":["Read"]}}"#), [false; 3]);
        assert_eq!(of(r#"{"not":{"tools":["Read"]}}"#), [true, false, true]);
        assert_eq!(of(r#"{"not":{"tools":["Grep"],"files":["src/b.rs"]}}"#), [true, false, true]);
        assert!(serde_json::from_str::<Filter>(r#"{"files":[""]}"#).is_err());
    }
}
