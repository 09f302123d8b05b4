//! What an agent does with what comes: its handlers, what they are given, and how they fail.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use factlog::{Event, Filter, Json, Result, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Me;
use crate::bus::{Delivery, RequestError};
use crate::vocabulary::{Payload, TaskAssigned};

/// A task that was given to an agent.
#[derive(Debug, Clone)]
pub struct GivenTask {
    /// What is to be done.
    pub task: TaskAssigned,
    /// How often it was tried, with this time.
    pub attempt: u64,
    /// Who gave it.
    pub from: String,
    /// The event that says so.
    pub event: Arc<Event>,
}

impl GivenTask {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let task = match Payload::of(&delivery.event) {
            Some(Payload::TaskAssigned(task)) => task,
            _ => TaskAssigned::new(delivery.item.message_id.as_str()),
        };
        let (attempt, from) = (delivery.item.attempts, delivery.item.from.clone());
        Self { task, attempt, from, event: Arc::clone(&delivery.event) }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.task.task_id
    }
}

/// A message, or a broadcast, that has come to an agent.
#[derive(Debug, Clone)]
pub struct GivenMessage {
    /// Its id.
    pub message_id: String,
    /// Who sent it.
    pub from: String,
    /// What it says.
    pub content: Json,
    /// What a broadcast is about.
    pub topic: Option<String>,
    /// How often it was offered, with this time.
    pub attempt: u64,
    /// The event that says so.
    pub event: Arc<Event>,
}

impl GivenMessage {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let topic = match Payload::of(&delivery.event) {
            Some(Payload::MessageBroadcast(broadcast)) => broadcast.topic,
            _ => None,
        };
        Self {
            message_id: delivery.item.message_id.clone(),
            from: delivery.item.from.clone(),
            content: delivery.content(),
            topic,
            attempt: delivery.item.attempts,
            event: Arc::clone(&delivery.event),
        }
    }

    /// What it says, as a text; none where it is something else.
    pub fn text(&self) -> Option<String> {
        self.content.to().ok()
    }

    /// What it says, read as a type.
    ///
    /// # Errors
    /// `Invalid` where it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        self.content.to()
    }
}

/// A question that an agent is asked.
#[derive(Debug, Clone)]
pub struct GivenRequest {
    /// Its id.
    pub request_id: String,
    /// Who asks.
    pub from: String,
    /// What is asked for.
    pub method: String,
    /// What it is asked with; null where that is nothing.
    pub params: Json,
    /// Until when an answer counts, unless progress moves it.
    pub deadline: Option<Timestamp>,
    /// The event that says so.
    pub event: Arc<Event>,
}

impl GivenRequest {
    pub(super) fn of(delivery: &Delivery) -> Self {
        let (method, params) = match Payload::of(&delivery.event) {
            Some(Payload::MessageRequest(asked)) => (asked.method, asked.params),
            _ => (None, None),
        };
        Self {
            request_id: delivery.item.message_id.clone(),
            from: delivery.item.from.clone(),
            method: method.unwrap_or_default(),
            params: params.unwrap_or_else(|| Json::trusted("null")),
            deadline: delivery.item.expires_at,
            event: Arc::clone(&delivery.event),
        }
    }

    /// What it is asked with, read as a type.
    ///
    /// # Errors
    /// `Invalid` where it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        self.params.to()
    }
}

/// Why a task was not done. Any error becomes one, and such a task is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskError {
    /// What went wrong.
    pub message: String,
    /// Its code.
    pub code: Option<String>,
    /// What becomes of the task.
    pub then: ThenTask,
}

/// What becomes of a task that was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThenTask {
    /// It is tried again after a pause, as often as it may be.
    Retry,
    /// It is tried no more.
    Fail,
    /// This agent does not do it; others may.
    Reject,
}

impl TaskError {
    /// It is not worth trying again.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, then: ThenTask::Fail }
    }

    /// It may go well the next time.
    pub fn retry(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, then: ThenTask::Retry }
    }

    /// It is nothing for this agent.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self { message: reason.into(), code: None, then: ThenTask::Reject }
    }

    /// Sets its code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl<E: std::error::Error> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::retry(error.to_string())
    }
}

/// Why a message could not be handled, or a request not be answered. Any error becomes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// What the one who asked is told.
    pub error: RequestError,
    /// Whether a message is of no use to the agent however often it comes: it is a dead letter then.
    pub is_fatal: bool,
}

/// The code of what a handler did not expect.
pub const INTERNAL_ERROR: &str = "INTERNAL_ERROR";

impl Failed {
    /// A failure with a code of its own.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let error = RequestError { code: code.into(), message: message.into(), details: None };
        Self { error, is_fatal: false }
    }

    /// The same of a message that need not come again.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.is_fatal = true;
        self
    }
}

/// What another was told can be passed on.
impl From<RequestError> for Failed {
    fn from(error: RequestError) -> Self {
        Self { error, is_fatal: false }
    }
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::new(INTERNAL_ERROR, error.to_string())
    }
}

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(super) type OnTask =
    Arc<dyn Fn(Me, GivenTask) -> Running<std::result::Result<Json, TaskError>> + Send + Sync>;
pub(super) type OnMessage =
    Arc<dyn Fn(Me, GivenMessage) -> Running<std::result::Result<(), Failed>> + Send + Sync>;
pub(super) type OnRequest =
    Arc<dyn Fn(Me, GivenRequest) -> Running<std::result::Result<Json, Failed>> + Send + Sync>;
pub(super) type OnEvent =
    Arc<dyn Fn(Me, Arc<Event>) -> Running<std::result::Result<(), Failed>> + Send + Sync>;

/// All handlers of an agent.
#[derive(Default, Clone)]
pub(super) struct Handlers {
    pub(super) task: Option<OnTask>,
    pub(super) message: Option<OnMessage>,
    pub(super) broadcast: Option<OnMessage>,
    pub(super) requests: BTreeMap<String, OnRequest>,
    pub(super) events: Vec<(Filter, OnEvent)>,
}

pub(super) fn on_task<F, R, T>(handle: F) -> OnTask
where
    F: Fn(Me, GivenTask) -> R + Send + Sync + 'static,
    R: Future<Output = std::result::Result<T, TaskError>> + Send + 'static,
    T: Serialize,
{
    let handle = Arc::new(handle);
    Arc::new(move |me, given| {
        let handle = Arc::clone(&handle);
        Box::pin(async move { Ok(Json::of(&handle(me, given).await?)?) })
    })
}

pub(super) fn on_request<F, R, T>(handle: F) -> OnRequest
where
    F: Fn(Me, GivenRequest) -> R + Send + Sync + 'static,
    R: Future<Output = std::result::Result<T, Failed>> + Send + 'static,
    T: Serialize,
{
    let handle = Arc::new(handle);
    Arc::new(move |me, given| {
        let handle = Arc::clone(&handle);
        Box::pin(async move { Ok(Json::of(&handle(me, given).await?)?) })
    })
}

pub(super) fn on_message<F, R>(handle: F) -> OnMessage
where
    F: Fn(Me, GivenMessage) -> R + Send + Sync + 'static,
    R: Future<Output = std::result::Result<(), Failed>> + Send + 'static,
{
    Arc::new(move |me, given| Box::pin(handle(me, given)))
}

pub(super) fn on_event<F, R>(handle: F) -> OnEvent
where
    F: Fn(Me, Arc<Event>) -> R + Send + Sync + 'static,
    R: Future<Output = std::result::Result<(), Failed>> + Send + 'static,
{
    Arc::new(move |me, event| Box::pin(handle(me, event)))
}
