//! One page: candidates from the best index, judged by the filter itself, so that SQL cannot disagree with it.

mod sieve;

use std::rc::Rc;

use factlog::limits::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX, PAGE_SCAN_EVENTS_MAX};
use factlog::{Cursor, Error, Filter, Page, Position, Read, Result, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::index::{Correlated, Key, View, Window};
use super::row::{COLUMNS, Names, decode};
use sieve::Sieve;

/// More keys than this in one field, and the table is scanned instead.
const KEYS_MAX: usize = 64;
/// Candidates per page when the filter asks for more than the index knows.
const CANDIDATES_MIN: usize = 256;
const CANDIDATES_MAX: usize = 5_000;
/// Rows, and bytes of them, that one page looks at without decoding them.
const SIEVED_ROWS_MAX: usize = 200_000;
const SIEVED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Rows that the sieve lets through, decoded together.
const SIEVED_TOGETHER: usize = 256;

/// Where the filter's events can be found.
enum Plan {
    /// At these places of one index; `exact` when the index knows all that the filter asks.
    Keys { keys: Vec<Key>, exact: bool },
    /// Anywhere.
    Scan,
}

pub(super) fn failed(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            Error::unavailable("another process keeps the log locked").with_cause(error)
        }
        Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::ReadOnly) => {
            super::error::told(std::path::Path::new("the log"), error)
        }
        _ => Error::corrupt("the log's tables", error.to_string()).with_cause(error),
    }
}

/// The newest position.
pub(super) fn head(connection: &Connection) -> Result<Position> {
    let newest: Option<i64> =
        one(connection, "SELECT max(position) FROM events", [], |row| row.get(0))?.flatten();
    Ok(Position(newest.unwrap_or(0) as u64))
}

/// The index as of a head, for so many questions.
pub(super) type Shown<'a, 'b> = dyn Fn(Position, usize) -> Result<View<'a>> + 'b;

/// One page in one snapshot; the caller holds the transaction, and shows the index where it is needed.
pub(super) fn page(
    connection: &Connection,
    names: &mut Names,
    read: &Read,
    index: &Shown<'_, '_>,
) -> Result<Page> {
    let head = head(connection)?;
    let window = window(connection, read, head)?;
    let limit = read.limit.clamp(1, PAGE_EVENTS_MAX);
    let mut filling = Filling { read, limit, bytes: 0, full: false, page: empty(read.cursor) };
    let looked_at_all = if window.after + 1 >= window.before {
        true
    } else if !has_keys(&read.filter) {
        filling.look_through(connection, names, window)?
    } else {
        let view = index(head, questions(&read.filter))?;
        match plan(connection, &view, &read.filter)? {
            Plan::Scan => filling.look_through(connection, names, window)?,
            Plan::Keys { keys, exact } => {
                let wanted =
                    if exact { limit + 1 } else { (limit * 4).clamp(CANDIDATES_MIN, CANDIDATES_MAX) };
                filling.pick(connection, names, &view, &keys, window, wanted)?
            }
        }
    };
    let mut page = filling.page;
    page.more = !looked_at_all;
    if looked_at_all {
        page.next = match read.cursor {
            Cursor::After(position) => head.max(position),
            Cursor::Before(_) => Position::START,
        };
    }
    Ok(page)
}

fn empty(cursor: Cursor) -> Page {
    Page { events: Vec::new(), next: cursor.position(), more: false }
}

/// A page being filled.
struct Filling<'a> {
    read: &'a Read,
    limit: usize,
    bytes: usize,
    full: bool,
    page: Page,
}

