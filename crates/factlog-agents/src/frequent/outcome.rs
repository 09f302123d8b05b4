//! What comes before an outcome more often than by chance.

use std::collections::{BTreeMap, HashSet};

use super::significance::Factorials;
use super::{OutcomeSigns, Sign, Verdict};
use crate::case::Cases;

/// An adjusted p-value below this is clear.
const CLEAR: f64 = 0.01;
/// An adjusted p-value below this is likely.
const LIKELY: f64 = 0.05;

pub(super) fn signs(cases: &Cases, types: BTreeMap<String, u64>, support_min: u64) -> OutcomeSigns {
    let total = cases.steps.len() as u64;
    let mut with_outcome = 0;
    // Of each activity the cases that have it, and those of them with the outcome.
    let mut seen: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for steps in &cases.steps {
        let outcome = steps.iter().position(|step| step.is_outcome);
        let before = &steps[..outcome.unwrap_or(steps.len())];
        with_outcome += u64::from(outcome.is_some());
        let had: HashSet<u32> = before.iter().map(|step| step.activity).collect();
        for activity in had {
            let (cases, with) = seen.entry(activity).or_default();
            *cases += 1;
            *with += u64::from(outcome.is_some());
        }
    }
    let mut types: Vec<(String, u64)> = types.into_iter().collect();
    types.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let tested: Vec<(u32, u64, u64)> = seen
        .iter()
        .filter(|(_, (cases, _))| *cases >= support_min)
        .map(|(activity, (cases, with))| (*activity, *cases, *with))
        .collect();
    let too_little = too_little(total, with_outcome, support_min);
    let untested = (seen.len() - tested.len()) as u64;
    let base_rate = (total > 0).then(|| with_outcome as f64 / total as f64);
    let mut signs = Vec::new();
    if too_little.is_none() {
        let factorials = Factorials::up_to(total);
        for (activity, having, with) in &tested {
            let p_value = factorials.chance(total, with_outcome, *having, *with);
            signs.push(sign(cases.name(*activity), (*having, *with), base_rate, p_value, tested.len()));
        }
    }
    signs.sort_by(|a, b| {
        a.p_value
            .total_cmp(&b.p_value)
            .then(b.lift.total_cmp(&a.lift))
            .then_with(|| a.activity.cmp(&b.activity))
    });
    OutcomeSigns { types, cases: with_outcome, base_rate, too_little, signs, untested }
}

fn sign(activity: String, (cases, with): (u64, u64), base: Option<f64>, p_value: f64, tested: usize) -> Sign {
    let confidence = with as f64 / cases as f64;
    // Where there is something to test, some cases have the outcome.
    let lift = base.filter(|base| *base > 0.0).map_or(0.0, |base| confidence / base);
    let p_value_adjusted = (p_value * tested as f64).min(1.0);
    let verdict = match p_value_adjusted {
        _ if lift <= 1.0 => Verdict::NoMoreOften,
        p if p < CLEAR => Verdict::Clear,
        p if p < LIKELY => Verdict::Likely,
        _ => Verdict::MayBeChance,
    };
    Sign { activity, cases, with_outcome: with, confidence, lift, p_value, p_value_adjusted, verdict }
}

/// Why nothing can be said.
fn too_little(total: u64, with: u64, support_min: u64) -> Option<String> {
    let without = total - with;
    if with == 0 {
        return Some(format!("none of {total} cases has the outcome"));
    }
    if without == 0 {
        return Some(format!("all {total} cases have the outcome: there is nothing to compare them with"));
    }
    if with < support_min {
        return Some(format!(
            "only {with} of {total} cases have the outcome, and {support_min} are asked for"
        ));
    }
    if without < support_min {
        return Some(format!(
            "only {without} of {total} cases lack the outcome, and {support_min} are asked for"
        ));
    }
    None
}
