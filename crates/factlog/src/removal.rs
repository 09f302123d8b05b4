//! Taking events out, and saying so for ever.

use serde::{Deserialize, Serialize};

use crate::{Filter, Json, NewEvent, Position, Result};

/// The stream that tells what was removed; it is never removed itself.
pub const RETENTION_STREAM: &str = "log-retention";
/// The type of its events.
pub const REMOVED_TYPE: &str = "log:removed";

/// What is to be taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Which events.
    pub filter: Filter,
    /// Up to this position.
    pub through: Position,
    /// Where they were archived before.
    pub archive: Option<String>,
}

/// What was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// How many events.
    pub count: u64,
    /// Where the log says so; none when nothing matched, and so nothing was done.
    pub position: Option<Position>,
}

/// The data of a `log:removed` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedData {
    /// Which events.
    pub filter: Filter,
    /// Up to this position.
    pub through: Position,
    /// How many.
    pub count: u64,
    /// Where they were archived before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
}

impl Removal {
    /// The filter that stores apply: never the events that tell of removals.
    pub fn effective_filter(&self) -> Filter {
        let mut filter = self.filter.clone();
        let own = crate::StreamName::trusted(RETENTION_STREAM);
        filter.not.get_or_insert_default().streams.push(own);
        filter
    }

    /// The event that says what was removed.
    pub(crate) fn event(&self, count: u64) -> Result<NewEvent> {
        let data = RemovedData {
            filter: self.filter.clone(),
            through: self.through,
            count,
            archive: self.archive.clone(),
        };
        let event = NewEvent::new(RETENTION_STREAM, REMOVED_TYPE, serde_json::json!({}))?;
        Ok(NewEvent { data: Json::of(&data)?, ..event })
    }
}
