//! Recording what agents do: loose JSON under a name becomes an event of the vocabulary, stored in batches.
//!
//! It does for factlog what `EventStore` and `EventIntegration` did for origin B, under these names:
//!
//! | origin B | here |
//! |---|---|
//! | `logSystemEvent`, `logTaskEvent`, `logAgentEvent`, `logDeploymentEvent` | [`Recorder::log_system`] ... |
//! | `emit(name, data)`, `logCustomEvent(type, data)` | [`Recorder::record`] |
//! | `querySystemEvents`, `queryEvents` | [`Recorder::query`], over all kinds of events |
//! | `getEventStatistics` | [`statistics`](crate::statistics::statistics), with or without dates |
//! | `getHealthStatus` | [`Recorder::status`], and [`EventLog::health`] |
//! | `setEnabled` | [`Recorder::set_enabled`] |
//! | `close` | [`Recorder::close`] |

mod buffer;
mod envelope;
mod input;
mod pairing;
mod query;
mod rows;
mod settings;
mod ticket;
mod tracked;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use factlog::{Batch, Event, EventLog, Json, Position, Result, Timestamp, TypePattern};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use self::buffer::{Buffer, closed};
use self::input::Said;
use self::rows::Table;
use self::settings::Settings;
use crate::vocabulary::{Payload, type_named};

pub use query::{Order, Query};
pub use settings::RecorderBuilder;
pub use ticket::{Stored, Ticket};

/// Records events in batches; cheap to clone.
///
/// ```
/// use factlog::{EventLog, MemoryStore};
/// use factlog_agents::recorder::Recorder;
/// use serde_json::json;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log = EventLog::new(MemoryStore::new());
/// let recorder = Recorder::builder(log.clone()).build()?;
/// recorder.record("task:started", json!({"id": "task-123", "name": "Process Data", "agentId": "agent-456"})).await?;
/// recorder.record("task:completed", json!({"id": "task-123", "output": {"processed": 100}})).await?;
/// assert_eq!(recorder.flush().await?.len(), 2);
/// recorder.close().await?;
/// # Ok::<(), factlog::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **Closing.** What waits is stored by a task of the runtime. When the last clone is dropped without
/// [`Recorder::close`], that task still stores it; but where the runtime itself ends before, events are lost: this is
/// logged as an error with their number, and their tickets fail.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    buffer: Arc<Buffer>,
    log: EventLog,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// How a recorder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecorderStatus {
    /// Whether it records anything.
    pub enabled: bool,
    /// Events that were taken in.
    pub recorded: u64,
    /// Events of them that are stored.
    pub stored: u64,
    /// Events of them that wait to be stored.
    pub waiting: u64,
    /// Events of them that could not be stored; their tickets and the next flush tell why.
    pub failed: u64,
    /// Events that were not taken in, because a switch or the choice of types leaves them out.
    pub not_selected: u64,
    /// Tasks that have begun and not ended.
    pub tracked_tasks: usize,
    /// Agents that were registered and are there.
    pub tracked_agents: usize,
    /// Deployments that have begun and not ended.
    pub tracked_deployments: usize,
    /// Tasks, agents and deployments that are no longer tracked because they were too many or too old.
    pub dropped_from_tracking: u64,
}

impl Recorder {
    /// The settings of a recorder on this log.
    pub fn builder(log: EventLog) -> RecorderBuilder {
        RecorderBuilder::new(log)
    }

    fn start(log: EventLog, settings: Settings, runtime: &Handle) -> Self {
        let buffer = Arc::new(Buffer::new(settings));
        let writer = runtime.spawn(writer::run(writer::Left(Arc::clone(&buffer)), log.clone()));
        Self(Arc::new(Inner { buffer, log, writer: Mutex::new(Some(writer)) }))
    }

    /// Takes an event in, under any name of the vocabulary: `task:started`, `task:error`, `agent:action` and so on. An
    /// unknown name becomes `system:custom`, with the name and all of the data.
    ///
    /// It waits while too many events wait, and returns the event's id before it is stored. None: the event is not
    /// selected, by a switch or by the choice of types, and is not recorded.
    ///
    /// # Errors
    /// `Invalid` for data or names that no log would take, saying which; `Stopped` when the recorder is closed.
    pub async fn record(&self, name: &str, data: impl Serialize) -> Result<Option<Ticket>> {
        let now = (self.0.buffer.settings.clock)();
        self.take(name, &Json::of(&data)?, now).await
    }

