//! Sessions: what each did, with which tools, and what it took.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use factlog::{Event, Filter, Invalid, Projection, Timestamp};
use serde::{Deserialize, Serialize};

use super::open_calls::{Calls, Closed, OpenCall, Outcome, Told};
use super::{Entities, filter_of, later, milliseconds, set, stable_hash, when};
use crate::record::{Call, Record, Return, Subagent, Tokens, Turn, Usage};
use crate::status::SessionStatus;
use crate::vocabulary::Payload;

/// Messages of a session whose tokens may still grow: their lines stand close to each other.
const MESSAGES_OPEN_MAX: usize = 16;
/// Messages that are remembered over all sessions; of more, those before are forgotten, and count again in a fork.
const MESSAGES_MAX: usize = 1_000_000;
/// The same prompt told twice within so long is one: a hook and a transcript tell of it.
const PROMPT_MICROS: i64 = 60_000_000;

/// A session, as far as the log tells of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Session {
    /// Its id.
    pub session_id: String,
    /// How it goes; none as long as nothing says it.
    pub status: Option<SessionStatus>,
    /// The program that runs it: `claude-code`, `codex`, `gemini`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// What the person asked for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The task it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The model that answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The folder it works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The branch it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u64>,
    /// What a person asked for.
    pub prompts: u64,
    /// Tools that were called.
    pub tool_calls: u64,
    /// Calls that have returned.
    pub tool_returns: u64,
    /// Calls that returned an error.
    pub tool_errors: u64,
    /// The tools, by name.
    pub tools: BTreeMap<String, ToolUse>,
    /// The agents it set to work.
    pub subagents: Vec<SessionSubagent>,
    /// What it took in tokens; a message that another session has too counts there.
    pub tokens: Tokens,
    /// The same by day in UTC, and by model.
    pub tokens_by_day: BTreeMap<String, BTreeMap<String, Tokens>>,
    /// Messages of the model.
    pub messages: u64,
    /// What it cost in US dollars, as far as its source states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// How often it was tried before.
    pub retries: u64,
    /// Errors of the model, or of the session as a whole.
    pub errors: u64,
    /// Whether it waits for a person to allow or answer something.
    pub asks: bool,
    /// When it was queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    /// When it began, or was first heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<Timestamp>,
    /// When it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How long it took, in milliseconds, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What came of it, in its source's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Calls, open and returned.
    calls: Calls,
    /// The last messages and what is counted for them.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    counted: VecDeque<Counted>,
    /// The last prompt, and when it was told: a hook and a transcript tell of the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_prompt: Option<(u64, Timestamp)>,
}

/// What is counted for a message, and under which day and model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    message: u64,
    tokens: Tokens,
    day: String,
    model: String,
}

/// How a tool was used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ToolUse {
    /// How often it was called.
    pub calls: u64,
    /// How often it returned an error.
    pub errors: u64,
    /// How long it worked together, in milliseconds.
    pub duration_ms: u64,
}

