//! Names of files for texts, such as the names of streams: the same on every system, and never the same for two texts.

use uuid::Uuid;

/// Bytes of a name of a file, so that an ending fits behind it on every system.
pub const FILE_NAME_BYTES_MAX: usize = 200;

/// Marks what stands behind a name: which letters were capital ones.
const CAPITALS: char = '+';
/// Marks what stands behind the beginning of a long name: a sum of all of it.
const SUM: &str = "++";
/// Bytes of that sum.
const SUM_BYTES: usize = 32;
/// Letters whose cases go into one digit.
const DIGIT_LETTERS: usize = 4;
/// Names that are devices on some systems, whatever ending they have.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// Beginnings of such names that a digit follows.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// The name of the file for a text: small letters, digits, `-`, `_` and `.` stay as they are.
///
/// Two texts never have the same name, also where systems do not tell capital letters from small ones; no name leads into
/// another folder, is hidden, or is one that a system keeps for itself. Names have [`FILE_NAME_BYTES_MAX`] bytes at
/// the most; an ending may be put behind them.
///
/// | of the text | in the name |
/// |---|---|
/// | capital letters of ASCII | small ones, and behind a `+` which they were: a digit for each four letters, zeros at the end left out |
/// | any other byte | `%` and two digits, as in URLs; also a `-` or `.` at the beginning, and a `.` at the end |
/// | the first letter of a name such as `con` or `com1` | `%` and two digits |
/// | what is too long | its beginning, `++` and a sum of all of it |
///
/// ```
/// use factlog::file_name;
/// assert_eq!(file_name("task-42"), "task-42");
/// assert_eq!(file_name("task-AUTH-001"), "task-auth-001+0f");
/// assert_eq!(file_name("../etc"), "%2e.%2fetc");
/// assert_eq!(file_name("nul"), "%6eul");
/// ```
pub fn file_name(text: &str) -> String {
    let mut name = body(text);
    let capitals = capitals(text);
    if !capitals.is_empty() || name.is_empty() {
        name.push(CAPITALS);
        name.push_str(&capitals);
    }
    if name.len() <= FILE_NAME_BYTES_MAX {
        return name;
    }
    name.truncate(FILE_NAME_BYTES_MAX - SUM.len() - SUM_BYTES);
    let sum = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes());
    format!("{name}{SUM}{}", sum.simple())
}

/// The text in small letters, with what is not allowed written as digits.
fn body(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let is_edge = at == 0 || at + 1 == text.len();
        match byte.to_ascii_lowercase() {
            b'.' if is_edge => escape(&mut name, byte),
            b'-' if at == 0 => escape(&mut name, byte),
            small @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.') => name.push(char::from(small)),
            _ => escape(&mut name, byte),
        }
    }
    let stem = name.split('.').next().unwrap_or_default();
    if is_device(stem) {
        let rest = name.split_off(1);
        let first = name.as_bytes()[0];
        name.clear();
        escape(&mut name, first);
        name.push_str(&rest);
    }
    name
}

fn escape(name: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    name.push('%');
    name.push(char::from(DIGITS[usize::from(byte >> 4)]));
    name.push(char::from(DIGITS[usize::from(byte & 0xf)]));
}

fn is_device(stem: &str) -> bool {
    let is_numbered = |begins: &&'static str| {
        stem.strip_prefix(*begins)
            .is_some_and(|number| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
    };
    DEVICES.contains(&stem) || NUMBERED_DEVICES.iter().any(is_numbered)
}

