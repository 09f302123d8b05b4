//! Batches as the columns of one statement, and what the server answers to it.

use std::collections::HashMap;

use factlog::{
    Appended, Batch, Expect, NewEvent, Position, Result, Stamp, Stamps, StreamName, Tag, Text, Timestamp,
    Version,
};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::names::Names;
use super::request::{Moment, Request, number, position, version};
use super::row::column;

/// What parts the texts of one column; no text has it.
const PARTED: &str = "\n";

/// How an expectation that a stream exists is told.
const EXISTS: i64 = -1;

/// A column of the events, null as a whole where it has nothing to say.
struct Column<T>(Vec<Option<T>>, bool);

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self(Vec::new(), false)
    }
}

impl<T: ToSql + Send + Sync + 'static> Column<T> {
    fn push(&mut self, value: Option<T>) {
        self.1 |= value.is_some();
        self.0.push(value);
    }

    fn bind(self, request: &mut Request, kind: Type) {
        request.bind(self.1.then_some(self.0), kind);
    }
}

/// What the server is to be asked for a group of batches.
///
/// A batch that keeps its stamps is alone in its group; no id is in two batches of one group.
pub(super) fn append(names: &Names, batches: &[&Batch], hints: &Hints, lock_wait_ms: i32) -> Request {
    let events: usize = batches.iter().map(|batch| batch.events().len()).sum();
    let mut streams = Streams { hints: Some(hints), ..Streams::default() };
    let mut numbers = Vec::with_capacity(events);
    let mut places = Vec::with_capacity(events);
    let (mut expect_batches, mut expect_places, mut expect_versions) = (Vec::new(), Vec::new(), Vec::new());
    for (batch, index) in batches.iter().zip(1_i32..) {
        for event in batch.events() {
            numbers.push(index);
            places.push(streams.place(&event.stream));
        }
        for (stream, expect) in batch.expects() {
            let expected = match expect {
                Expect::Any => continue,
                Expect::Exists => EXISTS,
                Expect::Version(version) => version.0 as i64,
            };
            expect_batches.push(index);
            expect_places.push(streams.place(stream));
            expect_versions.push(expected);
        }
    }
    let all = || batches.iter().flat_map(|batch| batch.events());
    let mut request = Request::new(names.sql(SQL));
    request.bind(lock_wait_ms, Type::INT4);
    request.bind(numbers, Type::INT4_ARRAY);
    request.bind(all().map(|event| event.id.0).collect::<Vec<Uuid>>(), Type::UUID_ARRAY);
    request.bind(streams.names, Type::TEXT_ARRAY);
    request.bind(streams.positions, Type::INT8_ARRAY);
    request.bind(places, Type::INT4_ARRAY);
    request.bind(all().map(|event| event.event_type.to_string()).collect::<Vec<_>>(), Type::TEXT_ARRAY);
    optional(&mut request, &all());
    request.bind(all().map(|event| event.data.as_str().to_owned()).collect::<Vec<_>>(), Type::TEXT_ARRAY);
    request.bind(expect_batches, Type::INT4_ARRAY);
    request.bind(expect_places, Type::INT4_ARRAY);
    request.bind(expect_versions, Type::INT8_ARRAY);
    kept(&mut request, batches);
    request
}

const SQL: &str = "SELECT * FROM {append_events}($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
                   $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)";

/// What events may have, in the function's order.
fn optional<'a>(request: &mut Request, events: &(impl Iterator<Item = &'a NewEvent> + Clone)) {
    let texts = |request: &mut Request, take: fn(&NewEvent) -> Option<String>| {
        let mut column = Column::default();
        events.clone().for_each(|event| column.push(take(event)));
        column.bind(request, Type::TEXT_ARRAY);
    };
    let moments = |request: &mut Request, take: fn(&NewEvent) -> Option<Timestamp>| {
        let mut column = Column::default();
        events.clone().for_each(|event| column.push(take(event).map(Moment)));
        column.bind(request, Type::TIMESTAMPTZ_ARRAY);
    };
    texts(request, |event| event.source.as_deref().map(str::to_owned));
    texts(request, |event| joined(event.targets.iter().map(Text::as_str)));
    moments(request, |event| event.occurred_at);
    texts(request, |event| event.correlation_id.as_deref().map(str::to_owned));
    let mut causes = Column::default();
    events.clone().for_each(|event| causes.push(event.causation_id.map(|id| id.0)));
    causes.bind(request, Type::UUID_ARRAY);
    texts(request, |event| event.session_id.as_deref().map(str::to_owned));
    texts(request, |event| event.user_id.as_deref().map(str::to_owned));
    texts(request, |event| event.priority.map(|priority| priority.as_str().to_owned()));
    moments(request, |event| event.expires_at);
    texts(request, |event| event.traceparent.as_deref().map(str::to_owned));
    texts(request, |event| joined(event.tags.iter().map(Tag::as_str)));
    texts(request, |event| event.metadata.as_ref().map(|json| json.as_str().to_owned()));
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let texts: Vec<&str> = texts.collect();
    (!texts.is_empty()).then(|| texts.join(PARTED))
}

