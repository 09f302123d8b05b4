//! Reads everything and says what is wrong.

use factlog::{Cursor, Filter, Position, Read, Report, Result};
use rusqlite::Connection;

use super::index::{self, Index};
use super::query;
use super::readers::Reader;
use crate::sequence::{PROBLEMS_MAX, Sequence};

pub(super) fn check(reader: &mut Reader) -> Result<Report> {
    let mut report = Report { head: query::head(&reader.connection)?, ..Report::default() };
    report.problems = integrity(&reader.connection);
    report.removed = reader
        .connection
        .query_row("SELECT value FROM meta WHERE key = 'removed_events'", [], |row| row.get::<_, i64>(0))
        .map_or_else(
            |error| {
                report.problems.push(format!("table meta: removed_events cannot be read: {error}"));
                0
            },
            |removed| removed as u64,
        );
    if let Index::Lagging(_) = reader.index {
        index::check::check(&reader.connection, &mut report.problems);
    }
    read_all(reader, &mut report);
    Ok(report)
}

/// What SQLite itself finds: pages, indexes against rows.
fn integrity(connection: &Connection) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.filter(|row| row.as_deref() != Ok("ok")).collect()
    };
    read().unwrap_or_else(|error| vec![format!("the file cannot be checked: {error}")])
}

fn read_all(reader: &mut Reader, report: &mut Report) {
    let mut sequence = Sequence::default();
    let mut read = Read::after(Filter::all(), Position::START);
    loop {
        let page = match reader.page(&read) {
            Ok(page) => page,
            Err(error) => {
                report.problems.push(error.to_string());
                break;
            }
        };
        for event in &page.events {
            sequence.see(event, report);
        }
        if !page.more || report.problems.len() > PROBLEMS_MAX {
            break;
        }
        read.cursor = Cursor::After(page.next);
    }
    sequence.end(report);
}
