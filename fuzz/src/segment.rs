//! A log's folder whose files have any bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use factlog::{Batch, ErrorKind, Event, EventId, NewEvent, Store, Timestamp};
use factlog_stores::fuzzing::whole_line;
use factlog_stores::{JsonlStore, Open};
use serde::Deserialize;
use uuid::Uuid;

use crate::disk::Disk;
use crate::sections::{sealed, sections};
use crate::store::{is_placed, open, path, read_all, wait};

/// `factlog.json` as a log has it.
const ABOUT: &[u8] = b"{\"format\":1,\"kind\":\"jsonl\",\
\"logId\":\"019a9e5e-0000-7000-8000-000000000000\",\"createdAt\":\"2026-11-20T00:00:00.000000Z\"}\n";
/// No index is made.
const NO_INDEX: usize = 1_000_000;
/// Behind this position, version or time a log may say that it is full.
const FAR: u64 = 1 << 50;

/// The folder of an input: sections `lines` (with checksums) and `raw` (without) fill a segment, `next` begins another
/// one; `head`, `about`, `removals` and `versions` are files as they are, `mark` and `removed` get checksums.
///
/// Nothing panics. What stands before the first bad byte is read, what is cut off is kept aside, and what was synced is
/// neither. Damage says where it is. Where there is none, the log goes on.
pub fn segment(bytes: &[u8]) {
    let folder = Folder::of(bytes);
    let disk = Disk::default();
    folder.files.iter().for_each(|(name, bytes)| disk.put(&path(name), bytes));
    let expected = Expected::of(&folder);
    looked_at(&disk, &expected);
    let before = disk.files();
    let opened = open(&disk, Open::Existing, NO_INDEX);
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            is_placed(&error);
            return expected.nothing_is_lost(&before, &disk.files());
        }
    };
    let damage = expected.is_read(&store, "after it was opened");
    expected.nothing_is_lost(&before, &disk.files());
    checked(&store);
    goes_on(&disk, store, damage, &expected);
}

/// Who only looks changes nothing, and sees nothing that is not there.
fn looked_at(disk: &Disk, expected: &Expected) {
    let before = disk.files();
    match open(disk, Open::Inspect, NO_INDEX) {
        Err(error) => is_placed(&error),
        Ok(store) => {
            let (events, error) = read_all(&store);
            error.iter().for_each(is_placed);
            let is_start = expected.events.starts_with(&events);
            assert!(expected.is_changing || is_start, "who looks reads other events: {events:?}");
            checked(&store);
        }
    }
    assert_eq!(disk.files(), before, "who looks changes nothing");
}

fn checked(store: &JsonlStore) {
    if let Err(error) = wait(store.check()) {
        is_placed(&error);
    }
}

/// What is appended stands behind what was there, also when the log is opened again.
fn goes_on(disk: &Disk, store: JsonlStore, is_damaged: bool, expected: &Expected) {
    let (before, _) = read_all(&store);
    let event = |number: u128| {
        let event =
            NewEvent::new("fuzz-1", "fuzz:appended", serde_json::json!({"number": number.to_string()}));
        event.expect("an event").with_id(EventId(Uuid::from_u128(number)))
    };
    let batch = Batch::new(vec![event(1), event(2)]).expect("a batch");
    let outcome = wait(store.append(vec![batch])).remove(0);
    let is_full = before.last().is_some_and(|last| {
        last.position.0 > FAR || last.recorded_at > Timestamp::from_micros(FAR.cast_signed()).expect("a time")
    }) || before.iter().any(|event| event.version.0 > FAR);
    if let Err(error) = &outcome {
        let is_known = before.iter().any(|event| event.id.0.as_u128() <= 2);
        let may_refuse = is_damaged || is_known || is_full || expected.is_changing || expected.is_full;
        assert!(may_refuse, "a good log takes no event: {error}");
        assert_ne!(error.kind(), ErrorKind::Stopped, "{error}");
    }
    if let Err(error) = wait(store.close()) {
        is_placed(&error);
    }
    drop(store);
    let appended = outcome.map_or(0, |appended| if appended.repeated { 0 } else { appended.events.len() });
    match open(disk, Open::Existing, NO_INDEX) {
        Err(error) => {
            is_placed(&error);
            assert!(expected.is_changing, "a log that was open cannot be opened again: {error}");
        }
        Ok(store) => {
            let (after, _) = read_all(&store);
            assert!(after.starts_with(&before), "events are gone when it is opened again");
            // Nobody reads past a line of which a value is none of a log's.
            assert!(expected.is_odd || after.len() - before.len() == appended, "what was appended");
        }
    }
}

