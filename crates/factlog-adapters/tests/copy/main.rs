//! Logs are copied from store to store, and compared.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod behind;
mod compared;
mod interrupted;
mod kept;
mod odd;

use std::sync::Arc;

use factlog::limits::BATCH_EVENTS_MAX;
use factlog::{
    Batch, Event, EventLog, Filter, Json, MemoryStore, NewEvent, Position, Priority, Removal, Result,
    Timestamp,
};
use factlog_adapters::copy::{Compared, Copied, Options, Verdict, copy, verify};

const APPEND: Options = Options { append: true, verify: true };

fn memory() -> EventLog {
    EventLog::new(MemoryStore::new())
}

async fn copied(from: &EventLog, to: &EventLog) -> Copied {
    copied_with(from, to, Options::default()).await.unwrap()
}

async fn copied_with(from: &EventLog, to: &EventLog, options: Options) -> Result<Copied> {
    copy(from, to, options, &mut |_| {}).await
}

async fn appended(from: &EventLog, to: &EventLog) -> Copied {
    copied_with(from, to, APPEND).await.unwrap()
}

async fn compared(here: &EventLog, there: &EventLog) -> Compared {
    verify(here, there, &mut |_| {}).await.unwrap()
}

async fn assert_equal(here: &EventLog, there: &EventLog) {
    let compared = compared(here, there).await;
    assert_eq!(compared.result, Verdict::Equal, "{compared:?}");
    assert_eq!((compared.here, compared.there), (compared.alike, compared.alike));
}

async fn events(log: &EventLog) -> Vec<Arc<Event>> {
    log.read(Filter::all()).collect().await.unwrap()
}

fn fact(stream: &str, number: usize) -> NewEvent {
    NewEvent::new(stream, "task:noted", serde_json::json!({ "number": number })).unwrap()
}

/// A log with so many events of two streams.
async fn log_of(count: usize) -> EventLog {
    let log = memory();
    grow(&log, count).await;
    log
}

async fn grow(log: &EventLog, count: usize) {
    let facts: Vec<NewEvent> =
        (0..count).map(|number| fact(["task-1", "task-2"][number % 2], number)).collect();
    for batch in facts.chunks(BATCH_EVENTS_MAX) {
        log.append(Batch::new(batch.to_vec()).unwrap()).await.unwrap();
    }
}

/// An event that has every field, and data that a careless copy would write anew.
fn full() -> NewEvent {
    let mut event = NewEvent::new("task-1", "task:completed", ()).unwrap();
    event.data = Json::parse(r#"{"z":1.0,"a":[1e400,-0.0,"\u00e9 é"]}"#).unwrap();
    event.metadata = Some(Json::parse(r#"{"line":7,"b":0.10}"#).unwrap());
    event.source = Some("agent-7".parse().unwrap());
    event.targets = vec!["agent-1".parse().unwrap(), "agent-2".parse().unwrap()];
    event.occurred_at = Some("2025-01-02T03:04:05.000006Z".parse::<Timestamp>().unwrap());
    event.correlation_id = Some("build-9".parse().unwrap());
    event.causation_id = Some(fact("x", 1).id);
    event.session_id = Some("s-1".parse().unwrap());
    event.user_id = Some("ada".parse().unwrap());
    event.priority = Some(Priority::High);
    event.expires_at = Some("2027-01-02T03:04:05Z".parse().unwrap());
    event.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
    event.tags = vec!["ci".parse().unwrap(), "file:a b.rs".parse().unwrap()];
    event
}

async fn remove(log: &EventLog, filter: Filter, through: u64) -> u64 {
    log.remove(&Removal { filter, through: Position(through), archive: None }).await.unwrap().count
}
