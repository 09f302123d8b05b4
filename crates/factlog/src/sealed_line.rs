//! A line of a plain-text log: the wire form with a checksum behind it.

use std::borrow::Cow;

use crate::limits::POSITION_MAX;

/// Bytes of `,"crc":"00000000"}`.
const CRC_TAIL_BYTES: usize = 18;

/// A line without its checksum, which is CRC-32 over all that stands before it; none where that is wrong, or missing.
///
/// ```
/// let line = br#"{"removed":[7,12],"crc":"e8cad44a"}"#;
/// assert_eq!(factlog::sealed_line::verified(line), Some(br#"{"removed":[7,12]"#.as_slice()));
/// ```
pub fn verified(line: &[u8]) -> Option<&[u8]> {
    let (body, tail) = split(line)?;
    let hex = tail.strip_prefix(b",\"crc\":\"")?.strip_suffix(b"\"}")?;
    let mut crc: u32 = 0;
    for digit in hex {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        crc = crc << 4 | u32::from(value);
    }
    (crc32fast::hash(body) == crc).then_some(body)
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    line.split_at_checked(line.len().checked_sub(CRC_TAIL_BYTES)?)
}

/// What a line of JSON is to a reader who wants events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed<'a> {
    /// An event, in its wire form.
    Event(Cow<'a, str>),
    /// It stands where events were removed.
    Removed,
    /// Its checksum is wrong.
    Damaged,
}

/// Takes the marks of a plain-text log off a line; another line stays as it is.
pub fn unsealed(line: &str) -> Unsealed<'_> {
    let is_sealed = split(line.as_bytes())
        .is_some_and(|(_, tail)| tail.starts_with(b",\"crc\":\"") && tail.ends_with(b"\"}"));
    if !is_sealed {
        return Unsealed::Event(Cow::Borrowed(line));
    }
    let Some(mut body) = verified(line.as_bytes()).and_then(|body| std::str::from_utf8(body).ok()) else {
        return Unsealed::Damaged;
    };
    if body.starts_with("{\"removed\":") {
        return Unsealed::Removed;
    }
    cut_number(&mut body, ",\"group\":");
    cut_number(&mut body, ",\"more\":");
    Unsealed::Event(Cow::Owned(format!("{body}}}")))
}

/// Takes a name and a number from the end of a text. The data of an event cannot end so: what it has stands in braces.
pub fn cut_number(text: &mut &str, name: &str) -> Option<u64> {
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (before, number) = text.split_at(text.len() - digits);
    let before = before.strip_suffix(name)?;
    let number = number.parse().ok().filter(|number| *number <= POSITION_MAX)?;
    *text = before;
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The event's line of docs/plain-text.md, whose checksum stock zlib has made.
    const LINE: &str = r#"{"position":42,"id":"0192f0c1-7b2e-7c31-9a55-3f0d6c1f2a10","stream":"task-42","version":3,"type":"task:completed","source":"agent-7","recordedAt":"2026-11-20T23:44:30.123456Z","data":{"ok":true},"crc":"729b4e6c"}"#;

    fn sealed(body: &str) -> String {
        format!("{body},\"crc\":\"{:08x}\"}}", crc32fast::hash(body.as_bytes()))
    }

    #[test]
    fn the_marks_of_a_line_go_and_its_event_stays_to_the_letter() {
        let wire = LINE.replace(r#","crc":"729b4e6c""#, "");
        assert_eq!(unsealed(LINE), Unsealed::Event(wire.clone().into()));
        let body = &wire[..wire.len() - 1];
        for marks in [r#","more":2"#, r#","group":41"#, r#","more":2,"group":41"#] {
            assert_eq!(unsealed(&sealed(&format!("{body}{marks}"))), Unsealed::Event(wire.clone().into()));
        }
        assert_eq!(
            unsealed(&wire),
            Unsealed::Event(wire.as_str().into()),
            "a line of an export has no marks"
        );
        assert_eq!(unsealed(&sealed(r#"{"removed":[7,12]"#)), Unsealed::Removed);
    }

    #[test]
    fn a_line_of_which_any_letter_has_changed_is_damaged() {
        let end = LINE.len() - CRC_TAIL_BYTES;
        for at in 0..end {
            let mut bytes = LINE.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert!(verified(&bytes).is_none(), "byte {at}");
        }
        assert_eq!(unsealed(&LINE.replace("729b4e6c", "729b4e6d")), Unsealed::Damaged);
        assert_eq!(unsealed(&LINE.replace("729b4e6c", "729B4E6C")), Unsealed::Damaged);
    }
}
