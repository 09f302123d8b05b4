//! The thread that writes: it takes the log's lock, lets callers fill a group while the one before is on its way to the
//! disk, syncs once for each group, and gives the lock back.

use std::sync::Arc;
use std::time::Instant;

use factlog::{Appended, Batch, Error, ErrorKind, Position, Result};
use tokio::sync::oneshot;

use super::active::Active;
use super::check;
use super::files::{HEAD_FILE, changed_nothing, told};
use super::group::{Answer, Prepared, Written};
use super::line::Encoded;
use super::load::Mode;
use super::lock::Lock;
use super::log::{Job, Log, Task};
use super::mark::Mark;
use super::runs;
use super::segment::{Place, SegmentName};
use super::stream_files;
use super::view::Entry;
use super::{JsonlOptions, Tuning};
use crate::vfs::VfsFile;

/// Groups in a row before others get their turn.
const TURN_GROUPS_MAX: usize = 64;
/// After this many groups of one process, space is written ahead: a hook that writes one event does without.
const AHEAD_AFTER_GROUPS: u64 = 16;
/// Room for lines that is kept for the next group.
const SPARE_BYTES_MAX: usize = 1024 * 1024;
/// At the end, this many events or more are left with an index.
const CLOSING_INDEX_EVENTS: usize = 4_096;

pub(super) struct Writer {
    pub(super) log: Arc<Log>,
    head_file: Arc<dyn VfsFile>,
    active: Option<Active>,
    groups: u64,
    /// Whether files come, go or are written anew.
    pub(super) is_changing: bool,
    /// Whether the files of streams could not be written.
    has_failed_files: bool,
}

/// What the writer does next.
enum Next {
    Write(Arc<Written>, Vec<Answer>),
    Task(Task),
    Nothing,
}

impl Writer {
    /// The writer of a log; none of one that is only looked at.
    pub(super) fn new(log: &Arc<Log>) -> Option<Self> {
        let head_file = log.head_file.as_ref().filter(|_| log.lock.is_some())?;
        let (log, head_file) = (Arc::clone(log), Arc::clone(head_file));
        Some(Self { log, head_file, active: None, groups: 0, is_changing: false, has_failed_files: false })
    }

    pub(super) fn run(mut self) {
        let log = Arc::clone(&self.log);
        loop {
            let mut core = log.core();
            while core.pending.is_empty() && core.group.is_empty() && !core.is_closing {
                core.is_waiting = true;
                core = log.work.wait(core).unwrap_or_else(std::sync::PoisonError::into_inner);
            }
            if core.pending.is_empty() && core.group.is_empty() {
                break;
            }
            drop(core);
            match self.begin_turn() {
                Ok(()) => self.turn(),
                Err(error) => self.refuse_all(&error),
            }
        }
        self.finish();
        self.log.published.close();
    }

    fn told(&self, error: std::io::Error) -> Error {
        told(&self.log.files.path(HEAD_FILE), error)
    }

    /// Takes the lock, and takes in what others wrote.
    fn begin_turn(&mut self) -> Result<()> {
        let wait = self.log.files.options.lock_wait;
        let Some(lock) = &self.log.lock else { return Err(Error::denied("the log is only looked at")) };
        lock.within(wait).map_err(|error| self.told(error))??;
        let taken_in = self.take_in();
        if taken_in.is_err() {
            self.end_turn();
        }
        taken_in
    }

    fn take_in(&mut self) -> Result<()> {
        let mark = Mark::read(&*self.head_file).map_err(|error| self.told(error))?;
        self.is_changing = false;
        let log = Arc::clone(&self.log);
        let mut core = log.core();
        if let Some(error) = &core.stopped {
            return Err(error.clone());
        }
        if mark.is_none_or(|mark| mark.changing) {
            // Another process ended while it changed files.
            core.follow(&log, None, Mode::Write)?;
            self.active = None;
        } else if mark != core.seen {
            core.follow(&log, mark, Mode::Write)?;
            self.active = None;
        }
        self.open_active(core.len)?;
        if !self.active.as_ref().map_or(Ok(true), Active::is_at_end)? {
            // Another process ended after it had written, and before it could say so.
            core.seen = None;
            core.follow(&log, None, Mode::Write)?;
            self.active = None;
            self.open_active(core.len)?;
        }
        if let Some(damage) = &log.view().damage {
            return Err(damage.clone());
        }
        core.in_turn = true;
        drop(core);
        log.publish();
        Ok(())
    }

