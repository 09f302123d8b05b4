//! The values of flags, read by the types they are of; an error names its flag.

use std::str::FromStr;

use factlog::{Error, Json, Result};

/// The value of a flag that may be left out.
pub(crate) fn one<T: FromStr<Err = Error>>(flag: &str, text: Option<&str>) -> Result<Option<T>> {
    text.map(|text| named(flag, text)).transpose()
}

/// The values of a flag that may be given several times.
pub(crate) fn all<T: FromStr<Err = Error>>(flag: &str, texts: &[String]) -> Result<Vec<T>> {
    texts.iter().map(|text| named(flag, text)).collect()
}

fn named<T: FromStr<Err = Error>>(flag: &str, text: &str) -> Result<T> {
    text.parse().map_err(|error: Error| error.context(flag))
}

/// JSON from the command line, where a shell may have taken the quotes away.
pub(crate) fn json(flag: &str, text: &str) -> Result<Json> {
    Json::parse(text).map_err(|error| {
        let error = error.context(flag);
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => error,
            Err(_) => error.with_hint("put JSON into single quotes: '{\"title\":\"Try factlog\"}'"),
        }
    })
}
