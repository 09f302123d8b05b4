//! One line of a transcript, read without trust: a field of another shape than expected counts as absent.

use factlog::{Result, Timestamp};
use serde::Deserialize;

use crate::fields::{self, Field, is_true, list, object, text};

/// The fields of a line that say what it is; none is looked into before it is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    subtype: Field<'a>,
    #[serde(borrow)]
    uuid: Field<'a>,
    #[serde(borrow)]
    parent_uuid: Field<'a>,
    #[serde(borrow)]
    logical_parent_uuid: Field<'a>,
    #[serde(borrow, rename = "sourceToolAssistantUUID")]
    source_tool_assistant_uuid: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    agent_id: Field<'a>,
    #[serde(borrow)]
    prompt_id: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    snapshot: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
    #[serde(borrow)]
    cwd: Field<'a>,
    #[serde(borrow)]
    is_meta: Field<'a>,
    #[serde(borrow)]
    is_sidechain: Field<'a>,
    #[serde(borrow)]
    is_compact_summary: Field<'a>,
    #[serde(borrow)]
    is_api_error_message: Field<'a>,
}

/// What a message is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// A plain text.
    Text,
    /// Blocks of these types.
    Types(Vec<String>),
}

/// A tool that a block of a message tells of.
pub(super) struct ToolUse {
    /// The call.
    pub(super) id: String,
    pub(super) name: Option<String>,
    /// What it was called with; none of what it returned.
    pub(super) input: Option<serde_json::Value>,
}

impl Blocks {
    /// Whether one of the blocks is of one of these types.
    pub(super) fn have(&self, types: &[&str]) -> bool {
        match self {
            Self::Text => false,
            Self::Types(found) => found.iter().any(|found| types.contains(&found.as_str())),
        }
    }
}

impl<'a> Line<'a> {
    /// Reads an object.
    pub(super) fn parse(json: &'a str) -> Result<Self> {
        fields::parse(json)
    }

    /// The same where the reason does not matter.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        Self::parse(text).ok()
    }

    pub(super) fn kind(&self) -> Option<String> {
        text(self.kind)
    }

    pub(super) fn subtype(&self) -> Option<String> {
        text(self.subtype)
    }

    pub(super) fn uuid(&self) -> Option<String> {
        text(self.uuid)
    }

    /// The line that this one answers.
    pub(super) fn cause(&self) -> Option<String> {
        // After a compaction the conversation begins anew, and only the logical parent says what was before.
        text(self.source_tool_assistant_uuid)
            .or_else(|| text(self.parent_uuid))
            .or_else(|| text(self.logical_parent_uuid))
    }

    pub(super) fn session(&self) -> Option<String> {
        text(self.session_id)
    }

    pub(super) fn agent(&self) -> Option<String> {
        text(self.agent_id)
    }

    pub(super) fn prompt(&self) -> Option<String> {
        text(self.prompt_id)
    }

    /// When it happened; none where that is absent or no time.
    pub(super) fn time(&self) -> Option<Timestamp> {
        #[derive(Deserialize)]
        struct Snapshot<'a> {
            #[serde(borrow)]
            timestamp: Field<'a>,
        }
        let of_snapshot =
            || object::<Snapshot<'_>>(self.snapshot).and_then(|snapshot| text(snapshot.timestamp));
        text(self.timestamp).or_else(of_snapshot).and_then(|time| time.parse().ok())
    }

    pub(super) fn is_meta(&self) -> bool {
        is_true(self.is_meta)
    }

    /// Whether it is of a sub-agent's conversation.
    pub(super) fn is_sidechain(&self) -> bool {
        is_true(self.is_sidechain)
    }

    pub(super) fn is_compact_summary(&self) -> bool {
        is_true(self.is_compact_summary)
    }

    pub(super) fn is_api_error(&self) -> bool {
        is_true(self.is_api_error_message)
    }

    /// The folder that the agent worked in.
    pub(super) fn folder(&self) -> Option<String> {
        text(self.cwd)
    }

    /// What its message says: a text, or blocks.
    fn content(&self) -> Field<'a> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            content: Field<'a>,
        }
        object::<Message<'a>>(self.message)?.content
    }

    /// The tools that are called, or have returned.
    pub(super) fn tool_uses(&self) -> Vec<ToolUse> {
        #[derive(Deserialize)]
        struct Block<'a> {
            #[serde(borrow)]
            id: Field<'a>,
            #[serde(borrow)]
            tool_use_id: Field<'a>,
            #[serde(borrow)]
            name: Field<'a>,
            #[serde(borrow)]
            input: Field<'a>,
        }
        let content = self.content().filter(|content| content.get().starts_with('['));
        let blocks = list(content).into_iter().filter_map(|block| object::<Block<'_>>(Some(block)));
        let tools = blocks.filter_map(|block| {
            let input = block.input.and_then(|input| serde_json::from_str(input.get()).ok());
            let id = if input.is_some() { text(block.id) } else { text(block.tool_use_id) };
            Some(ToolUse { id: id?, name: text(block.name), input })
        });
        tools.collect()
    }

    /// What its message is made of; blocks of no known shape have no type.
    pub(super) fn blocks(&self) -> Blocks {
        #[derive(Deserialize)]
        struct Block<'a> {
            #[serde(borrow, rename = "type")]
            kind: Field<'a>,
        }
        let Some(content) = self.content() else { return Blocks::Types(Vec::new()) };
        if content.get().starts_with('"') {
            return Blocks::Text;
        }
        let types = list(Some(content)).into_iter().filter_map(|block| object::<Block<'_>>(Some(block)));
        Blocks::Types(types.filter_map(|block| text(block.kind)).collect())
    }
}