fn kept(request: &mut Request, batches: &[&Batch]) {
    let kept = match batches {
        [batch] => match batch.stamps() {
            Stamps::Kept(stamps) => Some(stamps),
            Stamps::Now => None,
        },
        _ => None,
    };
    let numbers = |take: fn(&Stamp) -> i64| kept.map(|stamps| stamps.iter().map(take).collect::<Vec<i64>>());
    request.bind(numbers(|stamp| number(stamp.position)), Type::INT8_ARRAY);
    request.bind(numbers(|stamp| number(Position(stamp.version.0))), Type::INT8_ARRAY);
    let times = kept.map(|stamps| stamps.iter().map(|stamp| Moment(stamp.recorded_at)).collect::<Vec<_>>());
    request.bind(times, Type::TIMESTAMPTZ_ARRAY);
}

/// Where streams were seen last: an index then need not be read before it.
#[derive(Debug, Default)]
pub(super) struct Hints(HashMap<StreamName, i64>);

/// Streams that are remembered; more, and it begins anew.
const HINTS_MAX: usize = 100_000;

impl Hints {
    fn of(&self, stream: &StreamName) -> i64 {
        self.0.get(stream).copied().unwrap_or_default()
    }

    /// Remembers where a batch went.
    pub(super) fn learn(&mut self, appended: &Appended) {
        if self.0.len() + appended.events.len() > HINTS_MAX {
            self.0.clear();
        }
        for event in &appended.events {
            match self.0.get_mut(&event.stream) {
                Some(last) => *last = number(event.position),
                None => drop(self.0.insert(event.stream.clone(), number(event.position))),
            }
        }
    }
}

/// The streams of a group, each once.
#[derive(Default)]
struct Streams<'a> {
    names: Vec<String>,
    /// Where the newest event of each is, or before.
    positions: Vec<i64>,
    hints: Option<&'a Hints>,
    places: HashMap<StreamName, i32>,
}

impl Streams<'_> {
    fn place(&mut self, stream: &StreamName) -> i32 {
        if let Some(place) = self.places.get(stream) {
            return *place;
        }
        self.names.push(stream.to_string());
        self.positions.push(self.hints.map_or(0, |hints| hints.of(stream)));
        let place = self.names.len() as i32;
        self.places.insert(stream.clone(), place);
        place
    }
}

/// What became of one batch.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is recorded, with these stamps.
    Recorded(Vec<Stamp>),
    /// A stream was at another version than expected.
    WrongVersion { stream: StreamName, expected: Option<Version>, actual: Version },
    /// Some of its ids are recorded.
    Known,
}

/// What the server has done with each batch of the group.
pub(super) fn fates(batches: &[&Batch], row: &Row) -> Result<Vec<Fate>> {
    let recorded_at = column::<Moment>(row, 0)?.0;
    let positions: Vec<Option<i64>> = column(row, 1)?;
    let versions: Vec<Option<i64>> = column(row, 2)?;
    let refused = refused(row)?;
    let expects: Vec<(&StreamName, &Expect)> = batches
        .iter()
        .flat_map(|batch| batch.expects())
        .filter(|(_, expect)| !matches!(expect, Expect::Any))
        .collect();
    let mut stamps = positions.iter().zip(&versions);
    let mut fates = Vec::with_capacity(batches.len());
    for (batch, index) in batches.iter().zip(1_i32..) {
        let of_batch: Vec<_> = stamps.by_ref().take(batch.events().len()).collect();
        fates.push(match refused.get(&index) {
            Some((0, _)) => Fate::Known,
            Some((expect, actual)) => {
                let Some((stream, expect)) = expects.get(*expect as usize - 1) else {
                    return Err(factlog::Error::stopped(
                        "the server refused an expectation that was not there",
                    ));
                };
                let expected = match expect {
                    Expect::Version(version) => Some(*version),
                    Expect::Any | Expect::Exists => None,
                };
                Fate::WrongVersion { stream: (*stream).clone(), expected, actual: version(*actual) }
            }
            None => match batch.stamps() {
                Stamps::Kept(stamps) => Fate::Recorded(stamps.clone()),
                Stamps::Now => Fate::Recorded(
                    of_batch
                        .into_iter()
                        .map(|(at, of)| Stamp {
                            position: position(at.unwrap_or_default()),
                            version: version(of.unwrap_or_default()),
                            recorded_at,
                        })
                        .collect(),
                ),
            },
        });
    }
    Ok(fates)
}

/// By the number of the batch: which expectation failed, counted from 1, and the version that was found.
fn refused(row: &Row) -> Result<HashMap<i32, (i32, i64)>> {
    let batches: Option<Vec<i32>> = column(row, 3)?;
    let expects: Option<Vec<i32>> = column(row, 4)?;
    let versions: Option<Vec<i64>> = column(row, 5)?;
    let (expects, versions) = (expects.unwrap_or_default(), versions.unwrap_or_default());
    let why = expects.into_iter().zip(versions);
    // The first reason counts.
    Ok(batches.unwrap_or_default().into_iter().zip(why).rev().collect())
}
