//! Values remembered at positions: one file each, `snapshots/KEY/POSITION-REVISION.json`, and the number of a key's saves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use factlog::limits::{SNAPSHOT_KEY_BYTES_MAX, SNAPSHOT_LIST_MAX};

use factlog::{
    Error, Json, Keep, Position, Result, Revision, Snapshot, SnapshotInfo, Timestamp, older_snapshot,
    revision_conflict,
};
use serde::{Deserialize, Serialize};

use super::files::{Files, SNAPSHOT_FOLDER, told};
use super::line::{sealed, verified};
use crate::vfs::{OpenFile, read_file, read_fully, write_whole};

/// Bytes in which the part before the data fits: the key with every byte escaped, and the numbers.
const HEAD_BYTES_MAX: usize = 6 * SNAPSHOT_KEY_BYTES_MAX + 512;
/// What stands before the data.
const DATA: &str = ",\"data\":";
/// Holds the number of a key's saves, when its last one was forgotten.
const REVISION_FILE: &str = "revision";

/// A snapshot without its value, as its file begins.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    key: String,
    position: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<Timestamp>,
    revision: Revision,
    saved_at: Timestamp,
    /// Bytes of the data.
    bytes: u64,
}

/// The folder of one key, and what is in it: of several files of one position, the newest.
struct Kept {
    folder: PathBuf,
    snapshots: BTreeMap<Position, Revision>,
    /// Files that a newer one of the same position replaces.
    replaced: Vec<(Position, Revision)>,
    last: Revision,
}

fn file_name(position: Position, revision: Revision) -> String {
    format!("{:016}-{}.json", position.0, revision.0)
}

fn parse_name(name: &str) -> Option<(Position, Revision)> {
    let (position, revision) = name.strip_suffix(".json")?.split_once('-')?;
    let (position, revision) = (Position(position.parse().ok()?), Revision(revision.parse().ok()?));
    // The file is looked for by the name that it should have.
    (file_name(position, revision) == name).then_some((position, revision))
}

impl Kept {
    fn of(files: &Files, key: &str) -> Result<Self> {
        let folder = files.path(SNAPSHOT_FOLDER).join(format!("{}.d", factlog::file_name(key)));
        Self::read(files, &folder)
    }

    fn read(files: &Files, folder: &Path) -> Result<Self> {
        let mut kept = Self {
            snapshots: BTreeMap::new(),
            replaced: Vec::new(),
            last: Revision(0),
            folder: folder.to_owned(),
        };
        let entries = match files.vfs.entries(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(kept),
            Err(error) => return Err(told(folder, error)),
        };
        for (position, revision) in entries.iter().filter_map(|entry| parse_name(&entry.name)) {
            kept.last = kept.last.max(revision);
            let known = kept.snapshots.entry(position).or_insert(revision);
            if *known < revision {
                kept.replaced.push((position, *known));
                *known = revision;
            } else if *known > revision {
                kept.replaced.push((position, revision));
            }
        }
        let path = folder.join(REVISION_FILE);
        if let Some(bytes) = read_file(&*files.vfs, &path).map_err(|error| told(&path, error))? {
            let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_ascii().parse().ok());
            let odd = || Error::corrupt(path.display().to_string(), "the file is not what was written");
            kept.last = kept.last.max(Revision(number.ok_or_else(odd)?));
        }
        Ok(kept)
    }

    fn path(&self, position: Position, revision: Revision) -> PathBuf {
        self.folder.join(file_name(position, revision))
    }

    /// Takes files away; the number of saves stays.
    fn remove(&self, files: &Files, gone: &[(Position, Revision)]) -> Result<()> {
        if gone.iter().any(|(_, revision)| *revision == self.last) {
            let path = self.folder.join(REVISION_FILE);
            let text = format!("{}\n", self.last.0);
            write_whole(&*files.vfs, &path, text.as_bytes()).map_err(|error| told(&path, error))?;
        }
        for (position, revision) in gone {
            let path = self.path(*position, *revision);
            match files.vfs.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(&path, error)),
                _ => {}
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        files.vfs.sync_folder(&self.folder).map_err(|error| told(&self.folder, error))
    }
}

pub(super) fn load(files: &Files, key: &str, at: Position) -> Result<Option<Snapshot>> {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let kept = Kept::of(files, key)?;
        let Some((position, revision)) = kept.snapshots.range(..=at).next_back() else { return Ok(None) };
        let path = kept.path(*position, *revision);
        let read = read_file(&*files.vfs, &path).map_err(|error| told(&path, error))?;
        // Another process may have replaced it a moment ago.
        let Some(bytes) = read else { continue };
        let snapshot = decode(&bytes).filter(|snapshot| snapshot.key == key);
        return snapshot.map(Some).ok_or_else(|| damaged(&path));
    }
    Err(Error::unavailable(format!("the snapshot {key} changes faster than it can be read")))
}

fn decode(bytes: &[u8]) -> Option<Snapshot> {
    let body = verified(bytes.trim_ascii_end())?;
    let text = std::str::from_utf8(body).ok()?;
    let (head, data) = text.split_once(DATA)?;
    let Head { key, position, newest, revision, saved_at, .. } =
        serde_json::from_str(&format!("{head}}}")).ok()?;
    Some(Snapshot { key, position, newest, revision, saved_at, data: Json::trusted(data) })
}

