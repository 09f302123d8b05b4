//! Histories that grow with the logarithm of what they look back on.

use crate::limits::{HISTORY_BYTES_MAX, HISTORY_GAPS};

/// A kept state, as far as thinning looks at it.
pub(crate) trait Kept {
    /// When it was kept, in whatever grows: positions, or saves.
    fn at(&self) -> u64;
    /// What it takes.
    fn bytes(&self) -> u64;
}

/// Takes out of a history, oldest first, what its age no longer needs; gives back what went.
///
/// The newest states stay as they are. Further back one goes when the gap that it leaves is no more than an eighth of its
/// age. A history that is too large has wider gaps, and at last loses its oldest states.
pub(crate) fn thin<T: Kept>(history: &mut Vec<T>) -> Vec<T> {
    let mut gone = Vec::new();
    let mut gaps = HISTORY_GAPS;
    loop {
        pass(history, gaps, &mut gone);
        if history.iter().map(Kept::bytes).sum::<u64>() <= HISTORY_BYTES_MAX {
            return gone;
        }
        if gaps > 1 {
            gaps /= 2;
        } else {
            gone.push(history.remove(0));
        }
    }
}

fn pass<T: Kept>(history: &mut Vec<T>, gaps: u64, gone: &mut Vec<T>) {
    let Some(newest) = history.last().map(Kept::at) else { return };
    let mut left: Vec<T> = Vec::with_capacity(history.len());
    let mut rest = std::mem::take(history).into_iter().peekable();
    while let Some(kept) = rest.next() {
        let before = left.last().map_or(0, Kept::at);
        let gap = rest.peek().map(|next| next.at().saturating_sub(before));
        let age = newest.saturating_sub(kept.at());
        if gap.is_some_and(|gap| gap.saturating_mul(gaps) <= age) {
            gone.push(kept);
        } else {
            left.push(kept);
        }
    }
    *history = left;
}

#[cfg(test)]
mod tests {
    use super::*;

    struct State(u64, u64);

    impl Kept for State {
        fn at(&self) -> u64 {
            self.0
        }
        fn bytes(&self) -> u64 {
            self.1
        }
    }

    fn grown(states: u64, bytes: u64) -> Vec<State> {
        let mut history = Vec::new();
        for number in 1..=states {
            history.push(State(number * 100, bytes));
            thin(&mut history);
        }
        history
    }

    /// A history that kept everything would cost more than the log that it is of.
    #[test]
    fn a_long_history_keeps_few_states_and_its_gaps_follow_their_age() {
        for (states, most) in [(16, 16), (1_000, 90), (100_000, 170)] {
            let history = grown(states, 1);
            assert!(history.len() <= most, "{} of {states} states are kept", history.len());
            let newest = states * 100;
            assert_eq!(history.last().unwrap().0, newest);
            let mut before = 0;
            for State(at, _) in &history {
                let most = 100.max((newest - before) / HISTORY_GAPS);
                assert!(at - before <= most, "between {before} and {at} of {newest}");
                before = *at;
            }
        }
    }

    #[test]
    fn a_history_of_large_states_stays_within_its_bytes() {
        for bytes in [HISTORY_BYTES_MAX / 40, HISTORY_BYTES_MAX / 3, HISTORY_BYTES_MAX] {
            let history = grown(1_000, bytes);
            assert!(history.iter().map(Kept::bytes).sum::<u64>() <= HISTORY_BYTES_MAX);
            assert_eq!(history.last().unwrap().0, 100_000);
        }
        assert!(grown(10, HISTORY_BYTES_MAX + 1).is_empty(), "a state that is too large is not kept");
    }
}
