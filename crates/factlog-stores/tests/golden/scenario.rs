//! What stands in every golden log, and what must be found there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use factlog::{EventLog, Filter, Keep, NewEvent, Position, Removal, Snapshot};

/// Writes it all into a new log; the events that are left, as lines.
pub(crate) async fn write(log: &EventLog) -> String {
    let full = include_str!("full-event.json").parse::<factlog::EventLine>().unwrap().event;
    let fact = |data: &str| {
        let event = NewEvent::new("task-1", "task:noted", ()).unwrap();
        NewEvent { data: factlog::Json::parse(data).unwrap(), ..event }
    };
    log.append(fact("1.50")).await.unwrap();
    log.append([fact(r#"{"b":"\u00e9 é","a":[]}"#), full]).await.unwrap();
    for data in ["{\"n\":1}", "{\"n\":2.0}"] {
        let data = factlog::Json::parse(data).unwrap();
        log.snapshots().save(Snapshot::new("state", Position(3), data), None, Keep::History).await.unwrap();
    }
    log.append(fact("null")).await.unwrap();
    let first = Removal { filter: Filter::all(), through: Position(1), archive: Some("none".into()) };
    log.remove(&first).await.unwrap();
    log.append(NewEvent::new("agent-1", "agent:spawned", serde_json::json!({})).unwrap()).await.unwrap();
    let events = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(events.iter().map(|event| event.position.0).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    events.iter().map(|event| event.to_json() + "\n").collect()
}

/// Reads it all, and goes on where the log stopped. `lines` are the events as they were written.
pub(crate) async fn read(log: &EventLog, lines: &str) {
    let events = log.read(Filter::all()).collect().await.unwrap();
    let found: String = events.iter().map(|event| event.to_json() + "\n").collect();
    assert_eq!(found, lines.replace("\r\n", "\n"));
    let snapshot = log.snapshots().load("state", Position::MAX).await.unwrap().unwrap();
    assert_eq!(
        (snapshot.position, snapshot.revision.0, snapshot.data.as_str()),
        (Position(3), 2, r#"{"n":2.0}"#)
    );
    assert_eq!(log.removals().await.unwrap()[0].count, 1);
    let report = log.check().await.unwrap();
    assert_eq!((report.problems, report.removed), (Vec::new(), 1));
    // It goes on where it stopped.
    let appended = log.append(NewEvent::new("task-1", "task:noted", 9).unwrap()).await.unwrap();
    assert_eq!((appended.last(), appended.events[0].version.0), (Position(7), 4));
}