/// An agent that a session set to work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionSubagent {
    /// Its id; that of its call as long as no other is known.
    pub agent_id: String,
    /// What kind it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl Session {
    /// The call that it waits for longest.
    pub fn open_call(&self) -> Option<&OpenCall> {
        self.calls.open.values().min_by_key(|call| call.at)
    }

    /// The calls that have not returned, by their ids.
    pub fn open_calls(&self) -> &BTreeMap<String, OpenCall> {
        &self.calls.open
    }

    /// Whether it is not over, as far as the log says.
    pub fn is_active(&self) -> bool {
        !matches!(self.status, Some(SessionStatus::Completed | SessionStatus::Failed))
    }

    /// What it took in tokens, by model.
    pub fn tokens_by_model(&self) -> BTreeMap<String, Tokens> {
        let mut by_model: BTreeMap<String, Tokens> = BTreeMap::new();
        for (model, tokens) in self.tokens_by_day.values().flatten() {
            by_model.entry(model.clone()).or_default().add(*tokens);
        }
        by_model
    }

    fn end(&mut self, status: SessionStatus, at: Timestamp, duration_ms: Option<u64>) {
        self.status = Some(status);
        self.ended_at = Some(at);
        self.asks = false;
        self.duration_ms = duration_ms.or_else(|| milliseconds(self.started_at?, at));
    }

    /// It is at work; whatever comes after its end has begun it again.
    fn run(&mut self, at: Timestamp) {
        if self.ended_at.is_some_and(|ended| at <= ended) {
            return;
        }
        (self.ended_at, self.duration_ms, self.asks) = (None, None, false);
        self.status = Some(SessionStatus::Running);
    }

    /// Counts what a person asked for, unless it was told already.
    fn prompt(&mut self, prompt: String, at: Timestamp) {
        let hash = stable_hash(&prompt);
        let is_known = self.last_prompt.is_some_and(|(known, told)| {
            known == hash && at.as_micros().abs_diff(told.as_micros()) <= PROMPT_MICROS.unsigned_abs()
        });
        if !is_known {
            self.prompts += 1;
        }
        self.last_prompt = Some((hash, at));
        self.title.get_or_insert(prompt);
    }

    fn call(&mut self, call: Call, at: Timestamp, agent_id: Option<String>) {
        let open = OpenCall { tool: call.tool.clone(), at, agent_id };
        let told = self.calls.call(call.id.as_deref(), open);
        if matches!(told, Told::Again) {
            return;
        }
        self.tool_calls += 1;
        self.tools.entry(call.tool).or_default().calls += 1;
        if let Told::Returned(closed) = told {
            self.close(closed);
        }
        if let (Some(id), Some(subagent)) = (call.id, call.subagent) {
            self.subagents.push(SessionSubagent {
                agent_id: id,
                agent_type: subagent.kind,
                title: subagent.title,
                started_at: Some(at),
                ..SessionSubagent::default()
            });
        }
    }

    fn returned(&mut self, returned: &Return, at: Timestamp) {
        if let Some(subagent) = &returned.subagent {
            self.name_subagent(returned.id.as_deref(), subagent, at);
        } else if let Some(id) = &returned.id
            && let Some(known) = self.subagents.iter_mut().find(|known| known.agent_id == *id)
        {
            known.ended_at = Some(at);
        }
        let outcome = Outcome { at, is_error: returned.is_error, duration_ms: returned.duration_ms };
        if let Some(closed) = self.calls.close(returned.id.as_deref(), returned.tool.as_deref(), outcome) {
            self.close(closed);
        }
    }

    fn close(&mut self, closed: Closed) {
        self.tool_returns += 1;
        self.tool_errors += u64::from(closed.is_error);
        let tool = self.tools.entry(closed.tool).or_default();
        tool.errors += u64::from(closed.is_error);
        tool.duration_ms = tool.duration_ms.saturating_add(closed.duration_ms.unwrap_or(0));
    }

    /// Gives a sub-agent its own name; it had that of its call.
    fn name_subagent(&mut self, call: Option<&str>, told: &Subagent, at: Timestamp) {
        let Some(id) = told.id.as_deref() else { return };
        let by_call = self.subagents.iter().position(|known| Some(known.agent_id.as_str()) == call);
        let by_name = self.subagents.iter().position(|known| known.agent_id == id);
        let known = match (by_call, by_name) {
            (Some(by_call), Some(by_name)) => {
                // A hook told of it by its name, its parent by the call: it is one.
                let other = self.subagents.remove(by_call);
                let known = &mut self.subagents[by_name - usize::from(by_call < by_name)];
                set(&mut known.title, other.title);
                known.agent_type = known.agent_type.take().or(other.agent_type);
                known.started_at = known.started_at.min(other.started_at).or(known.started_at);
                known
            }
            (Some(index), None) | (None, Some(index)) => &mut self.subagents[index],
            (None, None) => {
                self.subagents.push(SessionSubagent { started_at: Some(at), ..SessionSubagent::default() });
                let last = self.subagents.len() - 1;
                &mut self.subagents[last]
            }
        };
        id.clone_into(&mut known.agent_id);
        known.agent_type = known.agent_type.take().or_else(|| told.kind.clone());
        if told.has_ended {
            known.ended_at = Some(at);
            known.duration_ms = told.duration_ms.or_else(|| milliseconds(known.started_at?, at));
        }
    }
}

