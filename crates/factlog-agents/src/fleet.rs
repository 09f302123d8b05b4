//! The fleet at a glance: who does what, since when, and who is stuck.

use std::collections::{HashMap, HashSet};

use factlog::Timestamp;
use serde::Serialize;

use crate::projections::{Agent, Agents, Entities, Session, Sessions, Task, Tasks, milliseconds};
use crate::{AgentStatus, Prices, SessionStatus, Status, Tokens};

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// Whether nobody has heard of something for a day: it is gone then, whatever it said last.
pub fn is_gone(heard: Option<Timestamp>, at: Timestamp) -> bool {
    heard.is_none_or(|heard| at.as_micros() - heard.as_micros() > DAY_MICROS)
}

/// When an agent counts as stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// At work, and not heard of for so long, in milliseconds.
    pub quiet_ms: u64,
    /// A tool that has not returned for so long, in milliseconds.
    pub tool_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { quiet_ms: 15 * 60 * 1_000, tool_ms: 10 * 60 * 1_000 }
    }
}

/// Why an agent does not get on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stuck {
    /// `asks`, `tool`, `quiet`, `blocked` or `deadline`.
    pub rule: &'static str,
    /// In words.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// One agent of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id.
    pub agent_id: String,
    /// What kind of agent it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// What people call it, or what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does.
    pub status: AgentStatus,
    /// Whether that is a guess, because it was not heard of for a day.
    pub is_gone: bool,
    /// Since when it does that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The tool it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_since: Option<Timestamp>,
    /// The task it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// What people call that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_title: Option<String>,
    /// How many tasks it has.
    pub load: usize,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<Timestamp>,
    /// Why it does not get on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
    /// What it took today (UTC) in tokens.
    pub tokens_today: Tokens,
    /// What that cost in US dollars, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_today: Option<f64>,
    /// Who set it to work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// Whom it set to work.
    pub children: Vec<String>,
}

/// The fleet at a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    /// The moment.
    pub at: Timestamp,
    /// Everybody, children behind their parents; those at work first, and then those heard of last.
    pub agents: Vec<Member>,
    /// What all took today (UTC) in tokens.
    pub tokens_today: Tokens,
    /// What that cost in US dollars, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_today: Option<f64>,
}

impl Fleet {
    /// The fleet, by what was folded up to a moment.
    pub fn of(
        agents: &Agents,
        sessions: &Sessions,
        tasks: &Tasks,
        at: Timestamp,
        limits: Limits,
        prices: &Prices,
    ) -> Self {
        let known = Known::of(agents, sessions, tasks);
        let mut members: Vec<Member> =
            agents.entities().values().map(|agent| member(agent, &known, at, limits, prices)).collect();
        let rank = |member: &Member| {
            let is_over = matches!(
                member.status,
                AgentStatus::Completed | AgentStatus::Failed | AgentStatus::Terminated | AgentStatus::Unknown
            );
            (member.is_gone, is_over, member.stuck.is_none(), member.status != AgentStatus::Active)
        };
        members.sort_by(|a, b| {
            let latest = b.last_activity_at.cmp(&a.last_activity_at);
            rank(a).cmp(&rank(b)).then(latest).then_with(|| a.agent_id.cmp(&b.agent_id))
        });
        let members = behind_parents(members);
        let mut tokens_today = Tokens::default();
        members.iter().for_each(|member| tokens_today.add(member.tokens_today));
        let costs = members.iter().filter_map(|member| member.cost_today);
        let cost_today = costs.fold(None, |sum, cost| Some(sum.unwrap_or(0.0) + cost));
        Self { at, agents: members, tokens_today, cost_today }
    }

    /// How many are at work, stuck, idle, and over.
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for member in self.agents.iter().filter(|member| !member.is_gone) {
            let place = match member.status {
                _ if member.stuck.is_some() => 1,
                AgentStatus::Active | AgentStatus::Blocked => 0,
                AgentStatus::Idle | AgentStatus::Unknown => 2,
                AgentStatus::Completed | AgentStatus::Failed | AgentStatus::Terminated => 3,
            };
            counts[place] += 1;
        }
        counts
    }
}

/// The states, and who belongs to whom in them: looked up once for all members.
struct Known<'a> {
    sessions: &'a Sessions,
    tasks: &'a Tasks,
    children: HashMap<&'a str, Vec<&'a str>>,
    /// The task that a session has in hand, of its own list.
    in_hand: HashMap<&'a str, &'a Task>,
}

