//! The log's folder: where everything is, and the files that are open.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use factlog::{Error, ErrorKind, Result};

use super::JsonlOptions;
use super::segment::SegmentName;
use crate::vfs::{OpenFile, Vfs, VfsFile, make_folder};

/// Segments that are kept open for readers.
const OPEN_FILES_MAX: usize = 64;
/// Folders that are remembered as made.
const FOLDERS_MAX: usize = 1_024;

/// What says that a folder is a log.
pub(super) const ABOUT_FILE: &str = "factlog.json";
/// Where the log ends, and the lock.
pub(super) const HEAD_FILE: &str = "head.json";
/// The streams whose newest events were removed.
pub(super) const VERSIONS_FILE: &str = "versions.jsonl";
/// How often segments were written anew, and a removal that has begun.
pub(super) const REMOVALS_FILE: &str = "removals.json";
pub(super) const INDEX_FOLDER: &str = "indexes";
pub(super) const SNAPSHOT_FOLDER: &str = "snapshots";
pub(super) const TORN_FOLDER: &str = "torn";

#[derive(Debug)]
pub(super) struct Files {
    pub(super) vfs: Arc<dyn Vfs>,
    pub(super) folder: PathBuf,
    pub(super) options: JsonlOptions,
    open: Mutex<VecDeque<(SegmentName, Arc<dyn VfsFile>)>>,
    /// Folders whose names are known to survive a crash.
    made: Mutex<HashSet<PathBuf>>,
}

impl Files {
    pub(super) fn new(vfs: Arc<dyn Vfs>, options: JsonlOptions) -> Self {
        Self { vfs, folder: options.path.clone(), options, open: Mutex::default(), made: Mutex::default() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a folder that may be there; one that is there is synced once, for whoever made it may not have come to that.
    pub(super) fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.contains(path)
            && self.vfs.create_folder(path).is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
        {
            return Ok(());
        }
        make_folder(&*self.vfs, path)?;
        if made.len() == FOLDERS_MAX {
            made.clear();
        }
        made.insert(path.to_owned());
        Ok(())
    }

    /// A segment to read from.
    pub(super) fn segment(&self, name: SegmentName) -> Result<Arc<dyn VfsFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(known, _)| *known == name) {
            return Ok(Arc::clone(file));
        }
        let path = name.path(&self.folder);
        let file = self.vfs.open(&path, OpenFile::Read).map_err(|error| told(&path, error))?;
        open.push_front((name, Arc::clone(&file)));
        open.truncate(OPEN_FILES_MAX);
        Ok(file)
    }

    /// Forgets the files that are open: others may have their names.
    pub(super) fn forget_open(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The place of a line: `FILE:LINE`.
    pub(super) fn line_place(&self, segment: SegmentName, offset: u64) -> String {
        let path = segment.path(&self.folder);
        let counted = self.segment(segment).ok().and_then(|file| count_lines(&*file, offset).ok());
        match counted {
            Some(lines) => format!("{}:{}", path.display(), lines + 1),
            None => format!("{} at byte {offset}", path.display()),
        }
    }

    /// Damage at a line.
    pub(super) fn damage(&self, segment: SegmentName, offset: u64, what: &str) -> Error {
        Error::corrupt(self.line_place(segment, offset), what).with_hint(
            "keep the files as they are, run `factlog check`, and restore the segment from a backup; without one, \
             `factlog import jsonl` puts all lines that are whole into another log",
        )
    }
}

/// What an error of the file system means to a caller.
pub(super) fn told(path: &Path, error: io::Error) -> Error {
    let place = path.display();
    let told = match error.kind() {
        io::ErrorKind::NotFound => Error::corrupt(place.to_string(), "the file is gone")
            .with_hint("put it back from a backup; `factlog check` says what else is missing"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::denied(format!("{place}: {error}")).with_hint("check the rights of the log's folder")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Error::unavailable(format!("{place}: the disk is full: {error}"))
                .with_hint("make room on the disk, and try again")
        }
        io::ErrorKind::InvalidData => Error::corrupt(place.to_string(), error.to_string()),
        _ => Error::stopped(format!("{place}: {error}"))
            .with_hint("look at the disk, and open the log again; what was acknowledged is there"),
    };
    told.with_cause(error)
}

/// Whether the disk, and nothing else, is to blame, and surely nothing was changed.
pub(super) fn changed_nothing(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
}

fn count_lines(file: &dyn VfsFile, end: u64) -> io::Result<u64> {
    const CHUNK_BYTES: u64 = 64 * 1024;
    let mut buffer = vec![0; CHUNK_BYTES as usize];
    let (mut at, mut lines) = (0, 0);
    while at < end {
        let wanted = (end - at).min(CHUNK_BYTES) as usize;
        let read = file.read_at(&mut buffer[..wanted], at)?;
        if read == 0 {
            break;
        }
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
        at += read as u64;
    }
    Ok(lines)
}
