//! Two logs beside each other: what differs is named, and how much of it is bounded.

use std::sync::Arc;

use factlog::{Batch, Event, EventLog, Filter, Json, Position, Version};
use factlog_adapters::copy::{DIFFERENCES_KEPT_MAX, Kind, Verdict};

use crate::{compared, copied, events, fact, full, log_of, memory, remove};

/// A log with one event.
async fn log_with(event: Event) -> EventLog {
    let log = memory();
    log.append(Batch::kept(vec![event]).unwrap()).await.unwrap();
    log
}

#[tokio::test]
async fn a_field_that_differs_is_named_whichever_it_is() {
    let first = memory();
    first.append(full()).await.unwrap();
    let event: Event = (*events(&first).await[0]).clone();
    let other = |change: fn(&mut Event)| {
        let mut event = event.clone();
        change(&mut event);
        event
    };
    let cases: [(&str, Event); 18] = [
        ("id", other(|event| event.fact.id = fact("x", 1).id)),
        ("version", other(|event| event.version = Version(2))),
        ("recordedAt", other(|event| event.recorded_at = "2030-01-01T00:00:00Z".parse().unwrap())),
        ("stream", other(|event| event.fact.stream = "task-3".parse().unwrap())),
        ("type", other(|event| event.fact.event_type = "task:failed".parse().unwrap())),
        ("source", other(|event| event.fact.source = None)),
        ("targets", other(|event| event.fact.targets.reverse())),
        ("occurredAt", other(|event| event.fact.occurred_at = None)),
        ("correlationId", other(|event| event.fact.correlation_id = None)),
        ("causationId", other(|event| event.fact.causation_id = None)),
        ("sessionId", other(|event| event.fact.session_id = None)),
        ("userId", other(|event| event.fact.user_id = None)),
        ("priority", other(|event| event.fact.priority = None)),
        ("expiresAt", other(|event| event.fact.expires_at = None)),
        ("traceparent", other(|event| event.fact.traceparent = None)),
        ("tags", other(|event| event.fact.tags.reverse())),
        (
            "metadata",
            other(|event| event.fact.metadata = Some(Json::parse(r#"{"line":7,"b":0.1}"#).unwrap())),
        ),
        (
            "data",
            other(|event| event.fact.data = Json::parse(r#"{"z":1,"a":[1e400,-0.0,"\u00e9 é"]}"#).unwrap()),
        ),
    ];
    for (field, changed) in cases {
        let compared = compared(&first, &log_with(changed).await).await;
        assert_eq!((compared.result, compared.different, compared.alike), (Verdict::Different, 1, 0));
        let found = &compared.differences[0];
        assert_eq!((found.position, found.kind, found.field), (Position(1), Kind::Different, Some(field)));
    }
}

#[tokio::test]
async fn a_shorter_log_is_called_that_and_its_end_is_no_difference() {
    let here = log_of(1_500).await;
    let there = memory();
    copied(&here, &there).await;
    there.append(vec![fact("task-1", 1), fact("task-1", 2)]).await.unwrap();
    let shorter = compared(&here, &there).await;
    assert_eq!(shorter.result, Verdict::HereEndsEarlier);
    assert_eq!((shorter.here, shorter.there, shorter.alike, shorter.different), (1_500, 1_502, 1_500, 0));
    let longer = compared(&there, &here).await;
    assert_eq!((longer.result, longer.different), (Verdict::ThereEndsEarlier, 0));
    assert_eq!(compared(&memory(), &memory()).await.result, Verdict::Equal);
    assert_eq!(compared(&memory(), &here).await.result, Verdict::HereEndsEarlier);
}

#[tokio::test]
async fn events_that_only_one_log_has_are_named_up_to_a_bound_and_all_counted() {
    let here = log_of(100).await;
    let there = memory();
    copied(&here, &there).await;
    remove(&here, Filter::stream("task-1".parse().unwrap()), 100).await;
    let found = compared(&here, &there).await;
    assert_eq!((found.result, found.different, found.alike), (Verdict::Different, 51, 50));
    assert_eq!(found.differences.len(), DIFFERENCES_KEPT_MAX);
    assert!(found.differences.iter().all(|one| one.kind == Kind::MissingHere && one.position.0 % 2 == 1));
    let turned = compared(&there, &here).await;
    assert!(turned.differences.iter().all(|one| one.kind == Kind::MissingThere));
    assert_eq!((turned.here, turned.there), (found.there, found.here));
}

/// A page ends where it has enough bytes, and two stores need not agree where.
#[tokio::test]
async fn logs_with_pages_of_different_length_are_compared_by_position() {
    let here = log_of(2_500).await;
    remove(&here, Filter::stream("task-2".parse().unwrap()), 1_500).await;
    let there = memory();
    let batches = events(&here).await;
    for part in batches.chunks(7) {
        let part = part.iter().map(|event| Arc::unwrap_or_clone(Arc::clone(event))).collect();
        there.append(Batch::kept(part).unwrap()).await.unwrap();
    }
    assert_eq!(compared(&here, &there).await.result, Verdict::Equal);
}
