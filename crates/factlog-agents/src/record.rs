//! What the records of agents tell: transcripts and hooks of Claude Code, Codex and Gemini CLI, read without trust.
//!
//! Events of importers, of `watch` and of hooks carry an agent's own record as their data. Their types say what kind of
//! record it is; here is read what projections need of it, and nothing in a record is an error.

mod claude_code;
mod codex;
mod gemini;
mod hook;

use factlog::{Event, Json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::vocabulary::FieldValue;
use crate::vocabulary::payload::each_field;

/// Characters of a prompt or a description that are kept.
const TITLE_CHARACTERS_MAX: usize = 120;

/// What one record tells.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// The session it is of.
    pub(crate) session: String,
    /// The program: `claude-code`, `codex`, `gemini`.
    pub(crate) system: String,
    /// The sub-agent whose record it is.
    pub(crate) agent: Option<String>,
    /// What a person asked for, in its first characters.
    pub(crate) prompt: Option<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) returns: Vec<Return>,
    pub(crate) usage: Option<Usage>,
    pub(crate) tasks: Vec<TaskWord>,
    pub(crate) turn: Option<Turn>,
    /// A sub-agent that began or ended, as a hook tells it.
    pub(crate) subagent: Option<Subagent>,
    pub(crate) model: Option<String>,
    pub(crate) folder: Option<String>,
    pub(crate) branch: Option<String>,
}

/// A tool is to be used.
#[derive(Debug)]
pub(crate) struct Call {
    /// None where the record has none: calls and returns of a tool are then paired in their order.
    pub(crate) id: Option<String>,
    pub(crate) tool: String,
    /// Where the tool is another agent: what kind, and what for.
    pub(crate) subagent: Option<Subagent>,
}

/// A tool has returned.
#[derive(Debug)]
pub(crate) struct Return {
    pub(crate) id: Option<String>,
    pub(crate) tool: Option<String>,
    pub(crate) is_error: bool,
    pub(crate) duration_ms: Option<u64>,
    /// Where the tool was another agent: which.
    pub(crate) subagent: Option<Subagent>,
}

/// Another agent, as its parent tells of it.
#[derive(Debug, Default)]
pub(crate) struct Subagent {
    pub(crate) id: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) has_ended: bool,
}

/// How a turn of the conversation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The session began, or goes on.
    Started,
    /// The agent is done, and waits for a person.
    Ended,
    /// The agent cannot go on without a person: a permission, a question.
    Asks,
    /// The session came to its end.
    SessionEnded,
    /// The model could not be reached.
    Failed,
}

/// What is said of a task in the agent's own list.
#[derive(Debug, Default)]
pub(crate) struct TaskWord {
    /// Its id in that list.
    pub(crate) id: String,
    pub(crate) title: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) description: Option<String>,
}

/// What a message of the model took.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// The message: told of again, it counts once.
    pub(crate) message: String,
    pub(crate) tokens: Tokens,
    /// In US dollars, where the source states it.
    pub(crate) cost: Option<f64>,
}

/// Tokens, by what they were for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tokens {
    /// Read by the model, none of them from its cache.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from the model's cache.
    pub cache_read: u64,
    /// Written to the model's cache.
    pub cache_creation: u64,
}

impl Tokens {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_creation = self.cache_creation.saturating_add(other.cache_creation);
    }

    /// Takes others away, which were added before.
    pub fn subtract(&mut self, other: Self) {
        self.input = self.input.saturating_sub(other.input);
        self.output = self.output.saturating_sub(other.output);
        self.cache_read = self.cache_read.saturating_sub(other.cache_read);
        self.cache_creation = self.cache_creation.saturating_sub(other.cache_creation);
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.input
            .saturating_add(self.output)
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_creation)
    }
}

