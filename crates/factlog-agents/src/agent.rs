//! Agents at work: each registers, takes what is for it, acts, and says what came of it.
//!
//! What an agent has in hand is its own only for a while, which is prolonged as long as it lives. So whatever kills it, what
//! it had not finished is offered again, to its next run or to others of its kind; and what it had finished is not.

mod builder;
mod handler;
mod hearing;
mod intake;
mod lanes;
mod life;
mod me;
mod outbox;
mod presence;
mod run;
mod work;

use std::time::Duration;

use factlog::{Error, EventId, EventLog, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::builder::{AgentBuilder, CAPACITY, HEARTBEAT};
pub use self::handler::{Failed, GivenMessage, GivenRequest, GivenTask, INTERNAL_ERROR, TaskError, ThenTask};
pub use self::me::Me;
pub use self::presence::Presence;

use self::run::Run;
use crate::bus::Taker;

/// How long an agent that is to stop may finish what it is at.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

/// An agent at work. Dropping it ends it without a word, as a crash would; [`Agent::stop`] lets it finish.
///
/// ```
/// use std::time::Duration;
/// use factlog::{EventLog, MemoryStore};
/// use factlog_agents::{Agent, bus::Bus};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log = EventLog::new(MemoryStore::new());
/// let adder = Agent::builder(log.clone(), "adder")
///     .on_request("add", |_me, asked| async move { Ok(asked.read::<Vec<i64>>()?.iter().sum::<i64>()) })
///     .start()
///     .await?;
/// let asker = Agent::builder(log, "asker").start().await?;
/// let answer = asker.me().request("adder", "add", &[40, 2], Duration::from_secs(5)).await?;
/// assert_eq!(answer.outcome.unwrap().to::<i64>()?, 42);
/// asker.stop("done").await?;
/// adder.stop("done").await?;
/// # Ok::<(), factlog::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Agent {
    me: Me,
    stop: watch::Sender<Option<Stop>>,
    running: JoinHandle<Result<()>>,
}

/// How an agent is to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) reason: String,
    pub(crate) grace: Duration,
}

impl Agent {
    /// An agent of this id on a log.
    pub fn builder(log: EventLog, id: &str) -> AgentBuilder {
        AgentBuilder::new(log, id)
    }

    async fn start(builder: AgentBuilder) -> Result<Self> {
        let taker = Taker::new(builder.id.as_str(), EventId::generate().to_string());
        let me = Me::new(builder.bus.clone(), taker);
        let (stop, stopping) = watch::channel(None);
        let run = Run::begin(&me, builder, stopping).await?;
        Ok(Self { me, stop, running: tokio::spawn(run.go_on()) })
    }

    /// The agent as it acts outside of its handlers.
    pub fn me(&self) -> &Me {
        &self.me
    }

    /// Takes nothing more, finishes what it is at, gives back the rest, and says that it has ended.
    ///
    /// # Errors
    /// What has ended it before.
    pub async fn stop(self, reason: &str) -> Result<()> {
        self.stop_within(reason, STOP_GRACE).await
    }

    /// The same, with so long to finish what it is at.
    ///
    /// # Errors
    /// What has ended it before.
    pub async fn stop_within(mut self, reason: &str, grace: Duration) -> Result<()> {
        // Where nobody listens it has ended already, and says why below.
        let _ = self.stop.send(Some(Stop { reason: reason.to_owned(), grace }));
        self.ended().await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// `Conflict` when another run of it has taken over; whatever else has ended it.
    pub async fn ended(&mut self) -> Result<()> {
        (&mut self.running).await.unwrap_or_else(|cause| {
            Err(Error::stopped(format!("the agent {} has ended: {cause}", self.me.id())))
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.running.abort();
    }
}
