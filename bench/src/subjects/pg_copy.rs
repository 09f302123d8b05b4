//! COPY in its binary format, into a table of its own and out of factlog's: the fastest way in and out that there is.

use std::path::Path;
use std::pin::pin;
use std::time::SystemTime;

use anyhow::{Result, bail};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::pg::{self, Place};
use super::{Seen, Subject, What};
use crate::tasks::RUNTIME;
use crate::workload::Batch;

/// What is copied in, and as what; JSON is its text.
const IN: &str = "COPY events (version, recorded_at, id, bytes, stream, type, correlation_id, data) FROM STDIN (FORMAT binary)";
const TYPES: [Type; 8] =
    [Type::INT8, Type::TIMESTAMPTZ, Type::UUID, Type::INT4, Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT];

struct PgCopy(Client);

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let place = Place::of(folder)?;
    Ok(Box::new(PgCopy(RUNTIME.block_on(place.connect())?)))
}

impl PgCopy {
    async fn copy(&self, batches: &[Batch]) -> Result<()> {
        let mut rows = pin!(BinaryCopyInWriter::new(self.0.copy_in(IN).await?, &TYPES));
        for row in pg::rows(batches) {
            let pg::Row { version, stream, kind, correlation, fact } = &row;
            let bytes = fact.body.len() as i32;
            let now = SystemTime::now();
            rows.as_mut()
                .write(&[version, &now, &fact.id, &bytes, stream, kind, correlation, &fact.body])
                .await?;
        }
        rows.finish().await?;
        Ok(())
    }
}

impl Subject for PgCopy {
    fn append(&self, _batch: Batch) -> Result<u64> {
        bail!("it imports and reads")
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        RUNTIME.handle().block_on(self.copy(&batches))
    }

    fn read(&self, what: &What) -> Result<Seen> {
        RUNTIME.handle().block_on(pg::read(&self.0, what))
    }

    fn head(&self) -> Result<u64> {
        RUNTIME.handle().block_on(pg::head(&self.0))
    }
}
