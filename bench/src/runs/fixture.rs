//! Large logs to read and to open: one per subject, written when it is first asked for.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;
use uuid::Uuid;

use super::append::IMPORT_BATCHES;
use crate::disk::Disk;
use crate::subjects::{Kind, Subject};
use crate::workload::{STREAMS, TYPES, Writer};

/// One in so many correlations is remembered.
const CORRELATION_SAMPLE: usize = 100;

/// What stands in a log.
pub(super) struct Written {
    pub(super) events: u64,
    /// How many by stream.
    pub(super) streams: Vec<u64>,
    /// How many by type.
    pub(super) types: Vec<u64>,
    /// How many of some correlations.
    pub(super) correlations: Vec<(Uuid, u64)>,
}

struct Fixture {
    // Dropped before the folder.
    readers: HashMap<&'static str, Box<dyn Subject>>,
    folder: TempDir,
    written: Written,
}

/// The logs written so far, by the names of their subjects.
pub(super) struct Fixtures<'a> {
    disk: &'a Disk,
    events: u64,
    logs: HashMap<&'static str, Fixture>,
}

impl<'a> Fixtures<'a> {
    pub(super) fn new(disk: &'a Disk, events: u64) -> Self {
        Self { disk, events, logs: HashMap::new() }
    }

    fn of(&mut self, kind: &Kind) -> Result<&mut Fixture> {
        if !self.logs.contains_key(kind.log_of) {
            eprintln!("writing {} events with {}", self.events, kind.log_of);
            let fixture = write(Kind::named(kind.log_of)?, self.disk, self.events)?;
            self.logs.insert(kind.log_of, fixture);
        }
        self.logs.get_mut(kind.log_of).context("it was just written")
    }

    /// A log to be read, and what is in it.
    pub(super) fn open(&mut self, kind: &'static Kind) -> Result<(&dyn Subject, &Written)> {
        let fixture = self.of(kind)?;
        if !fixture.readers.contains_key(kind.name) {
            fixture.readers.insert(kind.name, (kind.open)(fixture.folder.path())?);
        }
        Ok((&*fixture.readers[kind.name], &fixture.written))
    }

    /// The folder of a log that nobody holds open.
    pub(super) fn closed(&mut self, kind: &Kind) -> Result<(&Path, u64)> {
        let fixture = self.of(kind)?;
        for (_, reader) in fixture.readers.drain() {
            reader.close()?;
        }
        Ok((fixture.folder.path(), fixture.written.events))
    }
}

fn write(kind: &'static Kind, disk: &Disk, events: u64) -> Result<Fixture> {
    let folder = disk.folder()?;
    let subject = (kind.open)(folder.path())?;
    let mut written =
        Written { events: 0, streams: vec![0; STREAMS], types: vec![0; TYPES], correlations: Vec::new() };
    let mut correlations: HashMap<Uuid, u64> = HashMap::new();
    let mut writer = Writer::new(0, 1);
    while written.events < events {
        let count = IMPORT_BATCHES.min((events - written.events) as usize);
        let batches: Vec<_> = (0..count).map(|_| writer.next(1)).collect();
        for batch in &batches {
            written.streams[batch.stream] += 1;
            for fact in &batch.facts {
                written.types[fact.kind] += 1;
                *correlations.entry(fact.correlation).or_default() += 1;
            }
        }
        subject.import(batches)?;
        written.events += count as u64;
    }
    written.correlations = correlations.into_iter().step_by(CORRELATION_SAMPLE).collect();
    let mut readers = HashMap::new();
    if kind.in_memory {
        readers.insert(kind.name, subject);
    } else {
        subject.close()?;
    }
    disk.settle()?;
    Ok(Fixture { readers, folder, written })
}
