//! How the lists are kept up: the writer starts a run once the tail is long enough, a thread makes its rows, and each commit
//! writes a share of them, so that no commit is long.

use std::rc::Rc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use factlog::{NewEvent, Result, StreamName};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::super::query::{self, failed, one};
use super::super::{SqliteOptions, file};
use super::lagging::{Lagging, lock};
use super::run::{Run, build};
use super::tail::{Entry, Fresh};
use super::{Index, State, Tail, View};

/// Events of the tail at which a run is started; the lists of a log that has grown long have more rows to touch.
const RUN_EVENTS: i64 = 16_384;
const RUN_EVENTS_OF_LONG: i64 = 65_536;
const LONG_EVENTS: i64 = 1_000_000;
/// Bytes of the tail at which a run is started, however few events they are; of fewer than this none is.
const TAIL_BYTES_MAX: usize = 32 * 1024 * 1024;
const HEAVY_EVENTS_MIN: i64 = 1_024;
/// A run tells of no more events than this.
const RUN_EVENTS_MAX: i64 = 262_144;
/// Of ten parts of the events that a run tells of, its rows are written with so many that come after.
const PACE_TENTHS: usize = 7;
/// A share of fewer rows waits for the next commit.
const SHARE_ROWS_MIN: usize = 64;
/// A tail that is so many times too long is cut short faster: nobody has had the time to.
const OVERDUE_TIMES: i64 = 4;
const OVERDUE_ROWS: usize = 4_096;
/// Rows that are written at once when the log is closed.
const CLOSING_ROWS_MAX: usize = 16_384;
/// Who has appended so many events brings the lists up to the end before it goes; others leave up to four times as many, and
/// list no more than those, so that a process that appends one event and goes does not do the work of many.
const CLOSING_EVENTS: i64 = 1_024;
const CLOSING_TIMES: i64 = 4;
/// An event is looked for by its id and by its stream.
const QUESTIONS_OF_EVENT: usize = 2;

/// The writer's side of the index; nothing to do where SQLite does it.
#[derive(Debug)]
pub(in super::super) struct Upkeep(Option<Box<Flush>>);

#[derive(Debug)]
struct Flush {
    options: SqliteOptions,
    tail: Arc<Mutex<Tail>>,
    /// As the transaction sees it; none where it has to be read anew.
    state: Option<State>,
    fresh: Fresh,
    run: Option<Run>,
    building: Option<Building>,
    /// No run is made before the head is here: the last attempt has failed.
    not_before: i64,
    /// Rows due, each as many times as a run's pace says.
    due: usize,
    /// Events that this process has appended.
    appended: u64,
}

/// A thread that makes a run.
#[derive(Debug)]
struct Building {
    made: Receiver<Result<Option<Run>>>,
    thread: JoinHandle<()>,
}

impl Upkeep {
    pub(in super::super) fn new(index: &Index, options: &SqliteOptions) -> Self {
        match index {
            Index::Real => Self(None),
            Index::Lagging(tail) => Self(Some(Box::new(Flush {
                options: options.clone(),
                tail: Arc::clone(tail),
                state: None,
                fresh: Fresh::default(),
                run: None,
                building: None,
                not_before: 0,
                due: 0,
                appended: 0,
            }))),
        }
    }

    /// Begins a transaction whose head is here and that is to append so many events; others may have written since the
    /// last one.
    pub(in super::super) fn begin(
        &mut self,
        connection: &Connection,
        others_wrote: bool,
        head: i64,
        events: usize,
    ) -> Result<()> {
        let Some(flush) = &mut self.0 else { return Ok(()) };
        if others_wrote {
            flush.state = None;
        }
        let state = flush.state(connection)?;
        flush.fresh = Fresh { before: head, ..Fresh::default() };
        lock(&flush.tail).follow(connection, &state, head, QUESTIONS_OF_EVENT * events)
    }

