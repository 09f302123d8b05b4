//! The segment that is written: lines go behind the last one, with space ahead where that makes syncs quicker.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use factlog::{Error, Result};

use super::files::{Files, told};
use super::segment::{Place, SegmentName};
use crate::vfs::{OpenFile, VfsFile};

/// A group of more bytes just lengthens the file.
const AHEAD_GROUP_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Active {
    pub(super) name: SegmentName,
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    /// Where the next line goes.
    pub(super) end: u64,
    /// Where the file ends, as far as this process knows: others may have written space ahead.
    pub(super) len: u64,
}

impl Active {
    /// Opens the last segment of a log, whose lines and bytes end there.
    pub(super) fn open(files: &Files, name: SegmentName, end: u64, len: u64) -> Result<Self> {
        let path = name.path(&files.folder);
        let file = files.vfs.open(&path, OpenFile::Write).map_err(|error| told(&path, error))?;
        Ok(Self { name, path, file, end, len: len.max(end) })
    }

    /// Makes a new segment, whose name survives a crash when this returns.
    pub(super) fn create(files: &Files, name: SegmentName) -> Result<Self> {
        let path = name.path(&files.folder);
        let folder = files.folder.join(name.day());
        let create = || -> io::Result<Arc<dyn VfsFile>> {
            files.make_folder(&folder)?;
            let file = files.vfs.open(&path, OpenFile::CreateNew)?;
            files.vfs.sync_folder(&folder)?;
            Ok(file)
        };
        let file = create().map_err(|error| told(&path, error))?;
        Ok(Self { name, path, file, end: 0, len: 0 })
    }

    /// What an error of the file means to a caller.
    pub(super) fn told(&self, error: io::Error) -> Error {
        told(&self.path, error)
    }

    /// Whether nothing but space stands behind the last line.
    pub(super) fn is_at_end(&self) -> Result<bool> {
        let mut byte = [0];
        let read = self.file.read_at(&mut byte, self.end).map_err(|error| self.told(error))?;
        Ok(read == 0 || byte[0] == b'\n')
    }

    /// Whether so many bytes more are too many for one segment; one that is empty takes any.
    pub(super) fn is_full(&self, more: usize, bytes_max: u64) -> bool {
        self.end > 0 && self.end + more as u64 > bytes_max
    }

    /// Writes lines and waits until they are on the disk; says where they begin. Space is written ahead, where it is wanted,
    /// up to the next boundary of `ahead` bytes, and once more.
    pub(super) fn append(&mut self, bytes: &[u8], ahead: Option<u64>) -> Result<Place> {
        let place = Place { segment: self.name, offset: self.end as u32 };
        let end = self.end + bytes.len() as u64;
        let ahead = ahead.filter(|_| bytes.len() <= AHEAD_GROUP_BYTES_MAX && end > self.len);
        let written = match ahead {
            Some(ahead) => {
                self.len = end.next_multiple_of(ahead) + ahead;
                let mut padded = Vec::with_capacity((self.len - self.end) as usize);
                padded.extend_from_slice(bytes);
                padded.resize((self.len - self.end) as usize, b'\n');
                self.file.write_all_at(&padded, self.end)
            }
            None => self.file.write_all_at(bytes, self.end),
        };
        written.map_err(|error| self.told(error))?;
        // After a sync that failed nothing is known, whatever the reason was.
        self.file.sync().map_err(|error| Error::stopped(self.told(error).to_string()))?;
        self.end = end;
        self.len = self.len.max(end);
        Ok(place)
    }

    /// Cuts off what stands behind the last line.
    pub(super) fn cut(&mut self) -> Result<()> {
        self.file.set_len(self.end).and_then(|()| self.file.sync()).map_err(|error| self.told(error))?;
        self.len = self.end;
        Ok(())
    }
}
