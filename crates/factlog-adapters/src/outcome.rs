//! What an import did, and how far it is.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use serde::Serialize;

/// Rejected lines that are named; more are only counted.
pub const REJECTED_KEPT_MAX: usize = 1_000;
/// Bytes of the reason that is given for one rejected line; a longer one is cut.
pub const REASON_BYTES_MAX: usize = 500;

/// What an import did: `read` is the sum of all the others but `pending` and `streams`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Lines that were read; blank and pending ones are not counted.
    pub read: u64,
    /// Lines that became events of the log.
    pub appended: u64,
    /// Lines whose events the log had before, or that stand in the input twice.
    pub duplicates: u64,
    /// Lines that the rules of the format leave out.
    pub skipped: u64,
    /// The first [`REJECTED_KEPT_MAX`] lines that could not be taken.
    pub rejected: Vec<Rejected>,
    /// How many lines more were rejected.
    #[serde(skip_serializing_if = "is_zero")]
    pub rejected_more: u64,
    /// Last lines without an ending that are no JSON yet: their writer is not done, and the next import takes them.
    #[serde(skip_serializing_if = "is_zero")]
    pub pending: u64,
    /// Secrets that were taken out of the lines' data.
    #[serde(skip_serializing_if = "is_zero")]
    pub redacted: u64,
    /// How many streams the lines name, the duplicate and skipped ones too.
    pub streams: u64,
}

// Serde hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A line that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// The file it stands in, or `stdin`.
    pub file: String,
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why it could not be taken.
    pub reason: String,
}

impl Imported {
    /// Takes in what another import did. A stream that both name counts twice.
    pub fn add(&mut self, other: Self) {
        self.read += other.read;
        self.appended += other.appended;
        self.duplicates += other.duplicates;
        self.skipped += other.skipped;
        self.pending += other.pending;
        self.redacted += other.redacted;
        self.streams += other.streams;
        self.rejected_more += other.rejected_more;
        for rejected in other.rejected {
            if self.rejected.len() < REJECTED_KEPT_MAX {
                self.rejected.push(rejected);
            } else {
                self.rejected_more += 1;
            }
        }
    }

    pub(crate) fn reject(&mut self, file: &str, line: u64, reason: &str) {
        if self.rejected.len() == REJECTED_KEPT_MAX {
            self.rejected_more += 1;
            return;
        }
        let reason = shortened(reason);
        self.rejected.push(Rejected { file: file.to_owned(), line, reason });
    }
}

fn shortened(reason: &str) -> String {
    if reason.len() <= REASON_BYTES_MAX {
        return reason.to_owned();
    }
    let end = (0..=REASON_BYTES_MAX).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    format!("{} ...", &reason[..end])
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file that is being read, or `stdin`.
    pub file: &'a str,
    /// Bytes read so far, of all files.
    pub bytes: u64,
    /// Bytes of all files as they were at the start; none while one of them is a pipe.
    pub bytes_total: Option<u64>,
}

/// Who is told how far an import is: at the end of each file, and now and then inside.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// How many streams there are, in eight bytes for each: only the hashes of their names are kept.
#[derive(Default)]
pub(crate) struct StreamCount {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl StreamCount {
    pub(crate) fn add(&mut self, stream: &str) {
        self.hashes.insert(self.hasher.hash_one(stream));
    }

    pub(crate) fn count(&self) -> u64 {
        self.hashes.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of a million bad lines must not fill the memory with reasons.
    #[test]
    fn only_so_many_rejected_lines_are_named_and_all_are_counted() {
        let mut imported = Imported::default();
        for line in 1..=REJECTED_KEPT_MAX as u64 + 2 {
            imported.reject("a.jsonl", line, &"é".repeat(REASON_BYTES_MAX));
        }
        assert_eq!((imported.rejected.len(), imported.rejected_more), (REJECTED_KEPT_MAX, 2));
        assert_eq!(imported.rejected[0].reason, format!("{} ...", "é".repeat(REASON_BYTES_MAX / 2)));
    }

    #[test]
    fn counts_that_are_rarely_there_are_left_out_of_the_json_when_they_are_zero() {
        let mut imported = Imported { read: 1, ..Imported::default() };
        let plain = r#"{"read":1,"appended":0,"duplicates":0,"skipped":0,"rejected":[],"streams":0}"#;
        assert_eq!(serde_json::to_string(&imported).unwrap(), plain);
        imported.rejected_more = 2;
        imported.pending = 1;
        let full = r#"{"read":1,"appended":0,"duplicates":0,"skipped":0,"rejected":[],"rejectedMore":2,"pending":1,"streams":0}"#;
        assert_eq!(serde_json::to_string(&imported).unwrap(), full);
    }
}
