//! What the writer knows of the log: heads in memory, the index on a miss.

use std::collections::HashMap;
use std::rc::Rc;

use factlog::admission::{Known, Ledger};
use factlog::{
    Batch, Error, EventType, Filter, NewEvent, Position, RETENTION_STREAM, Read, RemovedData, Result, Stamp,
    StreamName, Text, Timestamp, Version,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use super::index::{Correlated, Head, Key, Upkeep, Window};
use super::query::{self, Shown};
use super::row::{Names, checksum, envelope};

/// Streams that the writer remembers; more, and it begins anew.
const HEADS_MAX: usize = 200_000;
/// More foreign events than this, and the heads are forgotten rather than brought up to date.
const FOREIGN_EVENTS_MAX: u64 = 10_000;

/// The newest of everything.
#[derive(Debug, Default)]
pub(super) struct Heads {
    streams: HashMap<StreamName, Head>,
    types: HashMap<EventType, i64>,
    sources: HashMap<Text, i64>,
    names: Names,
    pub(super) position: Position,
    recorded_at: Option<Timestamp>,
    removals: Vec<RemovedData>,
    /// What `PRAGMA data_version` said last; it changes when another connection has written.
    data_version: Option<i64>,
    /// Positions up to here are known not to break the batch's conditions.
    pub(super) clear_to: Position,
}

/// The heads and the file they are of, inside a write transaction.
pub(super) struct OpenLedger<'a> {
    pub(super) connection: &'a Connection,
    pub(super) heads: &'a mut Heads,
    pub(super) upkeep: &'a mut Upkeep,
}

fn failed(error: rusqlite::Error) -> Error {
    super::error::told(std::path::Path::new("log"), error)
}

