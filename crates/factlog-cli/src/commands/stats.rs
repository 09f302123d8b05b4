//! `factlog stats`: how many events, by what, how long things took, how often they went wrong.

use std::collections::HashMap;
use std::io::Write;
use std::str::FromStr;

use factlog::limits::COUNT_GROUPS_MAX;
use factlog::{Error, Event, EventLog, Group, GroupBy, Result, Timestamp};
use factlog_agents::statistics::{Statistics, statistics};
use factlog_agents::status::status_of;
use factlog_agents::vocabulary::agent_of;
use serde_json::{Value, json};

use super::{Context, note_removed};
use crate::cli::StatsArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::flag::all;
use crate::output::{Format, Listing, is_terminal, span, stdout};
use crate::person_time;

/// The longest bar of a table.
const BAR_COLUMNS: u64 = 24;
/// The most days or hours that a sparkline shows: the last ones.
const SPARK_COLUMNS: usize = 60;
/// Fewer days than these are shown by the hour.
const SPARK_DAYS_MIN: usize = 4;

/// What events are counted by: what a store counts itself, and what an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Stored(GroupBy),
    Status,
    Agent,
}

impl FromStr for By {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "status" => Ok(Self::Status),
            "agent" => Ok(Self::Agent),
            other => other.parse().map(Self::Stored).map_err(|error: Error| {
                error
                    .with_hint("count by type, category, stream, source, session, hour, day, status or agent")
            }),
        }
    }
}

impl By {
    fn key(self, event: &Event) -> String {
        match self {
            Self::Stored(by) => by.key(event),
            Self::Status => status_of(event).unwrap_or_default().to_string(),
            Self::Agent => agent_of(event).unwrap_or_default(),
        }
    }
}

pub(crate) async fn run(context: &Context, args: &StatsArgs) -> Outcome {
    let mut selection = args.filter.selection()?;
    let by: Vec<By> = all("--group-by", &args.group_by)?;
    let period = person_time::period(&args.period, Timestamp::now());
    if let Some(from) = period.map_err(|error| error.context("--period"))? {
        let time = args.filter.clock(&mut selection.filter);
        time.from = time.from.max(Some(from));
    }
    let format = context.format("stats", Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    let is_overview = args.group_by.is_empty();
    let by = if is_overview { vec![By::Stored(GroupBy::Type)] } else { by };
    let headings = if is_overview { vec!["type".to_owned()] } else { args.group_by.clone() };
    let mut groups = groups(&log, &selection, &by).await?;
    if by.iter().any(|by| matches!(by, By::Stored(GroupBy::Hour | GroupBy::Day))) {
        // Hours and days read best in their own order.
        groups.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let mut listing = listing(&headings, &groups, format);
    // Positions bound what is counted, and no statistics: those are of a filter.
    let is_whole = selection.after.0 == 0 && selection.before.is_none();
    if is_overview && is_whole && format != Format::Csv {
        let statistics = statistics(&log, &selection.filter).await?;
        listing.json["statistics"] = serde_json::to_value(&statistics)?;
        if format == Format::Table && !groups.is_empty() {
            overview(&statistics)?;
        }
    }
    listing.print(format)?;
    Ok(log.close().await?)
}

async fn groups(log: &EventLog, selection: &Selection, by: &[By]) -> Result<Vec<Group>> {
    let stored: Option<Vec<GroupBy>> = by
        .iter()
        .map(|by| match by {
            By::Stored(by) => Some(*by),
            By::Status | By::Agent => None,
        })
        .collect();
    if let Some(stored) = stored {
        return selection.count(log, stored).await;
    }
    let mut groups: HashMap<Vec<String>, Group> = HashMap::new();
    let mut reading = selection.read(log);
    while let Some(event) = reading.next().await {
        let event = event?;
        let key: Vec<String> = by.iter().map(|by| by.key(&event)).collect();
        let (position, time) = (event.position, event.time());
        if groups.len() == COUNT_GROUPS_MAX && !groups.contains_key(&key) {
            return Err(Error::invalid(format!("there are more than {COUNT_GROUPS_MAX} groups"))
                .with_hint("narrow the filter or count by something coarser"));
        }
        let group = groups.entry(key).or_insert_with_key(|key| Group {
            key: key.clone(),
            count: 0,
            first: position,
            last: position,
            first_at: time,
            last_at: time,
        });
        group.count += 1;
        group.last = position;
        group.first_at = group.first_at.min(time);
        group.last_at = group.last_at.max(time);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
    Ok(groups)
}

/// A few lines before the table: the range, the rate, how long things took, and when much happened.
fn overview(statistics: &Statistics) -> Outcome {
    let mut out = stdout();
    if let Some(range) = &statistics.time_range {
        let day = |time: Timestamp| time.to_string()[..19].replace('T', " ");
        let rate =
            statistics.rates.events_per_hour.map(|rate| format!(", {rate:.1} an hour")).unwrap_or_default();
        writeln!(
            out,
            " {} events from {} to {} UTC{rate}",
            statistics.total,
            day(range.earliest),
            day(range.latest)
        )?;
    }
    let durations = &statistics.durations;
    if let (Some(average), Some(p50), Some(p95)) = (durations.average_ms, durations.p50_ms, durations.p95_ms)
    {
        writeln!(
            out,
            " {} timed: {} on average, half within {}, 95 of 100 within {}",
            durations.count,
            span(average.round() as u64),
            span(p50),
            span(p95)
        )?;
    }
    if let Some(share) = statistics.rates.failure_share {
        writeln!(out, " {:.1}% of what ended went wrong", share * 100.0)?;
    }
    // Programs that read the table have the counts; a picture is for eyes.
    if is_terminal() {
        let (unit, counts) = if statistics.by_day.len() < SPARK_DAYS_MIN {
            ("hour", &statistics.by_hour)
        } else {
            ("day", &statistics.by_day)
        };
        let last = counts.len().saturating_sub(SPARK_COLUMNS);
        let shown: Vec<u64> = counts.values().skip(last).copied().collect();
        if let (true, Some(first)) = (shown.len() > 1, counts.keys().nth(last)) {
            writeln!(out, " {} by the {unit}, from {first}", spark(&shown))?;
        }
    }
    writeln!(out)?;
    Ok(out.flush()?)
}

/// Numbers as a row of bars, the largest as high as a line.
fn spark(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    counts.iter().map(|count| BARS[((count * 8).div_ceil(most).max(1) - 1) as usize]).collect()
}

/// Shares, bars and the sum are for eyes; a spreadsheet makes its own.
fn listing(by: &[String], groups: &[Group], format: Format) -> Listing {
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
    let keys = by.len();
    let mut headings: Vec<String> = by.iter().map(|key| key.to_uppercase()).collect();
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
