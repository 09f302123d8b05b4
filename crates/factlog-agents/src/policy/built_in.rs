//! Policies that are there already: origin C's two, and alerts.

mod auto_move;
mod budget;
mod conflict;
mod retry_sessions;
mod stuck;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use factlog::{Error, NewEvent, Result, TypedEvent};
use serde_json::Value;

pub use auto_move::AutoMove;
pub use budget::BudgetAlert;
pub use conflict::ConflictAlert;
pub use retry_sessions::RetrySessions;
pub use stuck::StuckAlert;

use super::rule::Written;
use super::{Firing, Policy, Settings};
use crate::vocabulary::SystemAlert;

/// The built-in policies: what each is called, and what it does.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("auto-move", auto_move::ABOUT),
    ("retry-sessions", retry_sessions::ABOUT),
    ("stuck-alert", stuck::ABOUT),
    ("budget-alert", budget::ABOUT),
    ("conflict-alert", conflict::ABOUT),
];

/// A built-in policy as a rule asks for it.
pub(super) fn of(written: &Written) -> Result<Arc<dyn Policy>> {
    written.refuse_own()?;
    let kind = written.built_in.as_deref().unwrap_or_default();
    let name = written.name.as_deref().unwrap_or(kind);
    let with = With { fields: &written.with };
    let settings = |own: Settings| written.settings(own);
    let (policy, known): (Arc<dyn Policy>, &[&str]) = match kind {
        "auto-move" => (Arc::new(AutoMove::new(name, settings(Settings::default())?)?), &[]),
        "retry-sessions" => {
            let mut policy = RetrySessions::new(name, settings(Settings::default())?)?;
            policy.max = with.number("max")?.unwrap_or(policy.max);
            policy.backoff = with.length("backoff")?.unwrap_or(policy.backoff);
            (Arc::new(policy), &["max", "backoff"])
        }
        "stuck-alert" => {
            let quiet = with.length("quiet")?.unwrap_or(StuckAlert::QUIET);
            (Arc::new(StuckAlert::new(name, quiet, settings(StuckAlert::settings())?)?), &["quiet"])
        }
        "budget-alert" => {
            let (tokens, cost) = (with.number("tokens")?, with.amount("cost")?);
            (
                Arc::new(BudgetAlert::new(name, tokens, cost, settings(Settings::default())?)?),
                &["tokens", "cost"],
            )
        }
        "conflict-alert" => {
            let within = with.length("within")?.unwrap_or(ConflictAlert::WITHIN);
            (Arc::new(ConflictAlert::new(name, within, settings(Settings::default())?)?), &["within"])
        }
        other => {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(Error::invalid(format!("there is no built-in policy {other:?}"))
                .with_hint(format!("there are {}", names.join(", "))));
        }
    };
    with.refuse_all_but(kind, known)?;
    Ok(policy)
}

/// What a rule tells a built-in policy.
struct With<'a> {
    fields: &'a BTreeMap<String, Value>,
}

impl With<'_> {
    fn number(&self, name: &str) -> Result<Option<u64>> {
        self.read(name, "a whole number", Value::as_u64)
    }

    fn amount(&self, name: &str) -> Result<Option<f64>> {
        self.read(name, "a number above 0", |value| value.as_f64().filter(|amount| *amount > 0.0))
    }

    fn length(&self, name: &str) -> Result<Option<Duration>> {
        self.read(name, "a length of time such as 15m", |value| factlog::length_of_time(value.as_str()?).ok())
    }

    fn read<T>(&self, name: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.fields.get(name) else { return Ok(None) };
        let wrong = || Error::invalid(format!("with.{name} is {value}; it is {what}"));
        read(value).map(Some).ok_or_else(wrong)
    }

    fn refuse_all_but(&self, kind: &str, known: &[&str]) -> Result<()> {
        match self.fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(Error::invalid(format!("{kind} cannot be told {unknown:?}")).with_hint(
                if known.is_empty() {
                    "it takes nothing".to_owned()
                } else {
                    format!("it takes {}", known.join(", "))
                },
            )),
        }
    }
}

/// An alert, in the stream of a policy's alerts.
fn alert(firing: &Firing, code: &str, message: String, details: Value) -> Result<NewEvent> {
    SystemAlert::new().agent_id(firing.source()).code(code).message(message).details(details).into_event()
}
