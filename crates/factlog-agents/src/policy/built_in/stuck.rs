//! An alert for an agent that is at work and not heard of.

use std::time::Duration;

use async_trait::async_trait;
use factlog::{Pattern, Result};
use serde_json::json;

use super::super::{Firing, Policy, Settings};
use super::alert;
use crate::vocabulary::{agent_of, pattern};

pub(super) const ABOUT: &str =
    "An agent that is at work and says nothing for 15 minutes is told of, once in an hour";

/// Tells of an agent that has begun with something, or says that it is busy, and then says nothing.
#[derive(Debug)]
pub struct StuckAlert {
    name: String,
    pattern: Pattern,
    settings: Settings,
    quiet: Duration,
}

impl StuckAlert {
    /// How long an agent may be quiet, where nothing else is said.
    pub const QUIET: Duration = Duration::from_secs(15 * 60);

    /// The policy under a name, for agents that are quiet for so long.
    pub fn new(name: &str, quiet: Duration, settings: Settings) -> Result<Self> {
        let pattern =
            pattern("task:started or task:progress or agent:busy not followed by * by source")?.within(quiet);
        Ok(Self { name: name.to_owned(), pattern, settings, quiet })
    }

    /// How it is run: an agent is told of once in an hour.
    pub fn settings() -> Settings {
        Settings { cooldown: Some(Duration::from_secs(3_600)), ..Settings::default() }
    }
}

#[async_trait]
impl Policy for StuckAlert {
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

    fn acts_in_log_only(&self) -> bool {
        true
    }

    async fn act(&self, firing: &mut Firing) -> Result<()> {
        let event = firing.event();
        let agent = agent_of(event).unwrap_or_else(|| firing.key().unwrap_or_default().to_owned());
        let details = json!({"agentId": agent, "since": event.time(), "event": event.id, "stream": event.stream,
            "quietMs": self.quiet.as_millis() as u64});
        let message = format!("{agent} has said nothing since {} of {}", event.event_type, event.stream);
        let alert = alert(firing, "stuck-agent", message, details)?;
        firing.append(alert)
    }
}
