//! Reads everything and says what is wrong: lines, order, versions, indexes, snapshots.

use std::collections::HashMap;
use std::io;

use factlog::{Error, Position, Report, Result, Timestamp};

use super::files::{Files, HEAD_FILE, TORN_FOLDER, told};
use super::index::Builder;
use super::line::{Fields, Line, parse, timestamp, unescaped, verified};
use super::mark::Mark;
use super::query::{Reader, Source, scan_lines};
use super::segment::{self, Lines, Place, SegmentName};
use super::view::View;
use super::{load, runs, snapshots, stream_files};
use crate::sequence::{PROBLEMS_MAX, cut};
use crate::vfs::OpenFile;

/// The bytes of all segments and indexes; none where they cannot be told.
pub(super) fn bytes(files: &Files) -> Option<u64> {
    let mut bytes = 0;
    for name in segment::list(&*files.vfs, &files.folder).ok()? {
        bytes += files.segment(name).ok()?.len().ok()?;
    }
    Some(bytes + runs::bytes(files))
}

pub(super) fn check(files: &Files, view: &View) -> Result<Report> {
    let mut checking = Checking::new(files, view)?;
    let segments = view.segments.clone();
    for name in segments.iter() {
        if let Err(error) = checking.segment(*name) {
            checking.report.problems.push(error.to_string());
        }
    }
    checking.ends();
    checking.indexes();
    checking.report.warnings.extend(view.torn.clone());
    checking.report.problems.extend(snapshots::check(files)?);
    checking.report.warnings.extend(mark(files)?);
    checking.report.warnings.extend(runs::unbelieved(files, view));
    if view.has_stream_files && checking.report.problems.is_empty() {
        checking.report.problems.extend(stream_files::check(files, view)?);
    }
    let mut report = checking.report;
    let torn = files.vfs.entries(&files.path(TORN_FOLDER)).unwrap_or_default();
    for entry in torn {
        report.warnings.push(format!(
            "{}: bytes of a write that a crash had cut off, and that was never acknowledged; delete it when you have seen it",
            files.path(TORN_FOLDER).join(entry.name).display()
        ));
    }
    cut(&mut report);
    Ok(report)
}

/// What is to be said of `head.json`.
fn mark(files: &Files) -> Result<Option<String>> {
    let path = files.path(HEAD_FILE);
    let is_whole = match files.vfs.open(&path, OpenFile::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        opened => {
            let file = opened.map_err(|error| told(&path, error))?;
            Mark::read(&*file).map_err(|error| told(&path, error))?.is_some()
        }
    };
    let said = "the file is not what was written, so an end that is missing would not be seen; who writes next makes it anew";
    Ok((!is_whole).then(|| format!("{}: {said}", path.display())))
}

/// The first thing that is wrong with the lines, whatever indexes say.
pub(super) fn lines(files: &Files, view: &View) -> Result<Option<Error>> {
    let mut checking = Checking::new(files, view)?;
    for name in view.segments.clone().iter() {
        checking.segment(*name)?;
    }
    checking.ends();
    let hint = "nothing was changed: restore the segment from a backup";
    let damage =
        |problem: &String| Error::corrupt(files.folder.display().to_string(), problem).with_hint(hint);
    Ok(checking.report.problems.first().map(damage))
}

struct Checking<'a> {
    files: &'a Files,
    view: &'a View,
    report: Report,
    versions: HashMap<String, u64>,
    /// Newer events of these streams were removed.
    removed: HashMap<String, u64>,
    last: Option<Timestamp>,
    /// The last segment with events from before its day.
    early: Option<SegmentName>,
    at: Position,
    /// What a batch still lacks.
    more: u64,
}

impl<'a> Checking<'a> {
    fn new(files: &'a Files, view: &'a View) -> Result<Self> {
        let removed = load::versions(files)?;
        Ok(Self {
            files,
            view,
            report: Report::default(),
            versions: HashMap::new(),
            removed: removed.into_iter().map(|(stream, version)| (stream.to_string(), version.0)).collect(),
            last: None,
            early: None,
            at: Position::START,
            more: 0,
        })
    }

    fn problem(&mut self, name: SegmentName, offset: u64, what: &str) {
        // A place costs a read of the file up to it.
        if self.report.problems.len() < PROBLEMS_MAX {
            let place = self.files.line_place(name, offset);
            self.report.problems.push(format!("{place}: {what}"));
        } else {
            self.report.problems.push(what.to_owned());
        }
    }

