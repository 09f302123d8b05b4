//! Messages that are done with, found so that they can be removed: what they said, and what became of them in each inbox.
//!
//! What becomes of one message in an inbox does not depend on any other. So a message goes with all that was said of it, or
//! stays with all of it: what is left makes the same inbox, without what was over. It stays where it is not done with at one
//! of those it is for, where anything was said of it lately, and where an agent would put it into its inbox once more.

use std::collections::HashSet;
use std::time::Duration;

use factlog::{
    Count, Event, EventId, Filter, GroupBy, Planned, Position, Result, StreamName, TimeRange, Timestamp,
    TypePattern,
};

use super::inbox::Inbox;
use super::message::{RETAINED, SYSTEM, kind_of, put_by_bus};
use super::send::{inbox_stream, recipients_of};
use super::{Bus, Kind};
use crate::vocabulary::{InboxQueued, Payload, type_patterns};

/// How long messages are kept that are done with, where nothing else is said.
pub const FINISHED_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Events that stay among those that one removal takes: the log names each of them for ever.
const LEFT_MAX: usize = 1_000;
/// What the plan is called.
const RULE: &str = "finished messages";

const INBOX_TYPES: [&str; 11] = [
    "inbox:queued",
    "inbox:offered",
    "inbox:started",
    "inbox:renewed",
    "inbox:delivered",
    "inbox:acked",
    "inbox:nacked",
    "inbox:released",
    "inbox:expired",
    "inbox:dead",
    "inbox:replayed",
];
const MESSAGE_TYPES: [&str; 6] = [
    "message:sent",
    "message:broadcast",
    "message:request",
    "message:progress",
    "message:response",
    "message:cancelled",
];

impl Bus {
    /// What can be removed of messages that were done with before a time, and of which nothing was said since: their contents
    /// and all that was recorded of them in inboxes. Nothing is changed: [`factlog::EventLog::remove`] takes what
    /// [`Planned::removal`] says.
    ///
    /// Done with is what was acknowledged, and what has run out. Dead letters stay, as they can be offered again; so do
    /// broadcasts that are kept for agents to come, and tasks themselves, which are more than messages.
    pub async fn finished_before(&self, time: Timestamp) -> Result<Vec<Planned>> {
        let mut kept = Kept::before(time);
        self.keep_what_is_open(&mut kept).await?;
        self.keep_what_is_recent(&mut kept).await?;
        self.keep_what_would_come_back(&mut kept).await?;
        let earlier = Filter { recorded: TimeRange { from: None, to: Some(time) }, ..of_messages()? };
        let mut plan = Plan::default();
        let mut reading = self.0.log.read(earlier);
        while let Some(event) = reading.next().await {
            let event = event?;
            let goes = if event.stream.category() == "inbox" {
                let ids = ids_of(&event);
                !ids.is_empty() && !ids.iter().any(|id| kept.has(&event.stream, id))
            } else {
                self.goes(&mut kept, &event).await?
            };
            plan.add(&event, goes);
        }
        plan.parts()
    }

    /// What is not done with somewhere, and where its content stands.
    async fn keep_what_is_open(&self, kept: &mut Kept) -> Result<()> {
        let inboxes = Filter { types: types(&INBOX_TYPES), ..Filter::categories(["inbox"])? };
        let count = Count { filter: inboxes, by: vec![GroupBy::Stream] };
        for group in self.0.log.count(count).await? {
            let stream: StreamName = group.key[0].parse()?;
            let mut held = self.0.inboxes.of(&stream).await;
            let inbox: &Inbox = held.refresh(&self.0.log).await?;
            let open = inbox.items().into_iter().filter(|item| !item.has_expired(kept.before));
            let dead = inbox.dead_letters().into_iter().map(|letter| &letter.item);
            for item in open.chain(dead) {
                kept.messages.insert((stream.clone(), item.message_id.clone()));
                kept.contents.insert(item.stream.clone());
            }
        }
        Ok(())
    }

