//! `DAY/streams/STREAM.jsonl`: the events of a stream in a file of its own, for people (`?stream_files=on`).
//!
//! All of it is derived. The files are written without a sync, after each turn, by whoever writes the log.
//! `streams.json` says up to where they have everything, and that somebody writes them at this moment. Files of a day that is
//! over are synced before it tells of a later day; so after a crash, the files from its day on are written anew, and
//! nothing else.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use factlog::{Event, Filter, Position, Result, StreamName, file_name};
use serde::{Deserialize, Serialize};

use super::files::{Files, told};
use super::line::{Line, parse, sealed_file, verified};
use super::query;
use super::segment::{self, Lines};
use super::view::View;
use crate::vfs::{OpenFile, Vfs, read_file, write_whole};

/// Says that there are such files, and how far they go.
const NOTE_FILE: &str = "streams.json";
/// In the folder of each day.
const FOLDER: &str = "streams";
/// Lines that wait in memory, so that those of one file are written together.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of the note: within one sector, so it is there whole or as it was.
const NOTE_BYTES: usize = 256;
/// The part of a time that is its day.
const DAY_BYTES: usize = 10;

/// `streams.json`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// The files have everything up to here.
    position: Position,
    /// The day of that event.
    day: String,
    /// Files of an earlier one may have events that were removed since.
    rewrites: u64,
    /// Since when the machine runs; what was written before may be lost.
    boot: String,
    /// Whether somebody writes: from the day on there may be more, or less.
    writing: bool,
}

impl Note {
    /// Reads it; one that is not whole knows of nothing.
    fn read(files: &Files) -> io::Result<Self> {
        let bytes = read_file(&*files.vfs, &files.path(NOTE_FILE))?.unwrap_or_default();
        let body = verified(bytes.trim_ascii_end()).map(|body| [body, b"}"].concat());
        let note = body.and_then(|json| serde_json::from_slice(&json).ok());
        Ok(note.unwrap_or(Self { writing: true, ..Self::default() }))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.pop();
        sealed_file(json, NOTE_BYTES)
    }

    fn write(&self, files: &Files) -> io::Result<()> {
        files.vfs.open(&files.path(NOTE_FILE), OpenFile::Write)?.write_all_at(&self.bytes(), 0)
    }
}

/// Whether a log has such files.
pub(super) fn is_on(files: &Files) -> bool {
    files.vfs.open(&files.path(NOTE_FILE), OpenFile::Read).is_ok()
}

/// Begins to keep such files. The caller holds the lock, and tells others.
pub(super) fn turn_on(files: &Files) -> Result<()> {
    let path = files.path(NOTE_FILE);
    let note = Note { writing: true, ..Note::default() };
    write_whole(&*files.vfs, &path, &note.bytes()).map_err(|error| told(&path, error))
}

/// Takes all such files away. The caller holds the lock, and tells others.
pub(super) fn turn_off(files: &Files) -> Result<()> {
    let path = files.path(NOTE_FILE);
    let off = || {
        Note { writing: true, ..Note::default() }.write(files)?;
        clear(files, "")?;
        files.vfs.remove_file(&path)?;
        files.vfs.sync_folder(&files.folder)
    };
    off().map_err(|error| told(&path, error))
}

/// Brings the files up to the log. The caller holds the lock.
pub(super) fn keep(files: &Files, view: &View) -> Result<()> {
    let path = files.path(NOTE_FILE);
    let told = |error| told(&path, error);
    let mut note = Note::read(files).map_err(told)?;
    let boot = files.vfs.boot();
    let is_of_this_log = note.rewrites == view.rewrites && note.position <= view.head;
    let is_whole = is_of_this_log && note.boot == boot && !note.writing;
    if is_whole && note.position == view.head {
        return Ok(());
    }
    if !is_of_this_log {
        note = Note::default();
    }
    note = Note { writing: true, rewrites: view.rewrites, ..note };
    note.write(files).map_err(told)?;
    if !is_whole {
        clear(files, &note.day).map_err(told)?;
        note.position = before(files, view, &note.day)?;
    }
    let mut writing = Writing::new(files, note.day.clone());
    let mut outcome = Ok(());
    query::each(files, view, &Filter::all(), note.position, |event| {
        outcome = writing.add(event);
        outcome.is_ok()
    })?;
    let day = outcome.and_then(|()| writing.finish()).map_err(told)?;
    let note = Note { position: view.head, day, rewrites: view.rewrites, boot, writing: false };
    note.write(files).map_err(told)
}