impl Filling<'_> {
    /// Takes a row in; `false` when the page is full and the row is left for the next one.
    fn take(&mut self, connection: &Connection, names: &mut Names, row: &Row<'_>) -> Result<bool> {
        if self.page.events.len() == self.limit {
            self.full = true;
            return Ok(false);
        }
        let event = decode(connection, names, row)?;
        let position = event.position;
        if self.read.filter.matches(&event) {
            let bytes = event.bytes();
            if self.bytes > 0 && self.bytes + bytes > PAGE_BYTES_MAX {
                self.full = true;
                return Ok(false);
            }
            self.bytes += bytes;
            self.page.events.push(event);
        }
        self.page.next = position;
        Ok(true)
    }

    /// Looks at the events of keys in the window; `true` when it has seen them all. Where removals have emptied all the
    /// positions that it is shown, it goes on.
    fn pick(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        view: &View<'_>,
        keys: &[Key],
        mut window: Window,
        mut wanted: usize,
    ) -> Result<bool> {
        let mut looked_at = 0;
        loop {
            let (positions, complete) = candidates(view, keys, window, wanted)?;
            let last = positions.last().copied();
            looked_at += positions.len();
            let seen = self.fetch(connection, names, positions)?;
            if complete || !seen || !self.page.events.is_empty() || looked_at >= PAGE_SCAN_EVENTS_MAX {
                return Ok(seen && complete);
            }
            window = last.map_or(window, |last| window.past(last));
            wanted = CANDIDATES_MAX;
        }
    }

    /// Looks at every event in the window, or at those that a sieve lets through; `true` when it has seen them all.
    fn look_through(&mut self, connection: &Connection, names: &mut Names, window: Window) -> Result<bool> {
        match Sieve::of(&self.read.filter) {
            Some(sieve) => self.sieve(connection, names, window, &sieve),
            None => self.scan(connection, names, window),
        }
    }

    /// Looks at every event in the window; `true` when it has seen them all.
    fn scan(&mut self, connection: &Connection, names: &mut Names, window: Window) -> Result<bool> {
        let order = window.order();
        let sql = format!(
            "SELECT {COLUMNS} FROM events e WHERE position > ?1 AND position < ?2 ORDER BY position {order} LIMIT ?3"
        );
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let bounds = (window.after, window.before, PAGE_SCAN_EVENTS_MAX as i64);
        let mut rows = statement.query(bounds).map_err(failed)?;
        let mut scanned = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            if !self.take(connection, names, row)? {
                return Ok(false);
            }
            scanned += 1;
        }
        Ok(scanned < PAGE_SCAN_EVENTS_MAX)
    }

    /// Looks at every row in the window and decodes those that the sieve lets through; `true` when it has seen them all.
    fn sieve(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        window: Window,
        sieve: &Sieve,
    ) -> Result<bool> {
        let order = window.order();
        let [envelope, data] = sieve.columns();
        let sql = format!(
            "SELECT e.position, {envelope}, {data} FROM events e WHERE position > ?1 AND position < ?2 \
             ORDER BY position {order} LIMIT ?3"
        );
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let bounds = (window.after, window.before, SIEVED_ROWS_MAX as i64);
        let mut rows = statement.query(bounds).map_err(failed)?;
        let (mut looked_at, mut bytes, mut decoded, mut last) = (0, 0, 0, self.page.next);
        let mut found = Vec::new();
        loop {
            let row = rows.next().map_err(failed)?;
            let is_last = row.is_none() || bytes >= SIEVED_BYTES_MAX;
            if is_last || found.len() == SIEVED_TOGETHER {
                decoded += found.len();
                if !self.fetch(connection, names, std::mem::take(&mut found))? {
                    return Ok(false);
                }
                self.page.next = last;
            }
            let Some(row) = row.filter(|_| !is_last && decoded < PAGE_SCAN_EVENTS_MAX) else {
                return Ok(row.is_none() && looked_at < SIEVED_ROWS_MAX);
            };
            let position: i64 = row.get(0).map_err(failed)?;
            let columns = [row.get_ref(1).map_err(failed)?, row.get_ref(2).map_err(failed)?];
            if sieve.lets_through(columns[0], columns[1]) {
                found.push(position);
            }
            looked_at += 1;
            bytes += columns.iter().map(|column| column.as_bytes().map_or(0, <[u8]>::len)).sum::<usize>();
            last = Position(position as u64);
        }
    }

    /// Looks at the events at these positions, in this order; `true` when it has seen them all.
    fn fetch(&mut self, connection: &Connection, names: &mut Names, positions: Vec<i64>) -> Result<bool> {
        let sql = format!("SELECT {COLUMNS} FROM rarray(?1) a CROSS JOIN events e ON e.position = a.value");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let last = positions.last().map(|last| Position(*last as u64));
        let values: Rc<Vec<Value>> = Rc::new(positions.into_iter().map(Value::from).collect());
        let mut rows = statement.query([values]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !self.take(connection, names, row)? {
                return Ok(false);
            }
        }
        // Also past positions that a removal has emptied.
        self.page.next = last.unwrap_or(self.page.next);
        Ok(!self.full)
    }
}

/// Positions in the order of the window, at most `wanted`, and whether these are all.
fn candidates(view: &View<'_>, keys: &[Key], window: Window, wanted: usize) -> Result<(Vec<i64>, bool)> {
    let mut positions = Vec::new();
    let mut complete = true;
    for key in keys {
        let found = view.positions(key, window, wanted)?;
        complete &= found.len() < wanted;
        positions.extend(found);
    }
    if window.backwards {
        positions.sort_unstable_by(|a, b| b.cmp(a));
    } else {
        positions.sort_unstable();
    }
    positions.dedup();
    // Every key has given its first `wanted`, so the first `wanted` of them together are right.
    complete &= positions.len() <= wanted;
    positions.truncate(wanted);
    Ok((positions, complete))
}

