//! Values that a name tells of: `NAME=VALUE`, `name: value`, `"name": "value"`, `--name value`.

use std::ops::Range;

use super::bytes::{SECRET_BYTES_MAX, run_end, run_start};
use super::name::{NAME_BYTES_MAX, Name};
use super::scan::{Hit, Rank};
use super::value::{self, Value};

/// Quotes, brackets and blanks that may stand between a name and its sign, or a sign and its value.
const GAP_BYTES_MAX: usize = 24;
/// Bytes of a type between a name and its value: `API_KEY: &'static str = "..."`.
const TYPE_BYTES_MAX: usize = 48;

/// The secret that the value of a JSON name is as a whole.
pub(super) fn value_of(name: &str, value: &[u8]) -> Option<Hit<'static>> {
    // Values are mostly long texts or short words: cheaper to see than the meaning of a name.
    if !(value::BYTES_MIN..=SECRET_BYTES_MAX).contains(&value.len()) {
        return None;
    }
    let name = Name::of(name.as_bytes())?;
    judged(&name, value, &Found { range: 0..value.len(), is_quoted: true })
}

/// The secret after the equals sign at a place.
pub(super) fn equals(bytes: &[u8], at: usize) -> Option<Hit<'static>> {
    let end = match bytes[..at] {
        [.., b':' | b'+' | b'?'] => at - 1,
        _ => at,
    };
    let name = name_before(bytes, end)?;
    judged(
        &name,
        bytes,
        &found(bytes, run_end_of(bytes, at + 1, 2, |byte| matches!(byte, b'=' | b'>' | b'~')))?,
    )
}

/// The secret after the colon at a place.
pub(super) fn colon(bytes: &[u8], at: usize) -> Option<Hit<'static>> {
    if matches!(bytes.get(at + 1), None | Some(b':' | b'=' | b'/')) {
        return None;
    }
    let name = name_before(bytes, at)?;
    let value = found(bytes, at + 1);
    let hit = value.as_ref().and_then(|value| judged(&name, bytes, value));
    if hit.is_some() || value.is_some_and(|value| value.is_quoted) {
        return hit;
    }
    // A type stands before the value.
    let bounded = &bytes[..bytes.len().min(at + TYPE_BYTES_MAX)];
    let sign = run_end(bounded, at + 1, |byte| !matches!(byte, b'=' | b'\n' | b',' | b';' | b'"' | b'\\'));
    let typed = (bounded.get(sign) == Some(&b'=')).then(|| found(bytes, sign + 1))??;
    if typed.is_quoted { judged(&name, bytes, &typed) } else { None }
}

/// The secret after the flag of a command that begins with the hyphen at a place.
pub(super) fn flag(bytes: &[u8], at: usize) -> Option<Hit<'static>> {
    let is_first = at.checked_sub(1).is_none_or(|before| bytes[before].is_ascii_whitespace());
    if !is_first || bytes.get(at + 1) != Some(&b'-') {
        return None;
    }
    let bounded = &bytes[..bytes.len().min(at + 2 + NAME_BYTES_MAX)];
    let end = run_end(bounded, at + 2, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if bytes.get(end) != Some(&b' ') {
        return None;
    }
    judged(&Name::of(&bytes[at + 2..end])?, bytes, &found(bytes, end + 1)?)
}

#[derive(Clone)]
struct Found {
    range: Range<usize>,
    is_quoted: bool,
}

fn judged(name: &Name, bytes: &[u8], found: &Found) -> Option<Hit<'static>> {
    let Found { mut range, is_quoted } = found.clone();
    if name.is_authorization() {
        // The word before the credentials is their scheme.
        let word = run_end(bytes, range.start, |byte| byte.is_ascii_alphabetic());
        if word > range.start && bytes.get(word) == Some(&b' ') {
            let scheme_end = run_end(bytes, word, |byte| byte == b' ');
            range =
                if is_quoted { scheme_end..range.end.max(scheme_end) } else { unquoted(bytes, scheme_end) };
        }
    }
    let value = Value { bytes: &bytes[range.clone()], is_quoted };
    let kind = value.kind(name)?;
    Some(Hit { kind, rank: Rank::Name, range })
}

