//! The hand that an agent acts with: what it does is said in its name, and told as caused by what it was given.

use std::sync::Arc;
use std::time::Duration;

use factlog::{EventId, EventLog, Json, NewEvent, Priority, Result, TypedEvent};
use serde::Serialize;

use super::handler::TaskError;
use super::work;
use crate::bus::{
    Address, Answer, Audience, Body, Bus, Delivery, Kind, Message, Request, RequestError, Sent, Taker, Traits,
};
use crate::vocabulary::{TaskAssigned, TaskProgress};

/// An agent as it acts; in a handler it also knows what it was given. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Me(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bus: Bus,
    taker: Taker,
    because: Option<Because>,
}

/// What an agent was given, and acts because of.
#[derive(Debug, Clone)]
struct Because {
    cause: EventId,
    correlation: Option<String>,
    hops: u64,
}

impl Me {
    pub(crate) fn new(bus: Bus, taker: Taker) -> Self {
        Self(Arc::new(Inner { bus, taker, because: None }))
    }

    /// The same agent, acting because of what it was given.
    pub(crate) fn given(&self, delivery: &Delivery) -> Self {
        let event = &delivery.event;
        let correlation = event.correlation_id.as_ref().map(ToString::to_string);
        let because = Because { cause: event.id, correlation, hops: delivery.item.hops + 1 };
        Self(Arc::new(Inner { bus: self.0.bus.clone(), taker: self.0.taker.clone(), because: Some(because) }))
    }

    /// The agent's id.
    pub fn id(&self) -> &str {
        &self.0.taker.agent_id
    }

    /// The agent's run.
    pub fn taker(&self) -> &Taker {
        &self.0.taker
    }

    /// The bus that it is on: inboxes, leases, memory, swarms.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// The log underneath.
    pub fn log(&self) -> &EventLog {
        self.0.bus.log()
    }

    /// Records an event in the agent's name.
    pub async fn record(&self, event: impl TypedEvent) -> Result<factlog::Appended> {
        let event = self.own(event)?;
        self.log().append(event).await
    }

    /// An event in the agent's name, caused by what it was given.
    pub(crate) fn own(&self, event: impl TypedEvent) -> Result<NewEvent> {
        let mut event = event.into_event()?;
        if event.source.is_none() {
            event = event.with_source(self.id())?;
        }
        if let Some(because) = &self.0.because {
            event.causation_id = event.causation_id.or(Some(because.cause));
            if event.correlation_id.is_none() {
                event.correlation_id = because.correlation.as_deref().map(str::parse).transpose()?;
            }
        }
        Ok(event)
    }

    /// Sends words to an agent, or to all that an address means: `worker-1`, `type:worker`, `group:g`, `capability:c`, `*`.
    pub async fn send(&self, to: &str, content: &(impl Serialize + Sync)) -> Result<Sent> {
        let body = Body::Words { content: Json::of(content)?, content_type: None, reply_to: None };
        self.post(Message::new(self.id(), to.parse()?, body)).await
    }

    /// Sends a message as it is written; what it leaves open about its cause is what the agent was given.
    pub async fn post(&self, mut message: Message) -> Result<Sent> {
        if let Some(because) = &self.0.because {
            message.causation = message.causation.or(Some(because.cause));
            message.hops = message.hops.max(because.hops);
            message.correlation = message.correlation.or_else(|| because.correlation.clone());
        }
        self.0.bus.send(message).await
    }

    /// Answers a message with words.
    pub async fn reply(&self, to: &super::GivenMessage, content: &(impl Serialize + Sync)) -> Result<Sent> {
        let reply_to = Some(to.message_id.clone());
        let body = Body::Words { content: Json::of(content)?, content_type: None, reply_to };
        self.post(Message::new(self.id(), Address::agent(&to.from), body)).await
    }

    /// Tells something to all that an address means, except to itself.
    pub async fn broadcast(&self, to: &str, topic: &str, content: &(impl Serialize + Sync)) -> Result<Sent> {
        self.post(Message::new(self.id(), to.parse()?, broadcast(topic, content)?)).await
    }

    /// Tells something to all that have what is sought.
    pub async fn broadcast_to(
        &self,
        to: Traits,
        topic: &str,
        content: &(impl Serialize + Sync),
    ) -> Result<Sent> {
        let everyone = "*".parse()?;
        let message = Message::new(self.id(), everyone, broadcast(topic, content)?);
        self.post(Message { to: Audience::Custom(to), ..message }).await
    }

    /// Gives a task to an agent, or to whoever of those that an address means takes it first.
    pub async fn assign(&self, to: &str, task: TaskAssigned) -> Result<Sent> {
        let priority =
            task.priority.as_deref().and_then(|word| word.parse().ok()).unwrap_or(Priority::Normal);
        self.post(Message::task(self.id(), to.parse()?, task).priority(priority)).await
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// `NotFound` at once where nobody answers to the method; `Unavailable` once the time is over.
    pub async fn request(
        &self,
        to: &str,
        method: &str,
        params: &(impl Serialize + Sync),
        timeout: Duration,
    ) -> Result<Answer> {
        let mut request = Request::new(self.id(), to.parse()?, method).params(params)?.timeout(timeout);
        request.because = self.0.because.as_ref().map(|because| (because.cause, because.hops));
        self.0.bus.request(&request).await
    }

    /// Says that messages that were handed out were read, once they were; a task is accepted and begun with by that.
    ///
    /// Whoever reads by itself, without handlers, takes with [`Bus::take`], and says with this and [`Me::conclude`] what
    /// became of it.
    pub async fn has_read(&self, deliveries: &[Delivery]) -> Result<()> {
        for delivery in deliveries {
            let ids = [delivery.item.message_id.clone()];
            self.0.bus.delivered(&delivery.inbox_id, self.taker(), &ids).await?;
            if delivery.item.kind == Kind::Task {
                work::begin_task(&self.given(delivery), delivery).await?;
            }
        }
        Ok(())
    }

    /// Says what came of a message: a task is completed or failed with it, a request answered; anything else is acknowledged,
    /// or comes again.
    pub async fn conclude(
        &self,
        delivery: &Delivery,
        outcome: std::result::Result<Json, TaskError>,
    ) -> Result<()> {
        let me = self.given(delivery);
        let ids = [delivery.item.message_id.clone()];
        match (delivery.item.kind, outcome) {
            (Kind::Task, outcome) => work::end_task(&me, delivery, outcome, None).await,
            (Kind::Request, outcome) => {
                let code = |error: &TaskError| error.code.clone().unwrap_or_else(|| "ERROR".to_owned());
                let failed = |error: TaskError| RequestError {
                    code: code(&error),
                    message: error.message,
                    details: None,
                };
                self.0.bus.respond(delivery, self.id(), outcome.map_err(failed)).await.map(drop)
            }
            (_, Ok(_)) => self.0.bus.ack(&delivery.inbox_id, self.id(), &ids).await,
            (_, Err(error)) => {
                self.0.bus.nack(&delivery.inbox_id, self.id(), &ids, &error.message, None).await
            }
        }
    }

    /// Says how far a task is, in percent.
    pub async fn progress(&self, task_id: &str, progress: f64, status: &str) -> Result<()> {
        let told = TaskProgress::new(task_id).progress(progress).status(status).agent_id(self.id());
        self.record(told).await.map(drop)
    }
}

fn broadcast(topic: &str, content: &impl Serialize) -> Result<Body> {
    Ok(Body::Broadcast { topic: topic.to_owned(), content: Json::of(content)?, retain: false })
}