/// The files of an input.
struct Folder {
    files: BTreeMap<String, Vec<u8>>,
    segments: Vec<String>,
}

impl Folder {
    fn of(bytes: &[u8]) -> Self {
        let mut folder = Self { files: BTreeMap::new(), segments: Vec::new() };
        folder.files.insert("factlog.json".into(), ABOUT.to_vec());
        folder.begin_segment();
        for (name, body) in sections(bytes) {
            let (file, bytes) = match name {
                b"lines" => (folder.segments[folder.segments.len() - 1].clone(), sealed(body)),
                b"next" => {
                    folder.begin_segment();
                    continue;
                }
                b"head" => ("head.json".into(), body.to_vec()),
                b"mark" => ("head.json".into(), sealed(body)),
                b"about" => ("factlog.json".into(), body.to_vec()),
                b"removals" => ("removals.json".into(), body.to_vec()),
                b"versions" => ("versions.jsonl".into(), body.to_vec()),
                b"removed" => ("versions.jsonl".into(), sealed(body)),
                _ => (folder.segments[folder.segments.len() - 1].clone(), body.to_vec()),
            };
            let is_segment = folder.segments.contains(&file);
            let contents = folder.files.entry(file).or_default();
            if !is_segment {
                contents.clear();
            }
            contents.extend(bytes);
        }
        folder
    }

    fn begin_segment(&mut self) {
        const SEGMENTS_MAX: usize = 9;
        if self.segments.len() < SEGMENTS_MAX {
            let name = format!("2026-11-20/{:06}.jsonl", self.segments.len() + 1);
            self.files.insert(name.clone(), Vec::new());
            self.segments.push(name);
        }
    }
}

/// What the folder has, judged without the store.
struct Expected {
    /// The events of whole batches before the first bad byte.
    events: Vec<Event>,
    /// The last position, removed ones among them.
    last: u64,
    /// Up to here in the last of `segments`.
    end: usize,
    /// The segments up to the one with the first bad byte.
    segments: Vec<PathBuf>,
    /// A line is whole and has a value that no log takes.
    is_odd: bool,
    /// A removal was begun, which will be finished.
    is_changing: bool,
    /// There is no room for positions or versions.
    is_full: bool,
    /// The last of all segments.
    written: PathBuf,
    /// What `head.json` says truly.
    mark: Mark,
}

/// The position that a log had reached, and where the lines ended that were synced.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    position: u64,
    #[serde(default)]
    day: Option<String>,
    #[serde(default)]
    segment: Option<u32>,
    bytes: u64,
    #[serde(rename = "generation")]
    _generation: u64,
}

/// Whether a text is the name of a day's folder.
fn is_day(text: &str) -> bool {
    let is_fit =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(is_fit)
}

impl Mark {
    /// None of a file that is not whole.
    fn of(file: &[u8]) -> Option<Self> {
        const FILE_BYTES: usize = 192;
        const TAIL_BYTES: usize = 18;
        let line = file[..file.len().min(FILE_BYTES)].trim_ascii_end();
        let body = line.get(..line.len().checked_sub(TAIL_BYTES)?)?;
        if body.contains(&b'\n') || sealed(body).strip_suffix(b"\n") != Some(line) {
            return None;
        }
        let mark: Self = serde_json::from_slice(&[body, b"}"].concat()).ok()?;
        let is_whole = match &mark.day {
            Some(day) => is_day(day) && mark.segment.is_some(),
            None => mark.segment.is_none(),
        };
        is_whole.then_some(mark)
    }
}

