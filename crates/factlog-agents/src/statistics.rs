//! Statistics over every kind of event: how many, by what, how long, how often it went wrong.
//!
//! What can be counted by the envelope is counted by the store ([`EventLog::count`]). Events are read only where their
//! data decides: where it may have a duration, a status or an agent.

mod durations;

use std::collections::{BTreeMap, HashMap};

use factlog::{
    Count, ErrorKind, Event, EventLog, Filter, Group, GroupBy, Position, Result, TimeRange, Timestamp,
};
use serde::Serialize;

use crate::status::{TOLD_BY_MORE, implied, status_of};
use crate::vocabulary::payload::each_field;
use crate::vocabulary::read::{FieldValue, named};
use crate::vocabulary::{AGENT_TOLD_BY_MORE, agent_of, type_named};

pub use durations::{DurationStatistics, Durations};

/// What data has that may say how long something took.
const DURATION_TEXT: &str = "\"duration";
/// What data has that may say a status.
const STATUS_TEXT: &str = "status\"";
/// What data has that may name an agent.
const AGENT_TEXT: &str = "\"agent";
/// Characters of an hour that are its day.
const DAY_CHARACTERS: usize = "2026-11-20".len();
const MICROS_PER_SECOND: f64 = 1_000_000.0;
const SECONDS_PER_HOUR: f64 = 3_600.0;

/// What there is to say of events in numbers.
///
/// Times are a person's, hours and days in UTC, written `2026-11-20T23` and `2026-11-20`: hours of different days are
/// different hours.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// How many events.
    pub total: u64,
    /// By type, as recorded.
    pub by_type: BTreeMap<String, u64>,
    /// By the category of the stream.
    pub by_category: BTreeMap<String, u64>,
    /// By the status that they tell, as [`status_of`] says; those that tell of none are left out.
    pub by_status: BTreeMap<String, u64>,
    /// By agent, as [`agent_of`] says; those of none are left out.
    pub by_agent: BTreeMap<String, u64>,
    /// By who says it; those of nobody are left out.
    pub by_source: BTreeMap<String, u64>,
    /// By session; those of none are left out.
    pub by_session: BTreeMap<String, u64>,
    /// By hour.
    pub by_hour: BTreeMap<String, u64>,
    /// By day.
    pub by_day: BTreeMap<String, u64>,
    /// From the earliest to the latest of them; none of nothing.
    pub time_range: Option<Span>,
    /// Durations of all events that tell one at the top of their data, as `durationMs` or `duration`.
    pub durations: DurationStatistics,
    /// The same by type.
    pub durations_by_type: BTreeMap<String, DurationStatistics>,
    /// How often something happens.
    pub rates: Rates,
}

/// The times between which events lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The time of the earliest.
    pub earliest: Timestamp,
    /// The time of the latest.
    pub latest: Timestamp,
}

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// Events in a second, from the earliest to the latest; none where that is no time.
    pub events_per_second: Option<f64>,
    /// Events in an hour.
    pub events_per_hour: Option<f64>,
    /// How many of those that ended have failed, from 0 to 1; none where none ended.
    pub failure_share: Option<f64>,
}

/// The events of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeAggregate {
    /// The type, as recorded.
    #[serde(rename = "type")]
    pub event_type: String,
    /// How many.
    pub count: u64,
    /// The time of the earliest.
    pub first_seen: Timestamp,
    /// The time of the latest.
    pub last_seen: Timestamp,
    /// Who says them, in the order of the alphabet.
    pub sources: Vec<String>,
}

