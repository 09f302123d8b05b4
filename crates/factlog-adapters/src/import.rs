//! The one way in: lines become events, known ones are counted, new ones appended, bad ones named.
//!
//! Files are read on the calling task: each read is short and bounded, and the next await is never more than a chunk
//! away. A caller who minds gives the import a task of its own.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use factlog::{Batch, Error, ErrorKind, EventId, EventLine, EventLog, Filter, Result, StreamName};
use serde::de::IgnoredAny;

use crate::lines::{Content, LINE_BYTES_MAX, Line, Lines};
use crate::outcome::{Imported, OnProgress, Progress, StreamCount};
use crate::source::Source;

/// Events that are looked up and appended together.
pub const CHUNK_EVENTS_MAX: usize = 500;
/// Bytes of events that are looked up and appended together, one event more at the most.
pub const CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes after which progress is told again.
const PROGRESS_BYTES: u64 = 64 * 1024;

/// How the lines of a format become events.
pub(crate) trait Format: Send {
    /// Another file begins; `stem` is its name without folders and ending.
    fn begin(&mut self, stem: &str);

    /// What a line is; an error, and the line is rejected for that reason.
    fn take(&mut self, line: &str) -> Result<Taken>;
}

/// What a line is.
pub(crate) enum Taken {
    /// An event.
    Event(Box<EventLine>),
    /// Left out by the format's rules; the stream is where it would have gone.
    Skipped(StreamName),
}

/// An event that waits to be appended, and where it came from.
struct Waiting {
    batch: Batch,
    file: Arc<str>,
    line: u64,
}

impl Waiting {
    fn id(&self) -> EventId {
        self.batch.events()[0].id
    }
}

/// An import under way.
pub(crate) struct Importer<'a> {
    log: &'a EventLog,
    progress: OnProgress<'a>,
    bytes_total: Option<u64>,
    bytes: u64,
    imported: Imported,
    streams: StreamCount,
    chunk: Vec<Waiting>,
    chunk_bytes: usize,
}

/// Imports sources in their order.
pub(crate) async fn import(
    log: &EventLog,
    sources: &[Source],
    format: &mut impl Format,
    progress: OnProgress<'_>,
) -> Result<Imported> {
    let bytes_total = sources.iter().map(|source| source.bytes).sum();
    let mut importer = Importer::new(log, bytes_total, progress);
    for source in sources {
        format.begin(&source.stem());
        importer.read(&source.name, source.open()?, format, |cause| source.unreadable(cause)).await?;
    }
    importer.finish().await
}

impl<'a> Importer<'a> {
    pub(crate) fn new(log: &'a EventLog, bytes_total: Option<u64>, progress: OnProgress<'a>) -> Self {
        Self {
            log,
            progress,
            bytes_total,
            bytes: 0,
            imported: Imported::default(),
            streams: StreamCount::default(),
            chunk: Vec::new(),
            chunk_bytes: 0,
        }
    }

    /// Reads one source to its end.
    pub(crate) async fn read(
        &mut self,
        name: &str,
        reader: impl Read + Send,
        format: &mut impl Format,
        unreadable: impl Fn(std::io::Error) -> Error + Send,
    ) -> Result<()> {
        let file: Arc<str> = name.into();
        let before = self.bytes;
        let mut told = before;
        let mut lines = Lines::new(reader);
        while let Some(line) = lines.next().map_err(&unreadable)? {
            self.take(&file, &line, format);
            self.bytes = before + lines.bytes();
            if self.bytes - told >= PROGRESS_BYTES {
                told = self.bytes;
                self.tell(&file);
            }
            if self.chunk.len() >= CHUNK_EVENTS_MAX || self.chunk_bytes >= CHUNK_BYTES_MAX {
                self.flush().await?;
            }
        }
        self.bytes = before + lines.bytes();
        self.tell(&file);
        Ok(())
    }

    /// Appends what is left and says what was done.
    pub(crate) async fn finish(mut self) -> Result<Imported> {
        self.flush().await?;
        self.imported.streams = self.streams.count();
        Ok(self.imported)
    }

