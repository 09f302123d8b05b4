//! What each run writes down when it does something: one line at a time, so that a kill leaves whole lines.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use factlog::Timestamp;

/// Something that was done.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) agent: String,
    /// The run.
    pub(super) context: String,
    /// `begin`, `ok`, `fail`, `enter` or `exit`; of its own questions `answered`, `over` or `nobody`.
    pub(super) what: String,
    pub(super) at: i64,
    /// The inbox, the resource, or the position of an answer.
    pub(super) place: String,
    /// The message, or the token.
    pub(super) id: String,
    /// The attempt that a run was told it is, where it begins with something.
    pub(super) attempt: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Witness {
    file: Arc<File>,
}

impl Witness {
    pub(super) fn new(folder: &Path, agent: &str, generation: u64) -> Self {
        let path = folder.join(format!("{agent}.{generation:08}"));
        Self { file: Arc::new(OpenOptions::new().create(true).append(true).open(path).unwrap()) }
    }

    pub(super) fn write(&self, context: &str, what: &str, place: &str, id: &str) {
        self.write_at(Timestamp::now(), context, what, place, id);
    }

    /// A run begins with something, and was told that it is this attempt.
    pub(super) fn begin(&self, context: &str, attempt: Option<u64>, inbox: &str, id: &str) {
        let what = attempt.map_or("begin".to_owned(), |attempt| format!("begin {attempt}"));
        self.write(context, &what, inbox, id);
    }

    /// Something that was found to be so after this time.
    pub(super) fn write_at(&self, at: Timestamp, context: &str, what: &str, place: &str, id: &str) {
        let at = at.as_micros();
        let line = format!("{context}\t{what}\t{at}\t{place}\t{id}\n");
        (&*self.file).write_all(line.as_bytes()).unwrap();
    }
}

/// How far an agent is with what it sends, or asks: one byte for each.
pub(super) struct Sent(File);

impl Sent {
    pub(super) fn messages(folder: &Path, agent: &str) -> (Self, usize) {
        Self::open(&folder.join(format!("{agent}-sent")))
    }

    pub(super) fn requests(folder: &Path, agent: &str) -> (Self, usize) {
        Self::open(&folder.join(format!("{agent}-asked")))
    }

    fn open(path: &Path) -> (Self, usize) {
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let count = file.metadata().unwrap().len();
        (Self(file), usize::try_from(count).unwrap())
    }

    pub(super) fn one_more(&mut self) {
        self.0.write_all(b".").unwrap();
    }
}

/// All that an agent's runs have written, one run after the other.
pub(super) fn read(folder: &Path, agent: &str) -> Vec<Line> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem().is_some_and(|stem| stem == agent))
        .collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let parts: Vec<&str> = line.split('\t').collect();
            let [context, what, at, place, id] = parts[..] else { panic!("a torn line: {line:?}") };
            let (what, attempt) = what.split_once(' ').unwrap_or((what, ""));
            lines.push(Line {
                agent: agent.to_owned(),
                context: context.to_owned(),
                what: what.to_owned(),
                at: at.parse().unwrap(),
                place: place.to_owned(),
                id: id.to_owned(),
                attempt: attempt.parse().ok(),
            });
        }
    }
    lines
}
