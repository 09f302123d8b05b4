//! Holds every entry of the lists against its event, and every event against the lists.

use std::collections::HashSet;
use std::rc::Rc;

use factlog::{Error, Result};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::super::query::{failed, one};
use super::State;
use super::lists::{self, Lists};

/// Entries that are looked at together.
const TOGETHER: usize = 1_000;

/// Says what is wrong, table by table.
pub(in super::super) fn check(connection: &Connection, problems: &mut Vec<String>) {
    let state = match State::read(connection) {
        Ok(state) => state,
        Err(error) => return problems.push(error.to_string()),
    };
    let events = "events WHERE position <= ?1";
    let with_correlation = "events WHERE position <= ?1 AND correlation IS NOT NULL";
    let checks = [
        ids(connection, &state),
        unique(connection, &state),
        list(connection, &state, lists::STREAMS, events),
        list(connection, &state, lists::TYPES, events),
        list(connection, &state, lists::CORRELATIONS, with_correlation),
        names(connection, &state, "index_names", "name"),
        names(connection, &state, "index_categories", "category"),
    ];
    problems.extend(checks.into_iter().filter_map(|check| check.map_err(|error| error.to_string()).err()));
}

fn wrong(table: &str, what: String) -> Error {
    Error::corrupt(format!("table {table}"), what)
        .with_hint("`factlog migrate down` and `factlog migrate up` make the lists anew")
}

fn count(connection: &Connection, sql: &str, upto: i64) -> Result<i64> {
    Ok(one(connection, sql, [upto], |row| row.get(0))?.unwrap_or(0))
}

/// Each event has its entry, and there are no more than those; entries of removed events may be left.
fn ids(connection: &Connection, state: &State) -> Result<()> {
    let sql = "SELECT count(*) FROM events e WHERE e.position <= ?1 AND NOT EXISTS \
               (SELECT 1 FROM index_ids i WHERE i.id = e.id AND i.position = e.position)";
    let missing = count(connection, sql, state.indexed_upto)?;
    let sql = "SELECT count(*) FROM index_ids i JOIN events e USING (position) WHERE i.position <= ?1 AND e.id <> i.id";
    let false_ones = count(connection, sql, state.indexed_upto)?;
    if missing + false_ones == 0 {
        return Ok(());
    }
    let upto = state.indexed_upto;
    Err(wrong(
        "index_ids",
        format!(
            "{missing} events up to position {upto} are not in it, and {false_ones} entries are of other events"
        ),
    ))
}

/// No id is there twice, no stream, and none of the ids that are listed is greater than they are said to be: it would be
/// taken for new.
fn unique(connection: &Connection, state: &State) -> Result<()> {
    let again = "SELECT count(*) - count(DISTINCT e.id) + count(o.position) FROM events e \
                 LEFT JOIN index_ids i ON i.id = e.id AND i.position <= ?1 \
                 LEFT JOIN events o ON o.position = i.position AND o.id = i.id WHERE e.position > ?1";
    let newest = "SELECT count(*) FROM index_ids WHERE position <= ?1 AND id > \
                  (SELECT newest_v7 FROM index_state) AND substr(hex(id), 13, 1) = '7'";
    let streams = "SELECT count(*) - count(DISTINCT name) FROM streams WHERE ?1 >= 0";
    let problems = [
        (again, "events", "ids are there twice"),
        (newest, "index_state", "listed ids of version 7 are greater than newest_v7"),
        (streams, "streams", "names are there twice"),
    ];
    for (sql, table, what) in problems {
        match count(connection, sql, state.indexed_upto)? {
            0 => {}
            found => return Err(wrong(table, format!("{found} {what}"))),
        }
    }
    Ok(())
}

/// The same of the names of streams.
fn names(connection: &Connection, state: &State, table: &str, column: &str) -> Result<()> {
    let sql = format!(
        "SELECT count(*) FROM streams s WHERE s.sid <= ?1 AND NOT EXISTS \
         (SELECT 1 FROM {table} i WHERE i.{column} = s.{column} AND i.sid = s.sid)"
    );
    let missing = count(connection, &sql, state.named_upto)?;
    let sql = format!(
        "SELECT count(*) FROM {table} i WHERE i.sid <= ?1 AND NOT EXISTS \
         (SELECT 1 FROM streams s WHERE s.{column} = i.{column} AND s.sid = i.sid)"
    );
    let false_ones = count(connection, &sql, state.named_upto)?;
    if missing + false_ones == 0 {
        return Ok(());
    }
    Err(wrong(table, format!("{missing} streams are not in it, and {false_ones} entries are of no stream")))
}

/// Entries ascend within their key and are their events'; so many of them are there as there are events.
fn list(connection: &Connection, state: &State, of: Lists, events: &str) -> Result<()> {
    let Lists { table, key } = of;
    let sql = format!("SELECT {key}, first, offsets FROM {table} ORDER BY {key}, first");
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut looking = Looking { connection, of, key: Value::Null, positions: Vec::new(), found: 0, last: 0 };
    while let Some(row) = rows.next().map_err(failed)? {
        let (value, first): (Value, i64) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
        if value != looking.key || looking.positions.len() >= TOGETHER {
            looking.look()?;
        }
        if value != looking.key {
            (looking.key, looking.last) = (value, 0);
        }
        let mut positions = Vec::new();
        let offsets: String = row.get(2).map_err(failed)?;
        lists::read(first, &offsets, &mut positions)
            .ok_or_else(|| wrong(table, format!("the list at {first} is none")))?;
        for position in positions.into_iter().filter(|position| *position <= state.indexed_upto) {
            if position <= looking.last {
                return Err(wrong(table, format!("position {position} stands behind {}", looking.last)));
            }
            looking.last = position;
            looking.positions.push(position);
        }
    }
    looking.look()?;
    let there = count(connection, &format!("SELECT count(*) FROM {events}"), state.indexed_upto)?;
    if looking.found == there {
        return Ok(());
    }
    Err(wrong(
        table,
        format!(
            "it tells of {} events up to position {}, and there are {there}",
            looking.found, state.indexed_upto
        ),
    ))
}

/// Positions of one key that are still to be looked at.
struct Looking<'a> {
    connection: &'a Connection,
    of: Lists,
    key: Value,
    positions: Vec<i64>,
    found: i64,
    last: i64,
}

impl Looking<'_> {
    /// Looks at them: where an event stands, it has the key; where none does, it was removed.
    fn look(&mut self) -> Result<()> {
        let Lists { table, key } = self.of;
        let sql = format!(
            "SELECT e.position, e.{key} IS ?2 FROM rarray(?1) a CROSS JOIN events e ON e.position = a.value"
        );
        let positions: Rc<Vec<Value>> = Rc::new(self.positions.drain(..).map(Value::from).collect());
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query((positions, &self.key)).map_err(failed)?;
        let mut seen = HashSet::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let (position, is_its): (i64, bool) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            if !is_its {
                return Err(wrong(table, format!("the event at {position} is not of {:?}", self.key)));
            }
            seen.insert(position);
        }
        self.found += seen.len() as i64;
        Ok(())
    }
}