impl Expected {
    fn of(folder: &Folder) -> Self {
        let has = |name: &str, word: &[u8]| {
            let file = folder.files.get(name);
            file.is_some_and(|bytes| bytes.windows(word.len()).any(|part| part == word))
        };
        let mut expected = Self {
            events: Vec::new(),
            last: 0,
            end: 0,
            segments: Vec::new(),
            is_odd: false,
            is_changing: has("removals.json", b"begun"),
            is_full: folder.files.contains_key("versions.jsonl"),
            written: path(&folder.segments[folder.segments.len() - 1]),
            mark: folder.files.get("head.json").and_then(|file| Mark::of(file)).unwrap_or_default(),
        };
        for (index, name) in folder.segments.iter().enumerate() {
            let bytes = &folder.files[name];
            expected.segments.push(path(name));
            let is_last = index + 1 == folder.segments.len();
            let trusted = if is_last { expected.trusted() } else { usize::MAX };
            expected.end = expected.take(bytes, trusted);
            // Only the last one has space that was written ahead.
            let rest = &bytes[expected.end..];
            if !rest.is_empty() || is_last {
                break;
            }
        }
        expected.is_full |= expected.last > FAR;
        expected
    }

    /// Takes the whole batches of a segment; says where they end. Behind what was synced, a line that stands for removed
    /// events is whole with the event after it.
    fn take(&mut self, bytes: &[u8], trusted: usize) -> usize {
        let (mut end, mut at, mut more, mut at_position) = (0, 0, 0, self.last);
        let mut batch = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n").and_then(whole_line) else { break };
            let follows = whole.first.0 == at_position + 1;
            if !follows || (more > 0 && !whole.is_removed && whole.more + 1 != more) {
                break;
            }
            (at_position, more, at) = (whole.last.0, whole.more, at + line.len());
            self.is_odd |= !whole.is_removed && whole.event.is_none();
            batch.extend(whole.event);
            if more == 0 && (!whole.is_removed || at <= trusted) {
                self.events.append(&mut batch);
                (self.last, end) = (at_position, at);
            }
        }
        end
    }

    /// Whether the store gives these events; says whether it tells of damage behind them.
    fn is_read(&self, store: &JsonlStore, when: &str) -> bool {
        let (events, error) = read_all(store);
        error.iter().for_each(is_placed);
        if self.is_changing {
            return error.is_some();
        }
        if self.is_odd {
            assert!(self.events.starts_with(&events), "{when}: other events than in the lines");
            return true;
        }
        assert_eq!(events, self.events, "{when}: the events before the first bad byte");
        let is_short = self.mark.position > self.last;
        assert!(error.is_some() || !is_short, "{when}: the log is shorter than it was, and nothing says so");
        error.is_some()
    }

    /// Up to here the last segment was synced.
    fn trusted(&self) -> usize {
        let Mark { day, segment, bytes, .. } = &self.mark;
        let name = day.as_ref().zip(*segment).map(|(day, number)| path(&format!("{day}/{number:06}.jsonl")));
        if name.as_ref() == Some(&self.written) { usize::try_from(*bytes).unwrap_or(usize::MAX) } else { 0 }
    }

    /// Bytes are where they were, or aside.
    fn nothing_is_lost(&self, before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
        if self.is_changing {
            return;
        }
        for (path, bytes) in
            before.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "jsonl"))
        {
            let now = after.get(path).map_or(&[][..], Vec::as_slice);
            if now == bytes {
                continue;
            }
            assert!(bytes.starts_with(now), "{} was changed", path.display());
            assert_eq!(path, &self.written, "a segment that is not the last one was cut");
            assert!(now.len() >= self.trusted().min(bytes.len()), "what was synced was cut");
            if self.segments.last() == Some(path) {
                assert!(now.len() >= self.end, "whole lines were cut");
            }
            let cut = bytes[now.len()..].trim_ascii_end();
            let is_kept = |(place, kept): (&PathBuf, &Vec<u8>)| {
                place.starts_with(crate::store::path("torn")) && kept.trim_ascii_end() == cut
            };
            assert!(cut.is_empty() || after.iter().any(is_kept), "{}: bytes are lost", path.display());
        }
    }
}
