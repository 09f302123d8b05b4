//! Values remembered at positions, as rows.

use async_trait::async_trait;
use factlog::limits::SNAPSHOT_LIST_MAX;
use factlog::{
    Error, Json, Keep, Position, Result, Revision, Snapshot, SnapshotInfo, Snapshots, Timestamp,
    older_snapshot, revision_conflict,
};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::request::{Moment, number, position};
use super::row::column;

#[async_trait]
impl Snapshots for PostgresStore {
    async fn load(&self, key: &str, at: Position) -> Result<Option<Snapshot>> {
        let sql = "SELECT key, position, newest, revision, saved_at, data FROM {snapshots}
                   WHERE key = $1 AND position <= $2 ORDER BY position DESC LIMIT 1";
        let request = self.request(sql).with(key.to_owned(), Type::TEXT).with(number(at), Type::INT8);
        let rows = self.pool().ask(&request).await?;
        rows.first()
            .map(|row| {
                Ok(Snapshot {
                    key: column(row, 0)?,
                    position: position(column(row, 1)?),
                    newest: column::<Option<Moment>>(row, 2)?.map(|moment| moment.0),
                    revision: revision(row, 3)?,
                    saved_at: column::<Moment>(row, 4)?.0,
                    data: Json::trusted(column::<&str>(row, 5)?),
                })
            })
            .transpose()
    }

    async fn save(&self, snapshot: Snapshot, expect: Option<Revision>, keep: Keep) -> Result<Revision> {
        snapshot.check()?;
        let sql = "SELECT out_revision, out_last, out_newer FROM {save_snapshot}($1, $2, $3, $4, $5, $6, $7)";
        let request = self
            .request(sql)
            .with(snapshot.key.clone(), Type::TEXT)
            .with(number(snapshot.position), Type::INT8)
            .with(snapshot.newest.map(Moment), Type::TIMESTAMPTZ)
            .with(Moment(Timestamp::now()), Type::TIMESTAMPTZ)
            .with(snapshot.data.as_str().to_owned(), Type::TEXT)
            .with(expect.map(|revision| revision.0 as i64), Type::INT8)
            .with(keep == Keep::History, Type::BOOL);
        let row = self.pool().ask_one(&request).await?;
        if column::<Option<i64>>(&row, 0)?.is_some() {
            return revision(&row, 0);
        }
        match (expect, column::<Option<i64>>(&row, 2)?) {
            (_, Some(newer)) => Err(older_snapshot(&snapshot.key, snapshot.position, position(newer))),
            (Some(expected), None) => Err(revision_conflict(&snapshot.key, expected, revision(&row, 1)?)),
            (None, None) => Err(Error::stopped("the server did not save, and did not say why")),
        }
    }

    async fn list(&self, prefix: &str, after: Option<(&str, Position)>) -> Result<Vec<SnapshotInfo>> {
        let sql =
            "SELECT key, position, newest, revision, saved_at, octet_length(data)::bigint FROM {snapshots}
                   WHERE (key, position) > ($1, $2) AND starts_with(key, $3) ORDER BY key, position LIMIT $4";
        let after = after.filter(|(key, _)| *key >= prefix);
        let (key, at) = after.map_or((prefix, -1), |(key, position)| (key, number(position)));
        let request = self
            .request(sql)
            .with(key.to_owned(), Type::TEXT)
            .with(at, Type::INT8)
            .with(prefix.to_owned(), Type::TEXT)
            .with(SNAPSHOT_LIST_MAX as i64, Type::INT8);
        let rows = self.pool().ask(&request).await?;
        let infos = rows.iter().map(|row| {
            Ok(SnapshotInfo {
                key: column(row, 0)?,
                position: position(column(row, 1)?),
                newest: column::<Option<Moment>>(row, 2)?.map(|moment| moment.0),
                revision: revision(row, 3)?,
                saved_at: column::<Moment>(row, 4)?.0,
                bytes: column::<i64>(row, 5)? as u64,
            })
        });
        infos.collect()
    }

    async fn forget(&self, key: &str, below: Position) -> Result<u64> {
        let sql = "WITH gone AS (DELETE FROM {snapshots} WHERE key = $1 AND position < $2 RETURNING 1)
                   SELECT count(*) FROM gone";
        let request = self.request(sql).with(key.to_owned(), Type::TEXT).with(number(below), Type::INT8);
        Ok(column::<i64>(&self.pool().ask_one(&request).await?, 0)? as u64)
    }

    async fn forget_at(&self, key: &str, positions: &[Position]) -> Result<u64> {
        let sql = "WITH gone AS (DELETE FROM {snapshots} WHERE key = $1 AND position = ANY ($2) RETURNING 1)
                   SELECT count(*) FROM gone";
        let positions: Vec<i64> = positions.iter().copied().map(number).collect();
        let request = self.request(sql).with(key.to_owned(), Type::TEXT).with(positions, Type::INT8_ARRAY);
        Ok(column::<i64>(&self.pool().ask_one(&request).await?, 0)? as u64)
    }
}

fn revision(row: &Row, index: usize) -> Result<Revision> {
    Ok(Revision(column::<i64>(row, index)? as u64))
}
