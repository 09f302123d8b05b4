//! A run: what the lists are to tell next, as rows in an order of their own. Whoever makes it of one file makes the same, so
//! that one process can go on where another has stopped.

use factlog::Result;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql};

use super::super::query::failed;
use super::lagging::is_v7;
use super::lists::{self, Lists};
use super::tail::Entry;
use super::{Correlated, State};

/// A row of a list is no longer than this by much: SQLite puts what is longer on pages of its own.
const LIST_BYTES_MAX: usize = 900;

/// The rows of a run, in the order in which they are written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Run {
    /// It tells of what comes after one position and up to another.
    pub(super) after: i64,
    pub(super) upto: i64,
    named_upto: i64,
    newest_v7: [u8; 16],
    ids: Vec<([u8; 16], i64)>,
    names: Vec<(String, i64)>,
    categories: Vec<(String, i64)>,
    lists: Vec<List>,
}

/// Some positions of one key.
#[derive(Debug, PartialEq, Eq)]
struct List {
    of: Lists,
    key: ListKey,
    first: i64,
    offsets: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ListKey {
    Number(i64),
    Correlated(Correlated),
}

impl ToSql for ListKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Number(number) => number.to_sql(),
            Self::Correlated(correlation) => correlation.to_sql(),
        }
    }
}

/// Makes the run that the state tells of; the connection sees all that it is to tell.
pub(in super::super) fn build(connection: &Connection, state: &State) -> Result<Run> {
    let mut run = Run {
        after: state.indexed_upto,
        upto: state.run_upto,
        named_upto: state.run_named_upto,
        newest_v7: state.newest_v7,
        ..Run::default()
    };
    let (mut streams, mut types, mut correlations) = (Vec::new(), Vec::new(), Vec::new());
    let sql = format!(
        "SELECT {} FROM events WHERE position > ?1 AND position <= ?2 ORDER BY position",
        Entry::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((run.after, run.upto)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let Entry { position, sid, tid, correlation, id } = Entry::of_row(row).map_err(failed)?;
        if is_v7(&id) {
            run.newest_v7 = run.newest_v7.max(id);
        }
        run.ids.push((id, position));
        streams.push((ListKey::Number(sid), position));
        types.push((ListKey::Number(tid), position));
        correlations.extend(correlation.map(|correlation| (ListKey::Correlated(correlation), position)));
    }
    run.ids.sort_unstable();
    run.add_names(connection, state.named_upto)?;
    run.add_lists(lists::STREAMS, streams);
    run.add_lists(lists::TYPES, types);
    run.add_lists(lists::CORRELATIONS, correlations);
    Ok(run)
}

impl Run {
    fn add_names(&mut self, connection: &Connection, after: i64) -> Result<()> {
        let sql = "SELECT sid, name, category FROM streams WHERE sid > ?1 AND sid <= ?2";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query((after, self.named_upto)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let sid = row.get(0).map_err(failed)?;
            self.names.push((row.get(1).map_err(failed)?, sid));
            self.categories.push((row.get(2).map_err(failed)?, sid));
        }
        self.names.sort_unstable();
        self.categories.sort_unstable();
        Ok(())
    }

    fn add_lists(&mut self, of: Lists, mut places: Vec<(ListKey, i64)>) {
        places.sort_unstable();
        let mut open: Option<List> = None;
        for (key, position) in places {
            let fits =
                open.as_ref().is_some_and(|list| list.key == key && list.offsets.len() < LIST_BYTES_MAX);
            if !fits {
                self.close(open.take());
            }
            let list = open.get_or_insert_with(|| List { of, key, first: position, offsets: String::new() });
            lists::add(&mut list.offsets, position - list.first);
        }
        self.close(open);
    }

    fn close(&mut self, list: Option<List>) {
        self.lists.extend(list.map(|mut list| {
            list.offsets.push(']');
            list
        }));
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.ids.len() + self.names.len() + self.categories.len() + self.lists.len()
    }

    /// Events of which it tells.
    pub(super) fn events(&self) -> usize {
        self.ids.len()
    }

    /// Whether it is the one of which the state tells.
    pub(super) fn is_of(&self, state: &State) -> bool {
        (self.after, self.upto) == (state.indexed_upto, state.run_upto)
    }

    /// What the state is once all its rows are written.
    pub(super) fn done(&self) -> State {
        State {
            indexed_upto: self.upto,
            named_upto: self.named_upto,
            newest_v7: self.newest_v7,
            run_upto: self.upto,
            run_named_upto: self.named_upto,
            run_rows: 0,
        }
    }

    /// Writes so many rows from one on; rows that are there already are written again as they were.
    pub(super) fn write(&self, connection: &Connection, from: usize, rows: usize) -> Result<()> {
        let (mut from, mut rows) = (from, rows);
        let ids = part(&self.ids, &mut from, &mut rows);
        each(connection, "INSERT OR REPLACE INTO index_ids VALUES (?1, ?2)", ids, |(id, position)| {
            (&id[..], *position)
        })?;
        let names = part(&self.names, &mut from, &mut rows);
        each(connection, "INSERT OR REPLACE INTO index_names VALUES (?1, ?2)", names, |(name, sid)| {
            (name.as_str(), *sid)
        })?;
        let categories = part(&self.categories, &mut from, &mut rows);
        let sql = "INSERT OR REPLACE INTO index_categories VALUES (?1, ?2)";
        each(connection, sql, categories, |(category, sid)| (category.as_str(), *sid))?;
        let lists = part(&self.lists, &mut from, &mut rows);
        for same in lists.chunk_by(|a, b| a.of == b.of) {
            let sql = format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2, ?3)", same[0].of.table);
            each(connection, &sql, same, |list| (&list.key, list.first, list.offsets.as_str()))?;
        }
        Ok(())
    }
}

/// As much of these rows as is asked for, with what is left to ask of the next.
fn part<'a, T>(all: &'a [T], from: &mut usize, rows: &mut usize) -> &'a [T] {
    let begin = (*from).min(all.len());
    let end = (begin + *rows).min(all.len());
    *from -= begin;
    *rows -= end - begin;
    &all[begin..end]
}

fn each<'a, T, P: rusqlite::Params>(
    connection: &Connection,
    sql: &str,
    rows: &'a [T],
    columns: impl Fn(&'a T) -> P,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    for row in rows {
        statement.execute(columns(row)).map_err(failed)?;
    }
    Ok(())
}
