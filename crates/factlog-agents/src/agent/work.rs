//! What an agent does with one thing that it was given: it calls the handler, and says what came of it.

use std::collections::BTreeMap;

use factlog::{ErrorKind, EventId, Json, NewEvent, Result, TypedEvent};
use futures_util::FutureExt;

use super::Me;
use super::handler::{
    Failed, GivenMessage, GivenRequest, GivenTask, Handlers, INTERNAL_ERROR, TaskError, ThenTask,
};
use super::lanes::{Key, key_of};
use super::run::AWAY_PAUSE;
use crate::bus::{Delivery, Kind, RequestError, SYSTEM, nacking, shortened};
use crate::vocabulary::{
    InboxAcked, InboxDead, InboxDelivered, InboxNacked, InboxReleased, TaskAccepted, TaskCompleted,
    TaskFailed, TaskRejected, TaskStarted,
};

/// What came of one thing.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) key: Key,
    pub(super) end: End,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// It was handled, and is to be acknowledged.
    Handled,
    /// It could not be handled, and why.
    Failed(Why),
    /// What came of it is recorded already.
    Told,
    /// It could not be recorded what came of it: it will be offered again.
    Untold(factlog::Error),
}

/// Why something could not be handled, and whether it is tried no more.
#[derive(Debug)]
pub(super) struct Why {
    reason: String,
    is_fatal: bool,
}

impl Why {
    fn again(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_fatal: false }
    }
}

/// Calls the handler and says what came of it. A panic is a failure like any other.
pub(super) async fn work(me: Me, handlers: Handlers, delivery: Delivery) -> Done {
    let key = key_of(&delivery);
    let run = me.clone();
    let me = me.given(&delivery);
    // What has been in other hands may be what kills whoever has it: it alone is to pay for that, and not what waits beside it.
    let is_suspect = delivery.item.attempts > 1;
    if is_suspect && let Err(error) = begun(&run, &key).await {
        return Done { key, end: End::Untold(error) };
    }
    let end = match delivery.item.kind {
        Kind::Task => told(do_task(&me, &handlers, &delivery).await),
        Kind::Request => told(answer(&me, &handlers, &delivery).await),
        Kind::Message | Kind::Broadcast | Kind::Response => match read(me, &handlers, &delivery).await {
            // The next suspect may end this process, and this one is not to be one again.
            End::Handled if is_suspect => told(acknowledge(&run, &key).await),
            end => end,
        },
    };
    Done { key, end }
}

async fn begun(run: &Me, (inbox, id): &Key) -> Result<()> {
    let ids = [id.clone()];
    while_away(|| run.bus().begun(inbox, run.taker(), &ids)).await
}

async fn acknowledge(run: &Me, (inbox, id): &Key) -> Result<()> {
    let acked = handled(run, inbox, vec![id.clone()])?;
    while_away(|| run.log().append(acked.clone())).await.map(drop)
}

/// Tries until the store is there: what was done once is not to be done again because it was away.
async fn while_away<T, F: Future<Output = Result<T>>>(mut attempt: impl FnMut() -> F) -> Result<T> {
    loop {
        match attempt().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(AWAY_PAUSE).await,
            told => return told,
        }
    }
}

fn told(recorded: Result<()>) -> End {
    recorded.map_or_else(End::Untold, |()| End::Told)
}

/// What a panic says.
fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let said =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the handler panicked: {}", said.unwrap_or("without a word"))
}

async fn read(me: Me, handlers: &Handlers, delivery: &Delivery) -> End {
    let is_broadcast = delivery.item.kind == Kind::Broadcast;
    let handler = if is_broadcast { &handlers.broadcast } else { &handlers.message };
    let Some(handler) = handler else {
        // What is said to all is of no use to some; they are done with it, and what comes behind it need not wait.
        return if is_broadcast {
            End::Handled
        } else {
            End::Failed(Why::again("the agent reads no messages"))
        };
    };
    // A handler may also panic before it gives anything to wait for.
    let handled = async { handler(me, GivenMessage::of(delivery)).await };
    let handled = std::panic::AssertUnwindSafe(handled).catch_unwind().await;
    match handled {
        Ok(Ok(())) => End::Handled,
        Ok(Err(Failed { error, is_fatal })) => End::Failed(Why { reason: error.message, is_fatal }),
        Err(panic) => End::Failed(Why::again(panicked(&*panic))),
    }
}

