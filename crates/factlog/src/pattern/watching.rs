//! A pattern over a log as it grows: what is there, and then what comes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::matched::{Match, Matching};
use super::matcher::{Matcher, Order};
use super::{Lateness, Pattern};
use crate::{Error, Event, EventLog, Filter, Following, Position, Result, Timestamp};

/// An event that is being recorded as the clock is looked at may take so long until it can be read.
const SETTLE: Duration = Duration::from_millis(100);

/// Matches of a pattern, for ever; dropping it ends it.
///
/// What nothing follows in time is told by the clock, after a last look at the log.
pub struct Watching {
    log: EventLog,
    filter: Filter,
    following: Following,
    matcher: Matcher,
    lateness: Option<Lateness>,
    seen: Position,
    ready: VecDeque<Match>,
}

impl Watching {
    /// Looks at events after a position that a filter means.
    ///
    /// # Errors
    /// `Invalid` for a pattern that would wait for ever.
    pub fn new(log: &EventLog, pattern: &Pattern, filter: Filter, after: Position) -> Result<Self> {
        pattern.check_live()?;
        Ok(Self {
            following: log.follow(filter.clone()).after(after),
            log: log.clone(),
            filter,
            matcher: Matcher::new(pattern, Order::Position),
            lateness: None,
            seen: after,
            ready: VecDeque::new(),
        })
    }

    /// Looks at events by the time when they happened: each waits so long for those that come late.
    #[must_use]
    pub fn by_time(mut self, pattern: &Pattern, lateness: Duration) -> Self {
        self.matcher = Matcher::new(pattern, Order::Time);
        self.lateness = Some(Lateness::new(lateness));
        self
    }

    /// The last position that was looked at.
    pub fn seen(&self) -> Position {
        self.seen
    }

    /// What must be looked at again to go on later: all after this.
    pub fn needs_after(&self) -> Position {
        let ready = self.ready.iter().flat_map(Match::positions).min();
        let oldest = self.matcher.oldest().into_iter().chain(ready).min();
        oldest.map_or(self.seen, |oldest| Position(oldest.0.saturating_sub(1)).min(self.seen))
    }

    /// What was looked at so far.
    pub fn counts(&self) -> Matching {
        self.matcher.counts()
    }

    /// Events that came later than they are waited for, by their time.
    pub fn late(&self) -> u64 {
        self.lateness.as_ref().map_or(0, Lateness::late)
    }

    /// The next match; waits for it.
    pub async fn next(&mut self) -> Result<Match> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Ok(found);
            }
            self.look().await?;
        }
    }

    /// Looks at the next event, or at the clock: what that has made is given by [`Watching::found`].
    pub async fn look(&mut self) -> Result<()> {
        let wait = self.next_at().map(|at| left(at) + SETTLE);
        let event = match wait {
            None => Some(self.following.next().await),
            Some(wait) => tokio::time::timeout(wait, self.following.next()).await.ok(),
        };
        match event {
            Some(Some(event)) => self.take(event?),
            Some(None) => return Err(Error::stopped("the log was closed")),
            None => self.look_at_clock().await?,
        }
        Ok(())
    }

    /// Puts a match back that could not be looked at: it is found again next.
    pub fn give_back(&mut self, found: Match) {
        self.ready.push_front(found);
    }

    /// A match that was made.
    pub fn found(&mut self) -> Option<Match> {
        self.ready.pop_front()
    }

    /// When the clock has something to tell.
    fn next_at(&self) -> Option<Timestamp> {
        let waiting = self.lateness.as_ref().and_then(Lateness::next_at);
        [waiting, self.matcher.next_deadline()].into_iter().flatten().min()
    }

    fn take(&mut self, event: Arc<Event>) {
        if event.position <= self.seen {
            return;
        }
        self.seen = event.position;
        match &mut self.lateness {
            None => self.ready.extend(self.matcher.push(&event)),
            Some(lateness) => {
                lateness.push(event);
                self.take_waiting(Timestamp::now());
            }
        }
    }

    fn take_waiting(&mut self, now: Timestamp) {
        let Some(lateness) = &mut self.lateness else { return };
        while let Some(event) = lateness.pop(now) {
            self.ready.extend(self.matcher.push(&event));
        }
    }

    /// Nothing has come: first whatever was recorded until now is looked at.
    async fn look_at_clock(&mut self) -> Result<()> {
        let now = earlier(Timestamp::now(), SETTLE);
        let mut reading = self.log.read(self.filter.clone()).after(self.seen);
        while let Some(event) = reading.next().await {
            self.take(event?);
        }
        let clock = match &self.lateness {
            None => now,
            Some(lateness) => {
                let until = earlier(now, lateness.lateness());
                self.take_waiting(now);
                until
            }
        };
        self.ready.extend(self.matcher.advance(clock));
        Ok(())
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching").field("log", &self.log).field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// How long it is until a moment.
fn left(at: Timestamp) -> Duration {
    let micros = at.as_micros().saturating_sub(Timestamp::now().as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_micros(time.as_micros().saturating_sub(by.as_micros() as i64)).unwrap_or(time)
}