    /// The index as the transaction sees it.
    pub(in super::super) fn view<'a>(&'a self, connection: &'a Connection) -> View<'a> {
        match &self.0 {
            None => View::Real(connection),
            Some(flush) => {
                let state = flush.state.unwrap_or_default();
                View::Lagging(Lagging::writing(connection, &flush.tail, state, &flush.fresh))
            }
        }
    }

    /// Notes an event that was inserted.
    pub(in super::super) fn note(&mut self, event: &NewEvent, position: i64, sid: i64, tid: i64) {
        if let Some(flush) = &mut self.0 {
            flush.fresh.note(Entry::of(event, position, sid, tid));
        }
    }

    /// Notes a stream that was begun.
    pub(in super::super) fn begin_stream(&mut self, sid: i64, name: &StreamName) {
        if let Some(flush) = &mut self.0 {
            flush.fresh.begin(sid, name);
        }
    }

    /// Writes this transaction's share, before it is committed.
    pub(in super::super) fn share(&mut self, connection: &Connection, head: i64) -> Result<()> {
        self.0.as_mut().map_or(Ok(()), |flush| flush.share(connection, head))
    }

    /// The transaction is committed.
    pub(in super::super) fn committed(&mut self, head: i64) {
        let Some(flush) = &mut self.0 else { return };
        flush.appended += flush.fresh.entries.len() as u64;
        lock(&flush.tail).take(&mut flush.fresh, head);
        flush.make_run(head);
    }

    /// The transaction was taken back.
    pub(in super::super) fn undone(&mut self) {
        if let Some(flush) = &mut self.0 {
            flush.fresh = Fresh::default();
            flush.state = None;
        }
    }

    /// Writes all that is left of a run. Events are removed only where none is being written: whoever makes the run of what is
    /// left would make another one.
    pub(in super::super) fn complete(&mut self, connection: &Connection) -> Result<()> {
        let Some(flush) = &mut self.0 else { return Ok(()) };
        let state = flush.state(connection)?;
        if state.has_run() { flush.write(connection, state, usize::MAX) } else { Ok(()) }
    }

    /// Waits for the thread that has the file open, if there is one: nothing goes on after a log is closed.
    pub(in super::super) fn settle(&mut self) {
        let Some(flush) = &mut self.0 else { return };
        let Some(Building { made, thread }) = flush.building.take() else { return };
        if thread.join().is_err() {
            tracing::error!("the thread that makes lists has panicked");
        }
        flush.run = made.try_recv().ok().and_then(Result::ok).flatten();
    }

    /// Forgets the ids of events that are about to be removed.
    pub(in super::super) fn forget_ids(&self, connection: &Connection, positions: &[i64]) -> Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        let sql = "DELETE FROM index_ids WHERE id IN \
                   (SELECT e.id FROM rarray(?1) a CROSS JOIN events e ON e.position = a.value)";
        let positions: Rc<Vec<Value>> = Rc::new(positions.iter().copied().map(Value::from).collect());
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([positions]))
            .map(|_| ())
            .map_err(failed)
    }

    /// Brings the lists up to the log's end, where that is for this process to do.
    pub(in super::super) fn close(&mut self, connection: &Connection) -> Result<()> {
        let Some(flush) = &mut self.0 else { return Ok(()) };
        let mut until = None;
        // Mostly there is nothing to do, and then nobody is made to wait.
        while flush.is_to_close(connection, until)? && flush.close(connection, &mut until)? {}
        Ok(())
    }
}

impl Flush {
    fn state(&mut self, connection: &Connection) -> Result<State> {
        if let Some(state) = self.state {
            return Ok(state);
        }
        let state = State::read(connection)?;
        Ok(*self.state.insert(state))
    }

    /// Events of the tail at which a run is started.
    fn run_events(&self, state: &State) -> i64 {
        let usual = if state.indexed_upto < LONG_EVENTS { RUN_EVENTS } else { RUN_EVENTS_OF_LONG };
        self.options.tail_events.map_or(usual, |events| events.max(1).into())
    }