impl OpenLedger<'_> {
    /// Takes in what other connections have written; says whether there were events. So many are about to be appended.
    pub(super) fn refresh(&mut self, events: usize) -> Result<bool> {
        let version: i64 = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(failed)?;
        if self.heads.data_version == Some(version) {
            self.upkeep.begin(self.connection, false, self.heads.position.0 as i64, events)?;
            return Ok(false);
        }
        let head = query::head(self.connection)?;
        self.upkeep.begin(self.connection, true, head.0 as i64, events)?;
        let news = head.0.saturating_sub(self.heads.position.0);
        if news > FOREIGN_EVENTS_MAX {
            self.heads.streams.clear();
            self.load_removals()?;
        } else if news > 0 {
            self.take_in_news()?;
        }
        if news > 0 {
            let sql = "SELECT recorded_at FROM events WHERE position = ?1";
            let micros: i64 =
                self.connection.query_row(sql, [head.0 as i64], |row| row.get(0)).map_err(failed)?;
            self.heads.recorded_at = Some(Timestamp::from_micros(micros)?);
            self.heads.position = head;
        }
        self.heads.data_version = Some(version);
        Ok(news > 0)
    }

    fn take_in_news(&mut self) -> Result<()> {
        let sql = "SELECT s.name, max(e.version) FROM events e JOIN streams s USING (sid) \
                   WHERE e.position > ?1 GROUP BY e.sid";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([self.heads.position.0 as i64]).map_err(failed)?;
        let mut removed = false;
        while let Some(row) = rows.next().map_err(failed)? {
            let name: String = row.get(0).map_err(failed)?;
            removed |= name == RETENTION_STREAM;
            if let Some(head) = self.heads.streams.get_mut(name.as_str()) {
                head.version = Version(row.get::<_, i64>(1).map_err(failed)? as u64);
            }
        }
        drop(rows);
        drop(statement);
        if removed {
            // Events that were never seen here may have come and gone: only the file knows the versions now.
            self.heads.streams.clear();
            self.load_removals()?;
        }
        Ok(())
    }

    fn load_removals(&mut self) -> Result<()> {
        self.heads.removals.clear();
        let view = self.upkeep.view(self.connection);
        let Some(sid) = view.sid(RETENTION_STREAM)? else { return Ok(()) };
        let everything = Window { backwards: false, ..Window::NEWEST };
        let positions = view.positions(&Key::Stream(sid), everything, usize::MAX)?;
        let sql = "SELECT e.data FROM rarray(?1) a CROSS JOIN events e ON e.position = a.value";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows =
            statement.query_map([values(&positions)], |row| row.get::<_, String>(0)).map_err(failed)?;
        for data in rows {
            // An event that somebody else put into this stream removes nothing.
            if let Ok(removed) = serde_json::from_str(&data.map_err(failed)?) {
                self.heads.removals.push(removed);
            }
        }
        Ok(())
    }

    fn head(&mut self, stream: &StreamName) -> Result<Option<Head>> {
        if let Some(head) = self.heads.streams.get(stream) {
            return Ok(Some(*head));
        }
        let found = self.upkeep.view(self.connection).head_of(stream)?;
        if let Some(head) = found {
            self.remember(stream, head);
        }
        Ok(found)
    }

    fn remember(&mut self, stream: &StreamName, head: Head) {
        if self.heads.streams.len() >= HEADS_MAX {
            self.heads.streams.clear();
        }
        self.heads.streams.insert(stream.clone(), head);
    }

    /// Writes a batch that was admitted with these stamps.
    pub(super) fn record(
        &mut self,
        batch: &Batch,
        stamps: &[Stamp],
        envelopes: &[Option<String>],
    ) -> Result<()> {
        for ((event, stamp), envelope) in batch.events().iter().zip(stamps).zip(envelopes) {
            let gap = stamp.position.0 - self.heads.position.0 - 1;
            if gap > 0 {
                self.count_removed(gap)?;
            }
            self.insert(event, *stamp, envelope.as_deref())?;
            self.heads.position = stamp.position;
            self.heads.recorded_at = Some(stamp.recorded_at);
            // A copy brings the removals of its source along.
            if event.stream == RETENTION_STREAM
                && let Ok(removed) = event.data.to()
            {
                self.heads.removals.push(removed);
            }
        }
        Ok(())
    }

    fn insert(&mut self, event: &NewEvent, stamp: Stamp, envelope: Option<&str>) -> Result<()> {
        let sid = match self.head(&event.stream)? {
            Some(head) => head.sid,
            None => self.new_stream(&event.stream)?,
        };
        let tid = self.type_number(&event.event_type)?;
        let source = event.source.as_ref().map(|source| self.source_number(source)).transpose()?;
        let checksum = checksum(&mut self.heads.names.scratch, event, stamp, envelope);
        let sql = "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement
            .execute(rusqlite::params![
                stamp.position.0 as i64,
                sid,
                stamp.version.0 as i64,
                tid,
                source,
                stamp.recorded_at.as_micros(),
                event.occurred_at.map(Timestamp::as_micros),
                event.id.0.as_bytes().as_slice(),
                event.correlation_id.as_ref().map(Correlated::of),
                event.causation_id.as_ref().map(|id| id.0.as_bytes().as_slice()),
                checksum,
                envelope,
                event.data.as_str(),
            ])
            .map_err(failed)?;
        drop(statement);
        self.upkeep.note(event, stamp.position.0 as i64, sid, tid);
        self.remember(&event.stream, Head { sid, version: stamp.version });
        Ok(())
    }

    fn new_stream(&mut self, stream: &StreamName) -> Result<i64> {
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO streams (name, category) VALUES (?1, ?2)")
            .map_err(failed)?;
        let sid = statement.insert([stream.as_str(), stream.category()]).map_err(failed)?;
        self.upkeep.begin_stream(sid, stream);
        Ok(sid)
    }

    fn type_number(&mut self, event_type: &EventType) -> Result<i64> {
        if let Some(tid) = self.heads.types.get(event_type) {
            return Ok(*tid);
        }
        let tid = self.interned("types", "tid", event_type)?;
        if self.heads.types.len() >= HEADS_MAX {
            self.heads.types.clear();
        }
        self.heads.types.insert(event_type.clone(), tid);
        Ok(tid)
    }

    fn source_number(&mut self, source: &Text) -> Result<i64> {
        if let Some(number) = self.heads.sources.get(source) {
            return Ok(*number);
        }
        let number = self.interned("sources", "source_id", source)?;
        if self.heads.sources.len() >= HEADS_MAX {
            self.heads.sources.clear();
        }
        self.heads.sources.insert(source.clone(), number);
        Ok(number)
    }

    fn interned(&self, table: &str, column: &str, name: &str) -> Result<i64> {
        let found = self
            .connection
            .prepare_cached(&format!("SELECT {column} FROM {table} WHERE name = ?1"))
            .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
            .map_err(failed)?;
        match found {
            Some(number) => Ok(number),
            None => self
                .connection
                .prepare_cached(&format!("INSERT INTO {table} (name) VALUES (?1)"))
                .and_then(|mut statement| statement.insert([name]))
                .map_err(failed),
        }
    }

    /// Adds to the number of positions that hold no event on purpose.
    pub(super) fn count_removed(&self, events: u64) -> Result<()> {
        let sql = "UPDATE meta SET value = value + ?1 WHERE key = 'removed_events'";
        self.connection.execute(sql, [events as i64]).map(|_| ()).map_err(failed)
    }

    /// Those of these positions at which there is an event.
    pub(super) fn still_there(&mut self, positions: &[i64]) -> Result<Vec<i64>> {
        let sql = "SELECT e.position FROM rarray(?1) a CROSS JOIN events e ON e.position = a.value";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([values(positions)], |row| row.get(0)).map_err(failed)?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed)
    }

    /// Takes rows out; the event that tells of it is recorded already.
    pub(super) fn take_out(&mut self, positions: &[i64]) -> Result<()> {
        let versions = "SELECT e.sid, max(e.version) FROM rarray(?1) a CROSS JOIN events e ON e.position = a.value \
                        GROUP BY e.sid";
        let remember = "UPDATE streams SET removed_version = max(removed_version, ?2) WHERE sid = ?1";
        self.upkeep.forget_ids(self.connection, positions)?;
        let delete = "DELETE FROM events WHERE position IN rarray(?1)";
        let count = positions.len();
        let positions = values(positions);
        let taken: Vec<(i64, i64)> = self
            .connection
            .prepare_cached(versions)
            .and_then(|mut statement| {
                let rows = statement.query_map([&positions], |row| Ok((row.get(0)?, row.get(1)?)))?;
                rows.collect()
            })
            .map_err(failed)?;
        for last in taken {
            self.connection
                .prepare_cached(remember)
                .and_then(|mut statement| statement.execute(last))
                .map_err(failed)?;
        }
        let deleted = self
            .connection
            .prepare_cached(delete)
            .and_then(|mut statement| statement.execute([&positions]))
            .map_err(failed)?;
        if deleted != count {
            return Err(Error::corrupt(
                "the log's tables",
                format!("{deleted} of {count} events could be removed"),
            ));
        }
        self.count_removed(count as u64)
    }
}

