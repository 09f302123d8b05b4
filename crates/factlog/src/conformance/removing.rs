//! Removal and what survives it; checks and health.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Backend, batch, fact, fill, open};
use crate::{
    Condition, ErrorKind, Event, EventLog, Expect, Filter, Invalid, Position, Projection, REMOVED_TYPE,
    Removal, RemovedData, Version,
};

async fn remove(log: &EventLog, filter: Filter, through: u64) -> crate::Removed {
    log.remove(&Removal { filter, through: Position(through), archive: None }).await.unwrap()
}

fn stream(name: &str) -> Filter {
    Filter::stream(name.parse().unwrap())
}

pub async fn removal_says_so_and_keeps_versions_and_positions(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 10).await;
    fill(&log, "task-2", 10).await;
    let removed = remove(&log, stream("task-1"), 7).await;
    assert_eq!((removed.count, removed.position), (7, Some(Position(21))));
    let left: Vec<u64> =
        log.read(Filter::all()).collect().await.unwrap().iter().map(|event| event.position.0).collect();
    assert_eq!(left, (8..=21).collect::<Vec<_>>());
    let said = log.event_at(Position(21)).await.unwrap().unwrap();
    assert_eq!((said.event_type.as_str(), said.stream.as_str()), (REMOVED_TYPE, "log-retention"));
    let data: RemovedData = said.data.to().unwrap();
    assert_eq!((data.count, data.through, &data.filter), (7, Position(7), &stream("task-1")));
    // All of a stream may go; its version goes on.
    assert_eq!(remove(&log, stream("task-1"), 21).await.count, 3);
    let task = "task-1".parse().unwrap();
    let more = vec![fact("task-1", "task:noted", 1)];
    let appended = log.stream(&task).append(more, Expect::Version(Version(10))).await.unwrap();
    assert_eq!(appended.events[0].version, Version(11));
    assert_eq!(log.removals().await.unwrap().len(), 2);
    assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
}

pub async fn removed_ids_are_forgotten(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let event = fact("task-1", "task:noted", 1);
    log.append(event.clone()).await.unwrap();
    remove(&log, stream("task-1"), 1).await;
    assert!(log.get(event.id).await.unwrap().is_none());
    assert!(!log.append(event).await.unwrap().repeated);
}

pub async fn removal_of_nothing_records_nothing(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3).await;
    let removed = remove(&log, stream("task-9"), 3).await;
    assert_eq!((removed.count, removed.position), (0, None));
    assert_eq!(log.newest().await.unwrap(), Position(3));
}

pub async fn the_record_of_removals_cannot_be_removed(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3).await;
    remove(&log, Filter::all(), 2).await;
    remove(&log, Filter::all(), 100).await;
    let left = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(left.iter().map(|event| event.position.0).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(log.removals().await.unwrap().len(), 2);
}

pub async fn a_condition_whose_range_was_removed_is_refused(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 5).await;
    fill(&log, "agent-1", 5).await;
    remove(&log, Filter::categories(["task"]).unwrap(), 5).await;
    let after = |filter: Filter, after: u64| {
        batch([fact("user-1", "user:noted", 1)])
            .condition(Condition::NoneSince { filter, after: Position(after) })
            .unwrap()
    };
    let tasks = Filter::types(["task:never"]).unwrap();
    let refused = log.append(after(tasks.clone(), 4)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    log.append(after(tasks, 5)).await.unwrap();
    let untouched = Filter { streams: vec!["agent-9".parse().unwrap()], ..Filter::all() };
    log.append(after(untouched, 0)).await.unwrap();
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Tasks(u64);

impl Projection for Tasks {
    const NAME: &'static str = "tasks";
    const REVISION: u32 = 1;
    fn filter() -> Filter {
        Filter { categories: vec!["task".parse().unwrap()], ..Filter::all() }
    }
    fn apply(&mut self, _event: &Event) -> Result<(), Invalid> {
        self.0 += 1;
        Ok(())
    }
}

pub async fn a_projection_that_would_begin_in_a_removed_range_is_refused(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 5).await;
    remove(&log, stream("task-1"), 3).await;
    assert_eq!(log.project::<Tasks>().await.unwrap_err().kind(), ErrorKind::Invalid);
    let mut group = log.projections().partial();
    let partial = group.add::<Tasks>().await.unwrap();
    group.start();
    partial.caught_up(Position(6)).await.unwrap();
    assert_eq!(partial.with(|tasks| tasks.0), 2);
    let mut durable = log.follow(stream("task-1")).durable("tasks");
    assert_eq!(durable.next().await.unwrap().unwrap_err().kind(), ErrorKind::Invalid);
    let mut partial = log.follow(stream("task-1")).durable("tasks").partial();
    assert_eq!(partial.next().await.unwrap().unwrap().position, Position(4));
}

/// A removal up to the end of time refused every condition and follower after it, for ever.
pub async fn a_removal_reaches_to_the_head_at_the_most(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3).await;
    remove(&log, stream("task-1"), u64::MAX).await;
    assert_eq!(log.removals().await.unwrap()[0].through, Position(3));
    let condition = Condition::NoneSince { filter: stream("task-1"), after: log.newest().await.unwrap() };
    log.append(batch([fact("task-1", "task:noted", 4)]).condition(condition).unwrap()).await.unwrap();
    let mut durable = log.follow(stream("task-1")).after(Position(4)).durable("late");
    assert_eq!(durable.next().await.unwrap().unwrap().position, Position(5));
}

