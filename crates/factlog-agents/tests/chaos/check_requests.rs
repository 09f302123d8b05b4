//! What must hold of requests: each is answered once, or it fails because nobody is there or because its time is over; and
//! whoever asked was told so.

use std::collections::BTreeMap;
use std::path::Path;

use factlog::Event;

use super::history::{data, text};
use super::plan::{AGENTS, Asked, Does, QUEUE, agent};
use super::witness::{self, Line};

/// What came of them, for people.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "they are shown")]
pub(super) struct Answers {
    requests: usize,
    answered: usize,
    over: usize,
    nobody: usize,
    /// Answers after the first one, or after the deadline.
    late: usize,
    /// Of those that are over: an answer was in time, and the one who asked was not there to hear it.
    unheard: usize,
}

/// Besides what is told of them, the answers that count by the projection, whoever reads it now.
pub(super) fn requests(
    events: &[&Event],
    asked: &[Asked],
    counted: &BTreeMap<String, Option<u64>>,
    folder: &Path,
) -> Answers {
    let lines: Vec<Line> = (0..AGENTS).flat_map(|index| witness::read(folder, &agent(index))).collect();
    let mut told: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines.iter().filter(|line| ["answered", "over", "nobody"].contains(&line.what.as_str())) {
        told.entry(&line.id).or_default().push(line);
    }
    let mut streams: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    let is_part =
        |event: &Event| ["message:request", "message:response"].contains(&event.event_type.as_str());
    for event in events.iter().filter(|event| is_part(event)) {
        streams.entry(event.stream.as_str()).or_default().push(event);
    }
    let mut answers = Answers { requests: asked.len(), ..Answers::default() };
    for one in asked {
        let events = streams.get(format!("message-{}", one.id).as_str()).cloned().unwrap_or_default();
        let told = told.get(one.id.as_str()).unwrap_or_else(|| panic!("{one:?} has no end"));
        let answer = end_of(one, &events, told, &mut answers);
        assert_eq!(counted[&one.id], answer, "{one:?}: another answer counts for those who come later");
    }
    answers
}

/// Where the answer stands that counts.
fn end_of(one: &Asked, events: &[&Event], told: &[&Line], answers: &mut Answers) -> Option<u64> {
    let (asked, responses): (Vec<&Event>, Vec<&Event>) =
        events.iter().copied().partition(|event| event.event_type.as_str() == "message:request");
    assert!(asked.len() <= 1, "{one:?} is asked once");
    let Some(asked) = asked.first() else {
        assert!(responses.is_empty(), "{one:?} is answered and was never asked");
        assert!(told.iter().all(|line| line.what == "nobody"), "{one:?} was never asked: {told:?}");
        answers.nobody += 1;
        return None;
    };
    let deadline = asked.recorded_at.as_micros() + data(asked)["timeoutMs"].as_i64().unwrap() * 1_000;
    let counts = |event: &&&Event| {
        let from = event.source.as_ref().map(ToString::to_string).unwrap_or_default();
        let is_asked = one.question.inbox == QUEUE || one.question.inbox == from;
        event.recorded_at.as_micros() < deadline && is_asked
    };
    let answer = responses.iter().find(counts);
    answers.late += responses.len() - usize::from(answer.is_some());
    if let Some(answer) = answer {
        says_what_was_asked(one, answer);
    }
    // Whoever asks again after it was killed is told the same.
    for line in told {
        match (line.what.as_str(), answer) {
            ("answered", Some(answer)) => {
                assert_eq!(line.place, answer.position.to_string(), "{line:?}: another answer counts");
            }
            ("over", answer) => {
                assert!(line.at >= deadline, "{line:?} came too early for {one:?}");
                answers.unheard += usize::from(answer.is_some());
            }
            // It was killed after it had found nobody, and found somebody when it asked again: nothing was asked before.
            ("nobody", _) => {
                let asked_at = asked.recorded_at.as_micros();
                assert!(line.at < asked_at, "{line:?}, and it was asked at {asked_at} already");
            }
            _ => panic!("{line:?} is not what became of {one:?}: {answer:?}"),
        }
    }
    match answer {
        Some(_) => answers.answered += 1,
        None => answers.over += 1,
    }
    answer.map(|answer| answer.position.0)
}

/// The answer is to this question, and no other.
fn says_what_was_asked(one: &Asked, answer: &Event) {
    let data = data(answer);
    if one.question.does == Does::FailsAlways {
        assert_eq!(text(&data["error"], "code"), "CHAOS", "{one:?}: {data}");
    } else {
        assert_eq!(data["result"], one.question.number, "{one:?}: {data}");
    }
}
