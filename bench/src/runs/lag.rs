//! Lag: how long after the acknowledgement of an append a projection has taken the event in, at a steady rate.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::disk::Disk;
use crate::measure::{Latencies, Line};
use crate::subjects::{Kind, Subject};
use crate::workload::Writer;

/// Events that are offered in a second, all writers together.
const RATE: u32 = 10_000;
/// Enough that they reach the rate when an append takes a millisecond or two.
const WRITERS: usize = 20;

/// An event that a projection had before it was acknowledged took no time.
pub(super) fn run(kind: &Kind, disk: &Disk, took: Duration) -> Result<Line> {
    let folder = disk.folder()?;
    let subject = (kind.open)(folder.path())?;
    let projecting = subject.project()?;
    let began = Instant::now();
    let acknowledged = write(&*subject, took)?;
    let wrote = began.elapsed();
    let last = acknowledged.iter().map(|(position, _)| *position).max().context("nothing was written")?;
    let taken = projecting.taken(last)?;
    ensure!(taken.len() as u64 == last, "{} of {last} events were taken in", taken.len());
    let mut latencies = Latencies::default();
    for (position, since) in &acknowledged {
        let (at, when) = taken[*position as usize - 1];
        ensure!(at == *position, "position {at} was taken in in place of {position}");
        latencies.note(when.saturating_duration_since(*since));
    }
    subject.close()?;
    let line = Line { writers: Some(WRITERS), batch: Some(1), ..Line::default() };
    Ok(line.figures(acknowledged.len() as u64, wrote, latencies))
}

/// Each writer appends at its share of the rate; one that is late makes up for it.
fn write(subject: &dyn Subject, took: Duration) -> Result<Vec<(u64, Instant)>> {
    let pause = Duration::from_secs(1) * WRITERS as u32 / RATE;
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS)
            .map(|number| {
                scope.spawn(move || {
                    let mut writer = Writer::new(number, WRITERS);
                    let mut acknowledged = Vec::new();
                    let start = Instant::now() + pause * number as u32 / WRITERS as u32;
                    for turn in 0.. {
                        let due = start + pause * turn;
                        if due >= start + took {
                            break;
                        }
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        acknowledged.push((subject.append(writer.next(1))?, Instant::now()));
                    }
                    Ok(acknowledged)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}
