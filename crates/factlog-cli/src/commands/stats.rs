//! `factlog stats`: how many events, by what.

use factlog::{Group, GroupBy, Result, Timestamp};
use serde_json::{Value, json};

use super::{Context, note_removed};
use crate::cli::StatsArgs;
use crate::failure::Outcome;
use crate::output::{Format, Listing};
use crate::person_time;

/// The longest bar of a table.
const BAR_COLUMNS: u64 = 24;

pub(crate) async fn run(context: &Context, args: &StatsArgs) -> Outcome {
    let mut selection = args.filter.selection()?;
    let by: Vec<GroupBy> = args.group_by.iter().map(|key| key.parse()).collect::<Result<_>>()?;
    if let Some(from) = person_time::period(&args.period, Timestamp::now())? {
        let time = &mut selection.filter.time;
        time.from = time.from.max(Some(from));
    }
    let format = context.format_or(Format::Table);
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let mut groups = selection.count(&log, by.clone()).await?;
    if by.iter().any(|by| matches!(by, GroupBy::Hour | GroupBy::Day)) {
        // Hours and days read best in their own order.
        groups.sort_by(|a, b| a.key.cmp(&b.key));
    }
    listing(args, &groups).print(format)?;
    Ok(log.close().await?)
}

fn listing(args: &StatsArgs, groups: &[Group]) -> Listing {
    let total: u64 = groups.iter().map(|group| group.count).sum();
    let most = groups.iter().map(|group| group.count).max().unwrap_or(1);
    let rows = groups.iter().map(|group| {
        let share = group.count as f64 * 100.0 / total as f64;
        let bar = "▇".repeat((group.count * BAR_COLUMNS).div_ceil(most) as usize);
        let mut row = group.key.clone();
        row.extend([group.count.to_string(), format!("{share:.1}%"), bar]);
        row
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let keys = args.group_by.len();
    let mut headings: Vec<String> = args.group_by.iter().map(|key| key.to_uppercase()).collect();
    headings.extend(["EVENTS", "SHARE", ""].map(str::to_owned));
    let mut sum = vec![String::new(); keys];
    if let Some(first) = sum.first_mut() {
        "total".clone_into(first);
    }
    sum.extend([total.to_string(), String::new(), String::new()]);
    rows.push(sum);
    let json: Vec<Value> = groups
        .iter()
        .map(|group| {
            let key = match &group.key[..] {
                [only] => json!(only),
                several => json!(several),
            };
            json!({"key": key, "count": group.count, "first": group.first, "last": group.last,
                "firstAt": group.first_at, "lastAt": group.last_at})
        })
        .collect();
    Listing {
        command: "stats",
        headings,
        rows,
        numbers: vec![keys, keys + 1],
        json: json!({"total": total, "groups": json}),
    }
}
