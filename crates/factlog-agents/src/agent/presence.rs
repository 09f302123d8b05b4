//! An agent that is there, and takes for itself: one whose work is done elsewhere, such as in a model's context.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use factlog::{ErrorKind, EventId, Filter, Result};
use tokio::task::JoinHandle;

use super::builder::AgentBuilder;
use super::life::{self, Registration, Stands};
use super::{Me, intake};
use crate::bus::{State, Taker};
use crate::stream_of;
use crate::vocabulary::{Payload, type_patterns};

/// Beginnings and ends of earlier runs that are looked at by the next one.
const EARLIER_RUNS_MAX: usize = 100;

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
        let ended = ended_runs(&presence.me).await?;
        for inbox in presence.inboxes().await? {
            if builder.takes_over {
                presence.me.bus().take_over(&inbox, presence.me.taker()).await?;
            } else {
                presence.take_from(&ended, &inbox).await?;
            }
        }
        Ok(presence)
    }

    /// Takes back what runs of it had in hand that have said that they have ended. What any other has read may stand in a
    /// context that is alive: it waits there until its time is over.
    async fn take_from(&self, ended: &BTreeSet<String>, inbox: &str) -> Result<()> {
        let is_left = |state: &State| match state {
            State::Offered { by, .. } | State::Delivered { by, .. } => {
                by.agent_id == self.me.id() && ended.contains(&by.context_id)
            }
            State::Queued | State::Nacked { .. } => false,
        };
        let left: Vec<String> = self
            .me
            .bus()
            .inbox(inbox, |inbox| {
                let items = inbox.items().into_iter();
                items.filter(|item| is_left(&item.state)).map(|item| item.message_id.clone()).collect()
            })
            .await?;
        if left.is_empty() {
            return Ok(());
        }
        self.me.bus().release(inbox, self.me.taker(), &left, "the run that had it has ended").await
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

    /// Looks whether it is still this run that acts for the agent.
    ///
    /// # Errors
    /// `Conflict` once another run of the agent has registered: this one has ended by that.
    pub async fn check(&self) -> Result<()> {
        life::stands(&self.me).await.map(drop)
    }

    /// Says that it has ended, unless another run has taken over: the agent is there then.
    pub async fn end(&self, reason: &str) -> Result<()> {
        self.beating.abort();
        if matches!(self.check().await, Err(error) if error.kind() == ErrorKind::Conflict) {
            return Ok(());
        }
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
        let told = match life::stands(&me).await {
            Ok(Stands::Buried) => registration.register(&me).await,
            Ok(Stands::There) => life::beat(&me, 0).await,
            Err(error) if error.kind() == ErrorKind::Conflict => {
                return tracing::warn!(%error, agent = me.id(), "the run has ended");
            }
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::warn!(%error, agent = me.id(), "it was not said that the agent is there");
        }
    }
}

/// The earlier runs of an agent that have said of themselves that they have ended. One that others took for dead may live.
async fn ended_runs(me: &Me) -> Result<BTreeSet<String>> {
    let names = ["agent:spawned", "agent:terminated"].into_iter().flat_map(type_patterns);
    let types = names.filter_map(|name| name.parse().ok()).collect();
    let own = Filter { types, ..Filter::stream(stream_of("agent", me.id())?) };
    let newest = me.log().read(own).backwards().limit(EARLIER_RUNS_MAX).collect().await?;
    // What was said last of a run holds.
    let mut has_ended: HashMap<String, bool> = HashMap::new();
    for event in newest {
        let (context, ended) = match Payload::of(&event) {
            Some(Payload::AgentSpawned(spawned)) => (spawned.context_id, false),
            Some(Payload::AgentTerminated(ended)) => {
                (ended.context_id, event.source.as_ref().is_some_and(|source| **source == *me.id()))
            }
            _ => continue,
        };
        if let Some(context) = context {
            has_ended.entry(context).or_insert(ended);
        }
    }
    Ok(has_ended.into_iter().filter(|(_, ended)| *ended).map(|(context, _)| context).collect())
}
