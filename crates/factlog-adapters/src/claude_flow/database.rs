//! The database `events.db`: its rows in their order, as records.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::record::{RECORD_BYTES_MAX, Record};
use super::row::{COLUMNS, event, snapshot};
use super::salvage::Salvage;

/// Rows that are read at once.
const PAGE_ROWS_MAX: usize = 500;
/// Bytes of rows that are read at once, one row more at the most.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Files beside the database that hold changes which are not in it.
const BESIDE: [&str; 2] = ["-wal", "-journal"];

/// Records in their order.
pub(super) type Records = Box<dyn Iterator<Item = io::Result<Record>> + Send>;

/// What a database is.
enum Judged {
    Whole,
    Damaged(String),
    /// No store of claude-flow, and why.
    Other(String),
}

/// What is in a database, and what is wrong with it.
pub(super) fn open(path: &Path) -> io::Result<Records> {
    let before = look(path)?;
    let alone = |reason: String| Box::new(std::iter::once(Ok(Record::damage("the file", reason)))) as Records;
    if before.0 == 0 {
        let reason = "it is empty: its writer was stopped before it wrote, and what was in it is lost";
        return Ok(alone(reason.to_owned()));
    }
    let connection = connect(path).map_err(io::Error::other)?;
    let rows: Records = match judge(&connection).map_err(io::Error::other)? {
        Judged::Other(reason) => return Ok(alone(reason)),
        Judged::Whole => Box::new(Rows::new(connection)),
        Judged::Damaged(reason) => Box::new(Salvage::open(path, reason)?),
    };
    let (beside, path) = (beside(path), path.to_owned());
    let changed = std::iter::once_with(move || match look(&path) {
        Ok(after) if after == before => None,
        Ok(_) => Some(Ok(Record::damage("the file", "it was written while it was read; import it again"))),
        Err(error) => Some(Err(error)),
    });
    Ok(Box::new(beside.into_iter().map(Ok).chain(rows).chain(changed.flatten())))
}

/// The length of a file and when it was written.
fn look(path: &Path) -> io::Result<(u64, Option<SystemTime>)> {
    let about = std::fs::metadata(path)?;
    Ok((about.len(), about.modified().ok()))
}

/// What lies beside the file and should be in it.
fn beside(path: &Path) -> Vec<Record> {
    let mut found = Vec::new();
    for ending in BESIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        if std::fs::metadata(PathBuf::from(&name)).is_ok_and(|about| about.len() > 0) {
            let name = name.to_string_lossy();
            let reason = format!("{name} holds changes that were not read: let SQLite open the file once");
            found.push(Record::damage("the file", reason));
        }
    }
    found
}

/// Opens a file so that nothing is written, no lock taken and no file made beside it.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{}?mode=ro&immutable=1", uri_path(&path)), flags)
}

fn uri_path(path: &Path) -> String {
    let escaped = |byte: &u8| match byte {
        b'\\' if cfg!(windows) => "/".to_owned(),
        b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(*byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    let uri: String = path.as_os_str().as_encoded_bytes().iter().map(escaped).collect();
    // A drive's letter is no host.
    if uri.starts_with('/') { uri } else { format!("/{uri}") }
}

fn judge(connection: &Connection) -> rusqlite::Result<Judged> {
    let judged = columns(connection).and_then(|columns| {
        if let Some(missing) = COLUMNS.iter().find(|name| !columns.iter().any(|known| known == *name)) {
            let reason = match columns.len() {
                0 => "it is no store of claude-flow: it has no table events".to_owned(),
                _ => format!("it is no store of claude-flow: its table events has no {missing}"),
            };
            return Ok(Judged::Other(reason));
        }
        let said = connection.query_row("PRAGMA integrity_check(1)", [], lossy)?;
        Ok(if said == "ok" { Judged::Whole } else { Judged::Damaged(said) })
    });
    match judged {
        Err(error) if is_damage(&error) => Ok(Judged::Damaged(error.to_string())),
        judged => judged,
    }
}

fn columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info('events')")?;
    statement.query_map([], lossy)?.collect()
}

/// The text of a row; in a damaged file it may be no UTF-8.
fn lossy(row: &Row<'_>) -> rusqlite::Result<String> {
    let text = row.get_ref(0)?.as_bytes().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Whether the file is to blame. Damage has many errors: a table may be a view, an index may need a function that is not there.
fn is_damage(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::CannotOpen
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
        )
    )
}

