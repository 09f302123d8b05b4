//! A message as its sender writes it, and the events that it becomes.

use std::collections::BTreeSet;
use std::time::Duration;

use factlog::{Error, Event, EventId, Json, NewEvent, Priority, Result, StreamName, Timestamp, TypedEvent};
use serde::{Deserialize, Serialize};

use super::{Address, Directory, Kind, Registered, To, milliseconds};
use crate::stream_of;
use crate::vocabulary::{
    InboxQueued, MessageBroadcast, MessageRequest, MessageSent, Payload, TaskAssigned, type_named,
};

/// Bytes of what a message says: it is read by agents, whose contexts are small.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// How long a message waits for its recipient, where it does not say so itself.
pub const MESSAGE_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Messages that answer one another, one behind the other: more are two agents that talk in circles.
pub const HOPS_MAX: u64 = 32;
/// What the ids of the bus's own events are made with.
pub(crate) const SYSTEM: &str = "factlog-bus";

/// A message on its way: what it says, to whom, and how.
///
/// ```
/// use factlog::Priority;
/// use factlog_agents::bus::Message;
/// let message = Message::text("planner", "worker-1".parse()?, "Please look at task-7")?.priority(Priority::High);
/// assert_eq!(message.from, "planner");
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id: the same id with the same content again is the same message. A new one where this is missing.
    pub id: Option<String>,
    /// Who sends it.
    pub from: String,
    /// Whom it is for.
    pub to: Audience,
    /// What it says.
    pub body: Body,
    /// How urgent it is.
    pub priority: Priority,
    /// How long it waits for its recipient; for ever where it is a task, and [`MESSAGE_TTL`] otherwise.
    pub ttl: Option<Duration>,
    /// The larger operation it belongs to.
    pub correlation: Option<String>,
    /// The event that caused it.
    pub causation: Option<EventId>,
    /// How many messages it is an answer to, one behind the other.
    pub hops: u64,
    /// How often it is offered before it is a dead letter.
    pub attempts_max: Option<u64>,
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Those that an address means.
    To(Address),
    /// All with one of these types, capabilities and tags each, where any are named.
    Custom(Traits),
}

/// What agents are sought by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Traits {
    /// They are of one of these types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agent_types: Vec<String>,
    /// They can do one of these things.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// They are known by one of these words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Traits {
    /// Whether an agent has them. What it lacks it does not have.
    pub fn means(&self, agent: &Registered) -> bool {
        let has = |wanted: &[String], known: &BTreeSet<String>| {
            wanted.is_empty() || wanted.iter().any(|word| known.contains(word))
        };
        let is_of_type =
            agent.agent_type.as_ref().is_some_and(|agent_type| self.agent_types.contains(agent_type));
        (self.agent_types.is_empty() || is_of_type)
            && has(&self.capabilities, &agent.capabilities)
            && has(&self.tags, &agent.tags)
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Words to be read.
    Words {
        /// What it says.
        content: Json,
        /// text, json, binary or command.
        content_type: Option<String>,
        /// The message it answers.
        reply_to: Option<String>,
    },
    /// Words to many, about something.
    Broadcast {
        /// What it is about.
        topic: String,
        /// What it says.
        content: Json,
        /// Whether agents that come later get it too.
        retain: bool,
    },
    /// A question.
    Request {
        /// What is asked for.
        method: String,
        /// What it is asked with.
        params: Option<Json>,
        /// How long an answer is waited for.
        timeout: Duration,
        /// Whether the answer is put into the sender's inbox, as nobody waits for it.
        is_answered_by_inbox: bool,
    },
    /// Work to be done.
    Task(Box<TaskAssigned>),
}

impl Body {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Words { .. } => Kind::Message,
            Self::Broadcast { .. } => Kind::Broadcast,
            Self::Request { .. } => Kind::Request,
            Self::Task(_) => Kind::Task,
        }
    }
}

impl Message {
    /// A message with this body.
    pub fn new(from: impl Into<String>, to: Address, body: Body) -> Self {
        Self {
            id: None,
            from: from.into(),
            to: Audience::To(to),
            body,
            priority: Priority::Normal,
            ttl: None,
            correlation: None,
            causation: None,
            hops: 0,
            attempts_max: None,
        }
    }

    /// Words for an agent, or for all that an address means.
    ///
    /// # Errors
    /// `Invalid` when the text is too long to be stored.
    pub fn text(from: impl Into<String>, to: Address, text: &str) -> Result<Self> {
        let content = Json::of(&text)?;
        let body = Body::Words { content, content_type: Some("text".to_owned()), reply_to: None };
        Ok(Self::new(from, to, body))
    }

