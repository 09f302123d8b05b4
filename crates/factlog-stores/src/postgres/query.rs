//! One page in one statement: candidates from the best index, the filter in SQL, and the filter itself as the judge of what comes.

use std::borrow::Cow;
use std::fmt::Write;
use std::pin::pin;
use std::sync::Arc;

use deadpool_postgres::Object;
use factlog::limits::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX, PAGE_SCAN_EVENTS_MAX, POSITION_MAX};
use factlog::{Cursor, Event, Filter, Page, Position, Read, Result};
use futures_util::TryStreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::condition::{Condition, like};
use super::names::Names;
use super::pool::{self, Pool, Tries};
use super::request::{Moment, Request, number, position};
use super::row::{COLUMNS, Recent, column, decode};
use super::transaction::Failed;

/// More keys than this in one field, and the table is scanned instead.
const KEYS_MAX: usize = 64;
/// Types that are looked through for those that a pattern stands for.
const TYPES_MAX: i64 = 1_000;
/// Candidates per page when the filter asks for more than the index knows.
const CANDIDATES_MIN: usize = 256;
const CANDIDATES_MAX: usize = 5_000;
/// Bytes of rows that one page takes from the server, whether the filter lets them through or not.
const LOOKED_AT_BYTES_MAX: usize = 4 * PAGE_BYTES_MAX;
/// Positions that one page passes over in the server.
const SCANNED_MAX: i64 = 5 * PAGE_SCAN_EVENTS_MAX as i64;

/// Where a filter's events are looked for.
enum Plan {
    /// At each of these values of one indexed column.
    Keys { column: &'static str, values: String, is_all: bool },
    /// From one event to the next, where every one fits.
    Next,
    /// Over so many positions.
    Scan,
}

/// The types that a filter's patterns stand for.
#[derive(Default)]
struct Types {
    /// None where they are too many to be keys.
    keys: Option<Vec<String>>,
    /// The newest position when they were looked up: behind it there may be others. None where that does not matter.
    known_to: Option<Position>,
}

/// A page being asked for.
struct Asked {
    request: Request,
    /// Rows that are wanted: one more than fit, to see whether there are more.
    limit: usize,
    /// Candidates that are looked at.
    wanted: usize,
    plan: Plan,
}

/// The newest position.
pub(super) fn head(names: &Names) -> Request {
    Request::new(names.sql("SELECT coalesce(max(position), 0) FROM {events}"))
}

/// One page.
pub(super) async fn page(pool: &Pool, read: &Read) -> Result<Page> {
    let types = types_of(pool, &read.filter).await?;
    let read = narrowed(pool, read).await?;
    let limit = pool.rows_of_a_page(read.limit);
    let asked = ask(&pool.options.names, &read, types, limit);
    let mut tries = Tries::new(&pool.options);
    loop {
        let connection = match pool.get().await {
            Ok(connection) => connection,
            Err(lost) => {
                tries.again(lost).await?;
                continue;
            }
        };
        let filling = pool.in_time(&connection, Filling::of(&connection, &read, &asked)).await;
        match pool::kept(connection, filling) {
            Ok((filling, connection)) => {
                pool.rows_were(filling.rows, filling.row_bytes);
                if filling.leaves_much(&asked) {
                    drop(Object::take(connection));
                }
                return Ok(filling.page(&read, &asked));
            }
            Err(lost) => tries.again(lost).await?,
        }
    }
}

/// One page on this connection: inside a transaction.
pub(super) async fn page_on(client: &Client, names: &Names, read: &Read) -> Result<Page, Failed> {
    let exact = read.filter.types.iter().map(|pattern| pattern.exact().map(str::to_owned));
    let types = exact.collect::<Option<Vec<String>>>().filter(|types| types.len() <= KEYS_MAX);
    let asked = ask(names, read, Types { keys: types, known_to: None }, read.limit);
    Ok(Filling::of(client, read, &asked).await?.page(read, &asked))
}

/// The read from where its recorded times begin: positions follow these times.
async fn narrowed<'a>(pool: &Pool, read: &'a Read) -> Result<Cow<'a, Read>> {
    let (moment, is_backwards) = match read.cursor {
        Cursor::After(_) => (read.filter.recorded.from, false),
        Cursor::Before(_) => (read.filter.recorded.to, true),
    };
    let Some(moment) = moment else { return Ok(Cow::Borrowed(read)) };
    let sql = pool.options.names.sql("SELECT {recorded_before}($1)");
    let row = pool.ask_one(&Request::new(sql).with(Moment(moment), Type::TIMESTAMPTZ)).await?;
    let before = position(column(&row, 0)?);
    let at = read.cursor.position();
    let cursor = if is_backwards { at.min(Position(before.0 + 1)) } else { at.max(before) };
    Ok(Cow::Owned(Read { cursor: read.cursor.at(cursor), ..read.clone() }))
}

