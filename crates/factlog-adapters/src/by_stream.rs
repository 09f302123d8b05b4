//! A log as a tree of files, one a day and a stream, and back: the layout of origin C.
//!
//! `FOLDER/2026-11-20/task-42.jsonl` has the events of the stream `task-42` that were recorded on that day (UTC), in
//! their wire form, one a line, in their order. A file is named after its stream by [`file_name`]. There is nothing else:
//! what could be derived from the lines is not written.
//!
//! **Out.** The tree is written under a name that nobody looks for, and its days get their own when all is there. What fails
//! leaves nothing behind.
//!
//! **In.** The files of a day are read together, so that events come in the order of their positions, as they were
//! recorded. Into an empty log they go with their positions, versions and times, so that the log is the same again; so does
//! the rest of an import that was cut off. Into any other log they go as new events, with its own, and what a log
//! says about its own removals is left out. A file that was changed by hand goes in too, as far as its lines are events.

mod merge;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use factlog::{Error, Event, EventId, EventLog, Filter, Position, Result, StreamName, Timestamp, file_name};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::import::{Format, Intake, Taken};
use crate::importer::Importer;
use crate::jsonl::Jsonl;
use crate::outcome::Imported;
use crate::source::{Source, Sources};
use merge::Merge;

/// Bytes of events that wait in memory, so that those of one file are written together.
pub const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The ending of the files.
const ENDING: &str = "jsonl";
/// How the name of a tree ends that is not whole yet.
const SCRATCH_ENDING: &str = ".new";
/// The part of a time that is its day.
const DAY_BYTES: usize = 10;

/// Writes events into a tree of files.
///
/// Without [`finish`](Self::finish) there is no tree: what was written goes when this is dropped.
#[derive(Debug)]
pub struct Export {
    folder: PathBuf,
    /// Whether the folder was made for this.
    is_new: bool,
    /// Where the tree grows.
    scratch: PathBuf,
    /// Lines by their files.
    waiting: BTreeMap<(String, StreamName), String>,
    waiting_bytes: usize,
    exported: Exported,
}

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Exported {
    /// How many events.
    pub events: u64,
    /// How many files they are in.
    pub files: u64,
}

impl Export {
    /// An export into a folder, which is new or empty.
    ///
    /// # Errors
    /// `Invalid` for a folder that has something in it, `Denied` and `Unavailable` where it cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let is_new = !folder.exists();
        fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
        let entries = fs::read_dir(folder).map_err(|cause| failed(folder, cause))?;
        if let Some(entry) = entries.into_iter().next() {
            let name = entry.map_err(|cause| failed(folder, cause))?.file_name();
            let hint = if is_scratch(Path::new(&name)) {
                "an export that was cut off left it: remove it, or export to a new folder"
            } else {
                "nothing is written over: export to a new folder"
            };
            let (folder, name) = (folder.display(), name.to_string_lossy());
            return Err(Error::invalid(format!("{folder} is not empty: there is {name}")).with_hint(hint));
        }
        let scratch = folder.join(format!(".{}{SCRATCH_ENDING}", EventId::generate()));
        fs::create_dir(&scratch).map_err(|cause| failed(&scratch, cause))?;
        let (waiting, exported) = (BTreeMap::new(), Exported::default());
        Ok(Self { folder: folder.to_owned(), is_new, scratch, waiting, waiting_bytes: 0, exported })
    }

    /// Writes an event; events come in the order of their positions.
    ///
    /// # Errors
    /// `Denied` and `Unavailable` where a file cannot be written.
    pub fn add(&mut self, event: &Event) -> Result<()> {
        let day = event.recorded_at.to_string()[..DAY_BYTES].to_owned();
        let line = event.to_json();
        self.waiting_bytes += line.len() + event.stream.len() + DAY_BYTES;
        let lines = self.waiting.entry((day, event.stream.clone())).or_default();
        lines.push_str(&line);
        lines.push('\n');
        self.exported.events += 1;
        if self.waiting_bytes < WAITING_BYTES_MAX {
            return Ok(());
        }
        self.flush()
    }

    /// Gives the tree its name, and says what is in it.
    ///
    /// # Errors
    /// `Denied` and `Unavailable` where a file cannot be written.
    pub fn finish(mut self) -> Result<Exported> {
        self.flush()?;
        let mut days: Vec<PathBuf> = Vec::new();
        let named = fs::read_dir(&self.scratch).and_then(|entries| {
            for entry in entries {
                let entry = entry?;
                let day = self.folder.join(entry.file_name());
                fs::rename(entry.path(), &day)?;
                days.push(day);
            }
            Ok(())
        });
        if let Err(cause) = named {
            for day in days {
                // All of it or nothing, as far as the disk still does what it is told.
                let _ = fs::remove_dir_all(day);
            }
            return Err(failed(&self.folder, cause));
        }
        self.is_new = false;
        Ok(self.exported)
    }

    /// Writes what waits, one file after another, so that only one is open.
    fn flush(&mut self) -> Result<()> {
        for ((day, stream), lines) in std::mem::take(&mut self.waiting) {
            let folder = self.scratch.join(day);
            let path = folder.join(format!("{}.{ENDING}", file_name(&stream)));
            fs::create_dir_all(&folder).map_err(|cause| failed(&folder, cause))?;
            self.exported.files += u64::from(!path.exists());
            append(&path, &lines).map_err(|cause| failed(&path, cause))?;
        }
        self.waiting_bytes = 0;
        Ok(())
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        // What cannot be removed does no harm, and the next export into this folder tells of it.
        let _ = fs::remove_dir_all(&self.scratch);
        if self.is_new {
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

fn append(path: &Path, lines: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(lines.as_bytes())
}

fn failed(path: &Path, cause: io::Error) -> Error {
    let message = format!("{}: {cause}", path.display());
    let error = match cause.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Error::invalid(message).with_hint("name a folder, which is new or empty")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::denied(message).with_hint("export to a folder where you may write")
        }
        _ => Error::unavailable(message).with_hint("make room or export to another folder; no tree was left"),
    };
    error.with_cause(cause)
}

