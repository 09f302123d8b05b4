//! The disk that is measured: a real one, at rest when a run begins.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::server::Server;

/// A folder on a disk, in which each run gets one of its own.
pub(crate) struct Disk {
    folder: PathBuf,
    server: Option<Server>,
}

impl Disk {
    /// The disk that a folder is on; the folder is made.
    ///
    /// # Errors
    /// When it is in memory, where durability costs nothing.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        refuse_memory(folder)?;
        Ok(Self { folder: folder.to_owned(), server: None })
    }

    /// Starts a PostgreSQL server on it.
    pub(crate) fn serve(&mut self) -> Result<()> {
        self.server = Some(Server::start(&self.folder)?);
        Ok(())
    }

    /// An empty folder; it goes when it is dropped.
    pub(crate) fn folder(&self) -> Result<TempDir> {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&self.folder)?;
        self.settle()?;
        Ok(folder)
    }

    /// Waits until what was written before is on the disk, so that no run pays for the one before it.
    pub(crate) fn settle(&self) -> Result<()> {
        if let Some(server) = &self.server {
            server.settle(&self.folder)?;
        }
        self.sync()
    }

    #[cfg(target_os = "linux")]
    fn sync(&self) -> Result<()> {
        Ok(rustix::fs::syncfs(std::fs::File::open(&self.folder)?)?)
    }

    /// Elsewhere a run may pay for the one before it.
    #[cfg(not(target_os = "linux"))]
    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn refuse_memory(folder: &Path) -> Result<()> {
    // The numbers of statfs(2), as in the kernel's linux/magic.h.
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    let kind = rustix::fs::statfs(folder)?.f_type as u32;
    anyhow::ensure!(
        kind != TMPFS && kind != RAMFS,
        "{} is in memory: name a folder on a disk with --dir",
        folder.display()
    );
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn refuse_memory(folder: &Path) -> Result<()> {
    eprintln!("whether {} is on a disk is not known", folder.display());
    Ok(())
}
