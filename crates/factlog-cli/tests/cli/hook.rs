//! Agents run `factlog hook` at every step: all they say is recorded, and none of them is ever failed by it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::Place;

fn payload(name: &str, rest: &Value) -> String {
    let mut payload = json!({"session_id": "s-1", "cwd": "/home/ada/site", "hook_event_name": name});
    payload.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    payload.to_string()
}

/// An agent must see success and nothing else: what a hook prints goes into the conversation.
fn hook(place: &Place, flags: &str, payload: impl AsRef<str>) {
    assert_eq!(place.feed(&format!("hook {flags}"), payload.as_ref()), "");
}

fn events(place: &Place) -> Vec<Value> {
    place.ok("export").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_payload_becomes_an_event_that_says_who_where_and_what() {
    let place = Place::new();
    let input = json!({"file_path": "/home/ada/site/src/a.rs", "old_string": "1.0", "new_string": "2"});
    let rest = json!({"tool_name": "Edit", "tool_input": input, "tool_use_id": "toolu_1", "prompt_id": "p-1",
        "agent_id": "a-7", "unheard_of": [1.0, {"of": null}]});
    hook(&place, "", payload("PreToolUse", &rest));
    let event = &events(&place)[0];
    assert_eq!(event["type"], "hook:pre-tool-use");
    assert_eq!(event["stream"], "session-s-1");
    assert_eq!(event["sessionId"], "s-1");
    assert_eq!(event["source"], "claude-code/a-7");
    assert_eq!(event["correlationId"], "p-1");
    assert_eq!(event["tags"], json!(["tool:Edit", "file:src/a.rs"]));
    assert_eq!(event["metadata"], json!({"toolUseId": "toolu_1"}));
    assert_eq!(event["data"]["unheard_of"], json!([1.0, {"of": null}]));
    assert!(event.get("occurredAt").is_none(), "Claude Code gives no time");
}

#[test]
fn codex_gemini_and_the_spelling_with_capitals_are_understood() {
    let place = Place::new();
    let codex = payload("PostToolUse", &json!({"turn_id": "t-1", "tool_name": "shell", "model": "m"}));
    hook(&place, "--agent codex", &codex);
    let gemini =
        payload("BeforeTool", &json!({"timestamp": "2026-11-01T10:00:00Z", "tool_name": "read_file"}));
    hook(&place, "--agent gemini", &gemini);
    let capitals =
        json!({"hookEventName": "preToolUse", "sessionId": "s-2", "toolName": "edit", "toolUseId": "c-1"});
    hook(&place, "", capitals.to_string());
    let events = events(&place);
    assert_eq!((&events[0]["source"], &events[0]["correlationId"]), (&json!("codex"), &json!("t-1")));
    assert_eq!(events[1]["occurredAt"], "2026-11-01T10:00:00.000000Z");
    assert_eq!(events[2]["stream"], "session-s-2");
    assert_eq!(events[2]["type"], "hook:pre-tool-use");
    assert_eq!(events[2]["tags"], json!(["tool:edit"]));
}

/// The same prompt typed twice is two prompts.
#[test]
fn an_equal_payload_sent_twice_is_two_events() {
    let place = Place::new();
    let prompt = payload("UserPromptSubmit", &json!({"prompt": "go on"}));
    hook(&place, "", &prompt);
    hook(&place, "", &prompt);
    assert_eq!(events(&place).len(), 2);
}

#[test]
fn odd_payloads_are_kept_and_huge_ones_refused_without_failing_the_agent() {
    let place = Place::new();
    for odd in ["no JSON", "[1,2]", "{\"a\":1,\"a\":2}", "", "{\"session_id\": 7, \"hook_event_name\": {}}"] {
        hook(&place, "", odd);
    }
    let events = events(&place);
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|event| event["type"] == "hook:other" && event["stream"] == "session-unknown"));
    assert_eq!(events[0]["data"], json!({"text": "no JSON"}));
    assert_eq!(events[1]["data"], json!([1, 2]));
    hook(&place, "", "x".repeat(17 * 1024 * 1024));
    hook(&place, "--bogus", "{}");
    let told = place.run("doctor").out;
    assert!(told.contains("are allowed") && told.contains("--bogus"), "{told}");
}

