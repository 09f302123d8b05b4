//! Following and projections.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Backend, batch, fact, fill, open};
use crate::{
    ErrorKind, Event, EventLog, Filter, Following, Invalid, Moment, Position, Projected, Projection,
    Timestamp,
};

/// Longer than anything takes that works; a case that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn next(following: &mut Following) -> Arc<Event> {
    tokio::time::timeout(PATIENCE, following.next()).await.expect("an event comes").unwrap().unwrap()
}

async fn take(following: &mut Following, count: usize) -> Vec<u64> {
    let mut positions = Vec::new();
    for _ in 0..count {
        positions.push(next(following).await.position.0);
    }
    positions
}

async fn write_in_pieces(log: EventLog, stream: &'static str, kind: &'static str, count: u64) {
    for number in 0..count {
        log.append(fact(stream, kind, number)).await.unwrap();
        if number % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

pub async fn following_crosses_from_old_to_new_without_a_gap(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 1_200).await;
    let mut following = log.follow(Filter::all());
    let writer = tokio::spawn(write_in_pieces(log.clone(), "task-2", "task:noted", 300));
    assert_eq!(take(&mut following, 1_500).await, (1..=1_500).collect::<Vec<_>>());
    writer.await.unwrap();
    log.append(fact("task-3", "task:noted", 1)).await.unwrap();
    assert_eq!(next(&mut following).await.position, Position(1_501));
}

pub async fn following_with_a_rare_filter_misses_nothing(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "noise-1", 2_500).await;
    let mut following = log.follow(Filter::types(["rare:*"]).unwrap());
    let writer = tokio::spawn({
        let log = log.clone();
        async move {
            for number in 0..20 {
                fill(&log, "noise-1", 50).await;
                log.append(fact("rare-1", "rare:seen", number)).await.unwrap();
            }
        }
    });
    for version in 1..=20 {
        assert_eq!(next(&mut following).await.version.0, version);
    }
    writer.await.unwrap();
}

pub async fn following_from_now_gives_only_what_comes(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 10).await;
    let mut following = log.follow(Filter::all()).from_now();
    // Nothing is read before the first poll: let it begin, and find that nothing is there.
    let began = tokio::time::timeout(Duration::from_millis(200), following.next()).await;
    assert!(began.is_err(), "nothing has come yet");
    log.append(fact("task-2", "task:noted", 1)).await.unwrap();
    assert_eq!(next(&mut following).await.position, Position(11));
}

pub async fn many_followers_get_the_same_events(backend: Arc<dyn Backend>) {
    const FOLLOWERS: usize = 50;
    let log = open(&backend).await;
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS {
        let mut following = log.follow(Filter::all());
        followers.push(tokio::spawn(async move { take(&mut following, 500).await }));
    }
    write_in_pieces(log.clone(), "task-1", "task:noted", 500).await;
    for follower in followers {
        assert_eq!(follower.await.unwrap(), (1..=500).collect::<Vec<_>>());
    }
}

pub async fn a_slow_follower_is_late_and_complete(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut slow = log.follow(Filter::all());
    log.append(fact("task-1", "task:noted", 0)).await.unwrap();
    assert_eq!(next(&mut slow).await.position, Position(1));
    // Meanwhile others read far ahead, and the shared memory moves on (8 MiB of it).
    let mut quick = log.follow(Filter::all());
    let large = "x".repeat(40_000);
    for _ in 0..300 {
        log.append(crate::NewEvent::new("task-2", "task:noted", &large).unwrap()).await.unwrap();
    }
    assert_eq!(take(&mut quick, 301).await.len(), 301);
    assert_eq!(take(&mut slow, 300).await, (2..=301).collect::<Vec<_>>());
}

pub async fn following_ends_with_an_error_when_the_log_is_closed(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    log.append(fact("task-1", "task:noted", 0)).await.unwrap();
    let mut following = log.follow(Filter::all());
    next(&mut following).await;
    let waiting = tokio::spawn(async move {
        let ended = following.next().await;
        (ended, following.next().await)
    });
    log.close().await.unwrap();
    let (ended, after) = tokio::time::timeout(PATIENCE, waiting).await.expect("it ends").unwrap();
    assert_eq!(ended.unwrap().unwrap_err().kind(), ErrorKind::Stopped);
    assert!(after.is_none());
}

