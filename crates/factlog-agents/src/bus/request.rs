//! Requests: a question, what is heard on the way, and the one answer that counts.

use std::collections::BTreeSet;
use std::time::Duration;

use factlog::{
    Error, ErrorKind, Event, EventId, Filter, Fold, Invalid, Json, NewEvent, Position, Result, Timestamp,
    TypedEvent,
};
use serde::{Deserialize, Serialize};

use super::inbox::Inbox;
use super::message::{Body, MESSAGE_TTL, Message};
use super::send::recipients_of;
use super::take::{Delivery, milliseconds};
use super::{Address, Bus, Kind};
use crate::stream_of;
use crate::vocabulary::{
    InboxAcked, InboxQueued, MessageCancelled, MessageProgress, MessageRequest, MessageResponse, Payload,
};

/// How long an answer is waited for, where nothing else is said.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that an answer may be waited for.
pub const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a failed request says: origin D's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestError {
    /// What kind of failure it is: `INTERNAL_ERROR`, `UNKNOWN_METHOD`, `BUSY`, or a word of the responder's.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// Whatever else is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Json>,
}

/// The answer that counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Who gave it.
    pub from: String,
    /// The result, or the error.
    pub outcome: std::result::Result<Json, RequestError>,
    /// Where it stands.
    pub position: Position,
    /// When it was recorded.
    pub at: Timestamp,
}

/// A request with all that became of it, as the log tells it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Exchange {
    /// Who asked.
    pub from: String,
    /// What was asked for.
    pub method: String,
    /// Who may answer: agents, or the address that several take from.
    pub recipients: Vec<String>,
    /// Until when an answer counts.
    pub deadline: Option<Timestamp>,
    /// The answer that counted: the first one in time.
    pub answer: Option<Answer>,
    /// Answers that came too late to count, or from those who were not asked.
    pub late: u64,
    /// When the answer was no longer wanted.
    pub cancelled_at: Option<Timestamp>,
    /// How far the one who was asked is, in percent.
    pub progress: Option<f64>,
    /// Where it is, in its own word.
    pub status: Option<String>,
    /// Whose inbox the answer goes into.
    pub answer_inbox: Option<String>,
    asked: Option<EventId>,
}

impl Exchange {
    /// Whether nothing more can come of it at a time.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.answer.is_some() || self.cancelled_at.is_some() || self.deadline.is_some_and(|end| end <= now)
    }

    /// Whether someone was asked: by name, or as one of those who take from a queue.
    fn is_asked(&self, agent: &str) -> bool {
        self.recipients.iter().any(|known| known == agent || known.starts_with("one-of:"))
    }

    fn asked(&mut self, event: &Event, asked: MessageRequest) {
        if self.asked.is_some() {
            return;
        }
        self.asked = Some(event.id);
        self.recipients = recipients_of(event);
        if self.recipients.is_empty() {
            self.recipients = event.targets.iter().map(ToString::to_string).collect();
        }
        self.from = event.source.as_ref().map(ToString::to_string).unwrap_or_default();
        self.method = asked.method.unwrap_or_default();
        let timeout_ms = asked.timeout_ms.unwrap_or(milliseconds(REQUEST_TIMEOUT));
        self.deadline = Some(event.recorded_at.plus_ms(timeout_ms));
        self.answer_inbox = asked.answer_inbox;
    }

    fn answered(&mut self, event: &Event, response: MessageResponse) {
        let from = event.source.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.is_over(event.recorded_at) || !self.is_asked(&from) {
            self.late += 1;
            return;
        }
        let outcome = match response.success {
            Some(false) => Err(error_of(response.error)),
            _ => Ok(response.result.unwrap_or_else(|| Json::trusted("null"))),
        };
        self.answer = Some(Answer { from, outcome, position: event.position, at: event.recorded_at });
    }

    fn progressed(&mut self, event: &Event, progress: MessageProgress) {
        let is_asked = event.source.as_ref().is_some_and(|source| self.is_asked(source));
        if self.is_over(event.recorded_at) || !is_asked {
            return;
        }
        self.progress = progress.progress.or(self.progress);
        self.status = progress.status.or(self.status.take());
        if let Some(extend_ms) = progress.extend_ms {
            self.deadline = self.deadline.max(Some(event.recorded_at.plus_ms(extend_ms)));
        }
    }
}

