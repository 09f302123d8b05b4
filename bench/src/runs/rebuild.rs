//! Rebuilding: a projection over everything, from nothing, and a full read beside it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::fixture::Written;
use crate::measure::{Latencies, Line, rounded};
use crate::subjects::{Subject, What};

/// Reads and rebuilds in turns for so long, at least once; a latency is that of one whole rebuild.
pub(super) fn run(subject: &dyn Subject, written: &Written, took: Duration) -> Result<Line> {
    let mut latencies = Latencies::default();
    let (mut reading, mut rebuilding) = (Duration::ZERO, Duration::ZERO);
    let mut events = 0;
    while reading + rebuilding < took {
        let began = Instant::now();
        let seen = subject.read(&What::All)?;
        reading += began.elapsed();
        ensure!(seen.events == written.events, "{} events were read", seen.events);
        let began = Instant::now();
        let folded = subject.rebuild()?;
        let rebuilt = began.elapsed();
        ensure!(folded == written.events, "{folded} events were folded, {} were written", written.events);
        rebuilding += rebuilt;
        latencies.note(rebuilt);
        events += folded;
    }
    let share = reading.as_secs_f64() / rebuilding.as_secs_f64();
    let line = Line { share: Some(rounded(share, 100.0)), ..Line::default() };
    Ok(line.figures(events, rebuilding, latencies))
}
