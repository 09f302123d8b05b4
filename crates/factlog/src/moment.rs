//! A moment in the log's life: a place, a version or a time.

use std::str::FromStr;

use crate::error::shown;
use crate::{Error, Event, Position, Result, Timestamp, Version};

/// A moment to look back at: what had come until then, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A place in the log.
    Position(Position),
    /// A place in one stream; only there.
    Version(Version),
    /// A person's time: occurredAt, else recordedAt.
    Time(Timestamp),
    /// The store's time.
    Recorded(Timestamp),
}

impl Moment {
    /// Whether an event had come by then.
    pub fn includes(&self, event: &Event) -> bool {
        match self {
            Self::Position(position) => event.position <= *position,
            Self::Version(version) => event.version <= *version,
            Self::Time(time) => event.time() <= *time,
            Self::Recorded(time) => event.recorded_at <= *time,
        }
    }
}

impl FromStr for Moment {
    type Err = Error;

    /// `42` is a position, `v3` a version, anything else a time.
    fn from_str(text: &str) -> Result<Self> {
        let version = text.strip_prefix('v').and_then(|digits| digits.parse().ok());
        match (text.parse(), version) {
            (Ok(position), _) => Ok(Self::Position(Position(position))),
            (_, Some(version)) => Ok(Self::Version(Version(version))),
            _ => text.parse().map(Self::Time).map_err(|_| {
                Error::invalid(format!("{} is no moment", shown(text)))
                    .with_hint("a moment is a position such as 42, a version such as v3, or a time")
            }),
        }
    }
}
