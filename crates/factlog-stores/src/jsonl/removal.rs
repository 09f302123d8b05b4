//! Taking events out: first an event that says so, then the segments are written anew without them.
//!
//! What is to be done is noted before it is begun (`removals.json`), so that whoever opens the log after a crash finishes it.
//! Where events were, a line says which positions; so a log never looks shorter than it is. The segment that is written is
//! ended first: only whole, synced segments are written anew.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use factlog::{
    Batch, Error, ErrorKind, Event, EventId, Filter, Moved, Position, Removal, Removed, RemovedData, Result,
    StreamName, Version,
};
use serde::{Deserialize, Serialize};

use super::files::{ABOUT_FILE, Files, REMOVALS_FILE, told};
use super::line::{self, Line, parse, verified};
use super::load::{Loaded, keep_versions};
use super::query;
use super::segment::{Lines, SegmentName};
use super::view::View;
use super::writer::Writer;
use super::{load, runs};
use crate::vfs::{OpenFile, Vfs, make_folder, read_file, read_fully, write_whole};

/// `removals.json`: how often segments were written anew, and a removal that has begun.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removals {
    /// Indexes of an earlier one are of files that are no more.
    pub(super) rewrites: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<Begun>,
}

/// A removal that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Begun {
    /// Where the log says so.
    position: Position,
    /// The event that says so.
    id: EventId,
}

impl Removals {
    /// Whether segments are to be written anew yet.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    pub(super) fn read(files: &Files) -> Result<Self> {
        let path = files.path(REMOVALS_FILE);
        let bytes = read_file(&*files.vfs, &path).map_err(|error| told(&path, error))?;
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::corrupt(path.display().to_string(), format!("the file is not what was written: {error}"))
                .with_hint("restore the file from a backup")
        })
    }

    fn write(&self, files: &Files) -> Result<()> {
        let path = files.path(REMOVALS_FILE);
        let mut json = serde_json::to_vec(self).map_err(|error| Error::invalid(error.to_string()))?;
        json.push(b'\n');
        write_whole(&*files.vfs, &path, &json).map_err(|error| told(&path, error))
    }
}

/// Does a removal, as the writer's task.
pub(super) fn remove(writer: &mut Writer, removal: &Removal, archive: Option<&Path>) -> Result<Moved> {
    if Removals::read(&writer.log.files)?.has_begun() {
        // Another process has died before it had finished it.
        writer.reload()?;
    }
    let view = writer.log.view();
    let mut gone = Vec::new();
    query::each(&writer.log.files, &view, &removal.effective_filter(), Position::START, |event| {
        let is_gone = event.position <= removal.through;
        gone.extend(is_gone.then_some(event.position));
        is_gone
    })?;
    let count = gone.len() as u64;
    if count == 0 {
        return Ok(Moved { removed: Removed { count, position: None }, files: Vec::new() });
    }
    let batch = Batch::of_removal(removal, view.head, count)?;
    let event = &batch.events()[0];
    let begun = Begun { position: view.head.next()?, id: event.id };
    let segments = segments_of(&view, &gone)?;
    drop(view);
    writer.end_segment()?;
    if let Some(folder) = archive.filter(|folder| is_log(&*writer.log.files.vfs, folder)) {
        return Err(Error::invalid(format!(
            "{} is a log itself: its events would be mixed up",
            folder.display()
        ))
        .with_hint("name another folder for the archive"));
    }
    // An archive that cannot take them is known before anything is said, and is not needed after a crash.
    for segment in archive.iter().flat_map(|_| &segments) {
        keep_aside(&writer.log.files, *segment, archive.unwrap_or(Path::new("")))?;
    }
    let mut removals = Removals::read(&writer.log.files)?;
    removals.rewrites += 1;
    removals.begun = Some(begun);
    removals.write(&writer.log.files)?;
    // From here on whoever takes the lock finishes it, should this process die.
    writer.changing(true)?;
    let said = match writer.append(batch) {
        Ok(said) => said,
        Err(error) => {
            if error.kind() != ErrorKind::Stopped {
                writer.reload()?;
            }
            return Err(error);
        }
    };
    let view = writer.log.view();
    if let Err(error) = finish(&writer.log.files, &view, &removals).and_then(|()| writer.reload()) {
        // The log says that they are gone, and some are there.
        return Err(Error::stopped(format!("the removal was begun, and could not be finished: {error}"))
            .with_hint("open the log again: that finishes it"));
    }
    let path = |folder: &Path| segments.iter().map(|name| name.path(folder).display().to_string()).collect();
    let files = archive.map_or_else(Vec::new, path);
    Ok(Moved { removed: Removed { count, position: Some(said.last()) }, files })
}

