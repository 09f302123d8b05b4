//! The tools of an inbox: getting what waits, waiting for it, and saying what came of it.

use std::time::Duration;

use factlog::{Error, ErrorKind, Json, Result, Timestamp};
use factlog_agents::agent::TaskError;
use factlog_agents::bus::Delivery;
use factlog_agents::vocabulary::InboxDead;
use rmcp::model::RequestId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::arguments::{Ack, Fetch};
use super::mail::Mail;
use super::tools::{ANSWER_BYTES_MAX, read, seconds};

/// Messages in one answer, where nothing else is said.
const FETCH: usize = 10;
/// The most of them.
const FETCH_MAX: usize = 50;
/// Bytes of a message's content in one answer: more is read in parts.
const PART_BYTES_MAX: usize = ANSWER_BYTES_MAX / 4 * 3;

/// Hands out what waits. It must not be dropped in between: what it takes it hands out or gives back.
pub(super) async fn fetch(
    mail: &Mail,
    arguments: Value,
    call: &RequestId,
    given_up: impl Future<Output = ()>,
) -> Result<Value> {
    let args: Fetch = read(arguments)?;
    if let Some(id) = &args.message_id {
        return Ok(part(&mail.find(id).await?, args.offset.unwrap_or_default()));
    }
    let limit = args.limit.unwrap_or(FETCH).clamp(1, FETCH_MAX);
    let mut taken = mail.fetch(limit).await?;
    let wait = seconds(args.wait_s, Duration::ZERO);
    if taken.is_empty() && !wait.is_zero() {
        tokio::select! {
            came = mail_comes(mail, wait) => {
                if came? {
                    taken = mail.fetch(limit).await?;
                }
            }
            () = given_up => return Err(Error::stopped("the call was cancelled")),
        }
    }
    let (messages, rest) = fitting(&mut taken);
    if !rest.is_empty() {
        mail.give_back(&rest, "the answer has no room for it").await;
    }
    let more = match mail.waiting().await {
        Ok(more) => more,
        Err(error) => {
            mail.give_back(&taken, "the call has failed").await;
            return Err(error);
        }
    };
    mail.hands_out(call, taken).await?;
    Ok(json!({"messages": messages, "more": more}))
}

/// Leaves what an answer has room for, at least one, and gives it as a model reads it; and the rest.
fn fitting(taken: &mut Vec<Delivery>) -> (Vec<Value>, Vec<Delivery>) {
    let mut bytes = 0;
    let mut messages = Vec::new();
    for delivery in taken.iter() {
        let message = shown(delivery);
        bytes += message.to_string().len();
        if bytes > ANSWER_BYTES_MAX && !messages.is_empty() {
            break;
        }
        messages.push(message);
    }
    let rest = taken.split_off(messages.len());
    (messages, rest)
}

/// What a message says, as a text: itself where it is one, else as JSON.
fn text_of(delivery: &Delivery) -> String {
    let content = delivery.content();
    content.to::<String>().unwrap_or_else(|_| content.as_str().to_owned())
}

/// Where a part that begins at an offset ends.
fn end_of_part(text: &str, start: usize) -> usize {
    // A character has four bytes at the most, so that it goes on with each part.
    boundary(text, start.saturating_add(PART_BYTES_MAX))
}

/// The beginning of the character at an offset, or the end.
fn boundary(text: &str, offset: usize) -> usize {
    let mut boundary = offset.min(text.len());
    while !text.is_char_boundary(boundary) {
        boundary -= 1;
    }
    boundary
}

/// A part of what a message says.
fn part(delivery: &Delivery, offset: usize) -> Value {
    let text = text_of(delivery);
    let start = boundary(&text, offset);
    let end = end_of_part(&text, start);
    let mut part = json!({"messageId": delivery.item.message_id, "bytes": text.len(), "offset": start, "data": text[start..end]});
    if end < text.len() {
        part["rest"] = rest(delivery, end);
    }
    part
}

