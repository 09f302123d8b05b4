//! The files that hold the lines: `DAY/NUMBER.jsonl`, in order.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::vfs::{Vfs, VfsFile};

use super::line::LINE_BYTES_MAX;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes read for one line, before more.
const LINE_GUESS_BYTES: usize = 1_024;

/// The name of a segment; names sort as the log goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SegmentName {
    /// `2026-11-20`
    pub(super) day: [u8; 10],
    /// From 1 in each day.
    pub(super) number: u32,
}

/// Where a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: SegmentName,
    pub(super) offset: u32,
}

impl SegmentName {
    /// The segment of a day and a number.
    pub(super) fn new(day: &str, number: u32) -> Option<Self> {
        let bytes: [u8; 10] = day.as_bytes().try_into().ok()?;
        let is_day = bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        is_day.then_some(Self { day: bytes, number })
    }

    /// Its day.
    pub(super) fn day(&self) -> &str {
        std::str::from_utf8(&self.day).unwrap_or_default()
    }

    /// The name of its file in the folder of its day.
    pub(super) fn file_name(&self) -> String {
        format!("{:06}.jsonl", self.number)
    }

    /// Its file in the log's folder.
    pub(super) fn path(&self, log: &Path) -> PathBuf {
        log.join(self.day()).join(self.file_name())
    }

    /// The segment after it, on a day that is not before its own.
    pub(super) fn next(self, day: [u8; 10]) -> Self {
        if day > self.day { Self { day, number: 1 } } else { Self { day: self.day, number: self.number + 1 } }
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.day(), self.file_name())
    }
}

impl fmt::Debug for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// All segments of a log, in order.
pub(super) fn list(vfs: &dyn Vfs, log: &Path) -> io::Result<Vec<SegmentName>> {
    let mut segments = Vec::new();
    for day in vfs.entries(log)? {
        if !day.is_folder || SegmentName::new(&day.name, 1).is_none() {
            continue;
        }
        for file in vfs.entries(&log.join(&day.name))? {
            let number = file.name.strip_suffix(".jsonl").filter(|digits| digits.len() >= 6);
            let number = number.and_then(|digits| digits.parse().ok());
            segments.extend(number.and_then(|number| SegmentName::new(&day.name, number)));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Reads lines one after the other, whatever they hold.
pub(super) struct Lines<'a> {
    file: &'a dyn VfsFile,
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    at: u64,
    /// Where the next line begins in the buffer.
    from: usize,
    filled: usize,
    end: u64,
}

/// A line without its newline.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawLine<'a> {
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
    /// Whether a newline ends it; else the file, or the longest line there may be.
    pub(super) is_ended: bool,
}

impl RawLine<'_> {
    /// Where the next line begins.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64 + u64::from(self.is_ended)
    }
}

impl<'a> Lines<'a> {
    /// The lines from an offset up to an end.
    pub(super) fn new(file: &'a dyn VfsFile, from: u64, end: u64) -> Self {
        Self { file, buffer: Vec::new(), at: from, from: 0, filled: 0, end }
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.from..self.filled];
            if let Some(length) = memchr::memchr(b'\n', &rest[searched..]).map(|found| found + searched) {
                let (start, offset) = (self.from, self.at + self.from as u64);
                self.from += length + 1;
                let bytes = &self.buffer[start..start + length];
                return Ok(Some(RawLine { offset, bytes, is_ended: true }));
            }
            searched = rest.len();
            if searched > LINE_BYTES_MAX || !self.fill()? {
                let (start, offset) = (self.from, self.at + self.from as u64);
                self.from = self.filled;
                let bytes = &self.buffer[start..self.filled];
                return Ok((!bytes.is_empty()).then_some(RawLine { offset, bytes, is_ended: false }));
            }
        }
    }

    /// Reads on; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.from..self.filled, 0);
        self.at += self.from as u64;
        self.filled -= self.from;
        self.from = 0;
        let there = self.at + self.filled as u64;
        let wanted = (self.end.saturating_sub(there)).min(CHUNK_BYTES as u64) as usize;
        if self.buffer.len() < self.filled + wanted {
            self.buffer.resize(self.filled + wanted, 0);
        }
        let read = self.file.read_at(&mut self.buffer[self.filled..self.filled + wanted], there)?;
        self.filled += read;
        Ok(read > 0)
    }
}

/// Reads the line that begins at an offset into a buffer, without its newline; `false` where no newline ends it.
pub(super) fn line_at(file: &dyn VfsFile, offset: u64, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    loop {
        let have = line.len();
        let more = have.max(LINE_GUESS_BYTES);
        line.resize(have + more, 0);
        let read = file.read_at(&mut line[have..], offset + have as u64)?;
        line.truncate(have + read);
        if let Some(end) = memchr::memchr(b'\n', &line[have..]) {
            line.truncate(have + end);
            return Ok(true);
        }
        if read == 0 || line.len() > LINE_BYTES_MAX {
            return Ok(false);
        }
    }
}
