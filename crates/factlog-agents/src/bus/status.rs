//! What is known of a message: where it stands at each of those it is for. And dead letters, with their replay.

use std::time::Duration;

use factlog::{
    Count, Error, Event, EventId, Filter, GroupBy, Json, NewEvent, Position, Priority, Result, Timestamp,
    TypedEvent,
};
use serde::Serialize;

use super::inbox::{DeadLetter, Inbox};
use super::message::{SYSTEM, kind_of};
use super::request::Exchange;
use super::send::{inbox_stream, recipients_of};
use super::take::content_of;
use super::{Bus, Kind};
use crate::stream_of;
use crate::vocabulary::{InboxReplayed, Payload};

/// A message, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageStatus {
    /// Its id.
    pub message_id: String,
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub from: String,
    /// Whom it was for, as its sender wrote it.
    pub to: Vec<String>,
    /// How urgent it is.
    pub priority: Priority,
    /// How many messages it is an answer to, one behind the other.
    pub hops: u64,
    /// The event with its content.
    pub event_id: EventId,
    /// Where its content stands.
    pub position: Position,
    /// When it was stored.
    pub sent_at: Timestamp,
    /// When its time runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What it says.
    pub data: Json,
    /// Where it stands at each of those it is for.
    pub recipients: Vec<RecipientStatus>,
    /// What became of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
}

/// Where a message stands at one of those it is for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecipientStatus {
    /// The agent, or the address that several take from.
    pub inbox: String,
    /// queued, offered, delivered, nacked, acked, expired, dead, or unknown where that was long ago.
    pub state: &'static str,
    /// How often it was offered.
    pub attempts: u64,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was done with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Why nothing could be done with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How many messages one is an answer to.
fn hops_of(event: &Event) -> u64 {
    let hops = match Payload::of(event) {
        Some(Payload::MessageSent(sent)) => sent.hops,
        Some(Payload::MessageBroadcast(sent)) => sent.hops,
        Some(Payload::MessageRequest(asked)) => asked.hops,
        _ => None,
    };
    hops.unwrap_or_default()
}

impl RecipientStatus {
    fn of(inbox: &Inbox, name: &str, message_id: &str, now: Timestamp) -> Self {
        use super::State;
        let blank = Self {
            inbox: name.to_owned(),
            state: "unknown",
            attempts: 0,
            agent: None,
            until: None,
            at: None,
            reason: None,
        };
        if let Some(item) = inbox.item(message_id) {
            let (agent, until) = match &item.state {
                State::Offered { by, until, .. } | State::Delivered { by, until } => {
                    (Some(by.agent_id.clone()), Some(*until))
                }
                State::Nacked { until } => (None, Some(*until)),
                State::Queued => (None, None),
            };
            let (attempts, reason) = (item.attempts, item.reason.clone());
            return Self { state: item.state_word(now), attempts, agent, until, reason, ..blank };
        }
        if let Some(dead) = inbox.dead_letter(message_id) {
            let (attempts, reason) = (dead.item.attempts, Some(dead.reason.clone()));
            return Self { state: "dead", attempts, at: Some(dead.at), reason, ..blank };
        }
        let Some(finished) = inbox.finished(message_id) else { return blank };
        let state = if finished.is_acked { "acked" } else { "expired" };
        Self { state, attempts: finished.attempts, at: Some(finished.at), ..blank }
    }
}

impl Bus {
    /// A message, and where it stands at each of those it is for.
    ///
    /// # Errors
    /// `NotFound` for one that was never sent, or was removed since.
    pub async fn message(&self, id: &str) -> Result<MessageStatus> {
        let event = self.body_of(id).await?;
        let kind = kind_of(&event).unwrap_or_default();
        let to: Vec<String> = event.targets.iter().map(ToString::to_string).collect();
        let mut names = recipients_of(&event);
        if names.is_empty() {
            names.clone_from(&to);
        }
        let now = Timestamp::now();
        let mut recipients = Vec::new();
        for name in names {
            let status = self.inbox(&name, |inbox| RecipientStatus::of(inbox, &name, id, now)).await?;
            recipients.push(status);
        }
        let exchange = if kind == Kind::Request { Some(self.exchange(id).await?) } else { None };
        Ok(MessageStatus {
            message_id: id.to_owned(),
            kind,
            from: event.source.as_ref().map(ToString::to_string).unwrap_or_default(),
            to,
            priority: event.priority.unwrap_or(Priority::Normal),
            hops: hops_of(&event),
            event_id: event.id,
            position: event.position,
            sent_at: event.recorded_at,
            expires_at: event.expires_at,
            data: content_of(&event),
            recipients,
            exchange,
        })
    }

    /// The event with the content of a message, by the message's id.
    async fn body_of(&self, id: &str) -> Result<std::sync::Arc<Event>> {
        let mut ids: Vec<EventId> = id.parse().into_iter().collect();
        for category in ["message", "task"] {
            ids.push(EventId::foreign(SYSTEM, &stream_of(category, id)?, id));
        }
        let found = self.0.log.read(Filter::ids(ids)).collect().await?;
        let body = found.into_iter().find(|event| kind_of(event).is_some());
        body.ok_or_else(|| {
            Error::not_found(format!("there is no message {id}")).with_hint(
                "`factlog send` answers with the id of each message; `factlog inbox AGENT` lists them",
            )
        })
    }

    /// Dead letters of one inbox, or of all; the oldest first.
    pub async fn dead_letters(&self, inbox: Option<&str>) -> Result<Vec<(String, DeadLetter)>> {
        let names = if let Some(name) = inbox {
            vec![name.to_owned()]
        } else {
            let count = Count { filter: Filter::types(["inbox:dead"])?, by: vec![GroupBy::Stream] };
            let groups = self.0.log.count(count).await?;
            let of = |stream: &str| stream.strip_prefix("inbox-").map(str::to_owned);
            groups.iter().filter_map(|group| of(&group.key[0])).collect()
        };
        let mut letters = Vec::new();
        for name in names {
            let dead: Vec<DeadLetter> =
                self.inbox(&name, |inbox| inbox.dead_letters().into_iter().cloned().collect()).await?;
            letters.extend(dead.into_iter().map(|letter| (name.clone(), letter)));
        }
        letters.sort_by_key(|(_, letter)| (letter.at, letter.item.position));
        Ok(letters)
    }

    /// Offers a dead letter again, as if it had just come; it waits as long as a new one.
    ///
    /// # Errors
    /// `NotFound` for a message that is no dead letter of the inbox.
    pub async fn replay(&self, inbox: &str, message_id: &str, by: Option<&str>, ttl: Duration) -> Result<()> {
        let stream = inbox_stream(inbox)?;
        let mut held = self.0.inboxes.of(&stream).await;
        let decide = |state: &Inbox| {
            if state.dead_letter(message_id).is_none() {
                return Err(Error::not_found(format!("{inbox} has no dead letter {message_id}"))
                    .with_hint("`factlog dead-letters list` shows those there are"));
            }
            let mut replayed = InboxReplayed::new(inbox, vec![message_id]);
            replayed.agent_id = by.map(str::to_owned);
            replayed.expires_at = Some(Timestamp::now().plus_ms(super::milliseconds(ttl)));
            let event: NewEvent = replayed.into_event()?;
            Ok(vec![match by {
                Some(by) => event.with_source(by)?,
                None => event,
            }])
        };
        held.decide(&self.0.log, decide).await.map(drop)
    }
}
