//! An import under way: known events are counted, new ones appended, bad lines named, marks kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use factlog::{
    Appended, Batch, Error, ErrorKind, EventId, EventLine, EventLog, Filter, Result, Stamps, StreamName,
};
use serde::de::IgnoredAny;

use crate::import::{Format, Intake, Taken};
use crate::lines::{Content, LINE_BYTES_MAX, Line, Lines};
use crate::mark::{self, Mark};
use crate::outcome::{Imported, Progress, StreamCount};
use crate::source::Source;

/// Events that are looked up and appended together.
pub const CHUNK_EVENTS_MAX: usize = 500;
/// Bytes of events that are looked up and appended together, one event more at the most.
pub const CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes after which progress is told again.
const PROGRESS_BYTES: u64 = 64 * 1024;

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
    log: EventLog,
    intake: Intake<'a>,
    bytes_total: Option<u64>,
    bytes: u64,
    imported: Imported,
    streams: StreamCount,
    chunk: Vec<Waiting>,
    chunk_bytes: usize,
    /// What was done of the file that is being read.
    current: Mark,
    /// Marks of files whose events may still wait in the chunk, by their keys and names.
    finished: Vec<(String, Arc<str>, Mark)>,
    /// Files with a line that was rejected; they are read again each time.
    rejecting: HashSet<Arc<str>>,
}

impl<'a> Importer<'a> {
    pub(crate) fn new(log: &EventLog, bytes_total: Option<u64>, intake: Intake<'a>) -> Self {
        Self {
            log: log.clone(),
            intake,
            bytes_total,
            bytes: 0,
            imported: Imported::default(),
            streams: StreamCount::default(),
            chunk: Vec::new(),
            chunk_bytes: 0,
            current: Mark::default(),
            finished: Vec::new(),
            rejecting: HashSet::new(),
        }
    }

    /// Reads what is new of a source; what its mark knows is counted as if it had been read again. Gives the new mark of
    /// a file that was read.
    pub(crate) async fn read_source(
        &mut self,
        source: &Source,
        format: &mut impl Format,
    ) -> Result<Option<Mark>> {
        let marked = format.marks().zip(source.place());
        let Some(((name, options), path)) = marked else {
            self.read_lines(source, format, 0).await?;
            return Ok(None);
        };
        let key = mark::key(name, &path);
        let known = if self.intake.again { None } else { mark::load(&self.log, &key).await? };
        let known = known.filter(|mark| {
            mark.options == options
                && mark.path == path.to_string_lossy()
                && mark::sum(&path, mark.bytes) == Some(mark.crc32)
        });
        let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
        if let Some(mark) = known.as_ref().filter(|mark| mark.bytes == bytes) {
            self.count_known(mark);
            return Ok(None);
        }
        let has_lines = format.has_lines_of(source);
        let known_bytes = known.filter(|_| has_lines).map_or(0, |mark| mark.bytes);
        let before = self.bytes;
        self.read_lines(source, format, known_bytes).await?;
        if !has_lines {
            // Its lines are not its bytes, and progress counts those.
            self.bytes = before + bytes;
            self.tell(&source.name);
        }
        let mut mark = std::mem::take(&mut self.current);
        if !has_lines {
            // A document is read as a whole; one that was changed meanwhile is not the one that was read.
            let sum = mark::sum(&path, bytes);
            mark.rejected +=
                u64::from(sum.is_none() || std::fs::metadata(&path).map_or(0, |about| about.len()) != bytes);
            (mark.bytes, mark.lines, mark.crc32) = (bytes, 0, sum.unwrap_or_default());
        }
        (mark.path, mark.options) = (path.to_string_lossy().into_owned(), options);
        self.finished.push((key, source.name.as_str().into(), mark.clone()));
        Ok(Some(mark))
    }

    /// Reads on in a file that was read up to its mark, with a format that remembers what came before.
    pub(crate) async fn read_on(
        &mut self,
        source: &Source,
        file: std::fs::File,
        format: &mut impl Format,
        mark: &mut Mark,
    ) -> Result<()> {
        let lines = Lines::after(file, mark.lines, mark.bytes, mark.crc32);
        self.read(&source.name, lines, format, 0, |cause| source.unreadable(cause)).await?;
        let new = std::mem::take(&mut self.current);
        mark.go_on(new);
        if let Some((name, _)) = format.marks() {
            let key = mark::key(name, mark.path.as_ref());
            self.finished.push((key, source.name.as_str().into(), mark.clone()));
        }
        Ok(())
    }

    /// Counts a file that is as it was.
    fn count_known(&mut self, mark: &Mark) {
        self.imported.read += mark.read;
        self.imported.skipped += mark.skipped;
        self.imported.duplicates += mark.read - mark.skipped;
        self.imported.redacted += mark.redacted;
        for stream in &mark.streams {
            self.streams.add(stream);
        }
        self.bytes += mark.bytes;
        self.tell(&mark.path);
    }

