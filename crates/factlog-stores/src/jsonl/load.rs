//! A log found from its files: after a crash as after a clean end, and by each process for itself.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use factlog::{Error, Result, StreamName, Version};
use serde::{Deserialize, Serialize};

use super::files::{Files, TORN_FOLDER, VERSIONS_FILE, told};
use super::ledger::Heads;
use super::line::{Line, sealed, timestamp, verified};
use super::mark::Mark;
use super::query::{Reader, Source};
use super::removal::Removals;
use super::runs;
use super::segment::{self, SegmentName};
use super::stream_files;
use super::view::{Entry, View};
use super::walk::{Rest, Stretch, walk};
use crate::vfs::{OpenFile, make_folder, read_file, read_fully, write_whole};

/// Events of so many index files wait in memory at the most, while a log is found that has lost its indexes.
const LOADING_INDEXES: usize = 16;

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One who holds the lock, and cuts off what a crash has left.
    Write,
    /// One who sees what others say is there, and changes nothing.
    Look,
    /// One who looks at everything, also behind what is said to be there, and changes nothing.
    Inspect,
}

/// A log as it was found.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) view: View,
    pub(super) heads: Heads,
    /// The length of the last segment, what was written ahead among it.
    pub(super) len: u64,
}

/// Finds the log. `mark` is what `head.json` says.
pub(super) fn load(files: &Files, mark: Option<Mark>, mode: Mode) -> Result<Loaded> {
    files.forget_open();
    let listed = segment::list(&*files.vfs, &files.folder);
    let mut segments = listed.map_err(|error| told(&files.folder, error))?;
    if let (Mode::Look, Some(mark)) = (mode, mark) {
        // A later one is not told of yet.
        segments.retain(|segment| Some(*segment) <= mark.segment);
    }
    let mut loaded = Loaded::default();
    let Loaded { view, heads, .. } = &mut loaded;
    view.generation = mark.map_or(0, |mark| mark.generation);
    let removals = Removals::read(files)?;
    view.rewrites = removals.rewrites;
    view.is_changing =
        removals.has_begun() || (mode != Mode::Write && mark.is_some_and(|mark| mark.changing));
    view.has_stream_files = stream_files::is_on(files);
    view.runs = runs::load(files, view.rewrites, &segments);
    heads.removed = versions(files)?;
    heads.position = view.indexed();
    view.segments = Arc::new(segments);
    let segments = Arc::clone(&view.segments);
    let mut from = (segments.first().copied(), 0);
    if let Some(run) = view.runs.last() {
        from = (Some(run.last_segment()), run.end);
        let mut reader = Reader::new(files);
        let (position, place) = Source::Run(run).at(&mut reader, run.events - 1)?;
        heads.recorded_at = reader.with(place, position, |fields| timestamp(fields.recorded_at))?;
    }
    view.head = heads.position;
    view.end = from.1;
    for segment in segments.iter().filter(|segment| Some(**segment) >= from.0) {
        let start = if Some(*segment) == from.0 { from.1 } else { 0 };
        let is_last = segments.last() == Some(segment);
        if !loaded.take_in(files, *segment, start, mark, (is_last, mode))? {
            break;
        }
        loaded.view.head = loaded.heads.position;
        if mode == Mode::Write {
            loaded.index(files);
        }
    }
    let Loaded { view, heads, .. } = &mut loaded;
    view.head = heads.position;
    if let Some(mark) = mark.filter(|mark| mark.position > view.head && view.damage.is_none()) {
        let said = format!(
            "the log ends at position {}, and has reached {}: its end is lost",
            view.head, mark.position
        );
        let hint = "put the missing files back from a backup";
        view.damage = Some(Error::corrupt(files.folder.display().to_string(), said).with_hint(hint));
    }
    Ok(loaded)
}

impl Loaded {
    /// Makes indexes of a log that has lost many, so that its events need not all be in memory.
    fn index(&mut self, files: &Files) {
        let enough = files.options.tuning.index_events;
        if self.view.is_changing || self.view.tail.len() < LOADING_INDEXES * enough {
            return;
        }
        while self.view.tail.len() >= enough {
            match runs::build(files, &self.view, enough, false) {
                Ok(run) => {
                    self.heads.indexed(run.last);
                    self.view.install(run);
                }
                Err(error) => {
                    tracing::warn!(%error, "the log is not indexed yet");
                    return;
                }
            }
        }
    }

