//! Events put behind those of another log by whoever chooses which, and when.

use factlog::{Event, EventLog, Position, RETENTION_STREAM, Result};
use serde::Serialize;

use super::behind::{Chunk, Moved, append_new};

/// What became of the events so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Events that were written into the target.
    pub events: u64,
    /// Events that the target had before.
    pub skipped: u64,
    /// Events that tell of removals, and that are not told in another log.
    pub left_out: u64,
    /// The position in the source of the last of them.
    pub position: Position,
}

/// Puts events into another log as [`copy`](super::copy) does behind others: with their ids, and with where they come from in
/// their metadata. What is there is not put there again.
pub struct Replaying<'a> {
    from: &'a EventLog,
    to: &'a EventLog,
    chunk: Chunk,
    last: Position,
    replayed: Replayed,
}

impl<'a> Replaying<'a> {
    /// From one log into another.
    pub fn new(from: &'a EventLog, to: &'a EventLog) -> Self {
        let (chunk, last) = (Chunk::default(), Position::START);
        Self { from, to, chunk, last, replayed: Replayed::default() }
    }

    /// Takes the next event. It is recorded together with others, at the latest by [`Replaying::flush`].
    ///
    /// # Errors
    /// `Invalid` for an event that cannot go behind others, `Conflict` for an id that another event has there, and what
    /// reading and writing say.
    pub async fn add(&mut self, event: &Event) -> Result<()> {
        if event.stream == RETENTION_STREAM {
            self.replayed.left_out += 1;
        } else {
            let moved = Moved::of(event, &self.from.about().url)?;
            if !self.chunk.has_room(&moved) {
                self.flush().await?;
            }
            self.chunk.add(moved);
        }
        self.last = event.position;
        Ok(())
    }

    /// Records what was taken.
    pub async fn flush(&mut self) -> Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        let (known, new) = append_new((self.from, self.to), chunk).await?;
        self.replayed.skipped += known;
        self.replayed.events += new.len() as u64;
        self.replayed.position = self.last;
        Ok(())
    }

    /// What is recorded.
    pub fn replayed(&self) -> Replayed {
        self.replayed
    }
}