/// The statistics of the events that a filter means, as they are when this is called.
///
/// ```
/// use factlog::{EventLog, Filter, MemoryStore, NewEvent};
/// use factlog_agents::statistics::statistics;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log = EventLog::new(MemoryStore::new());
/// log.append(NewEvent::new("task-1", "task:completed", serde_json::json!({"durationMs": 1200}))?).await?;
/// let all = statistics(&log, &Filter::all()).await?;
/// assert_eq!((all.total, all.by_status["completed"], all.durations.p95_ms), (1, 1, Some(1200)));
/// # Ok::<(), factlog::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `Invalid` when there are too many groups, such as sessions: narrow the filter.
pub async fn statistics(log: &EventLog, filter: &Filter) -> Result<Statistics> {
    filter.check()?;
    let Some((filter, head)) = as_of_now(log, filter).await? else { return Ok(Statistics::default()) };
    let (kinds, speakers) = tokio::try_join!(
        counted(log, &filter, [GroupBy::Type, GroupBy::Category, GroupBy::Hour]),
        counted(log, &filter, [GroupBy::Source, GroupBy::Session]),
    )?;
    let ([types, categories, hours], [sources, sessions]) = (kinds, speakers);
    let looking = Looking { log, filter: &filter, before: Position(head.0.saturating_add(1)), types: &types };
    let (statuses, agents, durations) =
        tokio::try_join!(looking.by_status(), looking.by_agent(&sources), looking.durations(),)?;
    let mut all = Statistics {
        total: types.iter().map(|group| group.count).sum(),
        by_status: statuses,
        by_agent: agents,
        by_category: counts(&categories),
        by_source: counts(&sources),
        by_session: counts(&sessions),
        by_hour: counts(&hours),
        time_range: span(&types),
        durations: durations.0,
        durations_by_type: durations.1,
        by_type: counts(&types),
        ..Statistics::default()
    };
    for (hour, count) in &all.by_hour {
        let day = hour.get(..DAY_CHARACTERS).unwrap_or(hour);
        *all.by_day.entry(day.to_owned()).or_default() += count;
    }
    all.rates = rates(&all);
    Ok(all)
}

/// What there is of each type, the commonest first; types with fewer events than `count_min` are left out.
///
/// # Errors
/// `Invalid` when there are too many types and sources: narrow the filter.
pub async fn aggregates(log: &EventLog, filter: &Filter, count_min: u64) -> Result<Vec<TypeAggregate>> {
    let by = vec![GroupBy::Type, GroupBy::Source];
    let groups = log.count(Count { filter: filter.clone(), by }).await?;
    let mut aggregates: BTreeMap<String, TypeAggregate> = BTreeMap::new();
    for group in groups {
        let [event_type, source] = &group.key[..] else { continue };
        let aggregate = aggregates.entry(event_type.clone()).or_insert_with(|| TypeAggregate {
            event_type: event_type.clone(),
            count: 0,
            first_seen: group.first_at,
            last_seen: group.last_at,
            sources: Vec::new(),
        });
        aggregate.count += group.count;
        aggregate.first_seen = aggregate.first_seen.min(group.first_at);
        aggregate.last_seen = aggregate.last_seen.max(group.last_at);
        if !source.is_empty() {
            aggregate.sources.push(source.clone());
        }
    }
    let mut aggregates: Vec<_> =
        aggregates.into_values().filter(|aggregate| aggregate.count >= count_min).collect();
    for aggregate in &mut aggregates {
        aggregate.sources.sort_unstable();
    }
    aggregates.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.event_type.cmp(&b.event_type)));
    Ok(aggregates)
}

/// The filter with an end at the newest event, so that all parts of the statistics are of the same events; none of an
/// empty log.
async fn as_of_now(log: &EventLog, filter: &Filter) -> Result<Option<(Filter, Position)>> {
    let Some(newest) = log.read(Filter::all()).backwards().limit(1).collect().await?.pop() else {
        return Ok(None);
    };
    // The end of a range is not part of it. At the end of all times nothing comes after.
    let end = Timestamp::from_micros(newest.recorded_at.as_micros() + 1).ok();
    let to = match (filter.recorded.to, end) {
        (Some(to), Some(end)) => Some(to.min(end)),
        (to, end) => to.or(end),
    };
    let recorded = TimeRange { to, ..filter.recorded };
    Ok(Some((Filter { recorded, ..filter.clone() }, newest.position)))
}