    /// Opens the last segment for writing, if there is one.
    fn open_active(&mut self, len: u64) -> Result<()> {
        let view = self.log.view();
        let name = view.segments.last().copied();
        match (&mut self.active, name) {
            (Some(active), Some(name)) if active.name == name => {
                active.end = view.end;
                active.len = active.len.max(view.end);
            }
            (_, Some(name)) => self.active = Some(Active::open(&self.log.files, name, view.end, len)?),
            (_, None) => self.active = None,
        }
        Ok(())
    }

    /// Writes groups for as long as there are any, and no longer than is fair.
    fn turn(&mut self) {
        for turn in 1.. {
            let is_last = turn == TURN_GROUPS_MAX;
            match self.next(is_last) {
                Next::Nothing => break,
                Next::Task(task) => task(Ok(self)),
                Next::Write(written, answers) => {
                    self.commit(written, answers);
                    Log::index_if_due(&self.log);
                }
            }
            if is_last || self.log.core().stopped.is_some() {
                break;
            }
        }
        self.keep_stream_files();
        self.end_turn();
        Log::index_if_due(&self.log);
    }

    /// Brings the files of streams up to the log. When that fails, whoever opens the log next does it.
    fn keep_stream_files(&mut self) {
        let view = self.log.view();
        if !view.has_stream_files || self.has_failed_files || self.log.core().stopped.is_some() {
            return;
        }
        if let Err(error) = stream_files::keep(&self.log.files, &view) {
            tracing::warn!(%error, "the files of streams are behind the log until it is opened again");
            self.has_failed_files = true;
        }
    }

    /// Takes the group that callers have filled, and what has waited, and lets them fill another one.
    fn next(&mut self, is_last: bool) -> Next {
        let log = Arc::clone(&self.log);
        let mut core = log.core();
        while let Some(job) = core.pending.pop_front() {
            match job {
                Job::Append { batches, to } if core.group.has_room_for(&batches) => {
                    core.admit(&log, &batches, to);
                }
                Job::Task(task) if core.group.is_empty() => {
                    core.is_open = false;
                    return Next::Task(task);
                }
                job => {
                    core.pending.push_front(job);
                    break;
                }
            }
        }
        if core.group.is_empty() {
            core.is_open = false;
            return Next::Nothing;
        }
        let group = std::mem::take(&mut core.group);
        core.group.written.bytes = std::mem::take(&mut core.spare);
        core.is_open = !is_last;
        let written = Arc::new(group.written);
        core.in_flight = vec![Arc::clone(&written)];
        Next::Write(written, group.answers)
    }

    /// Appends a batch of the writer's own, in the middle of a task.
    pub(super) fn append(&mut self, batch: Batch) -> Result<Appended> {
        let prepared = Prepared { encoded: Encoded::of(&batch), batch, clear_to: Position::START };
        let (to, mut answered) = oneshot::channel();
        let log = Arc::clone(&self.log);
        log.core().admit(&log, &[prepared], to);
        if let Next::Write(written, answers) = self.next(true) {
            self.commit(written, answers);
        }
        match answered.try_recv() {
            Ok(mut outcomes) => {
                outcomes.pop().unwrap_or_else(|| Err(Error::stopped("an append has no outcome")))
            }
            Err(_) => Err(Error::stopped("an append has no answer")),
        }
    }

    fn end_turn(&mut self) {
        let mut core = self.log.core();
        core.in_turn = false;
        core.is_open = false;
        drop(core);
        if let Some(Err(error)) = self.log.lock.as_ref().map(Lock::give_back) {
            self.stop(&self.told(error));
        }
    }

    /// Writes a group, and answers those who wait for it.
    fn commit(&mut self, written: Arc<Written>, answers: Vec<Answer>) {
        let began = Instant::now();
        let wrote = !written.bytes.is_empty();
        if wrote {
            // Others hear of it before anybody is answered: who was answered may tell them.
            if let Err(error) = self.write(&written).and_then(|()| self.mark()) {
                self.log.core().in_flight.clear();
                self.fail(&error, answers);
                return;
            }
            self.groups += 1;
            self.log.committed(began.elapsed());
        }
        for Answer { to, outcomes } in answers {
            // Who has gone hears nothing.
            let _ = to.send(outcomes);
        }
        if wrote {
            let mut core = self.log.core();
            core.in_flight.clear();
            if let Ok(Written { mut bytes, .. }) = Arc::try_unwrap(written).map_err(drop)
                && bytes.capacity() <= SPARE_BYTES_MAX
            {
                bytes.clear();
                core.spare = bytes;
            }
        }
    }