/// The types that the filter's patterns stand for, where they are few enough to be keys.
async fn types_of(pool: &Pool, filter: &Filter) -> Result<Types> {
    let patterns = like(&filter.types);
    let exact = filter.types.iter().filter_map(|pattern| pattern.exact().map(str::to_owned));
    let mut types: Vec<String> = exact.collect();
    let mut known_to = None;
    let is_found_otherwise = !filter.ids.is_empty()
        || [filter.correlation.len(), filter.streams.len(), filter.categories.len()].into_iter().any(few);
    if !patterns.is_empty() && !is_found_otherwise {
        // Looked up one by one, since an index of types has each as often as it happened.
        let sql = "WITH RECURSIVE each(type, n) AS (
                       (SELECT type, 1 FROM {events} ORDER BY type LIMIT 1)
                       UNION ALL
                       SELECT (SELECT e.type FROM {events} e WHERE e.type > each.type ORDER BY e.type LIMIT 1), n + 1
                       FROM each WHERE each.type IS NOT NULL AND n < $2
                   )
                   SELECT max(n), array_agg(type) FILTER (WHERE type LIKE ANY ($1)), count(type),
                       (SELECT coalesce(max(position), 0) FROM {events}) FROM each";
        let request = Request::new(pool.options.names.sql(sql))
            .with(patterns, Type::TEXT_ARRAY)
            .with(TYPES_MAX as i32, Type::INT4);
        let row = pool.ask_one(&request).await?;
        let looked_at: Option<i32> = column(&row, 0)?;
        let found: Option<Vec<String>> = column(&row, 1)?;
        let known: i64 = column(&row, 2)?;
        let found = found.unwrap_or_default();
        if i64::from(looked_at.unwrap_or(0)) >= TYPES_MAX || found.len() as i64 == known {
            return Ok(Types::default());
        }
        known_to = Some(position(column(&row, 3)?));
        types.extend(found);
        types.sort_unstable();
        types.dedup();
    }
    if types.len() > KEYS_MAX {
        return Ok(Types::default());
    }
    Ok(Types { keys: Some(types), known_to })
}

/// Whether so many values of a field are keys.
fn few(count: usize) -> bool {
    (1..=KEYS_MAX).contains(&count)
}

