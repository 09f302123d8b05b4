//! What loose JSON says of an event's envelope.

use factlog::{Error, Json, NewEvent, Priority, Result, Tag, Text, Timestamp};
use serde_json::value::RawValue;

use crate::status::priority;
use crate::vocabulary::read::{FieldValue, named};

/// The envelope, as far as it was said.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    pub(super) id: Option<String>,
    pub(super) occurred_at: Option<Timestamp>,
    pub(super) metadata: Option<Json>,
    source: Option<String>,
    targets: Vec<String>,
    correlation: Option<String>,
    causation: Option<String>,
    session: Option<String>,
    user: Option<String>,
    priority: Option<Priority>,
    expires_at: Option<Timestamp>,
    ttl_ms: Option<u64>,
    traceparent: Option<String>,
    tags: Vec<String>,
}

impl Envelope {
    /// Takes a field that belongs here; `false` for one that does not, or means nothing.
    pub(super) fn take(&mut self, key: &str, raw: &RawValue) -> bool {
        let is = |field: &str, was: &[&str]| named(key, field, was).is_some();
        if is("event_id", &[]) {
            put(&mut self.id, text(raw))
        } else if is("occurred_at", &["timestamp"]) {
            put(&mut self.occurred_at, Timestamp::read(raw))
        } else if is("source", &[]) {
            self.take_source(raw)
        } else if is("targets", &["target"]) {
            put_all(&mut self.targets, raw)
        } else if is("correlation_id", &[]) {
            put(&mut self.correlation, text(raw))
        } else if is("causation_id", &[]) {
            put(&mut self.causation, text(raw))
        } else if is("session_id", &[]) {
            put(&mut self.session, text(raw))
        } else if is("user_id", &[]) {
            put(&mut self.user, text(raw))
        } else if is("priority", &[]) {
            put(&mut self.priority, text(raw).and_then(|word| priority(&word)))
        } else if is("expires_at", &[]) {
            put(&mut self.expires_at, Timestamp::read(raw))
        } else if is("ttl", &["ttl_ms", "ttlMs"]) {
            put(&mut self.ttl_ms, u64::read(raw))
        } else if is("traceparent", &[]) {
            put(&mut self.traceparent, text(raw))
        } else if is("tags", &[]) {
            put_all(&mut self.tags, raw)
        } else {
            false
        }
    }

    /// Takes who says it, where that is not known yet.
    pub(super) fn take_source(&mut self, raw: &RawValue) -> bool {
        self.source.is_none() && put(&mut self.source, text(raw))
    }

    /// Writes it into an event; what was not said stays as it is there.
    ///
    /// # Errors
    /// `Invalid` for a text that is too long, naming its field.
    pub(super) fn write(&self, event: &mut NewEvent, source: Option<&Text>, now: Timestamp) -> Result<()> {
        let occurred_at = self.occurred_at.unwrap_or(now);
        event.occurred_at = Some(occurred_at);
        event.source = parsed("source", self.source.as_ref())?.or_else(|| source.cloned());
        event.correlation_id = parsed("correlationId", self.correlation.as_ref())?;
        event.session_id = parsed("sessionId", self.session.as_ref())?.or(event.session_id.take());
        event.user_id = parsed("userId", self.user.as_ref())?;
        event.traceparent = parsed("traceparent", self.traceparent.as_ref())?;
        for target in &self.targets {
            event.targets.push(target.parse().map_err(|error: Error| error.context("target"))?);
        }
        for tag in &self.tags {
            event.tags.push(tag.parse::<Tag>().map_err(|error| error.context("tag"))?);
        }
        event.priority = self.priority;
        let ttl_micros = self.ttl_ms.and_then(|ms| i64::try_from(ms).ok()?.checked_mul(1_000));
        let lives_until =
            |micros: i64| Timestamp::from_micros(occurred_at.as_micros().saturating_add(micros));
        event.expires_at = match (self.expires_at, ttl_micros) {
            (Some(expires_at), _) => Some(expires_at),
            (None, Some(micros)) => Some(lives_until(micros).map_err(|error| error.context("ttl"))?),
            (None, None) => None,
        };
        event.metadata.clone_from(&self.metadata);
        event.causation_id = self.causation.as_deref().map(|cause| event.id_of(cause));
        match &self.id {
            Some(id) => event.adopt_id(id),
            None => Ok(()),
        }
    }
}

fn parsed(name: &str, text: Option<&String>) -> Result<Option<Text>> {
    text.map(|text| text.parse::<Text>()).transpose().map_err(|error| error.context(name))
}

/// A text or a number; anything else stays where it is.
fn text(raw: &RawValue) -> Option<String> {
    let is_simple = !raw.get().starts_with(['{', '[']);
    String::read(raw).filter(|text| is_simple && !text.is_empty())
}

fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_there = value.is_some();
    if is_there {
        *place = value;
    }
    is_there
}

fn put_all(place: &mut Vec<String>, raw: &RawValue) -> bool {
    let texts = Vec::<String>::read(raw).unwrap_or_default();
    // A list with more in it than texts keeps its own place too.
    let items: usize = serde_json::from_str::<Vec<&RawValue>>(raw.get()).map_or(1, |items| items.len());
    let is_there = !texts.is_empty() && texts.len() == items && texts.iter().all(|text| !text.is_empty());
    if is_there {
        place.extend(texts);
    }
    is_there
}
