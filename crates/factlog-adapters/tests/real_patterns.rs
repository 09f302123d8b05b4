//! What patterns find in real records, beside simple loops over the files and the wire form; where the records do not lie
//! beside the project, the tests say so and pass.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use factlog::{Event, EventLog, Filter, Match, Matcher, MemoryStore, Order, Timestamp};
use factlog_adapters::claude_code::{self, Options};
use factlog_adapters::{Intake, scopecraft};
use factlog_agents::vocabulary::pattern;
use serde_json::Value;

const DAY_MICROS: i64 = 86_400_000_000;

fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// A fact as a file or the wire form has it.
struct Fact {
    position: u64,
    event_type: String,
    key: String,
    micros: i64,
}

fn micros(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<Timestamp>().unwrap().as_micros()
}

/// Each first fact with the first other one of its key behind it that is near enough: by trying all.
fn pairs(facts: &[Fact], first: &str, then: &str, within: Option<i64>) -> Vec<Vec<u64>> {
    let mut pairs = Vec::new();
    for (at, fact) in facts.iter().enumerate().filter(|(_, fact)| fact.event_type == first) {
        let of_key = facts[at + 1..].iter().filter(|other| other.key == fact.key);
        let mut spoken_of = of_key.filter(|other| [first, then].contains(&&*other.event_type));
        let found = spoken_of.find_map(|other| match (within, other.micros - fact.micros) {
            // What is later than that ends the waiting; what claims to be earlier than that is passed over.
            (Some(within), later) if later > within => Some(None),
            (Some(within), later) if later < -within => None,
            _ if other.event_type == then => Some(Some(other.position)),
            _ => None,
        });
        pairs.extend(found.flatten().map(|other| vec![fact.position, other]));
    }
    pairs
}

/// What the matcher finds, by position, in the order of the beginnings.
fn found(events: &[Arc<Event>], text: &str, order: Order) -> Vec<Vec<u64>> {
    let mut matcher = Matcher::new(&pattern(text).unwrap(), order);
    let mut all: Vec<Match> = events.iter().flat_map(|event| matcher.push(event)).collect();
    all.extend(matcher.finish(Timestamp::now()));
    assert_eq!((matcher.counts().dropped, matcher.counts().events), (0, events.len() as u64), "{text}");
    let mut found: Vec<Vec<u64>> =
        all.iter().map(|found| found.positions().map(|position| position.0).collect()).collect();
    found.sort();
    found
}

/// The lines of Scopecraft's files, by stream in the order of its days; their positions are numbers of their own.
fn lines(path: &Path) -> Vec<Fact> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for day in
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        paths.extend(std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let lines =
        texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str::<Value>(line).unwrap());
    let fact = |(at, line): (usize, Value)| Fact {
        position: at as u64 + 1,
        event_type: line["type"].as_str().unwrap().to_owned(),
        key: line["streamId"].as_str().unwrap().to_owned(),
        micros: micros(&line["timestamp"]),
    };
    lines.enumerate().map(fact).collect()
}

/// Each number as the stream and the place in it, by which files and log are compared.
fn places<'a>(all: &[Vec<u64>], of: impl Fn(u64) -> (&'a str, u64)) -> Vec<Vec<(&'a str, u64)>> {
    let mut places: Vec<Vec<(&str, u64)>> =
        all.iter().map(|found| found.iter().map(|position| of(*position)).collect()).collect();
    places.sort();
    places
}