fn plan(filter: &Filter, types: Option<Vec<String>>, request: &mut Request) -> Plan {
    let is_all = |fields: Filter| fields == *filter;
    if !filter.ids.is_empty() {
        let values = request.bind(filter.ids.iter().map(|id| id.0).collect::<Vec<_>>(), Type::UUID_ARRAY);
        let is_all = is_all(Filter { ids: filter.ids.clone(), ..Filter::all() });
        return Plan::Keys { column: "id", values, is_all };
    }
    let mut keys = |column, values: Vec<String>, is_all| Plan::Keys {
        column,
        values: request.bind(values, Type::TEXT_ARRAY),
        is_all,
    };
    if few(filter.correlation.len()) {
        let values = filter.correlation.iter().map(ToString::to_string).collect();
        let is_all = is_all(Filter { correlation: filter.correlation.clone(), ..Filter::all() });
        return keys("correlation_id", values, is_all);
    }
    if few(filter.streams.len()) {
        let values = filter.streams.iter().map(ToString::to_string).collect();
        let is_all = is_all(Filter { streams: filter.streams.clone(), ..Filter::all() });
        return keys("stream", values, is_all);
    }
    if few(filter.categories.len()) {
        let values = filter.categories.iter().map(ToString::to_string).collect();
        let is_all = is_all(Filter { categories: filter.categories.clone(), ..Filter::all() });
        return keys("split_part(stream, '-', 1)", values, is_all);
    }
    match types {
        Some(types) if !filter.types.is_empty() => {
            let is_all = is_all(Filter { types: filter.types.clone(), ..Filter::all() });
            keys("type", types, is_all)
        }
        _ if *filter == Filter::all() => Plan::Next,
        _ => Plan::Scan,
    }
}

fn ask(names: &Names, read: &Read, types: Types, limit: usize) -> Asked {
    let mut request = Request::default();
    let is_backwards = matches!(read.cursor, Cursor::Before(_));
    let order = if is_backwards { "DESC" } else { "ASC" };
    let limit = limit.clamp(1, PAGE_EVENTS_MAX) + 1;
    // Behind all positions, and yet a number that can be added to.
    let beyond = Position(POSITION_MAX + 1);
    let from = request.bind(number(read.cursor.position().min(beyond)), Type::INT8);
    let mut window = if is_backwards { format!("< {from}") } else { format!("> {from}") };
    let events = names.sql("{events}");
    let mut head = format!("(SELECT coalesce(max(position), 0) FROM {events})");
    if let Some(known_to) = types.known_to {
        let known_to = request.bind(number(known_to), Type::INT8);
        head = format!("least({head}, {known_to})");
        let _ = write!(window, " AND position <= {known_to}");
    }
    let condition = Condition::of(&read.filter, names, &mut request);
    let plan = plan(&read.filter, types.keys, &mut request);
    let wanted = match &plan {
        Plan::Keys { is_all: true, .. } | Plan::Next if condition.is_exact => limit,
        _ => (limit * 4).clamp(CANDIDATES_MIN, CANDIDATES_MAX),
    };
    let (candidates, seen) = match &plan {
        Plan::Keys { column, values, .. } => (
            format!(
                "WITH candidates AS MATERIALIZED (
                    SELECT DISTINCT k.position FROM unnest({values}) v(value) CROSS JOIN LATERAL (
                        SELECT position FROM {events} WHERE {column} = v.value AND position {window}
                        ORDER BY position {order} LIMIT {wanted}
                    ) k ORDER BY k.position {order} LIMIT {wanted}
                )"
            ),
            "(SELECT count(*) FROM candidates), (SELECT max(position) FROM candidates), (SELECT min(position) FROM candidates)",
        ),
        Plan::Next | Plan::Scan => (String::new(), "0::bigint, 0::bigint, 0::bigint"),
    };
    let source = match &plan {
        Plan::Keys { .. } => format!(
            "candidates c CROSS JOIN LATERAL (SELECT * FROM {events} x WHERE x.position = c.position OFFSET 0) e WHERE true"
        ),
        Plan::Next => format!("{events} e WHERE e.position {window}"),
        Plan::Scan if is_backwards => {
            format!(
                "{events} e WHERE e.position {window} AND e.position >= least({from}, {head} + 1) - {SCANNED_MAX}"
            )
        }
        Plan::Scan => {
            format!("{events} e WHERE e.position {window} AND e.position <= {from} + {SCANNED_MAX}")
        }
    };
    let and = condition.and();
    let nothing = "NULL, ".repeat(COLUMNS.split(',').count() - 1);
    // The first row tells of the page, the others are its events.
    request.sql = format!(
        "{candidates} SELECT {head}, {seen}, {nothing}NULL
         UNION ALL
         (SELECT NULL, NULL, NULL, NULL, {COLUMNS} FROM {source}{and} ORDER BY e.position {order} LIMIT {limit})"
    );
    Asked { request, limit, wanted, plan }
}

