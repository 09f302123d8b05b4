//! One statement with its parameters: always bound, never written into the text, and never prepared, so that a pooler that gives
//! another connection to every transaction serves as well.

use factlog::{Position, Timestamp, Version};
use futures_util::TryStreamExt;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, private::BytesMut, to_sql_checked};
use tokio_postgres::{Client, Row, RowStream};

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Value = Box<dyn ToSql + Send + Sync>;

/// A statement.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) sql: String,
    parameters: Vec<(Value, Type)>,
}

impl Request {
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), parameters: Vec::new() }
    }

    /// Adds a parameter; answers with what stands for it in the text.
    pub(super) fn bind(&mut self, value: impl ToSql + Send + Sync + 'static, kind: Type) -> String {
        self.parameters.push((Box::new(value), kind));
        format!("${}", self.parameters.len())
    }

    /// The same with another parameter.
    pub(super) fn with(mut self, value: impl ToSql + Send + Sync + 'static, kind: Type) -> Self {
        self.bind(value, kind);
        self
    }

    /// Asks on this connection, in one round trip.
    pub(super) async fn on(&self, client: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.stream(client).await?.try_collect().await
    }

    /// The same, row by row as they come. Those that are not taken are passed over by the connection.
    pub(super) async fn stream(&self, client: &Client) -> Result<RowStream, tokio_postgres::Error> {
        let parameters =
            self.parameters.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone()));
        client.query_typed_raw(&self.sql, parameters).await
    }
}

/// Microseconds from 1970 to 2000, which is where PostgreSQL's times begin.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A moment as PostgreSQL keeps it, to the microsecond.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl ToSql for Moment {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Cause> {
        (self.0.as_micros() - EPOCH_MICROS).to_sql(kind, out)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl FromSql<'_> for Moment {
    fn from_sql(kind: &Type, raw: &[u8]) -> Result<Self, Cause> {
        let micros = i64::from_sql(kind, raw)?;
        Ok(Self(Timestamp::from_micros(micros.saturating_add(EPOCH_MICROS))?))
    }

    accepts!(TIMESTAMPTZ);
}

/// JSON as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonText<'a>(pub(super) &'a str);

impl<'a> FromSql<'a> for JsonText<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Cause> {
        Ok(Self(std::str::from_utf8(raw)?))
    }

    accepts!(JSON, TEXT);
}

/// A position as the tables have it.
pub(super) fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

pub(super) fn position(number: i64) -> Position {
    Position(u64::try_from(number).unwrap_or_default())
}

pub(super) fn version(number: i64) -> Version {
    Version(u64::try_from(number).unwrap_or_default())
}
