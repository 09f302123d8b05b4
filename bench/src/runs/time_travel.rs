//! Time travel: states of the past, from what was remembered before them and from nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::fixture::Written;
use crate::measure::{Latencies, Line};
use crate::subjects::{Look, Subject};

/// What is looked at, and from where.
pub(super) const CASES: [&str; 4] = [
    "a position, from nothing",
    "a position, with history",
    "a version, from nothing",
    "a version, with snapshots",
];

/// Looks at moments drawn by lot for so long, at least once; a latency is that of one look.
pub(super) fn run(
    subject: &dyn Subject,
    written: &Written,
    case: &'static str,
    took: Duration,
) -> Result<Line> {
    let remembered = case.ends_with("history") || case.ends_with("snapshots");
    if remembered {
        subject.remember()?;
    }
    let mut latencies = Latencies::default();
    let mut looks = 0;
    let start = Instant::now();
    let mut began = start;
    while began - start < took || looks == 0 {
        let (look, expected) = if case.starts_with("a position") {
            let position = fastrand::u64(1..=written.events);
            (Look::Position(position), position)
        } else {
            let stream = fastrand::usize(..written.streams.len());
            let version = fastrand::u64(0..=written.streams[stream]);
            (Look::Version(stream, version), version)
        };
        began = Instant::now();
        let events = subject.look(look, remembered)?;
        let done = Instant::now();
        ensure!(events == expected, "the state has {events} events, and there were {expected}");
        latencies.note(done - began);
        looks += 1;
        began = done;
    }
    let line = Line { case: Some(case), ..Line::default() };
    let mut line = line.figures(looks, start.elapsed(), latencies);
    line.events = written.events;
    Ok(line)
}