/// Columns before those of an event.
const EVENT: usize = 4;

/// A page being filled.
struct Filling {
    events: Vec<Arc<Event>>,
    next: Position,
    head: Position,
    /// How many candidates were looked at, and the last of them.
    candidates: (i64, Position),
    rows: usize,
    row_bytes: usize,
    /// Whether there is more than fits.
    is_full: bool,
}

impl Filling {
    /// Asks, and takes the rows as they come; none more than fit.
    async fn of(client: &Client, read: &Read, asked: &Asked) -> Result<Self, Failed> {
        let mut filling = Self {
            events: Vec::new(),
            next: read.cursor.position(),
            head: Position::START,
            candidates: (0, Position::START),
            rows: 0,
            row_bytes: 0,
            is_full: false,
        };
        let mut recent = Recent::default();
        let mut bytes = 0;
        let mut rows = pin!(asked.request.stream(client).await?);
        let mut is_first = true;
        while let Some(row) = rows.try_next().await? {
            if std::mem::take(&mut is_first) {
                filling.begin(read, &row)?;
                continue;
            }
            if filling.rows + 1 == asked.limit {
                filling.is_full = true;
                break;
            }
            let event = match decode(&mut recent, &row, EVENT) {
                // What is good before it is given first, and the error at its own place.
                Err(_) if filling.rows > 0 => {
                    filling.is_full = true;
                    break;
                }
                decoded => decoded?,
            };
            let weight = event.bytes();
            filling.rows += 1;
            filling.row_bytes += weight;
            let at = event.position;
            let is_meant = read.filter.matches(&event);
            if (is_meant && bytes > 0 && bytes + weight > PAGE_BYTES_MAX)
                || filling.row_bytes > LOOKED_AT_BYTES_MAX
            {
                filling.is_full = filling.next != read.cursor.position();
            }
            if filling.is_full {
                break;
            }
            if is_meant {
                bytes += weight;
                filling.events.push(event);
            }
            filling.next = at;
        }
        Ok(filling)
    }

    fn begin(&mut self, read: &Read, row: &Row) -> Result<()> {
        self.head = position(column(row, 0)?);
        let last = if matches!(read.cursor, Cursor::Before(_)) { 3 } else { 2 };
        let last: Option<i64> = column(row, last)?;
        self.candidates = (column(row, 1)?, position(last.unwrap_or_default()));
        Ok(())
    }

    /// Whether so many rows are still to come that a connection is cheaper.
    fn leaves_much(&self, asked: &Asked) -> bool {
        self.is_full && self.rows + 1 < asked.limit && self.rows < asked.limit / 2
    }

    fn page(self, read: &Read, asked: &Asked) -> Page {
        if self.is_full {
            return Page { events: self.events, next: self.next, more: true };
        }
        let end = self.end(read, asked);
        let next = end.unwrap_or(match read.cursor {
            Cursor::After(position) => self.head.max(position).max(self.next),
            Cursor::Before(_) => Position::START,
        });
        Page { events: self.events, next, more: end.is_some() }
    }

    /// Up to where the page has looked; none when there is nothing behind it.
    fn end(&self, read: &Read, asked: &Asked) -> Option<Position> {
        let head = number(self.head);
        match (&asked.plan, read.cursor) {
            (Plan::Next, _) => None,
            (Plan::Keys { .. }, _) => {
                let (seen, last) = self.candidates;
                (seen >= asked.wanted as i64).then_some(last)
            }
            (Plan::Scan, Cursor::After(from)) => {
                let end = number(from).saturating_add(SCANNED_MAX);
                (end < head).then(|| position(end))
            }
            (Plan::Scan, Cursor::Before(from)) => {
                let begin = number(from).min(head + 1) - SCANNED_MAX;
                (begin > 1).then(|| position(begin))
            }
        }
    }
}
