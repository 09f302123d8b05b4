//! Matching: patterns looked for in one pass, and a plain read of the same events beside it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::fixture::Written;
use crate::measure::{Latencies, Line, memory_kib, rounded};
use crate::subjects::Subject;

/// A name, the patterns, and whether every event is read for them, or only those of which they speak.
pub(super) type Case = (&'static str, &'static [&'static str], bool);

const TWO_STEPS: &str = "task:step-00 followed by task:step-01 within 5m by stream";
const THREE_STEPS: &str =
    "task:step-00 followed by task:step-01[data.attempt > 3] followed by task:step-02 within 5m by stream";
const ABSENCE: &str = "task:step-00 not followed by task:step-01 within 100ms by stream";
const NO_KEY: &str = "task:step-00 followed by task:step-01 within 5m";

/// What is looked for.
pub(super) const CASES: [Case; 6] = [
    ("1 two steps", &[TWO_STEPS], false),
    ("2 three, with a condition", &[THREE_STEPS], false),
    ("3 an absence", &[ABSENCE], false),
    ("4 two steps, no key", &[NO_KEY], false),
    ("5 two steps of any type", &["task:step-0* followed by task:* within 5m by stream"], false),
    ("1 to 4 at once, every event", &[TWO_STEPS, THREE_STEPS, ABSENCE, NO_KEY], true),
];

/// Reads, and reads and matches, in turns for so long, at least once; a latency is that of one whole pass.
pub(super) fn run(
    subject: &dyn Subject,
    written: &Written,
    (case, patterns, every): Case,
    took: Duration,
) -> Result<Line> {
    let mut latencies = Latencies::default();
    let (mut reading, mut matching) = (Duration::ZERO, Duration::ZERO);
    let (mut events, mut grown): (u64, Option<i64>) = (0, None);
    while reading + matching < took {
        let began = Instant::now();
        let read = subject.find(patterns, every, false, &mut |_| {})?;
        reading += began.elapsed();
        ensure!(!every || read.events == written.events, "{} events were read", read.events);
        // The memory at a quarter of the events, and at the last: what grows between grows with the log.
        let mut memory = Vec::new();
        let quarters = [read.events / 4, read.events];
        let began = Instant::now();
        let found = subject.find(patterns, every, true, &mut |events| {
            if quarters.contains(&events) {
                memory.extend(memory_kib());
            }
        })?;
        let matched = began.elapsed();
        ensure!(found.events == read.events && found.matches > 0, "{found:?}, and {read:?} without matching");
        ensure!(found.dropped == 0, "{found:?}: there was no room");
        matching += matched;
        latencies.note(matched);
        events += found.events;
        if let [quarter, end] = memory[..] {
            grown = grown.max(Some(end - quarter));
        }
    }
    let share = reading.as_secs_f64() / matching.as_secs_f64();
    let line =
        Line { case: Some(case), share: Some(rounded(share, 100.0)), grown_kib: grown, ..Line::default() };
    Ok(line.figures(events, matching, latencies))
}