/// All sessions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sessions {
    sessions: BTreeMap<String, Session>,
    /// Messages whose tokens were counted, anywhere in the log: a forked session repeats those it began with.
    messages: BTreeSet<u64>,
}

impl Projection for Sessions {
    const NAME: &'static str = "sessions";
    const REVISION: u32 = 1;

    fn filter() -> Filter {
        filter_of(&["session"], &["hook:*"])
    }

    fn apply(&mut self, event: &Event) -> Result<(), Invalid> {
        if let Some(record) = Record::of(event) {
            self.take_record(event, record);
        } else if let Some(payload) = Payload::of(event) {
            self.take(event, payload);
        } else if let Some(session) = &event.session_id {
            // A kind that is not known here is a sign of life all the same.
            let session = session.to_string();
            self.session(event, &session);
        }
        Ok(())
    }
}

impl Sessions {
    fn session(&mut self, event: &Event, id: &str) -> &mut Session {
        let session = self.sessions.entry(id.to_owned()).or_default();
        if session.session_id.is_empty() {
            id.clone_into(&mut session.session_id);
        }
        // An event without a time of its own says when it was recorded, which may be years later.
        if event.occurred_at.is_some()
            || !event.event_type.starts_with("session:")
            || session.started_at.is_none()
        {
            later(&mut session.last_activity_at, event.time());
        }
        session
    }

