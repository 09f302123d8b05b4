//! Values remembered at positions, as rows.

use factlog::limits::SNAPSHOT_LIST_MAX;
use factlog::{
    Error, Json, Keep, Position, Result, Revision, Snapshot, SnapshotInfo, Timestamp, older_snapshot,
    revision_conflict,
};
use rusqlite::{Connection, OptionalExtension, Row};

fn failed(error: rusqlite::Error) -> Error {
    super::error::told(std::path::Path::new("table snapshots"), error)
}

fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.and_then(|micros| Timestamp::from_micros(micros).ok()))
}

pub(super) fn load(connection: &Connection, key: &str, at: Position) -> Result<Option<Snapshot>> {
    let sql = "SELECT key, position, newest, revision, saved_at, data FROM snapshots \
               WHERE key = ?1 AND position <= ?2 ORDER BY position DESC LIMIT 1";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            let take = |row: &Row<'_>| {
                Ok(Snapshot {
                    key: row.get(0)?,
                    position: Position(row.get::<_, i64>(1)? as u64),
                    newest: timestamp(row, 2)?,
                    revision: Revision(row.get::<_, i64>(3)? as u64),
                    saved_at: timestamp(row, 4)?.unwrap_or_else(Timestamp::now),
                    data: Json::trusted(row.get::<_, String>(5)?),
                })
            };
            statement.query_row((key, number(at)), take).optional()
        })
        .map_err(failed)
}

pub(super) fn save(
    connection: &Connection,
    snapshot: Snapshot,
    expect: Option<Revision>,
    keep: Keep,
) -> Result<Revision> {
    let Snapshot { key, position, newest, data, .. } = snapshot;
    let one = |sql: &str| -> Result<Option<i64>> {
        let found = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([&key], |row| row.get(0)).optional());
        found.map(Option::flatten).map_err(failed)
    };
    let last = Revision(one("SELECT revision FROM revisions WHERE key = ?1")?.unwrap_or(0) as u64);
    if let Some(expected) = expect.filter(|expected| *expected != last) {
        return Err(revision_conflict(&key, expected, last));
    }
    if keep == Keep::Newest {
        let newest = one("SELECT max(position) FROM snapshots WHERE key = ?1")?;
        if let Some(newest) = newest.filter(|newest| *newest > number(position)) {
            return Err(older_snapshot(&key, position, Position(newest as u64)));
        }
        forget(connection, &key, &Forget::Below(Position(u64::MAX)))?;
    }
    let revision = Revision(last.0 + 1);
    let saved_at = Timestamp::now().as_micros();
    let newest = newest.map(Timestamp::as_micros);
    connection
        .prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .and_then(|mut statement| {
            statement.execute((&key, number(position), newest, revision.0 as i64, saved_at, data.as_str()))
        })
        .map_err(failed)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO revisions VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute((&key, revision.0 as i64)))
        .map_err(failed)?;
    Ok(revision)
}

/// Which snapshots of a key are dropped.
pub(super) enum Forget {
    Below(Position),
    At(Vec<Position>),
}

pub(super) fn forget(connection: &Connection, key: &str, which: &Forget) -> Result<u64> {
    let drop = |sql: &str, position: Position| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute((key, number(position))))
            .map(|rows| rows as u64)
            .map_err(failed)
    };
    match which {
        Forget::Below(below) => drop("DELETE FROM snapshots WHERE key = ?1 AND position < ?2", *below),
        Forget::At(positions) => {
            let sql = "DELETE FROM snapshots WHERE key = ?1 AND position = ?2";
            positions.iter().map(|position| drop(sql, *position)).sum()
        }
    }
}

pub(super) fn list(
    connection: &Connection,
    prefix: &str,
    after: Option<(&str, Position)>,
) -> Result<Vec<SnapshotInfo>> {
    // The length in bytes stands in the row's header: large values are not read for it.
    let sql = "SELECT key, position, newest, revision, saved_at, octet_length(data) FROM snapshots \
               WHERE (key, position) > (?1, ?2) ORDER BY key, position LIMIT ?3";
    let after = after.filter(|(key, _)| *key >= prefix);
    let (key, position) = after.map_or((prefix, -1), |(key, position)| (key, number(position)));
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement
        .query_map((key, position, SNAPSHOT_LIST_MAX as i64), |row| {
            Ok(SnapshotInfo {
                key: row.get(0)?,
                position: Position(row.get::<_, i64>(1)? as u64),
                newest: timestamp(row, 2)?,
                revision: Revision(row.get::<_, i64>(3)? as u64),
                saved_at: timestamp(row, 4)?.unwrap_or_else(Timestamp::now),
                bytes: row.get::<_, i64>(5)? as u64,
            })
        })
        .map_err(failed)?;
    // Keys that begin alike stand together.
    let infos = rows.take_while(|info| info.as_ref().map_or(true, |info| info.key.starts_with(prefix)));
    infos.collect::<rusqlite::Result<_>>().map_err(failed)
}
