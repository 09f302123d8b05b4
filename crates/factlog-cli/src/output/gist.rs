//! One line of what happened: the words, the call or the result in what agents write, whatever its shape.

use factlog::{Event, TOOL_TAG};
use serde_json::{Map, Value};

use super::plain::{RESULTS, begin, first_line, one_line, plain};

/// Calls, results or texts of one event that are shown.
const PARTS_MAX: usize = 8;

/// What stands around that which happened.
const WRAPPERS: [&str; 5] = ["payload", "message", "item", "toolCalls", "functionCall"];
/// What a tool is called, and what it is given.
const NAMES: [&str; 4] = ["tool_name", "toolName", "name", "server_name"];
const INPUTS: [&str; 6] = ["tool_input", "toolInput", "input", "arguments", "args", "action"];
/// What matters most of what a tool is given.
const MAIN_INPUTS: [&str; 19] = [
    "command",
    "cmd",
    "pattern",
    "query",
    "file_path",
    "notebook_path",
    "absolute_path",
    "filePath",
    "absolutePath",
    "url",
    "path",
    "dir_path",
    "paths",
    "file_paths",
    "description",
    "subject",
    "prompt",
    "text",
    "input",
];
/// What was said, the best first.
const WORDS: [&str; 18] = [
    "prompt",
    "content",
    "parts",
    "message",
    "text",
    "last_agent_message",
    "last_assistant_message",
    "lastAssistantMessage",
    "summary",
    "summary_text",
    "thinking",
    "thoughts",
    "description",
    "error",
    "reason",
    "trigger",
    "agent_type",
    "source",
];
/// What every line of a transcript and every payload of a hook repeats.
const REPEATED: [&str; 24] = [
    "type",
    "subtype",
    "ordinal",
    "uuid",
    "parentUuid",
    "logicalParentUuid",
    "sessionId",
    "session_id",
    "timestamp",
    "cwd",
    "version",
    "gitBranch",
    "isSidechain",
    "isMeta",
    "userType",
    "entrypoint",
    "slug",
    "transcript_path",
    "hook_event_name",
    "hookEventName",
    "permission_mode",
    "promptId",
    "prompt_id",
    "agentId",
];

/// One line of what happened, without control characters, and not much longer than a terminal is wide.
pub(super) fn gist(event: &Event) -> String {
    let of_agent = ["session:", "hook:"].iter().any(|kind| event.event_type.starts_with(kind));
    if !of_agent {
        return one_line(&format!("{} {}", event.stream, begin(event.data.as_str())));
    }
    let Ok(data) = serde_json::from_str::<Value>(event.data.as_str()) else {
        return one_line(event.data.as_str());
    };
    let mut parts = Parts::default();
    parts.add(&data);
    let shown = if !parts.calls.is_empty() {
        from_here(&parts.calls.join(" · "), &data)
    } else if !parts.results.is_empty() {
        let tool = event.tags.iter().find_map(|tag| tag.strip_prefix(TOOL_TAG));
        let results = parts.results.join(" · ");
        tool.map_or(results.clone(), |tool| format!("{tool}: {results}"))
    } else {
        parts.words.join(" ")
    };
    let line = one_line(&shown);
    if line.is_empty() { one_line(&without_repeated(data)) } else { line }
}

/// The text with paths as people in the agent's folder write them.
fn from_here(text: &str, data: &Value) -> String {
    match data.get("cwd").and_then(Value::as_str).map(|folder| folder.trim_end_matches('/')) {
        Some(folder) if !folder.is_empty() => text.replace(&format!("{folder}/"), ""),
        _ => text.to_owned(),
    }
}

/// What was found in one event.
#[derive(Default)]
struct Parts {
    calls: Vec<String>,
    results: Vec<String>,
    words: Vec<String>,
}

impl Parts {
    fn count(&self) -> usize {
        self.calls.len() + self.results.len() + self.words.len()
    }

    fn add(&mut self, value: &Value) {
        match value {
            _ if self.count() >= PARTS_MAX => {}
            Value::String(text) if !text.trim().is_empty() => self.words.push(begin(text).to_owned()),
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(fields) => self.add_object(fields),
            _ => {}
        }
    }

