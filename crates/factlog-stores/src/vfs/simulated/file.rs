//! A file that is open, with its part of every fault.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::faults::{Operation, dark};
use super::names::Node;
use super::{Disk, Shared};
use crate::vfs::VfsFile;

/// A file that is open.
#[derive(Debug)]
pub(super) struct SimulatedFile {
    pub(super) shared: Arc<Shared>,
    pub(super) path: PathBuf,
    pub(super) node: Node,
    pub(super) handle: u64,
    /// The start it was opened after.
    pub(super) start: u64,
    pub(super) is_writable: bool,
}

impl SimulatedFile {
    /// The disk, if this file is of the program that runs now.
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.shared.disk();
        if disk.starts == self.start { Ok(disk) } else { Err(dark()) }
    }

    fn writable(&self) -> io::Result<MutexGuard<'_, Disk>> {
        if self.is_writable { self.disk() } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl VfsFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.disk()?;
        disk.simple(Operation::Look, &self.path, &format!("read {} at {offset} of", buffer.len()))?;
        // Now and then fewer bytes come than were asked for.
        let wanted = if buffer.len() > 1 && disk.random.u8(0..32) == 0 {
            disk.random.usize(1..buffer.len())
        } else {
            buffer.len()
        };
        Ok(disk.tree.content(self.node)?.read(&mut buffer[..wanted], offset as usize))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.writable()?;
        let fault =
            disk.operation(Operation::Write, &self.path, &format!("write {} at {offset} of", bytes.len()))?;
        let written = if fault.is_some() { disk.random.usize(0..=bytes.len()) } else { bytes.len() };
        disk.tree.content(self.node)?.write(&bytes[..written], offset as usize);
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut disk = self.writable()?;
        disk.simple(Operation::Cut, &self.path, &format!("set the length {bytes} of"))?;
        disk.tree.content(self.node)?.set_len(bytes as usize);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut disk = self.disk()?;
        disk.simple(Operation::Look, &self.path, "ask the length of")?;
        Ok(disk.tree.content(self.node)?.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk()?;
        let fault = disk.operation(Operation::Sync, &self.path, "sync")?;
        let Disk { tree, random, .. } = &mut *disk;
        let content = tree.content(self.node)?;
        match fault {
            None => {
                content.sync();
                Ok(())
            }
            Some(fault) => {
                content.fail_to_sync(random);
                Err(fault.error())
            }
        }
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut disk = self.disk()?;
        if disk.plan.is_dark {
            return Err(dark());
        }
        Ok(*disk.locks.entry(self.node).or_insert(self.handle) == self.handle)
    }

    fn lock(&self) -> io::Result<()> {
        let mut disk = self.disk()?;
        while !disk.plan.is_dark && disk.locks.contains_key(&self.node) {
            disk = self.shared.unlocked.wait(disk).unwrap_or_else(PoisonError::into_inner);
        }
        if disk.plan.is_dark || disk.starts != self.start {
            return Err(dark());
        }
        disk.locks.insert(self.node, self.handle);
        Ok(())
    }

    fn unlock(&self) -> io::Result<()> {
        self.give_back();
        Ok(())
    }
}

impl SimulatedFile {
    fn give_back(&self) {
        let mut disk = self.shared.disk();
        if disk.locks.get(&self.node) == Some(&self.handle) {
            disk.locks.remove(&self.node);
            drop(disk);
            self.shared.unlocked.notify_all();
        }
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        self.give_back();
    }
}