    async fn read_lines(&mut self, source: &Source, format: &mut impl Format, known: u64) -> Result<()> {
        format.begin(&source.stem());
        format.look_ahead(source)?;
        let lines = Lines::new(format.open(source)?);
        self.read(&source.name, lines, format, known, |cause| source.unreadable(cause)).await
    }

    /// Reads lines to their end. Those that begin before `known` bytes are only looked at, to understand those after them.
    pub(crate) async fn read(
        &mut self,
        name: &str,
        mut lines: Lines<impl Read + Send>,
        format: &mut impl Format,
        known: u64,
        unreadable: impl Fn(std::io::Error) -> Error + Send,
    ) -> Result<()> {
        let file: Arc<str> = name.into();
        let before = self.bytes - lines.bytes().min(self.bytes);
        let mut told = self.bytes;
        self.current = Mark { bytes: lines.bytes(), lines: lines.number(), ..Mark::default() };
        let mut start = lines.bytes();
        while let Some(line) = lines.next().map_err(&unreadable)? {
            let is_taken = self.take(&file, &line, format, start < known);
            if !is_taken {
                // What its writer adds meanwhile belongs to this line: the next read begins with it.
                let Mark { bytes, lines: number, crc32, .. } = &mut self.current;
                (*bytes, *number, *crc32) = lines.before_last();
                self.bytes = before + lines.bytes();
                self.tell(&file);
                return Ok(());
            }
            start = lines.bytes();
            (self.current.bytes, self.current.lines) = (lines.bytes(), lines.number());
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
        (self.current.bytes, self.current.crc32) = (lines.bytes(), lines.crc32());
        self.tell(&file);
        Ok(())
    }

    /// Takes in a line that a caller has read, with so many bytes.
    pub(crate) async fn read_line(
        &mut self,
        file: &Arc<str>,
        line: &Line<'_>,
        bytes: u64,
        format: &mut impl Format,
    ) -> Result<()> {
        self.take(file, line, format, false);
        let told = self.bytes / PROGRESS_BYTES;
        self.bytes += bytes;
        if self.bytes / PROGRESS_BYTES > told {
            self.tell(file);
        }
        if self.chunk.len() >= CHUNK_EVENTS_MAX || self.chunk_bytes >= CHUNK_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Appends what is left and says what was done.
    pub(crate) async fn finish(mut self) -> Result<Imported> {
        self.flush().await?;
        self.imported.streams = self.streams.count();
        Ok(self.imported)
    }

    fn tell(&mut self, file: &str) {
        (self.intake.progress)(Progress { file, bytes: self.bytes, bytes_total: self.bytes_total });
    }

    /// Takes a line in; `false` when its writer seems not to be done with it.
    fn take(&mut self, file: &Arc<str>, line: &Line<'_>, format: &mut impl Format, is_known: bool) -> bool {
        let taken = match line.content {
            Content::Text(text) => {
                let text = self.clean(text);
                format.take(&text).and_then(|taken| self.batch_of(taken))
            }
            Content::NotText => Err(Error::invalid("not UTF-8")),
            Content::TooLong => {
                Err(Error::invalid(format!("the line is too long; {LINE_BYTES_MAX} bytes are allowed")))
            }
        };
        if taken.is_err() && is_unfinished(line) {
            self.imported.pending += 1;
            return false;
        }
        self.imported.read += 1;
        self.current.read += 1;
        match taken {
            Ok(None) => {
                self.imported.skipped += 1;
                self.current.skipped += 1;
            }
            Ok(Some(_)) if is_known => self.imported.duplicates += 1,
            Ok(Some(batch)) => {
                self.chunk_bytes += batch.bytes();
                self.chunk.push(Waiting { batch, file: Arc::clone(file), line: line.number });
            }
            Err(error) => self.reject(file, line.number, &error.to_string()),
        }
        true
    }

    fn reject(&mut self, file: &Arc<str>, line: u64, reason: &str) {
        self.current.rejected += 1;
        self.rejecting.insert(Arc::clone(file));
        self.imported.reject(file, line, reason);
    }

    /// The line without its secrets: what is made of it, its tags and ids too, has none then.
    fn clean<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        // What is no JSON is told by the format, which says what is wrong with it.
        let is_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
        let found = self.intake.redactor.filter(|_| is_json()).and_then(|redactor| redactor.json(text));
        let Some((clean, count)) = found else { return Cow::Borrowed(text) };
        self.imported.redacted += count;
        self.current.redacted += count;
        Cow::Owned(clean)
    }

    /// The batch of one event that a line becomes; none for a line that is left out.
    fn batch_of(&mut self, taken: Taken) -> Result<Option<Batch>> {
        match taken {
            Taken::Skipped(stream) => {
                self.count_stream(&stream);
                Ok(None)
            }
            Taken::Recorded(event) => {
                self.count_stream(&event.stream);
                Batch::kept(vec![*event]).map(Some)
            }
            Taken::Event(line) => {
                let EventLine { event, expect } = *line;
                self.count_stream(&event.stream);
                let stream = event.stream.clone();
                let batch = Batch::new(vec![event])?;
                match expect {
                    None => Ok(Some(batch)),
                    Some(expect) => batch.expect(stream, expect).map(Some),
                }
            }
        }
    }

    fn count_stream(&mut self, stream: &StreamName) {
        self.streams.add(stream);
        let streams = &mut self.current.streams;
        let is_new = streams.last().is_none_or(|last| **last != **stream)
            && !streams.iter().any(|known| **known == **stream);
        if is_new && streams.len() <= mark::STREAMS_MAX {
            streams.push(stream.to_string());
        }
    }

    /// Appends what waits; then the marks may say that it is done.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        self.chunk_bytes = 0;
        // An id that stands in the chunk twice waits for a second round: it is a duplicate only if the first went in.
        while !chunk.is_empty() {
            chunk = self.settle(chunk).await?;
        }
        self.save_marks().await
    }

