//! One event as one row, there and back.

use std::sync::Arc;

use factlog::{Error, Event, EventId, EventType, Json, NewEvent, Priority, Result, StreamName, Tag, Text};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::request::{JsonText, Moment, position, version};

/// The columns of [`decode`], in its order.
pub(super) const COLUMNS: &str = "e.position, e.version, e.recorded_at, e.occurred_at, e.expires_at, e.id, \
     e.causation_id, e.stream, e.type, e.source, e.correlation_id, e.session_id, e.user_id, e.priority, \
     e.traceparent, e.targets, e.tags, e.metadata, e.data";

/// Names that stand in row after row, made once.
#[derive(Debug, Default)]
pub(super) struct Recent {
    stream: Option<StreamName>,
    event_type: Option<EventType>,
    source: Option<Text>,
    correlation: Option<Text>,
}

macro_rules! recent {
    ($function:ident, $field:ident, $type:ident) => {
        fn $function(&mut self, text: &str) -> $type {
            match &self.$field {
                Some(last) if last.as_str() == text => last.clone(),
                _ => self.$field.insert($type::trusted(text)).clone(),
            }
        }
    };
}

impl Recent {
    recent!(stream, stream, StreamName);
    recent!(event_type, event_type, EventType);
    recent!(source, source, Text);
    recent!(correlation, correlation, Text);
}

/// The event in a row whose [`COLUMNS`] begin at `first`.
pub(super) fn decode(recent: &mut Recent, row: &Row, first: usize) -> Result<Arc<Event>> {
    let at = position(column(row, first)?);
    let fact = fact(recent, row, first).map_err(|error| error.context(format!("position {at}")))?;
    Ok(Arc::new(Event {
        position: at,
        version: version(column(row, first + 1)?),
        recorded_at: column::<Moment>(row, first + 2)?.0,
        fact,
    }))
}

fn fact(recent: &mut Recent, row: &Row, first: usize) -> Result<NewEvent> {
    let text = |index: usize| column::<Option<&str>>(row, first + index);
    let texts = |index: usize| column::<Option<Vec<&str>>>(row, first + index);
    let priority = text(13)?.map(|name| name.parse::<Priority>().map_err(|error| damaged(error.to_string())));
    Ok(NewEvent {
        id: EventId(column::<Uuid>(row, first + 5)?),
        stream: recent.stream(column(row, first + 7)?),
        event_type: recent.event_type(column(row, first + 8)?),
        source: text(9)?.map(|source| recent.source(source)),
        targets: texts(15)?.unwrap_or_default().into_iter().map(Text::trusted).collect(),
        occurred_at: column::<Option<Moment>>(row, first + 3)?.map(|moment| moment.0),
        correlation_id: text(10)?.map(|correlation| recent.correlation(correlation)),
        causation_id: column::<Option<Uuid>>(row, first + 6)?.map(EventId),
        session_id: text(11)?.map(Text::trusted),
        user_id: text(12)?.map(Text::trusted),
        priority: priority.transpose()?,
        expires_at: column::<Option<Moment>>(row, first + 4)?.map(|moment| moment.0),
        traceparent: text(14)?.map(Text::trusted),
        tags: texts(16)?.unwrap_or_default().into_iter().map(Tag::trusted).collect(),
        metadata: column::<Option<JsonText<'_>>>(row, first + 17)?.map(|json| Json::trusted(json.0)),
        data: Json::trusted(column::<JsonText<'_>>(row, first + 18)?.0),
    })
}

fn damaged(message: impl Into<String>) -> Error {
    Error::corrupt("table events", message)
}

/// One column; what is not of its type is damage, or a table that somebody has changed.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(|cause| damaged(cause.to_string()).with_cause(cause))
}