    fn share(&mut self, connection: &Connection, head: i64) -> Result<()> {
        let state = self.state(connection)?;
        let tail_events = head - state.indexed_upto;
        let wanted = self.run_events(&state);
        self.take_run(&state);
        if !state.has_run() {
            let is_heavy = tail_events >= HEAVY_EVENTS_MIN && lock(&self.tail).bytes() >= TAIL_BYTES_MAX;
            return if tail_events >= wanted || is_heavy {
                self.start(connection, state, head, RUN_EVENTS_MAX)
            } else {
                Ok(())
            };
        }
        let is_overdue = tail_events >= OVERDUE_TIMES * wanted;
        let Some(run) = &self.run else {
            // Where no thread can make it, the writer does, rather than that the tail grows on.
            let is_left = is_overdue && self.building.is_none();
            return if is_left { self.write(connection, state, OVERDUE_ROWS) } else { Ok(()) };
        };
        let left = run.rows().saturating_sub(state.run_rows as usize);
        self.due += self.fresh.entries.len() * run.rows();
        let pace = (run.events() * PACE_TENTHS / 10).max(1);
        let rows = (self.due / pace).max(if is_overdue { OVERDUE_ROWS } else { 0 });
        let least = SHARE_ROWS_MIN.min(wanted as usize / 8).max(1);
        if rows < left.min(least) {
            return Ok(());
        }
        self.due %= pace;
        self.write(connection, state, rows)
    }

    fn start(&mut self, connection: &Connection, state: State, head: i64, events: i64) -> Result<()> {
        let newest = one(connection, "SELECT max(sid) FROM streams", [], |row| row.get::<_, Option<i64>>(0))?;
        let named = newest.flatten().unwrap_or(0).max(state.named_upto);
        let state = state.with_run(end_of_run(connection, &state, head, events)?, named);
        state.write(connection)?;
        (self.state, self.due) = (Some(state), 0);
        Ok(())
    }

    /// Writes so many rows of the run; makes it first where nobody has.
    fn write(&mut self, connection: &Connection, state: State, rows: usize) -> Result<()> {
        self.take_run(&state);
        let run = match self.run.take() {
            Some(run) => run,
            None => build(connection, &state)?,
        };
        let from = state.run_rows as usize;
        let rows = rows.min(run.rows().saturating_sub(from));
        run.write(connection, from, rows)?;
        let is_done = from + rows >= run.rows();
        let state = if is_done { run.done() } else { State { run_rows: (from + rows) as i64, ..state } };
        state.write(connection)?;
        self.state = Some(state);
        self.run = Some(run).filter(|_| !is_done);
        Ok(())
    }

    /// Takes what the thread has made; a run that is no longer to be written is dropped.
    fn take_run(&mut self, state: &State) {
        if let Some(building) = &self.building {
            match building.made.try_recv() {
                Ok(Ok(run)) => self.run = run,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the lists stay behind for now");
                    self.not_before = self.fresh.before + self.run_events(state);
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {}
            }
            self.building = None;
        }
        self.run = self.run.take().filter(|run| run.is_of(state));
    }

    /// Lets a thread make the run, where one is to be written.
    fn make_run(&mut self, head: i64) {
        let Some(state) = self.state.filter(State::has_run) else { return };
        // A process that appends a little and goes leaves it to others, or to its end.
        let is_new = (self.appended as i64) < self.few(&state);
        if is_new || self.building.is_some() || self.run.is_some() || head < self.not_before {
            return;
        }
        let options = self.options.clone();
        let (tell, made) = channel();
        let make = move || {
            // Nobody waits for it any more, perhaps.
            let _ = tell.send(made_of_file(&options, &state));
        };
        match std::thread::Builder::new().name("factlog-index".into()).spawn(make) {
            Ok(thread) => self.building = Some(Building { made, thread }),
            Err(error) => {
                tracing::warn!(%error, "the lists stay behind for now");
                self.not_before = head + self.run_events(&state);
            }
        }
    }