    async fn save_marks(&mut self) -> Result<()> {
        let finished = std::mem::take(&mut self.finished);
        if finished.is_empty() {
            return Ok(());
        }
        let at = self.log.newest().await?;
        for (key, file, mark) in finished {
            let is_told = mark.rejected > 0 || self.rejecting.contains(&file);
            if !is_told && mark.streams.len() <= mark::STREAMS_MAX {
                mark::save(&self.log, key, &mark, at).await?;
            }
        }
        Ok(())
    }

    /// Counts what is known and appends the rest, but for repeats of an id, which are handed back.
    async fn settle(&mut self, chunk: Vec<Waiting>) -> Result<Vec<Waiting>> {
        let known = known(&self.log, &chunk).await?;
        let mut ids = HashSet::new();
        let (mut batches, mut places, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
        let mut kept = Vec::new();
        for waiting in chunk {
            if known.contains(&waiting.id()) {
                self.imported.duplicates += 1;
            } else if ids.insert(waiting.id()) {
                kept.push((*waiting.batch.stamps() != Stamps::Now).then(|| waiting.batch.clone()));
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
        for (((file, line), kept), outcome) in places.into_iter().zip(kept).zip(outcomes) {
            match without_stamps(&self.log, kept, outcome).await {
                Ok(appended) if appended.repeated => self.imported.duplicates += 1,
                Ok(_) => self.imported.appended += 1,
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid) => {
                    self.reject(&file, line, &error.to_string());
                }
                Err(error) => return Err(error.context(format!("{file} line {line}"))),
            }
        }
        Ok(repeats)
    }
}

/// The outcome of a batch; one whose stamps could not be kept is appended with the log's own.
async fn without_stamps(log: &EventLog, kept: Option<Batch>, outcome: Result<Appended>) -> Result<Appended> {
    match (kept, outcome) {
        (Some(batch), Err(error)) if error.kind() == ErrorKind::Conflict => {
            log.append(Batch::new(batch.into_events())?).await
        }
        (_, outcome) => outcome,
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

#[cfg(test)]
mod tests {
    use factlog::{EventLog, MemoryStore, NewEvent};

    use super::*;

    /// A writer who is not done: a part of a line, the end for now, then the rest.
    struct Slow(Vec<&'static [u8]>);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some(part) = (!self.0.is_empty()).then(|| self.0.remove(0)) else { return Ok(0) };
            buffer[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }

    struct Any;

    impl Format for Any {
        fn begin(&mut self, _stem: &str) {}
        fn take(&mut self, line: &str) -> Result<Taken> {
            let event = NewEvent::of("a-1".parse()?, "x".parse()?, factlog::Json::parse(line)?);
            Ok(Taken::Event(Box::new(EventLine { event, expect: None })))
        }
    }

    /// Story: the rest of a line that was written while its first part was read became a line of its own, was rejected,
    /// and the line was lost for good.
    #[tokio::test]
    async fn a_line_that_is_finished_while_it_is_read_is_left_for_the_next_read() {
        let log = EventLog::new(MemoryStore::new());
        let mut told = 0;
        let mut progress = |progress: Progress<'_>| told = progress.bytes;
        let mut importer = Importer::new(&log, None, Intake::telling(&mut progress));
        // A blank line stands between the two.
        let lines = Lines::new(Slow(vec![b"{\"n\":1}\n\n{\"n\":", b"", b"2}\n", b""]));
        importer.read("f", lines, &mut Any, 0, |cause| Error::unavailable(cause.to_string())).await.unwrap();
        assert_eq!((importer.current.bytes, importer.current.lines, importer.current.rejected), (9, 2, 0));
        assert_eq!(importer.current.crc32, crc32fast::hash(b"{\"n\":1}\n\n"));
        let imported = importer.finish().await.unwrap();
        assert_eq!((imported.read, imported.appended, imported.pending), (1, 1, 1));
        assert!(imported.rejected.is_empty());
        assert_eq!(told, 14, "progress counts what was read of it");
    }
}
