//! One firing of a policy: what has happened, and what is to be done about it.

use std::sync::Arc;
use std::time::Duration;

use factlog::{
    Error, Event, EventId, EventLog, Json, Match, NewEvent, Position, Result, Scope, StreamName,
    TAKEN_IN_LATER, Timestamp,
};
use serde_json::{Value, json};

use super::{Command, Webhook};
use crate::Bus;
use crate::bus::{Message, Request};
use crate::stream_of;

/// What the ids of firings and of what they do are made with.
const SYSTEM: &str = "factlog-policy";
/// Where an event says which policy has made it, and how many have before it.
pub(super) const POLICY_FIELD: &str = "policy";
pub(super) const DEPTH_FIELD: &str = "policyDepth";
/// The same in the data of a message.
const HOPS_FIELD: &str = "hops";
/// What one firing may do.
const ACTS_MAX: usize = 100;

/// What a policy does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Records an event.
    Append(Box<NewEvent>),
    /// Sends a message.
    Send(Box<Message>),
    /// Asks an agent, and waits for the answer.
    Request(Box<Request>),
    /// Tells a service.
    Webhook {
        /// The service.
        webhook: Box<Webhook>,
        /// What it is told; the firing itself where this is missing.
        body: Option<Json>,
    },
    /// Runs a program.
    Run(Box<Command>),
}

impl Act {
    /// What it is, in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Append(event) => format!("append {} to {}", event.event_type, event.stream),
            Self::Send(message) => match &message.to {
                crate::bus::Audience::To(address) => format!("message {address}"),
                crate::bus::Audience::Custom(_) => "message agents".to_owned(),
            },
            Self::Request(request) => format!("request {} of {}", request.method, request.to),
            Self::Webhook { webhook, .. } => format!("webhook {}", webhook.host()),
            Self::Run(command) => format!("run {}", command.program()),
        }
    }

    /// Whether nothing but the log is touched by it.
    pub(super) fn is_in_log(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Send(_))
    }
}

/// What has happened, for the policy that acts on it.
///
/// What a handler wants done it says here; it is done once the handler has returned, each act under an id that follows from
/// the policy, what has happened and the act's place. Events and messages are there exactly once, whatever happens in between;
/// webhooks and commands are called at least once with that id as their idempotency key.
#[derive(Debug, Clone)]
pub struct Firing {
    policy: Arc<str>,
    bus: Bus,
    id: EventId,
    events: Vec<(Option<Arc<str>>, Arc<Event>)>,
    key: Option<Arc<str>>,
    triggered_at: Timestamp,
    attempt: u64,
    depth: u64,
    acts: Vec<Act>,
}

impl Firing {
    /// A firing on these events; at least one.
    pub(super) fn new(
        policy: &str,
        bus: &Bus,
        events: Vec<(Option<Arc<str>>, Arc<Event>)>,
        key: Option<Arc<str>>,
        triggered_at: Timestamp,
    ) -> Result<Self> {
        let Some((_, first)) = events.first() else {
            return Err(Error::not_found("the events that a policy acts on are not there any more"));
        };
        let id = EventId::foreign(SYSTEM, &stream_of("policy", policy)?, &first.id.to_string());
        let depth = events.iter().map(|(_, event)| depth_of(event)).max().unwrap_or(0) + 1;
        let policy = policy.into();
        Ok(Self {
            policy,
            bus: bus.clone(),
            id,
            events,
            key,
            triggered_at,
            attempt: 1,
            depth,
            acts: Vec::new(),
        })
    }

    /// A firing on a match.
    pub(super) async fn of(policy: &str, bus: &Bus, found: &Match) -> Result<Self> {
        let mut events = Vec::new();
        for step in &found.steps {
            let event = bus.log().event_at(step.position).await?.ok_or_else(|| {
                Error::not_found(format!("the event at position {} was removed", step.position))
            })?;
            events.push((step.name.clone(), event));
        }
        let triggered_at = triggered_at(&events, found);
        Self::new(policy, bus, events, found.key.clone(), triggered_at)
    }

    pub(super) fn at_attempt(mut self, attempt: u64) -> Self {
        self.attempt = attempt;
        self.acts.clear();
        self
    }

    /// The policy's name.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Its id: the same for the same policy and the same first event, whenever it is looked at.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The event that has triggered it: the last one of the match.
    pub fn event(&self) -> &Arc<Event> {
        // There is one: a firing without is not made.
        &self.events[self.events.len() - 1].1
    }

    /// The first event of the match.
    pub fn first(&self) -> &Arc<Event> {
        &self.events[0].1
    }

    /// All events of the match with the names of their steps.
    pub fn events(&self) -> impl Iterator<Item = (Option<&str>, &Arc<Event>)> {
        self.events.iter().map(|(name, event)| (name.as_deref(), event))
    }

    /// What ties them together.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// When it was known that something is to be done.
    pub fn triggered_at(&self) -> Timestamp {
        self.triggered_at
    }

    /// How often it was tried, this time included.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// How many policies have led to it, one behind the other, this one included.
    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The log, to look at; what is appended to it past the firing is appended each time that the firing is tried.
    pub fn log(&self) -> &EventLog {
        self.bus.log()
    }

    /// The position of the event that has triggered it.
    pub fn position(&self) -> Position {
        self.event().position
    }

