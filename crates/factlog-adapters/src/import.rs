//! The one way in: lines become events, known ones are counted, new ones appended, bad ones named.
//!
//! Files are read on the calling task: each read is short and bounded, and the next await is never more than a chunk
//! away. A caller who minds gives the import a task of its own.

use std::io::Read;

use factlog::{Event, EventLine, EventLog, Result, StreamName};

use crate::importer::Importer;
use crate::outcome::{Imported, OnProgress};
use crate::redact::Redactor;
use crate::source::Source;

/// What holds for an import of any format.
pub struct Intake<'a> {
    /// Who is told how far it is.
    pub progress: OnProgress<'a>,
    /// What takes the secrets out of the data; none, and they go in.
    pub redactor: Option<&'a Redactor>,
    /// Whether files are read again that were read before.
    pub again: bool,
}

impl<'a> Intake<'a> {
    /// An import that only tells how far it is.
    pub fn telling(progress: OnProgress<'a>) -> Self {
        Self { progress, redactor: None, again: false }
    }
}

/// How the lines of a format become events.
pub(crate) trait Format: Send {
    /// The name that marks of its files have, and what it was told to take; none for a format whose files have no marks.
    fn marks(&self) -> Option<(&'static str, String)> {
        None
    }

    /// Whether the lines of a source are those of its file, so that a longer file has the same lines and more.
    fn has_lines_of(&self, _source: &Source) -> bool {
        true
    }

    /// Another file begins; `stem` is its name without folders and ending.
    fn begin(&mut self, stem: &str);

    /// A look into a source before its lines are taken: some lines are understood by later ones only.
    fn look_ahead(&mut self, _source: &Source) -> Result<()> {
        Ok(())
    }

    /// The lines of a source: its own, unless the format makes them of what is no lines.
    fn open(&mut self, source: &Source) -> Result<Box<dyn Read + Send>> {
        source.open()
    }

    /// What a line is; an error, and the line is rejected for that reason.
    fn take(&mut self, line: &str) -> Result<Taken>;
}

/// What a line is.
pub(crate) enum Taken {
    /// An event.
    Event(Box<EventLine>),
    /// An event of another log that keeps its position, version and time, if the log ends before them.
    Recorded(Box<Event>),
    /// Left out by the format's rules; the stream is where it would have gone.
    Skipped(StreamName),
}

/// Imports sources in their order.
pub(crate) async fn import(
    log: &EventLog,
    sources: &[Source],
    format: &mut impl Format,
    intake: Intake<'_>,
) -> Result<Imported> {
    let bytes_total = sources.iter().map(|source| source.bytes).sum();
    let mut importer = Importer::new(log, bytes_total, intake);
    for source in sources {
        importer.read_source(source, format).await?;
    }
    importer.finish().await
}
