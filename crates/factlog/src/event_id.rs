//! What makes an event the same event, wherever it is copied to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::shown;
use crate::{Error, Result};

/// The namespace of ids that other systems made: drawn once, fixed for ever.
const FOREIGN: Uuid = Uuid::from_u128(0x3f0c_5a8d_5e5e_5c0e_9d0b_6b5a_7f1c_2e11);

/// The id of an event: a UUID, version 7 when it is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl EventId {
    /// A new id; later ones of this process sort after earlier ones.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of an event that another system named: always the same for the same system, stream and id.
    ///
    /// Keep the original in the metadata as `sourceId`, so that people find it.
    ///
    /// ```
    /// use factlog::EventId;
    /// let id = EventId::foreign("claude-flow", "task-1", "evt-1700000000000-7");
    /// assert_eq!(id, EventId::foreign("claude-flow", "task-1", "evt-1700000000000-7"));
    /// assert_ne!(id, EventId::foreign("claude-flow", "task-2", "evt-1700000000000-7"));
    /// ```
    pub fn foreign(system: &str, stream: &str, id: &str) -> Self {
        // Lengths go first, so that no two triples give the same bytes.
        let name = format!("{}:{}:{system}{stream}{id}", system.len(), stream.len());
        Self(Uuid::new_v5(&FOREIGN, name.as_bytes()))
    }
}

impl FromStr for EventId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Uuid::parse_str(text).map(Self).map_err(|cause| {
            Error::invalid(format!("{} is not an event's id", shown(text)))
                .with_hint("an id is a UUID such as 0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d")
                .with_cause(cause)
        })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
