//! Promises 1 to 6: whole, durable, one order, once, as written, time follows order.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;

use super::{Backend, batch, fact, fill, open, positions};
use crate::limits::POSITION_MAX;
use crate::{
    Batch, Condition, ErrorKind, Event, EventId, Expect, Filter, Json, NewEvent, Position, Priority,
    StreamName, Timestamp, Version,
};

fn name(text: &str) -> StreamName {
    text.parse().unwrap()
}

pub async fn a_batch_is_recorded_whole_or_not_at_all(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    log.append(fact("task-1", "task:created", 1)).await.unwrap();
    // The conflict is in the middle: nothing of the batch may be there.
    let torn = batch([fact("task-2", "task:created", 1), fact("task-1", "task:started", 2)])
        .expect(name("task-1"), Expect::Version(Version(7)))
        .unwrap();
    assert_eq!(log.append(torn).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(log.read(Filter::all()).collect().await.unwrap().len(), 1);
    let whole = log.append(batch((1..=10).map(|n| fact("task-3", "task:noted", n)))).await.unwrap();
    assert_eq!(positions(&whole), (2..=11).collect::<Vec<_>>());
}

pub async fn positions_are_dense_and_versions_continue_each_stream(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for number in 1..=20 {
        let stream = format!("task-{}", number % 3);
        log.append([fact(&stream, "task:noted", number), fact("task-all", "task:noted", number)])
            .await
            .unwrap();
    }
    let mut versions: HashMap<StreamName, u64> = HashMap::new();
    for (index, event) in log.read(Filter::all()).collect().await.unwrap().iter().enumerate() {
        assert_eq!(event.position.0, index as u64 + 1);
        let version = versions.entry(event.stream.clone()).or_default();
        *version += 1;
        assert_eq!(event.version.0, *version, "{}", event.stream);
    }
    assert_eq!(versions[&name("task-all")], 20);
    assert_eq!(log.stream(&name("task-all")).version().await.unwrap(), Version(20));
    assert_eq!(log.stream(&name("task-none")).version().await.unwrap(), Version::NONE);
}

pub async fn a_stale_writer_is_refused_and_told_where_the_stream_is(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let task = name("task-1");
    log.append([fact("task-1", "task:created", 1), fact("task-1", "task:started", 2)]).await.unwrap();
    let stale = vec![fact("task-1", "task:completed", 3)];
    let error = log.stream(&task).append(stale, Expect::Version(Version(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.stream(), Some(&task));
    assert_eq!((error.expected(), error.actual()), (Some(Version(1)), Some(Version(2))));
    let fresh = vec![fact("task-1", "task:completed", 3)];
    let appended = log.stream(&task).append(fresh, Expect::Version(Version(2))).await.unwrap();
    assert_eq!(appended.events[0].version, Version(3));
}

pub async fn expectations_none_exists_and_any_mean_what_they_say(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let task = name("task-1");
    let append = async |expect| {
        log.stream(&task).append(vec![fact("task-1", "task:noted", 1)], expect).await.map_err(|e| e.kind())
    };
    assert_eq!(append(Expect::Exists).await.unwrap_err(), ErrorKind::Conflict);
    append(Expect::Version(Version::NONE)).await.unwrap();
    assert_eq!(append(Expect::Version(Version::NONE)).await.unwrap_err(), ErrorKind::Conflict);
    append(Expect::Exists).await.unwrap();
    append(Expect::Any).await.unwrap();
    append(Expect::Version(Version(3))).await.unwrap();
}

pub async fn an_expectation_on_another_stream_guards_the_batch(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    log.append(fact("agent-1", "agent:spawned", 1)).await.unwrap();
    let guarded = |version| {
        batch([fact("task-1", "task:assigned", 1)])
            .expect(name("agent-1"), Expect::Version(Version(version)))
            .unwrap()
    };
    log.append(guarded(1)).await.unwrap();
    log.append(fact("agent-1", "agent:stopped", 2)).await.unwrap();
    assert_eq!(log.append(guarded(1)).await.unwrap_err().kind(), ErrorKind::Conflict);
}

pub async fn a_conflict_refuses_one_batch_and_not_its_neighbours(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let expecting = |version| {
        batch([fact("task-1", "task:noted", version)])
            .expect(name("task-1"), Expect::Version(Version(version)))
            .unwrap()
    };
    let outcomes = log.append_each(vec![expecting(0), expecting(0), expecting(1), expecting(9)]).await;
    let kinds: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().map_err(crate::Error::kind).map(|_| ())).collect();
    let conflict = Err(ErrorKind::Conflict);
    assert_eq!(kinds, [Ok(()), conflict, Ok(()), conflict]);
    assert_eq!(log.newest().await.unwrap(), Position(2));
}

pub async fn the_same_ids_again_change_nothing_and_return_the_first_result(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "other-1", 3).await;
    let events = vec![fact("task-1", "task:created", 1), fact("task-2", "task:created", 2)];
    let first = log.append(events.clone()).await.unwrap();
    fill(&log, "other-1", 3).await;
    let again = log.append(events.clone()).await.unwrap();
    assert!(!first.repeated && again.repeated);
    assert_eq!((again.events, again.recorded_at), (first.events, first.recorded_at));
    assert_eq!(log.newest().await.unwrap(), Position(8));
    // A better adapter runs again: the rest of the envelope may differ.
    let mut better = events;
    better[0].source = Some("importer-2".parse().unwrap());
    assert!(log.append(better).await.unwrap().repeated);
}

pub async fn a_repeat_is_recognised_before_its_stale_expectation(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let once = batch([fact("task-1", "task:created", 1)])
        .expect(name("task-1"), Expect::Version(Version::NONE))
        .unwrap();
    log.append(once.clone()).await.unwrap();
    log.append(fact("task-1", "task:started", 2)).await.unwrap();
    assert!(
        log.append(once).await.unwrap().repeated,
        "an answer that was lost on its way is asked for again"
    );
}

pub async fn an_id_with_another_content_is_a_conflict(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let event = fact("task-1", "task:created", 1);
    log.append(event.clone()).await.unwrap();
    for other in [
        NewEvent { stream: name("task-2"), ..event.clone() },
        NewEvent { event_type: "task:closed".parse().unwrap(), ..event.clone() },
        NewEvent { data: Json::parse("{}").unwrap(), ..event.clone() },
    ] {
        assert_eq!(log.append(other).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    assert_eq!(log.newest().await.unwrap(), Position(1));
}

pub async fn a_batch_that_mixes_known_and_new_ids_is_refused(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let known = fact("task-1", "task:created", 1);
    log.append(known.clone()).await.unwrap();
    let mixed = [fact("task-1", "task:started", 2), known.clone()];
    assert_eq!(log.append(mixed).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(log.newest().await.unwrap(), Position(1));
    let found = log.read(Filter::ids([known.id, EventId::generate()])).collect().await.unwrap();
    assert_eq!(found.len(), 1, "a filter of ids tells which are known");
}

pub async fn a_repeat_within_one_group_is_a_repeat(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let event = fact("task-1", "task:created", 1);
    let outcomes = log.append_each(vec![batch([event.clone()]), batch([event.clone()])]).await;
    let repeated: Vec<bool> = outcomes.into_iter().map(|outcome| outcome.unwrap().repeated).collect();
    assert_eq!(repeated, [false, true]);
}

pub async fn a_condition_holds_until_something_matches(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "other-1", 30).await;
    let once = |after| {
        let filter = Filter { tags: vec!["user:ada".parse().unwrap()], ..Filter::all() };
        batch([fact("user-1", "user:registered", 1).with_tag("user:ada").unwrap()])
            .condition(Condition::NoneSince { filter, after: Position(after) })
            .unwrap()
    };
    log.append(once(0)).await.unwrap();
    assert_eq!(log.append(once(0)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(log.append(once(30)).await.unwrap_err().kind(), ErrorKind::Conflict);
    log.append(once(31)).await.unwrap();
}

pub async fn a_condition_sees_what_the_same_group_wrote(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let once = || {
        let filter = Filter::types(["seat:taken"]).unwrap();
        batch([fact("seat-1", "seat:taken", 1)])
            .condition(Condition::NoneSince { filter, after: Position::START })
            .unwrap()
    };
    let outcomes = log.append_each(vec![once(), once(), once()]).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

pub async fn of_many_writers_one_wins_each_version(backend: Arc<dyn Backend>) {
    const WRITERS: u64 = 8;
    const VERSIONS: u64 = 25;
    let log = open(&backend).await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        writers.push(tokio::spawn(async move {
            let mut won = 0;
            for version in 0..VERSIONS {
                let events = vec![fact("task-1", "task:claimed", writer)];
                let expect = Expect::Version(Version(version));
                match log.stream(&name("task-1")).append(events, expect).await {
                    Ok(_) => won += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
                }
            }
            won
        }));
    }
    let mut won = 0;
    for writer in writers {
        won += writer.await.unwrap();
    }
    let events = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(won, events.len());
    assert!(events.len() as u64 <= VERSIONS && !events.is_empty());
    assert!(events.iter().enumerate().all(|(index, event)| event.version.0 == index as u64 + 1));
}

pub async fn writers_of_many_streams_lose_nothing(backend: Arc<dyn Backend>) {
    const WRITERS: u64 = 16;
    const EVENTS: u64 = 40;
    let log = open(&backend).await;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        writers.push(tokio::spawn(async move {
            for number in 0..EVENTS {
                let events = vec![fact(&format!("agent-{writer}"), "agent:acted", number)];
                let expect = Expect::Version(Version(number));
                log.stream(&name(&format!("agent-{writer}"))).append(events, expect).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let events = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(events.len() as u64, WRITERS * EVENTS);
    assert!(events.iter().enumerate().all(|(index, event)| event.position.0 == index as u64 + 1));
}

pub async fn recorded_times_never_decrease(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    // The log was copied from a machine whose clock is ahead.
    let ahead = Timestamp::from_micros(Timestamp::now().as_micros() + 3_600_000_000).unwrap();
    let event = Event {
        position: Position(1),
        version: Version(1),
        recorded_at: ahead,
        fact: fact("task-1", "task:created", 1),
    };
    log.append(Batch::kept(vec![event]).unwrap()).await.unwrap();
    let appended = log.append(fact("task-1", "task:started", 2)).await.unwrap();
    assert_eq!(appended.recorded_at, ahead);
    let report = log.check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

pub async fn data_and_metadata_come_back_byte_for_byte(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let texts = [
        r#"{"b":1.0,"a":-0.0,"big":123456789012345678901234567890,"e":1e400}"#,
        r#"{"unicode":"é \u00e9 😀 \ud83d\ude00 \u0000","":[[],{},null,true]}"#,
        r#""a text \/ \" \\ ""#,
        "12.50",
        "null",
        "[]",
    ];
    for (number, text) in texts.iter().enumerate() {
        let mut event = fact("raw-1", "raw:kept", number as u64);
        event.data = Json::parse(text).unwrap();
        event.metadata = Some(Json::parse(&format!(r#"{{"kept":{text}}}"#)).unwrap());
        log.append(event).await.unwrap();
    }
    for (event, text) in log.read(Filter::all()).collect().await.unwrap().iter().zip(texts) {
        assert_eq!(event.data.as_str(), text);
        assert_eq!(event.metadata.as_ref().unwrap().as_str(), format!(r#"{{"kept":{text}}}"#));
    }
}

/// An event with every field there is.
fn full_event() -> NewEvent {
    let text = |text: &str| Some(text.parse().unwrap());
    NewEvent {
        source: text("agent-7"),
        targets: vec!["agent-1".parse().unwrap(), "agent-2".parse().unwrap()],
        occurred_at: Some("2026-11-20T23:44:30.123456Z".parse().unwrap()),
        correlation_id: text("build 9 – größer"),
        causation_id: Some(EventId::generate()),
        session_id: text("0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d"),
        user_id: text("ada"),
        priority: Some(Priority::High),
        expires_at: Some("1969-01-01T00:00:00Z".parse().unwrap()),
        traceparent: text("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        tags: vec!["ci".parse().unwrap(), "file:src/main.rs".parse().unwrap()],
        metadata: Some(Json::parse(r#"{"k":[1]}"#).unwrap()),
        ..fact("task-1", "task:completed", 1)
    }
}

pub async fn every_field_of_the_envelope_comes_back(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut uuid = full_event();
    uuid.id = EventId::generate();
    uuid.correlation_id = Some("0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d".parse().unwrap());
    let mut upper = full_event();
    upper.id = EventId::generate();
    upper.correlation_id = Some("0192F0C1-7C1B-7A52-8F6E-3D1F0A9B2C4D".parse().unwrap());
    let given = [full_event(), uuid, upper, fact("task-1", "task:noted", 2)];
    log.append(given.clone()).await.unwrap();
    let kept = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(kept.len(), given.len());
    for (event, given) in kept.iter().zip(&given) {
        assert_eq!(&event.fact, given);
    }
}

pub async fn kept_stamps_are_kept(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let at = |position, version, number| Event {
        position: Position(position),
        version: Version(version),
        recorded_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        fact: fact("task-1", "task:noted", number),
    };
    // Gaps are what a removal at the source has left.
    let events = vec![at(3, 2, 1), at(4, 3, 2), at(9, 7, 3)];
    log.append(Batch::kept(events.clone()).unwrap()).await.unwrap();
    let kept = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(kept.iter().map(|event| (**event).clone()).collect::<Vec<_>>(), events);
    let next = log.append(fact("task-1", "task:noted", 4)).await.unwrap();
    assert_eq!((next.last(), next.events[0].version), (Position(10), Version(8)));
    assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
}

pub async fn kept_stamps_behind_the_head_are_refused(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 5).await;
    let event = Event {
        position: Position(5),
        version: Version(6),
        recorded_at: Timestamp::now(),
        fact: fact("task-1", "task:noted", 1),
    };
    let behind = Batch::kept(vec![event]).unwrap();
    assert_eq!(log.append(behind).await.unwrap_err().kind(), ErrorKind::Conflict);
}

/// Story: a line of a tree said version 2^64-1, which was kept, and the next append to its stream had no version to go on
/// at: it panicked, or began again at 0.
pub async fn versions_stay_below_2_to_the_53(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let at = |position, version| {
        let fact = fact("task-1", "task:noted", position);
        let recorded_at = "2026-01-01T00:00:00Z".parse().unwrap();
        Batch::kept(vec![Event {
            position: Position(position),
            version: Version(version),
            recorded_at,
            fact,
        }])
        .unwrap()
    };
    for version in [POSITION_MAX + 1, u64::MAX] {
        assert_eq!(log.append(at(3, version)).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
    log.append(at(3, POSITION_MAX)).await.unwrap();
    let refused = log.append(fact("task-1", "task:noted", 2)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert_eq!(log.read(Filter::all()).collect().await.unwrap()[0].version, Version(POSITION_MAX));
    assert_eq!(log.check().await.unwrap().problems, Vec::<String>::new());
}

pub async fn appends_after_close_are_refused(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    log.append(fact("task-1", "task:created", 1)).await.unwrap();
    log.close().await.unwrap();
    log.close().await.unwrap();
    let refused = log.append(fact("task-1", "task:created", 2)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Stopped);
    assert_eq!(log.read(Filter::all()).collect().await.unwrap_err().kind(), ErrorKind::Stopped);
    assert!(!log.health().await.healthy);
}

pub async fn a_log_that_is_opened_again_goes_on_where_it_stopped(backend: Arc<dyn Backend>) {
    if !backend.survives_close() {
        return;
    }
    let once = fact("task-1", "task:created", 1);
    let first = {
        let log = open(&backend).await;
        let first = log.append(once.clone()).await.unwrap();
        log.close().await.unwrap();
        first
    };
    let log = open(&backend).await;
    let again = log.append(once).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.events, first.events);
    let next = log.append(fact("task-1", "task:started", 2)).await.unwrap();
    assert_eq!((next.last(), next.events[0].version), (Position(2), Version(2)));
    assert!(next.recorded_at >= first.recorded_at);
}
