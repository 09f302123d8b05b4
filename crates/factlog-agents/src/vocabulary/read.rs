//! Values as the origins wrote them, read as what they mean: old shapes are understood, and nothing odd is an error.
//!
//! A number may stand where a text is meant, milliseconds where a time is, an error as an object with a message. What
//! cannot be understood counts as absent: the raw data keeps it.

use factlog::{Json, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;

/// Microseconds of a millisecond: the origins wrote times as numbers of these.
const MILLISECOND_MICROS: f64 = 1_000.0;
/// Where an object stands in the place of a text, the text is in one of these.
const TEXT_FIELDS: [&str; 5] = ["message", "error", "name", "id", "text"];

/// A value of a payload's field.
pub trait FieldValue: Sized {
    /// What a JSON value means here; none where it means nothing.
    fn read(raw: &RawValue) -> Option<Self>;
}

impl FieldValue for String {
    fn read(raw: &RawValue) -> Option<Self> {
        match raw.get().as_bytes()[0] {
            b'"' => serde_json::from_str(raw.get()).ok(),
            b'{' => {
                let fields: Value = serde_json::from_str(raw.get()).ok()?;
                TEXT_FIELDS.iter().find_map(|name| fields.get(*name)?.as_str().map(str::to_owned))
            }
            b'n' | b'[' => None,
            _ => Some(raw.get().to_owned()),
        }
    }
}

impl FieldValue for Vec<String> {
    fn read(raw: &RawValue) -> Option<Self> {
        match raw.get().as_bytes()[0] {
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
                Some(items.into_iter().filter_map(String::read).collect())
            }
            _ => String::read(raw).map(|only| vec![only]),
        }
    }
}

impl FieldValue for f64 {
    fn read(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get())
            .ok()
            .or_else(|| serde_json::from_str::<String>(raw.get()).ok()?.trim().parse().ok())
            .filter(|number: &f64| number.is_finite())
    }
}

impl FieldValue for u64 {
    fn read(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get())
            .ok()
            .or_else(|| f64::read(raw).filter(|number| *number >= 0.0).map(|number| number.round() as u64))
    }
}

impl FieldValue for bool {
    fn read(raw: &RawValue) -> Option<Self> {
        match raw.get() {
            "true" | "\"true\"" | "1" => Some(true),
            "false" | "\"false\"" | "0" => Some(false),
            _ => None,
        }
    }
}

impl FieldValue for Timestamp {
    fn read(raw: &RawValue) -> Option<Self> {
        if raw.get().starts_with('"') {
            return serde_json::from_str(raw.get()).ok();
        }
        let milliseconds = f64::read(raw)?;
        Self::from_micros((milliseconds * MILLISECOND_MICROS).round() as i64).ok()
    }
}

impl FieldValue for Json {
    fn read(raw: &RawValue) -> Option<Self> {
        // It is a part of data that was checked when it came in.
        (raw.get() != "null").then(|| Self::trusted(raw.get()))
    }
}

/// What may be given for a field of this type.
pub trait IntoField<T> {
    /// The field's value.
    fn into_field(self) -> T;
}

macro_rules! as_it_is {
    ($($type:ty),*) => {
        $(impl IntoField<$type> for $type {
            fn into_field(self) -> $type {
                self
            }
        })*
    };
}

as_it_is!(String, Vec<String>, f64, u64, bool, Timestamp, Json);

impl IntoField<String> for &str {
    fn into_field(self) -> String {
        self.to_owned()
    }
}

impl IntoField<Vec<String>> for Vec<&str> {
    fn into_field(self) -> Vec<String> {
        self.into_iter().map(str::to_owned).collect()
    }
}

impl<const N: usize> IntoField<Vec<String>> for [&str; N] {
    fn into_field(self) -> Vec<String> {
        self.map(str::to_owned).into()
    }
}

impl IntoField<Json> for Value {
    fn into_field(self) -> Json {
        // Whatever no log would take is refused where the event is made.
        Json::trusted(self.to_string())
    }
}

/// How a key names a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// By its own name, in `camelCase` or `snake_case`.
    Now,
    /// By a word that an origin has for it.
    Once,
}

/// Whether, and how, a key of the data names a field.
pub(crate) fn named(key: &str, field: &str, was: &[&str]) -> Option<Named> {
    if same(key, field) {
        return Some(Named::Now);
    }
    was.contains(&key).then_some(Named::Once)
}

/// Whether two names are the same but for `_` and the case of letters.
fn same(key: &str, field: &str) -> bool {
    // Every key of every event is compared with every field of its payload: most differ in their first letter.
    let (key, field) = (key.as_bytes(), field.as_bytes());
    let (mut k, mut f) = (0, 0);
    loop {
        while key.get(k) == Some(&b'_') {
            k += 1;
        }
        while field.get(f) == Some(&b'_') {
            f += 1;
        }
        match (key.get(k), field.get(f)) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => (k, f) = (k + 1, f + 1),
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FieldValue>(json: &str) -> Option<T> {
        T::read(serde_json::from_str(json).unwrap())
    }

    /// Story: the origins wrote times as milliseconds, durations as fractions, errors as objects and ids as numbers, and
    /// each reader that wanted one shape lost the others.
    #[test]
    fn a_value_is_read_in_each_shape_that_the_origins_gave_it() {
        assert_eq!(read::<String>("42").unwrap(), "42");
        assert_eq!(read::<String>(r#"{"message":"no disk","code":"E1"}"#).unwrap(), "no disk");
        assert_eq!(read::<Vec<String>>(r#"["a",1,null]"#).unwrap(), ["a", "1"]);
        assert_eq!(read::<Vec<String>>(r#""task-1""#).unwrap(), ["task-1"]);
        assert_eq!(read::<u64>("5000.4"), Some(5000));
        assert_eq!(read::<u64>("\"12\""), Some(12));
        assert_eq!(read::<u64>("-1"), None);
        assert_eq!(read::<bool>("\"true\""), Some(true));
        assert_eq!(
            read::<Timestamp>("1732147200000").unwrap().to_string(),
            read::<Timestamp>(r#""2024-11-21T00:00:00Z""#).unwrap().to_string()
        );
        assert_eq!(read::<Json>("null"), None);
        for odd in ["null", "[]", "{}", "[[1]]", "1e400"] {
            assert_eq!(read::<Timestamp>(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_key_names_a_field_in_every_spelling_and_no_other_field() {
        for key in ["taskId", "task_id", "TaskID", "taskid"] {
            assert_eq!(named(key, "task_id", &["id"]), Some(Named::Now), "{key}");
        }
        assert_eq!(named("id", "task_id", &["id"]), Some(Named::Once));
        for other in ["taskIds", "task", "i", ""] {
            assert_eq!(named(other, "task_id", &["id"]), None, "{other}");
        }
    }
}
