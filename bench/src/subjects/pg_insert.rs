//! The simplest durable log in PostgreSQL: one prepared INSERT per event, and a connection for each writer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio_postgres::{Client, GenericClient, Statement};

use super::pg::{self, Place};
use super::{Seen, Subject, What};
use crate::measure::Appends;
use crate::tasks::{self, Appender, RUNTIME};
use crate::workload::Batch;

struct PgInsert(Place);

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    Ok(Box::new(PgInsert(Place::of(folder)?)))
}

struct Inserter {
    client: Client,
    insert: Statement,
}

impl Inserter {
    async fn new(place: &Place) -> Result<Self> {
        let client = place.connect().await?;
        let sql = "INSERT INTO events (version, recorded_at, id, bytes, stream, type, correlation_id, data)
                   VALUES ($1, clock_timestamp(), $2, octet_length($6::text), $3, $4, $5, $6::text::json)
                   RETURNING position";
        let insert = client.prepare(sql).await?;
        Ok(Self { client, insert })
    }
}

async fn insert(client: &impl GenericClient, insert: &Statement, batches: &[Batch]) -> Result<()> {
    for row in pg::rows(batches) {
        let pg::Row { version, stream, kind, correlation, fact } = &row;
        let answer =
            client.query_one(insert, &[version, &fact.id, stream, kind, correlation, &fact.body]).await?;
        std::hint::black_box(answer.get::<_, i64>(0));
    }
    Ok(())
}

impl Appender for Inserter {
    async fn begin(&mut self, streams: Vec<Batch>) -> Result<()> {
        let transaction = self.client.transaction().await?;
        insert(&transaction, &self.insert, &streams).await?;
        Ok(transaction.commit().await?)
    }

    async fn append(&mut self, batch: Batch) -> Result<()> {
        insert(&self.client, &self.insert, &[batch]).await
    }
}

impl Subject for PgInsert {
    fn append(&self, _batch: Batch) -> Result<u64> {
        bail!("tasks append to it")
    }

    fn tasks(&self, writers: usize, batch: usize, took: Duration) -> Option<Result<Appends>> {
        let inserters = RUNTIME.block_on(async {
            let mut inserters = Vec::with_capacity(writers);
            for _ in 0..writers {
                inserters.push(Inserter::new(&self.0).await?);
            }
            Ok(inserters)
        });
        Some(inserters.and_then(|inserters| tasks::appends(inserters, batch, took)))
    }

    fn read(&self, what: &What) -> Result<Seen> {
        RUNTIME.block_on(async { pg::read(&self.0.connect().await?, what).await })
    }

    fn head(&self) -> Result<u64> {
        RUNTIME.block_on(async { pg::head(&self.0.connect().await?).await })
    }
}
