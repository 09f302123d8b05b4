//! A disk as it stands at some operation of a trace: what is certain to be there, and what nobody has synced yet.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Failure;
use super::trace::Operation;

/// What a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: u64 = 512;

pub(super) type Sector = [u8; SECTOR_BYTES as usize];

/// The bytes of a file; sectors that were never written, or hold zeros, are not kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) sectors: BTreeMap<u64, Box<Sector>>,
}

/// A change of one file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: u64, bytes: Rc<[u8]> },
    Resize { size: u64 },
}

impl Change {
    /// The size of a file after it.
    pub(super) fn size(&self, before: u64) -> u64 {
        match self {
            Self::Write { offset, bytes } => before.max(offset + bytes.len() as u64),
            Self::Resize { size } => *size,
        }
    }

    /// The sectors that it writes; those that it cuts off are not told.
    pub(super) fn sectors(&self) -> std::ops::Range<u64> {
        match self {
            Self::Write { offset, bytes } => {
                offset / SECTOR_BYTES..(offset + bytes.len() as u64).div_ceil(SECTOR_BYTES)
            }
            Self::Resize { .. } => 0..0,
        }
    }

    /// What it makes of one sector.
    pub(super) fn apply_to(&self, number: u64, sector: &mut Sector) {
        let start = number * SECTOR_BYTES;
        match self {
            Self::Write { offset, bytes } => {
                let from = start.max(*offset);
                let to = (start + SECTOR_BYTES).min(offset + bytes.len() as u64);
                if from < to {
                    sector[(from - start) as usize..(to - start) as usize]
                        .copy_from_slice(&bytes[(from - offset) as usize..(to - offset) as usize]);
                }
            }
            Self::Resize { size } => {
                let kept = size.saturating_sub(start).min(SECTOR_BYTES);
                sector[kept as usize..].fill(0);
            }
        }
    }
}

impl Content {
    pub(super) fn sector(&self, number: u64) -> Sector {
        self.sectors.get(&number).map_or([0; SECTOR_BYTES as usize], |sector| **sector)
    }

    pub(super) fn put(&mut self, number: u64, sector: &Sector) {
        if sector.iter().all(|byte| *byte == 0) {
            self.sectors.remove(&number);
        } else {
            self.sectors.insert(number, Box::new(*sector));
        }
    }

    /// Makes it so long; what lies behind is zeros if it ever grows again.
    pub(super) fn resize(&mut self, size: u64) {
        drop(self.sectors.split_off(&size.div_ceil(SECTOR_BYTES)));
        let last = size / SECTOR_BYTES;
        if self.sectors.contains_key(&last) {
            let mut sector = self.sector(last);
            Change::Resize { size }.apply_to(last, &mut sector);
            self.put(last, &sector);
        }
        self.size = size;
    }

    fn apply(&mut self, change: &Change) {
        if let Change::Resize { size } = change {
            return self.resize(*size);
        }
        for number in change.sectors() {
            let mut sector = self.sector(number);
            change.apply_to(number, &mut sector);
            self.put(number, &sector);
        }
        self.size = change.size(self.size);
    }
}

/// A file: what is durable, and what has changed since its last sync, in order.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) durable: Content,
    pub(super) pending: Vec<Change>,
    /// What it holds was never seen.
    pub(super) is_mapped: bool,
}

impl File {
    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            self.durable.apply(&change);
        }
    }
}

/// What a name stands for, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    File(usize),
    Folder(usize),
}

/// A name in a folder; folder 0 is the one that was watched.
pub(super) type Entry = (usize, String);

/// Names that come and go together; none where a name goes.
#[derive(Debug, Clone)]
pub(super) struct Naming(pub(super) Vec<(Entry, Option<Node>)>);

/// The disk after some operations.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) files: Vec<File>,
    folders: usize,
    numbers: HashMap<u64, usize>,
    /// The names as a running process sees them.
    names: BTreeMap<Entry, Node>,
    pub(super) durable: BTreeMap<Entry, Node>,
    pub(super) pending: Vec<Naming>,
}

impl Disk {
    pub(super) fn apply(&mut self, operation: &Operation) -> Result<(), Failure> {
        match operation {
            Operation::Create { file, path } => {
                self.files.push(File::default());
                self.numbers.insert(*file, self.files.len() - 1);
                self.name(vec![(self.entry(path)?, Some(Node::File(self.files.len() - 1)))]);
            }
            Operation::Write { file, offset, bytes } => {
                let change = Change::Write { offset: *offset, bytes: Rc::clone(bytes) };
                self.file(*file)?.pending.push(change);
            }
            Operation::Resize { file, size } => {
                self.file(*file)?.pending.push(Change::Resize { size: *size });
            }
            Operation::Map { file } => self.file(*file)?.is_mapped = true,
            Operation::Sync { file } => self.file(*file)?.sync(),
            Operation::SyncFolder { path } => self.sync_folder(path)?,
            Operation::Link { from, to } => {
                let node = self.node(from)?;
                self.name(vec![(self.entry(to)?, Some(node))]);
            }
            Operation::Rename { from, to } => {
                let node = self.node(from)?;
                self.name(vec![(self.entry(from)?, None), (self.entry(to)?, Some(node))]);
            }
            Operation::Unlink { path } | Operation::RemoveFolder { path } => {
                self.name(vec![(self.entry(path)?, None)]);
            }
            Operation::MakeFolder { path } => {
                self.folders += 1;
                self.name(vec![(self.entry(path)?, Some(Node::Folder(self.folders)))]);
            }
            Operation::Note(_) => {}
        }
        Ok(())
    }

    /// As if everything had been synced, in the end.
    pub(super) fn sync_all(&mut self) {
        self.files.iter_mut().for_each(File::sync);
        self.pending.clear();
        self.durable.clone_from(&self.names);
    }

    fn file(&mut self, number: u64) -> Result<&mut File, Failure> {
        let index = self.numbers.get(&number).ok_or_else(|| format!("nobody made file {number}"))?;
        Ok(&mut self.files[*index])
    }

    /// The entry that a path names; its folders must be there.
    fn entry(&self, path: &str) -> Result<Entry, Failure> {
        let mut folder = 0;
        let mut parts = path.split('/');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            match self.names.get(&(folder, part.to_owned())) {
                Some(Node::Folder(number)) => folder = *number,
                _ => return Err(format!("{path}: there is no folder {part}").into()),
            }
        }
        Ok((folder, last.to_owned()))
    }

    fn node(&self, path: &str) -> Result<Node, Failure> {
        let node = self.names.get(&self.entry(path)?).copied();
        node.ok_or_else(|| format!("nothing is called {path}").into())
    }

    fn name(&mut self, changes: Vec<(Entry, Option<Node>)>) {
        let naming = Naming(changes);
        naming.apply(&mut self.names);
        self.pending.push(naming);
    }

    fn sync_folder(&mut self, path: &str) -> Result<(), Failure> {
        let folder = match path {
            "" => 0,
            path => match self.node(path)? {
                Node::Folder(number) => number,
                Node::File(_) => return Err(format!("{path} is no folder").into()),
            },
        };
        let (synced, left) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|naming: &Naming| naming.0.iter().any(|((of, _), _)| *of == folder));
        self.pending = left;
        synced.iter().for_each(|naming: &Naming| naming.apply(&mut self.durable));
        Ok(())
    }
}

impl Naming {
    pub(super) fn apply(&self, names: &mut BTreeMap<Entry, Node>) {
        for (entry, node) in &self.0 {
            match node {
                Some(node) => names.insert(entry.clone(), *node),
                None => names.remove(entry),
            };
        }
    }
}
