//! Index files with any bytes beside a good log.

use std::path::PathBuf;
use std::sync::LazyLock;

use factlog::{Batch, Cursor, Error, Event, EventId, Filter, NewEvent, Position, Removal, Store, StreamName};
use factlog_stores::fuzzing::index_of;
use factlog_stores::{JsonlStore, Open};
use uuid::Uuid;

use crate::disk::Disk;
use crate::store::{is_placed, open, path, read, wait};

/// Events of one index file.
const INDEX_EVENTS: usize = 30;
/// Events of the log.
const EVENTS: u128 = 110;
/// Behind so many events, half of the first ones are taken out, so that positions have gaps.
const REMOVED_AT: u128 = 40;
/// How many filters one input is asked for.
const QUESTIONS: usize = 3;
/// Bytes of a block, and of a block before its checksum.
const BLOCK_BYTES: usize = 4_096;
const CONTENT_BYTES: usize = BLOCK_BYTES - 4;

/// A good log with index files.
struct Good {
    disk: Disk,
    indexes: Vec<PathBuf>,
    filters: Vec<Filter>,
    /// What each filter finds, forwards, without an index.
    answers: Vec<Vec<Event>>,
}

static GOOD: LazyLock<Good> = LazyLock::new(Good::new);

/// The first byte says what is done with the index file that the second byte names: `r` replaces it by the rest of the
/// input, `p` patches bytes, each by three of the rest (a place and a byte), `c` does so to the contents and makes the
/// checksums right again.
///
/// An index file that is not what was written is never believed: answers are those of the lines, or an error that
/// names the index. One with right checksums is believed, and must not panic.
pub fn index(bytes: &[u8]) {
    let [kind, which, rest @ ..] = bytes else { return };
    let good = &*GOOD;
    let index = &good.indexes[usize::from(*which) % good.indexes.len()];
    let was = &good.disk.files()[index];
    let (is, has_right_checksums) = match kind {
        b'c' => (index_of(&patched(contents(was), rest)), true),
        b'p' => (patched(was.clone(), rest), false),
        _ => (rest.to_vec(), is_sealed(rest)),
    };
    let disk = good.disk.copied();
    disk.put(index, &is);
    let store = match open(&disk, Open::Existing, INDEX_EVENTS) {
        Ok(store) => store,
        Err(error) => return names_the_index(&error, has_right_checksums),
    };
    // Each input asks some of the questions, so that more inputs have their turn.
    let first = crc32fast::hash(bytes) as usize % good.filters.len();
    let questions = good.filters.iter().zip(&good.answers).cycle().skip(first);
    for (filter, answer) in questions.take(QUESTIONS) {
        asked(&store, filter, answer, has_right_checksums);
    }
    appended(&store, &good.answers[0], has_right_checksums);
    if has_right_checksums && let Err(error) = wait(store.check()) {
        is_placed(&error);
    }
}

fn names_the_index(error: &Error, is_believed: bool) {
    is_placed(error);
    assert!(
        is_believed || error.to_string().contains("index"),
        "an error that does not name the index: {error}"
    );
}

fn asked(store: &JsonlStore, filter: &Filter, answer: &[Event], is_believed: bool) {
    for (cursor, limit) in [(Cursor::After(Position::START), 1_000), (Cursor::Before(Position(90)), 20)] {
        let (events, error) = read(store, filter, cursor, limit);
        if let Some(error) = &error {
            names_the_index(error, is_believed);
        }
        if is_believed {
            continue;
        }
        let is_asked = |event: &&Event| match cursor {
            Cursor::After(position) => event.position > position,
            Cursor::Before(position) => event.position < position,
        };
        let mut expected: Vec<&Event> = answer.iter().filter(is_asked).collect();
        if matches!(cursor, Cursor::Before(_)) {
            expected.reverse();
        }
        // Before an error may stand what was found until then.
        let is_start =
            expected.len() >= events.len() && expected.iter().zip(&events).all(|(one, other)| *one == other);
        let is_right = is_start && (error.is_some() || expected.len() == events.len());
        assert!(is_right, "{filter:?} {cursor:?}: {} events, {} are right", events.len(), expected.len());
    }
}

/// A known event is known, and a stream goes on at its version.
fn appended(store: &JsonlStore, all: &[Event], is_believed: bool) {
    for event in [&all[5], &all[all.len() / 2], &all[all.len() - 1]] {
        let again = Batch::new(vec![event.fact.clone()]).expect("a batch of a known event");
        match wait(store.append(vec![again])).remove(0) {
            Err(error) => assert!(is_believed || error.to_string().contains("index"), "{error}"),
            Ok(appended) => {
                assert!(is_believed || appended.repeated, "position {} was recorded twice", event.position);
            }
        }
        match wait(store.version(&event.stream)) {
            Err(error) => names_the_index(&error, is_believed),
            Ok(version) => {
                let newest =
                    all.iter().filter(|known| known.stream == event.stream).map(|known| known.version);
                assert!(is_believed || Some(version) == newest.max(), "the version of {}", event.stream);
            }
        }
    }
}

