//! Tasks of one runtime that append, each as fast as it is answered.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;

use crate::measure::{Appends, Counting};
use crate::workload::{Batch, Writer};

/// What a program of many tasks would have.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a machine fit to measure on has threads to spare")
});

/// What one task appends with.
pub(crate) trait Appender: Send + 'static {
    /// Records the first event of each stream, which is no part of a run.
    fn begin(&mut self, streams: Vec<Batch>) -> impl Future<Output = Result<()>> + Send;

    /// Records a batch if its stream is at the expected version. What is promised to survive a crash does so when this returns.
    fn append(&mut self, batch: Batch) -> impl Future<Output = Result<()>> + Send;
}

/// Lets each of these append for so long.
pub(crate) fn appends(appenders: Vec<impl Appender>, batch: usize, took: Duration) -> Result<Appends> {
    RUNTIME.block_on(async {
        let writers = appenders.len();
        let start = Arc::new(Barrier::new(writers));
        let tasks: Vec<_> = appenders
            .into_iter()
            .enumerate()
            .map(|(number, appender)| {
                let writer = Writer::new(number, writers);
                RUNTIME.spawn(task(appender, writer, Arc::clone(&start), (batch, took)))
            })
            .collect();
        let mut sum = Appends::nothing(took);
        for task in tasks {
            sum.join(task.await??);
        }
        Ok(sum)
    })
}

async fn task(
    mut appender: impl Appender,
    mut writer: Writer,
    start: Arc<Barrier>,
    (batch, took): (usize, Duration),
) -> Result<Appends> {
    let streams = writer.begin();
    let begun = streams.len() as u64;
    let outcome = appender.begin(streams).await;
    start.wait().await;
    outcome?;
    let mut counting = Counting::begin(took, batch as u64);
    while counting.goes_on() {
        appender.append(writer.next(batch)).await?;
        counting.done();
    }
    let mut appends = counting.finish();
    appends.acknowledged += begun;
    Ok(appends)
}
