//! `factlog stats`: how many events, by what.

use factlog::{Group, GroupBy, Timestamp};
use serde_json::{Value, json};

use super::{Context, note_removed};
use crate::cli::StatsArgs;
use crate::failure::Outcome;
use crate::flag::all;
use crate::output::{Format, Listing};
use crate::person_time;

/// The longest bar of a table.
const BAR_COLUMNS: u64 = 24;

pub(crate) async fn run(context: &Context, args: &StatsArgs) -> Outcome {
    let mut selection = args.filter.selection()?;
    let by: Vec<GroupBy> = all("--group-by", &args.group_by)?;
    let period = person_time::period(&args.period, Timestamp::now());
    if let Some(from) = period.map_err(|error| error.context("--period"))? {
        let time = args.filter.clock(&mut selection.filter);
        time.from = time.from.max(Some(from));
    }
    let format = context.format("stats", Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let mut groups = selection.count(&log, by.clone()).await?;
    if by.iter().any(|by| matches!(by, GroupBy::Hour | GroupBy::Day)) {
        // Hours and days read best in their own order.
        groups.sort_by(|a, b| a.key.cmp(&b.key));
    }
    listing(args, &groups, format).print(format)?;
    Ok(log.close().await?)
}

/// Shares, bars and the sum are for eyes; a spreadsheet makes its own.
fn listing(args: &StatsArgs, groups: &[Group], format: Format) -> Listing {
    let total: u64 = groups.iter().map(|group| group.count).sum();
    let most = groups.iter().map(|group| group.count).max().unwrap_or(1);
    let rows = groups.iter().map(|group| {
        let mut row = group.key.clone();
        row.push(group.count.to_string());
        if format == Format::Table {
            let share = group.count as f64 * 100.0 / total as f64;
            let bar = "▇".repeat((group.count * BAR_COLUMNS).div_ceil(most) as usize);
            row.extend([format!("{share:.1}%"), bar]);
        }
        row
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let keys = args.group_by.len();
    let mut headings: Vec<String> = args.group_by.iter().map(|key| key.to_uppercase()).collect();
    headings.push("EVENTS".to_owned());
    if format == Format::Table {
        headings.extend(["SHARE", ""].map(str::to_owned));
        let mut sum = vec![String::new(); keys];
        if let Some(first) = sum.first_mut() {
            "total".clone_into(first);
        }
        sum.extend([total.to_string(), String::new(), String::new()]);
        rows.push(sum);
    }
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
    Listing { headings, rows, numbers: vec![keys, keys + 1], json: json!({"total": total, "groups": json}) }
}
