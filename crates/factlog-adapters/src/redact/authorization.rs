//! Credentials after the name of their scheme: `Bearer TOKEN` (RFC 6750) and `Basic BASE64` (RFC 7617).

use super::bytes::{SECRET_BYTES_MAX, begins_word, is_base64, run_end};
use super::scan::{Hit, Rank};
use super::value;

/// Letters that a bearer's token has at least.
const TOKEN_BYTES_MIN: usize = 16;

/// The credentials of the scheme whose name begins at a place.
pub(super) fn at(bytes: &[u8], at: usize) -> Option<Hit<'static>> {
    let name = bytes.get(at..at + 6)?;
    let is_basic = name.eq_ignore_ascii_case(b"basic ");
    let is_bearer = name.eq_ignore_ascii_case(b"bearer") && bytes.get(at + 6) == Some(&b' ');
    if !(is_basic || is_bearer) || !begins_word(bytes, at) {
        return None;
    }
    let start = run_end(bytes, at + if is_basic { 6 } else { 7 }, |byte| byte == b' ');
    let bounded = &bytes[..bytes.len().min(start + SECRET_BYTES_MAX)];
    let (end, is_secret) = if is_basic {
        let end = run_end(bounded, start, is_base64);
        (end, holds_user_and_password(&bytes[start..end]))
    } else {
        // What RFC 6750 calls a b64token.
        let of_token = |byte: u8| is_base64(byte) || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let end = run_end(bounded, start, of_token);
        let end = start + bytes[start..end].iter().rposition(|byte| *byte != b'.').map_or(0, |last| last + 1);
        let token = &bytes[start..end];
        (end, token.len() >= TOKEN_BYTES_MIN && value::is_mixed(token) && !value::is_placeholder(token))
    };
    is_secret.then_some(Hit { kind: "authorization", rank: Rank::Place, range: start..end })
}

/// Whether base64 decodes to text with a colon in it.
fn holds_user_and_password(base64: &[u8]) -> bool {
    let letters = &base64[..base64.iter().position(|byte| *byte == b'=').unwrap_or(base64.len())];
    let mut decoded = Vec::with_capacity(letters.len());
    let mut bits: u32 = 0;
    let mut held = 0;
    for letter in letters {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held) as u8);
        }
    }
    decoded.contains(&b':')
        && std::str::from_utf8(&decoded).is_ok_and(|text| !text.chars().any(char::is_control))
}
