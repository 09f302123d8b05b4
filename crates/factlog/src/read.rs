//! A page of the log, and where it begins.

use std::sync::Arc;

use serde::Serialize;

use crate::limits::PAGE_EVENTS_MAX;
use crate::{Event, Filter, Position};

/// Where a page begins and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// Forwards, from the event after this position.
    After(Position),
    /// Backwards, from the event before this position.
    Before(Position),
}

impl Cursor {
    /// The position that it starts from, itself not included.
    pub fn position(self) -> Position {
        match self {
            Self::After(position) | Self::Before(position) => position,
        }
    }

    /// The same way, from another position.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        match self {
            Self::After(_) => Self::After(position),
            Self::Before(_) => Self::Before(position),
        }
    }
}

/// What a page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Which events.
    pub filter: Filter,
    /// From where, and which way.
    pub cursor: Cursor,
    /// How many at the most; a store gives no more than [`PAGE_EVENTS_MAX`].
    pub limit: usize,
}

impl Read {
    /// A full page of all that matches after a position.
    pub fn after(filter: Filter, position: Position) -> Self {
        Self { filter, cursor: Cursor::After(position), limit: PAGE_EVENTS_MAX }
    }

    /// A full page of all that matches before a position, newest first.
    pub fn before(filter: Filter, position: Position) -> Self {
        Self { filter, cursor: Cursor::Before(position), limit: PAGE_EVENTS_MAX }
    }

    /// The same with another limit.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// Some events, in the order asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The events; there may be none while `more` is true, when a scan passed over what does not match.
    pub events: Vec<Arc<Event>>,
    /// Where the next page begins: everything up to here has been looked at.
    pub next: Position,
    /// Whether there was more when this page was read.
    pub more: bool,
}
