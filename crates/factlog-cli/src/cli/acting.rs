//! Who acts: the flag of every command that speaks for an agent.

use clap::Args;
use factlog::{Error, Result};

/// The agent that acts.
#[derive(Debug, Args, Clone)]
pub(crate) struct Acting {
    /// The agent that acts
    #[arg(long = "as", value_name = "AGENT", env = "FACTLOG_AGENT", hide_env_values = true)]
    agent: Option<String>,
}

impl Acting {
    /// Its id.
    ///
    /// # Errors
    /// `Invalid` where nobody is named.
    pub(crate) fn agent(&self) -> Result<&str> {
        self.agent.as_deref().filter(|agent| !agent.is_empty()).ok_or_else(|| {
            Error::invalid("nobody is named who does this")
                .with_hint("name the agent with --as AGENT, or in the variable FACTLOG_AGENT")
        })
    }
}