/// Numbers as a table-valued function takes them.
fn values(positions: &[i64]) -> Rc<Vec<Value>> {
    Rc::new(positions.iter().copied().map(Value::from).collect())
}

impl Ledger for OpenLedger<'_> {
    fn head(&self) -> Position {
        self.heads.position
    }

    fn recorded_at(&self) -> Option<Timestamp> {
        self.heads.recorded_at
    }

    fn version(&mut self, stream: &StreamName) -> Result<Version> {
        Ok(OpenLedger::head(self, stream)?.map_or(Version::NONE, |head| head.version))
    }

    fn known(&mut self, event: &NewEvent) -> Result<Option<Known>> {
        // The common case is a new id, which the index alone can tell.
        let Some(position) = self.upkeep.view(self.connection).position_of(event.id)? else {
            return Ok(None);
        };
        let sql = "SELECT e.version, e.recorded_at, e.data = ?2 AND s.name = ?3 AND t.name = ?4 AND e.id = ?5 \
                   FROM events e JOIN streams s USING (sid) JOIN types t USING (tid) WHERE e.position = ?1";
        let parameters = (
            position,
            event.data.as_str(),
            event.stream.as_str(),
            event.event_type.as_str(),
            event.id.0.as_bytes().as_slice(),
        );
        let known = query::one(self.connection, sql, parameters, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?))
        })?;
        // None where a removal has taken the event out: its id is free again.
        let Some((version, micros, same)) = known else { return Ok(None) };
        let stamp = Stamp {
            position: Position(position as u64),
            version: Version(version as u64),
            recorded_at: Timestamp::from_micros(micros)?,
        };
        Ok(Some(Known { stamp, same }))
    }

    fn any_after(&mut self, filter: &Filter, after: Position) -> Result<bool> {
        let after = after.max(self.heads.clear_to);
        let (connection, upkeep) = (self.connection, &*self.upkeep);
        any_after(connection, &mut self.heads.names, filter, after, &|_, _| Ok(upkeep.view(connection)))
    }

    fn removals(&self) -> &[RemovedData] {
        &self.heads.removals
    }
}

/// Whether some event after a position matches.
pub(super) fn any_after(
    connection: &Connection,
    names: &mut Names,
    filter: &Filter,
    after: Position,
    index: &Shown<'_, '_>,
) -> Result<bool> {
    let mut read = Read::after(filter.clone(), after).limit(1);
    loop {
        let page = query::page(connection, names, &read, index)?;
        if !page.events.is_empty() || !page.more {
            return Ok(!page.events.is_empty());
        }
        read.cursor = read.cursor.at(page.next);
    }
}

/// The envelope column of each event: made on the caller's thread.
pub(super) fn envelopes(batch: &Batch) -> Vec<Option<String>> {
    batch.events().iter().map(envelope).collect()
}
