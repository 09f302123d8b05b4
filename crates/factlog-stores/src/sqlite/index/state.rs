//! How far the lists have come: one row, changed in the transactions that write them.

use factlog::Result;
use rusqlite::Connection;

use super::super::query::failed;
use super::super::query::one;

/// What the row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct State {
    /// The lists tell of events up to here: what they say of later ones is not said yet.
    pub(super) indexed_upto: i64,
    /// Names are found for streams of numbers up to here.
    pub(super) named_upto: i64,
    /// The greatest id of version 7 among the events that the lists tell of.
    pub(super) newest_v7: [u8; 16],
    /// The run that is being written ends here; as far as the lists where none is.
    pub(super) run_upto: i64,
    pub(super) run_named_upto: i64,
    /// So many of its rows are written.
    pub(super) run_rows: i64,
}

impl State {
    pub(in super::super) fn read(connection: &Connection) -> Result<Self> {
        let sql =
            "SELECT indexed_upto, named_upto, newest_v7, run_upto, run_named_upto, run_rows FROM index_state";
        let read = one(connection, sql, [], |row| {
            Ok(Self {
                indexed_upto: row.get(0)?,
                named_upto: row.get(1)?,
                newest_v7: row.get(2)?,
                run_upto: row.get(3)?,
                run_named_upto: row.get(4)?,
                run_rows: row.get(5)?,
            })
        })?;
        read.ok_or_else(|| factlog::Error::corrupt("table index_state", "its row is missing"))
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<()> {
        let sql = "UPDATE index_state SET indexed_upto = ?1, named_upto = ?2, newest_v7 = ?3, run_upto = ?4, \
                   run_named_upto = ?5, run_rows = ?6";
        let row = (
            self.indexed_upto,
            self.named_upto,
            self.newest_v7,
            self.run_upto,
            self.run_named_upto,
            self.run_rows,
        );
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute(row)).map_err(failed)?;
        Ok(())
    }

    /// Whether a run is being written.
    pub(super) fn has_run(&self) -> bool {
        self.run_upto > self.indexed_upto
    }

    /// With a run that ends there and has no row yet.
    pub(super) fn with_run(self, upto: i64, named_upto: i64) -> Self {
        Self { run_upto: upto, run_named_upto: named_upto, run_rows: 0, ..self }
    }
}