fn patched(mut bytes: Vec<u8>, patches: &[u8]) -> Vec<u8> {
    for patch in patches.chunks(3) {
        match patch {
            [low, high, byte] => {
                let place = usize::from(u16::from_le_bytes([*low, *high]));
                let length = bytes.len();
                match bytes.get_mut(place) {
                    Some(known) => *known = *byte,
                    None => bytes.truncate(place % (length + 1)),
                }
            }
            rest => bytes.extend_from_slice(rest),
        }
    }
    bytes
}

fn contents(file: &[u8]) -> Vec<u8> {
    file.chunks(BLOCK_BYTES).flat_map(|block| &block[..block.len().min(CONTENT_BYTES)]).copied().collect()
}

/// Whether any block has a right checksum.
fn is_sealed(file: &[u8]) -> bool {
    file.chunks_exact(BLOCK_BYTES).any(|block| {
        let (content, crc) = block.split_at(CONTENT_BYTES);
        crc32fast::hash(content).to_le_bytes() == crc
    })
}

impl Good {
    fn new() -> Self {
        let disk = Disk::default();
        let filters = filters();
        let store = open(&disk, Open::Create, INDEX_EVENTS).expect("a new log");
        for number in 1..=EVENTS {
            let batch = Batch::new(vec![event(number)]).expect("a batch");
            wait(store.append(vec![batch])).remove(0).expect("an append");
            if number == REMOVED_AT {
                let filter = filter(r#"{"tags":["odd"]}"#);
                let removal = Removal { filter, through: Position(30), archive: None };
                wait(store.remove(&removal)).expect("a removal");
            }
        }
        wait(store.close()).expect("a close");
        drop(store);
        let indexes: Vec<PathBuf> = disk
            .files()
            .into_keys()
            .filter(|path| path.extension().is_some_and(|end| end == "run"))
            .collect();
        assert!(indexes.len() > 1, "the log has {} indexes", indexes.len());
        let bare = disk.copied();
        bare.take_away(&path("indexes"));
        let store = open(&bare, Open::Inspect, INDEX_EVENTS).expect("a log");
        let answer = |filter: &Filter| {
            let (events, error) = read(&store, filter, Cursor::After(Position::START), 1_000);
            assert!(error.is_none(), "{error:?}");
            events
        };
        let answers = filters.iter().map(answer).collect();
        Self { disk, indexes, filters, answers }
    }
}

fn event(number: u128) -> NewEvent {
    let stream = format!("task-{}", number % 23);
    let data = serde_json::json!({"number": u64::try_from(number).unwrap_or(0)});
    let mut event = NewEvent::new(&stream, &format!("task:kind-{}", number % 11), data).expect("an event");
    event.id = EventId(Uuid::from_u128(number << 64));
    event.source = (number.is_multiple_of(3)).then(|| "agent".parse().expect("a source"));
    event.correlation_id = (number.is_multiple_of(17)).then(|| "build-9".parse().expect("a correlation"));
    event.causation_id = (number.is_multiple_of(19)).then_some(EventId(Uuid::from_u128(1 << 64)));
    event.tags = vec![if number % 2 == 1 { "odd" } else { "even" }.parse().expect("a tag")];
    event
}

fn filter(json: &str) -> Filter {
    serde_json::from_str(json).expect("a filter")
}

fn filters() -> Vec<Filter> {
    let streams = |names: &[&str]| Filter {
        streams: names.iter().map(|name| StreamName::trusted(*name)).collect(),
        ..Filter::all()
    };
    vec![
        Filter::all(),
        streams(&["task-7"]),
        streams(&["task-7", "task-8", "log-retention", "none"]),
        filter(r#"{"types":["task:kind-3"]}"#),
        filter(r#"{"types":["task:kind-1*"]}"#),
        filter(r#"{"sources":["agent"],"correlation":["build-9"]}"#),
        filter(r#"{"tags":["even"],"categories":["task"]}"#),
        filter(r#"{"text":"number\":12"}"#),
        filter(r#"{"recorded":{"from":"2026-11-20T00:00:00.050Z","to":"2026-11-20T00:00:00.200Z"}}"#),
        Filter::ids([20, 61, 100].map(|number: u128| EventId(Uuid::from_u128(number << 64)))),
        Filter { causation: vec![EventId(Uuid::from_u128(1 << 64))], ..Filter::all() },
    ]
}