    /// What something was said of since.
    async fn keep_what_is_recent(&self, kept: &mut Kept) -> Result<()> {
        let later = Filter { recorded: TimeRange { from: Some(kept.before), to: None }, ..of_messages()? };
        let mut reading = self.0.log.read(later);
        while let Some(event) = reading.next().await {
            let event = event?;
            if event.stream.category() == "inbox" {
                for id in ids_of(&event) {
                    kept.messages.insert((event.stream.clone(), id));
                }
            } else {
                kept.contents.insert(event.stream.to_string());
            }
        }
        Ok(())
    }

    /// The contents of what stays; and what is put into an inbox by the agent itself, as long as there is something to put:
    /// an agent knows by the event that it has done so.
    async fn keep_what_would_come_back(&self, kept: &mut Kept) -> Result<()> {
        let recorded = TimeRange { from: None, to: Some(kept.before) };
        let queued = types(&["inbox:queued"]);
        let mut reading =
            self.0.log.read(Filter { types: queued, recorded, ..Filter::categories(["inbox"])? });
        while let Some(event) = reading.next().await {
            let event = event?;
            let Some(Payload::InboxQueued(queued)) = Payload::of(&event) else { continue };
            let key = (event.stream.clone(), queued.message_id.clone());
            if kept.messages.contains(&key) {
                kept.contents.insert(stream_of_content(&queued));
            } else if queued.stream.is_some() && self.would_come_back(&queued, kept.before).await? {
                kept.messages.insert(key);
            }
        }
        Ok(())
    }

    /// Whether the content is there, and an agent that sees it would take it for something new.
    async fn would_come_back(&self, queued: &InboxQueued, before: Timestamp) -> Result<bool> {
        let Ok(stream) = stream_of_content(queued).parse::<StreamName>() else { return Ok(false) };
        let id = queued.message_id.parse();
        let id = id.unwrap_or_else(|_| EventId::foreign(SYSTEM, &stream, &queued.message_id));
        let Some(content) = self.0.log.get(id).await? else { return Ok(false) };
        let was_put = match kind_of(&content) {
            // Nobody takes an answer for something that is to be put into an inbox.
            Some(Kind::Response) => true,
            Some(Kind::Broadcast) => recipients_of(&content).contains(&queued.inbox_id),
            _ => put_by_bus(&content),
        };
        Ok(!was_put && !content.has_expired(before))
    }

    /// Whether an event of a message's stream goes: the message that the bus has put into inboxes, and is done with in all of
    /// them, and whatever stands behind it.
    async fn goes(&self, kept: &mut Kept, event: &Event) -> Result<bool> {
        if kept.going.contains(&event.stream) {
            return Ok(true);
        }
        let id = match Payload::of(event) {
            Some(Payload::MessageSent(sent)) => Some(sent.message_id),
            Some(Payload::MessageBroadcast(sent)) => sent.message_id,
            Some(Payload::MessageRequest(asked)) => Some(asked.request_id),
            _ => None,
        };
        let Some(id) = id.filter(|_| put_by_bus(event)) else { return Ok(false) };
        let is_for_others =
            event.tags.iter().any(|tag| **tag == *RETAINED) && !event.has_expired(kept.before);
        if is_for_others || kept.contents.contains(&*event.stream) {
            return Ok(false);
        }
        for recipient in recipients_of(event) {
            if kept.has(&inbox_stream(&recipient)?, &id) {
                return Ok(false);
            }
        }
        if kind_of(event) == Some(Kind::Request) && !self.exchange(&id).await?.is_over(kept.before) {
            return Ok(false);
        }
        kept.going.insert(event.stream.clone());
        Ok(true)
    }
}

/// What stays, and what goes with what goes.
#[derive(Debug)]
struct Kept {
    before: Timestamp,
    /// By the inbox's stream and the message.
    messages: HashSet<(StreamName, String)>,
    /// Streams of contents.
    contents: HashSet<String>,
    /// Streams of messages that go.
    going: HashSet<StreamName>,
}

impl Kept {
    fn before(before: Timestamp) -> Self {
        Self { before, messages: HashSet::new(), contents: HashSet::new(), going: HashSet::new() }
    }

    fn has(&self, stream: &StreamName, id: &str) -> bool {
        self.messages.contains(&(stream.clone(), id.to_owned()))
    }
}

/// What goes, in as many removals as need be: each names the few events that stay among those that it takes.
#[derive(Debug, Default)]
struct Plan {
    parts: Vec<Part>,
    /// Whether the last part takes more.
    is_open: bool,
    /// Events that stay, behind the last one that goes.
    left: Vec<(Timestamp, EventId)>,
}

