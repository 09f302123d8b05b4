//! JSON lines, as an export of a factlog writes them.
//!
//! Each line is one event in its wire form: `{"stream","type","data", ...}`. Its `id` is kept, so importing twice
//! changes nothing; `position`, `version` and `recordedAt` are read past, because the log gives its own. A line may
//! carry `expect`, and is then appended only if its stream is there.
//!
//! A line without an id gets one that is made from its stream and its text. So two such lines that are alike to the
//! last byte are one event.
//!
//! A plain-text log's own files are such lines with a checksum behind each, which is looked at.
//!
//! What a log says about its own removals (`log:removed` in `log-retention`) is left out: it speaks of the positions
//! of the log it comes from, and would be false here.

use std::io::Read;
use std::path::{Path, PathBuf};

use factlog::sealed_line::{Unsealed, unsealed};
use factlog::{Error, EventId, EventLine, EventLog, REMOVED_TYPE, RETENTION_STREAM, Result, StreamName};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::import::{self, Format, Intake, Taken};
use crate::importer::Importer;
use crate::lines::Lines;
use crate::outcome::Imported;
use crate::source::Sources;

/// Endings of the files that are taken from a folder.
const ENDINGS: &[&str] = &["jsonl", "ndjson"];
/// The path that means standard input.
const STDIN: &str = "-";
/// The system that the ids of lines without one are made for.
const SYSTEM: &str = "jsonl";

/// Imports files, folders (all `.jsonl` and `.ndjson` files under them) and, for the path `-`, standard input.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work: `Unavailable`, `Stopped`,
/// `Corrupt`. A bad line is no error: it is named in the result.
///
/// There are no marks: to import a file means that its events shall be there, also those that were removed since.
pub async fn import(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        if path == Path::new(STDIN) {
            sources.add_stdin();
        } else {
            sources.add(path)?;
        }
    }
    import::import(log, &sources.into_found(), &mut Jsonl, intake).await
}

/// Imports what a reader gives; `name` is how its rejected lines are told.
///
/// # Errors
/// `Unavailable` when it cannot be read on; otherwise as [`import`].
pub async fn import_reader(
    log: &EventLog,
    name: &str,
    reader: impl Read + Send,
    intake: Intake<'_>,
) -> Result<Imported> {
    let mut importer = Importer::new(log, None, intake);
    let unreadable = |cause: std::io::Error| Error::unavailable(format!("{name}: {cause}")).with_cause(cause);
    importer.read(name, Lines::new(reader), &mut Jsonl, 0, unreadable).await?;
    importer.finish().await
}

pub(crate) struct Jsonl;

impl Format for Jsonl {
    fn begin(&mut self, _stem: &str) {}

    fn take(&mut self, line: &str) -> Result<Taken> {
        if !line.starts_with('{') {
            return Err(Error::invalid("not an event: not a JSON object"));
        }
        let line = match unsealed(line) {
            Unsealed::Event(line) => line,
            // A log's own line says that events were removed here.
            Unsealed::Removed => return Ok(Taken::Skipped(StreamName::trusted(RETENTION_STREAM))),
            Unsealed::Damaged => return Err(damaged()),
        };
        let line = &*line;
        let mut taken: EventLine = line.parse()?;
        let event = &mut taken.event;
        if event.stream == RETENTION_STREAM && event.event_type == REMOVED_TYPE {
            return Ok(Taken::Skipped(event.stream.clone()));
        }
        if !has_id(line) {
            event.id = EventId::foreign(SYSTEM, &event.stream, line);
        }
        Ok(Taken::Event(Box::new(taken)))
    }
}

/// The error of a line of a plain-text log that is not what was written.
pub(crate) fn damaged() -> Error {
    Error::invalid("its checksum is wrong: it is not what was written")
}

fn has_id(line: &str) -> bool {
    #[derive(Deserialize)]
    struct Named {
        id: Option<IgnoredAny>,
    }
    serde_json::from_str::<Named>(line).is_ok_and(|named| named.id.is_some())
}
