//! Fields of other people's JSON, read without trust: one of another shape than expected counts as absent.

use factlog::{Error, Result, Timestamp};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Microseconds of a second.
const SECOND_MICROS: f64 = 1_000_000.0;

/// A field that is not looked into before it is asked for.
pub(crate) type Field<'a> = Option<&'a RawValue>;

/// Reads an object of which only some fields matter.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T> {
    if !json.starts_with('{') {
        return Err(Error::invalid("not a JSON object"));
    }
    serde_json::from_str(json).map_err(|cause| Error::invalid(format!("not JSON: {cause}")).with_cause(cause))
}

/// A text that is not empty.
pub(crate) fn text(field: Field<'_>) -> Option<String> {
    let text: String = serde_json::from_str(field?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}

pub(crate) fn is_true(field: Field<'_>) -> bool {
    field.is_some_and(|field| field.get() == "true")
}

pub(crate) fn object<'a, T: Deserialize<'a>>(field: Field<'a>) -> Option<T> {
    // Without this look an array would be read as the fields in their order.
    let json = field?.get();
    if json.starts_with('{') { serde_json::from_str(json).ok() } else { None }
}

/// The values of an array; none of anything else.
pub(crate) fn list(field: Field<'_>) -> Vec<&RawValue> {
    field.and_then(|field| serde_json::from_str(field.get()).ok()).unwrap_or_default()
}

/// A whole number that is not negative.
pub(crate) fn number(field: Field<'_>) -> Option<u64> {
    serde_json::from_str(field?.get()).ok()
}

/// A time: a text with an offset, or seconds since 1970.
pub(crate) fn time(field: Field<'_>) -> Option<Timestamp> {
    if let Some(text) = text(field) {
        return text.parse().ok();
    }
    let seconds: f64 = serde_json::from_str(field?.get()).ok()?;
    Timestamp::from_micros((seconds * SECOND_MICROS).round() as i64).ok()
}

/// The fields of an object in their order, as they are written.
pub(crate) struct InOrder<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for InOrder<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Ordered).map(Self)
    }
}

/// An object of these fields.
pub(crate) fn written(fields: &[(String, &RawValue)]) -> Result<String> {
    let mut object = String::from("{");
    for (at, (name, value)) in fields.iter().enumerate() {
        let name = serde_json::to_string(name)
            .map_err(|cause| Error::invalid(format!("not JSON: {cause}")).with_cause(cause))?;
        object.push_str(if at == 0 { "" } else { "," });
        object.push_str(&name);
        object.push(':');
        object.push_str(value.get());
    }
    object.push('}');
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of(json: &str) -> Option<String> {
        let field: &RawValue = serde_json::from_str(json).unwrap();
        time(Some(field)).map(|time| time.to_string())
    }

    /// Story: a record gave its time in seconds, and its event had none.
    #[test]
    fn a_time_is_a_text_or_seconds_and_anything_else_is_none() {
        assert_eq!(time_of(r#""2026-02-08T04:00:00Z""#).unwrap(), "2026-02-08T04:00:00.000000Z");
        assert_eq!(time_of("1695000000").unwrap(), "2023-09-18T01:20:00.000000Z");
        assert_eq!(time_of("1695000000.25").unwrap(), "2023-09-18T01:20:00.250000Z");
        for none in [r#""yesterday""#, r#""""#, "1695000000000", "1e400", "null", "{}", "[1]"] {
            assert_eq!(time_of(none), None, "{none}");
        }
    }
}
