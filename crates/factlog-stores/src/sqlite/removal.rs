//! Taking events out in parts, so that no transaction, and nobody's waiting for the lock, grows with the log.
//!
//! The events of a part are looked for page by page before the lock is taken: a position that was found keeps its event
//! or loses it, and nothing new appears below the head. Each part is a removal of its own, said and done in one
//! transaction; whatever interrupts a removal leaves the parts that were done, and the log says which.

use factlog::{Position, Read, Removal, Removed, Result, Store};

use super::SqliteStore;
use super::writer::Job;

/// Events of one part.
const PART_EVENTS_MAX: usize = 10_000;
/// Bytes of the events of one part, one event more at the most.
const PART_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What one transaction takes out.
pub(super) struct Part {
    /// What it says: all of this up to here.
    pub(super) removal: Removal,
    /// Where its events were found.
    pub(super) positions: Vec<i64>,
}

impl SqliteStore {
    pub(super) async fn remove_in_parts(&self, removal: &Removal) -> Result<Removed> {
        let mut removed = Removed { count: 0, position: None };
        let mut read = Some(Read::after(removal.effective_filter(), Position::START));
        while let Some(from) = read {
            let (part, rest) = self.next_part(removal, from).await?;
            read = rest;
            if part.positions.is_empty() {
                continue;
            }
            let part = Box::new(part);
            let done = self.ask(|answer| Job::Remove { part, answer }).await??;
            removed.count += done.count;
            removed.position = done.position.or(removed.position);
        }
        Ok(removed)
    }

    /// The next events of a removal, and where to read on when these are not all.
    async fn next_part(&self, removal: &Removal, mut read: Read) -> Result<(Part, Option<Read>)> {
        let mut positions = Vec::new();
        let mut bytes = 0;
        loop {
            let page = self.read(&read).await?;
            for event in page.events.iter().take_while(|event| event.position <= removal.through) {
                positions.push(event.position.0 as i64);
                bytes += event.bytes();
                if positions.len() == PART_EVENTS_MAX || bytes >= PART_BYTES_MAX {
                    read.cursor = read.cursor.at(event.position);
                    let part = Removal { through: event.position, ..removal.clone() };
                    return Ok((Part { removal: part, positions }, Some(read)));
                }
            }
            if !page.more || page.next >= removal.through {
                // It says no more than what was looked at: the log may have grown since.
                let through = removal.through.min(page.next);
                let part = Removal { through, ..removal.clone() };
                return Ok((Part { removal: part, positions }, None));
            }
            read.cursor = read.cursor.at(page.next);
        }
    }
}
