//! Growing: a log of many streams is filled by many writers, and the rate at its end is held against that at its beginning.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::disk::Disk;
use crate::measure::{Latencies, Line, memory_kib, rounded};
use crate::subjects::{Kind, Subject};
use crate::workload::{STREAMS_MANY, Writer};

const WRITERS: usize = 64;
/// Parts of the log whose rates are compared.
const PARTS: u64 = 10;

/// Fills a fresh log with so many events, one by one.
pub(super) fn run(kind: &Kind, disk: &Disk, events: u64) -> Result<Line> {
    let folder = disk.folder()?;
    let before_kib = memory_kib();
    let subject = (kind.open)(folder.path())?;
    let filling = Filling { events, asked: AtomicU64::new(0), done: AtomicU64::new(0) };
    let began = Instant::now();
    let (latencies, mut ends) = filling.run(&*subject)?;
    let took = began.elapsed();
    ends.sort_unstable();
    // With the threads and the latencies of the writers.
    let grown_kib = memory_kib().zip(before_kib).map(|(now, before)| now - before);
    ensure!(subject.head()? >= events, "the head is {}, and {events} events were written", subject.head()?);
    subject.close()?;
    // The end of each part, and the beginning of the first.
    let (first, last) = (ends.first().context("no part has ended")?, &ends[ends.len() - 2..]);
    let share = (*first - began).as_secs_f64() / (last[1] - last[0]).as_secs_f64();
    let line =
        Line { writers: Some(WRITERS), share: Some(rounded(share, 100.0)), grown_kib, ..Line::default() };
    Ok(line.figures(events, took, latencies))
}

/// A log that is being filled.
struct Filling {
    events: u64,
    asked: AtomicU64,
    done: AtomicU64,
}

impl Filling {
    /// How long each append took, and when each part was full.
    fn run(&self, subject: &dyn Subject) -> Result<(Latencies, Vec<Instant>)> {
        let barrier = Barrier::new(WRITERS);
        let parts = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|number| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        self.write(subject, Writer::of(number, WRITERS, STREAMS_MANY))
                    })
                })
                .collect();
            writers
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Result<Vec<_>>>()
        })?;
        let (mut latencies, mut ends) = (Latencies::default(), Vec::new());
        for (of_one, its_ends) in parts {
            latencies.join(of_one);
            ends.extend(its_ends);
        }
        Ok((latencies, ends))
    }

    fn write(&self, subject: &dyn Subject, mut writer: Writer) -> Result<(Latencies, Vec<Instant>)> {
        let (mut latencies, mut ends) = (Latencies::default(), Vec::new());
        while self.asked.fetch_add(1, Ordering::Relaxed) < self.events {
            let batch = writer.next(1);
            let began = Instant::now();
            subject.append(batch)?;
            latencies.note(began.elapsed());
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of((self.events / PARTS).max(1)) {
                ends.push(Instant::now());
            }
        }
        Ok((latencies, ends))
    }
}
