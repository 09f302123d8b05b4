//! What must hold of votes: each member counts once, with what it said last, and the result is written once.

use std::collections::BTreeMap;

use factlog::Event;

use super::history::{data, text};
use super::plan::{AGENTS, QUESTIONS, SWARM, agent, opinion};

/// How many votes were cast.
pub(super) fn votes(events: &[&Event]) -> usize {
    let stream = format!("swarm-{SWARM}");
    let mut cast = 0;
    for (question, _) in QUESTIONS {
        let mut said: BTreeMap<String, String> = BTreeMap::new();
        let mut result: Option<BTreeMap<String, String>> = None;
        for event in events.iter().filter(|event| event.stream.as_str() == stream) {
            let data = data(event);
            if text(&data, "consensusId") != question {
                continue;
            }
            match event.event_type.as_str() {
                "swarm:consensus-vote" => {
                    cast += 1;
                    if result.is_none() {
                        said.insert(text(&data, "agentId"), text(&data, "vote"));
                    }
                }
                "swarm:consensus-reached" => {
                    assert!(result.is_none(), "the result of {question} is written once");
                    let votes = data["votes"].as_array().unwrap();
                    let counted: BTreeMap<String, String> =
                        votes.iter().map(|vote| (text(vote, "agentId"), text(vote, "vote"))).collect();
                    assert_eq!(counted.len(), votes.len(), "each counts once on {question}");
                    assert_eq!(counted, said, "what counts on {question} is what they said last");
                    result = Some(counted);
                }
                _ => {}
            }
        }
        let result = result.unwrap_or_else(|| panic!("{question} was never decided"));
        let wanted = (0..AGENTS).map(|index| (agent(index), opinion(question, index).as_str().to_owned()));
        let wanted: BTreeMap<String, String> = wanted.collect();
        assert!(result.iter().all(|(agent, vote)| wanted.get(agent) == Some(vote)), "{result:?}");
        let is_enough = if question == "unanimous" { result.len() == AGENTS } else { !result.is_empty() };
        assert!(is_enough, "{question}: {result:?}");
    }
    cast
}
