//! Events that leave a log for files, and come back.
//!
//! An archive is JSON lines, one event in its wire form per line, as an export writes them:
//! `FOLDER/2026-11-20/0000000001-0000000420.jsonl` has events from position 1 to 420 that were recorded on that day (UTC).
//! A file is whole before it has its name: it is written under another one, synced, read again and compared, and then
//! linked; a file that is there is never written over. So whoever removes events after their file was made loses nothing,
//! whatever happens in between.
//!
//! [`restore`] brings events back. They keep their ids and all they say, and get new positions; the old ones are kept in
//! the metadata: `"archived":{"position":1,"version":1,"recordedAt":"..."}`. What has no `occurredAt` gets the old
//! `recordedAt` as one, so that its time for people stays.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crc32fast::Hasher;
use factlog::limits::METADATA_BYTES_MAX;
use factlog::sealed_line::{Unsealed, unsealed, verified};
use factlog::{
    Error, Event, EventId, EventLine, EventLog, Position, RETENTION_STREAM, Reading, Removal, Result,
    StreamName, Timestamp, Version,
};
use serde::Serialize;

use crate::import::{self, Format, Intake, Taken};
use crate::lines::{Content, Lines};
use crate::outcome::Imported;
use crate::source::Sources;

/// Events of one file.
pub const FILE_EVENTS_MAX: u64 = 100_000;
/// Bytes of one file, one event more at the most.
pub const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The ending of the files.
const ENDINGS: &[&str] = &["jsonl"];
/// Files of one range that may stand beside each other: the same positions, archived by different filters.
const SAME_RANGE_MAX: u32 = 1_000;
/// The part of a time that is its day.
const DAY_BYTES: usize = 10;

/// Writes what a removal means into files, one after another.
pub struct Archive {
    folder: PathBuf,
    reading: Reading,
    /// The first event of the next file.
    next: Option<Arc<Event>>,
}

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archived {
    /// Where it is, from the root.
    pub path: String,
    /// How many events it has.
    pub count: u64,
    /// The position of the first.
    pub first: Position,
    /// The position of the last.
    pub last: Position,
    /// How long it is.
    pub bytes: u64,
}

impl Archived {
    /// Reads a segment that a plain-text log has moved into an archive, and looks at each checksum.
    ///
    /// # Errors
    /// `Unavailable` for a file that cannot be read, `Corrupt` for a line that is not what was written.
    pub fn segment(path: &str) -> Result<Self> {
        let unreadable = |cause: io::Error| Error::unavailable(format!("{path}: {cause}")).with_cause(cause);
        let mut reader = io::BufReader::new(File::open(path).map_err(unreadable)?);
        let mut archived =
            Self { path: path.to_owned(), count: 0, first: Position::START, last: Position::START, bytes: 0 };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            archived.bytes += read as u64;
            let position = verified(line.trim_ascii_end()).and_then(position_of);
            let position = position.ok_or_else(|| {
                Error::corrupt(format!("{path}:{number}"), "the line is not what was written")
            })?;
            if let Some(position) = position {
                archived.count += 1;
                archived.first = if archived.count == 1 { position } else { archived.first };
                archived.last = position;
            }
        }
        Ok(archived)
    }
}

/// The position that a line begins with; none of one that says that events were removed.
#[expect(clippy::option_option, reason = "the outer one is failure")]
fn position_of(body: &[u8]) -> Option<Option<Position>> {
    if body.starts_with(b"{\"removed\":") {
        return Some(None);
    }
    let digits: Vec<u8> =
        body.strip_prefix(b"{\"position\":")?.iter().copied().take_while(u8::is_ascii_digit).collect();
    Some(Some(Position(std::str::from_utf8(&digits).ok()?.parse().ok()?)))
}

impl Archive {
    /// An archive in a folder, which is made when there is something to write.
    ///
    /// # Errors
    /// `Invalid` for a folder whose name cannot be told in the log.
    pub fn new(log: &EventLog, removal: &Removal, folder: &Path) -> Result<Self> {
        let named = |cause| Error::invalid(format!("{}: {cause}", folder.display()));
        let folder = std::path::absolute(folder).map_err(named)?;
        if folder.to_str().is_none() {
            return Err(Error::invalid(format!("{}: the name is not UTF-8", folder.display())));
        }
        if folder.join("factlog.json").is_file() {
            return Err(Error::invalid(format!("{} is a log itself", folder.display()))
                .with_hint("name another folder for the archive"));
        }
        let reading =
            log.read(removal.effective_filter()).before(Position(removal.through.0.saturating_add(1)));
        Ok(Self { folder, reading, next: None })
    }