impl<'a> Known<'a> {
    fn of(agents: &'a Agents, sessions: &'a Sessions, tasks: &'a Tasks) -> Self {
        let at_work = tasks.entities().values().filter(|task| task.status == Some(Status::InProgress));
        let in_hand = at_work.filter_map(|task| Some((task.session_id.as_deref()?, task))).collect();
        Self { sessions, tasks, children: agents.children_by_parent(), in_hand }
    }
}

fn member(agent: &Agent, known: &Known<'_>, at: Timestamp, limits: Limits, prices: &Prices) -> Member {
    let session = known.sessions.get(&agent.agent_id);
    let call = agent.open_call();
    let task = agent.current_task.as_deref().and_then(|id| known.tasks.get(id));
    let task = task.or_else(|| known.in_hand.get(agent.agent_id.as_str()).copied());
    let is_gone = is_gone(agent.last_activity_at, at);
    let today = session.and_then(|session| session.tokens_by_day.get(&at.to_string()[..10]));
    let mut tokens_today = Tokens::default();
    today.into_iter().flatten().for_each(|(_, tokens)| tokens_today.add(*tokens));
    Member {
        agent_id: agent.agent_id.clone(),
        agent_type: agent.agent_type.clone(),
        title: agent.agent_name.clone().or_else(|| session.and_then(|session| session.title.clone())),
        status: agent.status,
        is_gone,
        since: agent.status_since,
        tool: call.map(|call| call.tool.clone()),
        tool_since: call.map(|call| call.at),
        task_id: task.map(|task| task.task_id.clone()).or_else(|| agent.current_task.clone()),
        task_title: task.and_then(|task| task.title.clone()),
        load: agent.load(),
        last_activity_at: agent.last_activity_at,
        stuck: stuck(agent, session, task, at, limits).filter(|_| !is_gone && agent.is_live()),
        tokens_today,
        cost_today: today.and_then(|by_model| prices.cost_of(by_model)),
        parent_id: agent.parent_id.clone(),
        children: known
            .children
            .get(agent.agent_id.as_str())
            .map(|children| children.iter().map(|child| (*child).to_owned()).collect())
            .unwrap_or_default(),
    }
}

/// The first rule by which an agent does not get on.
fn stuck(
    agent: &Agent,
    session: Option<&Session>,
    task: Option<&Task>,
    at: Timestamp,
    limits: Limits,
) -> Option<Stuck> {
    let heard = agent.last_activity_at?;
    let is_waiting = session.is_some_and(|session| session.status == Some(SessionStatus::Waiting));
    if agent.asks {
        return Some(Stuck { rule: "asks", why: "waits for a person's answer".to_owned(), since: heard });
    }
    if let Some(call) = agent.open_call()
        && milliseconds(call.at, at).is_some_and(|age| age >= limits.tool_ms)
    {
        return Some(Stuck { rule: "tool", why: format!("{} does not return", call.tool), since: call.at });
    }
    if agent.status == AgentStatus::Active
        && !is_waiting
        && milliseconds(heard, at).is_some_and(|age| age >= limits.quiet_ms)
    {
        return Some(Stuck { rule: "quiet", why: "at work, and not heard of".to_owned(), since: heard });
    }
    let task = task?;
    if task.status == Some(Status::Blocked) {
        let why = format!("{} waits for {}", task.task_id, task.blocked_by.join(", "));
        return Some(Stuck { rule: "blocked", why, since: task.updated_at.unwrap_or(heard) });
    }
    let deadline = task.deadline.filter(|deadline| *deadline < at && task.is_open())?;
    Some(Stuck { rule: "deadline", why: format!("{} is late", task.task_id), since: deadline })
}

/// Puts each behind its parent, whatever order they are in otherwise; a circle of parents loses nobody.
fn behind_parents(members: Vec<Member>) -> Vec<Member> {
    let ids: HashSet<String> = members.iter().map(|member| member.agent_id.clone()).collect();
    let mut children: HashMap<String, Vec<usize>> = HashMap::new();
    let mut order = Vec::with_capacity(members.len());
    for (index, member) in members.iter().enumerate() {
        match &member.parent_id {
            Some(parent) if ids.contains(parent) && *parent != member.agent_id => {
                children.entry(parent.clone()).or_default().push(index);
            }
            _ => order.push(index),
        }
    }
    let mut left: Vec<Option<Member>> = members.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(left.len());
    // The next to be placed stands last.
    let mut waiting: Vec<usize> = order.into_iter().rev().collect();
    while let Some(index) = waiting.pop() {
        let Some(member) = left[index].take() else { continue };
        let own = children.get(&member.agent_id).into_iter().flatten();
        waiting.extend(own.rev());
        ordered.push(member);
    }
    ordered.extend(left.into_iter().flatten());
    ordered
}
