//! One line of a rollout: whose view it is, and what it says.

use factlog::{Result, Tag, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::fields::{self, Field};
use crate::tool;

/// Whose view of the session a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// What the model is given and gives: `response_item`.
    Model,
    /// What people are shown: `event_msg`.
    Display,
    /// What is neither: the session, a turn's settings, a compaction.
    Frame,
    /// A line of an older version, without a `payload`.
    Bare,
}

/// A line, read as far as it says what it is.
pub(super) struct Line<'a> {
    pub(super) view: View,
    /// The type of the payload, or of the line where it has none.
    pub(super) kind: Option<String>,
    pub(super) item: Item<'a>,
    pub(super) time: Option<Timestamp>,
    pub(super) ordinal: Option<u64>,
}

#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    created_at: Field<'a>,
    #[serde(borrow)]
    ts: Field<'a>,
    #[serde(borrow)]
    ordinal: Field<'a>,
    #[serde(borrow)]
    payload: Field<'a>,
}

/// The fields of a payload that say what it is.
#[derive(Deserialize, Default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    call_id: Field<'a>,
    #[serde(borrow, rename = "callId")]
    call_id_camel: Field<'a>,
    #[serde(borrow)]
    role: Field<'a>,
    #[serde(borrow)]
    content: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
    #[serde(borrow)]
    text: Field<'a>,
    #[serde(borrow)]
    summary: Field<'a>,
    #[serde(borrow)]
    summary_text: Field<'a>,
    #[serde(borrow, rename = "kind")]
    origin: Field<'a>,
    #[serde(borrow)]
    turn_id: Field<'a>,
    #[serde(borrow, rename = "turnId")]
    turn_id_camel: Field<'a>,
    #[serde(borrow)]
    metadata: Field<'a>,
    #[serde(borrow, rename = "internal_chat_message_metadata_passthrough")]
    passthrough: Field<'a>,
    #[serde(borrow, rename = "item")]
    inner: Field<'a>,
    #[serde(borrow)]
    cwd: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    source: Field<'a>,
    #[serde(borrow)]
    thread_source: Field<'a>,
    #[serde(borrow)]
    parent_thread_id: Field<'a>,
    #[serde(borrow)]
    subagent_history_start_ordinal: Field<'a>,
}

impl<'a> Line<'a> {
    /// Reads an object.
    pub(super) fn parse(json: &'a str) -> Result<Self> {
        let outer: Outer<'a> = fields::parse(json)?;
        let kind = fields::text(outer.kind);
        let time = fields::time(outer.timestamp)
            .or_else(|| fields::time(outer.created_at))
            .or_else(|| fields::time(outer.ts));
        let ordinal = fields::number(outer.ordinal);
        let Some(item) = fields::object::<Item<'a>>(outer.payload) else {
            return Ok(Self { view: View::Bare, kind, item: fields::parse(json)?, time, ordinal });
        };
        let (view, kind) = match kind.as_deref() {
            Some("response_item") => (View::Model, item.kind()),
            Some("event_msg") => (View::Display, item.kind()),
            _ => (View::Frame, kind),
        };
        Ok(Self { view, kind, item, time, ordinal })
    }

    /// Whether it says whose session the file is.
    pub(super) fn is_meta(&self) -> bool {
        match self.view {
            View::Frame => self.kind.as_deref() == Some("session_meta"),
            // The oldest rollouts begin with the id and the time of the session, and say nothing else.
            View::Bare => {
                let is_other = self.kind.is_some() || self.item.role().is_some();
                !is_other && self.time.is_some() && self.item.id().is_some() && self.item.texts().is_empty()
            }
            View::Model | View::Display => false,
        }
    }

    /// The folder that the agent works in from here on, where the line says it.
    pub(super) fn folder(&self) -> Option<String> {
        if self.view == View::Frame { fields::text(self.item.cwd) } else { None }
    }

    /// The call that it makes, answers or shows.
    pub(super) fn call(&self) -> Option<String> {
        self.item.call().or_else(|| match (self.view, self.kind.as_deref()) {
            // These have no result apart from them, and no id apart from their own.
            (View::Model, Some("web_search_call" | "image_generation_call" | "local_shell_call")) => {
                self.item.id()
            }
            (View::Display, Some("item_completed")) => self.item.inner().filter(is_tool)?.id(),
            _ => None,
        })
    }

    /// The id that the source gave the record.
    pub(super) fn id(&self) -> Option<String> {
        self.item.id().or_else(|| self.item.inner()?.id())
    }
}

/// Whether an item is of a tool, and no message.
/// The tags of the tool that a line calls.
pub(super) fn tags(line: &str, folder: Option<&str>) -> Vec<Tag> {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return Vec::new() };
    tool::tags_of_call(line.get("payload").unwrap_or(&line), folder)
}

fn is_tool(item: &Item<'_>) -> bool {
    !matches!(item.kind().as_deref(), None | Some("UserMessage" | "AgentMessage" | "Reasoning" | "Plan"))
}

impl<'a> Item<'a> {
    pub(super) fn kind(&self) -> Option<String> {
        fields::text(self.kind)
    }

    pub(super) fn id(&self) -> Option<String> {
        fields::text(self.id)
    }

    pub(super) fn role(&self) -> Option<String> {
        fields::text(self.role)
    }

    /// What a displayed message is, in versions that showed the added context too.
    pub(super) fn origin(&self) -> Option<String> {
        fields::text(self.origin)
    }

    fn call(&self) -> Option<String> {
        fields::text(self.call_id).or_else(|| fields::text(self.call_id_camel))
    }

    /// The item that a display line says is complete.
    pub(super) fn inner(&self) -> Option<Item<'a>> {
        fields::object(self.inner)
    }

    pub(super) fn turn(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Metadata<'a> {
            #[serde(borrow)]
            turn_id: Field<'a>,
        }
        let of = |field: Field<'a>| fields::text(fields::object::<Metadata<'a>>(field)?.turn_id);
        fields::text(self.turn_id)
            .or_else(|| fields::text(self.turn_id_camel))
            .or_else(|| of(self.passthrough))
            .or_else(|| of(self.metadata))
    }

    pub(super) fn session(&self) -> Option<String> {
        fields::text(self.session_id)
    }

    /// Whether its session is a sub-agent's.
    pub(super) fn is_of_agent(&self) -> bool {
        #[derive(Deserialize)]
        struct Source<'a> {
            #[serde(borrow)]
            subagent: Field<'a>,
        }
        fields::text(self.parent_thread_id).is_some()
            || fields::text(self.thread_source).as_deref() == Some("subagent")
            || fields::object::<Source<'_>>(self.source).is_some_and(|source| source.subagent.is_some())
            || self.own_from().is_some()
    }

    /// The first ordinal that is the session's own; below it stands a copy of the parent's lines.
    pub(super) fn own_from(&self) -> Option<u64> {
        fields::number(self.subagent_history_start_ordinal)
    }

    /// The texts that it is made of.
    pub(super) fn texts(&self) -> Vec<String> {
        let places = [self.content, self.message, self.text, self.summary, self.summary_text];
        places.into_iter().flat_map(texts_of).collect()
    }
}

/// A text, or the texts of an array of texts and of objects with one.
fn texts_of(field: Field<'_>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Field<'a>,
    }
    if let Some(text) = fields::text(field) {
        return vec![text];
    }
    let text = |part| {
        fields::text(Some(part)).or_else(|| fields::text(fields::object::<Part<'_>>(Some(part))?.text))
    };
    fields::list(field).into_iter().filter_map(text).collect()
}
