//! What the program keeps for itself beside the logs: why hooks failed, what they could not record, and the key by which
//! equal secrets get equal markers.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use factlog::{NewEvent, Timestamp};

/// A log file of this size becomes the older one, and a new one begins.
const LOG_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of events that are kept for later; more are lost, and the log file says so.
const MISSED_BYTES_MAX: u64 = 256 * 1024 * 1024;

const LOG_FILE: &str = "hook.log";
const OLDER_LOG_FILE: &str = "hook.log.1";
/// How the files of events begin and end that could not be recorded; one for each log, and beside it the log's URL.
const MISSED_BEGINS: &str = "hook-missed-";
const MISSED_ENDS: &str = ".jsonl";
const MISSED_STORE_ENDS: &str = ".store";
const KEY_FILE: &str = "redaction.key";
const KEY_BYTES: usize = 16;

/// The folder of it all; none where there is no home.
#[derive(Debug, Clone)]
pub(crate) struct State {
    folder: Option<PathBuf>,
}

impl State {
    /// `$XDG_STATE_HOME/factlog`, `~/.local/state/factlog` or `%LOCALAPPDATA%\factlog`.
    pub(crate) fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("XDG_STATE_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".local").join("state")))
            .or_else(|| set("LOCALAPPDATA"));
        Self { folder: folder.map(|folder| folder.join("factlog")) }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.folder.as_ref().ok_or_else(|| io::Error::other("there is no home folder"))?;
        fs::create_dir_all(folder)?;
        Ok(folder.join(name))
    }

    fn existing(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file())
    }

    /// Writes down why a hook has failed; where even that cannot be written, standard error is told.
    pub(crate) fn log(&self, reason: &str) {
        let line = format!("{} {}\n", Timestamp::now(), reason.replace('\n', " "));
        let written = self.path(LOG_FILE).and_then(|path| {
            if fs::metadata(&path).is_ok_and(|about| about.len() > LOG_BYTES_MAX) {
                fs::rename(&path, self.path(OLDER_LOG_FILE)?)?;
            }
            append_line(&path, &line)
        });
        if written.is_err() {
            // Where this cannot be written either, there is nobody to tell.
            let _ = write!(io::stderr(), "factlog hook: {line}");
        }
    }

    /// Keeps an event that could not be recorded, as a line that `factlog import jsonl` takes in.
    pub(crate) fn keep_missed(&self, url: &str, event: &NewEvent) -> io::Result<PathBuf> {
        let name = format!("{MISSED_BEGINS}{}", factlog::EventId::foreign("store", "url", url));
        let path = self.path(&format!("{name}{MISSED_ENDS}"))?;
        let beside = self.path(&format!("{name}{MISSED_STORE_ENDS}"))?;
        if !beside.exists() {
            private(OpenOptions::new().write(true).create(true).truncate(true))
                .open(&beside)?
                .write_all(url.as_bytes())?;
        }
        if fs::metadata(&path).is_ok_and(|about| about.len() > MISSED_BYTES_MAX) {
            return Err(io::Error::other(format!("{} is full", path.display())));
        }
        append_line(&path, &(serde_json::to_string(event)? + "\n"))?;
        Ok(path)
    }

    /// The last lines about failed hooks, oldest first.
    pub(crate) fn last_failures(&self, count: usize) -> Vec<String> {
        let files = [OLDER_LOG_FILE, LOG_FILE].into_iter().filter_map(|name| self.existing(name));
        let texts: String = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
        let lines: Vec<&str> = texts.lines().collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// The files of events that could not be recorded: each with how many there are, and the URL of their log.
    pub(crate) fn missed(&self) -> Vec<(PathBuf, usize, String)> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten();
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort_unstable();
        let is_missed = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(MISSED_BEGINS) && name.ends_with(MISSED_ENDS)
        };
        let files = paths.into_iter().filter(is_missed).filter_map(|path| {
            let count = String::from_utf8_lossy(&fs::read(&path).ok()?).lines().count();
            let url = fs::read_to_string(path.with_extension("store")).unwrap_or_default();
            (count > 0).then_some((path, count, url))
        });
        files.collect()
    }

    /// The key of the markers that stand for secrets, made when it is first needed; without a home, one that nobody
    /// will know again.
    pub(crate) fn redaction_key(&self) -> [u8; KEY_BYTES] {
        let fresh = *uuid::Uuid::new_v4().as_bytes();
        let kept = self.path(KEY_FILE).and_then(|path| read_key(&path).or_else(|_| make_key(&path, &fresh)));
        kept.unwrap_or(fresh)
    }
}

/// One write, so that lines of several processes do not mix.
fn append_line(path: &Path, line: &str) -> io::Result<()> {
    private(OpenOptions::new().append(true).create(true)).open(path)?.write_all(line.as_bytes())
}

fn read_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    File::open(path)?.read_exact(&mut key)?;
    Ok(key)
}

/// Of several processes that make a key at once, one wins, and all use its key.
fn make_key(path: &Path, fresh: &[u8; KEY_BYTES]) -> io::Result<[u8; KEY_BYTES]> {
    let scratch = path.with_extension(format!("{}.new", std::process::id()));
    private(OpenOptions::new().write(true).create(true).truncate(true)).open(&scratch)?.write_all(fresh)?;
    let linked = fs::hard_link(&scratch, path);
    fs::remove_file(&scratch)?;
    match linked {
        Ok(()) => Ok(*fresh),
        Err(_) => read_key(path),
    }
}

/// Only the owner may read what is made.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}
