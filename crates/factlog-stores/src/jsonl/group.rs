//! What is written together: callers put their lines in while the group before is on its way to the disk.

use std::sync::Arc;

use factlog::admission::{self, Admission};
use factlog::limits::GROUP_BYTES_MAX;
use factlog::{Appended, Batch, Error, ErrorKind, Position, Result, Stamps, Timestamp};
use tokio::sync::oneshot;

use super::files::Files;
use super::ledger::{Heads, OpenLedger};
use super::line::{self, Encoded};
use super::view::View;

/// A batch made ready on its caller's thread.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) batch: Batch,
    pub(super) encoded: Encoded,
    /// Its conditions hold up to here.
    pub(super) clear_to: Position,
}

impl Prepared {
    /// Whether its events keep their times.
    pub(super) fn is_kept(&self) -> bool {
        *self.batch.stamps() != Stamps::Now
    }
}

/// Lines on their way to the disk.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// Each event's position, and where its line begins.
    pub(super) events: Vec<(Position, usize)>,
    /// Where another day begins: in the bytes, in the events.
    pub(super) days: Vec<Day>,
}

/// Lines of one day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Day {
    pub(super) date: [u8; 10],
    pub(super) bytes_from: usize,
    pub(super) events_from: usize,
}

impl Written {
    /// The line of a position.
    pub(super) fn line(&self, position: Position) -> Option<&[u8]> {
        let index = self.events.binary_search_by_key(&position, |(position, _)| *position).ok()?;
        Some(self.line_at(self.events[index].1))
    }

    fn line_at(&self, start: usize) -> &[u8] {
        let rest = &self.bytes[start..];
        &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]
    }

    /// The lines of the events after a position.
    pub(super) fn lines_after(&self, after: Position) -> impl Iterator<Item = &[u8]> {
        let from = self.events.partition_point(|(position, _)| *position <= after);
        self.events[from..].iter().map(|(_, start)| self.line_at(*start))
    }
}

/// Who waits for a group, and what they will hear if it is written.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) to: oneshot::Sender<Vec<Result<Appended>>>,
    pub(super) outcomes: Vec<Result<Appended>>,
}

/// The group that takes lines in.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) written: Written,
    pub(super) answers: Vec<Answer>,
    /// The time of its lines, and its text.
    stamp: Option<(Timestamp, String)>,
    /// Its first position, when its lines have times of their own.
    key: Option<Position>,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Whether these batches may go in now.
    pub(super) fn has_room_for(&self, batches: &[Prepared]) -> bool {
        if self.written.bytes.is_empty() {
            return true;
        }
        let bytes: usize = batches.iter().map(|prepared| prepared.encoded.bytes_max()).sum();
        let kept = batches.iter().any(Prepared::is_kept);
        self.written.bytes.len() + bytes <= GROUP_BYTES_MAX && (!kept || self.key.is_some())
    }

    /// Judges a batch, and puts its lines in if it is to be recorded.
    pub(super) fn append(
        &mut self,
        prepared: &Prepared,
        (files, view): (&Files, &View),
        heads: &mut Heads,
        unsynced: &[Arc<Written>],
    ) -> Result<Appended> {
        let Prepared { batch, encoded, clear_to } = prepared;
        let clock = self.stamp.as_ref().map_or_else(|| files.vfs.now(), |(now, _)| *now);
        let now = heads.recorded_at.map_or(clock, |last| last.max(clock));
        // The time tells two groups apart when a write was cut off; where the clock stands, their first positions do.
        let is_keyed = prepared.is_kept() || (self.stamp.is_none() && heads.recorded_at >= Some(clock));
        heads.clear_to = *clear_to;
        let mut ledger = OpenLedger { files, view, heads, unsynced, open: &self.written };
        if !batch.conditions().is_empty() {
            ledger.load_removals().map_err(unjudged)?;
        }
        let stamps = match admission::admit(batch, &mut ledger, now).map_err(unjudged)? {
            Admission::Repeated(appended) => return Ok(appended),
            Admission::Record(stamps) => stamps,
        };
        let appended = admission::appended(batch, &stamps);
        if is_keyed && self.key.is_none() {
            self.key = Some(stamps[0].position);
        }
        if self.stamp.is_none() {
            self.stamp = Some((now, now.to_string()));
        }
        self.begin_day(stamps[0].recorded_at);
        for (index, (event, stamp)) in batch.events().iter().zip(stamps).enumerate() {
            if stamp.position.0 > heads.position.0 + 1 {
                let (first, last) = (Position(heads.position.0 + 1), Position(stamp.position.0 - 1));
                line::removed(&mut self.written.bytes, first, last);
            }
            self.written.events.push((stamp.position, self.written.bytes.len()));
            let other;
            let time: &str = match &self.stamp {
                Some((time, text)) if *time == stamp.recorded_at => text,
                _ => {
                    other = stamp.recorded_at.to_string();
                    &other
                }
            };
            encoded.write(&mut self.written.bytes, index, stamp, time, self.key);
            heads.record(event, stamp);
        }
        Ok(appended)
    }

    fn begin_day(&mut self, time: Timestamp) {
        let text = match &self.stamp {
            Some((stamp, text)) if *stamp == time => text.as_bytes()[..10].to_vec(),
            _ => time.to_string().as_bytes()[..10].to_vec(),
        };
        let date: [u8; 10] = text.try_into().unwrap_or(*b"0000-00-00");
        if self.written.days.last().is_none_or(|last| last.date < date) {
            let Written { bytes, events, .. } = &self.written;
            self.written.days.push(Day { date, bytes_from: bytes.len(), events_from: events.len() });
        }
    }
}

/// A log that cannot be read for a moment has not stopped: this batch is not recorded, and the next one may be.
fn unjudged(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Stopped => {
            Error::unavailable(format!("nothing was recorded, for the log cannot be read: {error}"))
                .with_hint("look at the disk, and try again")
                .with_cause(error)
        }
        _ => error,
    }
}
