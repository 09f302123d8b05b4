//! Where a version of a stream stands in the log.

use std::sync::Arc;

use super::StreamOf;
use crate::limits::VERSION_SCAN_EVENTS;
use crate::{Error, Event, Position, Result, Version};

impl StreamOf<'_> {
    /// The position of the event of a version, which is the moment of the whole log when the stream came to it; the start
    /// for version 0. It takes a few small reads, however long the stream is.
    ///
    /// # Errors
    /// `NotFound` for a version that the stream has not come to, or whose event was removed.
    pub async fn position_of(&self, version: Version) -> Result<Position> {
        if version == Version::NONE {
            return Ok(Position::START);
        }
        match self.first_from(version).await? {
            Some(event) if event.version == version => Ok(event.position),
            Some(_) => Err(Error::not_found(format!("version {version} of {} was removed", self.name))),
            None => {
                let actual = self.version().await?;
                let hint = format!("its version is {actual}");
                Err(Error::not_found(format!("{} has no version {version}", self.name)).with_hint(hint))
            }
        }
    }

    /// The first event that has this version or a later one.
    pub(super) async fn first_from(&self, version: Version) -> Result<Option<Arc<Event>>> {
        let newest = self.read().backwards().limit(1).collect().await?.pop();
        let Some(mut found) = newest.filter(|newest| newest.version >= version) else { return Ok(None) };
        // Everything up to `low` has a lower version than the one looked for; what comes first after `high` is `found`.
        let (mut low, mut low_version) = (Position::START, Version::NONE);
        let mut high = Position(found.position.0 - 1);
        let mut by_halves = false;
        while low < high {
            let ahead = version.0.saturating_sub(low_version.0).max(1);
            if ahead <= VERSION_SCAN_EVENTS {
                let near = self.read().after(low).limit(ahead as usize).collect().await?;
                return Ok(near.into_iter().find(|event| event.version >= version).or(Some(found)));
            }
            // Streams mostly grow evenly, so the first guess is by share; every other one bounds the number of guesses.
            let share = if by_halves { (1, 2) } else { (ahead, found.version.0 - low_version.0) };
            by_halves = !by_halves;
            let middle = between(low, high, share);
            match self.read().after(middle).limit(1).collect().await?.pop() {
                Some(event) if event.version < version => {
                    (low, low_version) = (event.position, event.version);
                }
                Some(event) => (found, high) = (event, middle),
                // Removed since the newest event was read.
                None => high = middle,
            }
        }
        Ok(Some(found))
    }
}

/// A position from `low` to just before `high`, by a share of the way.
fn between(low: Position, high: Position, (part, whole): (u64, u64)) -> Position {
    let way = u128::from(high.0 - low.0) * u128::from(part) / u128::from(whole.max(1));
    let way = u64::try_from(way).unwrap_or(u64::MAX);
    Position((low.0.saturating_add(way)).min(high.0 - 1))
}
