//! The folder: made whole or not at all, and known before it is touched.

use std::io;
use std::path::Path;

use factlog::{Error, EventId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::files::{ABOUT_FILE, Files, told};
use super::segment;
use crate::Open;
use crate::vfs::{OpenFile, make_folder, read_file};

/// The format that this code writes.
const FORMAT: u32 = 1;

/// `factlog.json`: what says that a folder is a log. It never changes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    format: u32,
    kind: String,
    log_id: EventId,
    created_at: Timestamp,
}

/// Makes sure that there is a log to open.
pub(super) fn prepare(files: &Files, open: Open) -> Result<()> {
    let path = files.path(ABOUT_FILE);
    let place = files.folder.display();
    let is_file = || {
        Error::invalid(format!("{place} is a file, and a plain-text log is a folder"))
            .with_hint("name a folder, for example jsonl:factlog; a log in one file is sqlite:PATH")
    };
    match read_file(&*files.vfs, &path) {
        Ok(Some(bytes)) => return known(&path, &bytes),
        Ok(None) => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(is_file()),
        Err(error) => return Err(told(&path, error)),
    }
    let entries = match files.vfs.entries(&files.folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(is_file()),
        Err(error) => return Err(told(&files.folder, error)),
    };
    let segments = segment::list(&*files.vfs, &files.folder).unwrap_or_default();
    if !segments.is_empty() {
        return Err(Error::corrupt(
            path.display().to_string(),
            "the file is gone, and segments of a log are there",
        )
        .with_hint("put the file back from a backup; it says which format the log has"));
    }
    if open != Open::Create {
        return Err(Error::not_found(format!("there is no log at {place}"))
            .with_hint("append or import something first, or name another log with --store"));
    }
    // What an interrupted creation, or a program that looks around, has left.
    let is_foreign = |name: &str| !name.starts_with('.') && name != super::files::HEAD_FILE;
    if let Some(foreign) = entries.iter().find(|entry| is_foreign(&entry.name)) {
        return Err(Error::invalid(format!("{place} is no log, and not empty: it has {}", foreign.name))
            .with_hint("name an empty or a new folder for the log"));
    }
    create(files, &path)
}

fn known(path: &Path, bytes: &[u8]) -> Result<()> {
    let place = path.display().to_string();
    let about: About = serde_json::from_slice(bytes).map_err(|error| {
        Error::corrupt(&*place, format!("the file is not what was written: {error}"))
            .with_hint("put the file back from a backup")
    })?;
    if about.format > FORMAT {
        return Err(Error::invalid(format!(
            "{place} says format {}, and this factlog knows formats up to {FORMAT}",
            about.format
        ))
        .with_hint("use the newer factlog that wrote it"));
    }
    if about.format < FORMAT || about.kind != "jsonl" {
        return Err(Error::corrupt(
            place,
            format!("it says format {} of {}, which never was", about.format, about.kind),
        ));
    }
    Ok(())
}

/// Writes the file under another name and links it into place: whoever comes second finds the first one's.
fn create(files: &Files, path: &Path) -> Result<()> {
    let vfs = &*files.vfs;
    let about =
        About { format: FORMAT, kind: "jsonl".into(), log_id: EventId::generate(), created_at: vfs.now() };
    let mut json = serde_json::to_vec(&about).map_err(|error| Error::invalid(error.to_string()))?;
    json.push(b'\n');
    let scratch = files.path(&format!(".{}.new", EventId::generate()));
    let build = || -> io::Result<()> {
        make_folder(vfs, &files.folder)?;
        let file = vfs.open(&scratch, OpenFile::CreateNew)?;
        file.write_all_at(&json, 0)?;
        file.sync()?;
        let linked = match vfs.link(&scratch, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        };
        // What is left of it does no harm.
        let _ = vfs.remove_file(&scratch);
        linked?;
        vfs.sync_folder(&files.folder)
    };
    build().map_err(|error| {
        let said = format!("no log can be made at {}: {error}", files.folder.display());
        match error.kind() {
            io::ErrorKind::NotFound => Error::not_found(said)
                .with_hint("make the folder above it first, or name another place with --store"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Error::denied(said).with_hint("name another place with --store jsonl:DIR")
            }
            _ => Error::unavailable(said).with_hint("name another place with --store jsonl:DIR"),
        }
        .with_cause(error)
    })
}
