//! The few things that a store of plain files asks of a file system: real, or simulated with every fault there is.

mod real;
#[cfg(feature = "simulation")]
pub mod simulated;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

use factlog::Timestamp;

pub use real::RealDisk;

/// A file system, and the clock beside it.
///
/// What was written survives a crash of the machine once the file is synced; a name once its folder is.
pub trait Vfs: Debug + Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// A text that is another one each time the machine has started; empty where that cannot be told.
    fn boot(&self) -> String;

    /// Opens a file.
    fn open(&self, path: &Path, how: OpenFile) -> io::Result<Arc<dyn VfsFile>>;

    /// What is in a folder, in no order.
    fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Makes a folder, and no folders above it.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Gives a file or a folder another name; a file that had that name is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder survive a crash.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// A file that is open.
pub trait VfsFile: Debug + Send + Sync {
    /// Reads some bytes; 0 at the end of the file only.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of the bytes; after an error some may be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or lengthens it with zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|bytes| bytes == 0)
    }

    /// Makes what was written survive a crash.
    fn sync(&self) -> io::Result<()>;

    /// Takes the file's lock if nobody has it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Waits for the file's lock.
    fn lock(&self) -> io::Result<()>;

    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenFile {
    /// To be read.
    Read,
    /// To be read and written.
    Write,
    /// To be read and written; made, for its owner only, where there is none.
    Create,
    /// To be read and written; it must not exist.
    CreateNew,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name; one that is no UTF-8 is none of ours.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Reads as much as there is, up to the buffer's length.
pub(crate) fn read_fully(file: &dyn VfsFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The whole of a file that is not large; none where there is no such file.
pub(crate) fn read_file(vfs: &dyn Vfs, path: &Path) -> io::Result<Option<Vec<u8>>> {
    match vfs.open(path, OpenFile::Read) {
        Ok(file) => {
            let mut bytes = vec![0; file.len()? as usize];
            let filled = read_fully(&*file, &mut bytes, 0)?;
            bytes.truncate(filled);
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file under another name, syncs it and gives it its name, so that it is there whole or not at all.
pub(crate) fn write_whole(vfs: &dyn Vfs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let scratch = path.with_extension("new");
    match vfs.remove_file(&scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = vfs.open(&scratch, OpenFile::CreateNew)?;
    file.write_all_at(bytes, 0)?;
    file.sync()?;
    vfs.rename(&scratch, path)?;
    vfs.sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes a folder that may be there, and its name in the folder above durable: whoever made it may have ended before it was.
pub(crate) fn make_folder(vfs: &dyn Vfs, path: &Path) -> io::Result<()> {
    match vfs.create_folder(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => match path.parent().filter(|above| !above.as_os_str().is_empty()) {
            Some(above) => vfs.sync_folder(above),
            None => vfs.sync_folder(Path::new(".")),
        },
    }
}
