//! What agents tell their hooks while they work: Claude Code, Codex and Gemini CLI.
//!
//! A hook is a command that an agent runs at every step, with a JSON object on its standard input. Each such payload is
//! one event, and the payload is its data:
//!
//! | of the event | from the payload |
//! |---|---|
//! | type | `hook:` and `hook_event_name` in small letters: `hook:pre-tool-use`; `hook:other` without one |
//! | stream | `session-` and `session_id`; `session-unknown` without one |
//! | session | `session_id` |
//! | source | the agent, and behind a `/` the `agent_id` of a sub-agent |
//! | correlation | `prompt_id`, or Codex's `turn_id`: one turn of the conversation |
//! | occurred | `timestamp`, which Gemini gives; the others have no clock |
//! | tags | `tool:NAME` and `file:PATH`, from `tool_name`, `tool_input` and `cwd` |
//! | metadata | `toolUseId` from `tool_use_id`, by which a transcript tells of the same call |
//! | id | a new one: the same payload twice is two facts |
//!
//! The names of fields may also be written as `hookEventName` is. What is no JSON is kept as `{"text": ...}` with the type
//! `hook:other`; what is JSON and no object is kept as it is. So nothing that an agent says is lost, and unknown hooks and
//! fields are kept. Layouts are those of Claude Code up to 2.1, Codex's generated schemas and Gemini CLI's reference.

use std::str::FromStr;

use factlog::limits::DATA_BYTES_MAX;
use factlog::{Error, EventType, Json, NewEvent, Result, StreamName, Text, Timestamp};
use factlog_agents::vocabulary::camel;
use serde_json::{Map, Value};

use crate::redact::Redactor;
use crate::tool;

/// The type of what has no hook's name.
const OTHER: &str = "hook:other";
/// The session of a payload that names none.
const UNKNOWN: &str = "unknown";

/// Whose hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
}

impl Agent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Claude, Self::Codex, Self::Gemini];

    /// How it is called on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }

    /// How people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Claude => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
        }
    }

    /// The source of its events, the same as that of its transcripts.
    pub fn source(self) -> &'static str {
        match self {
            Self::Claude => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
        }
    }
}

impl FromStr for Agent {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|agent| agent.name() == name).ok_or_else(|| {
            Error::invalid(format!("{name:?} is no agent")).with_hint("agents are claude, codex and gemini")
        })
    }
}

/// The event that a payload becomes; secrets are taken out of it first where a redactor is given.
///
/// # Errors
/// `Invalid` for a payload over the size of an event's data.
pub fn event(agent: Agent, payload: &[u8], redactor: Option<&Redactor>) -> Result<NewEvent> {
    if payload.len() > DATA_BYTES_MAX {
        return Err(Error::invalid(format!(
            "a payload of {} bytes; {DATA_BYTES_MAX} are allowed",
            payload.len()
        )));
    }
    let text = String::from_utf8_lossy(payload);
    let text = text.trim_start_matches('\u{feff}').trim();
    let mut json = Json::parse(text).or_else(|_| Json::of(&serde_json::json!({ "text": text })))?;
    let mut redacted = 0;
    if let Some((clean, count)) = redactor.and_then(|redactor| redactor.json(json.as_str())) {
        json = Json::parse(&clean)?;
        redacted = count;
    }
    let fields = match serde_json::from_str(json.as_str()) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let mut event = of_fields(agent, &Fields(fields), json)?;
    if redacted > 0 {
        event.note("redacted", &redacted.to_string())?;
    }
    Ok(event)
}

/// The fields of a payload, in either spelling; one of another shape than expected counts as absent.
struct Fields(Map<String, Value>);

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).or_else(|| self.0.get(&camel(name)))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    fn name(&self, name: &str) -> Option<Text> {
        Text::new(self.text(name)?).ok()
    }
}

fn of_fields(agent: Agent, fields: &Fields, data: Json) -> Result<NewEvent> {
    let event_type = fields.text("hook_event_name").and_then(|name| EventType::new(hook_type(name)).ok());
    let session = fields.name("session_id");
    let stream = session
        .as_ref()
        .and_then(|session| StreamName::new(format!("session-{session}")).ok())
        .map_or_else(|| StreamName::new(format!("session-{UNKNOWN}")), Ok)?;
    let mut event = NewEvent::of(stream, event_type.unwrap_or(EventType::new(OTHER)?), data);
    let source = fields.text("agent_id").map(|agent_id| format!("{}/{agent_id}", agent.source()));
    event.source =
        Some(source.and_then(|source| Text::new(source).ok()).map_or_else(|| Text::new(agent.source()), Ok)?);
    event.session_id = session;
    event.correlation_id = fields.name("prompt_id").or_else(|| fields.name("turn_id"));
    event.occurred_at = fields.get("timestamp").and_then(time);
    if let Some(tool) = fields.text("tool_name") {
        event.tags = tool::tags(tool, fields.get("tool_input"), fields.text("cwd"));
    }
    if let Some(call) = fields.name("tool_use_id") {
        event.note("toolUseId", &call)?;
    }
    Ok(event)
}

/// A text, or milliseconds since 1970, as some SDKs write it.
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        number => Timestamp::from_micros(number.as_i64()?.checked_mul(1_000)?).ok(),
    }
}

/// `PreToolUse` is `hook:pre-tool-use`.
fn hook_type(name: &str) -> String {
    let mut kebab = String::from("hook:");
    let mut inside = false;
    for letter in name.chars() {
        if letter.is_uppercase() && inside {
            kebab.push('-');
        }
        inside = letter.is_lowercase() || letter.is_ascii_digit();
        match letter {
            '_' | ' ' | ':' => kebab.push('-'),
            other => kebab.extend(other.to_lowercase()),
        }
    }
    kebab
}
