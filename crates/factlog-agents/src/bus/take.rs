//! Taking from an inbox: what is offered, read, acknowledged and given back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use factlog::{Error, Event, EventId, Filter, Json, NewEvent, Result, Timestamp, TypePattern, TypedEvent};

use super::Bus;
use super::inbox::{Inbox, Taker};
use super::item::{Item, Kind, State};
use super::message::kind_of;
use super::send::inbox_stream;
use crate::projections::cut;
use crate::vocabulary::{
    InboxAcked, InboxDead, InboxDelivered, InboxExpired, InboxNacked, InboxOffered, InboxReleased,
    InboxRenewed, InboxStarted, Payload,
};

/// How long what is offered is kept from others, where nothing else is said.
pub const VISIBILITY: Duration = Duration::from_secs(60);
/// How long an agent that has read a message is waited for, before another run of it gets the message.
pub const ACK_WAIT: Duration = Duration::from_secs(30 * 60);
/// Messages that one run of an agent has in hand at once.
pub const IN_HAND_MAX: usize = 100;
/// The first pause before a message that failed is offered again; each is twice as long as the one before.
pub const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The longest of them.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// Bytes of a failure's words that are kept.
const FAILURE_BYTES_MAX: usize = 2_000;

/// How much of each kind is taken, and how much of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Messages and broadcasts together: one sender's come in one order.
    pub(crate) words: usize,
    pub(crate) messages: usize,
    pub(crate) broadcasts: usize,
    pub(crate) requests: usize,
    pub(crate) tasks: usize,
    pub(crate) responses: usize,
    pub(crate) all: usize,
}

impl Room {
    /// Whether there is room for one more of a kind, which it takes then.
    fn admits(&mut self, kind: Kind) -> bool {
        let left = match kind {
            Kind::Message => &mut self.messages,
            Kind::Broadcast => &mut self.broadcasts,
            Kind::Request => &mut self.requests,
            Kind::Task => &mut self.tasks,
            Kind::Response => &mut self.responses,
        };
        let is_of_words = matches!(kind, Kind::Message | Kind::Broadcast);
        if *left == 0 || self.all == 0 || is_of_words && self.words == 0 {
            return false;
        }
        *left -= 1;
        self.words -= usize::from(is_of_words);
        self.all -= 1;
        true
    }
}

/// How something is handed out: for how long, and whether what is not begun with counts as an attempt.
#[derive(Debug, Clone, Copy)]
struct Offer {
    visibility: Duration,
    is_ahead: bool,
}

/// What was taken, and when there is more at the latest.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) deliveries: Vec<Delivery>,
    /// Whether there was more than there was room for.
    pub(crate) has_more: bool,
    pub(crate) due: Option<Timestamp>,
}

/// A message that was handed out.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The inbox, or the queue, that it was taken from.
    pub inbox_id: String,
    /// Where it stands there.
    pub item: Item,
    /// The event with its content.
    pub event: Arc<Event>,
}

impl Delivery {
    /// What it says: a message's content, a request's parameters, a task's description.
    pub fn content(&self) -> Json {
        content_of(&self.event)
    }

    /// What else there is to know of it, by name: a request's method, a broadcast's topic, what a message answers.
    pub fn particulars(&self) -> Vec<(&'static str, serde_json::Value)> {
        let particulars = match Payload::of(&self.event) {
            Some(Payload::MessageSent(sent)) => {
                vec![("inReplyTo", sent.reply_to), ("contentType", sent.content_type)]
            }
            Some(Payload::MessageBroadcast(sent)) => vec![("topic", sent.topic)],
            Some(Payload::MessageRequest(asked)) => vec![("method", asked.method)],
            Some(Payload::MessageResponse(response)) => vec![("requestId", Some(response.request_id))],
            Some(Payload::TaskAssigned(task)) => vec![("taskId", Some(task.task_id))],
            _ => Vec::new(),
        };
        particulars.into_iter().filter_map(|(name, value)| Some((name, value?.into()))).collect()
    }
}

