//! The engine: policies at work on a log.

use std::sync::Arc;

use factlog::{Error, ErrorKind, Position, Result};
use tokio::task::JoinSet;

use super::runner::Runner;
use super::{POLICIES_MAX, Policy};
use crate::Bus;

/// Policies that are to be run.
#[derive(Clone)]
pub struct Engine {
    bus: Bus,
    policies: Vec<Arc<dyn Policy>>,
    from: Option<Position>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.policies.iter().map(|policy| policy.name()).collect();
        f.debug_struct("Engine").field("policies", &names).finish_non_exhaustive()
    }
}

/// Policies at work; dropping it ends them where they are, and whoever starts them again goes on there.
#[derive(Debug)]
pub struct Running(JoinSet<Result<()>>);

impl Engine {
    /// No policies yet.
    pub fn new(bus: Bus) -> Self {
        Self { bus, policies: Vec::new(), from: None }
    }

    /// One more.
    #[must_use]
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policies.push(policy);
        self
    }

    /// Acts on what is there after a position too. What was acted on before is not again.
    #[must_use]
    pub fn from(mut self, after: Position) -> Self {
        self.from = Some(after);
        self
    }

    /// Starts them: each goes on where it has stopped, and one that was never run begins with what comes.
    ///
    /// # Errors
    /// `Invalid` for two of one name, or a pattern that would wait for ever; what the log says.
    pub async fn start(self) -> Result<Running> {
        if self.policies.len() > POLICIES_MAX {
            return Err(Error::invalid(format!("an engine runs at most {POLICIES_MAX} policies")));
        }
        for (at, policy) in self.policies.iter().enumerate() {
            if self.policies[..at].iter().any(|other| other.name() == policy.name()) {
                return Err(Error::invalid(format!("two policies are named {}", policy.name())));
            }
        }
        let mut running = JoinSet::new();
        for policy in self.policies {
            let runner = Runner::start(&self.bus, policy, self.from).await?;
            running.spawn(runner.run());
        }
        Ok(Running(running))
    }
}

impl Running {
    /// Waits until one of them ends, which it does not by itself. One that another process runs now ends alone, and the others go on.
    ///
    /// # Errors
    /// `Conflict` when other processes run all of them; what the log says.
    pub async fn ended(&mut self) -> Result<()> {
        let mut last = Ok(());
        while let Some(ended) = self.0.join_next().await {
            last = ended.unwrap_or_else(|cause| Err(Error::stopped(cause.to_string())));
            match &last {
                Err(error) if error.kind() == ErrorKind::Conflict => tracing::warn!("{error}"),
                _ => return last,
            }
        }
        last
    }
}
