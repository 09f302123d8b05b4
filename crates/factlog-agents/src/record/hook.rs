//! Payloads of hooks.

use super::claude_code::{result_of, todos};
use super::{Call, Fields, Record, Return, Subagent, TaskWord, Turn, subagent_of, task_update, title};

/// Fields of a payload, in both spellings that agents use.
const FIELDS: [&str; 26] = [
    "tool_name",
    "toolName",
    "tool_input",
    "toolInput",
    "tool_response",
    "toolResponse",
    "tool_use_id",
    "toolUseId",
    "duration_ms",
    "prompt",
    "agent_id",
    "agent_type",
    "reason",
    "model",
    "cwd",
    "task_id",
    "task_subject",
    "task_description",
    "error",
    "notification_type",
    "message",
    "source",
    "background_tasks",
    "worktree_path",
    "name",
    "to_model",
];

pub(super) fn read(record: &mut Record, kind: &str, data: &str) {
    let payload = Fields::of(data, &FIELDS);
    let either = |name: &str, other: &str| payload.text(name).or_else(|| payload.text(other));
    record.folder = payload.text("cwd");
    record.model = payload.text("model").or_else(|| payload.text("to_model"));
    let id = either("tool_use_id", "toolUseId");
    let tool = either("tool_name", "toolName");
    let input = payload.raw("tool_input").or_else(|| payload.raw("toolInput"));
    match kind {
        "user-prompt-submit" | "before-agent" => {
            record.prompt = payload.text("prompt").and_then(|text| title(&text));
            record.turn = Some(Turn::Started);
        }
        "pre-tool-use" | "before-tool" => {
            let tool = tool.unwrap_or_default();
            record.tasks.extend(task_update(&tool, input));
            if tool == "TodoWrite"
                && let Some(input) = input
            {
                record.tasks.extend(todos(&Fields::of(input.get(), &["todos"])));
            }
            let subagent = subagent_of(&tool, input);
            record.calls.push(Call { id, tool, subagent });
        }
        "post-tool-use" | "post-tool-use-failure" | "after-tool" => {
            let is_error = kind == "post-tool-use-failure" || payload.raw("error").is_some();
            let duration_ms = payload.get("duration_ms");
            record.returns.push(Return { id, tool, is_error, duration_ms, subagent: None });
            let names = ["agentId", "totalDurationMs", "durationMs", "status", "task", "statusChange"];
            let result =
                payload.inner("tool_response", &names).or_else(|| payload.inner("toolResponse", &names));
            if let Some(result) = result {
                result_of(record, &result);
                if let Some(returned) = record.returns.last_mut() {
                    returned.duration_ms = duration_ms.or(returned.duration_ms);
                }
            }
        }
        "subagent-start" | "subagent-stop" => {
            record.subagent = Some(Subagent {
                id: payload.text("agent_id"),
                kind: payload.text("agent_type"),
                has_ended: kind == "subagent-stop",
                ..Subagent::default()
            });
        }
        "session-start" => record.turn = Some(Turn::Started),
        "session-end" => record.turn = Some(Turn::SessionEnded),
        "stop" | "after-agent" => record.turn = Some(Turn::Ended),
        "stop-failure" => record.turn = Some(Turn::Failed),
        "permission-request" | "elicitation" => record.turn = Some(Turn::Asks),
        "notification" => record.turn = asks(&payload).then_some(Turn::Asks),
        "task-created" | "task-completed" => {
            record.tasks.extend(payload.text("task_id").map(|id| TaskWord {
                id,
                title: payload.text("task_subject"),
                status: Some(if kind == "task-completed" { "completed" } else { "pending" }.to_owned()),
                description: payload.text("task_description").and_then(|text| title(&text)),
            }));
        }
        _ => {}
    }
    // The agent whose beginning is told is not the one that tells.
    if record.subagent.is_some() {
        record.agent = None;
    }
}

/// Whether a notification says that a person is waited for.
fn asks(payload: &Fields<'_>) -> bool {
    payload
        .text("notification_type")
        .is_some_and(|kind| kind.contains("permission") || kind.contains("elicitation"))
}
