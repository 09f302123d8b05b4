//! Opening a log: who writes it takes the lock and settles what a crash has left; who looks changes nothing.

use std::io;
use std::sync::Arc;

use factlog::Result;

use super::files::{Files, HEAD_FILE, told};
use super::load::{Loaded, Mode, load};
use super::lock::Lock;
use super::mark::Mark;
use super::segment;
use super::stream_files;
use crate::vfs::{OpenFile, VfsFile};

/// A log that was found.
pub(super) struct Found {
    /// None where there is none to read.
    pub(super) head_file: Option<Arc<dyn VfsFile>>,
    /// None where the log is only looked at.
    pub(super) lock: Option<Lock>,
    /// The log, and what `head.json` says of it.
    pub(super) loaded: (Loaded, Option<Mark>),
}

/// Finds the log in a folder that has one.
pub(super) fn find(files: &Files, mode: Mode) -> Result<Found> {
    let path = files.path(HEAD_FILE);
    let told = |error| told(&path, error);
    let opened = match mode {
        Mode::Write => files.vfs.open(&path, OpenFile::Create),
        Mode::Look | Mode::Inspect => files.vfs.open(&path, OpenFile::Read),
    };
    let (head_file, mode) = match opened {
        Ok(file) => (Some(file), mode),
        Err(error) if is_read_only(&error) || error.kind() == io::ErrorKind::NotFound => {
            (files.vfs.open(&path, OpenFile::Read).ok(), Mode::Inspect)
        }
        Err(error) => return Err(told(error)),
    };
    let lock = head_file.as_ref().map(|file| Lock::new(Arc::clone(file)));
    let loaded = match (&head_file, &lock, mode) {
        (Some(file), Some(lock), Mode::Write) => open_to_write(files, &**file, lock)?,
        (Some(file), Some(lock), _) => look(files, &**file, lock)?,
        _ => (load(files, None, mode)?, None),
    };
    Ok(Found { head_file, lock: lock.filter(|_| mode == Mode::Write), loaded })
}

/// Finds the log, cuts off what a crash has left, and tells others where it ends. The caller holds the lock.
pub(super) fn settle(files: &Files, head_file: &dyn VfsFile) -> Result<(Loaded, Option<Mark>)> {
    let path = files.path(HEAD_FILE);
    let told = |error| told(&path, error);
    let mark = Mark::read(head_file).map_err(told)?;
    let mut loaded = load(files, mark, Mode::Write)?;
    if super::removal::finish_begun(files, &loaded)? {
        loaded = load(files, mark, Mode::Write)?;
        loaded.view.generation += 1;
    }
    if loaded.view.damage.is_some() {
        return Ok((loaded, mark));
    }
    let view = &mut loaded.view;
    let now = Mark {
        position: view.head,
        segment: view.segments.last().copied(),
        bytes: view.end,
        generation: view.generation,
        changing: false,
    };
    if mark == Some(now) {
        return Ok((loaded, mark));
    }
    view.generation += 1;
    let now = Mark { generation: view.generation, ..now };
    now.write(head_file).map_err(told)?;
    Ok((loaded, Some(now)))
}

/// Opens a log that is to be written. Who finds it locked waits for nothing: somebody writes, and has told how far it goes.
fn open_to_write(files: &Files, head_file: &dyn VfsFile, lock: &Lock) -> Result<(Loaded, Option<Mark>)> {
    let path = files.path(HEAD_FILE);
    let told = |error| told(&path, error);
    if !lock.at_once().map_err(told)? {
        let read = || Mark::read(head_file).map_err(told);
        let keeps_files = files.options.stream_files.is_some();
        if let Some(mark) = read()?.filter(|mark| !mark.changing && !keeps_files)
            && !is_old(files, mark)?
        {
            return Ok((load(files, Some(mark), Mode::Look)?, Some(mark)));
        }
        if let Err(error) = lock.within(files.options.lock_wait).map_err(told)? {
            let Some(mark) = read()?.filter(|_| !keeps_files) else { return Err(error) };
            return Ok((load(files, Some(mark), Mode::Look)?, Some(mark)));
        }
    }
    let loaded = settle(files, head_file).and_then(|loaded| with_stream_files(files, head_file, loaded));
    lock.give_back().map_err(told)?;
    loaded
}

/// Whether there is more than a mark tells of, as after a crash of the machine: files change only while the mark says so.
fn is_old(files: &Files, mark: Mark) -> Result<bool> {
    let segments = segment::list(&*files.vfs, &files.folder).map_err(|error| told(&files.folder, error))?;
    Ok(segments.last().copied() > mark.segment)
}

/// Opens a log that is only looked at.
fn look(files: &Files, head_file: &dyn VfsFile, lock: &Lock) -> Result<(Loaded, Option<Mark>)> {
    let path = files.path(HEAD_FILE);
    let told = |error| told(&path, error);
    // After a power cut the mark may say less than what is there. Who writes has told of everything.
    let mut is_alone = lock.at_once().unwrap_or(false);
    let mut mark = Mark::read(head_file).map_err(told)?;
    if !is_alone && mark.is_some_and(|mark| mark.changing) {
        is_alone = lock.within(files.options.lock_wait).is_ok_and(|locked| locked.is_ok());
        mark = Mark::read(head_file).map_err(told)?;
    }
    let loaded = load(files, mark, if is_alone { Mode::Inspect } else { Mode::Look });
    if is_alone {
        lock.give_back().map_err(told)?;
    }
    Ok((loaded?, mark))
}

/// Keeps the files of streams, or keeps them no more, as was asked for. The caller holds the lock.
fn with_stream_files(
    files: &Files,
    head_file: &dyn VfsFile,
    (mut loaded, mark): (Loaded, Option<Mark>),
) -> Result<(Loaded, Option<Mark>)> {
    let view = &mut loaded.view;
    if view.damage.is_some() {
        return Ok((loaded, mark));
    }
    let wanted = files.options.stream_files.unwrap_or(view.has_stream_files);
    let mut now = mark;
    if let Some(mark) = &mut now
        && wanted != view.has_stream_files
    {
        if wanted { stream_files::turn_on(files) } else { stream_files::turn_off(files) }?;
        // Others look at the folder anew.
        mark.generation += 1;
        mark.write(head_file).map_err(|error| told(&files.path(HEAD_FILE), error))?;
        (view.generation, view.has_stream_files) = (mark.generation, wanted);
    }
    if view.has_stream_files
        && let Err(error) = stream_files::keep(files, view)
    {
        tracing::warn!(%error, "the files of streams are behind the log");
    }
    Ok((loaded, now))
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}
