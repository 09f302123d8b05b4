//! NATS core: publish and subscribe, request and reply, by way of a server on the same machine. It keeps nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::{Client, Subscriber};
use futures_util::StreamExt;

use super::ask::{Asker, answer, ask};
use super::ears::{Ear, Ears};
use super::speak::{Speaker, speak};
use super::{Load, Talked, nats_server};
use crate::tasks::RUNTIME;
use crate::test::Test;

const SUBJECT: &str = "talk";
/// What one asks itself, to know that the server has taken all before it.
const PROBE: &str = "probe";

/// Speakers and askers share a connection, and hearers another one.
pub(crate) fn nats(_: &Path, load: Load, took: Duration) -> Result<Talked> {
    RUNTIME.block_on(async {
        let url = nats_server::url()?;
        let (here, there) = (async_nats::connect(url).await?, async_nats::connect(url).await?);
        let ears = Ears::new(load);
        if load.test == Test::Requests {
            RUNTIME.spawn(reply(there.clone(), there.subscribe(SUBJECT).await?));
            probe(&there).await?;
            let talked = ask(vec![Asking(here.clone()); load.speakers], took).await;
            return ended([here, there], talked?).await;
        }
        for ear in &ears.all {
            RUNTIME.spawn(hear(Arc::clone(ear), there.subscribe(SUBJECT).await?));
        }
        probe(&there).await?;
        let publishing = vec![Publishing(here.clone()); load.speakers];
        speak(&ears.conversation, publishing, took, |_| Ok(())).await?;
        ended([here, there], ears.finish()?).await
    })
}

/// Ends the connections, and with them the tasks that hear and reply.
async fn ended(clients: [Client; 2], talked: Talked) -> Result<Talked> {
    for client in clients {
        client.drain().await?;
    }
    Ok(talked)
}

/// Waits until the server has taken what was sent to it before.
async fn probe(client: &Client) -> Result<()> {
    let mut probes = client.subscribe(PROBE).await?;
    client.publish(PROBE, "".into()).await?;
    probes.next().await.context("the server has gone")?;
    Ok(probes.unsubscribe().await?)
}

async fn hear(ear: Arc<Ear>, mut heard: Subscriber) {
    while let Some(message) = heard.next().await {
        ear.hear(&message.payload);
    }
}

async fn reply(client: Client, mut asked: Subscriber) -> Result<()> {
    while let Some(message) = asked.next().await {
        let reply = message.reply.context("whoever asks says where to answer")?;
        client.publish(reply, answer(&message.payload)?.to_string().into()).await?;
    }
    Ok(())
}

#[derive(Clone)]
struct Publishing(Client);

impl Speaker for Publishing {
    async fn speak(&mut self, text: String) -> Result<()> {
        Ok(self.0.publish(SUBJECT, text.into()).await?)
    }
}

#[derive(Clone)]
struct Asking(Client);

impl Asker for Asking {
    async fn ask(&mut self, text: String) -> Result<u64> {
        let answered = self.0.request(SUBJECT, text.into()).await?;
        Ok(str::from_utf8(&answered.payload)?.parse()?)
    }
}
