//! States of single streams, and the task that remembers them.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::time_travel::{Trail, append_at_random, moments};
use super::{Backend, batch, fact, fill, open};
use crate::{
    Aggregate, ErrorKind, Event, EventLog, Expect, Filter, Fold, Invalid, Moment, Position, Remembering,
    Removal, StreamName, Version,
};

/// Longer than anything takes that works; a case that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Fixed, so that a failure can be seen again.
const SEED: u64 = 20_261_122;

macro_rules! aggregate {
    ($name:ident, $stored:literal, $revision:literal, every $events:literal) => {
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
        struct $name(Trail);
        impl Fold for $name {
            fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
                self.0.take(event);
                Ok(())
            }
        }
        impl Aggregate for $name {
            const NAME: &'static str = $stored;
            const REVISION: u32 = $revision;
            const CATEGORY: &'static str = "task";
            const SNAPSHOT_EVENTS: u64 = $events;
        }
    };
}

aggregate!(Task, "task", 1, every 5);
aggregate!(TaskAnew, "task", 2, every 5);

fn name(stream: &str) -> StreamName {
    stream.parse().unwrap()
}

async fn caught_up(remembering: &Remembering, log: &EventLog) {
    let newest = log.newest().await.unwrap();
    tokio::time::timeout(PATIENCE, remembering.caught_up(newest)).await.expect("it catches up").unwrap();
}

async fn keys(log: &EventLog, prefix: &str) -> Vec<(String, u64)> {
    let infos = log.snapshots().list(prefix, None).await.unwrap();
    infos.into_iter().map(|info| (info.key, info.position.0)).collect()
}

static APPLIED: AtomicU64 = AtomicU64::new(0);

/// Counts how often it is called.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counted(u64);

impl Fold for Counted {
    fn apply(&mut self, _event: &Event) -> Result<(), Invalid> {
        self.0 += 1;
        APPLIED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Aggregate for Counted {
    const NAME: &'static str = "counted";
    const REVISION: u32 = 1;
    const CATEGORY: &'static str = "task";
}

pub async fn a_stream_is_remembered_at_every_hundredth_version_and_read_from_there(
    backend: Arc<dyn Backend>,
) {
    let log = open(&backend).await;
    let task = name("task-1");
    fill(&log, "task-1", 450).await;
    fill(&log, "task-2", 99).await;
    fill(&log, "agent-1", 100).await;
    let cost = async |moment: Option<Moment>, expected: u64| {
        let before = APPLIED.load(Ordering::Relaxed);
        let stream = log.stream(&task);
        let stream = if let Some(moment) = moment { stream.at(moment) } else { stream };
        assert_eq!(stream.state::<Counted>().await.unwrap().0, expected);
        APPLIED.load(Ordering::Relaxed) - before
    };
    assert_eq!(cost(None, 450).await, 450, "nothing is remembered yet");
    let remembering = log.remember::<Counted>().await.unwrap();
    caught_up(&remembering, &log).await;
    let expected = [100, 200, 300, 400].map(|position| ("aggregate/counted/1/task-1".to_owned(), position));
    assert_eq!(keys(&log, "aggregate/").await, expected, "of other streams and categories there is nothing");
    assert_eq!(cost(None, 450).await, 50);
    assert_eq!(cost(Some(Moment::Version(Version(399))), 399).await, 99);
    assert_eq!(cost(Some(Moment::Version(Version(300))), 300).await, 0);
    assert_eq!(cost(Some(Moment::Position(Position(250))), 250).await, 50);
    assert_eq!(cost(Some(Moment::Version(Version(9_999))), 450).await, 50);
    // It goes on live, and after a break where it was.
    fill(&log, "task-2", 1).await;
    caught_up(&remembering, &log).await;
    assert_eq!(keys(&log, "aggregate/counted/1/task-2").await.len(), 1);
    drop(remembering);
    fill(&log, "task-1", 50).await;
    let remembering = log.remember::<Counted>().await.unwrap();
    caught_up(&remembering, &log).await;
    assert_eq!(cost(None, 500).await, 0);
}

pub async fn the_state_of_a_stream_at_any_moment_is_what_a_fold_from_nothing_makes(
    backend: Arc<dyn Backend>,
) {
    let log = open(&backend).await;
    let mut rng = Rng::with_seed(SEED);
    append_at_random(&log, &mut rng, 600).await;
    let remembering = log.remember::<Task>().await.unwrap();
    append_at_random(&log, &mut rng, 200).await;
    caught_up(&remembering, &log).await;
    let all = log.read(Filter::all()).collect().await.unwrap();
    for stream in ["task-1", "task-2", "task-23", "task-9"].map(name) {
        let mut moments = moments(&mut rng, &all, 40);
        moments.extend((0..20).map(|_| Moment::Version(Version(rng.u64(..300)))));
        for moment in moments {
            let mut expected = Task::default();
            let own: Vec<&Arc<Event>> =
                all.iter().filter(|event| event.stream == stream && moment.includes(event)).collect();
            own.iter().for_each(|event| expected.0.take(event));
            let looked = log.stream(&stream).at(moment);
            let (state, version) = looked.state_with_version::<Task>().await.unwrap();
            assert_eq!(state, expected, "seed {SEED}, {stream} at {moment:?}");
            assert_eq!(version, own.last().map_or(Version::NONE, |event| event.version), "{moment:?}");
            assert_eq!(looked.fold::<Task>().await.unwrap(), expected, "{stream} at {moment:?}");
        }
    }
}

/// Origin A: a reconstruction wrote a snapshot at every hundredth version each time it was read, and one at version 0 for
/// every unknown id.
pub async fn a_state_is_not_remembered_by_reading_it_nor_for_an_unknown_stream(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 100).await;
    let (known, unknown) = (name("task-1"), name("task-404"));
    for _ in 0..3 {
        assert_eq!(log.stream(&known).state::<Counted>().await.unwrap().0, 100);
        assert_eq!(log.stream(&unknown).state::<Counted>().await.unwrap().0, 0);
    }
    assert_eq!(keys(&log, "").await, []);
    let remembering = log.remember::<Counted>().await.unwrap();
    caught_up(&remembering, &log).await;
    log.stream(&unknown).state::<Counted>().await.unwrap();
    assert_eq!(keys(&log, "aggregate/").await, [("aggregate/counted/1/task-1".to_owned(), 100)]);
    // A stream of another category is a mistake that would otherwise look like an empty state.
    let wrong = log.stream(&name("agent-1")).state::<Counted>().await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Invalid);
}

