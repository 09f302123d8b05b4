//! What the tables tell of some batches, for `admission` to judge by.

use std::collections::HashMap;

use factlog::admission::{Known, Ledger};
use factlog::{
    Batch, Condition, EventId, Filter, NewEvent, Position, REMOVED_TYPE, RETENTION_STREAM, RemovedData,
    Result, Stamp, StreamName, Timestamp, Version,
};
use tokio_postgres::types::Type;

use super::names::Names;
use super::request::{JsonText, Moment, Request, position, version};
use super::row::column;
use tokio_postgres::Row;

/// What is known of the log, and of what some batches name.
#[derive(Debug, Default)]
pub(super) struct Facts {
    head: Position,
    recorded_at: Option<Timestamp>,
    versions: HashMap<StreamName, Version>,
    known: HashMap<EventId, Known>,
    removals: Vec<RemovedData>,
    /// Conditions, and whether something matches.
    broken: Vec<(Filter, Position, bool)>,
}

/// The questions whose answers are the facts.
pub(super) struct Questions {
    pub(super) head: Request,
    pub(super) streams: Request,
    pub(super) known: Request,
    pub(super) removals: Request,
}

impl Questions {
    pub(super) fn of(names: &Names, batches: &[&Batch]) -> Self {
        let events = || batches.iter().flat_map(|batch| batch.events());
        let mut streams: Vec<String> = events().map(|event| event.stream.to_string()).collect();
        streams.extend(batches.iter().flat_map(|batch| batch.expects().keys().map(ToString::to_string)));
        streams.sort_unstable();
        streams.dedup();
        let texts = |take: fn(&NewEvent) -> String| events().map(take).collect::<Vec<_>>();
        let known = names.sql(
            "SELECT n.id, e.position, e.version, e.recorded_at,
                 e.stream = n.stream AND e.type = n.type AND e.data::text = n.data
             FROM unnest($1, $2, $3, $4) n(id, stream, type, data)
             CROSS JOIN LATERAL (SELECT * FROM {events} x WHERE x.id = n.id LIMIT 1) e",
        );
        Self {
            head: Request::new(
                names.sql("SELECT position, recorded_at FROM {events} ORDER BY position DESC LIMIT 1"),
            ),
            streams: versions(names, streams),
            known: Request::new(known)
                .with(events().map(|event| event.id.0).collect::<Vec<_>>(), Type::UUID_ARRAY)
                .with(texts(|event| event.stream.to_string()), Type::TEXT_ARRAY)
                .with(texts(|event| event.event_type.to_string()), Type::TEXT_ARRAY)
                .with(texts(|event| event.data.as_str().to_owned()), Type::TEXT_ARRAY),
            removals: Request::new(
                names.sql("SELECT data FROM {events} WHERE stream = $1 AND type = $2 ORDER BY position"),
            )
            .with(RETENTION_STREAM, Type::TEXT)
            .with(REMOVED_TYPE, Type::TEXT),
        }
    }
}

/// The versions of streams, also of those whose newest events were removed; in the order of the names.
pub(super) fn versions(names: &Names, streams: Vec<String>) -> Request {
    let sql = "SELECT s.name, greatest(
                   (SELECT e.version FROM {events} e WHERE e.stream = s.name ORDER BY e.position DESC LIMIT 1),
                   (SELECT r.version FROM {removed_streams} r WHERE r.stream = s.name), 0)
               FROM unnest($1) s(name)";
    Request::new(names.sql(sql)).with(streams, Type::TEXT_ARRAY)
}

impl Facts {
    /// The facts that the answers hold.
    pub(super) fn of(head: &[Row], streams: &[Row], known: &[Row], removals: &[Row]) -> Result<Self> {
        let mut facts = Self::default();
        if let Some(row) = head.first() {
            facts.head = position(column(row, 0)?);
            facts.recorded_at = Some(column::<Moment>(row, 1)?.0);
        }
        for row in streams {
            facts.versions.insert(StreamName::trusted(column::<&str>(row, 0)?), version(column(row, 1)?));
        }
        for row in known {
            let stamp = Stamp {
                position: position(column(row, 1)?),
                version: version(column(row, 2)?),
                recorded_at: column::<Moment>(row, 3)?.0,
            };
            facts.known.insert(EventId(column(row, 0)?), Known { stamp, same: column(row, 4)? });
        }
        for row in removals {
            // An event that somebody else put into this stream removes nothing.
            if let Ok(removed) = serde_json::from_str(column::<JsonText<'_>>(row, 0)?.0) {
                facts.removals.push(removed);
            }
        }
        Ok(facts)
    }

    /// Notes whether something that a condition excludes has come.
    pub(super) fn note(&mut self, condition: &Condition, is_broken: bool) {
        let Condition::NoneSince { filter, after } = condition;
        self.broken.push((filter.clone(), *after, is_broken));
    }
}

impl Ledger for Facts {
    fn head(&self) -> Position {
        self.head
    }

    fn recorded_at(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    fn version(&mut self, stream: &StreamName) -> Result<Version> {
        Ok(self.versions.get(stream).copied().unwrap_or_default())
    }

    fn known(&mut self, event: &NewEvent) -> Result<Option<Known>> {
        Ok(self.known.get(&event.id).copied())
    }

    fn any_after(&mut self, filter: &Filter, after: Position) -> Result<bool> {
        Ok(self.broken.iter().any(|(of, from, is_broken)| *is_broken && of == filter && *from == after))
    }

    fn removals(&self) -> &[RemovedData] {
        &self.removals
    }
}
