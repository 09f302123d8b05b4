//! Reads everything and says what is wrong.

use factlog::{Cursor, Filter, Json, Position, Read, Report, Result};

use super::pool::Pool;
use super::query;
use super::request::Request;
use super::row::column;
use crate::sequence::{PROBLEMS_MAX, Sequence};

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
    let mut sequence = Sequence::default();
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
            sequence.see(event, report);
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
        }
        if !page.more || page.next >= head || report.problems.len() > PROBLEMS_MAX {
            break;
        }
        read.cursor = Cursor::After(page.next);
    }
    sequence.end(report);
    Ok(())
}
