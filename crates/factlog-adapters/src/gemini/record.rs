//! One record of a session: a message, what is said of the session, or a change to it.

use factlog::limits::TAGS_MAX;
use factlog::{Result, Tag, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fields::{self, Field};
use crate::tool;

/// The fields of a record that say what it is; none is looked into before it is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    role: Field<'a>,
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow, rename = "created_at")]
    created_at: Field<'a>,
    #[serde(borrow)]
    ts: Field<'a>,
    #[serde(borrow)]
    content: Field<'a>,
    #[serde(borrow)]
    parts: Field<'a>,
    #[serde(borrow)]
    tool_calls: Field<'a>,
    #[serde(borrow)]
    thoughts: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    project_hash: Field<'a>,
    #[serde(borrow)]
    start_time: Field<'a>,
    #[serde(borrow, rename = "start_time")]
    start_time_snake: Field<'a>,
    #[serde(borrow, rename = "kind")]
    origin: Field<'a>,
    #[serde(borrow)]
    pub(super) summary: Field<'a>,
    #[serde(borrow, rename = "$set")]
    set: Field<'a>,
    #[serde(borrow, rename = "$rewindTo")]
    rewind_to: Field<'a>,
}

/// What a `$set` changes, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change<'a> {
    #[serde(borrow)]
    last_updated: Field<'a>,
    #[serde(borrow)]
    pub(super) summary: Field<'a>,
    #[serde(borrow)]
    pub(super) messages: Field<'a>,
}

/// A part of a message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Field<'a>,
    #[serde(borrow)]
    thought: Field<'a>,
    #[serde(borrow)]
    inline_data: Field<'a>,
    #[serde(borrow)]
    file_data: Field<'a>,
    #[serde(borrow)]
    function_call: Field<'a>,
    #[serde(borrow)]
    function_response: Field<'a>,
}

/// The most that a message holds; what comes later tells more of what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// Nothing of a known shape.
    Nothing,
    /// Thoughts.
    Thoughts,
    /// Text or an image.
    Words,
    /// A tool's call.
    Call,
    /// A tool's result.
    Result,
}

/// A tool's call, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    agent_id: Field<'a>,
}

impl<'a> Record<'a> {
    /// The tags of the tools that it calls.
    pub(super) fn tags(&self) -> Vec<Tag> {
        let calls = fields::list(self.tool_calls).into_iter();
        let calls = calls.filter_map(|call| serde_json::from_str::<Value>(call.get()).ok());
        let mut tags: Vec<Tag> = Vec::new();
        for tag in calls.flat_map(|call| tool::tags_of_call(&call, None)) {
            if tags.len() < TAGS_MAX && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    /// Reads an object.
    pub(super) fn parse(json: &'a str) -> Result<Self> {
        fields::parse(json)
    }

    /// Who speaks, or what kind of notice it is.
    pub(super) fn kind(&self) -> Option<String> {
        fields::text(self.kind).or_else(|| fields::text(self.role))
    }

    pub(super) fn id(&self) -> Option<String> {
        fields::text(self.id)
    }

    pub(super) fn session(&self) -> Option<String> {
        fields::text(self.session_id)
    }

    /// Whether the session is a sub-agent's.
    pub(super) fn is_of_agent(&self) -> bool {
        fields::text(self.origin).as_deref() == Some("subagent")
    }

    /// Whether it says what the session is.
    pub(super) fn is_head(&self) -> bool {
        let is_other = self.kind().or_else(|| self.id()).is_some();
        !is_other && [self.session_id, self.project_hash, self.start()].iter().any(Option::is_some)
    }

    fn start(&self) -> Field<'a> {
        self.start_time.or(self.start_time_snake)
    }

    /// When it happened; none where that is absent or no time.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let updated = || fields::time(self.change()?.last_updated);
        fields::time(self.timestamp)
            .or_else(|| fields::time(self.created_at))
            .or_else(|| fields::time(self.ts))
            .or_else(|| fields::time(self.start()))
            .or_else(updated)
    }

    pub(super) fn change(&self) -> Option<Change<'a>> {
        fields::object(self.set)
    }

    /// The message that is undone, with all after it.
    pub(super) fn rewinds_to(&self) -> Option<String> {
        fields::text(self.rewind_to)
    }

    /// The most that a message holds.
    pub(super) fn holds(&self) -> Holds {
        let own = if !fields::list(self.tool_calls).is_empty() {
            Holds::Call
        } else if fields::text(self.content).is_some() {
            Holds::Words
        } else if !fields::list(self.thoughts).is_empty() {
            Holds::Thoughts
        } else {
            Holds::Nothing
        };
        // A content may be a text, one part or a list of them.
        let one = self.content.filter(|content| content.get().starts_with('{'));
        let listed = [self.content, self.parts].into_iter().flat_map(fields::list);
        listed.chain(one).map(held).fold(own, Ord::max)
    }

    /// The id of its call, where it has just one.
    pub(super) fn call(&self) -> Option<String> {
        match self.calls().as_slice() {
            [call] => fields::text(call.id),
            _ => None,
        }
    }

    /// The sub-agents that its calls are given to.
    pub(super) fn agents(&self) -> Vec<String> {
        self.calls().iter().filter_map(|call| fields::text(call.agent_id)).collect()
    }

    fn calls(&self) -> Vec<Call<'a>> {
        fields::list(self.tool_calls).into_iter().filter_map(|call| fields::object(Some(call))).collect()
    }
}

/// What a part of a message is.
fn held(part: &RawValue) -> Holds {
    if fields::text(Some(part)).is_some() {
        return Holds::Words;
    }
    let Some(part) = fields::object::<Part<'_>>(Some(part)) else { return Holds::Nothing };
    if part.function_response.is_some() {
        Holds::Result
    } else if part.function_call.is_some() {
        Holds::Call
    } else if fields::is_true(part.thought) {
        Holds::Thoughts
    } else if fields::text(part.text).is_some() || part.inline_data.is_some() || part.file_data.is_some() {
        Holds::Words
    } else {
        Holds::Nothing
    }
}