    /// Takes in the lines of a segment; `false` where the log ends before its next one.
    fn take_in(
        &mut self,
        files: &Files,
        segment: SegmentName,
        from: u64,
        mark: Option<Mark>,
        (is_last, mode): (bool, Mode),
    ) -> Result<bool> {
        let path = segment.path(&files.folder);
        let file = files.segment(segment)?;
        let len = file.len().map_err(|error| told(&path, error))?;
        let marked = mark.filter(|mark| mark.segment == Some(segment)).map(|mark| mark.bytes);
        // Who does not hold the lock sees no more than what was told.
        let is_end = mode == Mode::Look && marked.is_some();
        let trusted = if is_last || is_end { marked.unwrap_or(0).max(from) } else { len };
        let seen = marked.filter(|_| is_end).map_or(len, |marked| marked.min(len));
        let stretch = Stretch { segment, from, len: seen, trusted, after: self.heads.position };
        let Self { view, heads, .. } = self;
        let walked = walk(files, stretch, |line, place, _| {
            heads
                .take_in(line)
                .ok_or_else(|| files.damage(segment, u64::from(place.offset), "a value is none of ours"))?;
            if let Line::Event(fields) = line {
                view.tail.push(Entry { position: fields.position, place });
            }
            Ok(())
        })?;
        view.end = walked.end;
        self.len = len;
        match walked.rest {
            Rest::Clean => {}
            Rest::Damaged(error) => {
                view.damage = Some(error);
                return Ok(false);
            }
            Rest::Torn if mode == Mode::Write => {
                view.torn = Some(cut(files, segment, walked.end, len)?);
                self.len = walked.end;
            }
            Rest::Torn => {
                let place = files.line_place(segment, walked.end);
                view.torn = Some(format!(
                    "{place}: a write was never finished here, and never acknowledged; who writes next, or `factlog \
                     check --repair`, cuts it off and keeps it aside"
                ));
            }
        }
        if mode == Mode::Write && is_last {
            let unsure = (marked.unwrap_or(0).max(from), walked.end);
            make_durable(files, segment, marked.is_none(), unsure).map_err(|error| told(&path, error))?;
        }
        Ok(!is_end)
    }
}

/// Makes durable what nobody has told of yet: whoever wrote these lines, or made this segment, may have ended before it was.
///
/// The lines are written once more. After a sync that failed, the system may take them for written, and show them, and
/// never write them.
fn make_durable(
    files: &Files,
    segment: SegmentName,
    is_new: bool,
    (from, end): (u64, u64),
) -> io::Result<()> {
    if end > from {
        let file = files.vfs.open(&segment.path(&files.folder), OpenFile::Write)?;
        let mut bytes = vec![0; (end - from) as usize];
        let filled = read_fully(&*file, &mut bytes, from)?;
        file.write_all_at(&bytes[..filled], from)?;
        file.sync()?;
    }
    if is_new {
        files.vfs.sync_folder(&files.folder.join(segment.day()))?;
        files.vfs.sync_folder(&files.folder)?;
    }
    Ok(())
}

/// Cuts a write off that was never finished, and keeps its bytes aside.
fn cut(files: &Files, segment: SegmentName, end: u64, len: u64) -> Result<String> {
    let path = segment.path(&files.folder);
    let aside = files.path(TORN_FOLDER).join(format!("{}-{:06}-{end}.jsonl", segment.day(), segment.number));
    let cut = || -> io::Result<u64> {
        let file = files.vfs.open(&path, OpenFile::Write)?;
        let mut bytes = vec![0; (len - end) as usize];
        let filled = read_fully(&*file, &mut bytes, end)?;
        bytes.truncate(filled);
        while bytes.ends_with(b"\n\n") {
            bytes.pop();
        }
        make_folder(&*files.vfs, &files.path(TORN_FOLDER))?;
        write_whole(&*files.vfs, &aside, &bytes)?;
        file.set_len(end)?;
        file.sync()?;
        Ok(bytes.len() as u64)
    };
    let bytes = cut().map_err(|error| told(&path, error))?;
    let said = format!(
        "{}: {bytes} bytes of a write that was never finished, and never acknowledged, were cut off the end; they are kept \
         in {}",
        path.display(),
        aside.display()
    );
    tracing::warn!("{said}");
    Ok(said)
}

/// A stream whose newest events were removed, as a line.
#[derive(Debug, Serialize, Deserialize)]
struct StreamVersion {
    stream: StreamName,
    version: Version,
}

/// The versions of streams whose newest events were removed.
pub(super) fn versions(files: &Files) -> Result<HashMap<StreamName, Version>> {
    let path = files.path(VERSIONS_FILE);
    let bytes = read_file(&*files.vfs, &path).map_err(|error| told(&path, error))?.unwrap_or_default();
    let mut versions = HashMap::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let parsed = verified(line).and_then(|body| serde_json::from_slice(&[body, b"}"].concat()).ok());
        let Some(StreamVersion { stream, version }) = parsed else {
            let place = format!("{}:{}", path.display(), index + 1);
            return Err(Error::corrupt(place, "the line is not what was written").with_hint(
                "restore the file from a backup: it keeps the versions of streams that were removed",
            ));
        };
        versions.insert(stream, version);
    }
    Ok(versions)
}

/// Keeps the versions of streams whose newest events are being removed.
pub(super) fn keep_versions(files: &Files, versions: &HashMap<StreamName, Version>) -> Result<()> {
    let mut sorted: Vec<_> = versions.iter().collect();
    sorted.sort();
    let mut bytes = Vec::new();
    for (stream, version) in sorted {
        let line = StreamVersion { stream: stream.clone(), version: *version };
        let mut json = serde_json::to_vec(&line).unwrap_or_default();
        json.pop();
        bytes.extend(sealed(json));
    }
    let path = files.path(VERSIONS_FILE);
    write_whole(&*files.vfs, &path, &bytes).map_err(|error| told(&path, error))
}
