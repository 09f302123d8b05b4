//! A disk in memory with every fault there is, and a clock beside it: the same ones for the same seed.
//!
//! A file has bytes that programs see and bytes that survive a power cut. What lies between them was not synced: each sector
//! of 512 bytes by itself is lost or kept, so writes are torn and come in any order; the names in a folder are kept up to some
//! moment. See [`Fault`] for what can fail, [`SimulatedDisk::crash`] and [`SimulatedDisk::kill`] for what may come after.

mod content;
mod faults;
mod file;
mod names;
mod tree;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factlog::Timestamp;
use fastrand::Rng;

use self::faults::{Operation, Plan};
use self::file::SimulatedFile;
use self::names::Node;
use self::tree::Tree;
use super::{Entry, OpenFile, Vfs, VfsFile};

pub use self::faults::Fault;

/// 2026-11-20T23:44:30Z.
const BEGINNING_MICROS: i64 = 1_795_218_270_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// Nobody holds a lock for so long: who waits longer waits for ever.
const LOCK_HELD: Duration = Duration::from_secs(60);

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    disk: Mutex<Disk>,
    unlocked: Condvar,
}

#[derive(Debug)]
struct Disk {
    tree: Tree,
    plan: Plan,
    random: Rng,
    clock_micros: i64,
    /// Whether operations are told, on standard error.
    is_told: bool,
    /// How often the machine was started.
    boots: u64,
    /// How often the machine or the program was started.
    starts: u64,
    handles: u64,
    /// The handles that have locked files.
    locks: HashMap<Node, u64>,
}

/// How much of what was not synced survives a crash.
#[derive(Debug, Clone, Copy)]
enum Luck {
    None,
    Some,
    All,
}

/// A bit that was flipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// The file.
    pub path: String,
    /// Which of its bytes.
    pub offset: u64,
    /// Which bit of that.
    pub mask: u8,
}

impl Luck {
    /// How many of some changes are kept, from the first on.
    fn of(self, random: &mut Rng, changes: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Some => random.usize(0..=changes),
            Self::All => changes,
        }
    }
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let disk = Disk {
            tree: Tree::new(),
            plan: Plan::default(),
            random: Rng::with_seed(seed),
            clock_micros: BEGINNING_MICROS,
            is_told: false,
            boots: 0,
            starts: 0,
            handles: 0,
            locks: HashMap::new(),
        };
        Self(Arc::new(Shared { disk: Mutex::new(disk), unlocked: Condvar::new() }))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.disk()
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.disk().plan.operations
    }

    /// Lets the `nth` operation from now on fail, or the first one after it that can fail so; and so many in all.
    pub fn fail_at(&self, nth: u64, fault: Fault, times: u32) {
        let mut disk = self.disk();
        disk.plan.next = (times > 0).then_some((disk.plan.operations + nth.max(1), fault, times));
    }

    /// Lets one operation in so many fail.
    pub fn fail_randomly(&self, one_in: u64, fault: Fault) {
        self.disk().plan.random = Some((one_in.max(1), fault));
    }

    /// Takes all faults back that were to come; whether one was still to come at a certain operation.
    pub fn heal(&self) -> bool {
        let mut disk = self.disk();
        disk.plan.random = None;
        disk.plan.next.take().is_some()
    }

    /// Tells every operation from now on, on standard error.
    pub fn tell(&self) {
        self.disk().is_told = true;
    }

    /// Cuts the power: nothing works until [`SimulatedDisk::crash`] or [`SimulatedDisk::kill`].
    pub fn cut(&self) {
        self.disk().plan.is_dark = true;
    }

    /// Whether the power is cut.
    pub fn is_dark(&self) -> bool {
        self.disk().plan.is_dark
    }

    /// Starts the machine again after a power cut: what was synced is there, of the rest what the seed leaves. Files from
    /// before are of no use.
    pub fn crash(&self, seed: u64) {
        let mut random = Rng::with_seed(seed);
        let luck = match random.u8(0..8) {
            0 => Luck::None,
            1 => Luck::All,
            _ => Luck::Some,
        };
        let mut disk = self.disk();
        disk.tree.crash(&mut random, luck);
        disk.boots += 1;
        disk.start();
        drop(disk);
        self.0.unlocked.notify_all();
    }

    /// Ends the program and not the machine: all that was written is there, and what was not synced may yet be lost.
    pub fn kill(&self) {
        self.disk().start();
        self.0.unlocked.notify_all();
    }

    /// Lets time pass until everything is on the disk.
    pub fn sync_all(&self) {
        self.disk().tree.sync_all();
    }

    /// Waits until nobody holds a lock: a store that writes is done.
    ///
    /// # Errors
    /// `TimedOut` when somebody never gives it back.
    pub fn wait_unlocked(&self) -> io::Result<()> {
        let disk = self.disk();
        let waited = self.0.unlocked.wait_timeout_while(disk, LOCK_HELD, |disk| !disk.locks.is_empty());
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// Flips a bit of some file; none when all are empty.
    pub fn flip(&self, seed: u64) -> Option<Flip> {
        let mut random = Rng::with_seed(seed);
        let mut disk = self.disk();
        let (path, node) = random.choice(disk.tree.files())?;
        let content = disk.tree.content(node).ok()?;
        let (offset, mask) = (random.usize(0..content.len()), 1 << random.u8(0..8));
        content.flip(offset, mask);
        Some(Flip { path, offset: offset as u64, mask })
    }
}

