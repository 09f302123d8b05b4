//! Records of both kinds of files on their way to the importer: one a line, with its place, damage among them.

use std::io::{self, Read};

use factlog::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::lines::LINE_BYTES_MAX;

/// Bytes of one record: what a line takes, but for its place.
pub(super) const RECORD_BYTES_MAX: usize = LINE_BYTES_MAX - 4 * 1024;

/// A record, or what is wrong where one should be.
pub(super) struct Record {
    /// Where it stands, for people.
    pub(super) at: String,
    /// Its JSON.
    pub(super) what: Result<String>,
}

/// What stands in a line: JSON, so that secrets can be taken out of it.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    at: String,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

impl Record {
    pub(super) fn new(at: impl Into<String>, json: impl Into<String>) -> Self {
        Self { at: at.into(), what: Ok(json.into()) }
    }

    pub(super) fn damage(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { at: at.into(), what: Err(Error::invalid(reason.into())) }
    }

    pub(super) fn of_line(line: &str) -> Result<Self> {
        let line: Line<'_> = serde_json::from_str(line)
            .map_err(|cause| Error::invalid(format!("not JSON: {cause}")).with_cause(cause))?;
        let what = match (line.record, line.damage) {
            (Some(json), _) => Ok(json.get().to_owned()),
            (None, reason) => Err(Error::invalid(reason.unwrap_or_default())),
        };
        Ok(Self { at: line.at, what })
    }

    fn to_line(&self) -> io::Result<String> {
        let at = self.at.clone();
        let record = match &self.what {
            Ok(json) => serde_json::from_str::<&RawValue>(json).map_err(|cause| format!("not JSON: {cause}")),
            Err(error) => Err(error.to_string()),
        };
        let line = match record {
            Ok(record) => Line { at, record: Some(record), damage: None },
            Err(damage) => Line { at, record: None, damage: Some(damage) },
        };
        // In JSON a line ends between tokens only, where a space means the same.
        Ok(serde_json::to_string(&line)?.replace(['\n', '\r'], " ") + "\n")
    }
}

/// Records as lines.
pub(super) struct AsLines<I> {
    records: I,
    line: String,
    /// How much of the line was handed out.
    given: usize,
}

impl<I> AsLines<I> {
    pub(super) fn new(records: I) -> Self {
        Self { records, line: String::new(), given: 0 }
    }
}

impl<I: Iterator<Item = io::Result<Record>>> Read for AsLines<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.line.len() {
            let Some(record) = self.records.next() else { return Ok(0) };
            self.line = record?.to_line()?;
            self.given = 0;
        }
        let read = (&self.line.as_bytes()[self.given..]).read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_through_a_line_as_it_is_and_damage_stays_damage() {
        let records = [Record::new("row 1", "{\"a\":\n1.0}"), Record::damage("row 2", "bad\nbytes")];
        let mut lines = String::new();
        AsLines::new(records.into_iter().map(Ok)).read_to_string(&mut lines).unwrap();
        let read: Vec<Record> = lines.lines().map(|line| Record::of_line(line).unwrap()).collect();
        assert_eq!((read[0].at.as_str(), read[0].what.as_deref().unwrap()), ("row 1", "{\"a\": 1.0}"));
        assert_eq!(read[1].what.as_ref().unwrap_err().to_string(), "bad\nbytes");
    }
}
