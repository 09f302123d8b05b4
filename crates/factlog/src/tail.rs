//! The newest events in memory, read once for many followers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::{PAGE_EVENTS_MAX, TAIL_BYTES_MAX};
use crate::{Event, Filter, Page, Position, RETENTION_STREAM, Read, Result, Store};

/// A follower this near to the head reads with the others.
const JOIN_EVENTS: u64 = PAGE_EVENTS_MAX as u64;
/// What an event takes in memory beside its bytes on disk.
const EVENT_OVERHEAD_BYTES: usize = 400;

/// Recent events, all of them, in order: what stands after `start` up to `end`.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    recent: Mutex<Recent>,
    /// Held by the one follower that reads the next page for all.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Recent {
    start: Position,
    end: Position,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

impl Tail {
    /// The next page after a position, from memory when it is recent; `head` is the newest position known.
    pub(crate) async fn page(
        &self,
        store: &dyn Store,
        filter: &Filter,
        after: Position,
        head: Position,
    ) -> Result<Page> {
        if let Some(page) = self.remembered(filter, after) {
            return Ok(page);
        }
        if head.0.saturating_sub(after.0) > JOIN_EVENTS || self.is_behind(after) {
            return store.read(&Read::after(filter.clone(), after)).await;
        }
        let _fetching = self.fetching.lock().await;
        if let Some(page) = self.remembered(filter, after) {
            return Ok(page);
        }
        let page = store.read(&Read::after(Filter::all(), after)).await?;
        self.remember(after, &page);
        Ok(filtered(page, filter))
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let mut recent = self.recent();
        *recent = Recent { start: recent.end, end: recent.end, ..Recent::default() };
    }

    /// Whether a position has fallen out of the memory.
    fn is_behind(&self, after: Position) -> bool {
        after < self.recent().start
    }

    fn remembered(&self, filter: &Filter, after: Position) -> Option<Page> {
        let recent = self.recent();
        if after < recent.start || after >= recent.end {
            return None;
        }
        let first = recent.events.partition_point(|event| event.position <= after);
        let events: Vec<Arc<Event>> =
            recent.events.iter().skip(first).take(PAGE_EVENTS_MAX).cloned().collect();
        let whole = first + events.len() == recent.events.len();
        let next = if whole { recent.end } else { events.last().map_or(recent.end, |event| event.position) };
        drop(recent);
        // More may have come since: the follower looks again before it waits.
        Some(filtered(Page { events, next, more: true }, filter))
    }

    fn remember(&self, after: Position, page: &Page) {
        let mut recent = self.recent();
        if recent.end != after {
            *recent = Recent { start: after, end: after, ..Recent::default() };
        }
        if page.events.iter().any(|event| event.stream == RETENTION_STREAM) {
            // Something was removed: what is remembered may be gone.
            *recent = Recent { start: page.next, end: page.next, ..Recent::default() };
            return;
        }
        recent.end = page.next;
        for event in &page.events {
            recent.bytes += event.bytes() + EVENT_OVERHEAD_BYTES;
            recent.events.push_back(Arc::clone(event));
        }
        while recent.bytes > TAIL_BYTES_MAX {
            let Some(oldest) = recent.events.pop_front() else { break };
            recent.bytes -= oldest.bytes() + EVENT_OVERHEAD_BYTES;
            recent.start = oldest.position;
        }
    }
}

fn filtered(mut page: Page, filter: &Filter) -> Page {
    if !filter.is_all() {
        page.events.retain(|event| filter.matches(event));
    }
    page
}
