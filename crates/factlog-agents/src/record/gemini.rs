//! Records of Gemini CLI's sessions.

use super::{Call, Fields, Record, Return, Tokens, Usage, title};

pub(super) fn read(record: &mut Record, kind: &str, data: &str) {
    let message = Fields::of(data, &["id", "content", "toolCalls", "tokens", "model"]);
    record.model = message.text("model");
    if kind == "prompted" {
        record.prompt = prompt(&message);
    }
    if let Some(tokens) = message.inner("tokens", &["input", "output", "cached", "thoughts", "tool"]) {
        let cached = tokens.number("cached");
        record.usage = Some(Usage {
            message: message.text("id").unwrap_or_default(),
            tokens: Tokens {
                input: tokens.number("input").saturating_sub(cached),
                output: tokens.number("output").saturating_add(tokens.number("thoughts")),
                cache_read: cached,
                cache_creation: 0,
            },
            cost: None,
        });
    }
    for call in message.list("toolCalls") {
        let call = Fields::of(call.get(), &["id", "name", "status", "result"]);
        let (id, tool) = (call.text("id"), call.text("name").unwrap_or_default());
        let status = call.text("status").unwrap_or_default();
        if matches!(status.as_str(), "success" | "error" | "cancelled") || call.raw("result").is_some() {
            record.returns.push(Return {
                id: id.clone(),
                tool: Some(tool.clone()),
                is_error: status == "error",
                duration_ms: None,
                subagent: None,
            });
        }
        record.calls.push(Call { id, tool, subagent: None });
    }
}

fn prompt(message: &Fields<'_>) -> Option<String> {
    if let Some(text) = message.text("content") {
        return title(&text);
    }
    let parts = message.list("content");
    parts.iter().find_map(|part| title(&Fields::of(part.get(), &["text"]).text("text")?))
}
