//! Origin C's second policy: a session that failed is queued again, a few times, after pauses that grow.

use std::time::Duration;

use async_trait::async_trait;
use factlog::{Event, Filter, Json, NewEvent, Pattern, Result, TypedEvent};
use serde_json::{Map, Value};

use super::super::{Firing, Policy, Settings};
use crate::vocabulary::{SessionQueued, pattern, type_patterns};

pub(super) const ABOUT: &str =
    "A session that failed is queued again, at most 3 times, after 1, 2 and 4 seconds";
/// How origin C counts the attempts in what it queues.
const ATTEMPT_FIELD: &str = "retryAttempt";

/// A session that failed is queued again: at most `max` times, after `backoff`, and twice as long each time.
#[derive(Debug)]
pub struct RetrySessions {
    name: String,
    pattern: Pattern,
    settings: Settings,
    /// How often.
    pub max: u64,
    /// After how long the first time.
    pub backoff: Duration,
}

impl RetrySessions {
    /// The policy under a name, with origin C's numbers.
    pub fn new(name: &str, settings: Settings) -> Result<Self> {
        let pattern = pattern("SessionFailed")?;
        Ok(Self { name: name.to_owned(), pattern, settings, max: 3, backoff: Duration::from_secs(1) })
    }
}

#[async_trait]
impl Policy for RetrySessions {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        ABOUT
    }

    fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    async fn plan(&self, firing: &Firing) -> Result<Option<Duration>> {
        let retries = retries_of(firing).await?;
        let doublings = u32::try_from(retries).unwrap_or(u32::MAX).min(20);
        Ok((retries < self.max).then(|| self.backoff.saturating_mul(1 << doublings)))
    }

    fn acts_in_log_only(&self) -> bool {
        true
    }

    async fn act(&self, firing: &mut Firing) -> Result<()> {
        let retries = retries_of(firing).await?;
        firing.append(queued(firing.event(), retries + 1)?)
    }
}

/// The session queued again, with what its failure says of it.
fn queued(failed: &Event, attempt: u64) -> Result<NewEvent> {
    let mut fields: Map<String, Value> = failed.data.to().unwrap_or_default();
    fields.insert(ATTEMPT_FIELD.to_owned(), Value::from(attempt));
    let session = failed.stream.strip_prefix("session-").unwrap_or(&failed.stream);
    let mut event = SessionQueued::new(session).into_event()?;
    event.stream = failed.stream.clone();
    event.session_id.clone_from(&failed.session_id);
    event.data = Json::of(&fields)?;
    Ok(event)
}

/// How often the session was queued again before it failed this time.
async fn retries_of(firing: &Firing) -> Result<u64> {
    let types = type_patterns("session:queued").iter().map(|name| name.parse()).collect::<Result<_>>()?;
    let filter = Filter { types, ..Filter::stream(firing.event().stream.clone()) };
    let mut reading = firing.log().read(filter).before(firing.position()).backwards();
    while let Some(event) = reading.next().await {
        let fields: Map<String, Value> = event?.data.to().unwrap_or_default();
        if let Some(attempt) = fields.get(ATTEMPT_FIELD).and_then(Value::as_u64) {
            return Ok(attempt);
        }
    }
    Ok(0)
}
