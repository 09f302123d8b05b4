//! The newest events by their keys, in memory: what the lists do not tell yet, and one run more, for readers whose snapshot
//! is older than the last one.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use factlog::{NewEvent, Result, StreamName, Text};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::super::query::failed;
use super::{Correlated, Key, State, Window};

/// Events that are remembered at the most; later ones are looked for in the file.
const EVENTS_MAX: usize = 262_144;
/// As many may be missing, and they are taken in for a single question.
const TAKEN_IN_AT_ONCE_MAX: i64 = 1_024;
/// After so many questions any number of them is taken in: until then a look through the file takes less.
const QUESTIONS_MAX: usize = 8;
/// Events that are forgotten at a time, so that nobody waits for it.
const FORGOTTEN_MAX: usize = 4_096;
/// What an event takes here, about: an entry, and a place under each of its keys.
const ENTRY_BYTES: usize = 250;

/// The keys of an event.
#[derive(Debug, Clone)]
pub(in super::super) struct Entry {
    pub(super) position: i64,
    pub(super) sid: i64,
    pub(super) tid: i64,
    pub(super) correlation: Option<Correlated>,
    pub(super) id: [u8; 16],
}

impl Entry {
    /// The columns of [`Entry::of_row`].
    pub(super) const COLUMNS: &'static str = "position, sid, tid, correlation, id";

    pub(in super::super) fn of(event: &NewEvent, position: i64, sid: i64, tid: i64) -> Self {
        let correlation = event.correlation_id.as_ref().map(Correlated::of);
        Self { position, sid, tid, correlation, id: event.id.0.into_bytes() }
    }

    pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let correlation = match row.get_ref(3)? {
            ValueRef::Blob(_) => Some(Correlated::Uuid(row.get(3)?)),
            ValueRef::Text(text) => Some(Correlated::Text(Text::trusted(String::from_utf8_lossy(text)))),
            _ => None,
        };
        Ok(Self { position: row.get(0)?, sid: row.get(1)?, tid: row.get(2)?, correlation, id: row.get(4)? })
    }

    fn has(&self, key: &Key) -> bool {
        match key {
            Key::Id(id) => self.id == *id,
            Key::Correlation(correlation) => self.correlation.as_ref() == Some(correlation),
            Key::Stream(sid) => self.sid == *sid,
            Key::Type(tid) => self.tid == *tid,
        }
    }

    fn bytes(&self) -> usize {
        ENTRY_BYTES
            + match &self.correlation {
                Some(Correlated::Text(text)) => text.len(),
                _ => 0,
            }
    }
}

/// A stream that was begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) sid: i64,
    pub(super) name: StreamName,
}

/// What a transaction that is not committed has brought.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// The head before it.
    pub(super) before: i64,
    pub(super) entries: Vec<Entry>,
    pub(super) begun: Vec<Begun>,
    pub(super) ids: HashMap<[u8; 16], i64>,
    pub(super) names: HashMap<StreamName, i64>,
}

impl Fresh {
    pub(super) fn note(&mut self, entry: Entry) {
        self.ids.insert(entry.id, entry.position);
        self.entries.push(entry);
    }

    pub(super) fn begin(&mut self, sid: i64, name: &StreamName) {
        self.names.insert(name.clone(), sid);
        self.begun.push(Begun { sid, name: name.clone() });
    }

    /// Positions of a key in a window.
    pub(super) fn positions(&self, key: &Key, window: Window, wanted: usize) -> Vec<i64> {
        let found = self.entries.iter().filter(|entry| window.has(entry.position) && entry.has(key));
        let found = found.map(|entry| entry.position);
        if window.backwards { found.rev().take(wanted).collect() } else { found.take(wanted).collect() }
    }

    pub(super) fn sids_of_category(&self, category: &str) -> impl Iterator<Item = i64> {
        self.begun.iter().filter(move |begun| begun.name.category() == category).map(|begun| begun.sid)
    }
}

