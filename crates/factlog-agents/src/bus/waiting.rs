//! Waiting for what others record, no longer than until a moment.

use std::time::Duration;

use factlog::{Error, Filter, Position, Result, StreamName, Timestamp};

use super::Bus;

impl Bus {
    /// Waits for the next event of a stream after a position; `false` when the moment came first.
    pub(super) async fn waits_for_news(
        &self,
        stream: &StreamName,
        after: Position,
        until: Option<Timestamp>,
    ) -> Result<bool> {
        let mut following = self.log().follow(Filter::stream(stream.clone())).after(after);
        let next = async {
            match following.next().await {
                Some(event) => event.map(|_| true),
                None => Err(Error::stopped("the log is closed, and nothing more will come")),
            }
        };
        match until {
            None => next.await,
            Some(until) => tokio::time::timeout(left(until), next).await.unwrap_or(Ok(false)),
        }
    }
}

/// How long it is until a moment.
pub(crate) fn left(until: Timestamp) -> Duration {
    let micros = until.as_micros().saturating_sub(Timestamp::now().as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
