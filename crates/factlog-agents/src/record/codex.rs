//! Lines of Codex's rollouts.

use super::{Call, Fields, Record, Return, Tokens, Usage, title};

pub(super) fn read(record: &mut Record, kind: &str, data: &str) {
    let line = Fields::of(data, &["payload", "type", "timestamp"]);
    // The first versions wrote what is the payload now without an envelope.
    let payload = line.raw("payload").map_or(data, |payload| payload.get());
    let item = Fields::of(
        payload,
        &[
            "type",
            "name",
            "call_id",
            "id",
            "info",
            "model",
            "cwd",
            "git",
            "content",
            "message",
            "success",
            "exit_code",
            "duration",
            "output",
        ],
    );
    record.model = item.text("model");
    record.folder = item.text("cwd");
    record.branch = item.inner("git", &["branch"]).and_then(|git| git.text("branch"));
    let id = || item.text("call_id").or_else(|| item.text("id"));
    match kind {
        "prompted" => record.prompt = prompt(&item),
        "tool-called" => {
            let tool = item.text("name").or_else(|| item.text("type")).unwrap_or_default();
            record.calls.push(Call { id: id(), tool, subagent: None });
        }
        "tool-returned" => {
            let failed = item.get("success") == Some(false)
                || item.get("exit_code").is_some_and(|code: f64| code != 0.0);
            record.returns.push(Return {
                id: id(),
                tool: None,
                is_error: failed,
                duration_ms: None,
                subagent: None,
            });
        }
        "tokens-counted" => {
            let info = item.inner("info", &["last_token_usage", "total_token_usage"]);
            record.usage = info.and_then(|info| usage(&info));
        }
        _ => {}
    }
}

fn prompt(item: &Fields<'_>) -> Option<String> {
    if let Some(text) = item.text("message") {
        return title(&text);
    }
    let blocks = item.list("content");
    blocks.iter().find_map(|block| title(&Fields::of(block.get(), &["text"]).text("text")?))
}

/// The last step's tokens; the sum so far tells one step from the next.
fn usage(info: &Fields<'_>) -> Option<Usage> {
    const NAMES: [&str; 4] = ["input_tokens", "cached_input_tokens", "output_tokens", "total_tokens"];
    let last = info.inner("last_token_usage", &NAMES)?;
    let total = info.inner("total_token_usage", &NAMES);
    let sum = total.map(|total| total.number("total_tokens"));
    let cached = last.number("cached_input_tokens");
    Some(Usage {
        message: sum.map_or_else(String::new, |sum| format!("sum-{sum}")),
        tokens: Tokens {
            input: last.number("input_tokens").saturating_sub(cached),
            output: last.number("output_tokens"),
            cache_read: cached,
            cache_creation: 0,
        },
        cost: None,
    })
}