/// Whether a folder is a log, or where one is made.
fn is_log(vfs: &dyn Vfs, folder: &Path) -> bool {
    vfs.open(&folder.join(ABOUT_FILE), OpenFile::Read).is_ok()
}

/// The segments that have some events, which are in order.
fn segments_of(view: &View, events: &[Position]) -> Result<Vec<SegmentName>> {
    let mut segments = Vec::new();
    let mut rest = events;
    while let Some(first) = rest.first() {
        let segment = query::place_of(view, *first)?.segment;
        let is_in = |position: &Position| {
            query::place_of(view, *position).is_ok_and(|place| place.segment == segment)
        };
        rest = &rest[rest.partition_point(is_in).max(1)..];
        segments.push(segment);
    }
    Ok(segments)
}

/// Finishes a removal that a crash has interrupted; `true` when there was one, and files have changed.
pub(super) fn finish_begun(files: &Files, loaded: &Loaded) -> Result<bool> {
    let removals = Removals::read(files)?;
    if removals.begun.is_none() || loaded.view.damage.is_some() {
        return Ok(false);
    }
    // Segments that were written anew already show nothing to remove, and a crash may bring the old ones back.
    let mut days: Vec<PathBuf> =
        loaded.view.segments.iter().map(|segment| files.folder.join(segment.day())).collect();
    days.dedup();
    for day in days {
        files.vfs.sync_folder(&day).map_err(|error| told(&day, error))?;
    }
    finish(files, &loaded.view, &removals)?;
    Ok(true)
}

/// Writes the segments anew, if the log says that this is to be done.
fn finish(files: &Files, view: &View, removals: &Removals) -> Result<()> {
    let done = Removals { begun: None, ..removals.clone() };
    let Some(begun) = &removals.begun else { return Ok(()) };
    let Some(said) = said(files, view, begun)? else { return done.write(files) };
    let removal = Removal { filter: said.filter, through: said.through, archive: said.archive };
    let filter = removal.effective_filter();
    let last = removal.through.min(before(begun));
    let mut versions: HashMap<StreamName, Version> = load::versions(files)?;
    let mut gone = BTreeSet::new();
    query::each(files, view, &filter, Position::START, |event| {
        if event.position > last {
            return false;
        }
        let version = versions.entry(event.stream.clone()).or_default();
        *version = event.version.max(*version);
        gone.insert(event.position);
        true
    })?;
    if !gone.is_empty() {
        keep_versions(files, &versions)?;
    }
    for segment in view.segments.iter() {
        rewrite(files, *segment, &gone)?;
    }
    files.forget_open();
    runs::forget_older(files, done.rewrites);
    done.write(files)
}

/// The last position that a removal may reach to. The note has no checksum, so its own may be any number.
fn before(begun: &Begun) -> Position {
    Position(begun.position.0.saturating_sub(1))
}

/// What the log says of a removal that was begun; none when the event was never recorded.
fn said(files: &Files, view: &View, begun: &Begun) -> Result<Option<RemovedData>> {
    let mut said = None;
    let after = before(begun);
    let filter = Filter { ids: vec![begun.id], ..Filter::all() };
    query::each(files, view, &filter, after, |event: &Event| {
        said = event.data.to().ok();
        false
    })?;
    Ok(said)
}