    /// A task for an agent, or for whoever of those that an address means takes it first. Its id is the task's.
    pub fn task(from: impl Into<String>, to: Address, task: TaskAssigned) -> Self {
        let to = Address { is_one_of: to.is_wide(), ..to };
        let id = Some(task.task_id.clone());
        Self { id, ..Self::new(from, to, Body::Task(Box::new(task))) }
    }

    /// Sets its id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets how urgent it is.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Sets how long it waits for its recipient.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// What is too much of it is refused.
    pub(super) fn check(&self) -> Result<()> {
        let bytes = match &self.body {
            Body::Words { content, .. } | Body::Broadcast { content, .. } => content.as_str().len(),
            Body::Request { params, .. } => params.as_ref().map_or(0, |params| params.as_str().len()),
            Body::Task(task) => task.description.as_ref().map_or(0, String::len),
        };
        if bytes > MESSAGE_BYTES_MAX {
            return Err(Error::invalid(format!(
                "a message of {bytes} bytes; {MESSAGE_BYTES_MAX} are allowed"
            ))
            .with_hint("keep what is large in shared memory or in a file, and send where it is"));
        }
        if self.hops > HOPS_MAX {
            return Err(Error::invalid(format!(
                "{HOPS_MAX} messages have answered one another already: these agents talk in circles"
            ))
            .with_hint("begin a new conversation with a message that answers none"));
        }
        if self.id.as_ref().is_some_and(String::is_empty) || self.from.is_empty() {
            return Err(Error::invalid("a message needs a sender, and an id that is not empty"));
        }
        Ok(())
    }

    /// What is the same where the contents are: for messages that could come again and again.
    pub(super) fn digest(&self) -> Option<String> {
        let text = match &self.body {
            Body::Words { content, .. } | Body::Broadcast { content, .. } => content.as_str(),
            Body::Request { .. } | Body::Task(_) => return None,
        };
        Some(format!("{:016x}", crate::projections::stable_hash(text)))
    }

    /// The stream that its content stands in.
    pub(super) fn stream(&self, id: &str) -> Result<StreamName> {
        match &self.body {
            Body::Task(task) => stream_of("task", &task.task_id),
            _ => stream_of("message", id),
        }
    }

    /// The id of the event with its content.
    pub(super) fn event_id(&self, id: &str) -> Result<EventId> {
        if let Ok(own) = id.parse() {
            return Ok(own);
        }
        Ok(EventId::foreign(SYSTEM, &self.stream(id)?, id))
    }

    /// When its time runs out, if it is sent now.
    pub(super) fn expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        let ttl = match (&self.body, self.ttl) {
            (_, Some(ttl)) => ttl,
            (Body::Request { timeout, .. }, None) => *timeout,
            (Body::Task(_), None) => return None,
            _ => MESSAGE_TTL,
        };
        Some(now.plus_ms(milliseconds(ttl)))
    }

    /// The event with its content.
    pub(super) fn body_event(&self, id: &str, recipients: Vec<String>, now: Timestamp) -> Result<NewEvent> {
        let hops = (self.hops > 0).then_some(self.hops);
        let mut event = match self.body.clone() {
            Body::Words { content, content_type, reply_to } => {
                let mut sent = MessageSent::new(id).content(content).recipients(recipients);
                (sent.content_type, sent.reply_to, sent.hops) = (content_type, reply_to, hops);
                sent.into_event()?
            }
            Body::Broadcast { topic, content, retain } => {
                let mut sent = MessageBroadcast::new().message_id(id).topic(topic).content(content);
                (sent.recipients, sent.hops) = (Some(recipients), hops);
                sent.retain = retain.then_some(true);
                (sent.scope, sent.filter) = scope(&self.to)?;
                sent.into_event()?
            }
            Body::Request { method, params, timeout, is_answered_by_inbox } => {
                let mut asked = MessageRequest::new(id).method(method).recipients(recipients);
                (asked.params, asked.hops) = (params, hops);
                asked.timeout_ms = Some(milliseconds(timeout));
                asked.answer_inbox = is_answered_by_inbox.then(|| self.from.clone());
                asked.into_event()?
            }
            Body::Task(mut task) => {
                task.assigned_at = None;
                task.into_event()?
            }
        };
        event.id = self.event_id(id)?;
        event = event.with_source(&self.from)?;
        event.priority = Some(self.priority);
        event.expires_at = self.expires_at(now);
        event.causation_id = self.causation;
        event.correlation_id = self.correlation.as_deref().map(str::parse).transpose()?;
        if let Audience::To(address) = &self.to {
            event = event.with_target(&address.to_string())?;
        }
        if matches!(self.body, Body::Broadcast { retain: true, .. }) {
            event = event.with_tag(RETAINED)?;
        }
        Ok(event)
    }

    /// The event that puts it into an inbox.
    pub(super) fn queued_event(&self, id: &str, inbox: &str, now: Timestamp) -> Result<NewEvent> {
        let mut queued = InboxQueued::new(inbox, id)
            .from(self.from.as_str())
            .kind(self.body.kind().as_str())
            .priority(self.priority.as_str());
        let stream = self.stream(id)?;
        if matches!(self.body, Body::Task(_)) {
            queued.stream = Some(stream.to_string());
        }
        queued.attempts_max = self.attempts_max;
        queued.digest = self.digest();
        queued.hops = (self.hops > 0).then_some(self.hops);
        queued.expires_at = self.expires_at(now);
        let mut event = queued.into_event()?;
        event.id = EventId::foreign(SYSTEM, &event.stream, id);
        event = event.with_source(&self.from)?.with_causation(self.event_id(id)?);
        event.correlation_id = self.correlation.as_deref().map(str::parse).transpose()?;
        event.priority = Some(self.priority);
        event.expires_at = self.expires_at(now);
        Ok(event)
    }
}

