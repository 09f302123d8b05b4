//! JSON that is checked and minified once, when it comes in, and then kept byte for byte.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::limits::JSON_DEPTH_MAX;
use crate::{Error, Result};

/// A JSON text without white space between its tokens.
///
/// Key order, the spelling of numbers and escapes stay as they were given. Duplicate keys, lone surrogates and a
/// depth over 128 are refused, because readers disagree about them.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Checks and minifies a text.
    ///
    /// ```
    /// let json = factlog::Json::parse(r#"{ "b": 1.0, "a": [ ] }"#)?;
    /// assert_eq!(json.as_str(), r#"{"b":1.0,"a":[]}"#);
    /// assert!(factlog::Json::parse(r#"{"a":1,"a":2}"#).is_err());
    /// # Ok::<(), factlog::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`, which says what is wrong and near which byte.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        // The grammar is the library's business; the pass below may then trust it.
        let raw: &RawValue = serde_json::from_str(text)
            .map_err(|cause| Error::invalid(format!("not JSON: {cause}")).with_cause(cause))?;
        minify(raw.get()).map(Self)
    }

    /// The JSON of a Rust value.
    pub fn of(value: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_string(value).map_err(|cause| {
            Error::invalid(format!("not representable as JSON: {cause}")).with_cause(cause)
        })?;
        minify(&text).map(Self)
    }

    /// Keeps a text that was checked before, such as one read from a store's own file.
    pub fn trusted(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// `{}`.
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads it into a Rust value.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.0)
            .map_err(|cause| Error::invalid(format!("the data does not fit: {cause}")).with_cause(cause))
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        minify(raw.get()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Copies valid JSON without its white space, and refuses what readers disagree about.
fn minify(text: &str) -> Result<Box<str>> {
    let bytes = text.as_bytes();
    // What stands before `copied` is copied, without its white space; most texts have none, and are copied at once.
    let (mut out, mut copied) = (String::new(), 0);
    // For each open object where its keys begin in `keys`; none for an array.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut keys: Vec<Cow<'_, str>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                out.reserve(text.len() - copied);
                out.push_str(&text[copied..at]);
                at += 1;
                copied = at;
            }
            b'"' => {
                let end = string_end(text, at)?;
                let follows = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace());
                if follows == Some(&b':') && matches!(open.last(), Some(Some(_))) {
                    keys.push(decoded(&text[at..end])?);
                }
                at = end;
            }
            byte @ (b'{' | b'[') => {
                if open.len() == JSON_DEPTH_MAX {
                    return Err(Error::invalid(format!(
                        "JSON is nested deeper than {JSON_DEPTH_MAX} levels"
                    )));
                }
                open.push((byte == b'{').then_some(keys.len()));
                at += 1;
            }
            b'}' | b']' => {
                if let Some(Some(first)) = open.pop() {
                    refuse_duplicates(&mut keys[first..])?;
                    keys.truncate(first);
                }
                at += 1;
            }
            // Numbers, literals, colons and commas: all ASCII.
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Ok(text.into());
    }
    out.push_str(&text[copied..]);
    Ok(out.into_boxed_str())
}

/// Where the string that opens at `start` ends, its quote included; its surrogates must come in pairs.
fn string_end(text: &str, start: usize) -> Result<usize> {
    let bytes = text.as_bytes();
    let lone =
        |at: usize| Error::invalid(format!("a lone surrogate escape at byte {at} stands for no character"));
    let mut at = start + 1;
    let mut high: Option<usize> = None;
    loop {
        match (bytes[at], high) {
            (b'\\', _) if bytes[at + 1] == b'u' => {
                let unit = u16::from_str_radix(&text[at + 2..at + 6], 16).map_err(|_| lone(at))?;
                match (unit, high) {
                    (0xD800..=0xDBFF, None) => high = Some(at),
                    (0xDC00..=0xDFFF, Some(_)) => high = None,
                    (0xD800..=0xDFFF, _) | (_, Some(_)) => return Err(lone(high.unwrap_or(at))),
                    _ => {}
                }
                at += 6;
            }
            (_, Some(high)) => return Err(lone(high)),
            (b'\\', None) => at += 2,
            (b'"', None) => return Ok(at + 1),
            // The text is JSON: there is a quote to come.
            _ => at += memchr::memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(1),
        }
    }
}

fn decoded(quoted: &str) -> Result<Cow<'_, str>> {
    if !quoted.contains('\\') {
        return Ok(Cow::Borrowed(&quoted[1..quoted.len() - 1]));
    }
    serde_json::from_str(quoted)
        .map(Cow::Owned)
        .map_err(|cause| Error::invalid(format!("not JSON: {cause}")).with_cause(cause))
}

fn refuse_duplicates(keys: &mut [Cow<'_, str>]) -> Result<()> {
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::invalid(format!("the key {:?} stands twice in one object", pair[0]))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(text: &str) -> String {
        Json::parse(text).unwrap().as_str().to_owned()
    }

    /// A store that re-serialises JSON changes 1.0 to 1 and \u00e9 to é, and hashes of the data no longer match.
    #[test]
    fn numbers_escapes_and_key_order_stay_as_written() {
        assert_eq!(
            kept(r#"{ "z" : 1.0 , "a":[1e400, -0.0,"\u00e9 \/ é"] }"#),
            r#"{"z":1.0,"a":[1e400,-0.0,"\u00e9 \/ é"]}"#
        );
        assert_eq!(kept("\n\"a  b\"\t"), "\"a  b\"");
        assert_eq!(kept(r#""\ud83d\ude00""#), r#""\ud83d\ude00""#);
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"x":{"b":1,"c":2,"b":3}}]"#,
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d x""#,
            r#""\ud83d\ud83d\ude00""#,
            "{",
            "",
            "NaN",
            "1 2",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(r#"{"a":{"a":1},"b":["a","a"]}"#).is_ok());
    }

    #[test]
    fn depth_128_is_kept_and_129_refused() {
        assert!(Json::parse(&("[".repeat(128) + &"]".repeat(128))).is_ok());
        assert!(Json::parse(&("[".repeat(129) + &"]".repeat(129))).is_err());
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec((".*", inner), 0..5)
                    .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn minifying_keeps_the_value_and_is_final(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let json = Json::parse(&pretty).unwrap();
            prop_assert_eq!(json.as_str(), serde_json::to_string(&value).unwrap());
            prop_assert_eq!(Json::parse(json.as_str()).unwrap(), json);
        }

        #[test]
        fn no_input_makes_it_panic(text in ".*") {
            let _ = Json::parse(&text);
        }
    }
}
