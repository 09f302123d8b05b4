//! What is measured: factlog and its peers, behind one small trait.

mod kinds;
mod factlog;
mod factlog_matches;
mod factlog_states;
mod json_scan;
mod raw_log;
mod raw_log_group;
mod sqlite;
mod sqlite_loop;
mod sqlite_group;
mod sqlite_scan;
mod tephra;
mod pg;
mod pg_insert;
mod pg_unnest;
mod pg_copy;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use uuid::Uuid;

pub(crate) use self::kinds::{KINDS, Kind, Needs};
use crate::measure::Appends;
use crate::workload::Batch;

/// A log that is open.
pub(crate) trait Subject: Send + Sync {
    /// Records a batch if its stream is at the expected version, and says where its last event stands. What is promised
    /// to survive a crash does so when this returns.
    fn append(&self, batch: Batch) -> Result<u64>;

    /// Records independent batches in their order, as fast as one producer can.
    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        for batch in batches {
            self.append(batch)?;
        }
        Ok(())
    }

    /// Lets so many tasks of one runtime append for so long; none where callers are threads.
    fn tasks(&self, _writers: usize, _batch: usize, _took: Duration) -> Option<Result<Appends>> {
        None
    }

    /// Reads events, each into values of its own where the subject has such.
    fn read(&self, what: &What) -> Result<Seen>;

    /// The newest position.
    fn head(&self) -> Result<u64>;

    /// Hands out the position of each event as it comes, for as long as it is told to go on.
    fn follow(&self, _deliver: &mut dyn FnMut(u64) -> bool) -> Result<()> {
        bail!("it cannot be followed")
    }

    /// Builds a projection of everything from nothing, and says how many events are in it.
    fn rebuild(&self) -> Result<u64> {
        bail!("it has no projections")
    }

    /// Looks for patterns in the events of which they speak, or in every event, or only reads these; says how many were read
    /// so far.
    fn find(
        &self,
        _patterns: &[&str],
        _every: bool,
        _is_matched: bool,
        _look: &mut dyn FnMut(u64),
    ) -> Result<Found> {
        bail!("it has no patterns")
    }

    /// Starts a projection that notes when it takes each event in.
    fn project(&self) -> Result<Box<dyn Projecting>> {
        bail!("it has no projections")
    }

    /// Remembers what states of the past are looked at from; a second time changes nothing.
    fn remember(&self) -> Result<()> {
        bail!("it remembers nothing")
    }

    /// Looks at a state of the past, and says how many events are in it.
    fn look(&self, _look: Look, _remembered: bool) -> Result<u64> {
        bail!("it has no past")
    }

    /// Ends it properly.
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A projection that follows.
pub(crate) trait Projecting {
    /// Waits until it has taken this position in; all positions, in its order, and when it took them in.
    fn taken(self: Box<Self>, last: u64) -> Result<Vec<(u64, Instant)>>;
}

/// What patterns have found.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) events: u64,
    pub(crate) matches: u64,
    /// Beginnings given up for want of room.
    pub(crate) dropped: u64,
}

/// A state of the past.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    /// Of everything, at a position.
    Position(u64),
    /// Of the stream of this number, at a version.
    Version(usize, u64),
}

/// Which events to read.
pub(crate) enum What {
    All,
    /// Of the stream of this number.
    Stream(usize),
    /// Of the type of this number.
    Type(usize),
    Correlation(Uuid),
}

/// What a read gave, to be held against what was written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
}

impl Seen {
    pub(crate) fn note(&mut self, body: &[u8]) {
        self.events += 1;
        self.bytes += body.len() as u64;
    }
}