    /// Writes the next file: events of one day, a bounded number of them. None when all is written.
    ///
    /// When this returns, the file is on the disk and has what the log has.
    ///
    /// # Errors
    /// `Denied` and `Unavailable` where a file cannot be written, `Corrupt` for one that does not have what was written,
    /// and what reading the log says. No file is left then.
    pub async fn next_file(&mut self) -> Result<Option<Archived>> {
        let first = match self.next.take() {
            Some(event) => event,
            None => match self.reading.next().await {
                Some(event) => event?,
                None => return Ok(None),
            },
        };
        let day = day_of(&first);
        let folder = self.folder.join(&day);
        let there = folder.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned);
        fs::create_dir_all(&folder).map_err(|cause| failed(&folder, cause))?;
        let mut scratch = Scratch::new(&folder)?;
        scratch.add(&first)?;
        let mut last = first.position;
        while let Some(event) = self.reading.next().await {
            let event = event?;
            if day_of(&event) != day || scratch.is_full() {
                self.next = Some(event);
                break;
            }
            scratch.add(&event)?;
            last = event.position;
        }
        scratch.finish()?;
        let path = scratch.name_it(&folder, first.position, last)?;
        sync_folders(&folder, there.as_deref())?;
        Ok(Some(Archived {
            path: path.to_string_lossy().into_owned(),
            count: scratch.count,
            first: first.position,
            last,
            bytes: scratch.bytes,
        }))
    }
}

fn day_of(event: &Event) -> String {
    event.recorded_at.to_string()[..DAY_BYTES].to_owned()
}

/// A file that has no name yet that anybody would look for; it goes when it is dropped.
struct Scratch {
    path: PathBuf,
    /// None once it is finished.
    out: Option<BufWriter<File>>,
    sum: Hasher,
    count: u64,
    bytes: u64,
}

impl Scratch {
    fn new(folder: &Path) -> Result<Self> {
        let path = folder.join(format!(".{}.new", EventId::generate()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let file = options.open(&path).map_err(|cause| failed(&path, cause))?;
        Ok(Self { path, out: Some(BufWriter::new(file)), sum: Hasher::new(), count: 0, bytes: 0 })
    }

    fn is_full(&self) -> bool {
        self.count >= FILE_EVENTS_MAX || self.bytes >= FILE_BYTES_MAX
    }

    fn add(&mut self, event: &Event) -> Result<()> {
        let mut line = event.to_json();
        line.push('\n');
        if let Some(out) = &mut self.out {
            out.write_all(line.as_bytes()).map_err(|cause| failed(&self.path, cause))?;
        }
        self.sum.update(line.as_bytes());
        self.count += 1;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Puts it on the disk, reads it again and compares.
    fn finish(&mut self) -> Result<()> {
        if let Some(out) = self.out.take() {
            let file = out.into_inner().map_err(io::IntoInnerError::into_error);
            file.and_then(|file| file.sync_all()).map_err(|cause| failed(&self.path, cause))?;
        }
        let (count, sum) = read_again(&self.path)?;
        if count == self.count && sum == self.sum.clone().finalize() {
            return Ok(());
        }
        Err(Error::corrupt(
            self.path.display().to_string(),
            "the file does not have what was written into it",
        )
        .with_hint("nothing was removed; look after the disk, or archive to another"))
    }

    /// Gives it the name that tells its range; a file that has the same events already serves as well.
    fn name_it(&self, folder: &Path, first: Position, last: Position) -> Result<PathBuf> {
        for number in 1..=SAME_RANGE_MAX {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let path = folder.join(format!("{:010}-{:010}{suffix}.jsonl", first.0, last.0));
            match link(&self.path, &path) {
                Ok(()) => return Ok(path),
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                    if self.is_like(&path) {
                        return Ok(path);
                    }
                }
                Err(cause) => return Err(failed(&path, cause)),
            }
        }
        Err(Error::invalid(format!("{}: there are {SAME_RANGE_MAX} files of this range", folder.display()))
            .with_hint("archive to another folder"))
    }

    /// Whether a file has the same bytes: one that was left by an archiving that was interrupted.
    fn is_like(&self, path: &Path) -> bool {
        let same_length = fs::metadata(path).is_ok_and(|about| about.len() == self.bytes);
        same_length && read_again(path).is_ok_and(|(_, sum)| sum == self.sum.clone().finalize())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

/// Gives a file a second name, which must be new.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        // Some file systems have no links; there a rename is the nearest.
        _ if !to.exists() => fs::rename(from, to),
        _ => Err(error),
    })
}

/// Makes the names in a folder survive a crash of the machine, and its own name and those of the folders above it up to
/// the first that was `there` before. Where a system has no such call, it does so by itself.
fn sync_folders(folder: &Path, there: Option<&Path>) -> Result<()> {
    if cfg!(unix) {
        for folder in folder.ancestors() {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|cause| failed(folder, cause))?;
            if there.is_none_or(|there| there == folder) {
                break;
            }
        }
    }
    Ok(())
}