impl Fold for Exchange {
    fn apply(&mut self, event: &Event) -> std::result::Result<(), Invalid> {
        self.take(event);
        Ok(())
    }
}

impl Exchange {
    fn take(&mut self, event: &Event) {
        match Payload::of(event) {
            Some(Payload::MessageRequest(asked)) => self.asked(event, asked),
            Some(Payload::MessageResponse(response)) => self.answered(event, response),
            Some(Payload::MessageProgress(progress)) => self.progressed(event, progress),
            Some(Payload::MessageCancelled(_)) => {
                let is_sender = event.source.as_ref().is_some_and(|source| **source == *self.from);
                if !self.is_over(event.recorded_at) && is_sender {
                    self.cancelled_at = Some(event.recorded_at);
                }
            }
            _ => {}
        }
    }
}

fn error_of(error: Option<Json>) -> RequestError {
    let unknown =
        |message: &str| RequestError { code: "ERROR".to_owned(), message: message.to_owned(), details: None };
    let Some(error) = error else { return unknown("no error was given") };
    error.to().unwrap_or_else(|_| unknown(error.as_str()))
}

/// A question to an agent, or to whoever of those that an address means takes it first.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Who asks.
    pub from: String,
    /// Who is asked.
    pub to: Address,
    /// What is asked for.
    pub method: String,
    /// What it is asked with.
    pub params: Option<Json>,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// Its id, where it is to be the same request again.
    pub id: Option<String>,
    /// The event that caused it, and how many messages are behind that.
    pub because: Option<(EventId, u64)>,
}

impl Request {
    /// A question with the usual time for an answer.
    pub fn new(from: impl Into<String>, to: Address, method: impl Into<String>) -> Self {
        let (from, method) = (from.into(), method.into());
        Self { from, to, method, params: None, timeout: REQUEST_TIMEOUT, id: None, because: None }
    }

    /// Sets what it is asked with.
    pub fn params(mut self, params: &impl Serialize) -> Result<Self> {
        self.params = Some(Json::of(params)?);
        Ok(self)
    }

    /// Sets how long an answer is waited for.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn message(&self, is_answered_by_inbox: bool) -> Message {
        let body = Body::Request {
            method: self.method.clone(),
            params: self.params.clone(),
            timeout: self.timeout,
            is_answered_by_inbox,
        };
        let to = Address { is_one_of: self.to.is_wide(), ..self.to.clone() };
        let mut message = Message::new(self.from.clone(), to, body).ttl(self.timeout);
        message.id.clone_from(&self.id);
        if let Some((cause, hops)) = self.because {
            (message.causation, message.hops) = (Some(cause), hops);
        }
        message
    }
}

impl Bus {
    /// Asks, and waits for the answer: the first one in time counts, whichever process it comes from.
    ///
    /// # Errors
    /// `NotFound` at once where nobody who is there answers to the method; `Unavailable` once the deadline is over.
    pub async fn request(&self, request: &Request) -> Result<Answer> {
        let id = self.ask(request, false).await?;
        self.answer(&id).await
    }

    /// Asks, and does not wait: the answer is put into the sender's inbox if wanted, and [`Bus::answer`] waits for it.
    ///
    /// # Errors
    /// `NotFound` where nobody who is there answers to the method.
    pub async fn ask(&self, request: &Request, into_inbox: bool) -> Result<String> {
        if request.timeout > REQUEST_TIMEOUT_MAX {
            return Err(Error::invalid("an answer is waited for at most a day"));
        }
        let message = request.message(into_inbox);
        // One that was asked before may have its answer, whoever is there now.
        if let Some(id) = &request.id
            && let Some(sent) = self.sent_before(&message, id).await?
        {
            return Ok(sent.message_id);
        }
        self.refuse_unanswered(request).await?;
        Ok(self.send(message).await?.message_id)
    }