/// Positions by their key, ascending.
#[derive(Debug)]
struct Places<K>(HashMap<K, VecDeque<i64>>);

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Places<K> {
    fn note(&mut self, key: K, position: i64) {
        self.0.entry(key).or_default().push_back(position);
    }

    /// The oldest of this key is no longer here.
    fn forget_oldest<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        if let Some(positions) = self.0.get_mut(key) {
            positions.pop_front();
            if positions.is_empty() {
                self.0.remove(key);
            }
        }
    }

    fn within(&self, key: &K, window: Window, wanted: usize) -> Vec<i64> {
        let Some(positions) = self.0.get(key) else { return Vec::new() };
        let first = positions.partition_point(|position| *position <= window.after);
        let end = positions.partition_point(|position| *position < window.before).max(first);
        let found = positions.range(first..end).copied();
        if window.backwards { found.rev().take(wanted).collect() } else { found.take(wanted).collect() }
    }
}

/// The keys of the events after one position and up to another.
#[derive(Debug, Default)]
pub(in super::super) struct Tail {
    after: i64,
    upto: i64,
    entries: VecDeque<Entry>,
    streams: Places<i64>,
    types: Places<i64>,
    correlations: Places<Correlated>,
    ids: HashMap<[u8; 16], i64>,
    /// Streams of numbers after one and up to another.
    named_after: i64,
    named_upto: i64,
    begun: VecDeque<Begun>,
    names: HashMap<StreamName, i64>,
    categories: Places<Text>,
    /// How far the lists were when they were last looked at, and what they told at the look before: that is no longer
    /// needed here.
    lists: (i64, i64),
    forgettable: (i64, i64),
    bytes: usize,
    questions: usize,
}

impl Tail {
    /// The positions after which, and up to which, events are here.
    pub(super) fn range(&self) -> (i64, i64) {
        (self.after, self.upto)
    }

    /// The same of the numbers of streams.
    pub(super) fn range_of_names(&self) -> (i64, i64) {
        (self.named_after, self.named_upto)
    }

    /// What all this takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in what is new up to the head of the snapshot that the connection is in: all of it where many questions are to
    /// come, or have come; else only a little, and questions are answered by looking through the file.
    pub(super) fn follow(
        &mut self,
        connection: &Connection,
        state: &State,
        head: i64,
        questions: usize,
    ) -> Result<()> {
        self.see(state);
        self.questions = self.questions.saturating_add(questions);
        let missing = head - self.upto;
        let is_worth_it = self.questions > QUESTIONS_MAX || missing <= TAKEN_IN_AT_ONCE_MAX;
        let room = EVENTS_MAX.saturating_sub(self.entries.len()) as i64;
        if missing <= 0 || room == 0 || !is_worth_it {
            return Ok(());
        }
        // Streams first: an event of a stream whose name is missing would be lost to a look-up by name.
        self.take_in_names(connection)?;
        self.take_in(connection, head, room)
    }

