//! Passwords in URLs, and e-mail addresses.

use super::bytes::{run_end, run_start};
use super::scan::{Hit, Rank};
use super::value;

/// Bytes of the part of a URL before its path.
const AUTHORITY_BYTES_MAX: usize = 1024;
const PORT_BYTES_MAX: usize = 5;
/// RFC 5321: bytes before and after the sign of an address.
const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 255;

/// The password of `scheme://user:PASSWORD@host` around the colon of its scheme.
pub(super) fn password(bytes: &[u8], colon: usize) -> Option<Hit<'static>> {
    // JSON within JSON may write its slashes with a backslash each.
    let slashes =
        [&b"//"[..], b"\\/\\/"].into_iter().find(|slashes| bytes[colon + 1..].starts_with(slashes))?;
    if !colon.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric()) {
        return None;
    }
    let start = colon + 1 + slashes.len();
    let end = run_end(&bytes[..bytes.len().min(start + AUTHORITY_BYTES_MAX)], start, |byte| {
        byte.is_ascii_graphic()
            && !matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'\\' | b'<' | b'>' | b'`')
    });
    let authority = &bytes[start..end];
    let host = authority.iter().rposition(|byte| *byte == b'@')?;
    let user = authority[..host].iter().position(|byte| *byte == b':')?;
    let password = &authority[user + 1..host];
    let is_word = [&b"password"[..], b"passwd", b"pass", b"pw", b"pwd", b"secret", b"token", b"key"]
        .iter()
        .any(|word| password.eq_ignore_ascii_case(word));
    // A host and port before another host is a trick of phishing, and no password.
    let is_port = password.len() <= PORT_BYTES_MAX && password.iter().all(u8::is_ascii_digit);
    if is_word || is_port || value::is_placeholder(password) {
        return None;
    }
    Some(Hit { kind: "url-password", rank: Rank::Place, range: start + user + 1..start + host })
}

/// The e-mail address around a sign.
pub(super) fn email(bytes: &[u8], sign: usize) -> Option<Hit<'static>> {
    let of_local =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    let mut start = run_start(bytes, sign, LOCAL_BYTES_MAX, of_local);
    if start > 0 && bytes[start - 1] == b'\\' {
        // The letter of an escape: `\nada@example.org` in JSON within JSON.
        start += 1;
    }
    let bounded = &bytes[..bytes.len().min(sign + 1 + DOMAIN_BYTES_MAX)];
    let of_domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let end = run_end(bounded, sign + 1, of_domain);
    let domain = &bytes[sign + 1..end];
    let domain = &domain[..=domain.iter().rposition(u8::is_ascii_alphanumeric)?];
    let top = &domain[domain.iter().rposition(|byte| *byte == b'.')? + 1..];
    // git@host: is how git writes an address of its own.
    let is_address = start < sign
        && &bytes[start..sign] != b"git"
        && domain[0].is_ascii_alphanumeric()
        && top.len() >= 2
        && top.iter().all(u8::is_ascii_alphabetic);
    is_address.then(|| Hit { kind: "email", rank: Rank::Email, range: start..sign + 1 + domain.len() })
}
