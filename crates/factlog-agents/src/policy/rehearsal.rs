//! What a policy would have done: history looked through, and nothing done.

use std::sync::Arc;
use std::time::Duration;

use factlog::{Event, Filter, Match, Matcher, Order, Position, Result, TAKEN_IN_LATER, Timestamp};
use serde::Serialize;

use super::firing::Firing;
use super::runner::filter_of;
use super::state::PolicyState;
use super::{Act, Policy};
use crate::Bus;

/// A firing that would have been.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsed {
    /// The policy.
    pub policy: String,
    /// When it would have been known that something is to be done.
    pub triggered_at: Timestamp,
    /// When it would have been done.
    pub due_at: Timestamp,
    /// What ties the events together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The positions of its events.
    pub positions: Vec<Position>,
    /// What would have been done.
    pub acts: Vec<String>,
    /// Why it would not have been done: `cooldown`, `rate`, `history`, or what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// Looks through events after a position and before another, and says what a policy would have done about them, oldest first.
///
/// # Errors
/// `Invalid` for a pattern that would wait for ever; what the log says.
pub async fn rehearse(
    bus: &Bus,
    policy: &Arc<dyn Policy>,
    filter: &Filter,
    after: Position,
    before: Option<Position>,
    mut each: impl FnMut(Rehearsed),
) -> Result<()> {
    policy.pattern().check_live()?;
    let own = filter_of(&**policy);
    let filter = Filter { types: own.types, not: filter.not.clone().or(own.not), ..filter.clone() };
    let mut reading = bus.log().read(filter.clone()).after(after);
    if let Some(before) = before {
        reading = reading.before(before);
    }
    let mut matcher = Matcher::new(policy.pattern(), Order::Position);
    let mut state = PolicyState::default();
    while let Some(event) = reading.next().await {
        let event: Arc<Event> = event?;
        for found in matcher.push(&event) {
            if let Some(firing) = judged(bus, &**policy, &found, &mut state).await? {
                each(firing);
            }
        }
    }
    let end = filter.time.to.unwrap_or_else(Timestamp::now).min(Timestamp::now());
    for found in matcher.finish(end) {
        if let Some(firing) = judged(bus, &**policy, &found, &mut state).await? {
            each(firing);
        }
    }
    Ok(())
}

async fn judged(
    bus: &Bus,
    policy: &dyn Policy,
    found: &Match,
    state: &mut PolicyState,
) -> Result<Option<Rehearsed>> {
    let mut firing = Firing::of(policy.name(), bus, found).await?;
    let settings = policy.settings();
    let at = firing.triggered_at();
    let delay = match policy.plan(&firing).await {
        Ok(None) => return Ok(None),
        Ok(Some(delay)) => Ok(delay),
        Err(error) => Err(error),
    };
    let cooldown = settings.cooldown.unwrap_or(Duration::ZERO);
    let mut why_not = delay.as_ref().err().map(ToString::to_string);
    if !cooldown.is_zero() && state.is_cooling(firing.key(), cooldown, at) {
        why_not = Some("cooldown".to_owned());
    } else if firing.lag() > TAKEN_IN_LATER && !settings.acts_on_history {
        why_not = Some("history: it was recorded more than an hour after it happened".to_owned());
    } else if state.is_over(settings.rate, at) {
        why_not = Some("rate: it would have been parked".to_owned());
    } else if firing.depth() > settings.depth_max {
        why_not = Some("depth: it would have been parked".to_owned());
    }
    let mut acts = Vec::new();
    if why_not.is_none() {
        match policy.act(&mut firing).await {
            Ok(()) => acts = firing.acts().iter().map(Act::words).collect(),
            Err(error) => why_not = Some(error.to_string()),
        }
        state.rehearse(firing.key(), at);
    }
    Ok(Some(Rehearsed {
        policy: policy.name().to_owned(),
        triggered_at: at,
        due_at: at.plus_ms(delay.unwrap_or_default().as_millis() as u64),
        key: firing.key().map(str::to_owned),
        positions: found.positions().collect(),
        acts,
        why_not,
    }))
}