    fn take_in(&mut self, connection: &Connection, head: i64, room: i64) -> Result<()> {
        let sql = format!(
            "SELECT {} FROM events WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
            Entry::COLUMNS
        );
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query((self.upto, head, room)).map_err(failed)?;
        let mut taken = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            let entry = Entry::of_row(row).map_err(failed)?;
            self.upto = entry.position;
            self.note(entry);
            taken += 1;
        }
        if taken < room {
            self.upto = head;
        }
        Ok(())
    }

    fn take_in_names(&mut self, connection: &Connection) -> Result<()> {
        let sql = "SELECT sid, name FROM streams WHERE sid > ?1 ORDER BY sid";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([self.named_upto]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let name = StreamName::trusted(row.get::<_, String>(1).map_err(failed)?);
            self.begin(Begun { sid: row.get(0).map_err(failed)?, name });
        }
        Ok(())
    }

    /// Takes in what a transaction has brought that is committed now.
    pub(super) fn take(&mut self, fresh: &mut Fresh, head: i64) {
        // A reader may have been faster. If something before it is missing, all of it is taken in with the next look.
        if fresh.before <= self.upto && self.entries.len() + fresh.entries.len() <= EVENTS_MAX {
            for begun in fresh.begun.drain(..) {
                if begun.sid > self.named_upto {
                    self.begin(begun);
                }
            }
            for entry in fresh.entries.drain(..) {
                if entry.position > self.upto {
                    self.note(entry);
                }
            }
            self.upto = self.upto.max(head);
        }
        *fresh = Fresh { before: head, ..Fresh::default() };
    }

    fn note(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.streams.note(entry.sid, entry.position);
        self.types.note(entry.tid, entry.position);
        if let Some(correlation) = &entry.correlation {
            self.correlations.note(correlation.clone(), entry.position);
        }
        self.ids.insert(entry.id, entry.position);
        self.entries.push_back(entry);
    }

    fn begin(&mut self, begun: Begun) {
        self.named_upto = begun.sid;
        self.bytes += ENTRY_BYTES + begun.name.as_str().len();
        self.names.insert(begun.name.clone(), begun.sid);
        self.categories.note(Text::trusted(begun.name.category()), begun.sid);
        self.begun.push_back(begun);
    }

    /// Sees how far the lists are. What they told when they were last looked at is forgotten by and by; what is here of an
    /// older time than theirs is of no use.
    pub(super) fn see(&mut self, state: &State) {
        let lists = (state.indexed_upto, state.named_upto);
        if lists > self.lists {
            self.forgettable = self.lists;
            self.lists = lists;
        }
        if self.upto < state.indexed_upto {
            *self = Self {
                after: state.indexed_upto,
                upto: state.indexed_upto,
                named_after: state.named_upto,
                named_upto: state.named_upto,
                lists,
                forgettable: lists,
                questions: self.questions,
                ..Self::default()
            };
        }
        self.forget();
    }

    fn forget(&mut self) {
        let (events, names) = self.forgettable;
        for _ in 0..FORGOTTEN_MAX {
            let is_over = self.entries.front().is_none_or(|entry| entry.position > events);
            let Some(entry) = (if is_over { None } else { self.entries.pop_front() }) else {
                self.after = self.after.max(events.min(self.upto));
                break;
            };
            self.after = entry.position;
            self.bytes -= entry.bytes();
            self.streams.forget_oldest(&entry.sid);
            self.types.forget_oldest(&entry.tid);
            if let Some(correlation) = &entry.correlation {
                self.correlations.forget_oldest(correlation);
            }
            // The same id may stand at a later position: what had it was removed.
            if self.ids.get(&entry.id) == Some(&entry.position) {
                self.ids.remove(&entry.id);
            }
        }
        for _ in 0..FORGOTTEN_MAX {
            let is_over = self.begun.front().is_none_or(|begun| begun.sid > names);
            let Some(begun) = (if is_over { None } else { self.begun.pop_front() }) else {
                self.named_after = self.named_after.max(names.min(self.named_upto));
                break;
            };
            self.named_after = begun.sid;
            self.bytes -= ENTRY_BYTES + begun.name.as_str().len();
            self.names.remove(&begun.name);
            self.categories.forget_oldest(begun.name.category());
        }
    }

    /// Positions of a key in a window.
    pub(super) fn positions(&self, key: &Key, window: Window, wanted: usize) -> Vec<i64> {
        match key {
            Key::Id(id) => self.ids.get(id).copied().filter(|at| window.has(*at)).into_iter().collect(),
            Key::Correlation(correlation) => self.correlations.within(correlation, window, wanted),
            Key::Stream(sid) => self.streams.within(sid, window, wanted),
            Key::Type(tid) => self.types.within(tid, window, wanted),
        }
    }

    pub(super) fn position_of(&self, id: [u8; 16]) -> Option<i64> {
        self.ids.get(&id).copied()
    }

    pub(super) fn sid(&self, name: &str) -> Option<i64> {
        self.names.get(name).copied()
    }

    pub(super) fn sids_of_category(&self, category: &str, wanted: usize) -> Vec<i64> {
        self.categories.0.get(category).into_iter().flatten().copied().take(wanted).collect()
    }
}