    async fn refuse_unanswered(&self, request: &Request) -> Result<()> {
        let now = Timestamp::now();
        let why = self
            .directory(|directory, _| {
                let meant: BTreeSet<String> = directory.resolve(&request.to.to);
                let known: Vec<_> = meant.iter().filter_map(|id| directory.agent(id)).collect();
                let live: Vec<_> = known.iter().filter(|agent| agent.is_live(now)).collect();
                if live.iter().any(|agent| agent.answers(&request.method)) {
                    return None;
                }
                Some(match (known.is_empty(), live.first()) {
                    (true, _) => format!("{} has not registered", request.to),
                    (false, None) => format!("{} is not at work", request.to),
                    (false, Some(one)) => {
                        let methods: Vec<&str> = one.methods.iter().map(String::as_str).collect();
                        format!("{} answers to {}", request.to, shown_list(&methods))
                    }
                })
            })
            .await?;
        match why {
            None => Ok(()),
            Some(why) => {
                let said = format!("nobody answers to {}: {why}", request.method);
                Err(Error::not_found(said).with_hint("`factlog agents` shows who is there"))
            }
        }
    }

    /// Waits for the answer to a request, up to its deadline.
    ///
    /// # Errors
    /// `NotFound` for a request that there is not; `Unavailable` when its deadline is over, or it was cancelled.
    pub async fn answer(&self, request_id: &str) -> Result<Answer> {
        let stream = stream_of("message", request_id)?;
        let mut following = self.0.log.follow(Filter::stream(stream));
        let mut exchange = Exchange::default();
        let newest = self.0.log.newest().await?;
        loop {
            if let Some(answer) = exchange.answer.take() {
                return Ok(answer);
            }
            let now = Timestamp::now();
            if exchange.is_over(now) {
                // One that slept past the end may have an answer that came in time.
                let whole = self.exchange(request_id).await?;
                return whole.answer.clone().ok_or_else(|| over(request_id, &whole));
            }
            // Before the request itself was read there is no deadline yet: it is there, or it never was.
            let patience = exchange.deadline.map_or(Duration::from_secs(1), |end| until(now, end));
            match tokio::time::timeout(patience, following.next()).await {
                Ok(Some(event)) => exchange.take(&*event?),
                Ok(None) => return Err(Error::stopped("the log was closed")),
                Err(_) if exchange.deadline.is_none() => {
                    let said = format!("there is no request {request_id} up to position {newest}");
                    return Err(Error::not_found(said));
                }
                Err(_) => {}
            }
        }
    }

    /// A request with all that became of it so far.
    pub async fn exchange(&self, request_id: &str) -> Result<Exchange> {
        let stream = stream_of("message", request_id)?;
        self.0.log.stream(&stream).fold().await
    }

    /// Answers a request that was taken from an inbox, and is done with it. Whether the answer counted is told: it does
    /// not when it is late, or another was faster.
    pub async fn respond(
        &self,
        delivery: &Delivery,
        agent: &str,
        outcome: std::result::Result<Json, RequestError>,
    ) -> Result<bool> {
        let events = self.response(delivery, agent, outcome).await?;
        self.record_response(events).await
    }

    /// What is recorded of an answer to a request that was taken from an inbox. Recorded again it is the same answer.
    pub(crate) async fn response(
        &self,
        delivery: &Delivery,
        agent: &str,
        outcome: std::result::Result<Json, RequestError>,
    ) -> Result<Vec<NewEvent>> {
        let id = &delivery.item.message_id;
        let acked = InboxAcked::new(delivery.inbox_id.as_str(), vec![id.clone()], agent);
        let mut events = self.response_to(id, agent, outcome).await?;
        events.push(acked.into_event()?.with_source(agent)?);
        Ok(events)
    }

    /// Answers a request by its id, and is done with it in each inbox that it was put into and the agent may take from.
    pub async fn respond_to(
        &self,
        request_id: &str,
        agent: &str,
        outcome: std::result::Result<Json, RequestError>,
    ) -> Result<bool> {
        let events = self.response_to(request_id, agent, outcome).await?;
        let counted = self.record_response(events).await?;
        let asked = self.exchange(request_id).await?;
        for inbox in asked.recipients.iter().filter(|inbox| *inbox == agent || inbox.starts_with("one-of:")) {
            match self.ack(inbox, agent, &[request_id.to_owned()]).await {
                // Another is at it, or its time has run out: its own answer will come too late.
                Err(error) if [ErrorKind::NotFound, ErrorKind::Conflict].contains(&error.kind()) => {}
                acked => acked?,
            }
        }
        Ok(counted)
    }