async fn answer(me: &Me, handlers: &Handlers, delivery: &Delivery) -> Result<()> {
    let asked = GivenRequest::of(delivery);
    let method = asked.method.clone();
    let handler = handlers.requests.get(&method).or_else(|| handlers.requests.get("*"));
    let outcome = match handler {
        None => Err(Failed::new("UNKNOWN_METHOD", format!("{} does not answer to {method}", me.id()))),
        Some(handler) => {
            let answered = async { handler(me.clone(), asked).await };
            let answered = std::panic::AssertUnwindSafe(answered).catch_unwind().await;
            answered.unwrap_or_else(|panic| Err(Failed::new(INTERNAL_ERROR, panicked(&*panic))))
        }
    };
    let outcome: std::result::Result<Json, RequestError> = outcome.map_err(|failed| failed.error);
    match respond(me, delivery, outcome).await {
        // What cannot be stored will not be after another attempt either; the one who asks is told so.
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let failed = Failed::new(INTERNAL_ERROR, format!("the answer cannot be recorded: {error}"));
            respond(me, delivery, Err(failed.error)).await
        }
        answered => answered,
    }
}

async fn respond(
    me: &Me,
    delivery: &Delivery,
    outcome: std::result::Result<Json, RequestError>,
) -> Result<()> {
    let events = while_away(|| me.bus().response(delivery, me.id(), outcome.clone())).await?;
    while_away(|| me.bus().record_response(events.clone())).await.map(drop)
}

async fn do_task(me: &Me, handlers: &Handlers, delivery: &Delivery) -> Result<()> {
    let Some(handler) = &handlers.task else { return Ok(()) };
    while_away(|| begin_task(me, delivery)).await?;
    let began = std::time::Instant::now();
    let done = async { handler(me.clone(), GivenTask::of(delivery)).await };
    let done = std::panic::AssertUnwindSafe(done).catch_unwind().await;
    let done = done.unwrap_or_else(|panic| Err(TaskError::retry(panicked(&*panic))));
    let took_ms = u64::try_from(began.elapsed().as_millis()).ok();
    let events = ending(me, delivery, done, took_ms)?;
    match while_away(|| tell_end(me, delivery, &events)).await {
        // What cannot be stored will not be after another attempt either.
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let failed = TaskError::fatal(format!("the result cannot be recorded: {error}"));
            let events = ending(me, delivery, Err(failed), took_ms)?;
            while_away(|| tell_end(me, delivery, &events)).await
        }
        told => told,
    }
}

/// Says that the agent has accepted a task, and begins with it.
pub(super) async fn begin_task(me: &Me, delivery: &Delivery) -> Result<()> {
    let given = GivenTask::of(delivery);
    let step = Step { me, delivery, attempt: given.attempt };
    let events = vec![
        step.own("accepted", TaskAccepted::new(given.id()).agent_id(me.id()))?,
        step.own("started", TaskStarted::new(given.id()).agent_id(me.id()))?,
    ];
    me.log().append(events).await.map(drop)
}

/// Says what came of a task, and is done with it, or has it offered again.
pub(super) async fn end_task(
    me: &Me,
    delivery: &Delivery,
    done: std::result::Result<Json, TaskError>,
    duration_ms: Option<u64>,
) -> Result<()> {
    let events = ending(me, delivery, done, duration_ms)?;
    tell_end(me, delivery, &events).await
}

/// What is recorded of the end of an attempt.
fn ending(
    me: &Me,
    delivery: &Delivery,
    done: std::result::Result<Json, TaskError>,
    duration_ms: Option<u64>,
) -> Result<Vec<NewEvent>> {
    let given = GivenTask::of(delivery);
    let step = Step { me, delivery, attempt: given.attempt };
    match done {
        Ok(result) => {
            let mut told = TaskCompleted::new(given.id()).agent_id(me.id()).result(result);
            told.duration_ms = duration_ms;
            Ok(vec![step.own("completed", told)?, step.acked()?])
        }
        Err(error) => step.failed(given.id(), error, duration_ms),
    }
}

async fn tell_end(me: &Me, delivery: &Delivery, events: &[NewEvent]) -> Result<()> {
    match me.log().append(events.to_vec()).await {
        // An earlier run had come as far: what it said stands.
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let acked = Step { me, delivery, attempt: delivery.item.attempts }.acked()?;
            me.log().append(acked).await.map(drop)
        }
        recorded => recorded.map(drop),
    }
}

