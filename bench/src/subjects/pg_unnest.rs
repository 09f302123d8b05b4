//! Many rows in one INSERT, whose parameters are arrays: the fastest plain statement.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::pg::{self, Place};
use super::{Seen, Subject, What};
use crate::measure::Appends;
use crate::tasks::{self, Appender, RUNTIME};
use crate::workload::Batch;

struct PgUnnest {
    place: Place,
    importer: Inserter,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let place = Place::of(folder)?;
    let importer = RUNTIME.block_on(Inserter::new(&place))?;
    Ok(Box::new(PgUnnest { place, importer }))
}

struct Inserter {
    client: Client,
    insert: Statement,
}

impl Inserter {
    async fn new(place: &Place) -> Result<Self> {
        let client = place.connect().await?;
        let sql = "INSERT INTO events (version, recorded_at, id, bytes, stream, type, correlation_id, data)
                   SELECT n.version, clock_timestamp(), n.id, octet_length(n.data), n.stream, n.type, n.correlation,
                       n.data::json
                   FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
                       n(version, id, stream, type, correlation, data)";
        let insert = client.prepare(sql).await?;
        Ok(Self { client, insert })
    }

    async fn insert(&self, batches: &[Batch]) -> Result<()> {
        let (mut versions, mut ids): (Vec<i64>, Vec<Uuid>) = (Vec::new(), Vec::new());
        let (mut streams, mut kinds, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
        let mut correlations = Vec::new();
        for row in pg::rows(batches) {
            versions.push(row.version);
            ids.push(row.fact.id);
            streams.push(row.stream);
            kinds.push(row.kind);
            correlations.push(row.correlation);
            bodies.push(row.fact.body);
        }
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&versions, &ids, &streams, &kinds, &correlations, &bodies];
        self.client.execute(&self.insert, &values).await?;
        Ok(())
    }
}

impl Appender for Inserter {
    async fn begin(&mut self, streams: Vec<Batch>) -> Result<()> {
        self.insert(&streams).await
    }

    async fn append(&mut self, batch: Batch) -> Result<()> {
        self.insert(&[batch]).await
    }
}

impl Subject for PgUnnest {
    fn append(&self, _batch: Batch) -> Result<u64> {
        bail!("tasks append to it")
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        RUNTIME.handle().block_on(self.importer.insert(&batches))
    }

    fn tasks(&self, writers: usize, batch: usize, took: Duration) -> Option<Result<Appends>> {
        let inserters = RUNTIME.block_on(async {
            let mut inserters = Vec::with_capacity(writers);
            for _ in 0..writers {
                inserters.push(Inserter::new(&self.place).await?);
            }
            Ok(inserters)
        });
        Some(inserters.and_then(|inserters| tasks::appends(inserters, batch, took)))
    }

    fn read(&self, what: &What) -> Result<Seen> {
        RUNTIME.handle().block_on(pg::read(&self.importer.client, what))
    }

    fn head(&self) -> Result<u64> {
        RUNTIME.handle().block_on(pg::head(&self.importer.client))
    }
}
