//! Projections as they stood at moments of the past, and the histories that make it cheap.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::{Backend, batch, fact, fill, open};
use crate::{
    ErrorKind, Event, EventLog, Filter, Invalid, Moment, Position, Projected, Projection, Removal,
    SnapshotInfo, Timestamp,
};

/// Longer than anything takes that works; a case that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Fixed, so that a failure can be seen again.
const SEED: u64 = 20_261_121;

/// A state that another order, a missing or a repeated event would change.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Trail {
    streams: BTreeMap<String, u64>,
    mixed: u64,
}

impl Trail {
    pub(super) fn take(&mut self, event: &Event) {
        *self.streams.entry(event.stream.to_string()).or_default() += 1;
        self.mixed = self.mixed.wrapping_mul(31).wrapping_add(event.position.0);
    }
}

macro_rules! trail {
    ($name:ident, $stored:literal, $revision:literal, every $events:literal, $filter:expr) => {
        #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
        struct $name(Trail);
        impl Projection for $name {
            const NAME: &'static str = $stored;
            const REVISION: u32 = $revision;
            const SNAPSHOT_EVENTS: u64 = $events;
            fn filter() -> Filter {
                $filter
            }
            fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
                self.0.take(event);
                Ok(())
            }
        }
    };
}

trail!(Everything, "trail", 1, every 7, Filter::all());
trail!(EverythingAnew, "trail", 2, every 7, Filter::all());
trail!(Tasks, "trail/tasks", 1, every 3, Filter::categories(["task"]).unwrap());

async fn caught_up<P: Projection>(projected: &Projected<P>, position: Position) {
    let caught_up = tokio::time::timeout(PATIENCE, projected.caught_up(position));
    caught_up.await.expect("the projection catches up").unwrap();
}

async fn kept(log: &EventLog, prefix: &str) -> Vec<SnapshotInfo> {
    log.snapshots().list(prefix, None).await.unwrap()
}

async fn history(log: &EventLog, key: &str) -> Vec<u64> {
    kept(log, &format!("{key}/history")).await.into_iter().map(|info| info.position.0).collect()
}