    fn tell(&mut self, file: &str) {
        (self.progress)(Progress { file, bytes: self.bytes, bytes_total: self.bytes_total });
    }

    fn take(&mut self, file: &Arc<str>, line: &Line<'_>, format: &mut impl Format) {
        let taken = match line.content {
            Content::Text(text) => format.take(text).and_then(|taken| self.count_stream(taken)),
            Content::NotText => Err(Error::invalid("not UTF-8")),
            Content::TooLong => {
                Err(Error::invalid(format!("the line is too long; {LINE_BYTES_MAX} bytes are allowed")))
            }
        };
        if taken.is_err() && is_unfinished(line) {
            self.imported.pending += 1;
            return;
        }
        self.imported.read += 1;
        match taken {
            Ok(None) => self.imported.skipped += 1,
            Ok(Some(batch)) => {
                self.chunk_bytes += batch.bytes();
                self.chunk.push(Waiting { batch, file: Arc::clone(file), line: line.number });
            }
            Err(error) => self.imported.reject(file, line.number, &error.to_string()),
        }
    }

    /// The batch of one event that a line becomes; none for a line that is left out.
    fn count_stream(&mut self, taken: Taken) -> Result<Option<Batch>> {
        match taken {
            Taken::Skipped(stream) => {
                self.streams.add(&stream);
                Ok(None)
            }
            Taken::Event(line) => {
                let EventLine { event, expect } = *line;
                self.streams.add(&event.stream);
                let stream = event.stream.clone();
                let batch = Batch::new(vec![event])?;
                match expect {
                    None => Ok(Some(batch)),
                    Some(expect) => batch.expect(stream, expect).map(Some),
                }
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        self.chunk_bytes = 0;
        // An id that stands in the chunk twice waits for a second round: it is a duplicate only if the first went in.
        while !chunk.is_empty() {
            chunk = self.settle(chunk).await?;
        }
        Ok(())
    }

    /// Counts what is known and appends the rest, but for repeats of an id, which are handed back.
    async fn settle(&mut self, chunk: Vec<Waiting>) -> Result<Vec<Waiting>> {
        let known = known(self.log, &chunk).await?;
        let mut ids = HashSet::new();
        let (mut batches, mut places, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
        for waiting in chunk {
            if known.contains(&waiting.id()) {
                self.imported.duplicates += 1;
            } else if ids.insert(waiting.id()) {
                batches.push(waiting.batch);
                places.push((waiting.file, waiting.line));
            } else {
                repeats.push(waiting);
            }
        }
        if batches.is_empty() {
            return Ok(repeats);
        }
        // One batch per event: a crash in between costs no event before it, and order is kept.
        let outcomes = self.log.append_each(batches).await;
        if outcomes.len() != places.len() {
            return Err(Error::stopped("the store did not answer every batch"));
        }
        for ((file, line), outcome) in places.into_iter().zip(outcomes) {
            match outcome {
                Ok(appended) if appended.repeated => self.imported.duplicates += 1,
                Ok(_) => self.imported.appended += 1,
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid) => {
                    self.imported.reject(&file, line, &error.to_string());
                }
                Err(error) => return Err(error.context(format!("{file} line {line}"))),
            }
        }
        Ok(repeats)
    }
}

/// Which of the ids the log has.
async fn known(log: &EventLog, chunk: &[Waiting]) -> Result<HashSet<EventId>> {
    let ids: HashSet<EventId> = chunk.iter().map(Waiting::id).collect();
    let mut known = HashSet::new();
    let mut reading = log.read(Filter::ids(ids));
    while let Some(event) = reading.next().await {
        known.insert(event?.id);
    }
    Ok(known)
}

/// Whether the writer of a line seems not to be done with it.
fn is_unfinished(line: &Line<'_>) -> bool {
    let is_whole = match line.content {
        Content::Text(text) => serde_json::from_str::<IgnoredAny>(text).is_ok(),
        Content::NotText => false,
        Content::TooLong => true,
    };
    !line.ended && !is_whole
}
