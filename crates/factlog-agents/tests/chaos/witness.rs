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
    /// `begin`, `ok`, `fail`, `enter` or `exit`.
    pub(super) what: String,
    pub(super) at: i64,
    /// The inbox, or the resource.
    pub(super) place: String,
    /// The message, or the token.
    pub(super) id: String,
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
        let at = Timestamp::now().as_micros();
        let line = format!("{context}\t{what}\t{at}\t{place}\t{id}\n");
        (&*self.file).write_all(line.as_bytes()).unwrap();
    }
}

/// How far an agent is with what it sends: one byte for each.
pub(super) struct Sent(File);

impl Sent {
    fn path(folder: &Path, agent: &str) -> PathBuf {
        folder.join(format!("{agent}-sent"))
    }

    pub(super) fn open(folder: &Path, agent: &str) -> (Self, usize) {
        let file = OpenOptions::new().create(true).append(true).open(Self::path(folder, agent)).unwrap();
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
            lines.push(Line {
                agent: agent.to_owned(),
                context: context.to_owned(),
                what: what.to_owned(),
                at: at.parse().unwrap(),
                place: place.to_owned(),
                id: id.to_owned(),
            });
        }
    }
    lines
}