#[test]
fn a_secret_does_not_reach_the_log_unless_asked_for_by_name() {
    let place = Place::new();
    let secret = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let prompt = payload("UserPromptSubmit", &json!({"prompt": format!("use {secret} to push")}));
    hook(&place, "", &prompt);
    hook(&place, "", &prompt);
    hook(&place, "--no-redact", &prompt);
    let events = events(&place);
    assert!(!events[0].to_string().contains(&secret), "{}", events[0]);
    assert_eq!(events[0]["metadata"]["redacted"], "1");
    assert_eq!(events[0]["data"]["prompt"], events[1]["data"]["prompt"], "equal secrets have equal markers");
    assert!(events[2].to_string().contains(&secret));
}

/// What the log cannot take is kept, and taken in later: an agent neither waits nor fails.
#[test]
fn a_log_that_takes_nothing_fails_no_agent_and_what_was_said_is_kept() {
    let stop = payload("Stop", &json!({}));
    for spoil in [damaged, missing_folder] {
        let place = Place::new();
        spoil(&place.path("factlog.db"));
        hook(&place, "--store sqlite:factlog.db", &stop);
        hook(&place, "--store sqlite:factlog.db", &stop);
        let doctor = place.run("doctor --format json");
        assert_eq!(doctor.code, 1);
        assert!(doctor.out.contains("hook-missed-"), "{}", doctor.out);
        // What it says to do is what helps.
        let told: Value = serde_json::from_str(&doctor.out).unwrap();
        let told = told
            .as_array()
            .unwrap()
            .iter()
            .find(|told| told["ok"] == false && told["value"].as_str().unwrap().contains("mv "));
        let command = told.unwrap()["value"].as_str().unwrap().split("take them in with: ").nth(1).unwrap();
        assert!(command.ends_with("--store sqlite:factlog.db"), "{command}");
        let (moves, imports) = command.split_once(" && factlog ").unwrap();
        let [_, from, to] = moves.split(' ').collect::<Vec<_>>()[..] else { panic!("{moves}") };
        std::fs::rename(from, to).unwrap();
        let imports = imports.replace("factlog.db", "other.db");
        assert!(place.ok(&imports).contains("appended             2"));
        let events = place.ok("export --store sqlite:other.db");
        assert!(
            events.lines().all(|line| line.contains("\"occurredAt\"") && line.contains("hook:stop")),
            "{events}"
        );
    }
}

fn damaged(log: &Path) {
    std::fs::write(log, "this is no log").unwrap();
}

fn missing_folder(log: &Path) {
    // A folder stands where the log should be.
    std::fs::create_dir(log).unwrap();
}

/// Some agents leave the pipe open; some write more than is recorded, and a pipe that breaks is a failure to them.
#[test]
fn a_payload_is_recorded_though_its_pipe_stays_open_and_a_huge_one_is_read_to_its_end() {
    const HUGE_BYTES: usize = 40 * 1024 * 1024;
    let place = Place::new();
    let mut open = place.start("hook");
    open.say(&payload("SessionEnd", &json!({})));
    assert_eq!(open.code_of_its_own(), 0);
    assert_eq!(events(&place)[0]["type"], "hook:session-end");
    hook(&place, "", "x".repeat(HUGE_BYTES));
    hook(&place, "--bogus", "x".repeat(HUGE_BYTES));
    assert_eq!(place.run_with(&["--store", "sqlite:x.db", "hook", "--bogus"], "{}").code, 0);
}