pub async fn a_durable_follower_goes_on_where_it_stopped(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 30).await;
    {
        let mut mailer = log.follow(Filter::all()).durable("mailer");
        assert_eq!(take(&mut mailer, 10).await, (1..=10).collect::<Vec<_>>());
        mailer.done(Position(10)).await.unwrap();
        assert_eq!(take(&mut mailer, 5).await, (11..=15).collect::<Vec<_>>());
    }
    // What was handed out and not said to be done comes again.
    let mut mailer = log.follow(Filter::all()).durable("mailer");
    assert_eq!(take(&mut mailer, 20).await, (11..=30).collect::<Vec<_>>());
    // Asking for the next one says that all before is done; a quiet second later that is saved.
    let saved = async {
        while log
            .snapshots()
            .load("follower/mailer", Position::MAX)
            .await
            .unwrap()
            .map(|place| place.position)
            != Some(Position(30))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = mailer.next() => panic!("nothing has come"),
        saved = tokio::time::timeout(PATIENCE, saved) => saved.expect("the place is saved"),
    }
    drop(mailer);
    log.append(fact("task-1", "task:noted", 31)).await.unwrap();
    let mut mailer = log.follow(Filter::all()).durable("mailer");
    assert_eq!(next(&mut mailer).await.position, Position(31));
}

/// A follower of something rare made a commit for nearly every foreign event.
pub async fn an_idle_durable_follower_saves_once_a_second_at_the_most(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let began = std::time::Instant::now();
    let mut idle = log.follow(Filter::types(["rare:*"]).unwrap()).durable("idle");
    let writer = write_in_pieces(log.clone(), "noise-1", "noise:made", 300);
    tokio::select! {
        _ = idle.next() => panic!("nothing rare has come"),
        () = writer => {}
    }
    let place = log.snapshots().load("follower/idle", Position::MAX).await.unwrap();
    let seconds = began.elapsed().as_secs();
    assert!(place.is_none_or(|place| place.revision.0 <= seconds + 1), "saved more than once a second");
}

/// Its place can be taken away, and it begins anew.
pub async fn a_durable_follower_whose_place_was_forgotten_begins_anew(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3).await;
    let mut mailer = log.follow(Filter::all()).durable("mailer");
    assert_eq!(take(&mut mailer, 3).await, [1, 2, 3]);
    mailer.done(Position(3)).await.unwrap();
    drop(mailer);
    log.snapshots().forget("follower/mailer", Position::MAX).await.unwrap();
    let mut mailer = log.follow(Filter::all()).durable("mailer");
    assert_eq!(take(&mut mailer, 2).await, [1, 2]);
    mailer.done(Position(2)).await.unwrap();
}

pub async fn a_second_follower_of_the_same_name_ends_with_conflict(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 4).await;
    let mut first = log.follow(Filter::all()).durable("mailer");
    let mut second = log.follow(Filter::all()).durable("mailer");
    take(&mut first, 2).await;
    take(&mut second, 1).await;
    first.done(Position(2)).await.unwrap();
    let error = second.done(Position(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
}

/// How often each stream was noted, and the sum of the numbers.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Tally {
    streams: BTreeMap<String, u64>,
    sum: u64,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

impl Tally {
    fn take(&mut self, event: &Event) -> Result<(), Invalid> {
        *self.streams.entry(event.stream.to_string()).or_default() += 1;
        self.sum += event.data.to::<Numbered>()?.number;
        Ok(())
    }
}

macro_rules! tally {
    ($name:ident, $stored:literal, $revision:literal, $filter:expr) => {
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
        struct $name(Tally);
        impl Projection for $name {
            const NAME: &'static str = $stored;
            const REVISION: u32 = $revision;
            fn filter() -> Filter {
                $filter
            }
            fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
                self.0.take(event)
            }
        }
    };
}

tally!(Everything, "tally", 1, Filter::all());
tally!(EverythingAnew, "tally", 2, Filter::all());
tally!(Tasks, "tasks", 1, Filter::categories(["task"]).unwrap());

async fn caught_up<P: Projection>(projected: &Projected<P>, position: u64) {
    tokio::time::timeout(PATIENCE, projected.caught_up(Position(position)))
        .await
        .expect("the projection catches up")
        .unwrap();
}

pub async fn a_projection_follows_and_remembers(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 1_500).await;
    let tally = log.project::<Everything>().await.unwrap();
    caught_up(&tally, 1_500).await;
    fill(&log, "task-2", 5).await;
    caught_up(&tally, 1_505).await;
    assert_eq!(tally.with(|state| state.0.streams["task-2"]), 5);
    // A quiet second later the state is remembered, without any further event.
    let key = "projection/tally/1";
    let remembered = async || log.snapshots().load(key, Position::MAX).await.unwrap();
    let saved = tokio::time::timeout(PATIENCE, async {
        loop {
            match remembered().await {
                Some(snapshot) if snapshot.position == Position(1_505) => return snapshot,
                _ => tokio::task::yield_now().await,
            }
        }
    });
    let saved: Everything = saved.await.expect("it is remembered").data.to().unwrap();
    assert_eq!(tally.with(Clone::clone), saved);
    drop(tally);
    let resumed = log.project::<Everything>().await.unwrap();
    assert_eq!(resumed.position(), Position(1_505), "nothing is read again");
    assert_eq!(resumed.with(Clone::clone), saved);
    assert_eq!(resumed.lag(), 0);
}