    fn add_object(&mut self, fields: &Map<String, Value>) {
        let before = self.count();
        for wrapper in WRAPPERS {
            if let Some(inner @ (Value::Object(_) | Value::Array(_))) = fields.get(wrapper) {
                if wrapper == "functionCall" {
                    self.calls.extend(inner.as_object().map(|call| shown_call(name_of(call), call)));
                } else {
                    self.add(inner);
                }
                if self.count() > before {
                    return;
                }
            }
        }
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        if let Some(call) = call(kind, fields) {
            self.calls.push(call);
            return;
        }
        if let Some(result) = result(kind, fields) {
            self.results.push(result);
            return;
        }
        for field in WORDS {
            if let Some(value) = fields.get(field) {
                self.add(value);
                if self.count() > before {
                    return;
                }
            }
        }
        let is_picture = kind.contains("image") || fields.contains_key("inlineData");
        if is_picture || kind == "document" || fields.contains_key("fileData") {
            self.words.push(if is_picture { "[image]" } else { "[document]" }.to_owned());
        }
    }
}

/// A call, where the fields are of one.
fn call(kind: &str, fields: &Map<String, Value>) -> Option<String> {
    let has_input = INPUTS.iter().any(|input| fields.contains_key(*input));
    let is_call = ["_call", "tool_use", "_begin"].iter().any(|end| kind.ends_with(end));
    let name = name_of(fields);
    if is_call || (name.is_some() && has_input) {
        // Tools that Codex has of its own have no name: `web_search_call`.
        let of_kind = || kind.trim_end_matches("_call").trim_end_matches("_begin");
        return Some(shown_call(Some(name.unwrap_or_else(of_kind)), fields));
    }
    // What was run, with how it ended.
    let command = fields.get("command").map(plain).filter(|_| fields.contains_key("exit_code"))?;
    Some(format!("{command} → exit {}", plain(&fields["exit_code"])))
}

fn name_of(fields: &Map<String, Value>) -> Option<&str> {
    let named = NAMES.iter().find_map(|name| fields.get(*name)?.as_str().filter(|name| !name.is_empty()));
    named.or_else(|| fields.get("function")?.get("name")?.as_str())
}

fn shown_call(name: Option<&str>, fields: &Map<String, Value>) -> String {
    let input = INPUTS.iter().find_map(|input| fields.get(*input)).map(main_input);
    // A call that was shown as it began has its input beside its name.
    let input = input.or_else(|| main_of(fields)).unwrap_or_default();
    let error = fields.get("error").map(plain).filter(|error| !error.is_empty());
    let error = error.map(|error| format!(" → {}", first_line(&error))).unwrap_or_default();
    format!("{} {input}{error}", name.unwrap_or_default())
}

/// What matters most of a tool's input.
fn main_input(input: &Value) -> String {
    match input {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => main_input(&Value::Object(fields)),
            _ => begin(text).to_owned(),
        },
        Value::Object(fields) => main_of(fields).unwrap_or_else(|| {
            if fields.is_empty() { String::new() } else { begin(&input.to_string()).to_owned() }
        }),
        other => plain(other),
    }
}

fn main_of(fields: &Map<String, Value>) -> Option<String> {
    MAIN_INPUTS.iter().find_map(|name| Some(plain(fields.get(*name)?)).filter(|text| !text.trim().is_empty()))
}

/// What a tool gave: its first line.
fn result(kind: &str, fields: &Map<String, Value>) -> Option<String> {
    let ends = ["tool_result", "_output", "function_result", "_response", "_end"];
    if let Some(response) = fields.get("functionResponse").and_then(Value::as_object) {
        return Some(first_line(&response.get("response").map(plain).unwrap_or_default()));
    }
    if !ends.iter().any(|end| kind.ends_with(end)) {
        return None;
    }
    let text = RESULTS.iter().find_map(|field| fields.get(*field)).map(plain).unwrap_or_default();
    let failed = fields.get("is_error") == Some(&Value::Bool(true));
    let line = first_line(&text);
    Some(format!(
        "{}{}",
        if failed { "failed: " } else { "" },
        if line.is_empty() { "(nothing)" } else { &line }
    ))
}

