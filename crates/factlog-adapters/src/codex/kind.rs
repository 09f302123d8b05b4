//! What happened, by the shape of a line: the one table of types.

use super::line::{Item, Line, View};

/// A person said something.
pub(super) const PROMPTED: &str = "session:prompted";
/// A tool is to be used.
pub(super) const TOOL_CALLED: &str = "session:tool-called";
/// The session began.
pub(super) const STARTED: &str = "session:started";
/// Settings of the session or of a turn.
pub(super) const CONFIGURED: &str = "session:configured";
/// A turn began.
pub(super) const TURN_STARTED: &str = "session:turn-started";
/// A turn came to its end.
pub(super) const TURN_ENDED: &str = "session:turn-ended";
/// A turn was broken off.
pub(super) const TURN_ABORTED: &str = "session:turn-aborted";
/// The conversation was made shorter.
pub(super) const COMPACTED: &str = "session:compacted";

/// Text that the program gave the model.
const CONTEXT_ADDED: &str = "session:context-added";
/// The model said something.
const REPLIED: &str = "session:replied";
/// The model thought about it.
const THOUGHT: &str = "session:thought";
/// What a tool gave.
const TOOL_RETURNED: &str = "session:tool-returned";
/// Whatever the table does not know: kept, and never an error.
const OTHER: &str = "session:other";

/// How texts begin that stand in the place of a person's and are not.
const CONTEXT_BEGINS: &[&str] = &[
    "<environment_context>",
    "<user_instructions>",
    "<permissions instructions>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<user_shell_command>",
    "<skill>",
    "<INSTRUCTIONS>",
    "# AGENTS.md instructions",
];

/// The type of the event that a line becomes; `is_start` tells the first line about the session from later ones.
pub(super) fn of(line: &Line<'_>, is_start: bool) -> &'static str {
    if line.is_meta() {
        return if is_start { STARTED } else { CONFIGURED };
    }
    let item = &line.item;
    let kind = line.kind.as_deref().unwrap_or_default();
    let found = match line.view {
        View::Model => of_model(kind, item),
        View::Display => of_display(kind, item),
        View::Frame => of_frame(kind),
        View::Bare => {
            of_model(kind, item).or_else(|| of_display(kind, item)).or_else(|| of_frame(kind)).or_else(|| {
                // The first versions gave a message no type.
                if line.kind.is_none() { of_message(item) } else { None }
            })
        }
    };
    found.unwrap_or(OTHER)
}

fn of_model(kind: &str, item: &Item<'_>) -> Option<&'static str> {
    Some(match kind {
        "message" => return of_message(item),
        "reasoning" => THOUGHT,
        "function_call"
        | "custom_tool_call"
        | "local_shell_call"
        | "tool_search_call"
        | "web_search_call"
        | "image_generation_call"
        | "tool_call" => TOOL_CALLED,
        "function_call_output"
        | "custom_tool_call_output"
        | "tool_search_output"
        | "tool_result"
        | "function_result" => TOOL_RETURNED,
        "agent_message" => "session:agent-messaged",
        "compaction" | "compaction_summary" | "context_compaction" => "session:compact-summarized",
        "ghost_snapshot" => "session:files-snapshotted",
        _ => return None,
    })
}

fn of_message(item: &Item<'_>) -> Option<&'static str> {
    match item.role()?.as_str() {
        "user" if is_context(item) => Some(CONTEXT_ADDED),
        "user" => Some(PROMPTED),
        "assistant" => Some(REPLIED),
        "developer" | "system" => Some(CONTEXT_ADDED),
        _ => None,
    }
}

fn is_context(item: &Item<'_>) -> bool {
    let texts = item.texts();
    let first = texts.first().map_or("", |text| text.trim_start());
    CONTEXT_BEGINS.iter().any(|begin| first.starts_with(begin))
}

fn of_display(kind: &str, item: &Item<'_>) -> Option<&'static str> {
    Some(match kind {
        "user_message" => match item.origin().as_deref() {
            None | Some("plain") if !is_context(item) => PROMPTED,
            _ => CONTEXT_ADDED,
        },
        "agent_message" => REPLIED,
        "agent_reasoning" | "agent_reasoning_raw_content" => THOUGHT,
        "task_started" | "turn_started" | "turn.started" => TURN_STARTED,
        "task_complete" | "turn_complete" | "turn.completed" => TURN_ENDED,
        "turn_aborted" | "turn.failed" => TURN_ABORTED,
        "token_count" => "session:tokens-counted",
        "context_compacted" => COMPACTED,
        "thread_rolled_back" => "session:rewound",
        "thread_settings_applied" => CONFIGURED,
        "error" | "stream_error" => "session:api-failed",
        "codex/event/raw_item" => "session:progressed",
        "view_image_tool_call" | "dynamic_tool_call_request" => TOOL_CALLED,
        "dynamic_tool_call_response" => TOOL_RETURNED,
        "item_completed" => of_completed(item.inner()?.kind()?.as_str())?,
        _ if is_tool_end(kind) => TOOL_RETURNED,
        _ if is_tool_begin(kind) => TOOL_CALLED,
        _ => return None,
    })
}

fn of_completed(kind: &str) -> Option<&'static str> {
    match kind {
        "UserMessage" => Some(PROMPTED),
        "AgentMessage" => Some(REPLIED),
        "Reasoning" => Some(THOUGHT),
        "CommandExecution"
        | "McpToolCall"
        | "FileChange"
        | "Extension"
        | "WebSearch"
        | "ImageView"
        | "ImageGeneration"
        | "DynamicToolCall"
        | "CollabAgentToolCall" => Some(TOOL_RETURNED),
        _ => None,
    }
}

/// Whether a display line shows the end of a tool's work.
pub(super) fn is_tool_end(kind: &str) -> bool {
    kind.ends_with("_end") && is_of_tool(kind) || kind == "dynamic_tool_call_response"
}

/// Whether a display line shows the beginning of a tool's work.
pub(super) fn is_tool_begin(kind: &str) -> bool {
    kind.ends_with("_begin") && is_of_tool(kind)
        || matches!(kind, "view_image_tool_call" | "dynamic_tool_call_request")
}

fn is_of_tool(kind: &str) -> bool {
    ["exec_command_", "mcp_tool_call_", "patch_apply_", "web_search_", "image_generation_", "collab_"]
        .iter()
        .any(|tool| kind.starts_with(tool))
}

fn of_frame(kind: &str) -> Option<&'static str> {
    match kind {
        "turn_context" => Some(CONFIGURED),
        "world_state" => Some(CONTEXT_ADDED),
        "compacted" => Some(COMPACTED),
        "token_usage_record" => Some("session:tokens-counted"),
        "inter_agent_communication" | "inter_agent_communication_metadata" => Some("session:agent-messaged"),
        _ => None,
    }
}
