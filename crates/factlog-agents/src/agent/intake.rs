//! What is for an agent and was not put into its inbox: events that others recorded with the agent as their target, and
//! broadcasts that are kept for those who come later.
//!
//! Each is put into the inbox once, however often and by whomever that is tried: the id of the event that does it is derived.

use std::collections::BTreeSet;
use std::time::Duration;

use factlog::{ErrorKind, Event, EventId, Filter, NewEvent, Result, Timestamp, TypedEvent};

use super::Me;
use crate::bus::{Address, Audience, Kind, RETAINED, SYSTEM, Traits, kind_of, put_by_bus};
use crate::projections::is_from_elsewhere;
use crate::vocabulary::{InboxQueued, Payload, type_patterns};

/// Types that are something for the one that is their target.
const FOR_AN_AGENT: [&str; 4] = ["task:assigned", "message:sent", "message:broadcast", "message:request"];

/// What was recorded longer than this after it had happened elsewhere is history, and nothing to do any more.
const NEWS_AGE_MAX: Duration = Duration::from_secs(60);

/// The filter of what others record for an agent.
pub(super) fn filter(id: &str) -> Result<Filter> {
    let names = FOR_AN_AGENT.into_iter().flat_map(type_patterns);
    let types = names.filter_map(|name| name.parse().ok()).collect();
    Ok(Filter { types, targets: vec![id.parse()?], ..Filter::all() })
}

/// Puts an event that was recorded for the agent into its inbox, unless the bus has done so.
pub(super) async fn take_in(me: &Me, event: &Event) -> Result<()> {
    if put_by_bus(event) || event.has_expired(Timestamp::now()) || is_history(event) {
        return Ok(());
    }
    put(me, event).await
}

/// Whether an event was taken over from another system after its time: an import must not have all its tasks done again.
fn is_history(event: &Event) -> bool {
    let age_ms = NEWS_AGE_MAX.as_secs() * 1_000;
    is_from_elsewhere(event) && event.occurred_at.is_some_and(|at| at.plus_ms(age_ms) < event.recorded_at)
}

/// Puts broadcasts into the inbox that are kept for those who come later, and mean this agent.
pub(super) async fn take_in_retained(me: &Me) -> Result<()> {
    let types = type_patterns("message:broadcast").iter().filter_map(|name| name.parse().ok()).collect();
    let kept = Filter { types, tags: vec![RETAINED.parse()?], ..Filter::all() };
    let now = Timestamp::now();
    for event in me.log().read(kept).collect().await? {
        if !event.has_expired(now) && is_meant(me, &event).await? {
            put(me, &event).await?;
        }
    }
    Ok(())
}

async fn is_meant(me: &Me, event: &Event) -> Result<bool> {
    let Some(Payload::MessageBroadcast(broadcast)) = Payload::of(event) else { return Ok(false) };
    let has_it = broadcast.recipients.into_iter().flatten().any(|recipient| recipient == me.id());
    if has_it || event.source.as_ref().is_some_and(|source| **source == *me.id()) {
        return Ok(false);
    }
    let traits = broadcast.filter.and_then(|filter| filter.to::<Traits>().ok());
    let audience = match (traits, event.targets.first()) {
        (Some(traits), _) => Audience::Custom(traits),
        (None, Some(target)) => Audience::To(target.parse::<Address>()?),
        (None, None) => return Ok(false),
    };
    let meant: BTreeSet<String> =
        me.bus().directory(|directory, _| audience.recipients(directory, "")).await?;
    Ok(meant.contains(me.id()))
}

async fn put(me: &Me, event: &Event) -> Result<()> {
    let kind = kind_of(event).unwrap_or(Kind::Message).as_str();
    let message_id = event.id.to_string();
    let mut queued = InboxQueued::new(me.id(), message_id.as_str()).kind(kind);
    queued.from = event.source.as_ref().map(ToString::to_string);
    queued.stream = Some(event.stream.to_string());
    queued.priority = event.priority.map(|priority| priority.as_str().to_owned());
    queued.expires_at = event.expires_at;
    let mut queued: NewEvent = queued.into_event()?.with_source(me.id())?.with_causation(event.id);
    queued.id = EventId::foreign(SYSTEM, &queued.stream, &message_id);
    match me.log().append(queued).await {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        appended => appended.map(drop),
    }
}