/// Writes a segment anew without some events; one that has none of them stays as it is.
fn rewrite(files: &Files, name: SegmentName, gone: &BTreeSet<Position>) -> Result<()> {
    let path = name.path(&files.folder);
    let told = |error| told(&path, error);
    let file = files.segment(name)?;
    let len = file.len().map_err(told)?;
    let mut lines = Lines::new(&*file, 0, len);
    let mut kept = Vec::new();
    // Positions that were removed, and after which nothing was kept yet.
    let mut gap: Option<(Position, Position)> = None;
    let mut is_changed = false;
    while let Some(line) = lines.next().map_err(told)? {
        let damaged = || files.damage(name, line.offset, "the line is not what was written");
        let (first, last, is_gone) = match verified(line.bytes).and_then(parse) {
            Some(Line::Removed(first, last)) => (first, last, true),
            Some(Line::Event(fields)) => {
                let is_gone = gone.contains(&fields.position);
                is_changed |= is_gone;
                (fields.position, fields.position, is_gone)
            }
            None if line.bytes.is_empty() => continue,
            None => return Err(damaged()),
        };
        if is_gone {
            gap = Some((gap.map_or(first, |(first, _)| first), last));
            continue;
        }
        if let Some((first, last)) = gap.take() {
            line::removed(&mut kept, first, last);
        }
        kept.extend_from_slice(line.bytes);
        kept.push(b'\n');
    }
    if let Some((first, last)) = gap {
        line::removed(&mut kept, first, last);
    }
    if !is_changed {
        return Ok(());
    }
    write_whole(&*files.vfs, &path, &kept).map_err(told)
}

/// Gives a segment a second name in an archive, or copies it where the archive is on another disk.
fn keep_aside(files: &Files, name: SegmentName, archive: &Path) -> Result<()> {
    let (from, to) = (name.path(&files.folder), name.path(archive));
    let vfs = &*files.vfs;
    let aside = || -> io::Result<()> {
        let folder = archive.join(name.day());
        make_folder(vfs, archive)?;
        make_folder(vfs, &folder)?;
        if vfs.link(&from, &to).is_ok() {
            return vfs.sync_folder(&folder);
        }
        match vfs.open(&to, OpenFile::Read) {
            // An interrupted removal has put it there, or else it is another log's, or of another removal.
            Ok(_) if same(vfs, &from, &to)? => vfs.sync_folder(&folder),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = read_file(vfs, &from)?.unwrap_or_default();
                write_whole(vfs, &to, &bytes)?;
                if same(vfs, &from, &to)? { Ok(()) } else { Err(io::Error::other("the copy differs")) }
            }
            Err(error) => Err(error),
        }
    };
    aside().map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::AlreadyExists {
            "another log's segment, or an older one of this log, has that name: name another folder for the archive"
        } else {
            "name an empty folder for the archive, on a disk with room"
        };
        Error::unavailable(format!("{} cannot be kept as {}: {error}", from.display(), to.display()))
            .with_hint(hint)
    })
}

/// Whether two files have the same bytes.
fn same(vfs: &dyn Vfs, one: &Path, other: &Path) -> io::Result<bool> {
    const CHUNK_BYTES: usize = 256 * 1024;
    let (one, other) = (vfs.open(one, OpenFile::Read)?, vfs.open(other, OpenFile::Read)?);
    let (mut ours, mut theirs) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut at = 0;
    loop {
        let (a, b) = (read_fully(&*one, &mut ours, at)?, read_fully(&*other, &mut theirs, at)?);
        if ours[..a] != theirs[..b] {
            return Ok(false);
        }
        if a == 0 {
            return Ok(true);
        }
        at += a as u64;
    }
}

/// Whether a removal is of whole days, whatever is in them: then whole segments go.
pub(super) fn is_of_days(removal: &Removal) -> bool {
    const MIDNIGHT: &str = "T00:00:00.000000Z";
    let only_recorded = Filter { recorded: removal.filter.recorded, ..Filter::all() };
    let recorded = removal.filter.recorded;
    removal.filter == only_recorded
        && recorded.from.is_none()
        && recorded.to.is_some_and(|to| to.to_string().ends_with(MIDNIGHT))
}
