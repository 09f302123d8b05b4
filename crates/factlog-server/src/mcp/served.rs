//! The agent that is served: from the moment when no other run of it is at work.

use std::sync::Arc;
use std::time::Duration;

use factlog::{Error, ErrorKind, Result};
use factlog_agents::agent::AgentBuilder;
use tokio::sync::OnceCell;

use super::calls::Calls;
use super::mail::Mail;

/// The pause before it is tried again to register an agent of which another run is at work.
const ATTEND_PAUSE: Duration = Duration::from_secs(10);

/// What the client of an agent is told, where another run of the agent is at work.
const WHAT_TO_DO: &str = "\
where that is another session, give each its own name; where it is one that was killed, its name is free 90 seconds after it was last \
heard of, and this tries again by itself; `factlog mcp --take-over` ends the other at once";

/// An agent, and its mail once it has registered.
pub(super) struct Served {
    builder: AgentBuilder,
    calls: Arc<Calls>,
    mail: OnceCell<Mail>,
}

impl Served {
    /// Registers the agent; where another run of it is at work, that is tried again.
    ///
    /// # Errors
    /// Whatever else is in the way.
    pub(super) async fn begin(builder: AgentBuilder) -> Result<Arc<Self>> {
        let served = Arc::new(Self { builder, calls: Calls::new(), mail: OnceCell::new() });
        match served.attend().await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                tracing::warn!(%error, "the agent is not served yet");
                Ok(served)
            }
            attended => attended.map(|()| served),
        }
    }

    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// The agent's mail, where it has registered.
    pub(super) fn known_mail(&self) -> Option<&Mail> {
        self.mail.get()
    }

    /// The agent's mail, as long as this run acts for it.
    ///
    /// # Errors
    /// `Conflict` where another run does.
    pub(super) async fn mail(self: &Arc<Self>) -> Result<&Mail> {
        if self.mail.get().is_none() {
            let served = Arc::clone(self);
            // A call that is cancelled must not leave a registration behind that nobody keeps up.
            let attending = tokio::spawn(async move { served.attend().await });
            attending.await.map_err(|cause| Error::stopped(cause.to_string()))??;
        }
        let mail = self.mail.get().ok_or_else(|| Error::stopped("the agent is not there"))?;
        mail.check().await?;
        Ok(mail)
    }

    async fn attend(&self) -> Result<()> {
        let attended = self.mail.get_or_try_init(|| async {
            let presence = self.builder.clone().attend().await?;
            Ok(Mail::new(presence, Arc::clone(&self.calls)))
        });
        let attended: Result<&Mail> = attended.await;
        match attended {
            Err(error) if error.kind() == ErrorKind::Conflict => Err(error.with_hint(WHAT_TO_DO)),
            attended => attended.map(drop),
        }
    }

    /// Registers as soon as that can be, and keeps what was read.
    pub(super) async fn keep(self: Arc<Self>) {
        while let Err(error) = self.attend().await {
            tracing::debug!(%error, "the agent is not served yet");
            tokio::time::sleep(ATTEND_PAUSE).await;
        }
        if let Some(mail) = self.mail.get() {
            mail.keep().await;
        }
    }

    /// Says that the agent has ended, where it was there.
    pub(super) async fn end(&self) -> Result<()> {
        match self.mail.get() {
            Some(mail) => mail.end().await,
            None => Ok(()),
        }
    }
}