/// Which letters are capital ones: a bit each, the first letter the highest; empty where none is.
fn capitals(text: &str) -> String {
    let letters: Vec<bool> =
        text.bytes().filter(u8::is_ascii_alphabetic).map(|letter| letter.is_ascii_uppercase()).collect();
    let digit = |letters: &[bool]| {
        let bits = letters
            .iter()
            .enumerate()
            .map(|(at, is_capital)| u32::from(*is_capital) << (DIGIT_LETTERS - 1 - at));
        char::from_digit(bits.sum(), 16).unwrap_or('0')
    };
    let digits: String = letters.chunks(DIGIT_LETTERS).map(digit).collect();
    digits.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// The text of a name that is not a sum.
    fn text(name: &str) -> String {
        let (body, capitals) = name.split_once(CAPITALS).unwrap_or((name, ""));
        let mut bytes = Vec::new();
        let mut rest = body.bytes();
        while let Some(byte) = rest.next() {
            let digits: Vec<u8> = if byte == b'%' { rest.by_ref().take(2).collect() } else { Vec::new() };
            let escaped = std::str::from_utf8(&digits).unwrap();
            bytes.push(if byte == b'%' { u8::from_str_radix(escaped, 16).unwrap() } else { byte });
        }
        let mut bits = capitals.chars().flat_map(|digit| {
            let digit = digit.to_digit(16).unwrap();
            (0..4).map(move |at| digit & (8 >> at) != 0)
        });
        for letter in bytes.iter_mut().filter(|byte| byte.is_ascii_alphabetic()) {
            if bits.next() == Some(true) {
                letter.make_ascii_uppercase();
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    fn is_safe(name: &str) -> bool {
        let stem = name.split('.').next().unwrap();
        let bytes = name.bytes();
        !name.is_empty()
            && name.len() <= FILE_NAME_BYTES_MAX
            && bytes
                .into_iter()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'%' | b'+'))
            && !name.starts_with(['.', '-'])
            && !name.ends_with('.')
            && !is_device(stem)
    }

    /// Story (S10): a stream named `../../x` was a file outside of the folder, and `Task-1` and `task-1` were one file where
    /// systems do not tell them apart.
    #[test]
    fn s10_names_that_lead_elsewhere_clash_or_are_devices_become_plain_ones() {
        let pairs = [
            ("task-42", "task-42"),
            ("agent-agent_1.5", "agent-agent_1.5"),
            ("Task-1", "task-1+8"),
            ("task-AUTH-001", "task-auth-001+0f"),
            ("../../x", "%2e.%2f..%2fx"),
            (".", "%2e"),
            ("..", "%2e%2e"),
            ("a/b\\c", "a%2fb%5cc"),
            ("task-é", "task-%c3%a9"),
            ("end.", "end%2e"),
            ("end ", "end%20"),
            ("-rf", "%2drf"),
            ("con", "%63on"),
            ("CON", "%63on+e"),
            ("nul.txt", "%6eul.txt"),
            ("com1", "%63om1"),
            ("com10", "com10"),
            ("a+b%", "a%2bb%25"),
            ("", "+"),
        ];
        for (text, name) in pairs {
            assert_eq!(file_name(text), name);
            assert!(is_safe(name), "{name}");
            assert_eq!(super::tests::text(name), text);
        }
    }

    #[test]
    fn a_plain_name_of_200_bytes_stays_and_a_longer_one_ends_in_a_sum() {
        let longest = "a".repeat(FILE_NAME_BYTES_MAX);
        assert_eq!(file_name(&longest), longest);
        let (one, other) = (file_name(&format!("{longest}1")), file_name(&format!("{longest}2")));
        assert!(is_safe(&one) && one.starts_with("aaa") && one.len() == FILE_NAME_BYTES_MAX, "{one}");
        assert_ne!(one, other);
        // The beginning may end anywhere, also in the middle of an escape.
        assert!(is_safe(&file_name(&format!("a{}", "é".repeat(99)))));
        assert!(is_safe(&file_name(&".".repeat(300))));
    }

    proptest! {
        /// As all names are in small letters, different names are different whatever the case.
        #[test]
        fn every_name_is_safe_and_tells_its_text(text in "\\PC{0,60}|[a-zA-Z./\\\\ :+%-]{0,40}|(?i)(con|com[0-9])[.a-z]{0,3}") {
            let name = file_name(&text);
            prop_assert!(is_safe(&name), "{}", name);
            if !name.contains(SUM) {
                prop_assert_eq!(super::tests::text(&name), text);
            }
        }

        #[test]
        fn no_two_texts_have_one_name(texts in prop::collection::vec("[aA.]{0,5}|[aAé]{195,205}", 2..40)) {
            let mut names = HashMap::new();
            for text in texts {
                let known = names.entry(file_name(&text).to_lowercase()).or_insert_with(|| text.clone());
                prop_assert_eq!(&*known, &text);
            }
        }
    }
}
