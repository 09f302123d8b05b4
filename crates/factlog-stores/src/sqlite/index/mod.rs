//! How events are found by a key: by SQLite's own indexes, or by lists that lag behind, with the newest in memory.

mod lagging;
mod lists;
mod real;
mod run;
mod scan;
mod state;
mod tail;
pub(super) mod check;
pub(super) mod upkeep;

use std::sync::{Arc, Mutex};

use factlog::{EventId, Position, Result, Text};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql};

use self::lagging::Lagging;
pub(super) use self::state::State;
pub(super) use self::tail::Tail;
pub(super) use self::upkeep::{Upkeep, write_next};
use super::row::compact;

/// How a log's events are found by a key: which of both is decided when the log is made, and changed by a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Indexes {
    /// SQLite's own, changed by every append: for people who query the file with `sqlite3` (format 1).
    Real,
    /// Lists that are written in runs, some thousand events behind the log's end (format 2): faster appends.
    #[default]
    Lagging,
}

impl Indexes {
    /// The number of the file's format.
    pub(super) const fn format(self) -> i32 {
        match self {
            Self::Real => 1,
            Self::Lagging => 2,
        }
    }

    pub(super) const fn of_format(format: i32) -> Option<Self> {
        match format {
            1 => Some(Self::Real),
            2 => Some(Self::Lagging),
            _ => None,
        }
    }

    /// How it is called in a log's URL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Lagging => "lagging",
        }
    }
}

/// The index of an open log.
#[derive(Debug, Clone)]
pub(super) enum Index {
    Real,
    Lagging(Arc<Mutex<Tail>>),
}

/// What events have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Id([u8; 16]),
    Correlation(Correlated),
    Stream(i64),
    Type(i64),
}

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Id(id) => Ok(ToSqlOutput::from(&id[..])),
            Self::Correlation(correlation) => correlation.to_sql(),
            Self::Stream(number) | Self::Type(number) => Ok(ToSqlOutput::from(*number)),
        }
    }
}

/// A correlation as the file keeps it, in the file's order: 16 bytes when it is written as a UUID is, else the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Correlated {
    Text(Text),
    Uuid([u8; 16]),
}

impl Correlated {
    pub(super) fn of(text: &Text) -> Self {
        compact(text).map_or_else(|| Self::Text(text.clone()), |uuid| Self::Uuid(uuid.into_bytes()))
    }
}

impl ToSql for Correlated {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::from(text.as_str()),
            Self::Uuid(bytes) => ToSqlOutput::from(&bytes[..]),
        })
    }
}

/// The positions a page may look at, both ends left out, and its direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) after: i64,
    pub(super) before: i64,
    pub(super) backwards: bool,
}

impl Window {
    /// Everything, the newest first.
    pub(super) const NEWEST: Self = Self { after: 0, before: i64::MAX, backwards: true };

    pub(super) const fn order(self) -> &'static str {
        if self.backwards { "DESC" } else { "ASC" }
    }

    /// As much of it as is after one position, and not after another.
    fn within(self, after: i64, through: i64) -> Self {
        Self { after: self.after.max(after), before: self.before.min(through.saturating_add(1)), ..self }
    }

    /// What of it comes after a position, in its direction.
    pub(super) fn past(self, position: i64) -> Self {
        if self.backwards { Self { before: position, ..self } } else { Self { after: position, ..self } }
    }

    fn is_empty(self) -> bool {
        self.after.saturating_add(1) >= self.before
    }

    fn has(self, position: i64) -> bool {
        self.after < position && position < self.before
    }
}

/// A stream's number, and its version, whether or not its events are still there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) sid: i64,
    pub(super) version: factlog::Version,
}

/// The index as one transaction sees it.
pub(super) enum View<'a> {
    Real(&'a Connection),
    Lagging(Lagging<'a>),
}

impl Index {
    /// The index of a log of a kind, with nothing in memory yet.
    pub(super) fn of(indexes: Indexes) -> Self {
        match indexes {
            Indexes::Real => Self::Real,
            Indexes::Lagging => Self::Lagging(Arc::default()),
        }
    }

    /// What a connection that only reads sees in the transaction that it is in, for so many questions.
    pub(super) fn view<'a>(
        &'a self,
        connection: &'a Connection,
        head: Position,
        questions: usize,
    ) -> Result<View<'a>> {
        match self {
            Self::Real => Ok(View::Real(connection)),
            Self::Lagging(tail) => {
                Lagging::reading(connection, tail, head.0 as i64, questions).map(View::Lagging)
            }
        }
    }
}

impl View<'_> {
    /// Positions in the order of the window, at most so many; one that a removal has emptied may be among them.
    pub(super) fn positions(&self, key: &Key, window: Window, wanted: usize) -> Result<Vec<i64>> {
        match self {
            Self::Real(connection) => real::positions(connection, key, window, wanted),
            Self::Lagging(view) => view.positions(key, window, wanted),
        }
    }

    /// Where the event of an id stands, or stood before a removal.
    pub(super) fn position_of(&self, id: EventId) -> Result<Option<i64>> {
        match self {
            Self::Real(connection) => real::position_of(connection, id),
            Self::Lagging(view) => view.position_of(id),
        }
    }

    /// The number of a stream.
    pub(super) fn sid(&self, name: &str) -> Result<Option<i64>> {
        match self {
            Self::Real(connection) => real::sid(connection, name),
            Self::Lagging(view) => view.sid(name),
        }
    }

    /// Numbers of streams of a category, at most so many.
    pub(super) fn sids_of_category(&self, category: &str, wanted: usize) -> Result<Vec<i64>> {
        match self {
            Self::Real(connection) => real::sids_of_category(connection, category, wanted),
            Self::Lagging(view) => view.sids_of_category(category, wanted),
        }
    }

    /// The number and the version of a stream.
    pub(super) fn head_of(&self, name: &str) -> Result<Option<Head>> {
        match self {
            Self::Real(connection) => real::head_of(connection, name),
            Self::Lagging(view) => view.head_of(name),
        }
    }
}