/// Compact JSON without what every line repeats; all of it where nothing is left.
fn without_repeated(mut data: Value) -> String {
    if let Some(payload @ Value::Object(_)) = data.get_mut("payload") {
        data = payload.take();
    }
    match data {
        Value::Object(fields) => {
            let own = |name: &str| !REPEATED.contains(&name);
            let left: Map<String, Value> = fields
                .iter()
                .filter(|(name, _)| own(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            begin(&Value::Object(if left.is_empty() { fields } else { left }).to_string()).to_owned()
        }
        other => begin(&other.to_string()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::plain::LINE_CHARACTERS_MAX;

    fn event(event_type: &str, tags: &[&str], data: &Value) -> Event {
        serde_json::from_value(json!({
            "position": 7, "id": "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d", "stream": "session-1", "version": 2,
            "type": event_type, "recordedAt": "2026-11-20T23:44:30Z", "tags": tags, "data": data
        }))
        .unwrap()
    }

    fn of(event_type: &str, data: &Value) -> String {
        gist(&event(event_type, &[], data))
    }

    #[test]
    fn lines_of_claude_code_say_what_was_said_called_and_returned() {
        let message = |role: &str, content: Value| {
            of(
                "session:x",
                &json!({"uuid": "u", "cwd": "/w", "type": role, "message": {"role": role, "content": content}}),
            )
        };
        assert_eq!(message("user", json!("Fix the\n  build, please")), "Fix the build, please");
        assert_eq!(message("assistant", json!([{"type": "text", "text": "Done."}])), "Done.");
        assert_eq!(message("assistant", json!([{"type": "thinking", "thinking": "Hm."}])), "Hm.");
        let call = |name: &str, input: Value| {
            message(
                "assistant",
                json!([{"type": "text", "text": "So:"}, {"type": "tool_use", "id": "t", "name": name, "input": input}]),
            )
        };
        assert_eq!(call("Bash", json!({"command": "cargo test", "description": "Run"})), "Bash cargo test");
        assert_eq!(call("Edit", json!({"file_path": "src/a.rs", "old_string": "x"})), "Edit src/a.rs");
        assert_eq!(call("Grep", json!({"path": "src", "pattern": "fn main"})), "Grep fn main");
        assert_eq!(call("New", json!({"odd": 1})), r#"New {"odd":1}"#);
        assert_eq!(call("List", json!({})), "List");
        assert_eq!(
            call("Read", json!({"file_path": "/w/src/a.rs"})),
            "Read src/a.rs",
            "/w is where it works"
        );
        let returned = json!([{"type": "tool_result", "tool_use_id": "t", "content": "\n 3 passed\nok"}]);
        assert_eq!(message("user", returned.clone()), "3 passed");
        let data = json!({"message": {"content": returned}});
        assert_eq!(gist(&event("session:tool-returned", &["tool:Bash"], &data)), "Bash: 3 passed");
        let failed = json!([{"type": "tool_result", "is_error": true, "content": [{"type": "text", "text": "no such file"}]}]);
        assert_eq!(message("user", failed), "failed: no such file");
        let picture =
            json!([{"type": "image", "source": {"data": "AAAA"}}, {"type": "text", "text": "this?"}]);
        assert!(message("user", picture).ends_with("this?"));
        assert_eq!(
            of(
                "session:turn-ended",
                &json!({"type": "system", "uuid": "u", "subtype": "turn_duration", "durationMs": 9})
            ),
            r#"{"durationMs":9}"#
        );
    }

    #[test]
    fn payloads_of_hooks_say_what_they_are_about() {
        let payload = |more: Value| {
            let mut fields = json!({"session_id": "s", "cwd": "/w", "hook_event_name": "X"});
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            of("hook:x", &fields)
        };
        for (more, gist) in [
            (json!({"prompt": "go on"}), "go on"),
            (
                json!({"tool_name": "Bash", "tool_input": {"command": "ls"}, "tool_response": {"stdout": "a"}}),
                "Bash ls",
            ),
            (
                json!({"tool_name": "Bash", "tool_input": {"command": "ls"}, "error": "Exit 1\nx"}),
                "Bash ls → Exit 1",
            ),
            (json!({"toolName": "Read", "toolInput": {"file_path": "a"}}), "Read a"),
            (json!({"message": "needs your permission"}), "needs your permission"),
            (json!({"stop_hook_active": false, "last_assistant_message": "All green."}), "All green."),
            (json!({"reason": "logout"}), "logout"),
            (json!({"source": "startup"}), "startup"),
            (json!({"odd": [1, 2]}), r#"{"odd":[1,2]}"#),
            (json!({}), r#"{"session_id":"s","cwd":"/w","hook_event_name":"X"}"#),
        ] {
            assert_eq!(payload(more.clone()), gist, "{more}");
        }
    }

    #[test]
    fn lines_of_codex_say_what_their_payload_is_about() {
        for (payload, gist) in [
            (
                json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}),
                "hi",
            ),
            (json!({"type": "user_message", "message": "hi", "images": []}), "hi"),
            (
                json!({"type": "function_call", "name": "shell", "arguments": "{\"command\":[\"bash\",\"-lc\",\"ls -la\"]}"}),
                "shell ls -la",
            ),
            (
                json!({"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin Patch\n*** Add File: a"}),
                "apply_patch *** Begin Patch *** Add File: a",
            ),
            (
                json!({"type": "function_call_output", "call_id": "c", "output": "{\"output\":\"a.txt\\nb\",\"metadata\":{}}"}),
                "a.txt",
            ),
            (json!({"type": "function_call_output", "call_id": "c", "output": ""}), "(nothing)"),
            (
                json!({"type": "local_shell_call", "action": {"type": "exec", "command": ["ls", "-l"]}}),
                "local_shell ls -l",
            ),
            (json!({"type": "web_search_call", "action": {"query": "rust"}}), "web_search rust"),
            (json!({"type": "exec_command_begin", "command": ["bash", "-lc", "ls"]}), "exec_command ls"),
            (json!({"type": "exec_command_end", "command": ["ls"], "exit_code": 1}), "ls → exit 1"),
            (
                json!({"type": "reasoning", "content": null, "summary": [{"type": "summary_text", "text": "Why"}]}),
                "Why",
            ),
            (
                json!({"type": "item_completed", "item": {"type": "AgentMessage", "content": [{"text": "Done"}]}}),
                "Done",
            ),
            (json!({"type": "task_complete", "last_agent_message": "Done"}), "Done"),
            (json!({"type": "turn_aborted", "reason": "interrupted"}), "interrupted"),
            (json!({"type": "token_count", "info": {"total": 7}}), r#"{"info":{"total":7}}"#),
        ] {
            assert_eq!(
                of("session:x", &json!({"timestamp": "t", "type": "response_item", "payload": payload})),
                gist
            );
        }
    }

    #[test]
    fn messages_of_gemini_say_what_they_are_about() {
        for (message, gist) in [
            (json!({"type": "user", "content": [{"text": "list"}]}), "list"),
            (
                json!({"type": "gemini", "content": "", "toolCalls": [{"name": "ls", "args": {"dir_path": "src"}, "result": []}]}),
                "ls src",
            ),
            (
                json!({"type": "gemini", "content": "", "thoughts": [{"subject": "S", "description": "Hm"}]}),
                "Hm",
            ),
            (json!({"role": "model", "parts": [{"functionCall": {"name": "ls"}}]}), "ls"),
            (
                json!({"role": "user", "parts": [{"functionResponse": {"name": "ls", "response": {"output": "a\nb"}}}]}),
                "a",
            ),
            (json!({"role": "user", "parts": [{"inlineData": {}}]}), "[image]"),
            (json!({"$rewindTo": "u"}), r#"{"$rewindTo":"u"}"#),
        ] {
            assert_eq!(of("session:x", &message), gist, "{message}");
        }
    }

    #[test]
    fn other_events_say_whose_they_are_and_their_data() {
        assert_eq!(
            of("task:created", &json!({"message": "x", "n": 1})),
            r#"session-1 {"message":"x","n":1}"#
        );
    }

    #[test]
    fn words_of_which_nothing_can_be_shown_give_way_to_the_data() {
        assert_eq!(of("session:x", &json!({"content": "\u{1b}"})), r#"{"content":"\u001b"}"#);
        assert_eq!(of("task:x", &json!("\u{9b}\u{202e}x")), "session-1 \" x\"");
    }

    #[test]
    fn a_gist_is_bounded_and_any_shape_has_one() {
        assert_eq!(
            of("session:x", &json!({"content": "ä".repeat(1_000_000)})).chars().count(),
            LINE_CHARACTERS_MAX
        );
        let many: Vec<Value> =
            (0..1_000).map(|_| json!({"type": "tool_use", "name": "x", "input": {}})).collect();
        assert!(
            of("session:x", &json!({"message": {"content": many}})).chars().count()
                <= LINE_CHARACTERS_MAX * 2
        );
        let mut odd = json!("deep");
        for wrapper in 0..100 {
            odd = if wrapper % 2 == 0 {
                json!([odd, null, 1.5, true])
            } else {
                json!({"message": odd, "type": 7, "name": [], "input": {}})
            };
        }
        for data in [
            odd,
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!({"message": {"content": [[], {}, 1]}}),
            json!({"type": "_call"}),
        ] {
            for event_type in ["session:x", "hook:x", "x"] {
                let gist = of(event_type, &data);
                assert!(!gist.contains(char::is_control), "{gist}");
            }
        }
    }
}