/// The rows of a whole database: first the events, then the snapshots.
struct Rows {
    connection: Connection,
    tables: VecDeque<Table>,
    waiting: VecDeque<Record>,
}

/// One table, and how far it was read.
struct Table {
    sql: String,
    last: i64,
    read: fn(&Row<'_>) -> rusqlite::Result<(Record, usize)>,
}

impl Rows {
    fn new(connection: Connection) -> Self {
        // What is too long is not even looked at; its place stays empty.
        let bounded = |name: &&str| format!("iif(octet_length({name}) > {RECORD_BYTES_MAX}, NULL, {name})");
        let columns: Vec<String> = COLUMNS.iter().map(bounded).collect();
        let lengths: Vec<String> =
            COLUMNS.iter().map(|name| format!("coalesce(octet_length({name}), 0)")).collect();
        let page = format!("WHERE rowid > ?1 ORDER BY rowid LIMIT {PAGE_ROWS_MAX}");
        let events =
            format!("SELECT rowid, {}, {} FROM events {page}", lengths.join(" + "), columns.join(", "));
        let mut tables = VecDeque::from([Table { sql: events, last: i64::MIN, read: read_event }]);
        if connection.table_exists(None, "snapshots").unwrap_or(false) {
            let sql = format!("SELECT rowid, aggregate_type, aggregate_id FROM snapshots {page}");
            tables.push_back(Table { sql, last: i64::MIN, read: read_snapshot });
        }
        Self { connection, tables, waiting: VecDeque::new() }
    }

    /// Reads the next rows of a table; whether there were any.
    fn fill(&mut self) -> rusqlite::Result<bool> {
        let Some(table) = self.tables.front_mut() else { return Ok(false) };
        let mut statement = self.connection.prepare_cached(&table.sql)?;
        let mut rows = statement.query([table.last])?;
        let mut bytes = 0;
        while bytes < PAGE_BYTES_MAX
            && let Some(row) = rows.next()?
        {
            table.last = row.get(0)?;
            let (record, record_bytes) = (table.read)(row)?;
            bytes += record_bytes;
            self.waiting.push_back(record);
        }
        Ok(!self.waiting.is_empty())
    }
}

impl Iterator for Rows {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.waiting.is_empty() {
            let table = self.tables.front()?;
            let last = table.last;
            match self.fill() {
                Ok(true) => {}
                Ok(false) => drop(self.tables.pop_front()),
                // It was whole a moment ago.
                Err(error) if is_damage(&error) => {
                    self.tables.clear();
                    let reason =
                        format!("{error}: what comes behind row {last} was not read; import it again");
                    return Some(Ok(Record::damage("the file", reason)));
                }
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        }
        self.waiting.pop_front().map(Ok)
    }
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<(Record, usize)> {
    let (rowid, bytes): (i64, usize) = (row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs() as usize);
    if bytes > RECORD_BYTES_MAX {
        let reason = format!("it has {bytes} bytes; {RECORD_BYTES_MAX} are allowed");
        return Ok((Record::damage(format!("row {rowid}"), reason), 0));
    }
    let mut values = Vec::with_capacity(COLUMNS.len());
    for column in 0..COLUMNS.len() {
        values.push(value(row, column + 2)?);
    }
    Ok((event(rowid, &values), bytes))
}

/// A value; a text that is no UTF-8 is one of bytes.
fn value(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    let value = row.get_ref(column)?;
    Ok(match Value::try_from(value) {
        Ok(value) => value,
        Err(_) => Value::Blob(value.as_bytes().map(<[u8]>::to_vec).unwrap_or_default()),
    })
}

fn read_snapshot(row: &Row<'_>) -> rusqlite::Result<(Record, usize)> {
    let (rowid, kind, id) = (row.get(0)?, value(row, 1)?, value(row, 2)?);
    Ok((snapshot(rowid, &kind, &id), 0))
}
