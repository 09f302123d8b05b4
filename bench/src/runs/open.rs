//! Opening: how long until a program knows the head of a large log.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::measure::{Latencies, Line};
use crate::subjects::Kind;

/// Openings of one run.
const OPENINGS: usize = 21;

/// Opens a log that nobody holds open, again and again.
pub(super) fn run(kind: &Kind, (folder, events): (&Path, u64)) -> Result<Line> {
    let mut latencies = Latencies::default();
    let start = Instant::now();
    for _ in 0..OPENINGS {
        let began = Instant::now();
        let subject = (kind.open)(folder)?;
        let head = subject.head()?;
        latencies.note(began.elapsed());
        ensure!(head == events, "the head is {head}, and {events} events were written");
        subject.close()?;
    }
    let median = latencies.percentile(50.0);
    let mut line = Line::default().figures(events, start.elapsed(), latencies);
    (line.open_us, line.ops_per_second) = (median, None);
    Ok(line)
}