/// What was removed, perhaps because it had to be forgotten, was still given to new followers from the shared memory.
pub async fn removed_events_are_not_given_to_followers(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3).await;
    let mut early = log.follow(Filter::all());
    for position in 1..=3 {
        assert_eq!(early.next().await.unwrap().unwrap().position, Position(position));
    }
    remove(&log, stream("task-1"), 2).await;
    let mut late = log.follow(Filter::all());
    assert_eq!(late.next().await.unwrap().unwrap().position, Position(3));
    assert_eq!(early.next().await.unwrap().unwrap().event_type, REMOVED_TYPE);
}

pub async fn removals_that_came_with_a_copy_are_known(backend: Arc<dyn Backend>) {
    let source = EventLog::new(crate::MemoryStore::new());
    fill(&source, "task-1", 3).await;
    remove(&source, stream("task-1"), 2).await;
    let log = open(&backend).await;
    let events = source.read(Filter::all()).collect().await.unwrap();
    let events: Vec<Event> = events.iter().map(|event| (**event).clone()).collect();
    log.append(crate::Batch::kept(events).unwrap()).await.unwrap();
    let condition =
        Condition::NoneSince { filter: Filter::types(["task:never"]).unwrap(), after: Position(1) };
    let refused = log.append(batch([fact("task-2", "task:noted", 1)]).condition(condition).unwrap()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
}

pub async fn positions_past_every_end_are_only_far_away(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3).await;
    for far in [Position::MAX, Position(i64::MAX as u64), Position(u64::MAX)] {
        assert_eq!(log.read(stream("task-1")).after(far).collect().await.unwrap().len(), 0);
        assert_eq!(log.read(stream("task-1")).before(far).backwards().collect().await.unwrap().len(), 3);
        let condition = Condition::NoneSince { filter: Filter::all(), after: far };
        log.append(batch([fact("task-2", "task:noted", 1)]).condition(condition).unwrap()).await.unwrap();
        remove(&log, stream("task-2"), far.0).await;
    }
}

pub async fn removal_survives_opening_again(backend: Arc<dyn Backend>) {
    if !backend.survives_close() {
        return;
    }
    let log = open(&backend).await;
    fill(&log, "task-1", 4).await;
    remove(&log, Filter::all(), 4).await;
    log.close().await.unwrap();
    let log = open(&backend).await;
    let appended = log.append(fact("task-1", "task:noted", 1)).await.unwrap();
    assert_eq!((appended.last(), appended.events[0].version), (Position(6), Version(5)));
    let condition = Condition::NoneSince { filter: stream("task-1"), after: Position(1) };
    let refused = batch([fact("task-2", "task:noted", 1)]).condition(condition).unwrap();
    assert_eq!(log.append(refused).await.unwrap_err().kind(), ErrorKind::Conflict);
    let report = log.check().await.unwrap();
    assert_eq!((report.problems, report.events, report.removed), (Vec::<String>::new(), 2, 4));
}

/// A removal left its space in the file for ever.
pub async fn compaction_changes_nothing_that_is_read(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 2_000).await;
    fill(&log, "task-2", 500).await;
    remove(&log, stream("task-1"), 1_999).await;
    let before = log.read(Filter::all()).collect().await.unwrap();
    let compacted = log.compact().await.unwrap();
    assert!(compacted.after_bytes <= compacted.before_bytes, "{compacted:?}");
    assert_eq!(log.read(Filter::all()).collect().await.unwrap(), before);
    let appended = log.append(fact("task-1", "task:noted", 1)).await.unwrap();
    assert_eq!((appended.last(), appended.events[0].version), (Position(2_502), Version(2_001)));
    assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
}

/// A log of years is swept in one go; nothing of it may be left out or said twice, however a store does it.
pub async fn a_removal_of_many_events_is_said_to_the_last(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for _ in 0..11 {
        fill(&log, "task-1", 1_000).await;
        fill(&log, "task-2", 1_000).await;
    }
    let removed = remove(&log, stream("task-1"), 21_500).await;
    assert_eq!(removed.count, 11_000);
    let said = log.removals().await.unwrap();
    assert_eq!(said.iter().map(|gone| gone.count).sum::<u64>(), 11_000);
    assert!(said.iter().all(|gone| gone.filter == stream("task-1")));
    assert!(said.last().unwrap().through >= Position(21_000));
    assert_eq!(removed.position, Some(log.newest().await.unwrap()));
    assert_eq!(log.read(stream("task-2")).collect().await.unwrap().len(), 11_000);
    assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
}

pub async fn a_check_of_a_good_log_finds_nothing(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 1_500).await;
    let report = log.check().await.unwrap();
    assert_eq!((report.events, report.streams, report.head), (1_500, 1, Position(1_500)));
    assert!(report.problems.is_empty() && report.warnings.is_empty(), "{report:?}");
}

pub async fn health_says_where_the_log_is(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 3).await;
    let health = log.health().await;
    assert!(health.healthy, "{health:?}");
    assert_eq!(health.head, Position(3));
    assert!(health.last_append_at.is_some());
}
