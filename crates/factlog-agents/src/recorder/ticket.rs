//! What a caller holds of an event that waits to be stored.

use factlog::{Error, EventId, Position, Result, Timestamp, Version};
use tokio::sync::oneshot;

/// An event that was taken in; it is stored when [`Ticket::stored`] says so, and not before.
#[derive(Debug)]
pub struct Ticket {
    pub(super) id: EventId,
    pub(super) answer: oneshot::Receiver<Result<Stored>>,
}

/// Where a recorded event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: EventId,
    /// Its place in the log.
    pub position: Position,
    /// Its place in its stream.
    pub version: Version,
    /// When it was recorded, by the store's clock.
    pub recorded_at: Timestamp,
    /// Whether it had been recorded before, and nothing was changed now.
    pub repeated: bool,
}

impl Ticket {
    /// The event's id, which is known before it is stored.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Waits until the event is stored: for its batch to be full or due, or for a [`flush`](super::Recorder::flush).
    ///
    /// # Errors
    /// What the store says; `Stopped` where the runtime ended before the event was stored.
    pub async fn stored(self) -> Result<Stored> {
        self.answer.await.unwrap_or_else(|_| Err(not_stored()))
    }
}

/// The error of an event whose writer has ended.
pub(super) fn not_stored() -> Error {
    Error::stopped("the runtime ended before the recorder had stored the event")
        .with_hint("close the recorder before the runtime ends, and record the event again")
}
