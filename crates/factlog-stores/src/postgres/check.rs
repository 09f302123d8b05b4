//! Reads everything and says what is wrong.

use std::collections::HashMap;

use factlog::{Cursor, Filter, Json, Position, Read, Report, Result, StreamName, Timestamp, Version};

use super::pool::Pool;
use super::query;
use super::request::Request;
use super::row::column;

/// Problems that one report names; the rest is counted.
const PROBLEMS_MAX: usize = 100;

pub(super) async fn check(pool: &Pool) -> Result<Report> {
    let mut report = Report { head: super::head::newest(pool).await?, ..Report::default() };
    let names = &pool.options.names;
    let guards = names.sql(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = '{events}'::regclass AND NOT tgisinternal AND tgenabled <> 'D'",
    );
    if column::<i64>(&pool.ask_one(&Request::new(guards)).await?, 0)? < GUARDS {
        let gone = "the triggers that refuse changes of events are gone or switched off";
        report.warnings.push(format!("{gone}: `ALTER TABLE ... ENABLE TRIGGER ALL` brings them back"));
    }
    let plain = report.clone();
    for _ in 0..LOOKS_MAX {
        report = Report { removed: removed(pool).await?, ..plain.clone() };
        read_all(pool, &mut report).await?;
        // What is removed meanwhile looks like damage.
        if removed(pool).await? == report.removed {
            break;
        }
    }
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

/// How often it is begun anew because events were removed meanwhile.
const LOOKS_MAX: usize = 5;

/// Positions that hold no event on purpose.
async fn removed(pool: &Pool) -> Result<u64> {
    let sql = pool.options.names.sql("SELECT value::bigint FROM {meta} WHERE key = 'removed_events'");
    Ok(column::<i64>(&pool.ask_one(&Request::new(sql)).await?, 0)? as u64)
}

/// Triggers that guard the events.
const GUARDS: i64 = 2;

/// Everything up to the head that was seen first; others may append meanwhile.
async fn read_all(pool: &Pool, report: &mut Report) -> Result<()> {
    let mut versions: HashMap<StreamName, Version> = HashMap::new();
    let mut last: Option<(Position, Timestamp)> = None;
    let mut read = Read::after(Filter::all(), Position::START);
    let head = report.head;
    loop {
        let page = match query::page(pool, &read).await {
            Ok(page) => page,
            Err(error) if error.kind() == factlog::ErrorKind::Corrupt => {
                report.problems.push(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        };
        for event in page.events.iter().take_while(|event| event.position <= head) {
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
            let json = [Some(&event.data), event.metadata.as_ref()];
            if json
                .into_iter()
                .flatten()
                .any(|json| !Json::parse(json.as_str()).is_ok_and(|parsed| parsed == *json))
            {
                report
                    .problems
                    .push(format!("position {}: its data is not as factlog writes it", event.position));
            }
            last = Some((event.position, event.recorded_at));
        }
        if !page.more || page.next >= head || report.problems.len() > PROBLEMS_MAX {
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
    Ok(())
}
