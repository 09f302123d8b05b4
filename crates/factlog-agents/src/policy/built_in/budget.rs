//! An alert for a session that has taken more than it was to.

use std::time::Duration;

use async_trait::async_trait;
use factlog::{Error, Moment, Pattern, Position, Projection, Result};
use serde_json::json;
use tokio::sync::Mutex;

use super::super::{Firing, Policy, Settings};
use super::alert;
use crate::projections::{Entities, Session, Sessions};
use crate::vocabulary::pattern;

pub(super) const ABOUT: &str =
    "A session that has taken more tokens, or cost more, than it was to is told of once";

/// Tells of a session when it comes to more tokens, or more US dollars, than so many: once for each.
#[derive(Debug)]
pub struct BudgetAlert {
    name: String,
    pattern: Pattern,
    settings: Settings,
    tokens: Option<u64>,
    cost: Option<f64>,
    known: Mutex<Known>,
}

/// What the sessions have taken, as far as it was looked at.
#[derive(Debug, Default)]
struct Known {
    sessions: Sessions,
    position: Position,
    is_begun: bool,
}

impl BudgetAlert {
    /// The policy under a name. Tokens are those that go in and come out, without what a cache has had.
    ///
    /// # Errors
    /// `Invalid` where neither is bounded.
    pub fn new(name: &str, tokens: Option<u64>, cost: Option<f64>, settings: Settings) -> Result<Self> {
        if tokens.is_none() && cost.is_none() {
            return Err(Error::invalid("a budget needs tokens or cost")
                .with_hint("for example with = { tokens = 1000000, cost = 5.0 }"));
        }
        let pattern = pattern("session:* or hook:*")?;
        Ok(Self { name: name.to_owned(), pattern, settings, tokens, cost, known: Mutex::default() })
    }

    /// What a session has come over with an event, if it was not before.
    async fn over(&self, firing: &Firing) -> Result<Option<(Session, &'static str)>> {
        let event = firing.event();
        let mut known = self.known.lock().await;
        let before = Position(event.position.0.saturating_sub(1));
        if !known.is_begun || event.position <= known.position {
            known.sessions = firing.log().at::<Sessions>(Moment::Position(before)).partial().await?;
            known.is_begun = true;
        }
        known.position = event.position;
        let Some(id) = session_of(event) else {
            return Ok(None);
        };
        let was = known.sessions.get(&id).map(|session| self.is_over(session)).unwrap_or_default();
        if known.sessions.apply(event).is_err() {
            return Ok(None);
        }
        let Some(session) = known.sessions.get(&id) else { return Ok(None) };
        let is = self.is_over(session);
        Ok(match (is.0 && !was.0, is.1 && !was.1) {
            (true, _) => Some((session.clone(), "tokens")),
            (false, true) => Some((session.clone(), "cost")),
            (false, false) => None,
        })
    }

    fn is_over(&self, session: &Session) -> (bool, bool) {
        let tokens = session.tokens.input + session.tokens.output;
        let cost = session.cost.unwrap_or(0.0);
        (self.tokens.is_some_and(|most| tokens > most), self.cost.is_some_and(|most| cost > most))
    }
}

fn session_of(event: &factlog::Event) -> Option<String> {
    let named = event.session_id.as_ref().map(ToString::to_string);
    named.or_else(|| event.stream.strip_prefix("session-").map(str::to_owned))
}

#[async_trait]
impl Policy for BudgetAlert {
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
        Ok(self.over(firing).await?.map(|_| Duration::ZERO))
    }

    fn acts_in_log_only(&self) -> bool {
        true
    }

    async fn act(&self, firing: &mut Firing) -> Result<()> {
        let at = Moment::Position(firing.position());
        let sessions = firing.log().at::<Sessions>(at).partial().await?;
        let id = session_of(firing.event()).unwrap_or_default();
        let Some(session) = sessions.get(&id) else { return Ok(()) };
        let tokens = session.tokens.input + session.tokens.output;
        let details = json!({"sessionId": id, "tokens": tokens, "cost": session.cost,
            "tokensMax": self.tokens, "costMax": self.cost});
        let cost = session.cost.map(|cost| format!(" and ${cost:.2}")).unwrap_or_default();
        let alert =
            alert(firing, "budget", format!("session {id} has taken {tokens} tokens{cost}"), details)?;
        firing.append(alert)
    }
}
