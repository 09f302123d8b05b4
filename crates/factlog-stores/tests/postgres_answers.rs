//! Answers that never come: what was asked for is done or not, and the store finds out which.
//!
//! The connections go through a proxy that breaks them before a request arrives, as it arrives, or before its answer is back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod postgres;
mod proxy;
mod told;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use factlog::{
    Batch, Condition, ErrorKind, EventLog, Expect, Filter, Json, Keep, NewEvent, Position, REMOVED_TYPE,
    Removal, Revision, Snapshot, Version,
};
use factlog_stores::{Open, open};
use serde_json::json;
use tokio::task::JoinSet;

use postgres::Log;
use proxy::{Fate, Proxy, seed};
use told::{Told, ids};

/// So many requests get through at the most, from one that does not to the next.
const REQUESTS_MAX: u32 = 16;
const WRITERS: u64 = 6;
const TURNS: u64 = 16;

/// A log by way of connections that break, and how often they did.
struct Breaking {
    log: EventLog,
    breaks: Arc<AtomicU64>,
    _proxy: Proxy,
}

impl Breaking {
    async fn open(log: &Log) -> Self {
        open(log.url(), Open::Create).await.unwrap().close().await.unwrap();
        let breaks = Arc::new(AtomicU64::new(0));
        let drawn = Mutex::new((fastrand::Rng::with_seed(seed()), 0));
        let counted = Arc::clone(&breaks);
        let proxy = Proxy::before(log.server(), move |_| {
            let (random, left) = &mut *drawn.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Fate::Pass;
            }
            *left = random.u32(..REQUESTS_MAX);
            counted.fetch_add(1, Ordering::Relaxed);
            match random.u32(..4) {
                0 => Fate::Lose,
                1 => Fate::Cut,
                _ => Fate::LoseAnswer,
            }
        })
        .await;
        let url = log.by(proxy.url()).with("attempts=200&retry_delay_ms=0");
        Self { log: open(&url, Open::Existing).await.unwrap(), breaks, _proxy: proxy }
    }

    /// Ends it; connections have broken, or nothing was tested.
    async fn end(self) {
        self.log.close().await.unwrap();
        let breaks = self.breaks.load(Ordering::Relaxed);
        assert!(breaks > 5, "only {breaks} connections broke");
    }
}

/// The log as it is.
async fn whole(log: &Log) -> EventLog {
    open(log.url(), Open::Existing).await.unwrap()
}

/// Writes into a stream of its own, whose version it expects to be where it left it, by all the ways that a batch can go.
async fn write(log: EventLog, writer: u64, told: Arc<Told>) {
    let (own, shared) = (format!("writer-{writer}"), "shared-1");
    let mut version = Version::NONE;
    let mut last = Position::START;
    for turn in 0..TURNS {
        let event = |stream: &str| NewEvent::new(stream, "turn:taken", json!({"turn": turn})).unwrap();
        let mut events = vec![event(&own)];
        if turn % 2 == 0 {
            events.push(event(shared));
        }
        let batch =
            Batch::new(events).unwrap().expect(own.parse().unwrap(), Expect::Version(version)).unwrap();
        let batch = if turn % 5 == 0 {
            // Nobody else writes there, so that it holds; it is another way to the tables.
            let filter = Filter::stream(own.parse().unwrap());
            batch.condition(Condition::NoneSince { filter, after: last }).unwrap()
        } else {
            batch
        };
        let ids = ids(&batch);
        let appended = log.append(batch).await.unwrap();
        version = appended.events[0].version;
        last = appended.events[0].position;
        assert_eq!(version, Version(turn + 1));
        told.acknowledge(&ids, &appended);
    }
}

/// The story: an append whose answer was lost was appended again, and recorded twice; or it failed, because the stream was
/// no longer at the version that it expected, on account of itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_whose_answer_is_lost_is_recorded_once_and_acknowledged() {
    let Some(log) = Log::direct() else { return };
    let breaking = Breaking::open(&log).await;
    let told = Told::new();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(breaking.log.clone(), writer, Arc::clone(&told)));
    }
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    breaking.end().await;
    let whole = whole(&log).await;
    told.verify(&whole).await;
    assert_eq!(told.count() as u64, WRITERS * (TURNS + TURNS.div_ceil(2)));
    assert_eq!(whole.check().await.unwrap().problems, Vec::<String>::new());
}