/// One attempt at a task.
struct Step<'a> {
    me: &'a Me,
    delivery: &'a Delivery,
    attempt: u64,
}

impl Step<'_> {
    /// An event of this attempt; a task is completed once, whichever attempt it was.
    fn own(&self, what: &str, payload: impl TypedEvent) -> Result<NewEvent> {
        let mut event = self.me.own(payload)?;
        let id = &self.delivery.item.message_id;
        // What was given back counts as never offered, so that two runs may each have a first attempt.
        let told = match what {
            "completed" => format!("{id} completed 0"),
            _ => format!("{id} {what} {} {}", self.attempt, self.me.taker().context_id),
        };
        event.id = EventId::foreign(SYSTEM, &event.stream, &told);
        Ok(event)
    }

    fn acked(&self) -> Result<NewEvent> {
        let ids = vec![self.delivery.item.message_id.clone()];
        self.me.own(InboxAcked::new(self.delivery.inbox_id.as_str(), ids, self.me.id()))
    }

    fn failed(&self, id: &str, error: TaskError, duration_ms: Option<u64>) -> Result<Vec<NewEvent>> {
        let error = TaskError { message: shortened(&error.message).to_owned(), ..error };
        let (inbox, item) = (self.delivery.inbox_id.as_str(), &self.delivery.item);
        let message_id = item.message_id.as_str();
        let agent = self.me.id();
        if error.then == ThenTask::Reject {
            let told = TaskRejected::new(id).agent_id(agent).reason(error.message.as_str());
            let context = self.me.taker().context_id.as_str();
            // It has been seen by this run, which is not given it again; others may have it at once.
            let seen = InboxDelivered::new(inbox, vec![message_id], agent).context_id(context);
            let back = InboxNacked::new(inbox, vec![message_id], agent)
                .context_id(context)
                .reason(error.message)
                .delay_ms(0u64);
            return Ok(vec![self.own("rejected", told)?, self.me.own(seen)?, self.me.own(back)?]);
        }
        let retryable = error.then == ThenTask::Retry;
        let mut told = TaskFailed::new(id)
            .agent_id(agent)
            .error(error.message.as_str())
            .retryable(retryable)
            .attempts(self.attempt);
        (told.error_code, told.duration_ms) = (error.code, duration_ms);
        let mut events = vec![self.own("failed", told)?];
        if retryable {
            events.extend(nacking(
                inbox,
                (agent, Some(&self.me.taker().context_id)),
                message_id,
                (item.attempts, item.attempts_max),
                &error.message,
                None,
            )?);
        } else {
            let dead = InboxDead::new(inbox, vec![message_id])
                .reason(error.message)
                .context_id(self.me.taker().context_id.as_str());
            events.push(dead.into_event()?);
        }
        Ok(events)
    }
}

/// What is recorded of messages that were handled.
pub(super) fn handled(me: &Me, inbox: &str, ids: Vec<String>) -> Result<NewEvent> {
    me.own(InboxAcked::new(inbox, ids, me.id()).context_id(me.taker().context_id.as_str()))
}

/// What is recorded of a message that could not be handled.
pub(super) fn failed(me: &Me, delivery: &Delivery, why: &Why) -> Result<Vec<NewEvent>> {
    let (item, reason) = (&delivery.item, why.reason.as_str());
    if why.is_fatal {
        let dead = InboxDead::new(delivery.inbox_id.as_str(), vec![item.message_id.as_str()])
            .reason(shortened(reason))
            .context_id(me.taker().context_id.as_str());
        return Ok(vec![me.own(dead)?]);
    }
    let attempts = (item.attempts, item.attempts_max);
    let run = (me.id(), Some(me.taker().context_id.as_str()));
    let nacked = nacking(&delivery.inbox_id, run, &item.message_id, attempts, reason, None)?;
    nacked.into_iter().map(|event| event.with_source(me.id())).collect()
}

/// What is recorded of messages that were not begun with.
pub(super) fn given_back(me: &Me, deliveries: Vec<Delivery>, reason: &str) -> Result<Vec<NewEvent>> {
    let mut by_inbox: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for delivery in deliveries {
        by_inbox.entry(delivery.inbox_id).or_default().push(delivery.item.message_id);
    }
    let context = me.taker().context_id.as_str();
    let released = by_inbox.into_iter().map(|(inbox, ids)| {
        me.own(InboxReleased::new(inbox, ids, me.id()).context_id(context).reason(reason))
    });
    released.collect()
}
