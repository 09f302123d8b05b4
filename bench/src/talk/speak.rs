//! Speaking: tasks that say one thing after the other, for as long as a conversation lasts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::conversation::Conversation;
use super::words::Words;
use crate::tasks::RUNTIME;

/// What one task speaks with.
pub(super) trait Speaker: Send + 'static {
    /// Says it. What is promised to survive a crash does so when this returns.
    fn speak(&mut self, text: String) -> impl Future<Output = Result<()>> + Send;
}

/// Lets all of these speak until the time is over, and waits until everything was heard. Nobody begins before `counted`
/// has told whoever must know when it counts.
pub(super) async fn speak(
    conversation: &Arc<Conversation>,
    speakers: Vec<impl Speaker>,
    took: Duration,
    counted: impl FnOnce((u64, u64)) -> Result<()>,
) -> Result<()> {
    counted(conversation.begin(took))?;
    let tasks: Vec<_> = speakers
        .into_iter()
        .enumerate()
        .map(|(number, speaker)| RUNTIME.spawn(task(Arc::clone(conversation), speaker, number)))
        .collect();
    for task in tasks {
        task.await.context("a speaker has failed")??;
    }
    conversation.all_heard().await
}

async fn task(conversation: Arc<Conversation>, mut speaker: impl Speaker, of: usize) -> Result<()> {
    for number in 0.. {
        if conversation.is_over() {
            break;
        }
        conversation.say().await?;
        speaker.speak(Words::now(of, number).text()).await?;
    }
    Ok(())
}