/// The name that ends before a place, if it tells of a secret.
fn name_before(bytes: &[u8], at: usize) -> Option<Name> {
    let gap = |byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'`' | b']');
    let end = run_start(bytes, at, GAP_BYTES_MAX, gap);
    let start = run_start(bytes, end, NAME_BYTES_MAX, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
    });
    Name::of(&bytes[start..end])
}

/// The value that begins at a place or after the blanks there.
fn found(bytes: &[u8], at: usize) -> Option<Found> {
    let mut start = run_end_of(bytes, at, GAP_BYTES_MAX, |byte| matches!(byte, b' ' | b'\t'));
    // The letter of a literal: b"", f"", @"".
    if matches!(bytes.get(start..start + 2), Some([b'b' | b'f' | b'r' | b'u' | b'@' | b'$', b'"' | b'\''])) {
        start += 1;
    }
    let quote = run_end_of(bytes, start, 7, |byte| byte == b'\\');
    let range = match bytes.get(quote) {
        Some(b'"' | b'\'' | b'`') => quoted(bytes, quote, quote - start)?,
        Some(_) if quote == start => {
            let range = unquoted(bytes, start);
            // A call, an index, a type with arguments.
            let is_code = matches!(bytes.get(range.end), Some(b'(' | b'[' | b'{' | b'<'));
            return Some(Found { range: if is_code { start..start } else { range }, is_quoted: false });
        }
        _ => return None,
    };
    Some(Found { range, is_quoted: true })
}

/// What stands in quotes that so many backslashes escape: JSON within JSON within JSON has three.
fn quoted(bytes: &[u8], quote: usize, backslashes: usize) -> Option<Range<usize>> {
    let start = quote + 1;
    let bounded = &bytes[..bytes.len().min(start + SECRET_BYTES_MAX)];
    let mut at = start;
    loop {
        let end = run_end(bounded, at, |byte| byte != bytes[quote] && byte != b'\n');
        let escapes = run_start(bounded, end, end - start, |byte| byte == b'\\');
        if *bounded.get(end)? == b'\n' {
            return None;
        }
        if end - escapes <= backslashes {
            return Some(start..escapes);
        }
        at = end + 1;
    }
}

/// A value without quotes: up to what ends a word in shells, settings, URLs and programs.
fn unquoted(bytes: &[u8], start: usize) -> Range<usize> {
    let bounded = &bytes[..bytes.len().min(start + SECRET_BYTES_MAX)];
    // One colon and one equals sign may be within; what has two is a list, or a time.
    let (mut colons, mut equals, mut at) = (0, 0, start);
    let mut end = run_end(bounded, start, |byte| {
        colons += usize::from(byte == b':');
        equals += usize::from(byte == b'=');
        at += 1;
        let ends = ENDS_WORD.contains(&byte) || (byte == b'&' && ends_pair(bytes, at));
        byte.is_ascii_graphic() && !ends && colons < 2 && equals < 2
    });
    // Padding of base64.
    let padded = run_end_of(bytes, end, 2, |byte| byte == b'=');
    if padded > end && bytes.get(padded).is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
        end = padded;
    }
    let last = bytes[start..end].iter().rposition(|byte| !matches!(byte, b'.' | b':'));
    start..last.map_or(start, |last| start + last + 1)
}

const ENDS_WORD: &[u8] = b"\"'`\\,;|<>(){}[]";

/// Whether the next pair of a query, the rest of an escape of HTML, or the next command follows an ampersand.
fn ends_pair(bytes: &[u8], at: usize) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%');
    let end = run_end_of(bytes, at, NAME_BYTES_MAX, of_name);
    end == at || matches!(bytes.get(end), Some(b'=' | b';' | b'['))
}

fn run_end_of(bytes: &[u8], at: usize, most: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let at = at.min(bytes.len());
    run_end(&bytes[..bytes.len().min(at + most)], at, belongs)
}
