//! Reads lines one by one, whatever is in them, in memory that does not grow with the file.

use std::io::{BufRead, BufReader, Read, Result};

use crc32fast::Hasher;
use factlog::limits::DATA_BYTES_MAX;

/// Bytes of one line, its ending included: the largest data, and room for the envelope around it.
pub const LINE_BYTES_MAX: usize = DATA_BYTES_MAX + 1024 * 1024;

/// Bytes that are read from a file at once.
const READ_BYTES: usize = 64 * 1024;

/// What editors on some systems put before the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The lines of one file that are not blank.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    buffer: Vec<u8>,
    number: u64,
    bytes: u64,
    /// The CRC-32 of the bytes read so far, and of those before the last line; and how many those are.
    sum: Hasher,
    sum_before: Hasher,
    bytes_before: u64,
}

/// One line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Its number in the file, from 1; blank lines count.
    pub(crate) number: u64,
    /// What is in it.
    pub(crate) content: Content<'a>,
    /// Whether the line has its ending: without one, its writer may not be done with it.
    pub(crate) ended: bool,
}

/// What is in a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// Text without the line's ending.
    Text(&'a str),
    /// Bytes that are no UTF-8.
    NotText,
    /// More than [`LINE_BYTES_MAX`]; they were passed over.
    TooLong,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(READ_BYTES, reader),
            buffer: Vec::new(),
            number: 0,
            bytes: 0,
            sum: Hasher::new(),
            sum_before: Hasher::new(),
            bytes_before: 0,
        }
    }

    /// The lines of a file that go on after so many lines and bytes of this sum.
    pub(crate) fn after(reader: R, number: u64, bytes: u64, crc32: u32) -> Self {
        let sum = Hasher::new_with_initial_len(crc32, bytes);
        Self { number, bytes, sum_before: sum.clone(), sum, ..Self::new(reader) }
    }

    /// The CRC-32 of the bytes read so far. Lines that are too long are not in it.
    pub(crate) fn crc32(&self) -> u32 {
        self.sum.clone().finalize()
    }

    /// Where the last line begins: the bytes, the lines and the CRC-32 before it.
    pub(crate) fn before_last(&self) -> (u64, u64, u32) {
        (self.bytes_before, self.number - 1, self.sum_before.clone().finalize())
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lines read so far, blank ones too.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not blank; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>> {
        loop {
            self.buffer.clear();
            let mut bounded = self.reader.by_ref().take(LINE_BYTES_MAX as u64);
            let read = bounded.read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes_before = self.bytes;
            self.bytes += read as u64;
            self.sum_before.clone_from(&self.sum);
            self.sum.update(&self.buffer);
            let ended = self.buffer.last() == Some(&b'\n');
            if !ended && read == LINE_BYTES_MAX {
                let rest = self.reader.skip_until(b'\n')?;
                self.bytes += rest as u64;
                if rest > 0 {
                    return Ok(Some(Line { number: self.number, content: Content::TooLong, ended: true }));
                }
            }
            if !is_blank(&self.buffer, self.number) {
                return Ok(Some(Line { number: self.number, content: self.content(), ended }));
            }
        }
    }

    fn content(&self) -> Content<'_> {
        match std::str::from_utf8(&self.buffer) {
            Ok(text) => Content::Text(without_mark(text, self.number).trim_matches([' ', '\t', '\r', '\n'])),
            Err(_) => Content::NotText,
        }
    }
}

fn is_blank(bytes: &[u8], number: u64) -> bool {
    let mut mark = [0; 4];
    let mark = BYTE_ORDER_MARK.encode_utf8(&mut mark).as_bytes();
    let bytes = if number == 1 { bytes.strip_prefix(mark).unwrap_or(bytes) } else { bytes };
    bytes.iter().all(u8::is_ascii_whitespace)
}

fn without_mark(text: &str, number: u64) -> &str {
    if number == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, String, bool)> {
        let mut lines = Lines::new(bytes);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let content = match line.content {
                Content::Text(text) => text.to_owned(),
                other => format!("{other:?}"),
            };
            found.push((line.number, content, line.ended));
        }
        assert_eq!(lines.bytes(), bytes.len() as u64, "every byte is counted");
        found
    }

    fn line(number: u64, content: &str, ended: bool) -> (u64, String, bool) {
        (number, content.to_owned(), ended)
    }

    #[test]
    fn blank_lines_are_passed_over_and_still_counted_in_the_numbers() {
        assert_eq!(all(b"\n  \na\r\n\r\nb"), [line(3, "a", true), line(5, "b", false)]);
        assert_eq!(all(b""), []);
        assert_eq!(all("\u{feff}\n".as_bytes()), []);
    }

    /// Notepad writes a byte order mark; the first record of such a file was refused as no JSON.
    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line_and_elsewhere_it_stays() {
        let text = "\u{feff}a\n\u{feff}b\n";
        assert_eq!(all(text.as_bytes()), [line(1, "a", true), line(2, "\u{feff}b", true)]);
    }

    #[test]
    fn a_line_that_is_no_text_ends_neither_the_file_nor_the_next_line() {
        assert_eq!(
            all(b"a\n\xff\xfe\nb\n"),
            [line(1, "a", true), line(2, "NotText", true), line(3, "b", true)]
        );
    }

    #[test]
    fn the_longest_line_is_read_and_one_byte_more_is_passed_over() {
        let mut bytes = vec![b'a'; LINE_BYTES_MAX - 1];
        bytes.push(b'\n');
        bytes.extend(vec![b'b'; LINE_BYTES_MAX]);
        bytes.extend(b"\nc");
        let found = all(&bytes);
        assert_eq!(found[0].1.len(), LINE_BYTES_MAX - 1);
        assert_eq!(found[1..], [line(2, "TooLong", true), line(3, "c", false)]);
    }
}
