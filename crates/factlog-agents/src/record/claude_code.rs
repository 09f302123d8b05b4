//! Lines of Claude Code's transcripts.

use super::{
    Call, Fields, Record, Return, Subagent, TaskWord, Tokens, Usage, subagent_of, task_update, title,
};
use crate::vocabulary::FieldValue;

pub(super) fn read(record: &mut Record, kind: &str, data: &str) {
    let line = Fields::of(data, &["message", "cwd", "gitBranch", "toolUseResult", "costUSD", "data", "uuid"]);
    record.folder = line.text("cwd");
    record.branch = line.text("gitBranch").filter(|branch| branch != "HEAD");
    if kind == "progressed" {
        return;
    }
    let Some(message) = line.inner("message", &["id", "model", "usage", "content"]) else { return };
    record.model = message.text("model").filter(|model| !model.starts_with('<'));
    if kind == "prompted" {
        record.prompt = prompt(&message);
    }
    if let Some(usage) = message.inner("usage", &USAGE) {
        record.usage = Some(Usage {
            message: message.text("id").or_else(|| line.text("uuid")).unwrap_or_default(),
            tokens: tokens(&usage),
            cost: line.get("costUSD"),
        });
    }
    let mut returns = 0;
    for block in message.list("content") {
        let block = Fields::of(block.get(), &["type", "id", "name", "input", "tool_use_id", "is_error"]);
        match block.text("type").as_deref() {
            Some("tool_use" | "server_tool_use") => {
                let tool = block.text("name").unwrap_or_default();
                let input = block.raw("input");
                record.tasks.extend(task_update(&tool, input));
                let subagent = subagent_of(&tool, input);
                record.calls.push(Call { id: block.text("id"), tool, subagent });
            }
            Some("tool_result") => {
                returns += 1;
                record.returns.push(Return {
                    id: block.text("tool_use_id"),
                    tool: None,
                    is_error: block.get("is_error").unwrap_or(false),
                    duration_ms: None,
                    subagent: None,
                });
            }
            _ => {}
        }
    }
    // What stands beside the message is of the one tool that has returned.
    if returns == 1
        && let Some(result) = line.inner("toolUseResult", &RESULT)
    {
        result_of(record, &result);
    }
}

const USAGE: [&str; 4] =
    ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];
const RESULT: [&str; 6] = ["agentId", "totalDurationMs", "durationMs", "status", "task", "statusChange"];

pub(super) fn tokens(usage: &Fields<'_>) -> Tokens {
    Tokens {
        input: usage.number(USAGE[0]),
        output: usage.number(USAGE[1]),
        cache_read: usage.number(USAGE[2]),
        cache_creation: usage.number(USAGE[3]),
    }
}

fn prompt(message: &Fields<'_>) -> Option<String> {
    if let Some(text) = message.text("content") {
        return title(&text);
    }
    let blocks = message.list("content");
    blocks.iter().find_map(|block| title(&Fields::of(block.get(), &["text"]).text("text")?))
}

/// What the result of a tool says beside its text.
pub(super) fn result_of(record: &mut Record, result: &Fields<'_>) {
    let Some(returned) = record.returns.last_mut() else { return };
    returned.duration_ms = result.get("totalDurationMs").or_else(|| result.get("durationMs"));
    if let Some(id) = result.text("agentId") {
        let is_running = result.text("status").is_some_and(|status| status.contains("launched"));
        returned.subagent = Some(Subagent {
            id: Some(id),
            duration_ms: returned.duration_ms,
            has_ended: !is_running,
            ..Subagent::default()
        });
    }
    if let Some(task) = result.raw("task") {
        let task = Fields::of(task.get(), &["id", "subject", "description", "status"]);
        if let Some(id) = task.text("id") {
            record.tasks.push(TaskWord {
                id,
                title: task.text("subject"),
                status: task.text("status"),
                description: task.text("description").and_then(|text| title(&text)),
            });
        }
    }
}

/// A list of tasks that is written anew as a whole.
pub(super) fn todos(input: &Fields<'_>) -> Vec<TaskWord> {
    let todos = input.list("todos").into_iter().filter_map(|todo| {
        let todo = Fields::of(todo.get(), &["id", "content", "status"]);
        let content = todo.text("content")?;
        Some(TaskWord {
            id: todo.text("id").unwrap_or_else(|| content.clone()),
            title: title(&content),
            status: todo.raw("status").and_then(String::read),
            description: None,
        })
    });
    todos.collect()
}