impl Record {
    /// What an event tells, where it is a record of an agent.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let (kind, is_hook) = match event.event_type.split_once(':')? {
            // What the vocabulary says of sessions is no record, whoever says it.
            ("session", "queued" | "tool-used" | "completed" | "failed") => return None,
            ("session", kind) => (kind, false),
            ("hook", kind) => (kind, true),
            _ => return None,
        };
        let source = event.source.as_deref().unwrap_or_default();
        let (system, agent) = match source.split_once('/') {
            Some((system, agent)) => (system, Some(agent.to_owned())),
            None => (source, None),
        };
        let session = event.session_id.as_deref().or_else(|| event.stream.strip_prefix("session-"))?;
        let mut record =
            Self { session: session.to_owned(), system: system.to_owned(), agent, ..Self::default() };
        let data = event.data.as_str();
        match system {
            _ if is_hook => hook::read(&mut record, kind, data),
            "claude-code" => claude_code::read(&mut record, kind, data),
            "codex" => codex::read(&mut record, kind, data),
            "gemini" => gemini::read(&mut record, kind, data),
            _ => return None,
        }
        let turn = match kind {
            // A command of the program is written like a prompt, and asks the model for nothing.
            "prompted" => record.prompt.as_ref().map(|_| Turn::Started),
            "turn-started" | "started" | "replied" | "thought" => Some(Turn::Started),
            "turn-ended" | "turn-aborted" => Some(Turn::Ended),
            "api-failed" => Some(Turn::Failed),
            _ => None,
        };
        record.turn = record.turn.or(turn.filter(|_| !is_hook));
        Some(record)
    }
}

/// The fields of an object that one asks for, each in its place.
pub(crate) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The fields of these names; of anything but an object none.
    pub(crate) fn of(data: &'a str, names: &[&str]) -> Self {
        let mut fields = Vec::new();
        each_field(data, |key, raw| {
            if names.contains(&key) {
                fields.push((key.to_owned(), raw));
            }
        });
        Self(fields)
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw)
    }

    pub(crate) fn get<T: FieldValue>(&self, name: &str) -> Option<T> {
        T::read(self.raw(name)?)
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get::<String>(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.get(name).unwrap_or_default()
    }

    /// The fields of an object in a field.
    pub(crate) fn inner(&self, name: &str, names: &[&str]) -> Option<Fields<'a>> {
        let raw = self.raw(name)?;
        raw.get().starts_with('{').then(|| Fields::of(raw.get(), names))
    }

    /// The values of a list in a field.
    pub(crate) fn list(&self, name: &str) -> Vec<&'a RawValue> {
        self.raw(name).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}

/// The first line of a text, as far as it is shown.
pub(crate) fn title(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'))?;
    Some(line.chars().filter(|c| !c.is_control()).take(TITLE_CHARACTERS_MAX).collect())
}

/// Input of a tool that runs another agent.
pub(crate) fn subagent_of(tool: &str, input: Option<&RawValue>) -> Option<Subagent> {
    if !matches!(tool, "Task" | "Agent") {
        return None;
    }
    let fields = Fields::of(input?.get(), &["subagent_type", "description", "prompt"]);
    let title = fields.text("description").or_else(|| fields.text("prompt")).and_then(|text| title(&text));
    Some(Subagent { kind: fields.text("subagent_type"), title, ..Subagent::default() })
}

/// What a call of the tools for the agent's own list of tasks asks for.
pub(crate) fn task_update(tool: &str, input: Option<&RawValue>) -> Option<TaskWord> {
    if tool != "TaskUpdate" {
        return None;
    }
    let fields = Fields::of(input?.get(), &["taskId", "status", "subject"]);
    Some(TaskWord {
        id: fields.text("taskId")?,
        status: fields.text("status"),
        title: fields.text("subject"),
        description: None,
    })
}

/// The most JSON that is kept in a state.
pub(crate) const SMALL_BYTES_MAX: usize = 4 * 1024;

/// JSON that is small enough to be kept in a state.
pub(crate) fn small(json: Option<Json>) -> Option<Json> {
    json.filter(|json| json.as_str().len() <= SMALL_BYTES_MAX)
}
