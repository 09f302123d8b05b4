//! The processes that write.

use std::io::Write;
use std::path::PathBuf;

use factlog::{Batch, ErrorKind, EventLog, Expect, NewEvent, StreamName, Version};
use factlog_stores::{Indexes, JsonlOptions, JsonlStore, Open, SqliteOptions, SqliteStore};
use serde_json::json;

/// Where the log is, and the number of this process.
pub(super) const LOG: &str = "FACTLOG_TEST_LOG";
pub(super) const NUMBER: &str = "FACTLOG_TEST_NUMBER";

const THREADS: u64 = 8;
/// Rounds of each process that takes its turns.
pub(super) const TURNS: u64 = 60;

pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set"))
}

pub(super) fn open(path: impl Into<PathBuf>) -> EventLog {
    try_open(path).expect("the log opens")
}

/// A plain-text log where the name has no ending, else one in an SQLite file, with lagging indexes where it says so.
pub(super) fn try_open(path: impl Into<PathBuf>) -> factlog::Result<EventLog> {
    let path = path.into();
    // So small parts that kills meet every one of them.
    if path.extension().is_some() {
        let is_lagging = path.file_stem().is_some_and(|stem| stem == "lagging");
        let indexes = Some(if is_lagging { Indexes::Lagging } else { Indexes::Real });
        let options = SqliteOptions { indexes, tail_events: Some(100), ..SqliteOptions::new(path) };
        return Ok(EventLog::new(SqliteStore::open(&options, Open::Create)?));
    }
    let mut options = JsonlOptions::new(path);
    (options.tuning.segment_bytes, options.tuning.index_events) = (100_000, 300);
    Ok(EventLog::new(JsonlStore::open(&options, Open::Create)?))
}

/// Says on standard output which event is acknowledged, in one write, so that a kill cannot tear the line.
fn acknowledge(id: factlog::EventId, position: factlog::Position) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{id} {position}\n").as_bytes())
        .and_then(|()| out.flush())
        .expect("the test listens");
}

/// Appends from eight threads, batches of one to four, until somebody kills it.
pub(super) fn until_killed() {
    let log = open(variable(LOG));
    let round: u64 = variable(NUMBER).parse().expect("a number");
    let runtime = super::runtime();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = log.clone();
            let runtime = runtime.handle().clone();
            scope.spawn(move || {
                for turn in 0.. {
                    let size = 1 + (turn + thread) % 4;
                    let events: Vec<NewEvent> = (0..size)
                        .map(|_| {
                            let data = json!({"round": round, "thread": thread, "turn": turn, "size": size});
                            NewEvent::new(&format!("thread-{thread}"), "thread:wrote", data)
                                .expect("an event")
                        })
                        .collect();
                    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
                    let appended = runtime.block_on(log.append(events)).expect("an append succeeds");
                    for (id, event) in ids.into_iter().zip(appended.events) {
                        acknowledge(id, event.position);
                    }
                }
            });
        }
    });
}

/// Appends to a stream of its own, to a shared one, and to one where every writer must have seen the last event.
pub(super) fn in_turns() {
    let number = variable(NUMBER);
    super::runtime().block_on(async {
        let log = open(variable(LOG));
        let own: StreamName = format!("own-{number}").parse().expect("a name");
        let guarded: StreamName = "guarded-1".parse().expect("a name");
        for turn in 0..TURNS {
            let event = |stream: &str, seen: u64| {
                NewEvent::new(stream, "turn:taken", json!({"process": number, "turn": turn, "seen": seen}))
                    .expect("an event")
            };
            // Nobody else writes here: the expectation must always hold.
            let mine = event(&own, turn);
            let shared = event("shared-1", 0);
            let ids = [mine.id, shared.id];
            let both = Batch::new(vec![mine, shared]).expect("a batch");
            let both = both.expect(own.clone(), Expect::Version(Version(turn))).expect("a batch");
            let appended = log.append(both).await.expect("the own stream is where it was left");
            for (id, event) in ids.into_iter().zip(appended.events) {
                acknowledge(id, event.position);
            }
            // Everybody writes here: look, decide, and try again when somebody was faster.
            loop {
                let seen = log.stream(&guarded).version().await.expect("a version");
                let decided = event(&guarded, seen.0);
                let id = decided.id;
                match log.stream(&guarded).append(vec![decided], Expect::Version(seen)).await {
                    Ok(appended) => {
                        acknowledge(id, appended.last());
                        break;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
            }
        }
        log.close().await.expect("it closes");
    });
}