pub(super) fn all(connection: &Connection, sql: &str, parameters: impl Params) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map(parameters, |row| row.get(0)).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    take: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.query_row(parameters, take).optional().map_err(failed)
}

/// How many questions a page of this filter asks of the index, about.
fn questions(filter: &Filter) -> usize {
    let Filter { ids, correlation, streams, categories, types, .. } = filter;
    ids.len() + correlation.len() + streams.len() + categories.len() + types.len()
}

/// Whether an index may know where the filter's events are.
fn has_keys(filter: &Filter) -> bool {
    questions(filter) > 0
}

fn plan(connection: &Connection, view: &View<'_>, filter: &Filter) -> Result<Plan> {
    let only = |fields: Filter| fields == *filter;
    if !filter.ids.is_empty() {
        let keys = filter.ids.iter().map(|id| Key::Id(id.0.into_bytes())).collect();
        return Ok(Plan::Keys { keys, exact: only(Filter { ids: filter.ids.clone(), ..Filter::all() }) });
    }
    if !filter.correlation.is_empty() && filter.correlation.len() <= KEYS_MAX {
        let keys = filter.correlation.iter().map(|text| Key::Correlation(Correlated::of(text))).collect();
        let exact = only(Filter { correlation: filter.correlation.clone(), ..Filter::all() });
        return Ok(Plan::Keys { keys, exact });
    }
    if !filter.streams.is_empty() && filter.streams.len() <= KEYS_MAX {
        let mut keys = Vec::new();
        for name in &filter.streams {
            keys.extend(view.sid(name)?.map(Key::Stream));
        }
        let exact = only(Filter { streams: filter.streams.clone(), ..Filter::all() });
        return Ok(Plan::Keys { keys, exact });
    }
    let keys = keys_of_categories(view, filter)?;
    if !filter.categories.is_empty() && keys.len() <= KEYS_MAX {
        let exact = only(Filter { categories: filter.categories.clone(), ..Filter::all() });
        return Ok(Plan::Keys { keys, exact });
    }
    if !filter.types.is_empty() {
        let known = one(connection, "SELECT count(*) FROM types", [], |row| row.get::<_, i64>(0))?;
        let keys: Vec<Key> = types_of(connection, filter)?.into_iter().map(Key::Type).collect();
        if keys.len() <= KEYS_MAX && keys.len() < known.unwrap_or(0) as usize {
            let exact = only(Filter { types: filter.types.clone(), ..Filter::all() });
            return Ok(Plan::Keys { keys, exact });
        }
    }
    Ok(Plan::Scan)
}

/// The streams of the categories, one more than is of use at the most.
fn keys_of_categories(view: &View<'_>, filter: &Filter) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    for category in filter.categories.iter().take(KEYS_MAX + 1) {
        keys.extend(view.sids_of_category(category, KEYS_MAX + 1)?.into_iter().map(Key::Stream));
    }
    Ok(keys)
}

/// The numbers of the types that the patterns stand for.
pub(super) fn types_of(connection: &Connection, filter: &Filter) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached("SELECT tid, name FROM types").map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut tids = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let name: String = row.get(1).map_err(failed)?;
        if filter.types.iter().any(|pattern| pattern.matches(&name)) {
            tids.push(row.get(0).map_err(failed)?);
        }
    }
    Ok(tids)
}

fn window(connection: &Connection, read: &Read, head: Position) -> Result<Window> {
    // A cursor may lie past every position there can be.
    let number = |position: Position| position.min(Position::MAX).0 as i64;
    let (mut after, mut before, backwards) = match read.cursor {
        Cursor::After(position) => (number(position), i64::MAX, false),
        Cursor::Before(position) => (0, number(position), true),
    };
    // The store's time follows positions, so its bounds are positions too.
    if let Some(from) = read.filter.recorded.from {
        after = after.max(first_recorded(connection, from, head)? - 1);
    }
    if let Some(to) = read.filter.recorded.to {
        before = before.min(first_recorded(connection, to, head)?);
    }
    Ok(Window { after, before, backwards })
}

/// The first position that was recorded at a time or later; one past the head where there is none.
fn first_recorded(connection: &Connection, time: Timestamp, head: Position) -> Result<i64> {
    let sql = "SELECT position, recorded_at FROM events WHERE position >= ?1 ORDER BY position LIMIT 1";
    let (mut low, mut high) = (1, head.0 as i64 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = one(connection, sql, [middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        match found {
            Some((position, recorded)) if recorded < time.as_micros() => low = position + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
