//! The index files of a log: found, believed if they fit the segments, and made.

use std::path::PathBuf;
use std::sync::Arc;

use factlog::{EventId, Position, Result};

use super::files::{Files, INDEX_FOLDER, told};
use super::index::{Builder, Run};
use super::query::{Reader, Source, scan_lines};
use super::segment::{SegmentName, line_at};
use super::view::View;
use crate::vfs::{OpenFile, read_file};

/// The folder of the indexes of segments that were written anew so often.
fn folder(files: &Files, rewrites: u64) -> PathBuf {
    files.path(INDEX_FOLDER).join(rewrites.to_string())
}

/// The file of an index.
fn path(files: &Files, rewrites: u64, after: Position, last: Position) -> PathBuf {
    folder(files, rewrites).join(format!("{:016}-{:016}.run", after.0, last.0))
}

fn parse_name(name: &str) -> Option<(Position, Position)> {
    let (after, last) = name.strip_suffix(".run")?.split_once('-')?;
    Some((Position(after.parse().ok()?), Position(last.parse().ok()?)))
}

/// All index files that join one to the next from the log's beginning on, and fit its segments.
pub(super) fn load(files: &Files, rewrites: u64, segments: &[SegmentName]) -> Vec<Arc<Run>> {
    let mut names: Vec<(Position, Position)> = files
        .vfs
        .entries(&folder(files, rewrites))
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| parse_name(&entry.name))
        .collect();
    // Of two that begin alike, the longer one.
    names.sort_unstable_by_key(|(after, last)| (*after, std::cmp::Reverse(*last)));
    let mut runs: Vec<Arc<Run>> = Vec::new();
    let mut at = Position::START;
    for (after, last) in names {
        if after != at {
            continue;
        }
        match open(files, rewrites, after, last) {
            Ok(run) if fits(files, &run, segments) => {
                at = run.last;
                runs.push(Arc::new(run));
            }
            Ok(_) => tracing::debug!(%after, %last, "an index does not fit its segments and is built again"),
            Err(error) => {
                tracing::debug!(%after, %last, %error, "an index cannot be read and is built again");
            }
        }
    }
    runs
}

fn open(files: &Files, rewrites: u64, after: Position, last: Position) -> std::io::Result<Run> {
    let run = Run::open(files.vfs.open(&path(files, rewrites, after, last), OpenFile::Read)?)?;
    if run.after == after && run.last == last {
        return Ok(run);
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not what its name says"))
}

/// Whether the segments are there, and its last event is where it says.
fn fits(files: &Files, run: &Run, segments: &[SegmentName]) -> bool {
    let mut reader = Reader::new(files);
    let mut last_line = || -> Result<bool> {
        let place = Source::Run(run).at(&mut reader, run.events - 1)?.1;
        let is_last = reader.with(place, run.last, |_| Some(()))?.is_some();
        let mut line = Vec::new();
        let read = line_at(&*files.segment(place.segment)?, u64::from(place.offset), &mut line);
        Ok(is_last
            && read.is_ok_and(|ended| ended)
            && u64::from(place.offset) + line.len() as u64 + 1 == run.end)
    };
    run.segments().all(|segment| segments.binary_search(&segment).is_ok()) && last_line().unwrap_or(false)
}

/// Makes an index of the first events of the tail; `join` takes the events of the last index file in, too.
pub(super) fn build(files: &Files, view: &View, events: usize, join: bool) -> Result<Run> {
    let joined = view.runs.last().filter(|_| join);
    let after = joined.map_or(view.indexed(), |run| run.after);
    let mut builder = Builder::after(after);
    let mut reader = Reader::new(files);
    let mut add = |source: &Source<'_>, events: u32| {
        scan_lines(&mut reader, view, source, 0..events, |fields, place, end| {
            builder.add(fields, place, end);
            Ok(true)
        })
    };
    if let Some(run) = joined {
        add(&Source::Run(run), run.events)?;
    }
    add(&Source::Tail(&view.tail), events as u32)?;
    let last = view.tail.get(events - 1).map_or(view.head, |entry| entry.position);
    let run = write(files, view.rewrites, (after, last), &builder.finish())?;
    if let Some(joined) = joined {
        // It is known by the new one now; one that stays does no harm.
        let _ = files.vfs.remove_file(&path(files, view.rewrites, joined.after, joined.last));
    }
    Ok(run)
}

fn write(files: &Files, rewrites: u64, (after, last): (Position, Position), bytes: &[u8]) -> Result<Run> {
    let path = path(files, rewrites, after, last);
    let written = || -> std::io::Result<Run> {
        files.make_folder(&files.path(INDEX_FOLDER))?;
        files.make_folder(&folder(files, rewrites))?;
        let scratch = path.with_extension(format!("{}.new", EventId::generate()));
        let file = files.vfs.open(&scratch, OpenFile::CreateNew)?;
        let outcome = file
            .write_all_at(bytes, 0)
            .and_then(|()| file.sync())
            .and_then(|()| files.vfs.rename(&scratch, &path));
        if outcome.is_err() {
            let _ = files.vfs.remove_file(&scratch);
        }
        outcome?;
        Run::open(files.vfs.open(&path, OpenFile::Read)?)
    };
    written().map_err(|error| told(&path, error))
}

/// Takes away the indexes of segments that were written anew since.
pub(super) fn forget_older(files: &Files, rewrites: u64) {
    let all = files.path(INDEX_FOLDER);
    for entry in files.vfs.entries(&all).unwrap_or_default() {
        if entry.name.parse().is_ok_and(|of: u64| of < rewrites) {
            let folder = all.join(&entry.name);
            for file in files.vfs.entries(&folder).unwrap_or_default() {
                // One that stays is not looked at.
                let _ = files.vfs.remove_file(&folder.join(&file.name));
            }
            let _ = files.vfs.remove_folder(&folder);
        }
    }
}

/// What is to be said of index files that are not believed, and would be of use.
pub(super) fn unbelieved(files: &Files, view: &View) -> Vec<String> {
    let folder = folder(files, view.rewrites);
    let entries = files.vfs.entries(&folder).unwrap_or_default();
    let names = entries.iter().filter_map(|entry| parse_name(&entry.name));
    let is_of_use = |after: Position, last: Position| {
        let opened = open(files, view.rewrites, after, last);
        opened.is_ok_and(|run| fits(files, &run, &view.segments))
    };
    names
        .filter(|(after, last)| *after >= view.indexed() && *last <= view.head && !is_of_use(*after, *last))
        .map(|(after, last)| {
            let path = path(files, view.rewrites, after, last);
            let said = "the index is not what was written, or not of these lines, and is not used; \
                        `factlog check --repair` builds it again";
            format!("{}: {said}", path.display())
        })
        .collect()
}

/// Whether an index file has exactly these bytes.
pub(super) fn is(files: &Files, rewrites: u64, run: &Run, bytes: &[u8]) -> bool {
    let path = path(files, rewrites, run.after, run.last);
    read_file(&*files.vfs, &path).is_ok_and(|found| found.as_deref() == Some(bytes))
}

/// The bytes of all index files.
pub(super) fn bytes(files: &Files) -> u64 {
    let all = files.path(INDEX_FOLDER);
    let mut bytes = 0;
    for folder in files.vfs.entries(&all).unwrap_or_default() {
        for entry in files.vfs.entries(&all.join(&folder.name)).unwrap_or_default() {
            let file = files.vfs.open(&all.join(&folder.name).join(&entry.name), OpenFile::Read);
            bytes += file.and_then(|file| file.len()).unwrap_or(0);
        }
    }
    bytes
}