impl Shared {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// Counts an operation, and says what happens to it.
    fn operation(&mut self, operation: Operation, of: &Path, what: &str) -> io::Result<Option<Fault>> {
        let Self { plan, random, .. } = self;
        let outcome = plan.operation(operation, random);
        if self.is_told {
            eprintln!("  {} {what} {}: {outcome:?}", self.plan.operations, of.display());
        }
        outcome
    }

    /// The same for one that is done wholly or not at all when it fails.
    fn simple(&mut self, operation: Operation, of: &Path, what: &str) -> io::Result<()> {
        self.operation(operation, of, what)?.map_or(Ok(()), |fault| Err(fault.error()))
    }

    /// Changes names; a change that is said to have failed may have been made.
    fn change(
        &mut self,
        operation: Operation,
        (of, what): (&Path, &str),
        change: impl FnOnce(&mut Tree) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.operation(operation, of, what)? {
            None => change(&mut self.tree),
            Some(fault) => {
                if fault == Fault::Broken && self.random.bool() {
                    change(&mut self.tree)?;
                }
                Err(fault.error())
            }
        }
    }

    fn start(&mut self) {
        self.plan.is_dark = false;
        self.starts += 1;
        self.locks.clear();
    }
}

impl Vfs for SimulatedDisk {
    fn boot(&self) -> String {
        self.disk().boots.to_string()
    }

    fn now(&self) -> Timestamp {
        let mut disk = self.disk();
        let step = match disk.random.u8(0..64) {
            // It was set, a bit back or past the next midnight.
            0 => -disk.random.i64(0..5_000),
            1 => disk.random.i64(0..DAY_MICROS),
            _ => disk.random.i64(0..2_000),
        };
        disk.clock_micros += step;
        // Some decades of such calls are within the years that a time can have.
        Timestamp::from_micros(disk.clock_micros).unwrap_or_else(|_| Timestamp::now())
    }

    fn open(&self, path: &Path, how: OpenFile) -> io::Result<Arc<dyn VfsFile>> {
        let mut disk = self.disk();
        let node = match disk.tree.find(path) {
            Ok(_) if how == OpenFile::CreateNew => {
                disk.simple(Operation::Look, path, "make")?;
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(node) => {
                disk.simple(Operation::Look, path, "open")?;
                disk.tree.content(node)?;
                node
            }
            Err(error) if matches!(how, OpenFile::Read | OpenFile::Write) => {
                disk.simple(Operation::Look, path, "open")?;
                return Err(error);
            }
            Err(_) => {
                disk.change(Operation::Name, (path, "make"), |tree| {
                    let (folder, name) = tree.place(path)?;
                    let node = tree.new_file();
                    tree.names_mut(folder)?.change(None, Some((name, node)));
                    Ok(())
                })?;
                disk.tree.find(path)?
            }
        };
        disk.handles += 1;
        Ok(Arc::new(SimulatedFile {
            shared: Arc::clone(&self.0),
            path: path.to_owned(),
            node,
            handle: disk.handles,
            start: disk.starts,
            is_writable: how != OpenFile::Read,
        }))
    }

    fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut disk = self.disk();
        disk.simple(Operation::Look, folder, "list")?;
        let names = disk.tree.names(disk.tree.find(folder)?)?;
        let entry = |(name, node): (&String, &Node)| Entry {
            name: name.clone(),
            is_folder: disk.tree.is_folder(*node),
        };
        Ok(names.live.iter().map(entry).collect())
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change(Operation::Name, (path, "make folder"), |tree| {
            let (folder, name) = tree.place(path)?;
            if tree.names(folder)?.live.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let node = tree.new_folder();
            tree.names_mut(folder)?.change(None, Some((name, node)));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change(Operation::Name, (to, "rename to"), |tree| {
            let ((folder, old), (target, new)) = (tree.place(from)?, tree.place(to)?);
            if folder != target {
                // Two folders do not change at once on every file system.
                return Err(io::ErrorKind::Unsupported.into());
            }
            let node = tree.find(from)?;
            tree.names_mut(folder)?.change(Some(old), Some((new, node)));
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change(Operation::Name, (to, "link to"), |tree| {
            let (node, (folder, name)) = (tree.find(from)?, tree.place(to)?);
            if tree.names(folder)?.live.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            tree.names_mut(folder)?.change(None, Some((name, node)));
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change(Operation::Unname, (path, "remove"), |tree| {
            let node = tree.find(path)?;
            tree.content(node)?;
            let (folder, name) = tree.place(path)?;
            tree.names_mut(folder)?.change(Some(name), None);
            Ok(())
        })
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.change(Operation::Unname, (path, "remove"), |tree| {
            if !tree.names(tree.find(path)?)?.live.is_empty() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let (folder, name) = tree.place(path)?;
            tree.names_mut(folder)?.change(Some(name), None);
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.simple(Operation::Sync, path, "sync folder")?;
        let folder = disk.tree.find(path)?;
        disk.tree.names_mut(folder)?.sync();
        Ok(())
    }
}