/// The groups of each key by itself, from one count of all of them together: a store that reads what it counts reads once.
/// Where that makes too many groups, each is counted for itself.
async fn counted<const N: usize>(
    log: &EventLog,
    filter: &Filter,
    by: [GroupBy; N],
) -> Result<[Vec<Group>; N]> {
    let count = |by: &[GroupBy]| log.count(Count { filter: filter.clone(), by: by.to_vec() });
    let mut counted = [const { Vec::new() }; N];
    match count(&by).await {
        Ok(groups) => {
            for (index, of_key) in counted.iter_mut().enumerate() {
                *of_key = merged(&groups, index);
            }
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            for (of_key, by) in counted.iter_mut().zip(by) {
                *of_key = count(&[by]).await?;
            }
        }
        Err(error) => return Err(error),
    }
    Ok(counted)
}

/// The groups of one of several keys.
fn merged(groups: &[Group], index: usize) -> Vec<Group> {
    let mut merged: BTreeMap<&str, Group> = BTreeMap::new();
    for group in groups {
        let Some(key) = group.key.get(index) else { continue };
        if let Some(all) = merged.get_mut(key.as_str()) {
            all.count += group.count;
            all.first = all.first.min(group.first);
            all.last = all.last.max(group.last);
            all.first_at = all.first_at.min(group.first_at);
            all.last_at = all.last_at.max(group.last_at);
        } else {
            merged.insert(key, Group { key: vec![key.clone()], ..group.clone() });
        }
    }
    merged.into_values().collect()
}

/// The groups of one key that is not empty.
fn counts(groups: &[Group]) -> BTreeMap<String, u64> {
    let named = groups.iter().filter_map(|group| Some((group.key.first()?, group.count)));
    named.filter(|(key, _)| !key.is_empty()).map(|(key, count)| (key.clone(), count)).collect()
}

fn span(groups: &[Group]) -> Option<Span> {
    let earliest = groups.iter().map(|group| group.first_at).min()?;
    let latest = groups.iter().map(|group| group.last_at).max()?;
    Some(Span { earliest, latest })
}

fn rates(all: &Statistics) -> Rates {
    let micros = all.time_range.map_or(0, |span| span.latest.as_micros() - span.earliest.as_micros());
    let events_per_second = (micros > 0).then(|| all.total as f64 / (micros as f64 / MICROS_PER_SECOND));
    let of = |status: &str| all.by_status.get(status).copied().unwrap_or(0);
    let (completed, failed) = (of("completed"), of("failed"));
    Rates {
        events_per_second,
        events_per_hour: events_per_second.map(|rate| rate * SECONDS_PER_HOUR),
        failure_share: (completed + failed > 0).then(|| failed as f64 / (completed + failed) as f64),
    }
}

/// A look at the events whose data may decide.
struct Looking<'a> {
    log: &'a EventLog,
    filter: &'a Filter,
    before: Position,
    /// The types that there are.
    types: &'a [Group],
}

