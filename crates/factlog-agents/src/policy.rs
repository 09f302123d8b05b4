//! Policies: what is done because something happened.
//!
//! A policy waits for a pattern, and acts: it appends events, sends messages, asks agents, calls webhooks, runs commands. Rules in
//! TOML ([`rules`]) and handlers in Rust ([`Policy`]) are the same to the [`Engine`]. Each firing is told in the policy's own
//! stream `policy-NAME`, and so are delays and retries: what is to be done survives whoever was to do it.

mod act;
pub mod built_in;
pub mod command;
mod engine;
mod firing;
mod history;
mod rehearsal;
mod rule;
mod runner;
mod state;
mod template;
pub mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use factlog::{Error, Pattern, Result};
use serde::Deserialize;

pub use command::{Command, CommandError, Ran};
pub use engine::{Engine, Running};
pub use firing::{Act, Firing};
pub use history::{Told, policy_history, policy_state, policy_states};
pub use rehearsal::{Rehearsed, rehearse};
pub use rule::{Rules, rules};
pub use state::{Parked, Pending, PolicyState};
pub use webhook::{Delivered, DeliveryError, Webhook};

/// Policies that one engine runs.
pub const POLICIES_MAX: usize = 100;
/// Bytes of a policy's name.
pub const POLICY_NAME_BYTES_MAX: usize = 100;
/// The longest that a policy waits before it acts.
pub const DELAY_MAX: Duration = Duration::from_secs(366 * 86_400);

/// What is done because something happened.
#[async_trait]
pub trait Policy: Send + Sync + 'static {
    /// Its name: that of its stream, and a part of the ids of all that it does.
    fn name(&self) -> &str;

    /// What it is for, in a sentence.
    fn about(&self) -> &str {
        self.name()
    }

    /// What it waits for.
    fn pattern(&self) -> &Pattern;

    /// How it is run.
    fn settings(&self) -> Settings {
        Settings::default()
    }

    /// Whether something is to be done about what has happened, and how long after: none, and nothing is.
    ///
    /// It is asked of the same again after a crash, so that it looks at no more of the log than there was up to
    /// [`Firing::position`].
    async fn plan(&self, _firing: &Firing) -> Result<Option<Duration>> {
        Ok(Some(Duration::ZERO))
    }

    /// Whether it does nothing but append events and send messages: then more of it is done at once.
    fn acts_in_log_only(&self) -> bool {
        false
    }

    /// Says to the firing what is to be done. It is asked again when it is tried again.
    ///
    /// # Errors
    /// Whatever keeps it from acting: it is tried again, unless it is `Invalid`.
    async fn act(&self, firing: &mut Firing) -> Result<()>;
}

/// How a policy is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How often it is tried.
    pub retry: Retry,
    /// After it has acted for a key, it does not for so long.
    pub cooldown: Option<Duration>,
    /// More often than this it does not act: it is parked.
    pub rate: Rate,
    /// So many policies may lead to one another, one behind the other; at more it is parked.
    pub depth_max: u64,
    /// Whether it acts on what was recorded more than an hour after it happened, such as by an import.
    pub acts_on_history: bool,
}

/// How often a firing is tried, and how long after another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Attempts after the first.
    pub max: u64,
    /// The pause before the first of them; each further one is twice as long, an hour at the most.
    pub backoff: Duration,
    /// The part of a pause, from 0 to 1, that differs from one to the next.
    pub jitter: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max: 5, backoff: Duration::from_secs(1), jitter: 0.1 }
    }
}

impl Retry {
    /// The longest pause.
    pub const PAUSE_MAX: Duration = Duration::from_secs(3_600);

    /// The pause after so many attempts; none when that were enough.
    pub fn pause(&self, attempts: u64) -> Option<Duration> {
        if attempts > self.max {
            return None;
        }
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
        let pause = self.backoff.saturating_mul(1 << doublings).min(Self::PAUSE_MAX);
        Some(pause.mul_f64(1.0 - self.jitter.clamp(0.0, 1.0) * fastrand::f64()))
    }
}

/// So many firings in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Firings.
    pub max: u64,
    /// In this time.
    pub per: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            cooldown: None,
            rate: Rate { max: 100, per: Duration::from_secs(60) },
            depth_max: 8,
            acts_on_history: false,
        }
    }
}

/// A policy with what its rule says beside it.
#[derive(Clone)]
pub struct Ruled {
    /// The policy.
    pub policy: Arc<dyn Policy>,
    /// Whether it is to be run.
    pub is_enabled: bool,
}

impl std::fmt::Debug for Ruled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ruled")
            .field("name", &self.policy.name())
            .field("is_enabled", &self.is_enabled)
            .finish()
    }
}

/// Refuses what is no name of a policy.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > POLICY_NAME_BYTES_MAX || !name.chars().all(is_plain) {
        return Err(Error::invalid(format!("{name:?} is no name of a policy")).with_hint(format!(
            "1 to {POLICY_NAME_BYTES_MAX} letters, digits, dots, dashes and underscores"
        )));
    }
    Ok(())
}

/// A length of time in settings.
pub(crate) fn length<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    text.map(|text| factlog::length_of_time(&text).map_err(serde::de::Error::custom)).transpose()
}