pub async fn a_streams_states_are_thinned_with_age(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 1_500).await;
    let remembering = log.remember::<Task>().await.unwrap();
    caught_up(&remembering, &log).await;
    let kept = keys(&log, "aggregate/").await;
    assert!((20..80).contains(&kept.len()), "of 300 states {} are kept", kept.len());
    let mut before = 0;
    for (_, position) in kept {
        assert!(position - before <= 5.max((1_500 - before) / 8), "between {before} and {position}");
        before = position;
    }
    assert_eq!(before, 1_500);
}

pub async fn a_new_revision_of_an_aggregate_forgets_the_states_of_the_old_one(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 12).await;
    fill(&log, "task-2", 12).await;
    let old = log.remember::<Task>().await.unwrap();
    caught_up(&old, &log).await;
    // One that has not ended yet would save its place after it was forgotten.
    old.finish().await;
    let new = log.remember::<TaskAnew>().await.unwrap();
    caught_up(&new, &log).await;
    let gone = async {
        while keys(&log, "aggregate/task/1/").await.len()
            + keys(&log, "follower/aggregate/task/1").await.len()
            > 0
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the old revision is forgotten");
    assert_eq!(keys(&log, "aggregate/").await.len(), 4);
}

pub async fn a_second_one_that_remembers_the_same_ends_with_conflict(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let (one, two) = (log.remember::<Task>().await.unwrap(), log.remember::<Task>().await.unwrap());
    let ended = async {
        loop {
            fill(&log, "task-1", 1).await;
            let newest = log.newest().await.unwrap();
            for remembering in [&one, &two] {
                if let Err(error) = remembering.caught_up(newest).await {
                    return error;
                }
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, ended).await.expect("one of them ends");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
}

pub async fn a_stream_whose_versions_were_removed_has_no_state_unless_in_part(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let remove = async |stream: &str, through| {
        let filter = Filter::stream(name(stream));
        log.remove(&Removal { filter, through: Position(through), archive: None }).await.unwrap();
    };
    let [whole, early, late] = ["task-whole", "task-early", "task-late"];
    for stream in [whole, early, late] {
        fill(&log, stream, 12).await;
    }
    let remembering = log.remember::<Task>().await.unwrap();
    caught_up(&remembering, &log).await;
    remove(early, 15).await;
    remove(late, 36).await;
    let count = async |stream: &str, moment: Option<Moment>, partial: bool| {
        let stream = name(stream);
        let looked = log.stream(&stream);
        let looked = if let Some(moment) = moment { looked.at(moment) } else { looked };
        let looked = if partial { looked.partial() } else { looked };
        looked.state_with_version::<Task>().await.map(|(_, version)| version.0).map_err(|error| error.kind())
    };
    let version = |version| Some(Moment::Version(Version(version)));
    assert_eq!(count(whole, None, false).await, Ok(12), "another stream's removal is no loss");
    // A state from before the removal, and all since.
    assert_eq!(count(early, None, false).await, Ok(12));
    assert_eq!(count(early, version(5), false).await, Ok(5));
    assert_eq!(count(early, version(4), false).await, Err(ErrorKind::Invalid));
    assert_eq!(count(early, version(4), true).await, Ok(4));
    // All events are gone, and the last two with them.
    assert_eq!(count(late, version(10), false).await, Ok(10));
    assert_eq!(count(late, None, false).await, Err(ErrorKind::Invalid));
    assert_eq!(count(late, None, true).await, Ok(10));
    // The number goes on all the same.
    let more = vec![fact(late, "task:noted", 1)];
    log.stream(&name(late)).append(more, Expect::Version(Version(12))).await.unwrap();
    assert_eq!(count(late, None, false).await, Err(ErrorKind::Invalid));
}

/// The version of a stream was taken from its newest event, and so went back when that was removed.
pub async fn a_streams_version_survives_the_removal_of_its_events(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 5).await;
    fill(&log, "task-2", 3).await;
    for (filter, through) in [("task-1", 3), ("task-2", 8)] {
        let filter = Filter::stream(name(filter));
        log.remove(&Removal { filter, through: Position(through), archive: None }).await.unwrap();
    }
    for (stream, version) in [("task-1", 5), ("task-2", 3), ("task-404", 0)] {
        assert_eq!(log.stream(&name(stream)).version().await.unwrap(), Version(version), "{stream}");
    }
}

pub async fn a_version_of_a_stream_is_found_in_the_log(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut rng = Rng::with_seed(SEED);
    // Bursts and long pauses.
    for _ in 0..30 {
        fill(&log, "task-1", rng.u64(1..60)).await;
        fill(&log, "agent-1", rng.u64(1..200)).await;
    }
    let task = name("task-1");
    let stream = log.stream(&task);
    let events = stream.read().collect().await.unwrap();
    for event in &events {
        assert_eq!(stream.position_of(event.version).await.unwrap(), event.position, "{}", event.version);
    }
    assert_eq!(stream.position_of(Version::NONE).await.unwrap(), Position::START);
    let last = events.len() as u64;
    for version in [last + 1, u64::MAX] {
        assert_eq!(stream.position_of(Version(version)).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let from = stream.clone().from(Version(300)).at(Moment::Version(Version(310))).events().await.unwrap();
    assert_eq!(from.iter().map(|event| event.version.0).collect::<Vec<_>>(), (300..=310).collect::<Vec<_>>());
    // A few of them, in the middle and at the end, are taken out.
    let gone = [&events[149..160], &events[events.len() - 2..]].concat();
    let filter = Filter::ids(gone.iter().map(|event| event.id));
    log.remove(&Removal { filter, through: Position::MAX, archive: None }).await.unwrap();
    for event in &events {
        let found = stream.position_of(event.version).await;
        if gone.contains(event) {
            assert_eq!(found.unwrap_err().kind(), ErrorKind::NotFound);
        } else {
            assert_eq!(found.unwrap(), event.position);
        }
    }
    let from = stream.clone().from(Version(155)).events().await.unwrap();
    assert_eq!(from[0].version, Version(161));
}

pub async fn a_state_on_which_an_append_is_decided_comes_with_its_version(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let task = name("task-1");
    let append = async |expected| {
        let events = vec![fact("task-1", "task:noted", 1)];
        log.stream(&task).append(events, Expect::Version(expected)).await
    };
    for _ in 0..3 {
        let (_, version) = log.stream(&task).state_with_version::<Task>().await.unwrap();
        append(version).await.unwrap();
        assert_eq!(append(version).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    log.append(batch([fact("agent-1", "agent:noted", 1)])).await.unwrap();
    assert_eq!(log.stream(&task).version().await.unwrap(), Version(3));
}