    fn segment(&mut self, name: SegmentName) -> Result<()> {
        let path = name.path(&self.files.folder);
        let file = self.files.segment(name)?;
        let is_last = self.view.segments.last() == Some(&name);
        let is_end = is_last && self.view.damage.is_none();
        let end = if is_end { self.view.end } else { file.len().map_err(|error| told(&path, error))? };
        let mut lines = Lines::new(&*file, 0, end);
        // Space that was written ahead ends a log that is damaged before it.
        let mut blank = None;
        while let Some(line) = lines.next().map_err(|error| told(&path, error))? {
            if line.bytes.is_empty() {
                blank = blank.or(Some(line.offset));
                continue;
            }
            if let Some(offset) = blank.take() {
                self.problem(name, offset, "an empty line stands between events");
            }
            let parsed = if line.is_ended { verified(line.bytes).and_then(parse) } else { None };
            match parsed {
                Some(Line::Event(fields)) => self.event(&fields, name, line.offset),
                Some(Line::Removed(first, last)) => {
                    self.follows(first, name, line.offset);
                    self.report.removed += last.0 - first.0 + 1;
                    (self.at, self.more) = (last, 0);
                }
                None => self.problem(name, line.offset, "the line is not what was written"),
            }
        }
        if let Some(offset) = blank.filter(|_| !is_last) {
            self.problem(name, offset, "an empty line stands at the end");
        }
        Ok(())
    }

    fn follows(&mut self, first: Position, name: SegmentName, offset: u64) {
        if first.0 != self.at.0 + 1 {
            let said = format!("position {first} comes after position {}", self.at);
            self.problem(name, offset, &said);
        }
    }

    fn event(&mut self, fields: &Fields<'_>, name: SegmentName, offset: u64) {
        self.report.events += 1;
        self.follows(fields.position, name, offset);
        self.at = fields.position;
        if self.more > 0 && fields.more + 1 != self.more {
            self.problem(name, offset, "lines of a batch are missing before it");
        }
        self.more = fields.more;
        let stream = unescaped(fields.stream).map(std::borrow::Cow::into_owned).unwrap_or_default();
        let before = self.versions.get(&stream).copied().unwrap_or(0);
        let version = fields.version.0;
        // Removal leaves gaps, but never an earlier version after a later one.
        if version <= before || (version != before + 1 && self.report.removed == 0) {
            let said = format!("{stream} goes from version {before} to {version}");
            self.problem(name, offset, &said);
        }
        self.versions.insert(stream, version);
        match timestamp(fields.recorded_at) {
            None => self.problem(name, offset, "the time of recording is none"),
            Some(time) => {
                if let Some(last) = self.last.filter(|last| time < *last) {
                    let said = format!("recorded at {time}, and the event before it at {last}");
                    self.problem(name, offset, &said);
                }
                if fields.recorded_at.as_bytes()[..10] < name.day[..] && self.early != Some(name) {
                    // A clock that was ahead for a moment may have begun the day, and a crash have left it empty.
                    self.early = Some(name);
                    let place = self.files.line_place(name, offset);
                    let said = format!("{place}: it was recorded before the day of its folder");
                    self.report.warnings.push(said);
                }
                self.last = Some(time);
            }
        }
        if super::line::event(fields).is_none() {
            self.problem(name, offset, "a value of the event is none that a log takes");
        }
    }

    /// What can be said once all lines were read.
    fn ends(&mut self) {
        self.report.head = self.view.head.max(self.at);
        let gone = self.removed.keys().filter(|stream| !self.versions.contains_key(*stream)).count();
        self.report.streams = (self.versions.len() + gone) as u64;
        if let Some(damage) = &self.view.damage {
            let is_told = |place: &str| self.report.problems.iter().any(|told| told.starts_with(place));
            if !damage.place().is_some_and(is_told) {
                self.report.problems.push(damage.to_string());
            }
        } else if self.at != self.view.head {
            let said = format!("the lines end at position {}, and the log at {}", self.at, self.view.head);
            self.report.problems.push(said);
        }
        let now = self.files.vfs.now();
        if let Some(time) = self.last.filter(|time| *time > now) {
            let said = format!("position {} was recorded at {time}: the log is ahead of this clock", self.at);
            self.report.warnings.push(said);
        }
    }

    /// Makes each index anew, and compares.
    fn indexes(&mut self) {
        if !self.report.problems.is_empty() {
            return;
        }
        for run in &self.view.runs {
            let mut builder = Builder::after(run.after);
            let mut reader = Reader::new(self.files);
            let add = |fields: &Fields<'_>, place: Place, end: u64| {
                builder.add(fields, place, end);
                Ok(true)
            };
            let made = scan_lines(&mut reader, self.view, &Source::Run(run), 0..run.events, add);
            let name = format!("the index of positions {} to {}", run.first, run.last);
            match made {
                Ok(_) if runs::is(self.files, self.view.rewrites, run, &builder.finish()) => {}
                Ok(_) => self.report.problems.push(format!(
                    "{name} is not that of the lines: `factlog check --repair` builds it again"
                )),
                Err(error) => self.report.problems.push(format!("{name}: {error}")),
            }
        }
    }
}
