//! Private keys in the armour of PEM (RFC 7468) and PGP, whole or cut off.

use super::bytes::is_base64;
use super::scan::{Hit, Rank};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Bytes between the lines that begin and end a key.
const KEY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of what a key is called: `OPENSSH PRIVATE KEY`.
const LABEL_BYTES_MAX: usize = 64;
/// Base64 letters in a row that no prose has.
const RUN_BYTES: usize = 16;
/// Lines of a cut-off key that may come before its first line of base64.
const HEADER_LINES_MAX: usize = 6;

/// The private key that begins at a place.
///
/// What stands between is looked at, because programs and pages name these lines without a key. Other letters between
/// may be line numbers, quotes, or the signs of a diff.
pub(super) fn at(text: &str, at: usize) -> Option<Hit<'static>> {
    let label = label(text.get(at..)?, BEGIN)?;
    if !label.contains("PRIVATE KEY") {
        return None;
    }
    let body_start = at + BEGIN.len() + label.len() + DASHES.len();
    let body = bounded(&text[body_start..]);
    let ending = body.find(END).filter(|end| is_key(&body[..*end]));
    let length = match ending {
        Some(end) => {
            let rest = &body[end..];
            end + self::label(rest, END).map_or(END.len(), |label| END.len() + label.len() + DASHES.len())
        }
        None => cut_off(body)?,
    };
    Some(Hit { kind: "private-key", rank: Rank::Shape, range: at..body_start + length })
}

fn label<'a>(text: &'a str, opening: &str) -> Option<&'a str> {
    let label = text.strip_prefix(opening)?;
    let end = label.bytes().take(LABEL_BYTES_MAX).position(|byte| byte == b'-')?;
    label[end..].starts_with(DASHES).then(|| &label[..end])
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(KEY_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // The next key is looked at in its own turn.
    &text[..text[..end].find(BEGIN).unwrap_or(end)]
}

/// Whether most of a text is base64.
fn is_key(text: &str) -> bool {
    let runs = text.as_bytes().split(|byte| !is_base64(*byte));
    let dense: usize = runs.map(<[u8]>::len).filter(|length| *length >= RUN_BYTES).sum();
    dense >= 2 * RUN_BYTES && dense * 2 >= text.trim().len()
}

/// How much of a text without an end is a key: up to the last line that is base64.
fn cut_off(body: &str) -> Option<usize> {
    let mut key_end = None;
    let mut at = 0;
    let mut strange = 0;
    for line in body.split_inclusive(['\n', '\\']) {
        let runs = line.as_bytes().split(|byte| !is_base64(*byte));
        let longest = runs.map(<[u8]>::len).max().unwrap_or(0);
        if longest >= RUN_BYTES && longest * 2 >= line.trim().len() {
            key_end = Some(at + line.trim_end_matches(['\n', '\r', '\\', ' ', '"']).len());
        } else if key_end.is_some() && longest > 1 {
            break;
        } else {
            strange += 1;
            if strange > HEADER_LINES_MAX {
                break;
            }
        }
        at += line.len();
    }
    key_end
}