/// Waits until a projection has remembered its state at a position: a quiet second is enough.
async fn remembered(log: &EventLog, key: &str, position: Position) {
    let remembered = async {
        loop {
            let found = log.snapshots().load(key, Position::MAX).await.unwrap();
            if found.is_some_and(|found| found.position == position) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, remembered).await.expect("it is remembered");
}

fn time(rng: &mut Rng) -> Timestamp {
    Timestamp::from_micros(1_750_000_000_000_000 + rng.i64(0..500) * 1_000_000).unwrap()
}

/// Events of a few streams, whose sources' times go back and forth.
pub(super) async fn append_at_random(log: &EventLog, rng: &mut Rng, count: u64) {
    let mut left = count;
    while left > 0 {
        let size = rng.u64(1..=20).min(left);
        let events = (0..size).map(|number| {
            let stream = ["task-1", "task-2", "task-23", "agent-1"][rng.usize(..4)];
            let mut event = fact(stream, "thing:noted", number);
            event.occurred_at = rng.bool().then(|| time(rng));
            event
        });
        log.append(batch(events)).await.unwrap();
        left -= size;
    }
}

/// Moments of every kind, among them the ends.
pub(super) fn moments(rng: &mut Rng, all: &[Arc<Event>], count: usize) -> Vec<Moment> {
    let last = all.last().unwrap();
    let mut moments = vec![
        Moment::Position(Position::START),
        Moment::Position(Position::MAX),
        Moment::Time(last.recorded_at),
    ];
    for _ in 0..count {
        let event = &all[rng.usize(..all.len())];
        moments.push(match rng.usize(..4) {
            0 => Moment::Position(event.position),
            1 => Moment::Recorded(event.recorded_at),
            2 => Moment::Time(event.time()),
            _ => Moment::Time(time(rng)),
        });
    }
    moments
}

fn folded<P: Projection>(all: &[Arc<Event>], moment: Moment) -> P {
    let mut state = P::default();
    let filter = P::filter();
    for event in all.iter().filter(|event| filter.matches(event) && moment.includes(event)) {
        state.apply(event).unwrap();
    }
    state
}

async fn agrees<P: Projection + PartialEq + std::fmt::Debug>(log: &EventLog, rng: &mut Rng) {
    let all = log.read(Filter::all()).collect().await.unwrap();
    for moment in moments(rng, &all, 60) {
        let state = log.at::<P>(moment).await.unwrap();
        assert_eq!(state, folded::<P>(&all, moment), "seed {SEED}, {} at {moment:?}", P::NAME);
    }
}

pub async fn a_projection_at_any_moment_is_what_a_fold_from_nothing_makes(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut rng = Rng::with_seed(SEED);
    append_at_random(&log, &mut rng, 150).await;
    agrees::<Everything>(&log, &mut rng).await;
    // Live from the middle on, with a history of its own; then with that of a rebuild.
    let mut group = log.projections();
    let everything = group.add::<Everything>().await.unwrap();
    let tasks = group.add::<Tasks>().await.unwrap();
    group.start();
    for _ in 0..10 {
        append_at_random(&log, &mut rng, 40).await;
        caught_up(&everything, log.newest().await.unwrap()).await;
    }
    for key in ["projection/trail/1", "projection/trail/tasks/1"] {
        remembered(&log, key, Position(550)).await;
        assert!(history(&log, key).await.len() > 5, "there is a history");
    }
    agrees::<Everything>(&log, &mut rng).await;
    agrees::<Tasks>(&log, &mut rng).await;
    everything.rebuild().await.unwrap();
    tasks.rebuild().await.unwrap();
    agrees::<Everything>(&log, &mut rng).await;
    agrees::<Tasks>(&log, &mut rng).await;
}

static APPLIED: AtomicU64 = AtomicU64::new(0);

/// Counts how often it is called.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counted(u64);

impl Projection for Counted {
    const NAME: &'static str = "counted";
    const REVISION: u32 = 1;
    fn filter() -> Filter {
        Filter::all()
    }
    fn apply(&mut self, _event: &Event) -> Result<(), Invalid> {
        self.0 += 1;
        APPLIED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Origin A: every look at the past read everything from the first event.
pub async fn a_look_at_the_past_folds_only_the_events_since_the_state_before_it(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3_000).await;
    let cost = async |position: u64| {
        let before = APPLIED.load(Ordering::Relaxed);
        assert_eq!(log.at::<Counted>(Moment::Position(Position(position))).await.unwrap().0, position);
        APPLIED.load(Ordering::Relaxed) - before
    };
    assert_eq!(cost(2_500).await, 2_500, "nothing is remembered yet");
    log.project::<Counted>().await.unwrap().rebuild().await.unwrap();
    for position in [2_999, 2_950, 2_500, 2_000, 1_500, 1_000] {
        let age = 3_000 - position;
        let cost = cost(position).await;
        assert!(cost <= 100.max(age / 8 + 100), "{cost} events were folded for {position}");
    }
    assert_eq!(cost(3_000).await, 0, "the checkpoint serves too");
}

/// Origin A: a reconstruction wrote a snapshot, again and again, also of what does not exist.
pub async fn looking_back_remembers_nothing(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut rng = Rng::with_seed(SEED);
    append_at_random(&log, &mut rng, 100).await;
    for moment in [Moment::Position(Position(70)), Moment::Time(time(&mut rng))] {
        log.at::<Everything>(moment).await.unwrap();
    }
    assert_eq!(kept(&log, "").await, []);
    log.project::<Everything>().await.unwrap().rebuild().await.unwrap();
    let before = kept(&log, "").await;
    log.at::<Everything>(Moment::Position(Position(70))).await.unwrap();
    assert_eq!(kept(&log, "").await, before);
}

pub async fn a_history_is_thinned_with_age(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let everything = log.project::<Everything>().await.unwrap();
    for _ in 0..40 {
        fill(&log, "task-1", 70).await;
        caught_up(&everything, log.newest().await.unwrap()).await;
    }
    remembered(&log, "projection/trail/1", Position(2_800)).await;
    let history = history(&log, "projection/trail/1").await;
    assert!((20..60).contains(&history.len()), "of 400 states {} are kept", history.len());
    let mut before = 0;
    for position in history {
        let most = 7.max((2_800 - before) / 8);
        assert!(position - before <= most, "between {before} and {position}");
        before = position;
    }
    assert!(before > 2_790);
}

/// A state of ten million bytes would be written every hundred events.
pub async fn a_large_state_is_kept_less_often(backend: Arc<dyn Backend>) {
    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Large(String);
    impl Projection for Large {
        const NAME: &'static str = "large";
        const REVISION: u32 = 1;
        fn filter() -> Filter {
            Filter::all()
        }
        fn apply(&mut self, _event: &Event) -> Result<(), Invalid> {
            if self.0.is_empty() {
                self.0 = "x".repeat(256 * 500);
            }
            Ok(())
        }
    }
    let log = open(&backend).await;
    let large = log.project::<Large>().await.unwrap();
    for _ in 0..50 {
        fill(&log, "task-1", 50).await;
        caught_up(&large, log.newest().await.unwrap()).await;
    }
    remembered(&log, "projection/large/1", Position(2_500)).await;
    let history = history(&log, "projection/large/1").await;
    assert!(history.len() <= 5 && history.windows(2).all(|pair| pair[1] - pair[0] >= 500), "{history:?}");
}

pub async fn a_new_revision_forgets_the_old_history_and_no_other_projection(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 300).await;
    let mut group = log.projections();
    let old = group.add::<Everything>().await.unwrap();
    let tasks = group.add::<Tasks>().await.unwrap();
    group.start();
    old.rebuild().await.unwrap();
    tasks.rebuild().await.unwrap();
    drop((old, tasks));
    let keys = async || {
        let mut keys: Vec<String> =
            kept(&log, "projection/").await.into_iter().map(|info| info.key).collect();
        keys.dedup();
        keys
    };
    let others = ["projection/trail/tasks/1", "projection/trail/tasks/1/history"];
    assert_eq!(keys().await, [&["projection/trail/1", "projection/trail/1/history"], &others[..]].concat());
    log.project::<EverythingAnew>().await.unwrap().rebuild().await.unwrap();
    assert_eq!(keys().await, [&["projection/trail/2", "projection/trail/2/history"], &others[..]].concat());
}

/// Who takes a projection's state away has it built anew, and a history of what was before would be wrong.
pub async fn a_projection_whose_state_was_forgotten_begins_a_new_history(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 300).await;
    log.project::<Everything>().await.unwrap().rebuild().await.unwrap();
    let wrong = history(&log, "projection/trail/1").await;
    log.snapshots().forget("projection/trail/1", Position::MAX).await.unwrap();
    let anew = log.project::<Everything>().await.unwrap();
    caught_up(&anew, Position(300)).await;
    remembered(&log, "projection/trail/1", Position(300)).await;
    let infos = kept(&log, "projection/trail/1/history").await;
    assert!(!infos.is_empty() && infos.iter().all(|info| info.revision.0 > wrong.len() as u64));
}