impl Looking<'_> {
    /// Shows all events of some types, and of the others those whose data has a text.
    async fn each(
        &self,
        wanted: impl Fn(&str) -> bool,
        text: &str,
        mut take: impl FnMut(&Event),
    ) -> Result<()> {
        let names = self.types.iter().filter_map(|group| group.key.first());
        let names: Vec<&String> = names.filter(|name| wanted(name)).collect();
        let mut filters = Vec::new();
        if self.filter.text.is_some() || names.iter().any(|name| name.contains(['*', '['])) {
            // One text is looked for already, and what is left is read as it is.
            filters.push(self.filter.clone());
        } else {
            let mut others = Filter { text: Some(text.to_owned()), ..self.filter.clone() };
            if !names.is_empty() {
                let types = names.iter().map(|name| name.parse()).collect::<Result<Vec<_>>>()?;
                others.not.get_or_insert_default().types.extend(types.iter().cloned());
                filters.push(Filter { types, ..self.filter.clone() });
            }
            filters.push(others);
        }
        for filter in filters {
            let mut reading = self.log.read(filter).before(self.before);
            while let Some(event) = reading.next().await {
                let event = event?;
                // The filter's own types may have conditions.
                if self.filter.matches(&event) {
                    take(&event);
                }
            }
        }
        Ok(())
    }

    async fn by_status(&self) -> Result<BTreeMap<String, u64>> {
        let mut by_status: BTreeMap<String, u64> = BTreeMap::new();
        let mut seen: HashMap<String, u64> = HashMap::new();
        let told_by_more = |name: &str| is_one_of(name, TOLD_BY_MORE);
        self.each(told_by_more, STATUS_TEXT, |event| {
            *seen.entry(event.event_type.to_string()).or_default() += 1;
            if let Some(status) = status_of(event) {
                *by_status.entry(status.to_owned()).or_default() += 1;
            }
        })
        .await?;
        // What was not read says no more than its type.
        for (event_type, count) in unseen(self.types, &seen) {
            if let Some(status) = implied(event_type) {
                *by_status.entry(status.to_owned()).or_default() += count;
            }
        }
        Ok(by_status)
    }

    async fn by_agent(&self, sources: &[Group]) -> Result<BTreeMap<String, u64>> {
        let mut by_agent: BTreeMap<String, u64> = BTreeMap::new();
        let mut seen: HashMap<String, u64> = HashMap::new();
        let told_by_more = |name: &str| {
            is_one_of(name, AGENT_TOLD_BY_MORE)
                || type_named(name).is_some_and(|info| info.category == "agent")
        };
        self.each(told_by_more, AGENT_TEXT, |event| {
            *seen.entry(event.source.as_deref().unwrap_or_default().to_owned()).or_default() += 1;
            if let Some(agent) = agent_of(event) {
                *by_agent.entry(agent).or_default() += 1;
            }
        })
        .await?;
        // What was not read is of who says it.
        for (source, count) in unseen(sources, &seen).filter(|(source, _)| !source.is_empty()) {
            *by_agent.entry(source.to_owned()).or_default() += count;
        }
        Ok(by_agent)
    }

    async fn durations(&self) -> Result<(DurationStatistics, BTreeMap<String, DurationStatistics>)> {
        let mut all = Durations::default();
        let mut by_type: BTreeMap<String, Durations> = BTreeMap::new();
        self.each(
            |_| false,
            DURATION_TEXT,
            |event| {
                if let Some(duration_ms) = duration_of(event) {
                    all.add(duration_ms);
                    by_type.entry(event.event_type.to_string()).or_default().add(duration_ms);
                }
            },
        )
        .await?;
        let by_type = by_type.into_iter().map(|(event_type, durations)| (event_type, durations.statistics()));
        Ok((all.statistics(), by_type.collect()))
    }
}

/// How many events of each key were not seen; the key is the first.
fn unseen<'a>(groups: &'a [Group], seen: &'a HashMap<String, u64>) -> impl Iterator<Item = (&'a str, u64)> {
    groups.iter().filter_map(move |group| {
        let key = group.key.first()?;
        let count = group.count.saturating_sub(seen.get(key).copied().unwrap_or(0));
        (count > 0).then_some((key.as_str(), count))
    })
}

/// Whether a name stands for one of these types.
fn is_one_of(name: &str, types: &[&str]) -> bool {
    type_named(name).is_some_and(|info| types.contains(&info.name))
}

/// How long something took, in milliseconds, where the top of the data says it.
pub(crate) fn duration_of(event: &Event) -> Option<u64> {
    let (mut now, mut once) = (None, None);
    each_field(event.data.as_str(), |key, raw| {
        if named(key, "duration_ms", &[]).is_some() {
            now = u64::read(raw);
        } else if key == "duration" {
            once = u64::read(raw);
        }
    });
    now.or(once)
}
