//! The floor without group commit: one write and one fdatasync per batch, no index, a lock when there are several
//! writers.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::sqlite::Heads;
use super::{Seen, Subject, What};
use crate::workload::Batch;

/// Bytes before a body: length, stream, version, type, id, correlation.
const RECORD_HEAD_BYTES: usize = 4 + 4 + 8 + 4 + 16 + 16;

struct RawLog {
    file: Mutex<(File, Heads)>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Subject>> {
    let file = OpenOptions::new().read(true).append(true).create(true).open(folder.join("raw.log"))?;
    Ok(Box::new(RawLog { file: Mutex::new((file, Heads::new(0))) }))
}

/// Adds the records of a batch.
pub(super) fn encode(batch: &Batch, bytes: &mut Vec<u8>) {
    for (index, fact) in batch.facts.iter().enumerate() {
        bytes.extend_from_slice(&(fact.body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(batch.stream as u32).to_le_bytes());
        bytes.extend_from_slice(&(batch.expected + 1 + index as u64).to_le_bytes());
        bytes.extend_from_slice(&(fact.kind as u32).to_le_bytes());
        bytes.extend_from_slice(fact.id.as_bytes());
        bytes.extend_from_slice(fact.correlation.as_bytes());
        bytes.extend_from_slice(fact.body.as_bytes());
    }
}

/// Reads all records up to the end or the first zeros.
pub(super) fn decode(file: File) -> Result<Seen> {
    let mut file = BufReader::new(file);
    let mut seen = Seen::default();
    let (mut head, mut body) = ([0; RECORD_HEAD_BYTES], Vec::new());
    while file.read_exact(&mut head).is_ok() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        if length == 0 {
            break;
        }
        body.resize(length as usize, 0);
        file.read_exact(&mut body)?;
        seen.note(&body);
    }
    Ok(seen)
}

impl RawLog {
    fn commit(&self, batches: &[Batch]) -> Result<u64> {
        let mut bytes = Vec::new();
        for batch in batches {
            encode(batch, &mut bytes);
        }
        let (file, heads) = &mut *self.file.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in batches {
            heads.admit(batch)?;
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        Ok(heads.position)
    }
}

impl Subject for RawLog {
    fn append(&self, batch: Batch) -> Result<u64> {
        self.commit(&[batch])
    }

    fn import(&self, batches: Vec<Batch>) -> Result<()> {
        self.commit(&batches).map(|_| ())
    }

    fn read(&self, _what: &What) -> Result<Seen> {
        decode(self.file.lock().unwrap_or_else(PoisonError::into_inner).0.try_clone()?)
    }

    fn head(&self) -> Result<u64> {
        Ok(self.file.lock().unwrap_or_else(PoisonError::into_inner).1.position)
    }
}