/// The story: a condition whose append was recorded without an answer was broken, when it was tried again, by its own event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_excludes_its_own_like_is_not_refused_for_its_own_sake() {
    let Some(log) = Log::direct() else { return };
    let breaking = Breaking::open(&log).await;
    let mut last = Position::START;
    for turn in 1..=16 {
        let event = NewEvent::new("seat-1", "seat:taken", json!({"by": turn})).unwrap();
        let none_since = Condition::NoneSince { filter: Filter::types(["seat:*"]).unwrap(), after: last };
        let batch = Batch::new(vec![event]).unwrap().condition(none_since.clone()).unwrap();
        last = breaking.log.append(batch).await.unwrap().last();
        assert_eq!(last, Position(turn));
        let event = NewEvent::new("seat-1", "seat:taken", json!({"by": "somebody else"})).unwrap();
        let too_late = Batch::new(vec![event]).unwrap();
        let before =
            Condition::NoneSince { filter: Filter::types(["seat:*"]).unwrap(), after: Position(turn - 1) };
        let refused = breaking.log.append(too_late.condition(before).unwrap()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused:?}");
    }
    breaking.end().await;
    assert_eq!(whole(&log).await.newest().await.unwrap(), last);
}

/// The story: a removal that was done without an answer found nothing left to remove, and said 0; or it was said twice in the
/// log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_whose_answer_is_lost_is_done_once_said_once_and_counted_right() {
    let Some(log) = Log::direct() else { return };
    let breaking = Breaking::open(&log).await;
    let mut through = Position::START;
    for round in 1..=12 {
        let events = (0..9).map(|number| {
            let stream = if number % 3 == 0 { "kept-1" } else { "old-1" };
            NewEvent::new(stream, "number:told", json!({"round": round, "number": number})).unwrap()
        });
        through = breaking.log.append(events.collect::<Vec<_>>()).await.unwrap().last();
        let removal = Removal { filter: Filter::stream("old-1".parse().unwrap()), through, archive: None };
        let removed = breaking.log.remove(&removal).await.unwrap();
        assert_eq!((removed.count, removed.position), (6, Some(Position(through.0 + 1))));
    }
    breaking.end().await;
    let whole = whole(&log).await;
    assert_eq!(whole.read(Filter::types([REMOVED_TYPE]).unwrap()).collect().await.unwrap().len(), 12);
    assert_eq!(whole.newest().await.unwrap(), Position(through.0 + 1));
    let report = whole.check().await.unwrap();
    assert_eq!((report.removed, report.events), (12 * 6, 12 * 4), "{report:?}");
    assert_eq!(report.problems, Vec::<String>::new());
}

/// The story: a value that is saved where its key was last saved as expected was saved without an answer, and its own second
/// try took it for somebody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_whose_save_has_no_answer_is_saved_once_and_its_key_is_no_longer_as_others_expect() {
    let Some(log) = Log::direct() else { return };
    let breaking = Breaking::open(&log).await;
    let snapshots = breaking.log.snapshots();
    for (key, keep) in [("state/newest", Keep::Newest), ("state/history", Keep::History)] {
        for turn in 0..20 {
            let snapshot = |by: &str| {
                Snapshot::new(key, Position(turn), Json::of(&json!({"turn": turn, "by": by})).unwrap())
            };
            let saved = snapshots.save(snapshot("us"), Some(Revision(turn)), keep).await.unwrap();
            assert_eq!(saved, Revision(turn + 1));
            let other = snapshots.save(snapshot("them"), Some(Revision(turn)), keep).await.unwrap_err();
            assert_eq!(other.kind(), ErrorKind::Conflict, "{other:?}");
            let there = snapshots.load(key, Position::MAX).await.unwrap().unwrap();
            assert_eq!(there.data, snapshot("us").data);
        }
    }
    breaking.end().await;
    let whole = whole(&log).await;
    let kept = whole.snapshots().list("state/", None).await.unwrap();
    assert_eq!(kept.iter().filter(|info| info.key == "state/history").count(), 20);
    assert_eq!(kept.iter().filter(|info| info.key == "state/newest").count(), 1);
}
