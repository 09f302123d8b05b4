//! Threads and clocks: many writers at once, and what their latencies come to.

use std::io::Write;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use std::{fmt, fs, thread};

use anyhow::Result;
use serde::Serialize;

use crate::subjects::Subject;
use crate::workload::Writer;

/// Appends in this first part of a run are not counted: files grow, caches fill.
pub(crate) const WARM_UP: Duration = Duration::from_millis(250);

/// One result, as one line of JSON.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) subject: &'static str,
    pub(crate) test: &'static str,
    /// Which of several things the test does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) case: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) writers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<usize>,
    /// Events per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ops_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p999_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_us: Option<f64>,
    /// Its rate as a share of another one, measured in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
    /// By how much the process has grown from a quarter of a pass to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grown_kib: Option<i64>,
    /// Events that the figures are made of, or that the log holds.
    pub(crate) events: u64,
    pub(crate) seconds: f64,
    pub(crate) repeat: usize,
    /// How the subject was called.
    pub(crate) callers: &'static str,
}

impl Line {
    /// Prints it; whoever reads it may be gone.
    pub(crate) fn print(&self) -> Result<()> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        std::io::stdout().lock().write_all(line.as_bytes())?;
        Ok(())
    }

    /// Notes a rate and latencies.
    pub(crate) fn figures(mut self, events: u64, took: Duration, mut latencies: Latencies) -> Self {
        self.events = events;
        self.seconds = rounded(took.as_secs_f64(), 1_000.0);
        self.ops_per_second = Some(rounded(events as f64 / took.as_secs_f64(), 10.0));
        self.p50_us = latencies.percentile(50.0);
        self.p99_us = latencies.percentile(99.0);
        self.p999_us = latencies.percentile(99.9);
        self
    }
}

pub(crate) fn rounded(figure: f64, parts: f64) -> f64 {
    (figure * parts).round() / parts
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:16} {:16}", self.test, self.subject)?;
        if let Some(case) = self.case {
            write!(f, " {case:28}")?;
        }
        for (name, count) in [("writers", self.writers), ("batch", self.batch)] {
            if let Some(count) = count {
                write!(f, " {name} {count:3}")?;
            }
        }
        for (name, figure) in [
            ("/s", self.ops_per_second),
            (" us p50", self.p50_us),
            (" us p99", self.p99_us),
            (" us p99.9", self.p999_us),
        ] {
            if let Some(figure) = figure {
                write!(f, " {figure:12.1}{name}")?;
            }
        }
        if let Some(share) = self.share {
            write!(f, " share {share:.2}")?;
        }
        if let Some(grown) = self.grown_kib {
            write!(f, " grown {grown} KiB")?;
        }
        Ok(())
    }
}

/// How long each of many things took.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn note(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn join(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Those that another process has noted.
    pub(crate) fn of_nanoseconds(noted: &[u64]) -> Self {
        Self(noted.iter().copied().map(Duration::from_nanos).collect())
    }

    /// All of them, for another process.
    pub(crate) fn nanoseconds(&self) -> Vec<u64> {
        self.0.iter().map(|took| took.as_nanos() as u64).collect()
    }

    /// So many in a hundred took no longer than this, in microseconds.
    pub(crate) fn percentile(&mut self, percent: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let index = (last as f64 * percent / 100.0).round() as usize;
        let (_, found, _) = self.0.select_nth_unstable(index);
        Some(rounded(found.as_secs_f64() * 1e6, 10.0))
    }
}

/// What a run of appends came to.
pub(crate) struct Appends {
    /// Events acknowledged, those before the time that counts too.
    pub(crate) acknowledged: u64,
    /// Events acknowledged within the time that counts.
    pub(crate) counted: u64,
    pub(crate) took: Duration,
    pub(crate) latencies: Latencies,
}

impl Appends {
    pub(crate) fn nothing(took: Duration) -> Self {
        Self { acknowledged: 0, counted: 0, took, latencies: Latencies::default() }
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.counted += other.counted;
        self.latencies.join(other.latencies);
    }
}

/// Lets so many writers append for so long, each as fast as it is answered.
pub(crate) fn appends(
    subject: &dyn Subject,
    writers: usize,
    batch: usize,
    took: Duration,
) -> Result<Appends> {
    let barrier = Barrier::new(writers);
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|number| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut writer = Writer::new(number, writers);
                    let streams = writer.begin();
                    let begun = streams.len() as u64;
                    let outcome = subject.import(streams);
                    barrier.wait();
                    outcome?;
                    let mut appends =
                        keep_on(took, batch as u64, || subject.append(writer.next(batch)).map(|_| ()))?;
                    appends.acknowledged += begun;
                    Ok(appends)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<Vec<_>>>()
    })?;
    let mut sum = Appends::nothing(took);
    for part in parts {
        sum.join(part);
    }
    Ok(sum)
}

/// Does one thing over and over; each time is so many events.
pub(crate) fn keep_on(took: Duration, events: u64, mut once: impl FnMut() -> Result<()>) -> Result<Appends> {
    let mut counting = Counting::begin(took, events);
    while counting.goes_on() {
        once()?;
        counting.done();
    }
    Ok(counting.finish())
}

/// Counts what is done over and over, each time so many events.
pub(crate) struct Counting {
    sum: Appends,
    events: u64,
    start: Instant,
    end: Instant,
    began: Instant,
}

impl Counting {
    pub(crate) fn begin(took: Duration, events: u64) -> Self {
        let began = Instant::now();
        let start = began + WARM_UP;
        Self { sum: Appends::nothing(took), events, start, end: start + took, began }
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.began < self.end
    }

    /// Notes that it was done once more.
    pub(crate) fn done(&mut self) {
        let done = Instant::now();
        self.sum.acknowledged += self.events;
        if done >= self.start && done < self.end {
            self.sum.counted += self.events;
            self.sum.latencies.note(done - self.began);
        }
        self.began = done;
    }

    pub(crate) fn finish(self) -> Appends {
        self.sum
    }
}

/// The memory of this process that is no file's, where the system tells.
pub(crate) fn memory_kib() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_of_all() {
        let mut latencies = Latencies((1..=101).rev().map(Duration::from_micros).collect());
        assert_eq!(latencies.percentile(50.0), Some(51.0));
        assert_eq!(latencies.percentile(99.0), Some(100.0));
        assert_eq!(Latencies::default().percentile(50.0), None);
    }
}
