//! Subscriptions: handlers that hear events of a filter, live or from history on, each at its own pace.

mod group;
mod run;
mod turns;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factlog::{Error, Event, Expression, Filter, Position, Result, Timestamp};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::run::Run;
use super::Bus;

pub(super) use self::turns::Turns;

/// How often an event is handed to a handler that fails, where nothing else is said.
pub const HANDLE_ATTEMPTS_MAX: u32 = 5;
/// The pause before the second time; then twice as long each time.
pub const HANDLE_PAUSE: Duration = Duration::from_millis(100);

/// Why a handler could not handle an event.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;
type Handling = Pin<Box<dyn Future<Output = std::result::Result<(), HandlerError>> + Send>>;
pub(super) type Handler = Arc<dyn Fn(Arc<Event>) -> Handling + Send + Sync>;

/// Where a subscription begins that has no place yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Now,
    After(Position),
    Last(usize),
}

/// A subscription before it starts.
#[derive(Clone)]
pub struct Subscribing {
    bus: Bus,
    filter: Filter,
    condition: Option<Expression>,
    begin: Begin,
    priority: i32,
    name: Option<String>,
    member: Option<String>,
    attempts_max: u32,
    pause: Duration,
    lease: Duration,
}

/// How a subscription is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionStatistics {
    /// Events of its filter that have come to it.
    pub received: u64,
    /// Those among them for which its condition did not hold.
    pub passed_over: u64,
    /// Those that were handled.
    pub handled: u64,
    /// How often a handler has failed.
    pub failures: u64,
    /// Events that failed as often as they may, and were left behind.
    pub parked: u64,
    /// The last event that it is done with.
    pub position: Position,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// How long handlers took in all, in microseconds.
    pub busy_us: u64,
    /// The longest of them.
    pub longest_us: u64,
}

/// A subscription at work. Dropping it ends it; a durable one goes on from its place the next time.
#[derive(Debug)]
pub struct Subscription {
    statistics: Arc<Mutex<SubscriptionStatistics>>,
    is_paused: Arc<watch::Sender<bool>>,
    running: JoinHandle<Result<()>>,
}

impl Bus {
    /// Subscribes to events of a filter, from now on unless it is told otherwise.
    ///
    /// ```
    /// use factlog::{EventLog, Filter, MemoryStore, NewEvent};
    /// use factlog_agents::Bus;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let log = EventLog::new(MemoryStore::new());
    /// let bus = Bus::new(log.clone());
    /// let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    /// let urgent = bus
    ///     .subscribe(Filter::types(["task:*"])?)
    ///     .condition("data.priority == 'high'")?
    ///     .start(move |event| {
    ///         let heard = heard.clone();
    ///         async move { Ok(heard.send(event.stream.to_string())?) }
    ///     })
    ///     .await?;
    /// for (task, priority) in [("task-1", "low"), ("task-2", "high")] {
    ///     log.append(NewEvent::new(task, "task:created", serde_json::json!({"priority": priority}))?).await?;
    /// }
    /// assert_eq!(hears.recv().await.as_deref(), Some("task-2"));
    /// drop(urgent);
    /// # Ok::<(), factlog::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe(&self, filter: impl Into<Filter>) -> Subscribing {
        Subscribing {
            bus: self.clone(),
            filter: filter.into(),
            condition: None,
            begin: Begin::Now,
            priority: 0,
            name: None,
            member: None,
            attempts_max: HANDLE_ATTEMPTS_MAX,
            pause: HANDLE_PAUSE,
            lease: group::LEASE,
        }
    }
}

impl Subscribing {
    /// Hears only events for which a condition holds.
    ///
    /// # Errors
    /// `Invalid` for a condition that cannot be read.
    pub fn condition(mut self, condition: &str) -> Result<Self> {
        self.condition = Some(Expression::compile(condition)?);
        Ok(self)
    }

    /// Begins after a position; at the beginning with [`Position::START`].
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.begin = Begin::After(position);
        self
    }

    /// Begins with the last events that there are, the oldest of them first.
    #[must_use]
    pub fn last(mut self, events: usize) -> Self {
        self.begin = Begin::Last(events);
        self
    }

    /// Of the subscriptions of one bus that are idle, those of higher priority are given an event first.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Goes on, after a restart, where the subscription of this name has stopped. An event whose handler was at work then is
    /// given again.
    #[must_use]
    pub fn durable(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Shares the events of a name with its other members, in other processes too: each event goes to one of them, those of
    /// one stream in their order; when one ends or dies, the others take over what was its.
    #[must_use]
    pub fn group(mut self, name: &str, member: &str) -> Self {
        (self.name, self.member) = (Some(name.to_owned()), Some(member.to_owned()));
        self
    }

    /// Sets how long what a member of a group has is kept for it after it was last heard of.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// Sets how often an event is handed to a handler that fails, and the pause before the second time.
    #[must_use]
    pub fn attempts(mut self, most: u32, pause: Duration) -> Self {
        (self.attempts_max, self.pause) = (most.max(1), pause);
        self
    }

    /// Starts it. One event is handled at a time; what fails is tried again after a pause, and left behind, with a record of
    /// it, once it has failed as often as it may.
    ///
    /// # Errors
    /// `Invalid` for a filter that is none.
    pub async fn start<F, R>(self, handle: F) -> Result<Subscription>
    where
        F: Fn(Arc<Event>) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<(), HandlerError>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |event| Box::pin(handle(event)));
        self.filter.check()?;
        let log = self.bus.log().clone();
        let after = match self.begin {
            Begin::Now => log.newest().await?,
            Begin::After(position) => position,
            Begin::Last(count) => {
                let oldest = log.read(self.filter.clone()).backwards().limit(count).collect().await?.pop();
                match oldest {
                    Some(event) => Position(event.position.0 - 1),
                    None => log.newest().await?,
                }
            }
        };
        let is_paused = Arc::new(watch::Sender::new(false));
        let statistics: Arc<Mutex<SubscriptionStatistics>> = Arc::default();
        let run = Run::new(&self, handler, Arc::clone(&statistics), is_paused.subscribe());
        let running = if let Some(member) = &self.member {
            tokio::spawn(group::share(self.clone(), member.clone(), run, after))
        } else {
            let following = log.follow(self.filter.clone()).after(after);
            let following = match &self.name {
                Some(name) => following.durable(name).partial(),
                None => following,
            };
            tokio::spawn(run.hear(following, None))
        };
        Ok(Subscription { statistics, is_paused, running })
    }
}

impl Subscription {
    /// Hands nothing more to the handler until it is resumed; what comes meanwhile waits in the log.
    pub fn pause(&self) {
        self.is_paused.send_replace(true);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.is_paused.send_replace(false);
    }

    /// How it is doing.
    pub fn statistics(&self) -> SubscriptionStatistics {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// `Conflict` when another of the same name has taken over; what else has ended it.
    pub async fn ended(&mut self) -> Result<()> {
        (&mut self.running).await.unwrap_or_else(|cause| Err(Error::stopped(cause.to_string())))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.running.abort();
    }
}
