//! Whether a difference may be chance: Fisher's exact test.

/// A term that adds less than this share to the sum ends it.
const TERM_SHARE_MIN: f64 = 1e-15;

/// Logarithms of factorials up to a number.
pub(super) struct Factorials(Vec<f64>);

impl Factorials {
    pub(super) fn up_to(number: u64) -> Self {
        let mut logarithms = Vec::with_capacity(number as usize + 1);
        let mut sum = 0.0;
        logarithms.push(sum);
        for factor in 1..=number {
            sum += (factor as f64).ln();
            logarithms.push(sum);
        }
        Self(logarithms)
    }

    fn choose(&self, of: u64, some: u64) -> f64 {
        self.0[of as usize] - self.0[some as usize] - self.0[(of - some) as usize]
    }

    /// The chance that of `total` cases, `marked` of them with the outcome, `drawn` at random have it `seen` times or
    /// more.
    pub(super) fn chance(&self, total: u64, marked: u64, drawn: u64, seen: u64) -> f64 {
        let least = (drawn + marked).saturating_sub(total);
        let most = drawn.min(marked);
        if seen <= least {
            return 1.0;
        }
        let all = self.choose(total, drawn);
        let mut sum = 0.0;
        for count in seen..=most {
            let term = (self.choose(marked, count) + self.choose(total - marked, drawn - count) - all).exp();
            sum += term;
            // Beyond the middle of the curve the terms only become smaller.
            let is_beyond = u128::from(count) * u128::from(total) > u128::from(drawn) * u128::from(marked);
            if is_beyond && term < sum * TERM_SHARE_MIN {
                break;
            }
        }
        sum.min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chance_is_that_of_counting_all_draws() {
        let factorials = Factorials::up_to(20);
        // Of 8 cases 4 have it. 4 drawn: all 4 have it in 1 of 70 draws, 3 in 16 of 70.
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(factorials.chance(8, 4, 4, 4), 1.0 / 70.0);
        near(factorials.chance(8, 4, 4, 3), 17.0 / 70.0);
        near(factorials.chance(8, 4, 4, 0), 1.0);
        near(factorials.chance(8, 4, 6, 2), 1.0);
        near(factorials.chance(8, 8, 3, 3), 1.0);
    }

    #[test]
    fn the_chances_of_many_cases_stay_between_nothing_and_one() {
        let factorials = Factorials::up_to(100_000);
        assert!(factorials.chance(100_000, 5_000, 2_000, 400) < 1e-50);
        let half = factorials.chance(100_000, 50_000, 50_000, 25_000);
        assert!((0.49..0.52).contains(&half), "{half}");
    }
}
