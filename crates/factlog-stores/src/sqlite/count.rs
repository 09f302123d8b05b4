//! Counting in the file, where the question is about columns alone; anything else is counted event by event.
//!
//! A filter has one meaning (`Filter::matches`), and what is translated here is small enough to be seen to agree: which
//! types and categories there are is asked of the filter itself, and times are compared as numbers.

use factlog::limits::COUNT_GROUPS_MAX;
use factlog::{Count, Error, Filter, Group, GroupBy, Position, Result, TimeRange, Timestamp, TypePattern};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::query::{failed, types_of};

/// Microseconds of an hour and of a day.
const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;
/// Characters of a time up to its hour and up to its day.
const HOUR_CHARACTERS: usize = 13;
const DAY_CHARACTERS: usize = 10;
/// A person's time: when it happened, else when it was recorded.
const TIME: &str = "coalesce(e.occurred_at, e.recorded_at)";

/// The groups, largest first; none where the file alone cannot tell them.
pub(super) fn count(connection: &Connection, count: &Count) -> Result<Option<Vec<Group>>> {
    let Some(sql) = sql(connection, count)? else { return Ok(None) };
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        if groups.len() == COUNT_GROUPS_MAX {
            return Err(Error::invalid(format!("there are more than {COUNT_GROUPS_MAX} groups"))
                .with_hint("narrow the filter or count by something coarser"));
        }
        groups.push(group(row, &count.by)?);
    }
    groups.sort_by(|a: &Group, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    Ok(Some(groups))
}

/// The question in SQL: rows are gathered by their numbers first, and only the gathered ones get names.
fn sql(connection: &Connection, count: &Count) -> Result<Option<String>> {
    let filter = &count.filter;
    let plain =
        Filter { types: filter.types.clone(), time: filter.time, recorded: filter.recorded, ..Filter::all() };
    if plain != *filter || filter.types.iter().any(TypePattern::has_condition) {
        return Ok(None);
    }
    let mut wheres = Vec::new();
    if !filter.types.is_empty() {
        let tids: Vec<String> = types_of(connection, filter)?.iter().map(ToString::to_string).collect();
        wheres.push(format!("e.tid IN ({})", tids.join(",")));
    }
    between(&mut wheres, TIME, filter.time);
    between(&mut wheres, "e.recorded_at", filter.recorded);
    let wheres = if wheres.is_empty() { String::new() } else { format!("WHERE {}", wheres.join(" AND ")) };
    let inner: Vec<String> =
        count.by.iter().enumerate().map(|(index, by)| format!("{} AS k{index}", number_of(*by))).collect();
    let keys: Vec<String> = (0..inner.len()).map(|index| format!("k{index}")).collect();
    let inner_group = if keys.is_empty() {
        "HAVING count(*) > 0".to_owned()
    } else {
        format!("GROUP BY {}", keys.join(", "))
    };
    let columns = if inner.is_empty() { String::new() } else { format!("{}, ", inner.join(", ")) };
    let gathered = format!(
        "SELECT {columns}count(*) AS c, min(e.position) AS f, max(e.position) AS l, min({TIME}) AS a, max({TIME}) AS z \
         FROM events e {wheres} {inner_group}"
    );
    let names: Vec<String> = count
        .by
        .iter()
        .enumerate()
        .map(|(index, by)| format!("{} AS n{index}", name_of(*by, index)))
        .collect();
    let outer: Vec<String> = (0..names.len()).map(|index| format!("n{index}")).collect();
    if outer.is_empty() {
        return Ok(Some(gathered));
    }
    Ok(Some(format!(
        "SELECT {}, sum(c), min(f), max(l), min(a), max(z) FROM ({gathered}) GROUP BY {}",
        names.join(", "),
        outer.join(", ")
    )))
}

fn between(wheres: &mut Vec<String>, column: &str, range: TimeRange) {
    let micros = |time: Timestamp| time.as_micros();
    wheres.extend(range.from.map(|from| format!("{column} >= {}", micros(from))));
    wheres.extend(range.to.map(|to| format!("{column} < {}", micros(to))));
}

/// What rows are gathered by.
fn number_of(by: GroupBy) -> String {
    // Towards the past, also before 1970.
    let floor = |unit: i64| format!("({TIME} - (({TIME} % {unit}) + {unit}) % {unit}) / {unit}");
    match by {
        GroupBy::Type => "e.tid".to_owned(),
        GroupBy::Category | GroupBy::Stream => "e.sid".to_owned(),
        GroupBy::Source => "e.source_id".to_owned(),
        GroupBy::Session => "coalesce(e.envelope ->> '$.sessionId', '')".to_owned(),
        GroupBy::Hour => floor(HOUR_MICROS),
        GroupBy::Day => floor(DAY_MICROS),
    }
}

/// The name of what rows were gathered by; null where the file has lost it.
fn name_of(by: GroupBy, index: usize) -> String {
    match by {
        GroupBy::Type => format!("(SELECT name FROM types WHERE tid = k{index})"),
        GroupBy::Category => format!("(SELECT category FROM streams WHERE sid = k{index})"),
        GroupBy::Stream => format!("(SELECT name FROM streams WHERE sid = k{index})"),
        GroupBy::Source => {
            format!(
                "CASE WHEN k{index} IS NULL THEN '' ELSE (SELECT name FROM sources WHERE source_id = k{index}) END"
            )
        }
        GroupBy::Session | GroupBy::Hour | GroupBy::Day => format!("k{index}"),
    }
}

fn group(row: &Row<'_>, by: &[GroupBy]) -> Result<Group> {
    let number = |index: usize| row.get::<_, i64>(by.len() + index).map_err(failed);
    let time = |index: usize| Timestamp::from_micros(number(index)?);
    let key = by.iter().enumerate().map(|(index, by)| key(row, index, *by)).collect::<Result<_>>()?;
    Ok(Group {
        key,
        count: number(0)? as u64,
        first: Position(number(1)? as u64),
        last: Position(number(2)? as u64),
        first_at: time(3)?,
        last_at: time(4)?,
    })
}

fn key(row: &Row<'_>, index: usize, by: GroupBy) -> Result<String> {
    let unit = match by {
        GroupBy::Hour => Some((HOUR_MICROS, HOUR_CHARACTERS)),
        GroupBy::Day => Some((DAY_MICROS, DAY_CHARACTERS)),
        _ => None,
    };
    if let Some((unit, characters)) = unit {
        let number: i64 = row.get(index).map_err(failed)?;
        let time = Timestamp::from_micros(number.saturating_mul(unit))?;
        return Ok(time.to_string().chars().take(characters).collect());
    }
    match row.get_ref(index).map_err(failed)? {
        ValueRef::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => Err(Error::corrupt(
            "the log's tables",
            "an event names a stream, a type or a source that is not there",
        )),
    }
}
