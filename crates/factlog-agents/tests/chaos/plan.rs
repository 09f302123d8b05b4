//! What is to happen: which messages are sent, and what becomes of them; all of it follows from the seed.

use std::time::Duration;

use factlog::{Json, Priority};
use factlog_agents::bus::{Body, Message, Request};
use factlog_agents::projections::{Vote, VotingStrategy};
use factlog_agents::vocabulary::TaskAssigned;
use serde::{Deserialize, Serialize};

pub(super) const AGENTS: usize = 20;
pub(super) const PROCESSES: usize = 5;
pub(super) const QUEUE: &str = "one-of:type:worker";
/// Whom a broadcast is for.
pub(super) const ALL: &str = "*";
/// What everyone can be asked for.
pub(super) const METHOD: &str = "work";
/// What is no answer to any question.
pub(super) const SECOND_THOUGHT: usize = 1_000_000;
/// Requests are so many times fewer than messages.
const MESSAGES_PER_REQUEST: usize = 25;
/// So long that it is over only where something is lost.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
pub(super) const SWARM: &str = "chaos";
pub(super) const QUESTIONS: [(&str, VotingStrategy); 3] = [
    ("unanimous", VotingStrategy::Unanimous),
    ("majority", VotingStrategy::Majority),
    ("quorum", VotingStrategy::Quorum),
];
pub(super) const NAMESPACE: &str = "chaos";
/// Resources of which some overlap.
pub(super) const RESOURCES: [&str; 5] = ["db/**", "db/users", "db/orders", "src/*.rs", "src/main.rs"];
/// Which of them do, said by hand.
pub(super) const OVERLAPS: [(usize, usize); 3] = [(0, 1), (0, 2), (3, 4)];

/// What the one who gets a message makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Does {
    Handles,
    IsSlow,
    FailsAtFirst,
    FailsAlways,
    /// Says what is right, and then something else: only requests.
    AnswersTwice,
}

/// A message, or a task.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) id: String,
    pub(super) from: String,
    /// The agent, the queue, or all.
    pub(super) inbox: String,
    pub(super) does: Does,
    pub(super) priority: Priority,
    pub(super) ttl: Option<Duration>,
    pub(super) is_sent_twice: bool,
}

/// What a message says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) number: usize,
    pub(super) does: Does,
}

pub(super) fn agent(index: usize) -> String {
    format!("w{index:02}")
}

/// All that one agent sends, in its order.
pub(super) fn sent_by(seed: u64, sender: usize, messages: usize) -> Vec<Planned> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(sender as u64));
    let share = messages / AGENTS;
    (0..share).map(|number| planned(&mut random, sender, number)).collect()
}

fn planned(random: &mut fastrand::Rng, sender: usize, number: usize) -> Planned {
    let (is_task, is_for_all) = match random.u8(0..100) {
        0..10 => (true, false),
        10..12 => (false, true),
        _ => (false, false),
    };
    // Some are close friends, so that there is an order to keep.
    let offset = if random.bool() { 1 + random.usize(0..3) } else { 1 + random.usize(0..AGENTS - 1) };
    let does = match random.u8(0..100) {
        0..2 => Does::FailsAlways,
        2..6 => Does::FailsAtFirst,
        6..14 => Does::IsSlow,
        _ => Does::Handles,
    };
    let ttl = (!is_task && random.u8(0..100) < 4).then(|| Duration::from_millis(random.u64(0..100)));
    Planned {
        id: format!("{}-{number}", agent(sender)),
        from: agent(sender),
        inbox: match (is_task, is_for_all) {
            (true, _) => QUEUE.to_owned(),
            (_, true) => ALL.to_owned(),
            _ => agent((sender + offset) % AGENTS),
        },
        does,
        priority: if random.u8(0..100) < 10 { Priority::High } else { Priority::Normal },
        ttl,
        is_sent_twice: random.u8(0..100) < 5,
    }
}

impl Planned {
    pub(super) fn message(&self, number: usize) -> Message {
        let content = Json::of(&Content { number, does: self.does }).unwrap();
        let mut message = if self.inbox == QUEUE {
            let task = TaskAssigned::new(self.id.as_str()).description(content.as_str());
            Message::task(self.from.as_str(), "type:worker".parse().unwrap(), task)
        } else {
            let body = match self.inbox.as_str() {
                ALL => Body::Broadcast { topic: "chaos".to_owned(), content, retain: false },
                _ => Body::Words { content, content_type: None, reply_to: None },
            };
            Message::new(self.from.as_str(), self.inbox.parse().unwrap(), body).id(self.id.as_str())
        };
        message.ttl = self.ttl;
        // What never goes well is given up soon, so that what is behind it does not wait for long.
        message.attempts_max = (self.does == Does::FailsAlways).then_some(2);
        message.priority(self.priority)
    }
}

/// A question to one agent, or to whoever of all takes it first.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) from: String,
    pub(super) question: Question,
    timeout: Duration,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) number: usize,
    pub(super) does: Does,
    /// The agent, or the queue.
    pub(super) inbox: String,
}

/// All that one agent asks, in its order.
pub(super) fn asked_by(seed: u64, sender: usize, messages: usize) -> Vec<Asked> {
    let mut random =
        fastrand::Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add((AGENTS + sender) as u64));
    let share = (messages / AGENTS).div_ceil(MESSAGES_PER_REQUEST);
    (0..share).map(|number| asked(&mut random, sender, number)).collect()
}

fn asked(random: &mut fastrand::Rng, sender: usize, number: usize) -> Asked {
    let does = match random.u8(0..100) {
        0..10 => Does::FailsAlways,
        10..20 => Does::IsSlow,
        20..40 => Does::AnswersTwice,
        _ => Does::Handles,
    };
    let other = agent((sender + random.usize(1..AGENTS)) % AGENTS);
    let inbox = if random.u8(0..100) < 30 { QUEUE.to_owned() } else { other };
    let is_hurried = random.u8(0..100) < 15;
    let timeout = if is_hurried { Duration::from_millis(random.u64(1..60)) } else { ANSWER_PATIENCE };
    let id = format!("{}-asks-{number}", agent(sender));
    Asked { id, from: agent(sender), question: Question { number, does, inbox }, timeout }
}

impl Asked {
    pub(super) fn request(&self) -> Request {
        let inbox = self.question.inbox.as_str();
        let to = inbox.strip_prefix("one-of:").unwrap_or(inbox);
        let request = Request::new(self.from.as_str(), to.parse().unwrap(), METHOD);
        Request { id: Some(self.id.clone()), ..request.params(&self.question).unwrap().timeout(self.timeout) }
    }
}

/// What an agent thinks of a question.
pub(super) fn opinion(question: &str, agent: usize) -> Vote {
    match question {
        "majority" if agent.is_multiple_of(3) => Vote::Reject,
        "quorum" if agent == 7 => Vote::Abstain,
        _ => Vote::Approve,
    }
}
