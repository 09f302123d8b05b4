//! Writing: one event or a few per append by many writers, or all at once by one.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::disk::Disk;
use crate::measure::{Appends, Line, appends, keep_on};
use crate::subjects::{Kind, Seen, Subject, What};
use crate::workload::{BODY_BYTES, Writer};

/// Batches that an import hands over at a time, of one event each.
pub(super) const IMPORT_BATCHES: usize = 1_000;

/// Who writes, and how much at a time.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) writers: usize,
    pub(super) batch: usize,
}

/// Many writers, each waiting for its answer before the next append.
pub(super) fn run(kind: &Kind, disk: &Disk, load: Load, took: Duration) -> Result<Line> {
    let Load { writers, batch } = load;
    let line = Line { writers: Some(writers), batch: Some(batch), ..Line::default() };
    fresh(kind, disk, line, |subject| {
        subject.tasks(writers, batch, took).unwrap_or_else(|| appends(subject, writers, batch, took))
    })
}

/// One producer that hands over much at a time.
pub(super) fn import(kind: &Kind, disk: &Disk, took: Duration) -> Result<Line> {
    fresh(kind, disk, Line::default(), |subject| {
        let mut writer = Writer::new(0, 1);
        keep_on(took, IMPORT_BATCHES as u64, || {
            subject.import((0..IMPORT_BATCHES).map(|_| writer.next(1)).collect())
        })
    })
}

/// Measures on a fresh log, and holds what is in it afterwards against what was acknowledged.
fn fresh(
    kind: &Kind,
    disk: &Disk,
    line: Line,
    measured: impl FnOnce(&dyn Subject) -> Result<Appends>,
) -> Result<Line> {
    let folder = disk.folder()?;
    let mut subject = (kind.open)(folder.path())?;
    let appends = measured(&*subject)?;
    if !kind.in_memory {
        subject.close()?;
        subject = (kind.open)(folder.path())?;
    }
    let expected = Seen { events: appends.acknowledged, bytes: appends.acknowledged * BODY_BYTES as u64 };
    let seen = subject.read(&What::All)?;
    ensure!(seen == expected, "{seen:?} is in the log, {expected:?} was acknowledged");
    subject.close()?;
    Ok(line.figures(appends.counted, appends.took, appends.latencies))
}
