//! Inputs of several files, as text that people can read and write.
//!
//! A line `%% NAME` begins a section. The newline before it, or at the end of the input, is no part of the section
//! above. What stands before the first one is a section without a name.

/// A name and what stands below it.
pub(crate) type Section<'a> = (&'a [u8], &'a [u8]);

/// The sections of an input.
pub(crate) fn sections(input: &[u8]) -> Vec<Section<'_>> {
    const MARK: &[u8] = b"%% ";
    let mut sections = Vec::new();
    let (mut name, mut start, mut at): (&[u8], usize, usize) = (b"", 0, 0);
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if let Some(next) = line.strip_prefix(MARK) {
            sections.push((name, body(&input[start..at])));
            (name, start) = (next.trim_ascii(), at + line.len());
        }
        at += line.len();
    }
    sections.push((name, body(&input[start..])));
    sections
}

fn body(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

/// Each line that is not empty with the checksum that makes it a line of a log: `{"position":1,...,"data":{}` becomes
/// `{"position":1,...,"data":{},"crc":"..."}`.
pub(crate) fn sealed(lines: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        sealed.extend_from_slice(line);
        sealed.extend_from_slice(format!(",\"crc\":\"{:08x}\"}}\n", crc32fast::hash(line)).as_bytes());
    }
    sealed
}