pub async fn two_runners_of_one_projection_do_not_harm_each_other(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let (one, two) = (log.project::<Everything>().await.unwrap(), log.project::<Everything>().await.unwrap());
    let mut rng = Rng::with_seed(SEED);
    for _ in 0..10 {
        append_at_random(&log, &mut rng, 30).await;
        caught_up(&one, log.newest().await.unwrap()).await;
        one.rebuild().await.unwrap();
        two.rebuild().await.unwrap();
    }
    caught_up(&two, Position(300)).await;
    assert_eq!(one.with(Clone::clone), two.with(Clone::clone));
    remembered(&log, "projection/trail/1", Position(300)).await;
    agrees::<Everything>(&log, &mut rng).await;
}

pub async fn a_removed_past_is_refused_and_a_state_kept_from_before_still_serves(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 100).await;
    log.project::<Tasks>().await.unwrap().rebuild().await.unwrap();
    let kept = Moment::Position(Position(*history(&log, "projection/trail/tasks/1").await.last().unwrap()));
    let whole = log.at::<Tasks>(kept).await.unwrap();
    fill(&log, "task-1", 100).await;
    let newest = log.event_at(Position(200)).await.unwrap().unwrap();
    let removal = Removal { filter: Filter::all(), through: Position(150), archive: None };
    log.remove(&removal).await.unwrap();

    // What is kept exactly there needs no events, and knows those that are gone.
    assert_eq!(log.at::<Tasks>(kept).await.unwrap(), whole);
    for moment in [
        Moment::Position(Position(200)),
        Moment::Time(newest.recorded_at),
        Moment::Recorded(newest.recorded_at),
        Moment::Recorded(Timestamp::from_micros(0).unwrap()),
    ] {
        let refused = log.at::<Tasks>(moment).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{moment:?}");
        log.at::<Tasks>(moment).partial().await.unwrap();
    }
    // From the state at 100, the 50 events that are left.
    let partial = log.at::<Tasks>(Moment::Position(Position(200))).partial().await.unwrap();
    assert_eq!(partial.0.streams["task-1"], 150);
    // A state from past the removal serves everything after it.
    let mut group = log.projections().partial();
    let tasks = group.add::<Tasks>().await.unwrap();
    group.start();
    caught_up(&tasks, Position(201)).await;
    remembered(&log, "projection/trail/tasks/1", Position(201)).await;
    fill(&log, "task-1", 2).await;
    assert_eq!(log.at::<Tasks>(Moment::Position(Position(203))).await.unwrap().0.streams["task-1"], 152);
}
