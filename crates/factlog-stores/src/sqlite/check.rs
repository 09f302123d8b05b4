//! Reads everything and says what is wrong.

use std::collections::HashMap;

use factlog::{Cursor, Filter, Position, Read, Report, Result, StreamName, Timestamp, Version};
use rusqlite::Connection;

use super::query;
use super::readers::Reader;

/// Problems that one report names; the rest is counted.
const PROBLEMS_MAX: usize = 100;

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
    read_all(reader, &mut report);
    if report.problems.is_empty() && report.events + report.removed != report.head.0 {
        report.problems.push(format!(
            "{} events and {} removed do not add up to position {}",
            report.events, report.removed, report.head
        ));
    }
    let more = report.problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        report.problems.truncate(PROBLEMS_MAX);
        report.problems.push(format!("and {more} more"));
    }
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
    let mut versions: HashMap<StreamName, Version> = HashMap::new();
    let mut last: Option<(Position, Timestamp)> = None;
    let mut read = Read::after(Filter::all(), Position::START);
    loop {
        let page = match query::page(&reader.connection, &mut reader.names, &read) {
            Ok(page) => page,
            Err(error) => {
                report.problems.push(error.to_string());
                break;
            }
        };
        for event in &page.events {
            report.events += 1;
            let version = versions.entry(event.stream.clone()).or_default();
            // Removal leaves gaps, but never an earlier version after a later one.
            if event.version <= *version || (report.removed == 0 && event.version != version.next()) {
                report.problems.push(format!(
                    "position {}: {} goes from version {version} to {}",
                    event.position, event.stream, event.version
                ));
            }
            *version = event.version;
            if let Some((position, time)) = last.filter(|(_, time)| event.recorded_at < *time) {
                report.problems.push(format!(
                    "position {}: recorded at {}, before position {position} at {time}",
                    event.position, event.recorded_at
                ));
            }
            last = Some((event.position, event.recorded_at));
        }
        if !page.more || report.problems.len() > PROBLEMS_MAX {
            break;
        }
        read.cursor = Cursor::After(page.next);
    }
    report.streams = versions.len() as u64;
    if let Some((position, time)) = last.filter(|(_, time)| *time > Timestamp::now()) {
        report
            .warnings
            .push(format!("position {position} was recorded at {time}: the log is ahead of this clock"));
    }
}
