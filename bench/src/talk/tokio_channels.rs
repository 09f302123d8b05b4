//! Channels within one process: `tokio::sync::broadcast` for what is said, and for questions an `mpsc` channel, with a
//! `oneshot` for each answer. They keep nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::ask::{Asker, answer, ask};
use super::ears::Ears;
use super::speak::{Speaker, speak};
use super::{Load, Talked};
use crate::tasks::RUNTIME;
use crate::test::Test;

/// Places of a channel: more than is ever in flight, as a channel that is full loses the oldest.
const PLACES: usize = 1_024;

pub(crate) fn tokio_channels(_: &Path, load: Load, took: Duration) -> Result<Talked> {
    ensure!(load.in_flight < PLACES, "a channel would be full");
    RUNTIME.block_on(async {
        if load.test == Test::Requests {
            return ask(askers(load), took).await;
        }
        let ears = Ears::new(load);
        let sender = broadcast::Sender::<Arc<str>>::new(PLACES);
        for ear in &ears.all {
            let (ear, mut receiver) = (Arc::clone(ear), sender.subscribe());
            // It ends when the last sender is gone; what it loses is missed in the end.
            RUNTIME.spawn(async move {
                loop {
                    match receiver.recv().await {
                        Ok(text) => ear.hear(text.as_bytes()),
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => break,
                    }
                }
            });
        }
        let speakers = vec![Broadcasting(sender); load.speakers];
        speak(&ears.conversation, speakers, took, |_| Ok(())).await?;
        ears.finish()
    })
}

#[derive(Clone)]
struct Broadcasting(broadcast::Sender<Arc<str>>);

impl Speaker for Broadcasting {
    async fn speak(&mut self, text: String) -> Result<()> {
        self.0.send(text.into())?;
        Ok(())
    }
}

type Question = (String, oneshot::Sender<u64>);

fn askers(load: Load) -> Vec<Asking> {
    let (sender, mut questions) = mpsc::channel::<Question>(PLACES);
    RUNTIME.spawn(async move {
        while let Some((text, answers)) = questions.recv().await {
            // Whoever gets no answer fails.
            let _ = answer(text.as_bytes()).map(|answered| answers.send(answered));
        }
    });
    vec![Asking(sender); load.speakers]
}

#[derive(Clone)]
struct Asking(mpsc::Sender<Question>);

impl Asker for Asking {
    async fn ask(&mut self, text: String) -> Result<u64> {
        let (answers, answered) = oneshot::channel();
        self.0.send((text, answers)).await?;
        Ok(answered.await?)
    }
}
