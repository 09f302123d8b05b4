//! Records of files that are no lines, as lines: each at the number of the line in which it begins there.

use std::io::{self, BufRead, Bytes, Read};

use crate::lines::LINE_BYTES_MAX;

/// A record, and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The line, from 1.
    pub(super) line: u64,
    /// What stands there, without an end of a line in it.
    pub(super) text: Vec<u8>,
    /// Whether it has its end.
    pub(super) ended: bool,
}

/// Pieces as lines, with blank ones between them.
pub(super) struct Placed<I> {
    pieces: I,
    buffer: Vec<u8>,
    /// How much of the buffer was handed out.
    given: usize,
    /// The line that is written next.
    line: u64,
}

impl<I> Placed<I> {
    pub(super) fn new(pieces: I) -> Self {
        Self { pieces, buffer: Vec::new(), given: 0, line: 1 }
    }
}

impl<I: Iterator<Item = io::Result<Piece>>> Read for Placed<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.buffer.len() {
            let Some(piece) = self.pieces.next() else { return Ok(0) };
            let piece = piece?;
            let blank = piece.line.saturating_sub(self.line);
            self.given = 0;
            self.buffer.clear();
            self.buffer.resize(usize::try_from(blank).unwrap_or_default(), b'\n');
            self.buffer.extend(&piece.text);
            if piece.ended {
                self.buffer.push(b'\n');
            }
            self.line += blank + 1;
        }
        let read = (&self.buffer[self.given..]).read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

/// The elements of a JSON array, one after the other, whatever the array's size.
///
/// They are told apart by brackets and quotes alone: one that is no JSON is handed on, and refused by whoever reads it.
pub(super) struct Elements<R> {
    bytes: Bytes<R>,
    line: u64,
    is_open: bool,
}

impl<R: BufRead> Elements<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { bytes: reader.bytes(), line: 1, is_open: false }
    }

    /// Whether a byte stands between two elements, and belongs to none.
    fn is_between(&mut self, byte: u8) -> bool {
        let opens = byte == b'[' && !self.is_open;
        self.is_open |= opens;
        // The mark of byte order stands before the array.
        opens || byte.is_ascii_whitespace() || matches!(byte, b',' | b']') || (!self.is_open && byte >= 0x80)
    }
}

impl<R: BufRead> Iterator for Elements<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Piece { line: 0, text: Vec::new(), ended: true };
        let (mut depth, mut is_text, mut is_escaped) = (0_u32, false, false);
        loop {
            let byte = match self.bytes.next() {
                Some(Ok(byte)) => byte,
                Some(Err(cause)) => return Some(Err(cause)),
                None if piece.text.is_empty() => return None,
                None => return Some(Ok(Piece { ended: false, ..piece })),
            };
            if piece.text.is_empty() {
                let line = self.line;
                self.line += u64::from(byte == b'\n');
                if self.is_between(byte) {
                    continue;
                }
                piece.line = line;
            } else {
                self.line += u64::from(byte == b'\n');
                if depth == 0 && !is_text && matches!(byte, b',' | b']') {
                    return Some(Ok(piece));
                }
            }
            if piece.text.len() <= LINE_BYTES_MAX {
                piece.text.push(if matches!(byte, b'\n' | b'\r') { b' ' } else { byte });
            }
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_text => is_escaped = true,
                b'"' => is_text = !is_text,
                b'{' | b'[' if !is_text => depth += 1,
                b'}' | b']' if !is_text => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(Ok(piece));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::{Content, Lines};

    fn lines_of(array: &str) -> Vec<(u64, String, bool)> {
        let mut lines = Lines::new(Placed::new(Elements::new(array.as_bytes())));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let Content::Text(text) = line.content else { panic!("{line:?}") };
            found.push((line.number, text.to_owned(), line.ended));
        }
        found
    }

    #[test]
    fn each_element_of_an_array_is_a_line_at_the_place_where_it_begins() {
        let array = "\u{feff}[\n  {\"a\": \"[,]}\\\"\",\n   \"b\": [1,\n2]},\n\n  {}, 7,\n null\n]\n";
        let wanted = [(2, "{\"a\": \"[,]}\\\"\",    \"b\": [1, 2]}"), (6, "{}"), (7, "7"), (8, "null")];
        let wanted: Vec<_> = wanted.iter().map(|(line, text)| (*line, (*text).to_owned(), true)).collect();
        // Two in one line: the second has the next number, and the one after it is in its place again where it can be.
        assert_eq!(lines_of(array), wanted);
        assert_eq!(lines_of("[]"), []);
        assert_eq!(lines_of("[{},{},[1]]").iter().map(|(line, _, _)| *line).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn an_array_that_was_cut_off_ends_in_a_line_without_an_end() {
        assert_eq!(
            lines_of("[{\"a\":1},\n{\"b\":"),
            [(1, "{\"a\":1}".to_owned(), true), (2, "{\"b\":".to_owned(), false),]
        );
    }
}