/// What retained broadcasts are found by.
pub(crate) const RETAINED: &str = "retain";

/// A broadcast's scope, and the filter of a custom one, in origin D's words.
fn scope(audience: &Audience) -> Result<(Option<String>, Option<Json>)> {
    let (word, filter) = match audience {
        Audience::To(Address { to: To::All, .. }) => ("global", None),
        Audience::To(Address { to: To::Group(_), .. }) => ("swarm", None),
        Audience::To(Address { to: To::Type(name), .. }) => {
            let traits = Traits { agent_types: vec![name.clone()], ..Traits::default() };
            ("type", Some(Json::of(&traits)?))
        }
        Audience::Custom(traits) if !traits.agent_types.is_empty() && traits.is_by_type() => {
            ("type", Some(Json::of(traits)?))
        }
        Audience::Custom(traits) => ("custom", Some(Json::of(traits)?)),
        Audience::To(_) => ("custom", None),
    };
    Ok((Some(word.to_owned()), filter))
}

impl Traits {
    fn is_by_type(&self) -> bool {
        self.capabilities.is_empty() && self.tags.is_empty()
    }
}

impl Audience {
    /// Who is meant now, without the sender where many are meant.
    pub(crate) fn recipients(&self, directory: &Directory, sender: &str) -> BTreeSet<String> {
        let mut meant = match self {
            Self::To(address) if address.is_one_of => return BTreeSet::from([address.to_string()]),
            Self::To(address) => directory.resolve(&address.to),
            Self::Custom(traits) => {
                let live = directory.agents().iter().filter(|(_, agent)| !agent.is_terminated);
                live.filter(|(_, agent)| traits.means(agent)).map(|(id, _)| id.clone()).collect()
            }
        };
        if self.is_wide() {
            meant.remove(sender);
        }
        meant
    }

    /// Whether it means agents by what they are, rather than one by its id.
    pub(super) fn is_wide(&self) -> bool {
        match self {
            Self::To(address) => address.is_wide(),
            Self::Custom(_) => true,
        }
    }
}

/// Whether the event of a message was put into inboxes when it was stored.
pub(crate) fn put_by_bus(event: &Event) -> bool {
    let id = match Payload::of(event) {
        Some(Payload::MessageSent(sent)) => return sent.recipients.is_some(),
        Some(Payload::MessageBroadcast(sent)) => return sent.recipients.is_some(),
        Some(Payload::MessageRequest(asked)) => return asked.recipients.is_some(),
        Some(Payload::TaskAssigned(task)) => task.task_id,
        _ => return false,
    };
    event.id == id.parse().unwrap_or_else(|_| EventId::foreign(SYSTEM, &event.stream, &id))
}

/// What kind of message an event is the content of, under whatever name its type goes.
pub(crate) fn kind_of(event: &Event) -> Option<Kind> {
    match type_named(&event.event_type)?.name {
        "message:sent" => Some(Kind::Message),
        "message:broadcast" => Some(Kind::Broadcast),
        "message:request" => Some(Kind::Request),
        "message:response" => Some(Kind::Response),
        "task:assigned" => Some(Kind::Task),
        _ => None,
    }
}
