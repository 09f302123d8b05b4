//! What ties events together: a stream, a correlation, a session, a field of the data.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::limits::JSON_DEPTH_MAX;
use crate::{Error, Event, Result};

/// How a key begins that is a field of the data.
const DATA: &str = "data.";

/// What ties events together; events that lack it belong to nothing.
///
/// ```
/// use factlog::EventKey;
/// let key: EventKey = "data.taskId".parse()?;
/// assert_eq!(key.to_string(), "data.taskId");
/// assert!("taskId".parse::<EventKey>().is_err());
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EventKey {
    /// The stream.
    Stream,
    /// The correlation id.
    Correlation,
    /// The source.
    Source,
    /// The session id.
    Session,
    /// The user id.
    User,
    /// A field of the data, by the names on the way to it: a text, a number or a boolean.
    Data(Vec<String>),
}

impl EventKey {
    /// What an event has for it.
    pub fn of<'a>(&self, event: &'a Event) -> Option<Cow<'a, str>> {
        match self {
            Self::Stream => Some(Cow::Borrowed(&event.stream)),
            Self::Correlation => event.correlation_id.as_deref().map(Cow::Borrowed),
            Self::Source => event.source.as_deref().map(Cow::Borrowed),
            Self::Session => event.session_id.as_deref().map(Cow::Borrowed),
            Self::User => event.user_id.as_deref().map(Cow::Borrowed),
            Self::Data(path) => {
                let mut json = serde_json::Deserializer::from_str(event.data.as_str());
                Wanted(path).deserialize(&mut json).ok().flatten().map(Cow::Owned)
            }
        }
    }
}

impl FromStr for EventKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let path = |path: &str| -> Option<Vec<String>> {
            let names: Vec<String> = path.split('.').map(str::to_owned).collect();
            let is_path = names.len() <= JSON_DEPTH_MAX && names.iter().all(|name| !name.is_empty());
            is_path.then_some(names)
        };
        match text {
            "stream" => Ok(Self::Stream),
            "correlation" => Ok(Self::Correlation),
            "source" => Ok(Self::Source),
            "session" => Ok(Self::Session),
            "user" => Ok(Self::User),
            other => other.strip_prefix(DATA).and_then(path).map(Self::Data).ok_or_else(|| {
                Error::invalid(format!("events cannot be tied together by {text:?}")).with_hint(
                    "by stream, correlation, source, session, user, or a field such as data.taskId",
                )
            }),
        }
    }
}

impl TryFrom<String> for EventKey {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<EventKey> for String {
    fn from(key: EventKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream => f.write_str("stream"),
            Self::Correlation => f.write_str("correlation"),
            Self::Source => f.write_str("source"),
            Self::Session => f.write_str("session"),
            Self::User => f.write_str("user"),
            Self::Data(path) => write!(f, "{DATA}{}", path.join(".")),
        }
    }
}

/// The value at the end of a path, read without the rest of the data.
struct Wanted<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Option<String>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            match self.0.split_first() {
                Some((wanted, rest)) if **wanted == *name => found = fields.next_value_seed(Wanted(rest))?,
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(self.0.is_empty().then(|| value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> Event {
        let line = format!(
            r#"{{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-1","version":1,"type":"a:b",
            "source":"agent-7","recordedAt":"2026-11-20T23:44:30Z","data":{data}}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_key_is_what_an_event_has_and_what_it_lacks_is_none() {
        let of = |key: &str, data: &str| {
            key.parse::<EventKey>().unwrap().of(&event(data)).map(std::borrow::Cow::into_owned)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("stream", "{}"), some("task-1"));
        assert_eq!(of("source", "{}"), some("agent-7"));
        assert_eq!(of("correlation", "{}"), None);
        assert_eq!(of("data.taskId", r#"{"a":[1,{}],"taskId":"T\u0031","z":{"taskId":2}}"#), some("T1"));
        assert_eq!(of("data.of.deep", r#"{"of":{"x":1,"deep":7},"deep":8}"#), some("7"));
        assert_eq!(of("data.n", r#"{"n":true}"#), some("true"));
        for data in [
            "[]",
            "1",
            "null",
            r#"{"taskId":null}"#,
            r#"{"taskId":{}}"#,
            r#"{"taskId":["a"]}"#,
            r#""taskId""#,
        ] {
            assert_eq!(of("data.taskId", data), None, "{data}");
        }
    }

    #[test]
    fn a_key_is_written_as_it_is_read_and_others_are_refused_with_the_words_there_are() {
        for text in ["stream", "correlation", "source", "session", "user", "data.a", "data.a.b"] {
            assert_eq!(text.parse::<EventKey>().unwrap().to_string(), text);
        }
        for text in ["", "Stream", "data", "data.", "data..a", "metadata.a"] {
            let error = text.parse::<EventKey>().unwrap_err();
            assert!(error.hint().is_some_and(|hint| hint.contains("data.taskId")), "{text}");
        }
    }
}
