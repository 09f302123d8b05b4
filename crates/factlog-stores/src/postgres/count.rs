//! Counts that the server makes, where the filter can be said in SQL as a whole.

use factlog::limits::COUNT_GROUPS_MAX;
use factlog::{Count, Error, Group, GroupBy, Result};
use tokio_postgres::Row;

use super::condition::{Condition, TIME};
use super::pool::Pool;
use super::request::{Moment, Request, position};
use super::row::column;

/// Characters of a time up to its hour and up to its day.
const HOUR_CHARACTERS: usize = 13;
const DAY_CHARACTERS: usize = 10;

/// The groups, largest first; none where the filter itself must judge.
pub(super) async fn count(pool: &Pool, count: &Count) -> Result<Option<Vec<Group>>> {
    let mut request = Request::default();
    let names = &pool.options.names;
    let condition = Condition::of(&count.filter, names, &mut request);
    if !condition.is_exact {
        return Ok(None);
    }
    let keys: Vec<String> = count.by.iter().map(|by| key_of(*by)).collect();
    let columns = keys.iter().fold(String::new(), |all, key| all + key + ", ");
    let grouped = if keys.is_empty() {
        "HAVING count(*) > 0".to_owned()
    } else {
        let places: Vec<String> = (1..=keys.len()).map(|place| place.to_string()).collect();
        format!("GROUP BY {}", places.join(", "))
    };
    request.sql = format!(
        "SELECT {columns}count(*), min(e.position), max(e.position), min({TIME}), max({TIME})
         FROM {} e WHERE true{} {grouped} LIMIT {}",
        names.sql("{events}"),
        condition.and(),
        COUNT_GROUPS_MAX + 1
    );
    let rows = pool.ask(&request).await?;
    if rows.len() > COUNT_GROUPS_MAX {
        return Err(Error::invalid(format!("there are more than {COUNT_GROUPS_MAX} groups"))
            .with_hint("narrow the filter or count by something coarser"));
    }
    let groups = rows.iter().map(|row| group(row, &count.by));
    let mut groups = groups.collect::<Result<Vec<Group>>>()?;
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    Ok(Some(groups))
}

fn key_of(by: GroupBy) -> String {
    match by {
        GroupBy::Type => "e.type".to_owned(),
        GroupBy::Category => "split_part(e.stream, '-', 1)".to_owned(),
        GroupBy::Stream => "e.stream".to_owned(),
        GroupBy::Source => "coalesce(e.source, '')".to_owned(),
        GroupBy::Session => "coalesce(e.session_id, '')".to_owned(),
        GroupBy::Hour => format!("date_trunc('hour', {TIME}, 'UTC')"),
        GroupBy::Day => format!("date_trunc('day', {TIME}, 'UTC')"),
    }
}

fn group(row: &Row, by: &[GroupBy]) -> Result<Group> {
    let key = by.iter().enumerate().map(|(index, by)| match by {
        GroupBy::Hour => time(row, index, HOUR_CHARACTERS),
        GroupBy::Day => time(row, index, DAY_CHARACTERS),
        _ => column(row, index),
    });
    let first = by.len();
    Ok(Group {
        key: key.collect::<Result<_>>()?,
        count: column::<i64>(row, first)? as u64,
        first: position(column(row, first + 1)?),
        last: position(column(row, first + 2)?),
        first_at: column::<Moment>(row, first + 3)?.0,
        last_at: column::<Moment>(row, first + 4)?.0,
    })
}

fn time(row: &Row, index: usize, characters: usize) -> Result<String> {
    Ok(column::<Moment>(row, index)?.0.to_string().chars().take(characters).collect())
}
