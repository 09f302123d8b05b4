//! Small questions about bytes that all the matchers ask.

/// Bytes that a run of any one secret may have, private keys aside.
pub(super) const SECRET_BYTES_MAX: usize = 4096;

/// Whether a word begins at a place: what stands before it is no part of it.
///
/// Text in which escapes were left (JSON in JSON, a URL, coloured output of a terminal) puts letters before a word
/// that belong to the escape: `\nAKIA...`, `%3DAKIA...`, `[32mAKIA...`.
pub(super) fn begins_word(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[..at];
    match before {
        [.., last] if !last.is_ascii_alphanumeric() => true,
        [] | [.., b'\\', b'n' | b't' | b'r' | b'b' | b'f'] => true,
        [.., b'%', a, b] | [.., b'u', b'0', b'0', a, b] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit(),
        [rest @ .., b'm'] => ends_colour(rest),
        _ => false,
    }
}

/// As [`begins_word`], for prefixes so short that they turn up within longer ones.
pub(super) fn begins_alone(bytes: &[u8], at: usize) -> bool {
    begins_word(bytes, at) && !matches!(bytes[..at].last(), Some(b'-' | b'_' | b'.' | b'+' | b'/'))
}

fn ends_colour(bytes: &[u8]) -> bool {
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
    bytes[..bytes.len() - digits].last() == Some(&b'[')
}

/// Where the run that begins at a place ends.
pub(super) fn run_end(bytes: &[u8], at: usize, mut belongs: impl FnMut(u8) -> bool) -> usize {
    bytes[at..].iter().position(|&byte| !belongs(byte)).map_or(bytes.len(), |length| at + length)
}

/// Where the run that ends before a place begins, looking back at most `most` bytes.
pub(super) fn run_start(bytes: &[u8], end: usize, most: usize, belongs: impl Fn(u8) -> bool) -> usize {
    end - bytes[..end].iter().rev().take(most).take_while(|byte| belongs(**byte)).count()
}

/// Whether a word in small ASCII letters stands in a text, in whatever case.
pub(super) fn contains_word(bytes: &[u8], small: &[u8]) -> bool {
    bytes.windows(small.len()).any(|window| window.eq_ignore_ascii_case(small))
}

pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
