//! How long things took, over any number of them in bounded memory.

use std::collections::BTreeMap;

use serde::Serialize;

/// Different durations that are kept apart; with more of them, each is kept to 11 binary digits: to one in a thousand.
const DISTINCT_MAX: usize = 100_000;
/// Binary digits of a duration that are kept then.
const DIGITS: u32 = 11;

/// Durations, counted.
#[derive(Debug, Default)]
pub struct Durations {
    counts: BTreeMap<u64, u64>,
    is_coarse: bool,
    count: u64,
    sum: u128,
    max: u64,
}

/// How long something took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DurationStatistics {
    /// How many events say how long they took.
    pub count: u64,
    /// In the middle; none of nothing.
    pub average_ms: Option<f64>,
    /// Half of them took no longer.
    pub p50_ms: Option<u64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<u64>,
    /// 99 of 100 took no longer.
    pub p99_ms: Option<u64>,
    /// The longest.
    pub max_ms: Option<u64>,
}

impl Durations {
    /// Counts one more.
    pub fn add(&mut self, duration_ms: u64) {
        self.count += 1;
        self.sum += u128::from(duration_ms);
        self.max = self.max.max(duration_ms);
        let kept = if self.is_coarse { coarse(duration_ms) } else { duration_ms };
        *self.counts.entry(kept).or_default() += 1;
        if self.counts.len() > DISTINCT_MAX && !self.is_coarse {
            self.is_coarse = true;
            for (duration_ms, count) in std::mem::take(&mut self.counts) {
                *self.counts.entry(coarse(duration_ms)).or_default() += count;
            }
        }
    }

    /// What they come to so far.
    pub fn statistics(&self) -> DurationStatistics {
        let is_any = self.count > 0;
        DurationStatistics {
            count: self.count,
            average_ms: is_any.then(|| self.sum as f64 / self.count as f64),
            p50_ms: self.percentile(50),
            p95_ms: self.percentile(95),
            p99_ms: self.percentile(99),
            max_ms: is_any.then_some(self.max),
        }
    }

    /// The duration that so many of a hundred do not pass: nearest rank.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (u128::from(self.count) * u128::from(percent)).div_ceil(100);
        let mut below = 0;
        self.counts.iter().find_map(|(duration_ms, count)| {
            below += u128::from(*count);
            (below >= rank).then_some(*duration_ms)
        })
    }
}

/// The first binary digits of a number.
fn coarse(number: u64) -> u64 {
    let shift = (u64::BITS - number.leading_zeros()).saturating_sub(DIGITS);
    number >> shift << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut durations = Durations::default();
        assert_eq!(durations.statistics(), DurationStatistics::default());
        (1..=100).rev().for_each(|duration| durations.add(duration));
        let all = durations.statistics();
        assert_eq!(
            (all.p50_ms, all.p95_ms, all.p99_ms, all.max_ms),
            (Some(50), Some(95), Some(99), Some(100))
        );
        assert_eq!((all.count, all.average_ms), (100, Some(50.5)));
    }

    #[test]
    fn very_many_different_durations_take_bounded_memory_and_stay_near() {
        let mut durations = Durations::default();
        let count = DISTINCT_MAX as u64 * 3;
        (1..=count).for_each(|duration| durations.add(duration));
        assert!(durations.counts.len() < DISTINCT_MAX / 5);
        let median = durations.statistics().p50_ms.unwrap();
        assert!(median.abs_diff(count / 2) < count / 1_000, "{median}");
        assert_eq!(durations.statistics().max_ms, Some(count));
        durations.add(u64::MAX);
        assert_eq!(durations.statistics().max_ms, Some(u64::MAX));
    }
}