    /// Writes the lines, day by day.
    fn write(&mut self, written: &Written) -> Result<()> {
        for (index, day) in written.days.iter().enumerate() {
            let next = written.days.get(index + 1);
            let bytes =
                &written.bytes[day.bytes_from..next.map_or(written.bytes.len(), |next| next.bytes_from)];
            let events =
                &written.events[day.events_from..next.map_or(written.events.len(), |next| next.events_from)];
            let outcome = self.write_day(day.date, bytes).map(|place| {
                let from = u64::from(place.offset).wrapping_sub(day.bytes_from as u64);
                self.told_of(events, place.segment, from);
            });
            if let Err(error) = outcome {
                // What was written of the days before is there.
                return Err(if index > 0 {
                    Error::stopped(error.to_string()).with_cause(error)
                } else {
                    error
                });
            }
        }
        Ok(())
    }

    /// Writes lines of one day and waits until they are on the disk; says where they begin.
    fn write_day(&mut self, day: [u8; 10], bytes: &[u8]) -> Result<Place> {
        let JsonlOptions { prewrite, ref tuning, .. } = self.log.files.options;
        let Tuning { segment_bytes, ahead_bytes, background, .. } = *tuning;
        let ahead_after = if background { AHEAD_AFTER_GROUPS } else { 0 };
        let ahead = (prewrite && self.groups >= ahead_after).then_some(ahead_bytes);
        let goes_on = |active: &Active| active.name.day >= day && !active.is_full(bytes.len(), segment_bytes);
        if !self.active.as_ref().is_some_and(goes_on) {
            self.roll(day)?;
        }
        match &mut self.active {
            Some(active) => active.append(bytes, ahead),
            None => Err(Error::stopped("there is no segment to write")),
        }
    }

    /// Shows readers, here and in other processes, what is on the disk now.
    fn told_of(&mut self, events: &[(Position, usize)], segment: SegmentName, from: u64) {
        let Some(active) = &self.active else { return };
        let end = active.end;
        self.log.change_view(|view| {
            for (position, start) in events {
                let offset = from.wrapping_add(*start as u64) as u32;
                view.tail.push(Entry { position: *position, place: Place { segment, offset } });
                view.head = *position;
            }
            view.end = end;
        });
    }

    /// Writes where the log ends now.
    pub(super) fn mark(&mut self) -> Result<()> {
        let view = self.log.view();
        let mark = Mark {
            position: view.head,
            segment: view.segments.last().copied(),
            bytes: view.end,
            generation: view.generation,
            changing: self.is_changing,
        };
        drop(view);
        mark.write(&*self.head_file).map_err(|error| Error::stopped(self.told(error).to_string()))?;
        let mut core = self.log.core();
        core.seen = Some(mark);
        core.len = self.active.as_ref().map_or(0, |active| active.len);
        Ok(())
    }

    /// Tells other processes that files come or go from now on, or no more.
    pub(super) fn changing(&mut self, is_changing: bool) -> Result<()> {
        self.is_changing = is_changing;
        self.log.change_view(|view| view.generation += 1);
        self.mark()
    }

    /// Ends the last segment, and begins another one.
    pub(super) fn roll(&mut self, day: [u8; 10]) -> Result<()> {
        self.trim(true)?;
        let was_changing = self.is_changing;
        self.changing(true)?;
        let last = self.log.view().segments.last().copied();
        let name = last.map_or(SegmentName { day, number: 1 }, |last| last.next(day));
        match Active::create(&self.log.files, name) {
            Ok(active) => self.active = Some(active),
            Err(error) => {
                // It may be there nevertheless.
                self.reload()?;
                return Err(error);
            }
        }
        self.log.change_view(|view| {
            Arc::make_mut(&mut view.segments).push(name);
            view.end = 0;
        });
        self.changing(was_changing)
    }

    /// Ends the segment that is written, so that it may be written anew.
    pub(super) fn end_segment(&mut self) -> Result<()> {
        let view = self.log.view();
        match view.segments.last() {
            Some(last) if view.end > 0 => self.roll(last.day),
            _ => Ok(()),
        }
    }

    /// Finds the log anew, after its files were changed. Where it ends at damage, nothing is written any more.
    pub(super) fn reload(&mut self) -> Result<()> {
        let found = self.find_anew();
        if let Err(error) = &found
            && error.kind() == ErrorKind::Corrupt
        {
            self.stop(error);
        }
        found
    }

    fn find_anew(&mut self) -> Result<()> {
        let log = Arc::clone(&self.log);
        let mut core = log.core();
        log.change_view(|view| view.generation += 1);
        let generation = log.view().generation;
        core.follow(&log, None, Mode::Write)?;
        log.change_view(|view| view.generation = view.generation.max(generation));
        self.active = None;
        let len = core.len;
        drop(core);
        // Where the log ends is not known then, and nothing may be written.
        if let Some(damage) = &log.view().damage {
            return Err(damage.clone());
        }
        self.open_active(len)?;
        self.changing(false)
    }

