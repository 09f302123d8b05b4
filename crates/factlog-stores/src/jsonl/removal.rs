//! Taking events out: first an event that says so, then the segments are written anew without them.
//!
//! What is to be done is noted before it is begun (`removals.json`), so that whoever opens the log after a crash finishes it.
//! Where events were, a line says which positions; so a log never looks shorter than it is. The segment that is written is
//! ended first: only whole, synced segments are written anew.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use factlog::{
    Batch, Error, Event, EventId, Filter, Position, Removal, Removed, RemovedData, Result, StreamName,
    Version,
};
use serde::{Deserialize, Serialize};

use super::files::{Files, REMOVALS_FILE, told};
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
    /// Where whole segments are moved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    archive: Option<PathBuf>,
}

impl Removals {
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
pub(super) fn remove(writer: &mut Writer, removal: &Removal, archive: Option<&Path>) -> Result<Removed> {
    let view = writer.log.view();
    let mut count = 0;
    query::each(&writer.log.files, &view, &removal.effective_filter(), Position::START, |event| {
        let is_gone = event.position <= removal.through;
        count += u64::from(is_gone);
        is_gone
    })?;
    if count == 0 {
        return Ok(Removed { count, position: None });
    }
    let batch = Batch::of_removal(removal, view.head, count)?;
    let event = &batch.events()[0];
    let begun = Begun { position: view.head.next()?, id: event.id, archive: archive.map(Path::to_owned) };
    drop(view);
    let mut removals = Removals::read(&writer.log.files)?;
    removals.rewrites += 1;
    removals.begun = Some(begun);
    removals.write(&writer.log.files)?;
    writer.end_segment()?;
    let said = writer.append(batch)?;
    let view = writer.log.view();
    finish(&writer.log.files, &view, &removals)?;
    drop(view);
    writer.reload()?;
    Ok(Removed { count, position: Some(said.last()) })
}

/// Finishes a removal that a crash has interrupted; `true` when there was one, and files have changed.
pub(super) fn finish_begun(files: &Files, loaded: &Loaded) -> Result<bool> {
    let removals = Removals::read(files)?;
    if removals.begun.is_none() || loaded.view.damage.is_some() {
        return Ok(false);
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
    let last = removal.through.min(Position(begun.position.0 - 1));
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
        rewrite(files, *segment, &gone, begun.archive.as_deref())?;
    }
    files.forget_open();
    runs::forget_older(files, done.rewrites);
    done.write(files)
}

/// What the log says of a removal that was begun; none when the event was never recorded.
fn said(files: &Files, view: &View, begun: &Begun) -> Result<Option<RemovedData>> {
    let mut said = None;
    let after = Position(begun.position.0 - 1);
    let filter = Filter { ids: vec![begun.id], ..Filter::all() };
    query::each(files, view, &filter, after, |event: &Event| {
        said = event.data.to().ok();
        false
    })?;
    Ok(said)
}

/// Writes a segment anew without some events; one that has none of them stays as it is.
fn rewrite(
    files: &Files,
    name: SegmentName,
    gone: &BTreeSet<Position>,
    archive: Option<&Path>,
) -> Result<()> {
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
    if let Some(archive) = archive {
        keep_aside(files, name, archive)?;
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
        match vfs.link(&from, &to) {
            Ok(()) => vfs.sync_folder(&folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // An interrupted removal has put it there, or else it is another log's.
                if same(vfs, &from, &to)? { Ok(()) } else { Err(error) }
            }
            Err(_) => {
                let bytes = read_file(vfs, &from)?.unwrap_or_default();
                write_whole(vfs, &to, &bytes)?;
                if same(vfs, &from, &to)? { Ok(()) } else { Err(io::Error::other("the copy differs")) }
            }
        }
    };
    aside().map_err(|error| {
        Error::unavailable(format!("{} cannot be kept as {}: {error}", from.display(), to.display()))
            .with_hint("name an empty folder for the archive, on a disk with room")
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