/// How the rest of a message is read.
fn rest(delivery: &Delivery, offset: usize) -> Value {
    json!({"tool": "inbox_fetch", "arguments": {"message_id": delivery.item.message_id, "offset": offset}})
}

/// A message as a model reads it; of one that is too large for an answer only the first part.
fn shown(delivery: &Delivery) -> Value {
    let item = &delivery.item;
    let mut shown = json!({
        "messageId": item.message_id,
        "kind": item.kind,
        "from": item.from,
        "priority": item.priority,
        "position": item.position,
    });
    let content = delivery.content();
    if content.as_str().len() > PART_BYTES_MAX {
        let text = text_of(delivery);
        let end = end_of_part(&text, 0);
        shown["data"] = text[..end].into();
        if end < text.len() {
            shown["bytes"] = text.len().into();
            shown["rest"] = rest(delivery, end);
        }
    } else {
        shown["data"] = json!(content);
    }
    if item.attempts > 1 {
        shown["attempt"] = json!(item.attempts);
    }
    for (name, value) in delivery.particulars() {
        shown[name] = value;
    }
    shown
}

/// Waits until there is something to take, or the time is over.
pub(super) async fn mail_comes(mail: &Mail, wait: Duration) -> Result<bool> {
    let until = Instant::now() + wait;
    let mut head = mail.me().log().store().head();
    loop {
        head.borrow_and_update();
        let (waiting, due) = mail.waits().await?;
        if waiting > 0 {
            return Ok(true);
        }
        // What is held back, or was lost by who had it, comes again though nothing is recorded then.
        let wake = due.map_or(until, |due| until.min(Instant::now() + left(due)));
        match tokio::time::timeout_at(wake, head.changed()).await {
            Ok(Err(_)) => return Err(Error::stopped("the log was closed")),
            Err(_) if Instant::now() >= until => return Ok(false),
            Ok(Ok(())) | Err(_) => {}
        }
    }
}

/// How long it is until a moment, and a little more, so that it is over then.
fn left(due: Timestamp) -> Duration {
    let micros = due.as_micros().saturating_sub(Timestamp::now().as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or_default()) + Duration::from_millis(1)
}

pub(super) async fn ack(mail: &Mail, args: Ack) -> Result<Value> {
    let mut done = Vec::new();
    for id in &args.message_ids {
        let state = match mail.find(id).await {
            // Said twice is said once.
            Err(error) if error.kind() == ErrorKind::NotFound && args.error.is_none() => {
                let ids = std::slice::from_ref(id);
                mail.bus().ack(mail.me().id(), mail.me().id(), ids).await.map_err(|_| error)?;
                "acked"
            }
            found => conclude(mail, &found?, &args).await?,
        };
        mail.done(id);
        done.push(json!({"messageId": id, "state": state}));
    }
    Ok(json!({"messages": done}))
}

/// Says what came of a message; and how it stands by that.
async fn conclude(mail: &Mail, delivery: &Delivery, args: &Ack) -> Result<&'static str> {
    let (inbox, id) = (delivery.inbox_id.as_str(), &delivery.item.message_id);
    let is_final = args.error.is_some() && args.retry == Some(false);
    let outcome = match &args.error {
        None => Ok(Json::of(&args.result)?),
        Some(why) if is_final => Err(TaskError::fatal(why.as_str())),
        Some(why) => Err(TaskError::retry(why.as_str())),
    };
    mail.me().conclude(delivery, outcome).await?;
    let stands = mail.bus().inbox(inbox, |state| match (state.item(id), state.dead_letter(id)) {
        (_, Some(_)) => "dead",
        (Some(item), None) => item.state.as_str(),
        (None, None) => "acked",
    });
    let stands = stands.await?;
    if !is_final || stands != "nacked" {
        return Ok(stands);
    }
    // Words are never tried again by what they are: somebody has to say so.
    let why = args.error.clone().unwrap_or_default();
    mail.me()
        .record(
            InboxDead::new(inbox, vec![id.as_str()])
                .reason(why)
                .context_id(mail.me().taker().context_id.as_str()),
        )
        .await?;
    Ok("dead")
}