#[derive(Debug)]
struct Part {
    planned: Planned,
    /// When the first and the last one that goes was recorded. Time follows order: of what was recorded in between, all that
    /// stays is known.
    from: Timestamp,
    to: Timestamp,
    left: Vec<(Timestamp, EventId)>,
}

impl Plan {
    fn add(&mut self, event: &Event, goes: bool) {
        let at = event.recorded_at;
        if !goes {
            self.left.push((at, event.id));
            let among = self.parts.last().filter(|_| self.is_open).map_or(0, |part| part.left.len());
            if among + self.left.len() > LEFT_MAX {
                self.close(at);
            }
            return;
        }
        if !self.is_open {
            self.close(at);
            self.parts.push(Part { planned: nothing(event.position), from: at, to: at, left: Vec::new() });
            self.is_open = true;
        }
        if let Some(part) = self.parts.last_mut() {
            part.left.append(&mut self.left);
            part.to = at;
            let planned = &mut part.planned;
            planned.count += 1;
            planned.bytes += event.bytes() as u64;
            planned.through = event.position;
            planned.first_at = planned.first_at.or(Some(at));
            planned.last_at = Some(at);
        }
    }

    /// The next part begins at this time at the earliest. What stays and was recorded at the same moment is told apart by
    /// its id only.
    fn close(&mut self, at: Timestamp) {
        if let Some(part) = self.parts.last().filter(|_| self.is_open) {
            self.left.extend_from_slice(&part.left);
        }
        self.left.retain(|(time, _)| *time >= at);
        self.is_open = false;
    }

    fn parts(self) -> Result<Vec<Planned>> {
        let mut plans = Vec::with_capacity(self.parts.len());
        for Part { mut planned, from, to, left } in self.parts {
            // The end of a range is not part of it.
            let to = Timestamp::from_micros(to.as_micros() + 1)?;
            let recorded = TimeRange { from: Some(from), to: Some(to) };
            let not = Filter::ids(left.into_iter().map(|(_, id)| id));
            let not = (!not.ids.is_empty()).then(|| Box::new(not));
            planned.filter = Filter { recorded, not, ..of_messages()? };
            planned.filter.check()?;
            plans.push(planned);
        }
        Ok(plans)
    }
}

fn nothing(first: Position) -> Planned {
    Planned {
        rule: RULE.to_owned(),
        filter: Filter::all(),
        count: 0,
        bytes: 0,
        first: Some(first),
        through: first,
        first_at: None,
        last_at: None,
    }
}

/// Messages, and what becomes of them.
fn of_messages() -> Result<Filter> {
    let both: Vec<&str> = INBOX_TYPES.into_iter().chain(MESSAGE_TYPES).collect();
    Ok(Filter { types: types(&both), ..Filter::categories(["inbox", "message"])? })
}

/// All names of these types.
fn types(names: &[&str]) -> Vec<TypePattern> {
    let names = names.iter().flat_map(|name| type_patterns(name));
    names.filter_map(|name| name.parse().ok()).collect()
}

fn stream_of_content(queued: &InboxQueued) -> String {
    queued.stream.clone().unwrap_or_else(|| format!("message-{}", queued.message_id))
}

/// The messages that an event of an inbox is about.
fn ids_of(event: &Event) -> Vec<String> {
    match Payload::of(event) {
        Some(Payload::InboxQueued(queued)) => vec![queued.message_id],
        Some(Payload::InboxOffered(by)) => by.message_ids,
        Some(Payload::InboxStarted(by)) => by.message_ids,
        Some(Payload::InboxRenewed(by)) => by.message_ids,
        Some(Payload::InboxDelivered(by)) => by.message_ids,
        Some(Payload::InboxAcked(by)) => by.message_ids,
        Some(Payload::InboxNacked(by)) => by.message_ids,
        Some(Payload::InboxReleased(by)) => by.message_ids,
        Some(Payload::InboxExpired(expired)) => expired.message_ids,
        Some(Payload::InboxDead(dead)) => dead.message_ids,
        Some(Payload::InboxReplayed(replayed)) => replayed.message_ids,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
