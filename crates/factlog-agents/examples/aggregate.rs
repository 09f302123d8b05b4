//! A state of one's own, folded from the events of one stream: now, at a version, at a time.
//!
//! Run it with `cargo run -p factlog-agents --example aggregate`. What it says is asserted as well.

use factlog::{Aggregate, Event, Expect, Fold, Invalid, Moment, NewEvent, Timestamp, TypedEvent, Version};
use factlog_agents::stream_of;
use factlog_agents::vocabulary::{Payload, TaskCompleted, TaskCreated, TaskFailed, TaskStarted};
use factlog_stores::{Open, open};
use serde::{Deserialize, Serialize};

/// How often a task was tried, and how long that took.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Effort {
    tries: u32,
    worked_ms: u64,
    is_done: bool,
}

impl Fold for Effort {
    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        match Payload::of(event) {
            Some(Payload::TaskStarted(_)) => self.tries += 1,
            Some(Payload::TaskFailed(failed)) => self.worked_ms += failed.duration_ms.unwrap_or(0),
            Some(Payload::TaskCompleted(done)) => {
                self.worked_ms += done.duration_ms.unwrap_or(0);
                self.is_done = true;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Aggregate for Effort {
    const NAME: &'static str = "effort";
    /// Raised when the code means something else: what was remembered before is then forgotten.
    const REVISION: u32 = 1;
    const CATEGORY: &'static str = "task";
    /// A state is remembered every second event, so that there is something to see here. Usual are a hundred.
    const SNAPSHOT_EVENTS: u64 = 2;
}

/// An event that happened at a time, whenever it is recorded.
fn happened(time: &str, event: impl TypedEvent) -> factlog::Result<NewEvent> {
    Ok(event.into_event()?.with_occurred_at(time.parse()?))
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let log = open(&format!("sqlite:{}", folder.path().join("tasks.db").display()), Open::Create).await?;
    // Remembers states as streams grow, in a task of its own. Reading a state never writes one.
    let remembering = log.remember::<Effort>().await?;

    log.append([
        happened("2026-11-20T09:00:00Z", TaskCreated::new("42").title("Try again"))?,
        happened("2026-11-20T09:01:00Z", TaskStarted::new("42"))?,
        happened("2026-11-20T09:02:00Z", TaskFailed::new("42").error("no disk").duration_ms(60_000u64))?,
        happened("2026-11-20T10:00:00Z", TaskStarted::new("42"))?,
    ])
    .await?;
    remembering.caught_up(log.newest().await?).await?;
    for state in log.snapshots().list("aggregate/effort/", None).await? {
        println!("remembered: {} at position {}", state.key, state.position);
    }

    // Now: from the state remembered last, and the events since. Whoever decides on it appends at its version.
    let name = stream_of("task", "42")?;
    let task = log.stream(&name);
    let (effort, version) = task.state_with_version::<Effort>().await?;
    println!("now, at version {version}: {effort:?}");
    assert_eq!(effort, Effort { tries: 2, worked_ms: 60_000, is_done: false });
    let done = TaskCompleted::new("42").duration_ms(30_000).into_event()?;
    task.append(vec![done], Expect::Version(version)).await?;
    assert_eq!(task.state::<Effort>().await?, Effort { tries: 2, worked_ms: 90_000, is_done: true });

    // Then: at a version, and at a time.
    let third: Effort = log.stream(&name).at(Moment::Version(Version(3))).state().await?;
    println!("at version 3: {third:?}");
    assert_eq!(third, Effort { tries: 1, worked_ms: 60_000, is_done: false });
    let nine: Timestamp = "2026-11-20T09:01:30Z".parse()?;
    let first_try: Effort = log.stream(&name).at(Moment::Time(nine)).state().await?;
    println!("at {nine}: {first_try:?}");
    assert_eq!(first_try, Effort { tries: 1, worked_ms: 0, is_done: false });

    // A task that nobody has heard of has the state of no events, and nothing is remembered of it.
    assert_eq!(log.stream(&stream_of("task", "unknown")?).state::<Effort>().await?, Effort::default());
    drop(remembering);
    Ok(log.close().await?)
}