    /// One transaction of the last ones; whether there is more to do.
    fn close(&mut self, connection: &Connection, until: &mut Option<i64>) -> Result<bool> {
        connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        let outcome = self.close_in(connection, until);
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        connection.execute_batch(end).map_err(failed)?;
        outcome
    }

    fn close_in(&mut self, connection: &Connection, until: &mut Option<i64>) -> Result<bool> {
        self.state = None;
        let state = self.state(connection)?;
        // What others append meanwhile is theirs.
        let head = match *until {
            Some(until) => until,
            None => *until.insert(query::head(connection)?.0 as i64),
        };
        if !self.is_ours(&state, head) {
            return Ok(false);
        }
        // Who has appended little does no more than a little.
        let is_small = (self.appended as i64) < self.few(&state);
        if !state.has_run() {
            let events = if is_small { CLOSING_TIMES * self.few(&state) } else { RUN_EVENTS_MAX };
            self.start(connection, state, head, events)?;
        }
        let state = self.state(connection)?;
        self.write(connection, state, CLOSING_ROWS_MAX)?;
        Ok(!is_small)
    }

    /// Whether there is something to do for a process that goes, as far as can be seen from outside.
    fn is_to_close(&self, connection: &Connection, until: Option<i64>) -> Result<bool> {
        if self.appended == 0 {
            return Ok(false);
        }
        let head = match until {
            Some(until) => until,
            None => query::head(connection)?.0 as i64,
        };
        Ok(self.is_ours(&State::read(connection)?, head))
    }

    /// Whether what is left is for this process to list. A run that another one is writing is left to it, unless nobody does.
    fn is_ours(&self, state: &State, head: i64) -> bool {
        let (left, few) = (head - state.indexed_upto, self.few(state));
        if self.appended as i64 >= few {
            return left > 0;
        }
        let most = if state.has_run() { OVERDUE_TIMES * self.run_events(state) } else { CLOSING_TIMES * few };
        left >= most
    }

    /// So few events are no reason to do the work of others.
    fn few(&self, state: &State) -> i64 {
        CLOSING_EVENTS.min(self.run_events(state))
    }
}

/// Makes a run of what is in the file; none where another process was faster.
fn made_of_file(options: &SqliteOptions, state: &State) -> Result<Option<Run>> {
    let connection = file::connect_reader(options)?;
    let connection = connection.unchecked_transaction().map_err(failed)?;
    let now = State::read(&connection)?;
    if (now.indexed_upto, now.run_upto) != (state.indexed_upto, state.run_upto) {
        return Ok(None);
    }
    build(&connection, &now).map(Some)
}

/// The position where a run ends that begins after the lists and tells of so many events at the most.
fn end_of_run(connection: &Connection, state: &State, head: i64, events: i64) -> Result<i64> {
    if head - state.indexed_upto <= events {
        return Ok(head);
    }
    let sql = "SELECT max(position) FROM (SELECT position FROM events WHERE position > ?1 ORDER BY position LIMIT ?2)";
    let end = one(connection, sql, (state.indexed_upto, events), |row| row.get::<_, Option<i64>>(0))?;
    Ok(end.flatten().unwrap_or(head).min(head))
}

/// Starts a run of the next events up to one, writes all of it, and says how far the lists are then.
pub(in super::super) fn write_next(connection: &Connection, upto: i64, events: i64) -> Result<i64> {
    let state = State::read(connection)?;
    let newest = one(connection, "SELECT max(sid) FROM streams", [], |row| row.get::<_, Option<i64>>(0))?;
    let named = newest.flatten().unwrap_or(0).max(state.named_upto);
    let state = state.with_run(end_of_run(connection, &state, upto, events)?, named);
    let run = build(connection, &state)?;
    run.write(connection, 0, run.rows())?;
    run.done().write(connection)?;
    Ok(run.upto)
}
