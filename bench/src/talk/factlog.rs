//! factlog's agents, called as a program calls them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use factlog::{ErrorKind, EventLog, Filter, Json, MemoryStore, NewEvent};
use factlog_agents::bus::{Address, Body, Message, Request, Subscription};
use factlog_agents::{Agent, Bus};
use factlog_stores::{Open, SqliteOptions, SqliteStore};

use super::ask::{Asker, answer, ask};
use super::conversation::Conversation;
use super::ears::Ears;
use super::speak::{Speaker, speak};
use super::{Load, Talked};
use crate::tasks::RUNTIME;
use crate::test::Test;

/// The file of the log in its folder.
const FILE: &str = "factlog.db";
/// Who hears messages and answers requests.
const HEARER: &str = "hearer";
const METHOD: &str = "ping";
const TYPE: &str = "talk:said";
/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often a message is sent again that an inbox had no room for; each time after a moment.
const TRIES_MAX: usize = 30_000;

/// All agents in this process, on a log in an SQLite file with the settings that a user gets.
pub(crate) fn sqlite(folder: &Path, load: Load, took: Duration) -> Result<Talked> {
    RUNTIME.block_on(async {
        let log = open(folder)?;
        let talked = talk(&log, load, took).await?;
        Ok(log.close().await.map(|()| talked)?)
    })
}

/// All agents in this process, on a log in memory: what the bus itself costs.
pub(crate) fn memory(_: &Path, load: Load, took: Duration) -> Result<Talked> {
    RUNTIME.block_on(talk(&EventLog::new(MemoryStore::new()), load, took))
}

/// The log of a folder.
pub(super) fn open(folder: &Path) -> Result<EventLog> {
    Ok(EventLog::new(SqliteStore::open(&SqliteOptions::new(folder.join(FILE)), Open::Create)?))
}

async fn talk(log: &EventLog, load: Load, took: Duration) -> Result<Talked> {
    let ears = Ears::new(load);
    let listening = Listening::begin(log, load, &ears).await?;
    let talked = if load.test == Test::Requests {
        ask(askers(log, load), took).await?
    } else {
        speak(&ears.conversation, speakers(log, load, &ears.conversation), took, |_| Ok(())).await?;
        check(log, load, &ears.conversation).await?;
        ears.finish()?
    };
    listening.end().await?;
    Ok(talked)
}

/// Who hears what is said, and answers what is asked.
pub(super) struct Listening {
    agent: Option<Agent>,
    _subscriptions: Vec<Subscription>,
}

impl Listening {
    /// Begins: what is said from now on is heard by these.
    pub(super) async fn begin(log: &EventLog, load: Load, ears: &Ears) -> Result<Self> {
        let mut subscriptions = Vec::new();
        if load.test == Test::Subscribers {
            let bus = Bus::new(log.clone());
            for ear in &ears.all {
                let ear = Arc::clone(ear);
                let hear = move |event: Arc<factlog::Event>| {
                    ear.hear(event.data.as_str().as_bytes());
                    std::future::ready(Ok(()))
                };
                subscriptions.push(bus.subscribe(Filter::types([TYPE])?).start(hear).await?);
            }
            return Ok(Self { agent: None, _subscriptions: subscriptions });
        }
        let ear = Arc::clone(ears.all.first().context("somebody hears")?);
        let agent = Agent::builder(log.clone(), HEARER)
            .on_message(move |_me, message| {
                ear.hear(message.content.as_str().as_bytes());
                std::future::ready(Ok(()))
            })
            .on_request(METHOD, |_me, asked| {
                let answered = answer(asked.params.as_str().as_bytes());
                std::future::ready(answered.map_err(|error| std::io::Error::other(error).into()))
            });
        Ok(Self { agent: Some(agent.start().await?), _subscriptions: subscriptions })
    }

    pub(super) async fn end(self) -> Result<()> {
        match self.agent {
            Some(agent) => Ok(agent.stop("done").await?),
            None => Ok(()),
        }
    }
}

/// Who speaks; all on one bus, as in one program.
pub(super) fn speakers(log: &EventLog, load: Load, conversation: &Arc<Conversation>) -> Vec<FactlogSpeaker> {
    let bus = Bus::new(log.clone());
    let speaker = |number| FactlogSpeaker {
        bus: bus.clone(),
        name: format!("speaker-{number}"),
        conversation: Arc::clone(conversation),
        is_to_all: load.test == Test::Subscribers,
    };
    (0..load.speakers).map(speaker).collect()
}

/// Sends messages to the hearer, or appends events for all who subscribe.
pub(super) struct FactlogSpeaker {
    bus: Bus,
    name: String,
    conversation: Arc<Conversation>,
    is_to_all: bool,
}

impl Speaker for FactlogSpeaker {
    async fn speak(&mut self, text: String) -> Result<()> {
        let content = Json::parse(&text)?;
        if self.is_to_all {
            self.bus.log().append(NewEvent::new(&self.name, TYPE, content)?).await?;
            return Ok(());
        }
        let body = Body::Words { content, content_type: None, reply_to: None };
        let message = Message::new(self.name.as_str(), Address::agent(HEARER), body);
        for _ in 0..TRIES_MAX {
            match self.bus.send(message.clone()).await {
                // The inbox is full.
                Err(error) if error.kind() == ErrorKind::Unavailable => self.conversation.pause().await,
                sent => return Ok(sent.map(drop)?),
            }
        }
        Ok(self.bus.send(message).await.map(drop)?)
    }
}

/// Who asks; all on one bus.
pub(super) fn askers(log: &EventLog, load: Load) -> Vec<FactlogAsker> {
    let bus = Bus::new(log.clone());
    let asker = |number| FactlogAsker { bus: bus.clone(), name: format!("asker-{number}") };
    (0..load.speakers).map(asker).collect()
}

/// Asks the hearer.
pub(super) struct FactlogAsker {
    bus: Bus,
    name: String,
}

impl Asker for FactlogAsker {
    async fn ask(&mut self, text: String) -> Result<u64> {
        let request = Request::new(self.name.as_str(), Address::agent(HEARER), METHOD)
            .params(&Json::parse(&text)?)?
            .timeout(TIMEOUT);
        match self.bus.request(&request).await?.outcome {
            Ok(answered) => Ok(answered.to()?),
            Err(error) => anyhow::bail!("{}: {}", error.code, error.message),
        }
    }
}

/// Holds what is in the log against what was said.
pub(super) async fn check(log: &EventLog, load: Load, conversation: &Conversation) -> Result<()> {
    let kind = if load.test == Test::Subscribers { TYPE } else { "message:sent" };
    let counted = log.count(factlog::Count { filter: Filter::types([kind])?, by: Vec::new() }).await?;
    let stored: u64 = counted.iter().map(|group| group.count).sum();
    let said = conversation.expected() / load.hearers as u64;
    ensure!(stored == said, "{stored} are in the log, {said} were said");
    Ok(())
}
