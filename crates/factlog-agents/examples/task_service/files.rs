//! Tasks as files: written whole under another name and renamed, with a sum by which it is seen whether somebody else wrote.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use factlog::{Error, Result, file_name};
use sha2::{Digest, Sha256};

use super::task::{Task, WORKFLOWS};

/// The folder for what people wrote into files.
pub(crate) const EDITED: &str = "edited";
/// Begins the line with the sum.
const SUM: &str = "\nwritten: ";

/// What is in the folders and not in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Somebody wrote into a task's file: their text is kept.
    Edited { file: PathBuf, kept: PathBuf },
    /// A file of no task: it is left alone.
    Unknown { file: PathBuf },
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { file, kept } => {
                write!(f, "{} was edited; what it said is in {}", file.display(), kept.display())
            }
            Self::Unknown { file } => write!(f, "{} is of no task of the log", file.display()),
        }
    }
}

pub(crate) struct Files {
    folder: PathBuf,
    /// Told of each step, so that a test can end the process there.
    pub(crate) step: fn(&str),
}

impl Files {
    pub(crate) fn new(folder: &Path, step: fn(&str)) -> Result<Self> {
        for name in WORKFLOWS.iter().chain([&EDITED]) {
            fs::create_dir_all(folder.join(name)).map_err(|cause| failed(&folder.join(name), cause))?;
        }
        Ok(Self { folder: folder.to_owned(), step })
    }

    /// The lock that whoever writes files holds, among all processes. The system lets it go when a process ends.
    pub(crate) async fn lock(&self) -> Result<File> {
        let path = self.folder.join("files.lock");
        let waiting = tokio::task::spawn_blocking(move || {
            let file = File::create(&path).and_then(|file| file.lock().map(|()| file));
            file.map_err(|cause| failed(&path, cause))
        });
        waiting.await.map_err(|cause| Error::stopped(format!("the lock of the files: {cause}")))?
    }

    /// Where a task's file is. A task's id may be any text; a file's name is one that every system takes.
    pub(crate) fn path(&self, task: &Task) -> PathBuf {
        self.folder.join(&task.workflow).join(name_of(task))
    }

    /// Makes a task's file what the task is, and takes away those in other folders. The lock is held.
    pub(crate) fn write(&self, task: &Task) -> Result<Vec<Found>> {
        let (path, mut found) = (self.path(task), Vec::new());
        for folder in WORKFLOWS {
            let other = self.folder.join(folder).join(name_of(task));
            found.extend(self.keep_if_edited(&other)?);
        }
        let text = text_of(task);
        if read(&path)?.as_deref() != Some(text.as_bytes()) {
            let begun = begun(&path);
            put(&begun, text.as_bytes()).map_err(|cause| failed(&begun, cause))?;
            (self.step)("the new file is there under another name");
            fs::rename(&begun, &path).map_err(|cause| failed(&path, cause))?;
            (self.step)("the new file is in its place");
        }
        for folder in WORKFLOWS.iter().filter(|folder| **folder != task.workflow) {
            let old = self.folder.join(folder).join(name_of(task));
            if old.exists() {
                fs::remove_file(&old).map_err(|cause| failed(&old, cause))?;
                (self.step)("the old file is gone");
            }
        }
        Ok(found)
    }

    /// Takes away what an end in the middle has left, and tells which files are of none of the tasks. The lock is held.
    pub(crate) fn clear(&self, tasks: &[Task]) -> Result<Vec<Found>> {
        let known: BTreeSet<String> = tasks.iter().map(name_of).collect();
        let begun: BTreeSet<PathBuf> = known.iter().map(|name| begun(name.as_ref())).collect();
        let mut found = Vec::new();
        for folder in WORKFLOWS.map(|folder| self.folder.join(folder)) {
            let entries = fs::read_dir(&folder).map_err(|cause| failed(&folder, cause))?;
            for entry in entries {
                let file = entry.map_err(|cause| failed(&folder, cause))?.path();
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if begun.contains(Path::new(&name)) {
                    fs::remove_file(&file).map_err(|cause| failed(&file, cause))?;
                } else if !known.contains(&name) {
                    found.push(Found::Unknown { file });
                }
            }
        }
        Ok(found)
    }

    /// Puts a file aside that somebody else wrote into. Its new name follows from its text, so nothing is kept twice.
    fn keep_if_edited(&self, file: &Path) -> Result<Option<Found>> {
        let Some(bytes) = read(file)? else { return Ok(None) };
        if is_ours(&bytes) {
            return Ok(None);
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let kept = self.folder.join(EDITED).join(format!("{stem}-{}.md", sum(&bytes)));
        fs::rename(file, &kept).map_err(|cause| failed(file, cause))?;
        (self.step)("what was edited is kept");
        Ok(Some(Found::Edited { file: file.to_owned(), kept }))
    }
}

fn name_of(task: &Task) -> String {
    format!("{}.md", file_name(&task.id))
}

/// The name under which a file is written until it is whole.
fn begun(path: &Path) -> PathBuf {
    path.with_extension("begun")
}

/// The text of a task's file; its last line but one is the sum of what stands above.
fn text_of(task: &Task) -> String {
    // A text in JSON is one in YAML, whatever is in it.
    let title = serde_json::Value::from(task.title.as_str());
    let id = serde_json::Value::from(task.id.as_str());
    let status = serde_json::Value::from(task.status.as_str());
    let head = format!(
        "---\nid: {id}\ntitle: {title}\nstatus: {status}\nversion: {}\nposition: {}",
        task.version, task.position
    );
    format!("{head}{SUM}{}\n---\n", sum(head.as_bytes()))
}

/// Whether a file is as it was written here.
fn is_ours(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some((head, rest)) = text.rsplit_once(SUM) else { return false };
    rest == format!("{}\n---\n", sum(head.as_bytes()))
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8].iter().fold(String::new(), |sum, byte| sum + &format!("{byte:02x}"))
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    // Before it takes the place of the one before: else a power cut could leave an empty one.
    file.sync_all()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(failed(path, cause)),
    }
}

fn failed(path: &Path, cause: std::io::Error) -> Error {
    Error::unavailable(format!("{}: {cause}", path.display())).with_cause(cause)
}