    /// Takes an event of a system in, as a row of origin B's `events`: `event_type`, `event_name`, `agent_id`,
    /// `session_id`, `user_id`, `data`, `status`, `duration_ms`.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    pub async fn log_system(&self, row: impl Serialize) -> Result<Option<Ticket>> {
        self.take_row(Table::System, &Json::of(&row)?).await
    }

    /// Takes an event of a task in, as a row of origin B's `task_events`: its `event_name` says what happened, else its
    /// `status` does.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    pub async fn log_task(&self, row: impl Serialize) -> Result<Option<Ticket>> {
        self.take_row(Table::Task, &Json::of(&row)?).await
    }

    /// Takes an event of an agent in, as a row of origin B's `agent_events`: an `event_name` that is not of an agent's life
    /// is an action.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    pub async fn log_agent(&self, row: impl Serialize) -> Result<Option<Ticket>> {
        self.take_row(Table::Agent, &Json::of(&row)?).await
    }

    /// Takes an event of a deployment in, as a row of origin B's `deployment_events`: its `event_name` says what happened,
    /// else its `status` does.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    pub async fn log_deployment(&self, row: impl Serialize) -> Result<Option<Ticket>> {
        self.take_row(Table::Deployment, &Json::of(&row)?).await
    }

    async fn take_row(&self, table: Table, row: &Json) -> Result<Option<Ticket>> {
        let now = (self.0.buffer.settings.clock)();
        let (name, data) = table.read(row)?;
        self.take(&name, &data, now).await
    }

    async fn take(&self, name: &str, data: &Json, now: Timestamp) -> Result<Option<Ticket>> {
        let buffer = &self.0.buffer;
        let mut said = Said::read(name, data)?;
        if !self.selects(name, &said.payload)? {
            return Ok(None);
        }
        // What no log would take is refused before it is paired with anything.
        let source = buffer.settings.source.as_ref();
        let bytes = Batch::new(vec![said.event(source, now)?])?.bytes();
        let room = buffer.room(bytes).await?;
        let mut state = buffer.state();
        if state.closed {
            return Err(closed());
        }
        let at = said.time(now);
        state.pairing.pair(&mut said.payload, at, now);
        let event = said.event(source, now)?;
        let id = event.id;
        let answer = buffer.push(&mut state, id, Batch::new(vec![event])?, room);
        Ok(Some(Ticket { id, answer }))
    }

    /// Whether an event is to be recorded; one that is not is counted.
    fn selects(&self, name: &str, payload: &Payload) -> Result<bool> {
        let settings = &self.0.buffer.settings;
        let event_type = payload.event_type();
        let is_on = type_named(event_type).is_none_or(|info| !settings.off.contains(&info.category));
        let is_of_types = settings.types.as_ref().is_none_or(|types| {
            let fact = payload.to_event().ok();
            let is_named = |pattern: &TypePattern| !pattern.has_condition() && pattern.matches(name);
            types
                .iter()
                .any(|pattern| is_named(pattern) || fact.as_ref().is_some_and(|fact| pattern.means(fact)))
        });
        let mut state = self.0.buffer.state();
        if state.closed {
            return Err(closed());
        }
        let is_selected = state.enabled && is_on && is_of_types;
        state.not_selected += u64::from(!is_selected);
        Ok(is_selected)
    }

    /// Switches recording on or off; what waits is stored all the same.
    pub fn set_enabled(&self, enabled: bool) {
        self.0.buffer.state().enabled = enabled;
    }

    /// Waits until everything that was recorded before this call is stored; gives the positions of what was stored since
    /// the last flush, the newest 100,000 of them at the most.
    ///
    /// # Errors
    /// The first error of events that could not be stored since the last flush, and how many there are. The others are
    /// stored, as their tickets tell; nothing is sent again by another flush.
    pub async fn flush(&self) -> Result<Vec<Position>> {
        self.0.buffer.flush().await
    }

    /// Takes no more events in and waits until all are stored; a second close changes nothing.
    ///
    /// # Errors
    /// As [`Recorder::flush`].
    pub async fn close(&self) -> Result<Vec<Position>> {
        self.0.buffer.close();
        let flushed = self.0.buffer.flush().await;
        let writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // What it could not store it has told.
            let _ = writer.await;
        }
        flushed
    }

    /// How it stands.
    pub fn status(&self) -> RecorderStatus {
        let waiting = self.0.buffer.unsettled();
        let now = (self.0.buffer.settings.clock)();
        let mut state = self.0.buffer.state();
        let [tracked_tasks, tracked_agents, tracked_deployments] = state.pairing.tracked(now);
        RecorderStatus {
            enabled: state.enabled && !state.closed,
            recorded: state.taken(),
            stored: state.stored,
            waiting,
            failed: state.failed,
            not_selected: state.not_selected,
            tracked_tasks,
            tracked_agents,
            tracked_deployments,
            dropped_from_tracking: state.pairing.dropped,
        }
    }

    /// Events of all kinds that are stored: what waits is not among them before a [`Recorder::flush`].
    ///
    /// # Errors
    /// As [`Query::run`].
    pub async fn query(&self, query: &Query) -> Result<Vec<Arc<Event>>> {
        query.run(&self.0.log).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let events = self.buffer.unsettled();
        if events > 0 {
            tracing::warn!(
                events,
                "a recorder was dropped while events wait; they are stored if the runtime lives on"
            );
        }
        self.buffer.close();
    }
}
