//! The lists in the file: for each key, rows of positions, each row a run's or a part of it.

use factlog::{Error, Result};
use rusqlite::Connection;

use super::super::query::failed;
use super::{Key, Window};

/// A table of lists, and its column with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lists {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
}

pub(super) const STREAMS: Lists = Lists { table: "index_streams", key: "sid" };
pub(super) const TYPES: Lists = Lists { table: "index_types", key: "tid" };
pub(super) const CORRELATIONS: Lists = Lists { table: "index_correlations", key: "correlation" };

/// The lists in which a key is; none for an id, which has a table of its own.
fn of(key: &Key) -> Option<Lists> {
    match key {
        Key::Id(_) => None,
        Key::Correlation(_) => Some(CORRELATIONS),
        Key::Stream(_) => Some(STREAMS),
        Key::Type(_) => Some(TYPES),
    }
}

/// Positions of a key in a window.
pub(super) fn positions(
    connection: &Connection,
    key: &Key,
    window: Window,
    wanted: usize,
) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    let Some(Lists { table, key: column }) = of(key).filter(|_| !window.is_empty() && wanted > 0) else {
        return Ok(found);
    };
    // The row in which the window begins is the last that begins before it.
    let from = if window.backwards {
        String::new()
    } else {
        format!(
            "AND first >= coalesce((SELECT max(first) FROM {table} WHERE {column} = ?1 AND first <= ?2), 0)"
        )
    };
    let sql = format!(
        "SELECT first, offsets FROM {table} WHERE {column} = ?1 AND first < ?3 {from} AND ?2 IS NOT NULL \
         ORDER BY first {}",
        window.order()
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((key, window.after, window.before)).map_err(failed)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let first: i64 = row.get(0).map_err(failed)?;
        list.clear();
        read(first, row.get_ref(1).and_then(|text| Ok(text.as_str()?)).map_err(failed)?, &mut list)
            .ok_or_else(|| {
                Error::corrupt(format!("table {table}"), format!("the list at {first} is none"))
            })?;
        let is_past = window.backwards && list.last().is_none_or(|last| *last <= window.after);
        let within = list.iter().copied().filter(|position| window.has(*position));
        let room = wanted - found.len();
        if window.backwards {
            found.extend(within.rev().take(room));
        } else {
            found.extend(within.take(room));
        }
        if found.len() == wanted || is_past {
            break;
        }
    }
    Ok(found)
}

/// The positions of a list as a JSON array of what is to be added to the first: `[0,3,17]`; none if it is no such list.
pub(super) fn read(first: i64, offsets: &str, positions: &mut Vec<i64>) -> Option<()> {
    let inner = offsets.strip_prefix('[')?.strip_suffix(']')?;
    for offset in inner.split(',') {
        positions.push(first.checked_add(offset.parse().ok()?)?);
    }
    Some(())
}

/// Adds a position to such an array that is not closed yet.
pub(super) fn add(offsets: &mut String, offset: i64) {
    use std::fmt::Write;
    offsets.push(if offsets.is_empty() { '[' } else { ',' });
    // Writing to a text cannot fail.
    let _ = write!(offsets, "{offset}");
}
