//! Asking: tasks that ask one question after the other, each waiting for its answer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Talked;
use super::words::Words;
use crate::measure::{Appends, Counting};
use crate::tasks::RUNTIME;

/// What one task asks with.
pub(super) trait Asker: Send + 'static {
    /// Asks, and waits for the answer: the number in the words, as [`answer`] makes it.
    fn ask(&mut self, text: String) -> impl Future<Output = Result<u64>> + Send;
}

/// What the one who is asked answers.
pub(super) fn answer(text: &[u8]) -> Result<u64> {
    Ok(Words::read(text)?.number)
}

/// Lets all of these ask for so long.
pub(super) async fn ask(askers: Vec<impl Asker>, took: Duration) -> Result<Talked> {
    let tasks: Vec<_> =
        askers.into_iter().enumerate().map(|(of, asker)| RUNTIME.spawn(task(asker, of, took))).collect();
    let mut sum = Appends::nothing(took);
    for task in tasks {
        sum.join(task.await.context("an asker has failed")??);
    }
    Ok(Talked { counted: sum.counted, latencies: sum.latencies })
}

async fn task(mut asker: impl Asker, of: usize, took: Duration) -> Result<Appends> {
    let mut counting = Counting::begin(took, 1);
    let mut number = 0;
    while counting.goes_on() {
        let answered = asker.ask(Words::now(of, number).text()).await?;
        ensure!(answered == number, "{answered} was answered to {number}");
        counting.done();
        number += 1;
    }
    Ok(counting.finish())
}
