//! Sending: a message is stored with its place in the inbox of each recipient, as one batch.

use std::collections::BTreeSet;
use std::time::Duration;

use factlog::{
    Batch, Condition, Error, ErrorKind, Event, NewEvent, Position, Result, StreamName, Timestamp, TypedEvent,
};
use serde::Serialize;

use super::directory::membership;
use super::message::{Body, Message};
use super::{Bus, Directory, Kind};
use crate::stream_of;
use crate::vocabulary::{InboxDead, Payload};

/// Messages that an agent has not finished: more are refused.
pub const INBOX_MESSAGES_MAX: usize = 1_000;
/// Messages that nobody has taken from a queue of several agents: more are refused.
pub const QUEUE_MESSAGES_MAX: usize = 10_000;
/// Recipients of one message: it is one batch with its place in each inbox.
pub const RECIPIENTS_MAX: usize = 490;
/// Messages of the same content from one sender to one recipient within [`ALIKE_WINDOW`].
pub const ALIKE_MAX: usize = 8;
/// How far back messages of the same content are counted.
pub const ALIKE_WINDOW: Duration = Duration::from_secs(60);
/// How often the recipients of a message are looked up again because somebody came or left meanwhile.
const TRIES_MAX: usize = 16;

/// What is known once a message is stored: no more than that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The message.
    pub message_id: String,
    /// Where its content stands.
    pub position: Position,
    /// Whose inboxes it is in: agents, or the address that several take from.
    pub recipients: Vec<String>,
    /// Whether it had been stored before, and nothing was changed now.
    pub repeated: bool,
}

