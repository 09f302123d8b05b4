//! The events of the inter-agent bus (origin D): what its `createAgentEvent` made, and rows of its table `abc_events`.
//!
//! | of the event | from the envelope | from a row |
//! |---|---|---|
//! | stream | the category of the type and the id that `data` names; what names none has a stream of its own | the same |
//! | type | the vocabulary's name for `type`; another type stays as it is | the same |
//! | id | made from the stream and `id`, unless that is a UUID | the same |
//! | source | `source` | `source` |
//! | targets | `target`, a text or a list | `target` in `data` |
//! | occurred | `timestamp` | `timestamp` |
//! | expires | `timestamp` and `ttl` milliseconds | `ttl` in `data` |
//! | correlation, session, priority | `correlationId`, `sessionId`, `priority` | the same in `data` |
//! | user | | `user_id` |
//! | data | `data`, as it is | `data` without what was put into it, unless the type has such a field of its own |
//! | metadata | `id` as `sourceId`; `type` as `sourceType` where the vocabulary has another name for it | the same |
//!
//! A file is JSON lines, an array of JSON, or what `\\copy abc_events to FILE csv header` writes; a file of rows has them in
//! any of these. Places of rejected events are the lines that they begin in; in an array all of which stands in one line they
//! count the events.

mod envelope;
mod export;
mod places;
mod rows;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use factlog::{Error, EventLog, Result};

pub use self::export::to_agent_event;

use crate::import::{self, Format, Intake, Taken};
use crate::outcome::Imported;
use crate::source::{Source, Sources};
use places::{Elements, Placed};
use rows::Rows;

/// Endings of the files that are taken from a folder.
const ENDINGS: &[&str] = &["jsonl", "ndjson", "json", "csv"];
/// The path that means standard input.
const STDIN: &str = "-";
/// The system that ids are made for.
const SYSTEM: &str = "agent-events";
/// What editors on some systems put before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Imports files, all `.jsonl`, `.ndjson`, `.json` and `.csv` files under folders, and, for the path `-`, standard input.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work: `Unavailable`, `Stopped`,
/// `Corrupt`. A bad line is no error: it is named in the result, and the rest goes in.
pub async fn import(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        if path == Path::new(STDIN) {
            sources.add_stdin();
        } else {
            sources.add(path)?;
        }
    }
    import::import(log, &sources.into_found(), &mut AgentEvents, intake).await
}

/// How the events of a file stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    Array,
    Rows,
}

/// What a file begins with gives its layout away; what is none of them is read as lines, and each is named.
fn layout(head: &[u8]) -> Layout {
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
    match head.first() {
        Some(b'[') => Layout::Array,
        _ if rows::is_heading(head) => Layout::Rows,
        _ => Layout::Lines,
    }
}

struct AgentEvents;

impl Format for AgentEvents {
    fn marks(&self) -> Option<(&'static str, String)> {
        Some((SYSTEM, String::new()))
    }

    fn has_lines_of(&self, source: &Source) -> bool {
        let Ok(reader) = source.open() else { return false };
        BufReader::new(reader).fill_buf().is_ok_and(|head| layout(head) == Layout::Lines)
    }

    fn begin(&mut self, _stem: &str) {}

    fn open(&mut self, source: &Source) -> Result<Box<dyn Read + Send>> {
        let mut reader = BufReader::new(source.open()?);
        let head = reader.fill_buf().map_err(|cause| source.unreadable(cause))?;
        Ok(match layout(head) {
            Layout::Lines => Box::new(reader),
            Layout::Array => Box::new(Placed::new(Elements::new(reader))),
            Layout::Rows => Box::new(Placed::new(Rows::new(reader))),
        })
    }

    fn take(&mut self, line: &str) -> Result<Taken> {
        envelope::event(line).map(Taken::Event)
    }
}

/// Whether the first lines of a file are rows of the table `abc_events`.
pub(crate) fn is_rows(head: &[u8]) -> bool {
    layout(head) == Layout::Rows
}

fn not_one(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not an event of the inter-agent bus: {what}"))
}
