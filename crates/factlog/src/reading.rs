//! Reading what is there: a stream of events that ends at the head.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use crate::limits::PAGE_EVENTS_MAX;
use crate::paged::{Buffer, Paged, Source};
use crate::{Cursor, Event, Filter, Page, Position, Read, Result, Store};

/// A reading of the log; nothing is read before it is polled, and no more is held than a page, and from the second on
/// the page after it.
pub struct Reading(Paged<ReadSource>);

struct ReadSource {
    store: Arc<dyn Store>,
    filter: Filter,
    after: Position,
    before: Option<Position>,
    backwards: bool,
    skip: usize,
    limit: Option<usize>,
    /// Where the next page begins; none before the first.
    cursor: Option<Cursor>,
    more: bool,
    /// The next page, which the store reads while the caller is busy with this one.
    ahead: Option<BoxFuture<'static, Result<Page>>>,
}

impl Reading {
    pub(crate) fn new(store: Arc<dyn Store>, filter: Filter) -> Self {
        Self(Paged::new(ReadSource {
            store,
            filter,
            after: Position::START,
            before: None,
            backwards: false,
            skip: 0,
            limit: None,
            cursor: None,
            more: true,
            ahead: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut ReadSource)) -> Self {
        if let Some(source) = self.0.source() {
            change(source);
        }
        self
    }

    /// Only what stands after this position.
    #[must_use]
    pub fn after(self, position: Position) -> Self {
        self.with(|source| source.after = position)
    }

    /// Only what stands before this position.
    #[must_use]
    pub fn before(self, position: Position) -> Self {
        self.with(|source| source.before = Some(position))
    }

    /// Newest first.
    #[must_use]
    pub fn backwards(self) -> Self {
        self.with(|source| source.backwards = true)
    }

    /// Passes over the first events that match.
    #[must_use]
    pub fn skip(self, events: usize) -> Self {
        self.with(|source| source.skip = events)
    }

    /// Gives no more than so many events.
    #[must_use]
    pub fn limit(self, events: usize) -> Self {
        self.with(|source| source.limit = Some(events))
    }

    /// The next event; none at the end.
    pub async fn next(&mut self) -> Option<Result<Arc<Event>>> {
        self.0.next().await
    }

    /// All of it. Mind the memory: give a limit.
    pub async fn collect(mut self) -> Result<Vec<Arc<Event>>> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event?);
        }
        Ok(events)
    }
}

impl Stream for Reading {
    type Item = Result<Arc<Event>>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

impl ReadSource {
    fn first_cursor(&self) -> Cursor {
        if self.backwards {
            Cursor::Before(self.before.unwrap_or(Position::MAX))
        } else {
            Cursor::After(self.after)
        }
    }

    fn next_cursor(&self) -> Cursor {
        self.cursor.unwrap_or_else(|| self.first_cursor())
    }

    /// The next page.
    fn page(&self) -> BoxFuture<'static, Result<Page>> {
        let wanted =
            self.limit.map_or(PAGE_EVENTS_MAX, |limit| limit.saturating_add(self.skip)).min(self.room());
        let (filter, cursor) = (self.filter.clone(), self.next_cursor());
        let read = Read { filter, cursor, limit: wanted.min(PAGE_EVENTS_MAX) };
        let store = Arc::clone(&self.store);
        Box::pin(async move { store.read(&read).await })
    }

    fn ends(&self) -> bool {
        !self.more || self.limit == Some(0) || self.room() == 0
    }

    /// How many events there can be up to the bound at the far end.
    fn room(&self) -> usize {
        let positions = match (self.next_cursor(), self.before) {
            (Cursor::After(after), Some(before)) => before.0.saturating_sub(after.0),
            (Cursor::After(_), None) => return usize::MAX,
            (Cursor::Before(before), _) => before.0.saturating_sub(self.after.0),
        };
        usize::try_from(positions.saturating_sub(1)).unwrap_or(usize::MAX)
    }

    /// Lets the store begin with the next page.
    async fn read_ahead(&mut self) {
        let mut page = self.page();
        let begun = poll_fn(|context| Poll::Ready(page.as_mut().poll(context))).await;
        self.ahead = Some(match begun {
            Poll::Pending => page,
            Poll::Ready(page) => Box::pin(ready(page)),
        });
    }

    /// Whether an event lies beyond the bound at the far end.
    fn is_past(&self, position: Position) -> bool {
        if self.backwards {
            position <= self.after
        } else {
            self.before.is_some_and(|before| position >= before)
        }
    }
}

impl Source for ReadSource {
    async fn advance(&mut self, _rest: Buffer) -> Result<Option<Buffer>> {
        // Who comes back for a second page will likely want the third.
        let again = self.cursor.is_some();
        if !again {
            self.filter.check()?;
        }
        while !self.ends() {
            let page = self.ahead.take().unwrap_or_else(|| self.page()).await?;
            self.more = page.more && !self.is_past(page.next);
            self.cursor = Some(self.next_cursor().at(page.next));
            let mut events: Buffer = page.events.into();
            while events.back().is_some_and(|event| self.is_past(event.position)) {
                events.pop_back();
            }
            let skipped = self.skip.min(events.len());
            events.drain(..skipped);
            self.skip -= skipped;
            if let Some(limit) = &mut self.limit {
                events.truncate(*limit);
                *limit -= events.len();
            }
            if again && !self.ends() {
                self.read_ahead().await;
            }
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
        Ok(None)
    }
}
