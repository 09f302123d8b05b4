//! The strings of a JSON text, one by one, as they stand and as they are meant.

use std::borrow::Cow;
use std::ops::Range;

/// One string of a JSON text.
pub(super) struct JsonString<'a> {
    /// Where it stands, quotes included.
    pub(super) range: Range<usize>,
    /// What it says, without its escapes.
    pub(super) text: Cow<'a, str>,
    /// The name whose value it is, or in whose list it stands.
    pub(super) name: Option<&'a str>,
}

/// Hands out the strings and keys of a JSON text in their order.
pub(super) fn each<'a>(text: &'a str, mut take: impl FnMut(JsonString<'a>)) {
    let bytes = text.as_bytes();
    let mut name: Option<&'a str> = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(bytes, at) else { return };
                let range = at..end;
                let text = meant(&text[at..end]);
                let is_key = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if is_key {
                    // An escape in a name is rare enough to give up its help.
                    name = if let Cow::Borrowed(key) = text { Some(key) } else { None };
                }
                take(JsonString { range, text, name: if is_key { None } else { name } });
                at = end;
            }
            b'{' | b'}' => {
                name = None;
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// A string as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn meant(quoted: &str) -> Cow<'_, str> {
    let inner = &quoted[1..quoted.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let decoded =
        serde_json::from_str(quoted).or_else(|_| serde_json::from_str(&without_lone_surrogates(quoted)));
    decoded.map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// Replaces each half of a pair of surrogates that lacks its other half, which some writers leave when they cut text.
fn without_lone_surrogates(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (taken, whole) = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, true),
            (Some(0xD800..=0xDFFF), _) => (6, false),
            (Some(_), _) => (6, true),
            (None, _) => (1 + rest[1..].chars().next().map_or(0, char::len_utf8), true),
        };
        out.push_str(if whole { &rest[..taken] } else { "\\ufffd" });
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

fn unit(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}