#[tokio::test]
async fn what_follows_what_in_a_real_project_is_what_a_loop_over_its_files_finds() {
    let Some(path) = data("scopecraft-events") else { return };
    let facts = lines(&path);
    let log = EventLog::new(MemoryStore::new());
    scopecraft::import(&log, &[path], Intake::telling(&mut |_| {})).await.unwrap();
    let events = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!((events.len(), facts.len()), (2_736, 2_736));
    let mut so_far: BTreeMap<&str, u64> = BTreeMap::new();
    let mut in_stream: Vec<u64> = Vec::new();
    for fact in &facts {
        let count = so_far.entry(&fact.key).or_default();
        *count += 1;
        in_stream.push(*count);
    }
    let of_file = |position: u64| (&*facts[position as usize - 1].key, in_stream[position as usize - 1]);
    let of_log = |position: u64| {
        let event = &events[position as usize - 1];
        (event.stream.as_str(), event.version.0)
    };
    let is_same = |text: &str, by_loop: &[Vec<u64>]| {
        let by_log = found(&events, text, Order::Position);
        assert!(!by_log.is_empty(), "{text} finds nothing");
        assert_eq!(places(&by_log, of_log), places(by_loop, of_file), "{text}");
    };

    let changed = pairs(&facts, "TaskCreated", "TaskStatusChanged", Some(DAY_MICROS));
    is_same("TaskCreated followed by TaskStatusChanged within 1d by stream", &changed);
    let ever = pairs(&facts, "TaskCreated", "TaskStatusChanged", None);
    assert!(ever.len() > changed.len(), "some change later than that");
    is_same("TaskCreated followed by TaskStatusChanged by stream", &ever);

    let deleted = pairs(&facts, "TaskCreated", "TaskDeleted", None);
    let created = facts.iter().filter(|fact| fact.event_type == "TaskCreated").map(|fact| fact.position);
    let kept: Vec<Vec<u64>> =
        created.filter(|at| deleted.iter().all(|pair| pair[0] != *at)).map(|at| vec![at]).collect();
    is_same("TaskCreated not followed by TaskDeleted by stream", &kept);
    is_same("TaskCreated followed by TaskDeleted by stream", &deleted);

    let mut three = Vec::new();
    let is_change = |fact: &&Fact| fact.event_type == "TaskStatusChanged";
    for (at, fact) in facts.iter().enumerate().filter(|(_, fact)| is_change(fact)) {
        let next: Vec<u64> = facts[at..]
            .iter()
            .filter(|other| is_change(other) && other.key == fact.key)
            .map(|other| other.position)
            .take(3)
            .collect();
        three.extend(Some(next).filter(|next| next.len() == 3));
    }
    is_same("TaskStatusChanged 3 times by stream", &three);
}

#[tokio::test]
async fn what_follows_what_in_real_sessions_is_what_a_loop_over_the_wire_form_finds() {
    let Some(path) = data("claude-code-transcripts") else { return };
    let log = EventLog::new(MemoryStore::new());
    let options = Options::default();
    claude_code::import(&log, &[path], options, Intake::telling(&mut |_| {})).await.unwrap();
    let mut events = log.read(Filter::all()).collect().await.unwrap();
    let wire = |events: &[Arc<Event>]| -> Vec<Fact> {
        let lines = events.iter().map(|event| serde_json::from_str::<Value>(&event.to_json()).unwrap());
        let with_key = lines.filter(|line| line["sessionId"].is_string());
        let fact = |line: Value| Fact {
            position: line["position"].as_u64().unwrap(),
            event_type: line["type"].as_str().unwrap().to_owned(),
            key: line["sessionId"].as_str().unwrap().to_owned(),
            micros: micros(line.get("occurredAt").unwrap_or(&line["recordedAt"])),
        };
        with_key.map(fact).collect()
    };
    let facts = wire(&events);
    let (called, returned) = ("session:tool-called", "session:tool-returned");
    let patterns = [
        ("session:tool-called followed by session:tool-returned by session", called, returned, None),
        (
            "session:tool-called followed by session:tool-returned within 2s by session",
            called,
            returned,
            Some(2_000_000),
        ),
        (
            "session:tool-returned followed by session:tool-called within 5s by session",
            returned,
            called,
            Some(5_000_000),
        ),
    ];
    let mut as_it_stands = Vec::new();
    for (text, first, then, within) in patterns {
        let by_loop = pairs(&facts, first, then, within);
        assert!(by_loop.len() > 50, "{text} finds {}", by_loop.len());
        assert_eq!(found(&events, text, Order::Position), by_loop, "{text}");
        as_it_stands.push(by_loop);
    }
    assert_eq!(as_it_stands[0].len(), 402, "every call is followed by a return");

    // By the time when they happened it is another log: the times of some go backwards.
    let backwards = facts.iter().zip(&facts[1..]).filter(|(one, next)| next.micros < one.micros).count();
    assert!(backwards > 10, "{backwards} times go backwards");
    events.sort_by_key(|event| (event.time(), event.position));
    let facts = wire(&events);
    for (text, first, then, within) in patterns {
        let mut by_loop = pairs(&facts, first, then, within);
        by_loop.sort();
        assert_eq!(found(&events, text, Order::Time), by_loop, "{text} by time");
    }
}
