//! What an agent is, what it can do, and what it does with what comes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use factlog::{Event, EventLog, Filter, Result};
use serde::Serialize;

use super::handler::{
    Failed, GivenMessage, GivenRequest, GivenTask, Handlers, TaskError, on_event, on_message, on_request,
    on_task,
};
use super::{Agent, Me, Presence};
use crate::bus::{Bus, VISIBILITY};
use crate::vocabulary::type_patterns;

/// How often an agent says that it is there, where nothing else is said.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// Tasks that an agent does at once, where nothing else is said.
pub const CAPACITY: usize = 1;

/// An agent before it starts.
#[derive(Clone)]
pub struct AgentBuilder {
    pub(super) bus: Bus,
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) capabilities: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) methods: Vec<String>,
    pub(super) capacity: usize,
    pub(super) heartbeat: Duration,
    pub(super) visibility: Duration,
    pub(super) takes_over: bool,
    pub(super) handlers: Handlers,
}

impl AgentBuilder {
    pub(super) fn new(log: EventLog, id: &str) -> Self {
        Self {
            bus: Bus::new(log),
            id: id.to_owned(),
            kind: "agent".to_owned(),
            name: None,
            parent: None,
            capabilities: Vec::new(),
            tags: Vec::new(),
            methods: Vec::new(),
            capacity: CAPACITY,
            heartbeat: HEARTBEAT,
            visibility: VISIBILITY,
            takes_over: false,
            handlers: Handlers::default(),
        }
    }

    /// Works on a bus that others in this process use too.
    #[must_use]
    pub fn on_bus(mut self, bus: &Bus) -> Self {
        self.bus = bus.clone();
        self
    }

    /// Sets what kind of agent it is: what `type:worker` means.
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }

    /// Sets what people call it.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Sets who set it to work.
    #[must_use]
    pub fn parent(mut self, parent: &str) -> Self {
        self.parent = Some(parent.to_owned());
        self
    }

    /// Adds what it can do: what `capability:rust` means.
    #[must_use]
    pub fn capabilities<'a>(mut self, capabilities: impl IntoIterator<Item = &'a str>) -> Self {
        self.capabilities.extend(capabilities.into_iter().map(str::to_owned));
        self
    }

    /// Adds words to find it by.
    #[must_use]
    pub fn tags<'a>(mut self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        self.tags.extend(tags.into_iter().map(str::to_owned));
        self
    }

    /// Sets how many tasks it does at once.
    #[must_use]
    pub fn capacity(mut self, tasks: usize) -> Self {
        self.capacity = tasks.max(1);
        self
    }

    /// Sets how often it says that it is there. After three times of silence it is taken for dead.
    #[must_use]
    pub fn heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat.max(Duration::from_millis(10));
        self
    }

    /// Sets how long what it has in hand is kept from others. While it is at work, that is prolonged all the time.
    #[must_use]
    pub fn visibility(mut self, visibility: Duration) -> Self {
        self.visibility = visibility.max(Duration::from_millis(30));
        self
    }

    /// Adds what it can be asked for, beside what it has handlers for: for one that reads its requests by itself.
    #[must_use]
    pub fn methods<'a>(mut self, methods: impl IntoIterator<Item = &'a str>) -> Self {
        self.methods.extend(methods.into_iter().map(str::to_owned));
        self
    }

    /// Starts even where a run of the same agent seems to be at work, and ends that.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.takes_over = true;
        self
    }

    /// Does tasks: what it returns is the result. A task that fails is tried again, unless it says otherwise.
    #[must_use]
    pub fn on_task<F, R, T>(mut self, handle: F) -> Self
    where
        F: Fn(Me, GivenTask) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        self.handlers.task = Some(on_task(handle));
        self
    }

    /// Reads messages. One that it cannot handle comes again after a pause, and before others of the same sender.
    #[must_use]
    pub fn on_message<F, R>(mut self, handle: F) -> Self
    where
        F: Fn(Me, GivenMessage) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<(), Failed>> + Send + 'static,
    {
        self.handlers.message = Some(on_message(handle));
        self
    }

    /// Hears broadcasts.
    #[must_use]
    pub fn on_broadcast<F, R>(mut self, handle: F) -> Self
    where
        F: Fn(Me, GivenMessage) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<(), Failed>> + Send + 'static,
    {
        self.handlers.broadcast = Some(on_message(handle));
        self
    }

    /// Answers to a method, or with `*` to all that have no handler of their own: what it returns is the answer, its error
    /// the error.
    #[must_use]
    pub fn on_request<F, R, T>(mut self, method: &str, handle: F) -> Self
    where
        F: Fn(Me, GivenRequest) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<T, Failed>> + Send + 'static,
        T: Serialize,
    {
        self.handlers.requests.insert(method.to_owned(), on_request(handle));
        self
    }

    /// Hears of requests for coordination.
    #[must_use]
    pub fn on_coordination<F, R>(self, handle: F) -> Self
    where
        F: Fn(Me, Arc<Event>) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<(), Failed>> + Send + 'static,
    {
        self.on_event(types("coordination:request"), handle)
    }

    /// Hears what becomes of swarms, and what they are asked.
    #[must_use]
    pub fn on_swarm<F, R>(self, handle: F) -> Self
    where
        F: Fn(Me, Arc<Event>) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<(), Failed>> + Send + 'static,
    {
        self.on_event(types("swarm:*"), handle)
    }

    /// Hears events of a filter from now on, one after the other.
    #[must_use]
    pub fn on_event<F, R>(mut self, filter: Filter, handle: F) -> Self
    where
        F: Fn(Me, Arc<Event>) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<(), Failed>> + Send + 'static,
    {
        self.handlers.events.push((filter, on_event(handle)));
        self
    }

    /// Registers it, and says that it is there as long as the answer is kept; it takes nothing by itself.
    ///
    /// # Errors
    /// `Conflict` where a run of the same agent is at work already.
    pub async fn attend(self) -> Result<Presence> {
        Presence::begin(self).await
    }

    /// Registers it, and sets it to work.
    ///
    /// # Errors
    /// `Conflict` where a run of the same agent is at work already.
    pub async fn start(self) -> Result<Agent> {
        Agent::start(self).await
    }
}

/// All names of a type.
fn types(name: &str) -> Filter {
    let types = type_patterns(name).iter().filter_map(|name| name.parse().ok()).collect();
    Filter { types, ..Filter::all() }
}