    /// Wants something done.
    ///
    /// # Errors
    /// `Invalid` for too much.
    pub fn act(&mut self, act: Act) -> Result<()> {
        if self.acts.len() == ACTS_MAX {
            return Err(Error::invalid(format!("a firing does at most {ACTS_MAX} things")));
        }
        self.acts.push(act);
        Ok(())
    }

    /// Wants an event recorded: caused by the one that has triggered this, of its correlation, in the policy's name, as far as the event does not
    /// say otherwise. Its id is given by the firing.
    ///
    /// # Errors
    /// `Invalid` for too much.
    pub fn append(&mut self, event: NewEvent) -> Result<()> {
        self.act(Act::Append(Box::new(event)))
    }

    /// Wants a message sent. Its id is given by the firing.
    ///
    /// # Errors
    /// `Invalid` for too much.
    pub fn send(&mut self, message: Message) -> Result<()> {
        self.act(Act::Send(Box::new(message)))
    }

    /// What is wanted so far.
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// The id of what stands at a place among its acts, or of what is said of it.
    pub(super) fn id_of(&self, what: impl std::fmt::Display) -> Result<EventId> {
        Ok(EventId::foreign(SYSTEM, &self.stream()?, &format!("{}/{what}", self.id)))
    }

    pub(super) fn stream(&self) -> Result<StreamName> {
        stream_of("policy", &self.policy)
    }

    /// An event of the firing's, with its id and where it comes from.
    pub(super) fn finished(&self, mut event: NewEvent, id: EventId) -> Result<NewEvent> {
        let trigger = self.event();
        event.id = id;
        event.causation_id = event.causation_id.or(Some(trigger.id));
        event.correlation_id = event.correlation_id.or_else(|| trigger.correlation_id.clone());
        if event.source.is_none() {
            event = event.with_source(&self.source())?;
        }
        event.note(POLICY_FIELD, &*self.policy)?;
        event.note(DEPTH_FIELD, &self.depth)?;
        Ok(event)
    }

    /// Who a policy's events and messages come from.
    pub(super) fn source(&self) -> String {
        format!("policy-{}", self.policy)
    }

    /// What expressions see: `data` and `event` of the last event, `first`, the steps with names, `match` and `firing`.
    pub fn scope(&self) -> Scope {
        let mut scope = Scope::of(self.event()).with_event("first", self.first());
        for (name, event) in self.events() {
            if let Some(name) = name {
                scope = scope.with_event(name, event);
            }
        }
        let positions: Vec<Position> = self.events.iter().map(|(_, event)| event.position).collect();
        scope
            .with(
                "match",
                &json!({"key": self.key(), "positions": positions, "firstAt": self.first().time(),
                "lastAt": self.event().time()}),
            )
            .with("firing", &json!({"id": self.id, "policy": self.policy(), "attempt": self.attempt}))
    }

    /// The firing as others are told of it.
    pub fn to_value(&self) -> Value {
        let events: Vec<&Event> = self.events.iter().map(|(_, event)| &**event).collect();
        json!({"policy": self.policy(), "firingId": self.id, "key": self.key(), "triggeredAt": self.triggered_at,
            "attempt": self.attempt, "events": events})
    }

    /// How long ago the last event had happened when it was recorded.
    pub(super) fn lag(&self) -> Duration {
        lag_of(self.event())
    }

    /// The names of the steps, and the ids of their events.
    pub(super) fn told(&self) -> (Vec<String>, Vec<String>) {
        let names = self.events.iter().map(|(name, _)| name.as_deref().unwrap_or_default().to_owned());
        let ids = self.events.iter().map(|(_, event)| event.id.to_string());
        (names.collect(), ids.collect())
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(super) fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }
}

/// When it was known that something is to be done, by the store's clock: nobody's claim of a time decides. What was taken in
/// later, such as by an import, has only the times when it happened.
fn triggered_at(events: &[(Option<Arc<str>>, Arc<Event>)], found: &Match) -> Timestamp {
    let (Some((_, first)), Some((_, last))) = (events.first(), events.last()) else { return found.known_at };
    if lag_of(last) > TAKEN_IN_LATER {
        return last.time();
    }
    // That nothing came was known so long after the first event.
    let waited = found.known_at.as_micros().saturating_sub(found.last_at().as_micros());
    if waited <= 0 {
        return last.recorded_at;
    }
    let waited = found.known_at.as_micros().saturating_sub(first.time().as_micros());
    first.recorded_at.plus_ms(u64::try_from(waited / 1_000).unwrap_or(0)).max(last.recorded_at)
}

/// How long after an event has happened it was recorded.
fn lag_of(event: &Event) -> Duration {
    let micros = event.recorded_at.as_micros().saturating_sub(event.time().as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// How many policies have led to an event; of a message, how many messages.
fn depth_of(event: &Event) -> u64 {
    let number = |json: &Json, field: &str| json.to::<Value>().ok()?.get(field).and_then(Value::as_u64);
    let noted = event.metadata.as_ref().and_then(|metadata| number(metadata, DEPTH_FIELD));
    let is_message = event.event_type.starts_with("message:");
    noted.or_else(|| number(&event.data, HOPS_FIELD).filter(|_| is_message)).unwrap_or(0)
}
