//! Cases: events that belong together, and what happened in each, one step after another.

use std::collections::HashMap;

use factlog::{Event, EventKey, TOOL_TAG};
use serde::Serialize;

use crate::vocabulary::type_named;

/// Cases that are held; the events of more are counted only.
pub const CASES_MAX: usize = 100_000;
/// Activities that are told apart; events of more are all one activity, [`OTHER_ACTIVITIES`].
pub const ACTIVITIES_MAX: usize = 1_000;
/// Steps of all cases together that are held, in 16 bytes each; events after them are counted only.
pub const STEPS_MAX: usize = 5_000_000;
/// The activity of events whose own is one too many.
pub const OTHER_ACTIVITIES: &str = "(others)";

/// What makes a case, and a step of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseOptions {
    /// What ties the events of a case together.
    pub by: EventKey,
    /// Steps are in the order of their times, equal ones in that of the log; else all are in the order of the log.
    pub by_time: bool,
    /// The uses of different tools are different activities.
    pub with_tools: bool,
}

impl Default for CaseOptions {
    fn default() -> Self {
        Self { by: EventKey::Correlation, by_time: false, with_tools: false }
    }
}

/// What was left out of a result because it would have been too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// Events of cases beyond [`CASES_MAX`].
    pub events_of_more_cases: u64,
    /// Events beyond [`STEPS_MAX`].
    pub events_of_more_steps: u64,
    /// Events that are told as [`OTHER_ACTIVITIES`]: they are in the result, without their names.
    pub events_of_more_activities: u64,
    /// What follows what, where that was one combination too many.
    pub combinations: u64,
}

impl LeftOut {
    /// Whether anything was left out.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

/// What happened, under one name whatever the spelling: the type as the vocabulary has it, else as it was recorded; where
/// that is wanted with the tool behind it.
///
/// ```
/// use factlog_agents::case::activity;
/// # let line = r#"{"position":1,"id":"0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d","stream":"task-42","version":1,
/// #     "type":"TaskCreated","recordedAt":"2026-11-20T23:44:30Z","tags":["tool:Bash"],"data":{}}"#;
/// # let event: factlog::Event = serde_json::from_str(line)?;
/// // {"stream":"task-42","type":"TaskCreated","tags":["tool:Bash"], ...}
/// assert_eq!(activity(&event, false), "task:created");
/// assert_eq!(activity(&event, true), "task:created Bash");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn activity(event: &Event, with_tools: bool) -> String {
    let name = type_named(&event.event_type).map_or(event.event_type.as_str(), |info| info.name);
    let tool = event.tags.iter().find_map(|tag| tag.strip_prefix(TOOL_TAG)).filter(|_| with_tools);
    tool.map_or_else(|| name.to_owned(), |tool| format!("{name} {tool}"))
}

/// One thing that happened in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// A person's time, in microseconds.
    pub(crate) at: i64,
    pub(crate) activity: u32,
    /// Whether it is what one wants to know the causes of.
    pub(crate) is_outcome: bool,
}

/// All cases of a reading.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    pub(crate) options: CaseOptions,
    pub(crate) names: Vec<String>,
    pub(crate) steps: Vec<Vec<Step>>,
    pub(crate) activities: Vec<String>,
    /// Events of cases.
    pub(crate) events: u64,
    /// Events of none.
    pub(crate) without_case: u64,
    pub(crate) left_out: LeftOut,
    case_by_name: HashMap<String, u32>,
    activity_by_name: HashMap<String, u32>,
    step_count: usize,
}

