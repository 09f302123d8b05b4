//! An agent that is there, and takes for itself: one whose work is done elsewhere, such as in a model's context.

use std::collections::BTreeSet;
use std::time::Duration;

use factlog::{EventId, Result};
use tokio::task::JoinHandle;

use super::builder::AgentBuilder;
use super::life::{self, Registration};
use super::{Me, intake};
use crate::bus::Taker;

/// A registered agent that says that it is there. Dropping it ends that without a word; [`Presence::end`] says so.
#[derive(Debug)]
pub struct Presence {
    me: Me,
    registration: Registration,
    beating: JoinHandle<()>,
}

impl Presence {
    pub(super) async fn begin(builder: AgentBuilder) -> Result<Self> {
        let taker = Taker::new(builder.id.as_str(), EventId::generate().to_string());
        let me = Me::new(builder.bus.clone(), taker);
        let registration = Registration::of(&builder, &me);
        registration.register(&me).await?;
        intake::take_in_retained(&me).await?;
        let beating = tokio::spawn(beat(me.clone(), registration.clone(), builder.heartbeat));
        let presence = Self { me, registration, beating };
        for inbox in presence.inboxes().await? {
            presence.me.bus().take_over(&inbox, presence.me.taker()).await?;
        }
        Ok(presence)
    }

    /// The agent as it acts.
    pub fn me(&self) -> &Me {
        &self.me
    }

    /// The inboxes that it may take from now: its own first, and those of all that it is one of.
    pub async fn inboxes(&self) -> Result<Vec<String>> {
        let (me, registration) = (&self.me, &self.registration);
        let all: BTreeSet<String> =
            me.bus().directory(|directory, _| registration.inboxes(me, directory)).await?;
        let mut inboxes = vec![me.id().to_owned()];
        inboxes.extend(all.into_iter().filter(|inbox| inbox != me.id()));
        Ok(inboxes)
    }

    /// Says that it has ended.
    pub async fn end(self, reason: &str) -> Result<()> {
        self.beating.abort();
        life::end(&self.me, reason, true).await
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

/// Says again and again that the agent is there; also after others took it for dead, as after a laptop's sleep.
async fn beat(me: Me, registration: Registration, heartbeat: Duration) {
    loop {
        tokio::time::sleep(heartbeat).await;
        let own = &me.taker().context_id;
        let is_buried = me.bus().directory(|directory, _| {
            let known = directory.agent(me.id());
            known.is_some_and(|agent| agent.is_terminated && agent.context_id.as_ref() == Some(own))
        });
        let told = match is_buried.await {
            Ok(true) => registration.register(&me).await,
            Ok(false) => life::beat(&me, 0).await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::warn!(%error, agent = me.id(), "it was not said that the agent is there");
        }
    }
}