    /// Builds the indexes anew, and says what was mended.
    pub(super) fn repair(&mut self) -> Result<Vec<String>> {
        let view = self.log.view();
        let mut mended: Vec<String> = view.torn.clone().into_iter().collect();
        // What is not damaged is still found by the indexes that are there.
        if let Some(damage) = check::lines(&self.log.files, &view)? {
            return Err(damage);
        }
        drop(view);
        runs::forget_older(&self.log.files, u64::MAX);
        self.reload()?;
        if self.log.view().has_stream_files {
            stream_files::forget(&self.log.files)?;
            self.has_failed_files = false;
            mended.push("the files of streams are written anew".to_owned());
        }
        let tuning = &self.log.files.options.tuning;
        while self.log.view().tail.len() >= tuning.index_events {
            if !self.log.index(tuning.index_events, false) {
                return Err(Error::unavailable("the indexes cannot be built: `factlog -v` says why"));
            }
        }
        mended.push(match self.log.view().runs.len() {
            0 => "the indexes were taken away: so few events need none".to_owned(),
            files => format!("the indexes were built anew, in {files} files"),
        });
        Ok(mended)
    }

    /// Takes away the space that was written ahead; `always` also what other processes may have.
    fn trim(&mut self, always: bool) -> Result<()> {
        match &mut self.active {
            Some(active) if always || active.len > active.end => {
                active.cut().map_err(|error| Error::stopped(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Answers those who wait for a group that could not be written, and goes on only where that changed nothing.
    fn fail(&mut self, error: &Error, answers: Vec<Answer>) {
        // What the write has left behind the last line goes again.
        let undone = changed_nothing(error) && self.active.as_mut().is_none_or(|active| active.cut().is_ok());
        let error = if undone {
            error.clone()
        } else {
            Error::stopped(format!("the write failed, and whether it is on the disk is not known: {error}"))
                .with_hint("open the log again and look for the events by their ids")
        };
        if !undone {
            self.stop(&error);
        }
        let log = Arc::clone(&self.log);
        let mut core = log.core();
        // What was judged by the lines that are not there now is not true any more.
        let open = std::mem::take(&mut core.group);
        core.is_open = false;
        let followed = if undone { core.follow(&log, None, Mode::Write) } else { Ok(()) };
        drop(core);
        if let Err(failed) = followed.and_then(|()| log.view().damage.clone().map_or(Ok(()), Err)) {
            self.stop(&failed);
        }
        self.active = None;
        for Answer { to, outcomes } in answers.into_iter().chain(open.answers) {
            let _ = to.send(outcomes.iter().map(|_| Err(error.clone())).collect());
        }
        if undone {
            let len = self.log.core().len;
            if let Err(failed) = self.open_active(len) {
                self.stop(&failed);
            }
        }
    }

    /// No more writing, until the log is opened again.
    pub(super) fn stop(&self, error: &Error) {
        let stopped = Error::stopped(format!("the log has stopped writing: {error}"))
            .with_hint("open it again; what was acknowledged is there");
        let mut core = self.log.core();
        core.stopped.get_or_insert(stopped);
    }

    /// Answers everybody who waits with an error.
    fn refuse_all(&mut self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Stopped) {
            self.stop(error);
        }
        let (pending, group) = {
            let mut core = self.log.core();
            (std::mem::take(&mut core.pending), std::mem::take(&mut core.group))
        };
        for Answer { to, outcomes } in group.answers {
            let _ = to.send(outcomes.iter().map(|_| Err(error.clone())).collect());
        }
        for job in pending {
            match job {
                Job::Append { batches, to } => {
                    let _ = to.send(batches.iter().map(|_| Err(error.clone())).collect());
                }
                Job::Task(task) => task(Err(error.clone())),
            }
        }
    }

    /// Leaves the log as a person would want to find it.
    fn finish(&mut self) {
        self.log.finish_indexing();
        if self.groups == 0 || self.log.core().stopped.is_some() {
            return;
        }
        if let Err(error) = self.begin_turn() {
            tracing::warn!(%error, "space that was written ahead is left in the log");
            return;
        }
        let outcome = self.trim(false).and_then(|()| self.mark());
        if let Err(error) = &outcome {
            self.stop(error);
        }
        let view = self.log.view();
        let events = view.tail.len();
        if outcome.is_ok() && events >= CLOSING_INDEX_EVENTS.min(self.log.files.options.tuning.index_events) {
            let enough = self.log.files.options.tuning.index_events;
            let join = view.runs.last().is_some_and(|run| run.events as usize + events <= enough);
            self.log.index(events, join);
        }
        self.end_turn();
    }
}