impl Cases {
    pub(crate) fn new(options: CaseOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Takes an event in, in the order of the log.
    pub(crate) fn add(&mut self, event: &Event, is_outcome: bool) {
        let Some(name) = self.options.by.of(event) else {
            self.without_case += 1;
            return;
        };
        if self.step_count == STEPS_MAX {
            self.left_out.events_of_more_steps += 1;
            return;
        }
        let case = match self.case_by_name.get(&*name) {
            Some(case) => *case as usize,
            None if self.names.len() == CASES_MAX => {
                self.left_out.events_of_more_cases += 1;
                return;
            }
            None => {
                self.case_by_name.insert(name.to_string(), self.names.len() as u32);
                self.names.push(name.into_owned());
                self.steps.push(Vec::new());
                self.names.len() - 1
            }
        };
        let activity = self.activity(event);
        self.steps[case].push(Step { at: event.time().as_micros(), activity, is_outcome });
        self.events += 1;
        self.step_count += 1;
    }

    fn activity(&mut self, event: &Event) -> u32 {
        let mut name = activity(event, self.options.with_tools);
        if let Some(known) = self.activity_by_name.get(&name) {
            return *known;
        }
        // The last place is for all that come too late.
        if self.activities.len() + 1 >= ACTIVITIES_MAX {
            self.left_out.events_of_more_activities += 1;
            OTHER_ACTIVITIES.clone_into(&mut name);
            if let Some(known) = self.activity_by_name.get(&name) {
                return *known;
            }
        }
        let index = self.activities.len() as u32;
        self.activity_by_name.insert(name.clone(), index);
        self.activities.push(name);
        index
    }

    /// Puts the steps of each case in order.
    pub(crate) fn sort(&mut self) {
        if self.options.by_time {
            for steps in &mut self.steps {
                steps.sort_by_key(|step| step.at);
            }
        }
    }

    pub(crate) fn name(&self, activity: u32) -> String {
        self.activities[activity as usize].clone()
    }

    pub(crate) fn names_of(&self, activities: &[u32]) -> Vec<String> {
        activities.iter().map(|activity| self.name(*activity)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use factlog::NewEvent;
    use serde_json::json;

    use super::*;
    use crate::projections::tests::at;

    /// Events from words such as `c1:a c2:b`: the case and the type, a second apart.
    pub(crate) fn events(words: &str) -> Vec<Event> {
        let words = words.split_whitespace().enumerate();
        let event = |(index, word): (usize, &str)| {
            let (case, event_type) = word.split_once(':').unwrap();
            let fact = NewEvent::new("x-1", event_type, json!({})).unwrap().with_correlation(case).unwrap();
            at(index as u64 + 1, fact)
        };
        words.map(event).collect()
    }

    #[test]
    fn a_type_is_one_activity_under_all_its_names() {
        let mut cases = Cases::new(CaseOptions::default());
        for event in events("c:TaskCreated c:TASK_CREATED c:task:created c:order:placed") {
            cases.add(&event, false);
        }
        assert_eq!(cases.activities, ["task:created", "order:placed"]);
        assert_eq!(cases.steps[0].iter().map(|step| step.activity).collect::<Vec<_>>(), [0, 0, 0, 1]);
    }

    #[test]
    fn what_is_too_much_is_counted_and_not_forgotten() {
        let mut cases = Cases::new(CaseOptions { by: EventKey::Stream, ..CaseOptions::default() });
        let more = 7;
        for index in 0..ACTIVITIES_MAX + more {
            let fact = NewEvent::new("x-1", &format!("t{index}"), json!({})).unwrap();
            cases.add(&at(index as u64 + 1, fact), false);
        }
        assert_eq!(cases.activities.len(), ACTIVITIES_MAX);
        assert_eq!(cases.left_out.events_of_more_activities, more as u64 + 1);
        assert_eq!(cases.steps[0].len(), ACTIVITIES_MAX + more, "they are steps all the same");
        assert_eq!(cases.name(cases.steps[0].last().unwrap().activity), OTHER_ACTIVITIES);
        for index in 0..CASES_MAX + more {
            let fact = NewEvent::new(&format!("y-{index}"), "t0", json!({})).unwrap();
            cases.add(&at(1, fact), false);
        }
        // One case is there from before.
        assert_eq!(cases.left_out.events_of_more_cases, more as u64 + 1);
        assert_eq!(cases.names.len(), CASES_MAX);
    }
}
