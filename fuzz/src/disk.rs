//! A disk in memory, so that thousands of logs a second are opened and nothing is left behind.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use factlog::Timestamp;
use factlog_stores::vfs::{Entry, OpenFile, Vfs, VfsFile};

/// Bytes of one file; what asks for more has miscounted.
const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// 2026-11-20T00:00:00Z in microseconds.
const BEGINNING_MICROS: i64 = 1_795_132_800_000_000;
/// Microseconds between two looks at the clock.
const TICK_MICROS: i64 = 1_000;

/// The disk; its clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Mutex<Tree>>);

#[derive(Debug)]
struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    ticks: i64,
}

#[derive(Debug, Clone)]
enum Node {
    Folder,
    File(Arc<Contents>),
}

#[derive(Debug, Default)]
struct Contents {
    bytes: Mutex<Vec<u8>>,
    is_locked: Mutex<bool>,
    freed: Condvar,
}

#[derive(Debug)]
struct Opened {
    contents: Arc<Contents>,
    is_writable: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Disk {
    fn default() -> Self {
        let nodes = BTreeMap::from([(PathBuf::from("/"), Node::Folder)]);
        Self(Arc::new(Mutex::new(Tree { nodes, ticks: 0 })))
    }
}

impl Disk {
    /// Puts a file there, with the folders above it.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut tree = locked(&self.0);
        for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            tree.nodes.insert(folder.to_owned(), Node::Folder);
        }
        let contents = Contents { bytes: Mutex::new(bytes.to_owned()), ..Contents::default() };
        tree.nodes.insert(path.to_owned(), Node::File(Arc::new(contents)));
    }

    /// Takes away a file, or a folder with all that is in it.
    pub(crate) fn take_away(&self, path: &Path) {
        locked(&self.0).nodes.retain(|known, _| !known.starts_with(path));
    }

    /// All files and what is in them.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let tree = locked(&self.0);
        let bytes = |(path, node): (&PathBuf, &Node)| match node {
            Node::Folder => None,
            Node::File(contents) => Some((path.clone(), locked(&contents.bytes).clone())),
        };
        tree.nodes.iter().filter_map(bytes).collect()
    }

    /// Another disk with the same files.
    pub(crate) fn copied(&self) -> Self {
        let copy = Self::default();
        self.files().iter().for_each(|(path, bytes)| copy.put(path, bytes));
        locked(&copy.0).ticks = locked(&self.0).ticks;
        copy
    }
}

impl Tree {
    fn file(&self, path: &Path) -> Result<Arc<Contents>> {
        match self.nodes.get(path) {
            Some(Node::File(contents)) => Ok(Arc::clone(contents)),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Whether a name can be made there.
    fn room(&self, path: &Path) -> Result<()> {
        match path.parent().and_then(|above| self.nodes.get(above)) {
            Some(Node::Folder) => {}
            Some(Node::File(_)) => return Err(ErrorKind::NotADirectory.into()),
            None => return Err(ErrorKind::NotFound.into()),
        }
        if self.nodes.contains_key(path) { Err(ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    }
}

impl Vfs for Disk {
    fn now(&self) -> Timestamp {
        let mut tree = locked(&self.0);
        tree.ticks += TICK_MICROS;
        Timestamp::from_micros(BEGINNING_MICROS + tree.ticks).expect("a time of this century")
    }

    fn boot(&self) -> String {
        "1".to_owned()
    }

    fn open(&self, path: &Path, how: OpenFile) -> Result<Arc<dyn VfsFile>> {
        let mut tree = locked(&self.0);
        let found = tree.file(path);
        let is_made = match how {
            OpenFile::Read | OpenFile::Write => false,
            OpenFile::Create => matches!(&found, Err(error) if error.kind() == ErrorKind::NotFound),
            OpenFile::CreateNew => true,
        };
        let contents = if is_made {
            tree.room(path)?;
            let contents = Arc::new(Contents::default());
            tree.nodes.insert(path.to_owned(), Node::File(Arc::clone(&contents)));
            contents
        } else {
            found?
        };
        Ok(Arc::new(Opened { contents, is_writable: how != OpenFile::Read }))
    }

    fn entries(&self, folder: &Path) -> Result<Vec<Entry>> {
        let tree = locked(&self.0);
        match tree.nodes.get(folder) {
            Some(Node::Folder) => {}
            Some(Node::File(_)) => return Err(ErrorKind::NotADirectory.into()),
            None => return Err(ErrorKind::NotFound.into()),
        }
        let inside = tree.nodes.iter().filter(|(path, _)| path.parent() == Some(folder));
        let entry = |(path, node): (&PathBuf, &Node)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Entry { name, is_folder: matches!(node, Node::Folder) })
        };
        Ok(inside.filter_map(entry).collect())
    }

    fn create_folder(&self, path: &Path) -> Result<()> {
        let mut tree = locked(&self.0);
        tree.room(path)?;
        tree.nodes.insert(path.to_owned(), Node::Folder);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut tree = locked(&self.0);
        let contents = tree.file(from)?;
        tree.nodes.remove(from);
        tree.nodes.insert(to.to_owned(), Node::File(contents));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let mut tree = locked(&self.0);
        let contents = tree.file(from)?;
        tree.room(to)?;
        tree.nodes.insert(to.to_owned(), Node::File(contents));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        let mut tree = locked(&self.0);
        tree.file(path)?;
        tree.nodes.remove(path);
        Ok(())
    }

    fn remove_folder(&self, path: &Path) -> Result<()> {
        if !self.entries(path)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        locked(&self.0).nodes.remove(path);
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> Result<()> {
        self.entries(path).map(|_| ())
    }
}

impl Opened {
    fn writable(&self, end: u64) -> Result<usize> {
        if !self.is_writable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let end = usize::try_from(end).ok().filter(|end| *end <= FILE_BYTES_MAX);
        end.ok_or_else(|| Error::from(ErrorKind::StorageFull))
    }
}

impl VfsFile for Opened {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let bytes = locked(&self.contents.bytes);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let read = buffer.len().min(bytes.len() - from);
        buffer[..read].copy_from_slice(&bytes[from..from + read]);
        Ok(read)
    }

    fn write_all_at(&self, new: &[u8], offset: u64) -> Result<()> {
        let end = self.writable(offset.saturating_add(new.len() as u64))?;
        let mut bytes = locked(&self.contents.bytes);
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[end - new.len()..end].copy_from_slice(new);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<()> {
        let end = self.writable(length)?;
        locked(&self.contents.bytes).resize(end, 0);
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        Ok(locked(&self.contents.bytes).len() as u64)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> Result<bool> {
        Ok(!std::mem::replace(&mut *locked(&self.contents.is_locked), true))
    }

    fn lock(&self) -> Result<()> {
        let mut is_locked = locked(&self.contents.is_locked);
        while std::mem::replace(&mut *is_locked, true) {
            is_locked = self.contents.freed.wait(is_locked).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn unlock(&self) -> Result<()> {
        *locked(&self.contents.is_locked) = false;
        self.contents.freed.notify_one();
        Ok(())
    }
}