    async fn response_to(
        &self,
        request_id: &str,
        agent: &str,
        outcome: std::result::Result<Json, RequestError>,
    ) -> Result<Vec<NewEvent>> {
        let before = self.exchange(request_id).await?;
        let Some(asked) = before.asked else {
            return Err(Error::not_found(format!("there is no request {request_id}")));
        };
        let mut response = MessageResponse::new(request_id).success(outcome.is_ok());
        match outcome {
            Ok(result) => response.result = Some(result),
            Err(error) => response.error = Some(Json::of(&error)?),
        }
        let response = response.into_event()?.with_source(agent)?.with_causation(asked);
        let mut events = vec![response.with_target(&before.from)?];
        let now = Timestamp::now();
        let may_count = before.answer.is_none() && !before.is_over(now);
        if let Some(inbox) = before.answer_inbox.as_ref().filter(|_| may_count) {
            // The content of this message is the answer itself.
            let own = events[0].id;
            let queued = InboxQueued::new(inbox.as_str(), own.to_string())
                .stream(events[0].stream.to_string())
                .from(agent)
                .kind(Kind::Response.as_str())
                .expires_at(now.plus_ms(milliseconds(MESSAGE_TTL)));
            events.push(queued.into_event()?.with_source(agent)?.with_causation(own));
        }
        Ok(events)
    }

    /// Records an answer; whether it counts.
    pub(crate) async fn record_response(&self, events: Vec<NewEvent>) -> Result<bool> {
        let stream = events[0].stream.clone();
        let appended = self.0.log.append(events).await?;
        let after: Exchange = self.0.log.stream(&stream).fold().await?;
        Ok(after.answer.is_some_and(|answer| answer.position == appended.events[0].position))
    }

    /// Says how far a request is, and how much longer it may take from now on.
    pub async fn progress(
        &self,
        request_id: &str,
        agent: &str,
        progress: Option<f64>,
        status: Option<&str>,
        extend: Option<Duration>,
    ) -> Result<()> {
        let mut event = MessageProgress::new(request_id);
        event.progress = progress;
        event.status = status.map(str::to_owned);
        event.extend_ms = extend.map(milliseconds);
        self.0.log.append(event.into_event()?.with_source(agent)?).await.map(drop)
    }

    /// Takes a request back: no answer to it counts any more, and those who have not begun with it need not.
    ///
    /// # Errors
    /// `Denied` for a request of another; `NotFound` for one that there is not.
    pub async fn cancel(&self, request_id: &str, agent: &str, reason: &str) -> Result<()> {
        let exchange = self.exchange(request_id).await?;
        if exchange.asked.is_none() {
            return Err(Error::not_found(format!("there is no request {request_id}")));
        }
        if exchange.from != agent {
            return Err(Error::denied(format!("the request {request_id} is {}'s", exchange.from)));
        }
        let cancelled = MessageCancelled::new(request_id).reason(reason);
        self.0.log.append(cancelled.into_event()?.with_source(agent)?).await.map(drop)
    }
}

fn over(request_id: &str, exchange: &Exchange) -> Error {
    if exchange.cancelled_at.is_some() {
        return Error::unavailable(format!("the request {request_id} was cancelled"));
    }
    let end = exchange.deadline.map(|end| end.to_string()).unwrap_or_default();
    Error::unavailable(format!("no answer to {} came until {end}", exchange.method))
        .with_hint(format!("`factlog message {request_id}` shows where it is; a later answer is kept there"))
}

fn shown_list(words: &[&str]) -> String {
    if words.is_empty() { "no requests".to_owned() } else { words.join(", ") }
}

/// How long it is until a time.
pub(super) fn until(now: Timestamp, end: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(end.as_micros() - now.as_micros()).unwrap_or_default())
}

impl Inbox {
    /// Requests that wait for an answer.
    pub fn requests(&self) -> impl Iterator<Item = &super::Item> {
        self.items().into_iter().filter(|item| item.kind == Kind::Request)
    }
}