/// Saves a value; the caller holds the log's lock.
pub(super) fn save(
    files: &Files,
    snapshot: &Snapshot,
    expect: Option<Revision>,
    keep: Keep,
) -> Result<Revision> {
    snapshot.check()?;
    let kept = Kept::of(files, &snapshot.key)?;
    if let Some(expected) = expect.filter(|expected| *expected != kept.last) {
        return Err(revision_conflict(&snapshot.key, expected, kept.last));
    }
    let position = snapshot.position;
    let newest = kept.snapshots.keys().next_back().copied().filter(|newest| *newest > position);
    if let (Keep::Newest, Some(newest)) = (keep, newest) {
        return Err(older_snapshot(&snapshot.key, position, newest));
    }
    let revision = kept.last.0.checked_add(1).map(Revision).ok_or_else(|| {
        Error::corrupt(kept.folder.display().to_string(), "the number of saves is none that was reached")
            .with_hint("delete the folder: what it remembers is built again from the events")
    })?;
    let head = Head {
        key: snapshot.key.clone(),
        position,
        newest: snapshot.newest,
        revision,
        saved_at: files.vfs.now(),
        bytes: snapshot.data.as_str().len() as u64,
    };
    let mut json = serde_json::to_vec(&head).map_err(|error| Error::invalid(error.to_string()))?;
    json.pop();
    json.extend_from_slice(DATA.as_bytes());
    json.extend_from_slice(snapshot.data.as_str().as_bytes());
    let path = kept.path(position, revision);
    files
        .make_folder(&files.path(SNAPSHOT_FOLDER))
        .and_then(|()| files.make_folder(&kept.folder))
        .and_then(|()| write_whole(&*files.vfs, &path, &sealed(json)))
        .map_err(|error| told(&path, error))?;
    let old = |(at, revision): (&Position, &Revision)| {
        (keep == Keep::Newest || *at == position).then_some((*at, *revision))
    };
    let gone: Vec<_> = kept.snapshots.iter().filter_map(old).chain(kept.replaced.iter().copied()).collect();
    // The new file carries the number of saves on.
    Kept { last: revision, ..kept }.remove(files, &gone)?;
    Ok(revision)
}

/// Forgets a key's snapshots at some positions; the caller holds the log's lock.
pub(super) fn forget(files: &Files, key: &str, is_gone: impl Fn(Position) -> bool) -> Result<u64> {
    let kept = Kept::of(files, key)?;
    let mut gone: Vec<_> = kept
        .snapshots
        .iter()
        .map(|(position, revision)| (*position, *revision))
        .filter(|(at, _)| is_gone(*at))
        .collect();
    let count = gone.len() as u64;
    gone.extend(kept.replaced.iter().copied().filter(|(at, _)| is_gone(*at)));
    kept.remove(files, &gone)?;
    Ok(count)
}

pub(super) fn list(
    files: &Files,
    prefix: &str,
    after: Option<(&str, Position)>,
) -> Result<Vec<SnapshotInfo>> {
    let folder = files.path(SNAPSHOT_FOLDER);
    let entries = match files.vfs.entries(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(told(&folder, error)),
    };
    let mut infos: Vec<SnapshotInfo> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_folder) {
        let kept = Kept::read(files, &folder.join(&entry.name))?;
        for (position, revision) in &kept.snapshots {
            let Some(info) = info(files, &kept.path(*position, *revision))? else { continue };
            if !info.key.starts_with(prefix) {
                break;
            }
            if after.is_none_or(|after| (info.key.as_str(), info.position) > after) {
                infos.push(info);
            }
        }
    }
    infos.sort_by(|a, b| (&a.key, a.position).cmp(&(&b.key, b.position)));
    infos.truncate(SNAPSHOT_LIST_MAX);
    Ok(infos)
}

/// A snapshot without its value; none when it has gone meanwhile.
fn info(files: &Files, path: &Path) -> Result<Option<SnapshotInfo>> {
    let file = match files.vfs.open(path, OpenFile::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(path, error)),
    };
    let mut bytes = vec![0; HEAD_BYTES_MAX];
    let filled = read_fully(&*file, &mut bytes, 0).map_err(|error| told(path, error))?;
    let head = memchr::memmem::find(&bytes[..filled], DATA.as_bytes())
        .and_then(|end| serde_json::from_slice::<Head>(&[&bytes[..end], b"}"].concat()).ok());
    let Some(Head { key, position, newest, revision, saved_at, bytes }) = head else {
        return Err(damaged(path));
    };
    Ok(Some(SnapshotInfo { key, position, newest, revision, saved_at, bytes }))
}

/// What is wrong with the snapshots' files.
pub(super) fn check(files: &Files) -> Result<Vec<String>> {
    let all = files.path(SNAPSHOT_FOLDER);
    let folders = match files.vfs.entries(&all) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| told(&all, error))?,
    };
    let mut problems = Vec::new();
    for folder in folders.iter().filter(|entry| entry.is_folder) {
        let kept = match Kept::read(files, &all.join(&folder.name)) {
            Ok(kept) => kept,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        for (position, revision) in &kept.snapshots {
            let path = kept.path(*position, *revision);
            // One that is gone was replaced a moment ago.
            let Some(bytes) = read_file(&*files.vfs, &path).map_err(|error| told(&path, error))? else {
                continue;
            };
            let is_it = |snapshot: &Snapshot| {
                (snapshot.position, snapshot.revision) == (*position, *revision)
                    && folder.name.strip_suffix(".d") == Some(factlog::file_name(&snapshot.key).as_str())
            };
            if !decode(&bytes).as_ref().is_some_and(is_it) {
                problems.push(damaged(&path).to_string());
            }
        }
    }
    Ok(problems)
}

fn damaged(path: &Path) -> Error {
    Error::corrupt(path.display().to_string(), "the snapshot is not what was written")
        .with_hint("delete the file: what it remembers is built again from the events")
}
