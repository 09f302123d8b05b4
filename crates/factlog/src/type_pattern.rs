//! Which types: by name, by `*`, and where wanted by one field of the data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Error, EventType, NewEvent, Result};

/// How a condition begins, behind the type.
const CONDITION: &str = "[data.";
/// What stands between a condition's field and its text.
const EQUALS: &str = " == \"";
/// How a condition ends.
const CONDITION_END: &str = "\"]";

/// A type in which `*` stands for any run of characters, none included.
///
/// Behind it may stand a condition on one field of the data: `session:completed[data.result == "failure"]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TypePattern {
    text: EventType,
    /// Bytes of the type, without a condition.
    type_bytes: usize,
    has_star: bool,
}

impl TypePattern {
    /// Whether it stands for this type; the data may still not fit.
    pub fn matches(&self, event_type: &str) -> bool {
        if self.has_star {
            glob(self.name().as_bytes(), event_type.as_bytes())
        } else {
            self.name() == event_type
        }
    }

    /// Whether an event is meant, recorded or not.
    pub fn means(&self, event: &NewEvent) -> bool {
        self.matches(&event.event_type)
            && (self.type_bytes == self.text.len()
                || self.condition().is_none_or(|(field, text)| is_text(event.data.as_str(), field, text)))
    }

    /// The type it names, when it has no `*`.
    pub fn exact(&self) -> Option<&str> {
        (!self.has_star).then_some(self.name())
    }

    /// The same condition behind another type.
    ///
    /// # Errors
    /// `Invalid` when that is no type, or too long.
    pub fn with_type(&self, event_type: &str) -> Result<Self> {
        format!("{event_type}{}", &self.text[self.type_bytes..]).parse()
    }

    /// The type, without a condition; it may have a `*`.
    pub fn type_name(&self) -> &str {
        self.name()
    }

    /// Whether the data must fit too.
    pub fn has_condition(&self) -> bool {
        self.type_bytes < self.text.len()
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The type, without a condition.
    fn name(&self) -> &str {
        &self.text[..self.type_bytes]
    }

    /// A field of the data, and the text it must be.
    fn condition(&self) -> Option<(&str, &str)> {
        condition(&self.text[self.type_bytes..])
    }
}

/// Reads `[data.FIELD == "TEXT"]`; a text with a quote or a backslash in it cannot be asked for.
fn condition(text: &str) -> Option<(&str, &str)> {
    let (field, text) = text.strip_prefix(CONDITION)?.strip_suffix(CONDITION_END)?.split_once(EQUALS)?;
    let is_name = !field.is_empty() && field.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !text.contains(['"', '\\'])).then_some((field, text))
}

/// Whether a field of an object is this text.
fn is_text(data: &str, field: &str, text: &str) -> bool {
    type Fields<'a> = std::collections::HashMap<String, &'a RawValue>;
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(data) else { return false };
    let value = fields.get(field).and_then(|value| serde_json::from_str::<String>(value.get()).ok());
    value.is_some_and(|value| value == text)
}

/// Walks both texts once, and back to the last star when they part.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            star = Some((star_p, star_t + 1));
            p = star_p + 1;
            t = star_t + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl FromStr for TypePattern {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        text.parse::<EventType>().map(Self::from)
    }
}

impl From<EventType> for TypePattern {
    fn from(text: EventType) -> Self {
        let begin = text.find(CONDITION).filter(|begin| *begin > 0 && condition(&text[*begin..]).is_some());
        let type_bytes = begin.unwrap_or(text.len());
        Self { has_star: text[..type_bytes].contains('*'), type_bytes, text }
    }
}

impl fmt::Debug for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Serialize for TypePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TypePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        EventType::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, matches) in [
            ("task:*", "task:created", true),
            ("task:*", "task:", true),
            ("*", "x", true),
            ("*:failed", "task:failed", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("task:*", "tasks:created", false),
            ("task", "task:created", false),
        ] {
            assert_eq!(pattern.parse::<TypePattern>().unwrap().matches(text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn a_condition_is_on_one_field_and_what_is_none_is_a_part_of_the_type() {
        let event = |data: &str| -> Event {
            let line = format!(
                r#"{{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"s","version":1,"type":"a:b",
                "recordedAt":"2026-11-20T23:44:30Z","data":{data}}}"#
            );
            serde_json::from_str(&line).unwrap()
        };
        let failed: TypePattern = r#"a:*[data.result == "fai lure"]"#.parse().unwrap();
        for (data, meant) in [
            (r#"{"result":"fai lure"}"#, true),
            (r#"{"n":1,"result":"\u0066ai lure"}"#, true),
            (r#"{"result":"failure"}"#, false),
            (r#"{"inner":{"result":"fai lure"}}"#, false),
            (r#"{"result":["fai lure"]}"#, false),
            ("[]", false),
        ] {
            assert_eq!(failed.means(&event(data)), meant, "{data}");
        }
        assert!(failed.matches("a:c"));
        for odd in [
            r#"a:b[data. == "x"]"#,
            r#"a:b[data.x == "x""#,
            r#"a:b[data.x = "x"]"#,
            r#"[data.x == "x"]"#,
            r#"a:b[data.x == "a"b"]"#,
        ] {
            assert!(odd.parse::<TypePattern>().unwrap().matches(odd), "{odd}");
        }
    }
}