/// Brings trees back: folders, and all `.jsonl` files under them, in the order of their positions.
///
/// # Errors
/// `NotFound` or `Denied` for a path that cannot be read, and what ends the log's work: `Unavailable`, `Stopped`,
/// `Corrupt`. A bad line is no error: it is named in the result.
pub async fn import(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let mut sources = Sources::new(&[ENDING]);
    for path in paths {
        sources.add(path)?;
    }
    let mut sources = sources.into_found();
    sources.retain(|source| !source.path().is_some_and(is_scratch));
    let bytes = sources.iter().map(|source| source.bytes).sum();
    let mut importer = Importer::new(log, bytes, intake);
    let mut format = Recorded::into(log).await?;
    let folder = |source: &Source| source.path().and_then(Path::parent).map(Path::to_owned);
    for day in sources.chunk_by(|one, other| folder(one) == folder(other)) {
        let mut merge = Merge::open(day)?;
        while let Some(line) = merge.next()? {
            importer.read_line(&line.file, &line.line(), line.bytes, &mut format).await?;
        }
    }
    importer.finish().await
}

/// Whether a path lies in a tree that never became whole.
fn is_scratch(path: &Path) -> bool {
    path.iter().any(|name| {
        let name = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(SCRATCH_ENDING));
        name.is_some_and(|id| id.parse::<EventId>().is_ok())
    })
}

/// Whether a file lies where an export would put an event.
pub(crate) fn is_place_of(path: &Path, event: &Map<String, Value>) -> bool {
    let is_day = |name: &str| {
        name.len() == DAY_BYTES
            && name.split('-').map(str::len).eq([4, 2, 2])
            && event.contains_key("position")
    };
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let stream = event.get("stream").and_then(Value::as_str);
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    folder.is_some_and(is_day) && stream.map(file_name).as_deref() == stem
}

/// Lines of a tree, for one log.
struct Recorded {
    /// The newest event of the log at the beginning.
    newest: Option<(Position, EventId)>,
    places: Places,
}

/// Whether events keep their places.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    /// Not yet: the log has events, which may be the first of the tree.
    Unknown,
    /// Yes: all before is in the log, up to here and this time.
    Kept(Position, Option<Timestamp>),
    /// No more: an event went in that has none there.
    New,
}

impl Recorded {
    async fn into(log: &EventLog) -> Result<Self> {
        let newest = log.read(Filter::all()).backwards().limit(1).next().await.transpose()?;
        let newest = newest.map(|event| (event.position, event.id));
        let is_empty = newest.is_none() && log.newest().await? == Position::START;
        let places = if is_empty { Places::Kept(Position::START, None) } else { Places::Unknown };
        Ok(Self { newest, places })
    }
}

impl Format for Recorded {
    fn begin(&mut self, _stem: &str) {}

    fn take(&mut self, line: &str) -> Result<Taken> {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            let taken = Jsonl.take(line)?;
            self.places = Places::New;
            return Ok(taken);
        };
        match self.places {
            Places::Unknown if self.newest == Some((event.position, event.id)) => {
                self.places = Places::Kept(event.position, Some(event.recorded_at));
            }
            Places::Kept(last, time) if last < event.position && time <= Some(event.recorded_at) => {
                self.places = Places::Kept(event.position, Some(event.recorded_at));
                return Ok(Taken::Recorded(Box::new(event)));
            }
            Places::Kept(..) => self.places = Places::New,
            Places::Unknown | Places::New => {}
        }
        Jsonl.take(line)
    }
}