/// What the event of a message says.
pub(super) fn content_of(event: &Event) -> Json {
    let content = match Payload::of(event) {
        Some(Payload::MessageSent(sent)) => sent.content,
        Some(Payload::MessageBroadcast(sent)) => sent.content,
        Some(Payload::MessageRequest(asked)) => asked.params,
        Some(Payload::MessageResponse(response)) => response.result.or(response.error),
        _ => None,
    };
    content.unwrap_or_else(|| event.data.clone())
}

impl Bus {
    /// Looks into an inbox; nothing in it changes.
    pub async fn inbox<R>(&self, inbox: &str, look: impl FnOnce(&Inbox) -> R) -> Result<R> {
        let stream = inbox_stream(inbox)?;
        let mut held = self.0.inboxes.of(&stream).await;
        Ok(look(held.refresh(&self.0.log).await?))
    }

    /// What waits in an inbox with what it says, in the order in which it is handed out; nothing in it changes.
    pub async fn peek(&self, inbox: &str) -> Result<Vec<Delivery>> {
        let items = self.inbox(inbox, |state| state.items().into_iter().cloned().collect()).await?;
        Ok(self.with_contents(inbox, items).await?.0)
    }

    /// Takes the next messages out of an inbox, or out of a queue: they are offered to this run of the agent, and to nobody
    /// else until the time of visibility is over.
    ///
    /// What has run out by then, and what was offered as often as it may be, is recorded as such on the way.
    pub async fn take(
        &self,
        inbox: &str,
        taker: &Taker,
        limit: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>> {
        let of_each = Room {
            words: limit,
            messages: limit,
            broadcasts: limit,
            requests: limit,
            tasks: limit,
            responses: limit,
            all: limit,
        };
        let offer = Offer { visibility, is_ahead: false };
        Ok(self.take_as(inbox, taker, of_each, offer).await?.deliveries)
    }

    /// The same for a run that takes more than it begins with at once, as far as it has room for each kind: what was lost
    /// before is an attempt once the run says that it has begun. With the time when the next message can be taken that cannot
    /// yet.
    pub(crate) async fn take_ahead(
        &self,
        inbox: &str,
        taker: &Taker,
        room: Room,
        visibility: Duration,
    ) -> Result<Taken> {
        self.take_as(inbox, taker, room, Offer { visibility, is_ahead: true }).await
    }

    async fn take_as(&self, inbox: &str, taker: &Taker, room: Room, offer: Offer) -> Result<Taken> {
        let stream = inbox_stream(inbox)?;
        let mut chosen = Vec::new();
        let mut has_more = false;
        let unless = if inbox.starts_with("one-of:") { offers() } else { Vec::new() };
        let decide = |state: &Inbox| {
            let now = Timestamp::now();
            let mut room = room;
            room.all = room.all.min(IN_HAND_MAX.saturating_sub(state.in_hand(taker).count()));
            let available = state.available(taker, now);
            let fits = available.iter().filter(|item| room.admits(item.kind));
            chosen = fits.map(|item| item.message_id.clone()).collect();
            has_more = chosen.len() < available.len();
            taking(inbox, state, taker, &chosen, offer, now)
        };
        let (held, recorded) = self.0.inboxes.record(&self.0.log, &stream, &unless, decide).await?;
        // Only what the log says was offered with this: another may have been faster, also one that takes for the same run.
        let state = held.state();
        let offered_at = recorded.and_then(|recorded| recorded.events.last().map(|event| event.position));
        let is_ours =
            |item: &&Item| matches!(item.state, State::Offered { at, .. } if Some(at) == offered_at);
        let ours = chosen.iter().filter_map(|id| state.item(id)).filter(is_ours);
        let items: Vec<Item> = ours.cloned().collect();
        let due = state.next_due(taker, Timestamp::now());
        drop(held);
        let (deliveries, lost) = self.with_contents(inbox, items).await?;
        if !lost.is_empty() {
            let dead = InboxDead::new(inbox, lost)
                .reason("its content is no longer in the log")
                .context_id(taker.context_id.as_str());
            self.0.log.append(dead).await?;
        }
        Ok(Taken { deliveries, has_more, due })
    }

    /// The messages with what they say, and the ids of those whose content is no longer there.
    async fn with_contents(&self, inbox: &str, items: Vec<Item>) -> Result<(Vec<Delivery>, Vec<String>)> {
        if items.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let ids = items.iter().map(body_id).collect::<Vec<EventId>>();
        let events = self.0.log.read(Filter::ids(ids.iter().copied())).collect().await?;
        let by_id: HashMap<EventId, Arc<Event>> = events.into_iter().map(|event| (event.id, event)).collect();
        let mut deliveries = Vec::new();
        let mut lost = Vec::new();
        for (item, id) in items.into_iter().zip(ids) {
            match by_id.get(&id).filter(|event| kind_of(event).is_some()) {
                Some(event) => {
                    let (inbox_id, event) = (inbox.to_owned(), Arc::clone(event));
                    deliveries.push(Delivery { inbox_id, item, event });
                }
                None => lost.push(item.message_id),
            }
        }
        Ok((deliveries, lost))
    }

    /// Keeps messages that are worked at from others for longer.
    pub async fn renew(
        &self,
        inbox: &str,
        taker: &Taker,
        ids: &[String],
        visibility: Duration,
    ) -> Result<()> {
        let renewed = InboxRenewed::new(inbox, ids.to_vec(), taker.agent_id.as_str())
            .context_id(taker.context_id.as_str())
            .visibility_ms(milliseconds(visibility));
        self.say(renewed, &taker.agent_id).await
    }

    /// Says that a run has begun with messages that it took ahead, and that were in other hands before: it counts as an
    /// attempt then, also if nothing more is heard of it.
    pub async fn begun(&self, inbox: &str, taker: &Taker, ids: &[String]) -> Result<()> {
        let started = InboxStarted::new(inbox, ids.to_vec(), taker.agent_id.as_str())
            .context_id(taker.context_id.as_str());
        self.say(started, &taker.agent_id).await
    }

    /// Says that messages were read, once they were: they stand in the context of this run, and are not given to it again.
    pub async fn delivered(&self, inbox: &str, taker: &Taker, ids: &[String]) -> Result<()> {
        let delivered = InboxDelivered::new(inbox, ids.to_vec(), taker.agent_id.as_str())
            .context_id(taker.context_id.as_str())
            .visibility_ms(milliseconds(ACK_WAIT));
        self.say(delivered, &taker.agent_id).await
    }

    /// Says that an agent is done with messages, whatever their state is; with those it is done with already nothing
    /// changes.
    ///
    /// # Errors
    /// `NotFound` for a message that was never in the inbox; `Conflict` for one that is another's, expired or dead.
    pub async fn ack(&self, inbox: &str, agent: &str, ids: &[String]) -> Result<()> {
        self.settle(inbox, agent, ids, |open| {
            InboxAcked::new(inbox, open, agent).into_event().map(|event| vec![event])
        })
        .await
    }

    /// Says that an agent could do nothing with messages, and why: they are offered again after a pause, and are dead
    /// letters once they were offered as often as they may be. Without a pause it is chosen: longer each time.
    ///
    /// # Errors
    /// As [`Bus::ack`].
    pub async fn nack(
        &self,
        inbox: &str,
        agent: &str,
        ids: &[String],
        reason: &str,
        pause: Option<Duration>,
    ) -> Result<()> {
        let stream = inbox_stream(inbox)?;
        let attempts: HashMap<String, (u64, u64)> = {
            let mut held = self.0.inboxes.of(&stream).await;
            let state = held.refresh(&self.0.log).await?;
            let known = ids.iter().filter_map(|id| state.item(id));
            known.map(|item| (item.message_id.clone(), (item.attempts, item.attempts_max))).collect()
        };
        self.settle(inbox, agent, ids, |open| {
            let mut events = Vec::new();
            for id in open {
                let (attempts, most) = attempts.get(&id).copied().unwrap_or((1, 1));
                events.extend(nacking(inbox, (agent, None), &id, (attempts, most), reason, pause)?);
            }
            Ok(events)
        })
        .await
    }

    /// Gives back what an agent has not begun with; it counts as never offered.
    pub async fn release(&self, inbox: &str, taker: &Taker, ids: &[String], reason: &str) -> Result<()> {
        let released = InboxReleased::new(inbox, ids.to_vec(), taker.agent_id.as_str())
            .context_id(taker.context_id.as_str())
            .reason(reason);
        self.say(released, &taker.agent_id).await
    }

    /// Gives back what the log says was handed to this run, and what never came there: the answer was lost.
    pub(crate) async fn release_astray(
        &self,
        inbox: &str,
        taker: &Taker,
        known: &HashSet<String>,
    ) -> Result<()> {
        let astray = self.inbox(inbox, |state| {
            let ids = state.in_hand(taker).map(|item| &item.message_id);
            ids.filter(|id| !known.contains(*id)).cloned().collect::<Vec<_>>()
        });
        let astray = astray.await?;
        if astray.is_empty() {
            return Ok(());
        }
        self.release(inbox, taker, &astray, "the answer that it was handed out was lost").await
    }

    /// Takes back what earlier runs of an agent had in hand, and will never finish.
    pub async fn take_over(&self, inbox: &str, taker: &Taker) -> Result<()> {
        let left = self.inbox(inbox, |state| state.left_behind(taker)).await?;
        if left.is_empty() {
            return Ok(());
        }
        self.release(inbox, taker, &left, "the run that had it has ended").await
    }

    async fn say(&self, payload: impl TypedEvent, agent: &str) -> Result<()> {
        let event = payload.into_event()?.with_source(agent)?;
        self.0.log.append(event).await.map(drop)
    }

    /// Records what becomes of messages that are open, after it was looked that they are the agent's.
    async fn settle(
        &self,
        inbox: &str,
        agent: &str,
        ids: &[String],
        events: impl Fn(Vec<String>) -> Result<Vec<NewEvent>>,
    ) -> Result<()> {
        let stream = inbox_stream(inbox)?;
        let decide = |state: &Inbox| {
            let now = Timestamp::now();
            let mut open = Vec::new();
            for id in ids {
                if refuse(state, inbox, agent, id, now)? {
                    open.push(id.clone());
                }
            }
            if open.is_empty() {
                return Ok(Vec::new());
            }
            events(open)?.into_iter().map(|event| event.with_source(agent)).collect()
        };
        let (held, recorded) = self.0.inboxes.record(&self.0.log, &stream, &[], decide).await?;
        let Some(recorded) = recorded else { return Ok(()) };
        // Between the look and the record another may have been handed it: what was said then is void.
        let at = recorded.recorded_at;
        let is_anothers = |id: &&String| held.state().item(id).is_some_and(|item| !item.is_for(agent, at));
        match ids.iter().find(is_anothers) {
            None => Ok(()),
            Some(id) => Err(in_the_hands_of_another(id)),
        }
    }
}

/// What is recorded when messages are taken.
fn taking(
    inbox: &str,
    state: &Inbox,
    taker: &Taker,
    offered: &[String],
    offer: Offer,
    now: Timestamp,
) -> Result<Vec<NewEvent>> {
    let mut events = Vec::new();
    let expired = state.run_out(now);
    if !expired.is_empty() {
        events.push(InboxExpired::new(inbox, expired).into_event()?);
    }
    for id in state.given_up(taker, now) {
        let attempts = state.item(&id).map_or(0, Item::attempts_made);
        let last =
            state.item(&id).and_then(|item| item.reason.clone()).map(|why| format!("; the last time: {why}"));
        let reason = format!("offered {attempts} times, and never acknowledged{}", last.unwrap_or_default());
        let dead = InboxDead::new(inbox, vec![id]).reason(reason).context_id(taker.context_id.as_str());
        events.push(dead.into_event()?);
    }
    if !offered.is_empty() {
        let mut event = InboxOffered::new(inbox, offered.to_vec(), taker.agent_id.as_str())
            .context_id(taker.context_id.as_str())
            .visibility_ms(milliseconds(offer.visibility));
        event.ahead = offer.is_ahead.then_some(true);
        events.push(event.into_event()?);
    }
    events.into_iter().map(|event| event.with_source(&taker.agent_id)).collect()
}

/// What is recorded of a message with which an agent could do nothing: one of its runs, where that is known.
pub(crate) fn nacking(
    inbox: &str,
    (agent, context): (&str, Option<&str>),
    id: &str,
    (attempts, most): (u64, u64),
    reason: &str,
    pause: Option<Duration>,
) -> Result<Vec<NewEvent>> {
    let pause = pause.unwrap_or_else(|| retry_pause(attempts));
    let reason = shortened(reason);
    let mut nacked = InboxNacked::new(inbox, vec![id], agent).reason(reason).delay_ms(milliseconds(pause));
    nacked.context_id = context.map(str::to_owned);
    let mut events = vec![nacked.into_event()?];
    if attempts >= most {
        let why = format!("failed {attempts} times; the last time: {reason}");
        let mut dead = InboxDead::new(inbox, vec![id]).reason(why);
        dead.context_id = context.map(str::to_owned);
        events.push(dead.into_event()?);
    }
    Ok(events)
}

/// Why something failed, as far as it is kept.
pub(crate) fn shortened(reason: &str) -> &str {
    cut(reason, FAILURE_BYTES_MAX)
}

/// The pause before the next attempt: twice as long each time, and never quite the same, so that what failed together does
/// not come back together.
pub(super) fn retry_pause(attempts: u64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let pause = RETRY_PAUSE.saturating_mul(1 << doublings).min(RETRY_PAUSE_MAX);
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// Whether a message is open and the agent's; an error where it never can be, and false where it is done with already.
fn refuse(state: &Inbox, inbox: &str, agent: &str, id: &str, now: Timestamp) -> Result<bool> {
    if !state.is_queue() && agent != inbox {
        return Err(Error::denied(format!("{agent} cannot act in the inbox of {inbox}")));
    }
    if let Some(item) = state.item(id) {
        if !item.is_for(agent, now) {
            return Err(in_the_hands_of_another(id));
        }
        return Ok(true);
    }
    if let Some(dead) = state.dead_letter(id) {
        return Err(Error::conflict(format!("the message {id} is a dead letter: {}", dead.reason))
            .with_hint(format!("`factlog dead-letters replay {id}` offers it again")));
    }
    match state.finished(id) {
        Some(finished) if finished.is_acked => Ok(false),
        Some(_) => Err(Error::conflict(format!("the time of the message {id} has run out"))),
        None => Err(Error::not_found(format!("{inbox} has no message {id}"))
            .with_hint(format!("`factlog inbox {inbox}` lists what it has"))),
    }
}

fn in_the_hands_of_another(id: &str) -> Error {
    Error::conflict(format!("the message {id} is in the hands of another agent"))
        .with_hint(format!("`factlog message {id}` shows in whose"))
}

/// The id of the event with a message's content.
fn body_id(item: &Item) -> EventId {
    let own = item.message_id.parse();
    own.unwrap_or_else(|_| EventId::foreign(super::message::SYSTEM, &item.stream, &item.message_id))
}

/// What must not come in between when several take from one queue.
fn offers() -> Vec<TypePattern> {
    "inbox:offered".parse().into_iter().collect()
}

/// A time in milliseconds, as events say it.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