    fn take(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::SessionQueued(queued) => {
                let session = self.session(event, &queued.session_id);
                session.retries = session.retries.max(queued.retry_attempt.unwrap_or(0));
                if session.ended_at.is_some() {
                    session.retries = session.retries.max(1);
                }
                session.status = Some(SessionStatus::Queued);
                session.queued_at = Some(event.time());
                session.ended_at = None;
                set(&mut session.task_id, queued.task_id);
                set(&mut session.mode, queued.mode);
            }
            Payload::SessionStarted(started) => {
                let session = self.session(event, &started.session_id);
                session.started_at.get_or_insert(event.time());
                session.run(event.time());
                set(&mut session.task_id, started.task_id);
                set(&mut session.pid, started.pid);
            }
            Payload::SessionToolUsed(used) => {
                let session = self.session(event, &used.session_id);
                session.run(event.time());
                session.tool_calls += 1;
                session.tool_returns += 1;
                session.tool_errors += u64::from(used.error.is_some());
                let tool = session.tools.entry(used.tool).or_default();
                tool.calls += 1;
                tool.errors += u64::from(used.error.is_some());
                tool.duration_ms = tool.duration_ms.saturating_add(used.duration_ms.unwrap_or(0));
            }
            Payload::SessionCompleted(completed) => {
                let has_failed =
                    completed.result.as_deref().and_then(SessionStatus::of) == Some(SessionStatus::Failed);
                let status = if has_failed { SessionStatus::Failed } else { SessionStatus::Completed };
                let session = self.session(event, &completed.session_id);
                session.end(status, event.time(), completed.duration_ms);
                set(&mut session.result, completed.result);
                set(&mut session.task_id, completed.task_id);
                set(&mut session.cost, completed.cost);
                for tool in completed.tools_used.unwrap_or_default() {
                    session.tools.entry(tool).or_default();
                }
                if session.tokens == Tokens::default() {
                    // It says how many, and not for what.
                    session.tokens.output = completed.tokens_used.unwrap_or(0);
                }
            }
            Payload::SessionFailed(failed) => {
                let session = self.session(event, &failed.session_id);
                session.errors += 1;
                session.end(SessionStatus::Failed, when(None, event), failed.duration_ms);
                set(&mut session.result, failed.error);
                set(&mut session.task_id, failed.task_id);
            }
            _ => {}
        }
    }

    fn take_record(&mut self, event: &Event, record: Record) {
        let at = event.time();
        if let Some(usage) = &record.usage {
            self.count(&record, usage, at);
        }
        let session = self.session(event, &record.session);
        if event.occurred_at.is_some() || event.event_type.starts_with("hook:") {
            session.started_at = session.started_at.filter(|known| *known <= at).or(Some(at));
        }
        session.agent_type.get_or_insert(record.system);
        set(&mut session.branch, record.branch);
        if session.folder.is_none() {
            session.folder = record.folder;
        }
        if record.agent.is_none() {
            set(&mut session.model, record.model);
        }
        if let Some(prompt) = record.prompt.filter(|_| record.agent.is_none()) {
            session.prompt(prompt, at);
        }
        if let Some(subagent) = &record.subagent {
            session.name_subagent(None, subagent, at);
        }
        let has_worked = !record.calls.is_empty() || !record.returns.is_empty();
        for call in record.calls {
            session.call(call, at, record.agent.clone());
        }
        for returned in record.returns {
            session.returned(&returned, at);
        }
        match record.turn {
            Some(Turn::SessionEnded) => session.end(SessionStatus::Completed, at, None),
            Some(Turn::Ended) if session.ended_at.is_none() => session.status = Some(SessionStatus::Waiting),
            Some(Turn::Asks) => session.asks = true,
            Some(Turn::Failed) => session.errors += 1,
            Some(Turn::Started) => session.run(at),
            _ if has_worked || session.status.is_none() => session.run(at),
            _ => {}
        }
    }

    /// Counts what a message took: once in the whole log, and the last word that its session has of it.
    fn count(&mut self, record: &Record, usage: &Usage, at: Timestamp) {
        let session = self.sessions.entry(record.session.clone()).or_default();
        let name = if usage.message.starts_with("sum-") || record.system == "gemini" {
            // Such names are only those of their session.
            format!("{}/{}", record.session, usage.message)
        } else {
            usage.message.clone()
        };
        let message = stable_hash(&name);
        let known = session.counted.iter_mut().find(|counted| counted.message == message);
        if let Some(counted) = known.filter(|_| !usage.message.is_empty()) {
            // Told again, with more in it: it stays where it was counted first.
            let before = std::mem::replace(&mut counted.tokens, usage.tokens);
            let (day, model) = (counted.day.clone(), counted.model.clone());
            let of_model = session.tokens_by_day.entry(day).or_default().entry(model).or_default();
            for tokens in [of_model, &mut session.tokens] {
                tokens.subtract(before);
                tokens.add(usage.tokens);
            }
            return;
        }
        if self.messages.len() >= MESSAGES_MAX {
            self.messages.clear();
        }
        if !usage.message.is_empty() && !self.messages.insert(message) {
            return;
        }
        let day = at.to_string()[..10].to_owned();
        let model = record.model.clone().or_else(|| session.model.clone()).unwrap_or_default();
        session.tokens.add(usage.tokens);
        session
            .tokens_by_day
            .entry(day.clone())
            .or_default()
            .entry(model.clone())
            .or_default()
            .add(usage.tokens);
        session.messages += 1;
        if let Some(cost) = usage.cost {
            session.cost = Some(session.cost.unwrap_or(0.0) + cost);
        }
        if session.counted.len() == MESSAGES_OPEN_MAX {
            session.counted.pop_front();
        }
        session.counted.push_back(Counted { message, tokens: usage.tokens, day, model });
    }

    /// The sessions that are not over.
    pub fn active(&self) -> impl Iterator<Item = &Session> {
        self.sessions.values().filter(|session| session.is_active())
    }

    /// What all of them took in tokens.
    pub fn tokens(&self) -> Tokens {
        let mut sum = Tokens::default();
        for session in self.sessions.values() {
            sum.add(session.tokens);
        }
        sum
    }
}

impl Entities for Sessions {
    type Entity = Session;
    const NOUN: &'static str = "session";
    const HIDDEN: &'static [&'static str] = &["calls", "counted", "lastPrompt"];

    fn entities(&self) -> &BTreeMap<String, Session> {
        &self.sessions
    }
}