impl Bus {
    /// Stores a message in the inbox of each recipient. Once this returns it is there, whether anyone is at work or not.
    ///
    /// A message with an id can be sent again, as after a lost answer: the same content changes nothing and has the first
    /// answer. All that a wide address means get it, as they were registered when it was stored, without its sender.
    ///
    /// # Errors
    /// `Conflict` for an id that is taken by another content; `NotFound` where nobody is meant; `Unavailable` where an inbox
    /// is full; `Invalid` for what is too large, goes in circles, or repeats itself too often.
    pub async fn send(&self, message: Message) -> Result<Sent> {
        message.check()?;
        let id = message.id.clone().unwrap_or_else(|| factlog::EventId::generate().to_string());
        if message.id.is_some()
            && let Some(sent) = self.sent_before(&message, &id).await?
        {
            return Ok(sent);
        }
        for _ in 0..TRIES_MAX {
            let (recipients, as_of) = self.recipients(&message).await?;
            let batch = self.batch_of(&message, &id, &recipients, as_of).await?;
            match self.0.log.append(batch).await {
                Ok(appended) => {
                    let position = appended.events[0].position;
                    let recipients = recipients.into_iter().collect();
                    return Ok(Sent { message_id: id, position, recipients, repeated: appended.repeated });
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    // Somebody came or left, or the same message was stored meanwhile.
                    if let Some(sent) = self.sent_before(&message, &id).await? {
                        return Ok(sent);
                    }
                    if !message.to.is_wide() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::unavailable(
            "agents come and go all the time, and it is not known whom the message is for",
        )
        .with_hint("try again in a moment"))
    }

    async fn recipients(&self, message: &Message) -> Result<(BTreeSet<String>, Position)> {
        // Who is named by an id is meant, whoever has registered.
        if !message.to.is_wide() {
            return Ok((message.to.recipients(&Directory::default(), &message.from), Position::START));
        }
        let from = &message.from;
        let (recipients, as_of) =
            self.directory(|directory, as_of| (message.to.recipients(directory, from), as_of)).await?;
        let is_broadcast = matches!(message.body, Body::Broadcast { .. });
        if recipients.is_empty() && !is_broadcast {
            return Err(Error::not_found("the message is for nobody: no agent that has registered is meant")
                .with_hint("`factlog agents` lists those that have; an agent that is named by its id gets it whenever it comes"));
        }
        if recipients.len() > RECIPIENTS_MAX {
            return Err(Error::invalid(format!(
                "a message for {} agents; {RECIPIENTS_MAX} are allowed",
                recipients.len()
            ))
            .with_hint("send it to groups, or append an event that they follow"));
        }
        Ok((recipients, as_of))
    }

    async fn batch_of(
        &self,
        message: &Message,
        id: &str,
        recipients: &BTreeSet<String>,
        as_of: Position,
    ) -> Result<Batch> {
        let now = Timestamp::now();
        let names = recipients.iter().cloned().collect();
        let mut events = vec![message.body_event(id, names, now)?];
        for recipient in recipients {
            events.push(message.queued_event(id, recipient, now)?);
            if let Some(refused) = self.refuse_full(message, recipient, now).await? {
                if !matches!(message.body, Body::Broadcast { .. }) {
                    return Err(refused);
                }
                // One that is behind must not keep all others from hearing it.
                events.push(dead(recipient, id, &refused.to_string())?);
            }
        }
        let batch = Batch::new(events)?;
        if !message.to.is_wide() || recipients.iter().any(|inbox| inbox.starts_with("one-of:")) {
            return Ok(batch);
        }
        batch.condition(Condition::NoneSince { filter: membership(), after: as_of })
    }

    /// Why an inbox takes no more, if it does not.
    async fn refuse_full(&self, message: &Message, inbox: &str, now: Timestamp) -> Result<Option<Error>> {
        let stream = inbox_stream(inbox)?;
        let mut held = self.0.inboxes.of(&stream).await;
        let state = held.refresh(&self.0.log).await?;
        let most = if state.is_queue() { QUEUE_MESSAGES_MAX } else { INBOX_MESSAGES_MAX };
        if state.len() >= most && state.len() - state.run_out(now).len() >= most {
            return Ok(Some(
                Error::unavailable(format!("the inbox of {inbox} is full: it has {} messages", state.len()))
                    .with_hint(format!("wait until it has read some; `factlog inbox {inbox}` shows them")),
            ));
        }
        if message.body.kind() != Kind::Message {
            return Ok(None);
        }
        let since = Timestamp::from_micros(now.as_micros() - ALIKE_WINDOW.as_micros() as i64).unwrap_or(now);
        let digest = message.digest().unwrap_or_default();
        if state.alike(&message.from, &digest, since) >= ALIKE_MAX {
            return Err(Error::invalid(format!(
                "{} has sent the same message to {inbox} {ALIKE_MAX} times within {} seconds: this looks like a circle",
                message.from,
                ALIKE_WINDOW.as_secs()
            ))
            .with_hint("wait for an answer, or say something new"));
        }
        Ok(None)
    }

    /// The answer to a message that is stored already.
    pub(super) async fn sent_before(&self, message: &Message, id: &str) -> Result<Option<Sent>> {
        let Some(event) = self.0.log.get(message.event_id(id)?).await? else { return Ok(None) };
        let recipients = recipients_of(&event);
        let again = message.body_event(id, recipients.clone(), Timestamp::now())?;
        if again.data != event.data || again.targets != event.targets || again.event_type != event.event_type
        {
            return Err(Error::conflict(format!(
                "the message {id} was sent before with another content, at position {}",
                event.position
            ))
            .with_hint("give each message an id of its own"));
        }
        Ok(Some(Sent { message_id: id.to_owned(), position: event.position, recipients, repeated: true }))
    }
}

/// Whose inboxes a stored message was put into, as it says itself.
pub(super) fn recipients_of(event: &Event) -> Vec<String> {
    match Payload::of(event) {
        Some(Payload::MessageSent(sent)) => sent.recipients.unwrap_or_default(),
        Some(Payload::MessageBroadcast(sent)) => sent.recipients.unwrap_or_default(),
        Some(Payload::MessageRequest(asked)) => asked.recipients.unwrap_or_default(),
        Some(Payload::TaskAssigned(_)) => event.targets.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// The stream of an inbox: an agent's, or the one of an address that several take from.
pub(super) fn inbox_stream(inbox: &str) -> Result<StreamName> {
    stream_of("inbox", inbox)
}

fn dead(inbox: &str, message_id: &str, reason: &str) -> Result<NewEvent> {
    InboxDead::new(inbox, vec![message_id]).reason(reason).into_event()
}