/// What is wrong with the files, by the events of the log.
pub(super) fn check(files: &Files, view: &View) -> Result<Vec<String>> {
    let note = Note::read(files).map_err(|error| told(&files.path(NOTE_FILE), error))?;
    let is_of_now = note.boot == files.vfs.boot() && note.rewrites == view.rewrites;
    if note.writing || !is_of_now || note.position != view.head {
        // Somebody writes them, or will when the log is opened next.
        return Ok(Vec::new());
    }
    let mut due: HashMap<PathBuf, (u64, crc32fast::Hasher)> = HashMap::new();
    query::each(files, view, &Filter::all(), Position::START, |event| {
        let path = path(files, &day(event), &event.stream);
        let (bytes, sum) = due.entry(path).or_default();
        let line = line(event);
        *bytes += line.len() as u64;
        sum.update(line.as_bytes());
        event.position < view.head
    })?;
    let problem = |path: &Path| {
        let said = "the file is not that of its stream's events: `factlog check --repair` writes it anew";
        format!("{}: {said}", path.display())
    };
    let mut found = Vec::new();
    for path in files_from(files, "").map_err(|error| told(&files.folder, error))? {
        let bytes = read_file(&*files.vfs, &path).map_err(|error| told(&path, error))?.unwrap_or_default();
        found.push((path, bytes.len() as u64, crc32fast::hash(&bytes)));
    }
    if Note::read(files).map_err(|error| told(&files.path(NOTE_FILE), error))? != note {
        // Somebody has written them meanwhile.
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    for (path, bytes, sum) in found {
        let is_it = due.remove(&path).is_some_and(|(due, hasher)| (due, hasher.finalize()) == (bytes, sum));
        problems.extend((!is_it).then(|| problem(&path)));
    }
    problems.extend(due.keys().map(|path| problem(path)));
    problems.sort();
    Ok(problems)
}

/// Lets all files be written anew when they are kept next.
pub(super) fn forget(files: &Files) -> Result<()> {
    let path = files.path(NOTE_FILE);
    Note { writing: true, ..Note::default() }.write(files).map_err(|error| told(&path, error))
}

fn day(event: &Event) -> String {
    event.recorded_at.to_string()[..DAY_BYTES].to_owned()
}

fn line(event: &Event) -> String {
    event.to_json() + "\n"
}

fn folder(files: &Files, day: &str) -> PathBuf {
    files.folder.join(day).join(FOLDER)
}

fn path(files: &Files, day: &str, stream: &StreamName) -> PathBuf {
    folder(files, day).join(file_name(stream) + ".jsonl")
}

/// The days from one on that have such files.
fn days_from(files: &Files, day: &str) -> io::Result<Vec<String>> {
    let mut days = Vec::new();
    for entry in files.vfs.entries(&files.folder)? {
        let is_day = entry.is_folder && segment::SegmentName::new(&entry.name, 1).is_some();
        if is_day && entry.name.as_str() >= day {
            let inside = files.vfs.entries(&files.folder.join(&entry.name))?;
            days.extend(inside.iter().any(|inside| inside.name == FOLDER).then_some(entry.name));
        }
    }
    Ok(days)
}

fn files_from(files: &Files, day: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for day in days_from(files, day)? {
        let folder = folder(files, &day);
        paths.extend(files.vfs.entries(&folder)?.into_iter().map(|entry| folder.join(entry.name)));
    }
    Ok(paths)
}

/// Takes away the files from a day on.
fn clear(files: &Files, day: &str) -> io::Result<()> {
    for path in files_from(files, day)? {
        files.vfs.remove_file(&path)?;
    }
    for day in days_from(files, day)? {
        files.vfs.remove_folder(&folder(files, &day))?;
        files.vfs.sync_folder(&files.folder.join(day))?;
    }
    Ok(())
}

/// A position before the events of a day.
fn before(files: &Files, view: &View, day: &str) -> Result<Position> {
    // A batch of a copy, which is never divided, may end after midnight: it is in the last segment before that has events.
    for name in view.segments.iter().rev().skip_while(|name| name.day() >= day) {
        let path = name.path(&files.folder);
        let told = |error| told(&path, error);
        let file = files.segment(*name)?;
        let mut lines = Lines::new(&*file, 0, file.len().map_err(told)?);
        let first = match lines.next().map_err(told)?.and_then(|line| verified(line.bytes)).and_then(parse) {
            Some(Line::Event(fields)) => fields.position,
            Some(Line::Removed(first, _)) => first,
            None => continue,
        };
        return Ok(Position(first.0 - 1));
    }
    Ok(Position::START)
}

/// Lines on their way to their files.
struct Writing<'a> {
    files: &'a Files,
    /// From this day on files are written.
    from: String,
    /// The day of the last event.
    day: String,
    waiting: BTreeMap<PathBuf, String>,
    waiting_bytes: usize,
}

impl<'a> Writing<'a> {
    fn new(files: &'a Files, from: String) -> Self {
        Self { files, day: from.clone(), from, waiting: BTreeMap::new(), waiting_bytes: 0 }
    }

    fn add(&mut self, event: &Event) -> io::Result<()> {
        let day = day(event);
        // A clock that was ahead may have put it behind the beginning of a later day.
        if day < self.from {
            return Ok(());
        }
        if day > self.day {
            self.end_day()?;
            self.day.clone_from(&day);
        }
        let (path, line) = (path(self.files, &day, &event.stream), line(event));
        self.waiting_bytes += line.len() + path.as_os_str().len();
        self.waiting.entry(path).or_default().push_str(&line);
        if self.waiting_bytes < WAITING_BYTES_MAX { Ok(()) } else { self.flush() }
    }

    fn finish(mut self) -> io::Result<String> {
        self.flush()?;
        Ok(self.day)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.waiting_bytes = 0;
        let vfs = &*self.files.vfs;
        for (path, lines) in std::mem::take(&mut self.waiting) {
            let file = match vfs.open(&path, OpenFile::Create) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_folders(vfs, &path)?;
                    vfs.open(&path, OpenFile::Create)?
                }
                opened => opened?,
            };
            file.write_all_at(lines.as_bytes(), file.len()?)?;
        }
        Ok(())
    }

    /// Makes the files of a day that is over survive a crash.
    fn end_day(&mut self) -> io::Result<()> {
        self.flush()?;
        let folder = folder(self.files, &self.day);
        let vfs = &*self.files.vfs;
        let entries = match vfs.entries(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            vfs.open(&folder.join(entry.name), OpenFile::Write)?.sync()?;
        }
        vfs.sync_folder(&folder)?;
        vfs.sync_folder(folder.parent().unwrap_or(Path::new(".")))
    }
}

/// Makes the folders above a file, as far as they are not there.
fn make_folders(vfs: &dyn Vfs, path: &Path) -> io::Result<()> {
    let streams = path.parent().unwrap_or(Path::new("."));
    for folder in [streams.parent().unwrap_or(Path::new(".")), streams] {
        match vfs.create_folder(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
