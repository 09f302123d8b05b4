//! Reading: everything, or all of one stream, type or operation after another.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::drawn;
use super::fixture::Written;
use crate::measure::{Latencies, Line};
use crate::subjects::{Seen, Subject};
use crate::test::Test;
use crate::workload::BODY_BYTES;

/// Reads for so long, at least once; a latency is that of one whole reading.
pub(super) fn run(subject: &dyn Subject, written: &Written, test: Test, took: Duration) -> Result<Line> {
    let mut latencies = Latencies::default();
    let mut events = 0;
    let start = Instant::now();
    let mut began = start;
    while began - start < took {
        let (what, count) = drawn(written, test);
        let seen = subject.read(&what)?;
        let expected = Seen { events: count, bytes: count * BODY_BYTES as u64 };
        ensure!(seen == expected, "{seen:?} was read, {expected:?} was written");
        let done = Instant::now();
        latencies.note(done - began);
        events += count;
        began = done;
    }
    Ok(Line::default().figures(events, began - start, latencies))
}
