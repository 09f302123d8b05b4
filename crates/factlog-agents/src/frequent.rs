//! What comes again and again: sequences of activities, and what comes before things go wrong.

mod outcome;
mod sequences;
mod significance;

use std::collections::BTreeMap;

use factlog::{Event, EventKey, Reading, Result, TypePattern};
use serde::Serialize;

use crate::case::{CaseOptions, Cases, LeftOut};
use crate::vocabulary::type_patterns;

/// Activities of a sequence whose steps directly follow each other, at most.
pub const SEQUENCE_ACTIVITIES_MAX: usize = 5;
/// Different sequences that are counted; more are counted only together.
pub const SEQUENCES_MAX: usize = 200_000;
/// The commonest activities, among which is looked for those that follow each other with others between them.
pub const GAPPED_ACTIVITIES_MAX: usize = 24;
/// Cases that something must be seen in before it is told, unless another number is asked for.
pub const SUPPORT_DEFAULT: u64 = 5;
/// What going wrong is, unless it is said otherwise.
pub const OUTCOMES_DEFAULT: [&str; 3] =
    ["*:failed", "*:error", "session:completed[data.result == \"failure\"]"];

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrequentOptions {
    /// What makes a case.
    pub cases: CaseOptions,
    /// Cases that something must be seen in.
    pub support_min: u64,
    /// Sequences that the result shows of each kind.
    pub sequences_max: usize,
    /// What one wants to know the signs of.
    pub outcomes: Vec<TypePattern>,
}

impl Default for FrequentOptions {
    fn default() -> Self {
        let outcomes = OUTCOMES_DEFAULT.iter().flat_map(|name| type_patterns(name));
        Self {
            cases: CaseOptions::default(),
            support_min: SUPPORT_DEFAULT,
            sequences_max: 10,
            outcomes: outcomes.filter_map(|name| name.parse().ok()).collect(),
        }
    }
}

/// What comes again and again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Frequent {
    /// What ties the events of a case together.
    pub by: EventKey,
    /// Events that belong to a case.
    pub events: u64,
    /// Events that belong to none.
    pub events_without_case: u64,
    /// Cases.
    pub cases: u64,
    /// Cases that something must be seen in.
    pub support_min: u64,
    /// Activities that directly follow each other, those in the most cases first; a part of a longer one that is as
    /// common is left out.
    pub sequences: Vec<Sequence>,
    /// Two or three activities that follow each other with anything between them, where that is commoner than directly.
    pub gapped: Vec<Sequence>,
    /// What comes before the outcome.
    pub outcome: OutcomeSigns,
    /// What would have been too much.
    pub left_out: LeftOut,
}

/// Activities one after another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sequence {
    /// The activities.
    pub activities: Vec<String>,
    /// In how many cases.
    pub cases: u64,
    /// The share of all cases, from 0 to 1.
    pub share: f64,
    /// How often over all cases; with others between them it is not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

/// What comes before the outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeSigns {
    /// The types that are the outcome, as they were recorded, with how often they were.
    pub types: Vec<(String, u64)>,
    /// Cases with the outcome.
    pub cases: u64,
    /// Their share of all cases, from 0 to 1; none where there are no cases.
    pub base_rate: Option<f64>,
    /// Why nothing can be said, where there is too little to say something of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub too_little: Option<String>,
    /// The activities that are in enough cases, the surest first.
    pub signs: Vec<Sign>,
    /// Activities that are in too few cases before the outcome.
    pub untested: u64,
}

/// An activity, and how often the outcome comes after it.
///
/// A case *has* it if it comes strictly before the first outcome, and in a case without the outcome if it comes at all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sign {
    /// Its name.
    pub activity: String,
    /// Cases that have it.
    pub cases: u64,
    /// Those of them with the outcome.
    pub with_outcome: u64,
    /// The share of these, from 0 to 1: P(outcome after it).
    pub confidence: f64,
    /// The confidence divided by the base rate: above 1 the outcome is commoner after it.
    pub lift: f64,
    /// The chance to see it as often or more, if it had nothing to do with the outcome: Fisher's exact test, one side.
    pub p_value: f64,
    /// The same times the number of activities tested, at most 1: who looks at many finds something by chance.
    pub p_value_adjusted: f64,
    /// What is to be thought of it.
    pub verdict: Verdict,
}

/// What is to be thought of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The adjusted p-value is below 0.01.
    Clear,
    /// The adjusted p-value is below 0.05.
    Likely,
    /// It is commoner, and may be so by chance.
    MayBeChance,
    /// The outcome is no commoner after it.
    NoMoreOften,
}

impl Verdict {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Likely => "likely",
            Self::MayBeChance => "may be chance",
            Self::NoMoreOften => "no more often",
        }
    }
}

/// Takes in events and tells what comes again and again in them.
#[derive(Debug)]
pub struct FrequentFold {
    cases: Cases,
    options: FrequentOptions,
    outcome_types: BTreeMap<String, u64>,
}

impl FrequentFold {
    /// Of no events so far.
    pub fn new(options: FrequentOptions) -> Self {
        Self { cases: Cases::new(options.cases.clone()), options, outcome_types: BTreeMap::new() }
    }

    /// Takes in an event, in the order of the log.
    pub fn add(&mut self, event: &Event) {
        let is_outcome = self.options.outcomes.iter().any(|pattern| pattern.means(event));
        if is_outcome && self.options.cases.by.of(event).is_some() {
            let is_known = self.outcome_types.contains_key(event.event_type.as_str());
            if is_known || self.outcome_types.len() < crate::case::ACTIVITIES_MAX {
                *self.outcome_types.entry(event.event_type.to_string()).or_default() += 1;
            }
        }
        self.cases.add(event, is_outcome);
    }

    /// What they tell.
    pub fn finish(mut self) -> Frequent {
        self.cases.sort();
        let (sequences, gapped, combinations) = sequences::find(&self.cases, &self.options);
        let outcome = outcome::signs(&self.cases, self.outcome_types, self.options.support_min);
        Frequent {
            by: self.cases.options.by.clone(),
            events: self.cases.events,
            events_without_case: self.cases.without_case,
            cases: self.cases.steps.len() as u64,
            support_min: self.options.support_min,
            sequences,
            gapped,
            outcome,
            left_out: LeftOut { combinations, ..self.cases.left_out },
        }
    }
}

/// What comes again and again in what a reading gives.
pub async fn frequent(mut reading: Reading, options: FrequentOptions) -> Result<Frequent> {
    let mut fold = FrequentFold::new(options);
    while let Some(event) = reading.next().await {
        fold.add(&*event?);
    }
    Ok(fold.finish())
}

#[cfg(test)]
mod tests;