/// How many events a file has, and the CRC-32 of its bytes.
fn read_again(path: &Path) -> Result<(u64, u32)> {
    let file = File::open(path).map_err(|cause| failed(path, cause))?;
    let mut lines = Lines::new(file);
    let mut count = 0;
    while let Some(line) = lines.next().map_err(|cause| failed(path, cause))? {
        match line.content {
            Content::Text(text) if line.ended => event_of(text)?,
            _ => return Err(Error::corrupt(format!("{}:{}", path.display(), line.number), "not an event")),
        };
        count += 1;
    }
    Ok((count, lines.crc32()))
}

fn failed(path: &Path, cause: io::Error) -> Error {
    let message = format!("{}: {cause}", path.display());
    let error = match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::denied(message)
            .with_hint("archive to a folder where you may write; nothing of this file was removed"),
        _ => Error::unavailable(message)
            .with_hint("make room or archive to another folder; nothing of this file was removed"),
    };
    error.with_cause(cause)
}

/// Brings events back from files, folders (all `.jsonl` files under them) and exports. Ids that the log has change
/// nothing, so restoring twice is restoring once.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work. A line that is no archived event
/// is no error: it is named in the result.
pub async fn restore(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let mut sources = Sources::new(ENDINGS);
    for path in paths {
        sources.add(path)?;
    }
    import::import(log, &sources.into_found(), &mut Lasting, intake).await
}

/// Lines of an archive.
struct Lasting;

/// Where and when an event was recorded before it was archived, as its metadata says it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    position: Position,
    version: Version,
    recorded_at: Timestamp,
}

impl Format for Lasting {
    fn begin(&mut self, _stem: &str) {}

    fn take(&mut self, line: &str) -> Result<Taken> {
        let line = match unsealed(line) {
            Unsealed::Event(line) => line,
            Unsealed::Removed => return Ok(Taken::Skipped(StreamName::trusted(RETENTION_STREAM))),
            Unsealed::Damaged => return Err(crate::jsonl::damaged()),
        };
        let Event { position, version, recorded_at, fact: mut event } = event_of(&line)?;
        if event.stream == RETENTION_STREAM {
            return Ok(Taken::Skipped(event.stream));
        }
        event.occurred_at = event.occurred_at.or(Some(recorded_at));
        let own = event.metadata.clone();
        event.note("archived", &Before { position, version, recorded_at })?;
        if event.metadata.as_ref().is_some_and(|noted| noted.as_str().len() > METADATA_BYTES_MAX) {
            // The event matters more than where it was.
            event.metadata = own;
        }
        Ok(Taken::Event(Box::new(EventLine { event, expect: None })))
    }
}

fn event_of(line: &str) -> Result<Event> {
    serde_json::from_str(line).map_err(|cause| {
        Error::invalid(format!("not an archived event: {cause}"))
            .with_hint("events without a position come in with `factlog import jsonl`")
            .with_cause(cause)
    })
}
