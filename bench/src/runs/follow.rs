//! Following: how long after the acknowledgement of an append a follower has the event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::disk::Disk;
use crate::measure::{Latencies, Line, keep_on};
use crate::subjects::{Kind, Subject};
use crate::workload::Writer;

/// One writer as fast as it is answered, one follower. An event delivered before it is acknowledged took no time.
pub(super) fn run(kind: &Kind, disk: &Disk, took: Duration) -> Result<Line> {
    let folder = disk.folder()?;
    let subject: Arc<dyn Subject> = (kind.open)(folder.path())?.into();
    // The follower ends with the event at this position, or with the first after it.
    let last = Arc::new(AtomicU64::new(u64::MAX));
    let follower = thread::spawn({
        let (subject, last) = (Arc::clone(&subject), Arc::clone(&last));
        move || -> Result<Vec<(u64, Instant)>> {
            let mut delivered = Vec::new();
            subject.follow(&mut |position| {
                delivered.push((position, Instant::now()));
                position < last.load(Ordering::Acquire)
            })?;
            Ok(delivered)
        }
    });

    let mut writer = Writer::new(0, 1);
    let mut acknowledged = Vec::new();
    let appends = keep_on(took, 1, || {
        let position = subject.append(writer.next(1))?;
        acknowledged.push((position, Instant::now()));
        Ok(())
    })?;
    last.store(acknowledged.len() as u64, Ordering::Release);
    // The follower may wait already: one more event wakes it.
    subject.append(writer.next(1))?;
    let delivered = follower.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;

    let mut latencies = Latencies::default();
    ensure!(delivered.len() >= acknowledged.len(), "{} events were delivered", delivered.len());
    for ((position, at), (acknowledged, since)) in delivered.iter().zip(&acknowledged) {
        ensure!(position == acknowledged, "position {position} was delivered in place of {acknowledged}");
        latencies.note(at.saturating_duration_since(*since));
    }
    let line = Line { writers: Some(1), batch: Some(1), ..Line::default() };
    Ok(line.figures(appends.counted, appends.took, latencies))
}