/// A project that was cloned must not open a person's log to secrets, nor stop its recording.
#[test]
fn a_projects_settings_can_add_rules_and_take_none_away() {
    let place = Place::new();
    let secret = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let prompt = payload("UserPromptSubmit", &json!({"prompt": format!("{secret} TICKET-123456 SITE-99")}));
    let config = place.home(".config/factlog/config.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(config, "[[redact.own]]\nname = \"ticket\"\npattern = \"TICKET-[0-9]+\"\n").unwrap();
    let project = "[redact]\nallow = [\".\"]\n[[redact.own]]\nname = \"site\"\npattern = \"SITE-[0-9]+\"\n";
    place.write(".factlog.toml", project);
    hook(&place, "--store sqlite:factlog.db", &prompt);
    place.write(".factlog.toml", "oops = 1\n");
    hook(&place, "--store sqlite:factlog.db", &prompt);
    std::fs::remove_file(place.path(".factlog.toml")).unwrap();
    let said: Vec<String> = events(&place).iter().map(|event| event["data"]["prompt"].to_string()).collect();
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|said| !said.contains(&secret) && !said.contains("TICKET-1")), "{said:?}");
    assert!(!said[0].contains("SITE-9") && said[1].contains("SITE-9"), "{said:?}");
}

/// Others may hold the log for a moment, as a removal does.
#[test]
fn a_log_that_is_locked_for_two_seconds_is_waited_for() {
    const LOCKED: std::time::Duration = std::time::Duration::from_secs(2);
    let place = Place::small();
    let holder = rusqlite::Connection::open(place.path("factlog.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut hook = start(&place.path(""), &place, &payload("Stop", &json!({})));
    let released = std::thread::spawn(move || {
        let (_alive, ended) = std::sync::mpsc::channel::<()>();
        let _ = ended.recv_timeout(LOCKED);
        holder.execute_batch("ROLLBACK").unwrap();
    });
    assert!(hook.wait().unwrap().success());
    released.join().unwrap();
    assert!(place.ok("list --last 1").contains("hook:stop"));
}

/// As an agent starts it; secrets are kept, so that what comes back can be compared.
fn start(folder: &Path, place: &Place, payload: &str) -> std::process::Child {
    let mut hook = Command::new(env!("CARGO_BIN_EXE_factlog"))
        .args(["hook", "--no-redact", "--store", &format!("sqlite:{}", place.path("factlog.db").display())])
        .current_dir(folder)
        .env("HOME", place.home(""))
        .env_remove("XDG_STATE_HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    hook.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
    hook
}

/// Agents and sub-agents work at the same time, in processes of their own.
#[test]
fn eight_processes_at_once_record_every_real_payload_exactly_once() {
    const AT_ONCE: usize = 8;
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/claude-code-hooks"));
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let payloads: Vec<Value> = payloads(folder);
    let place = Place::new();
    std::thread::scope(|scope| {
        for first in 0..AT_ONCE {
            let (payloads, place) = (&payloads, &place);
            scope.spawn(move || {
                for payload in payloads.iter().skip(first).step_by(AT_ONCE) {
                    assert!(start(&place.path(""), place, &payload.to_string()).wait().unwrap().success());
                }
            });
        }
    });
    let mut recorded: Vec<String> = place.ok("export").lines().map(|line| data(line).to_string()).collect();
    let mut sent: Vec<String> = payloads.iter().map(ToString::to_string).collect();
    assert_eq!(recorded.len(), sent.len());
    recorded.sort_unstable();
    sent.sort_unstable();
    let differ = recorded.iter().zip(&sent).filter(|(recorded, sent)| recorded != sent).count();
    assert_eq!(differ, 0, "payloads that came back changed");
    assert!(!place.home(".local/state/factlog/hook.log").exists(), "a hook has failed");
}

fn data(line: &str) -> Value {
    let mut event: Value = serde_json::from_str(line).unwrap();
    event["data"].take()
}

fn payloads(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = Vec::new();
    for year in std::fs::read_dir(folder).unwrap() {
        let entries = std::fs::read_dir(year.unwrap().path()).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    texts.flat_map(|text| serde_json::from_str::<Vec<Value>>(&text).unwrap()).collect()
}

/// What a hook answers.
fn answer(place: &Place, name: &str, rest: &Value) -> Value {
    let said = place.feed("hook", &payload(name, rest));
    if said.is_empty() {
        Value::Null
    } else {
        serde_json::from_str::<Value>(&said).unwrap()["hookSpecificOutput"].take()
    }
}

/// Story: an agent heard of its mail minutes later, or never; and what it had read was shown to it again and again.
#[test]
fn mail_goes_into_an_agents_context_once_and_counts_as_read_then() {
    let place = Place::new().with("FACTLOG_AGENT", "worker-1");
    assert_eq!(answer(&place, "SessionStart", &json!({})), Value::Null, "there is no mail");
    assert_eq!(place.json("agents worker-1 --format json")["agentId"], "worker-1", "others find it");
    place.ok("send --from planner --to worker-1 --id m-1 --priority high stop");
    place.ok("send --from planner --to type:agent --id m-2 all");
    let told = answer(&place, "PostToolUse", &json!({"tool_name": "Read", "tool_input": {}}));
    assert_eq!(told["hookEventName"], "PostToolUse");
    let text = told["additionalContext"].as_str().unwrap();
    assert!(text.contains("m-1 from planner (high") && text.contains("): stop"), "{text}");
    assert!(text.contains("m-2") && text.contains("not instructions"), "{text}");
    assert_eq!(place.json("message m-1 --format json")["recipients"][0]["state"], "delivered");
    assert_eq!(
        answer(&place, "UserPromptSubmit", &json!({"prompt": "go on"})),
        Value::Null,
        "nothing is shown twice"
    );
    place.ok("ack worker-1 m-1");
    answer(&place, "SessionEnd", &json!({"reason": "other"}));
    assert_eq!(place.json("agents worker-1 --format json")["status"], "terminated");
}

#[test]
fn an_agent_without_a_name_has_the_mail_of_its_session_and_much_mail_comes_in_parts() {
    let place = Place::new();
    let long = "x".repeat(3_000);
    for number in 0..5 {
        let id = format!("m-{number}");
        place
            .run_words(&["send", "--from", "a", "--to", "s-1", "--id", &id, &format!("{number}{long}")])
            .ok();
    }
    let mut seen = Vec::new();
    for hook in ["UserPromptSubmit", "Stop"] {
        let told = answer(&place, hook, &json!({}));
        let text = told["additionalContext"].as_str().unwrap();
        assert!(text.chars().count() <= 10_000, "{}", text.len());
        seen.push((text.matches("- message m-").count(), text.contains("more wait")));
    }
    assert_eq!(seen, [(3, true), (2, false)]);
}

/// Story: a claim to a file kept nobody from writing into it.
#[test]
fn a_file_that_another_agent_leases_is_kept_from_an_agent_that_would_change_it() {
    let place = Place::new().with("FACTLOG_AGENT", "worker-1");
    place.run_words(&["lease", "acquire", "src/**", "--as", "planner", "--reason", "a release"]).ok();
    let edit = |path: &str| json!({"tool_name": "Edit", "tool_input": {"file_path": path}});
    let denied = answer(&place, "PreToolUse", &edit("/home/ada/site/src/a.rs"));
    assert_eq!(denied["permissionDecision"], "deny");
    let reason = denied["permissionDecisionReason"].as_str().unwrap();
    assert!(
        reason.contains("src/a.rs is leased by planner until 2") && reason.contains("a release"),
        "{reason}"
    );
    assert_eq!(answer(&place, "PreToolUse", &edit("/home/ada/site/docs/a.md")), Value::Null);
    let read = json!({"tool_name": "Read", "tool_input": {"file_path": "/home/ada/site/src/a.rs"}});
    assert_eq!(answer(&place, "PreToolUse", &read), Value::Null, "looking is free");
    let tools = json!({"tool_name": "mcp__devtools__edit_file", "tool_input": {"file_path": "/home/ada/site/src/a.rs"}});
    assert_eq!(answer(&place, "PreToolUse", &tools)["permissionDecision"], "deny", "\"ls\" is no word of it");
    let own = Place::new().with("FACTLOG_AGENT", "planner");
    own.run_words(&["lease", "acquire", "src/**", "--as", "planner"]).ok();
    assert_eq!(
        answer(&own, "PreToolUse", &edit("/home/ada/site/src/a.rs")),
        Value::Null,
        "its own are its own"
    );
}

/// Story: a session that an agent's command had started took the agent's name, and ended the agent; and it took its mail.
#[cfg(unix)]
#[test]
fn a_session_within_an_agent_that_is_at_work_neither_takes_its_place_nor_its_mail() {
    let place = Place::new().with("FACTLOG_AGENT", "w");
    let echo = r#"sed -u 's/.*"messageId":"\([^"]*\)".*/{"messageId":"\1","result":"did it"}/'"#;
    let worker = place.start_words(&["agent", "run", "--id", "w", "--exec", echo]);
    worker.waits_to_say("w is at work");
    assert_eq!(answer(&place, "SessionStart", &json!({})), Value::Null);
    answer(&place, "SessionEnd", &json!({"reason": "other"}));
    let told = place.json("request --from boss --to w --timeout 60s anything");
    assert_eq!(told["result"], "did it", "the agent goes on");
    worker.interrupt();
    assert_eq!(worker.end().code, 0);
    let spawned = place.ok("list --type agent:spawned --format jsonl");
    assert_eq!(spawned.lines().count(), 1, "{spawned}");

    let mut served = place.start("mcp --agent w");
    while place.json("agents w --format json")["status"] == "terminated" {}
    place.ok("send --from boss --to w --id m-1 hello");
    assert_eq!(
        answer(&place, "UserPromptSubmit", &json!({})),
        Value::Null,
        "it is for the one that is at work"
    );
    served.terminate();
    assert_eq!(served.code_of_its_own(), 0);
    let told = answer(&place, "UserPromptSubmit", &json!({}));
    assert!(told["additionalContext"].as_str().unwrap().contains("m-1"), "{told}");
}

/// Story: a hook was ended before it had written what it had taken, and the next one said that it had been read.
#[test]
fn what_an_earlier_hook_has_not_begun_to_write_is_shown_and_what_it_may_have_written_is_not() {
    let place = Place::new().with("FACTLOG_AGENT", "worker-1");
    for id in ["lost", "written", "fresh"] {
        place.run_words(&["send", "--from", "a", "--to", "worker-1", "--id", id, id]).ok();
    }
    let said = |kind: &str, id: &str, more: Value| {
        let mut data =
            json!({"inboxId": "worker-1", "messageIds": [id], "agentId": "worker-1", "contextId": "s-1"});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        place.run_words(&["append", "inbox-worker-1", &format!("inbox:{kind}"), &data.to_string()]).ok();
    };
    // As of a minute ago: their time is nearly over.
    said("offered", "lost", json!({"visibilityMs": 1_000}));
    said("offered", "written", json!({"visibilityMs": 1_000}));
    said("started", "written", json!({}));
    // Another hook of the session has just taken this one, and may be at it.
    said("offered", "fresh", json!({"visibilityMs": 600_000}));
    let told = answer(&place, "UserPromptSubmit", &json!({}));
    let text = told["additionalContext"].as_str().unwrap();
    assert!(text.contains("- message lost") && text.matches("- message").count() == 1, "{text}");
    let state =
        |id: &str| place.json(&format!("message {id} --format json"))["recipients"][0]["state"].clone();
    assert_eq!([state("lost"), state("written"), state("fresh")], ["delivered", "delivered", "offered"]);
    let begun = place.ok("list --type inbox:started --format jsonl");
    assert!(
        begun.lines().last().unwrap().contains("lost"),
        "the writing is recorded before it begins: {begun}"
    );
}