pub async fn a_projection_of_a_new_revision_is_built_anew(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 20).await;
    let old = log.project::<Everything>().await.unwrap();
    caught_up(&old, 20).await;
    old.rebuild().await.unwrap();
    drop(old);
    let new = log.project::<EverythingAnew>().await.unwrap();
    caught_up(&new, 20).await;
    new.rebuild().await.unwrap();
    assert_eq!(new.with(|state| state.0.sum), 210);
    let keys: Vec<String> =
        log.snapshots().list("projection/", None).await.unwrap().into_iter().map(|info| info.key).collect();
    assert_eq!(keys, ["projection/tally/2"], "the old revision's state is forgotten");
}

pub async fn a_rebuilt_projection_switches_to_the_same_state(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 1_100).await;
    let tally = log.project::<Everything>().await.unwrap();
    let writer = tokio::spawn(write_in_pieces(log.clone(), "task-2", "task:noted", 200));
    for _ in 0..3 {
        tally.rebuild().await.unwrap();
    }
    writer.await.unwrap();
    caught_up(&tally, 1_300).await;
    let live = tally.with(Clone::clone);
    tally.rebuild().await.unwrap();
    assert_eq!(tally.with(Clone::clone), live);
    assert_eq!(log.at::<Everything>(Moment::Position(Position(1_300))).await.unwrap(), live);
}

pub async fn a_projection_that_cannot_take_an_event_says_so(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    log.append(fact("task-1", "task:noted", 1)).await.unwrap();
    log.append(crate::NewEvent::new("task-1", "task:noted", "no number").unwrap()).await.unwrap();
    log.append(fact("task-1", "task:noted", 3)).await.unwrap();
    let tally = log.project::<Everything>().await.unwrap();
    let error = tokio::time::timeout(PATIENCE, tally.caught_up(Position(3))).await.unwrap().unwrap_err();
    assert!(error.message().contains("position 2"), "{error:?}");
    assert_eq!(tally.position(), Position(1));
}

/// A projection whose code panics at the third event.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Panicking(u64);

impl Projection for Panicking {
    const NAME: &'static str = "panicking";
    const REVISION: u32 = 1;
    fn filter() -> Filter {
        Filter::all()
    }
    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        assert!(event.position < Position(3), "a mistake in a projection");
        self.0 += 1;
        Ok(())
    }
}

pub async fn a_projection_that_panics_ends_and_nobody_waits_for_ever(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 5).await;
    let panicking = log.project::<Panicking>().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, panicking.caught_up(Position(5))).await.expect("it ends");
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Stopped);
    assert_eq!(panicking.with(|state| state.0), 2, "the last state stays readable");
}

pub async fn several_projections_share_one_reading(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 100).await;
    fill(&log, "agent-1", 100).await;
    let mut group = log.projections();
    let everything = group.add::<Everything>().await.unwrap();
    let tasks = group.add::<Tasks>().await.unwrap();
    group.start();
    fill(&log, "task-2", 1).await;
    caught_up(&everything, 201).await;
    caught_up(&tasks, 201).await;
    assert_eq!(everything.with(|state| state.0.streams.values().sum::<u64>()), 201);
    assert_eq!(tasks.with(|state| state.0.streams.len()), 2);
}

pub async fn a_projection_at_a_moment_is_as_it_was(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut events = Vec::new();
    for number in 1..=10_u64 {
        let mut event = fact("task-1", "task:noted", number);
        // The source's times run backwards.
        event.occurred_at = Some(Timestamp::from_micros(1_000_000 * (100 - number as i64)).unwrap());
        events.push(event);
    }
    log.append(batch(events)).await.unwrap();
    let sum = async |moment| log.at::<Everything>(moment).await.unwrap().0.sum;
    assert_eq!(sum(Moment::Position(Position(4))).await, 10);
    assert_eq!(sum(Moment::Position(Position::START)).await, 0);
    assert_eq!(sum(Moment::Time(Timestamp::from_micros(92_000_000).unwrap())).await, 27);
    assert_eq!(sum(Moment::Recorded(Timestamp::from_micros(0).unwrap())).await, 0);
    assert!(log.at::<Everything>(Moment::Version(crate::Version(3))).await.is_err());
}
