//! The settings of agents belong to people: our hooks come and go, and everything else stays.

use serde_json::Value;

use crate::support::Place;

const SETTINGS: &str = ".claude/settings.json";

/// Foreign hooks, odd indentation, no newline at the end, and an order that nobody else would choose.
const ODD: &str = "{\r\n   \"model\" : \"opus\",\r\n\t\"hooks\": { \"Stop\":[ {\"hooks\":[{\"type\":\"command\",\"command\":\"say done\"}] } ],\r\n  \"PreToolUse\": [\r\n     { \"matcher\": \"Bash\",\r\n  \"hooks\": [ {\"type\": \"command\", \"command\": \"guard.sh\", \"timeout\": 5} ] }\r\n ] },\r\n   \"permissions\": {\"allow\": [\"Bash(ls:*)\"] , \"deny\":[]}, \"aNumber\": 1.50}";

/// Comments and commas at the end, which Gemini CLI allows.
const COMMENTED: &str = "{\n    // how it looks\n    \"theme\": \"dark\", /* for now */\n    \"hooks\": {\n        \"AfterTool\": [], // none yet\n    },\n}\n";

fn home(place: &Place, name: &str, content: &str) {
    let path = place.home(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Runs a command that may say something beside its data.
fn done(place: &Place, line: &str) -> String {
    let ran = place.run(line);
    assert_eq!(ran.code, 0, "{line}: {}", ran.err);
    ran.out
}

fn text(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.home(name)).unwrap()
}

#[test]
fn uninstalling_restores_byte_for_byte_what_was_there() {
    for (flag, name, before) in [
        ("--claude", SETTINGS, ODD),
        ("--claude", SETTINGS, "{}"),
        ("--claude", SETTINGS, "{\"hooks\":{}}"),
        ("--codex", ".codex/hooks.json", "{ \"hooks\" : { \"Stop\" : [ ] } }\n\n"),
        ("--gemini", ".gemini/settings.json", COMMENTED),
    ] {
        let place = Place::new();
        home(&place, name, before);
        done(&place, &format!("hooks install {flag}"));
        let installed = text(&place, name);
        assert_ne!(installed, before);
        done(&place, &format!("hooks install {flag}"));
        assert_eq!(text(&place, name), installed, "twice is once: {before}");
        done(&place, &format!("hooks uninstall {flag}"));
        assert_eq!(text(&place, name), before);
        let folder = place.home(name).parent().unwrap().to_owned();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "nothing is left beside it");
    }
}

#[test]
fn foreign_hooks_stay_and_every_hook_of_ours_is_there_once() {
    let place = Place::new();
    home(&place, SETTINGS, ODD);
    done(&place, "hooks install --claude");
    let installed = text(&place, SETTINGS);
    for foreign in ["say done", "guard.sh", "\"aNumber\": 1.50", "   \"model\" : \"opus\",\r\n"] {
        assert!(installed.contains(foreign), "{foreign} in {installed}");
    }
    let settings: Value = serde_json::from_str(&installed).unwrap();
    for (event, entries) in settings["hooks"].as_object().unwrap() {
        let ours = entries
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry.to_string().contains(" hook --agent claude"));
        assert_eq!(ours.count(), 1, "{event}");
    }
    assert_eq!(settings["hooks"]["PreToolUse"].as_array().unwrap().len(), 2);
    // These replace what the agent would do, or flood the log.
    for left_out in ["WorktreeCreate", "MessageDisplay"] {
        assert!(settings["hooks"].get(left_out).is_none());
    }
}

/// Between an installation and its end people go on to edit their settings.
#[test]
fn what_was_changed_since_the_installation_stays_changed() {
    let place = Place::new();
    home(&place, SETTINGS, ODD);
    done(&place, "hooks install --claude");
    let edited = text(&place, SETTINGS).replace("\"opus\"", "\"haiku\"");
    home(&place, SETTINGS, &edited);
    done(&place, "hooks uninstall --claude");
    let left = text(&place, SETTINGS);
    assert!(left.contains("haiku") && left.contains("guard.sh") && left.contains("say done"), "{left}");
    assert!(!left.contains("hook --agent"), "{left}");
    let (left, before): (Value, Value) =
        (serde_json::from_str(&left).unwrap(), serde_json::from_str(&ODD.replace("opus", "haiku")).unwrap());
    assert_eq!(left, before);
}

/// Story: hooks that record into a plain-text log were taken for somebody else's: each installation added them once more,
/// and none took them away.
#[test]
fn hooks_are_known_again_whatever_log_they_record_into() {
    for url in ["sqlite:a.db", "jsonl:log", "jsonl:log?prewrite=off"] {
        let place = Place::new();
        home(&place, SETTINGS, ODD);
        done(&place, &format!("hooks install --claude --store {url}"));
        let installed = text(&place, SETTINGS);
        done(&place, &format!("hooks install --claude --store {url}"));
        assert_eq!(text(&place, SETTINGS), installed, "{url}");
        done(&place, "hooks uninstall --claude");
        assert_eq!(text(&place, SETTINGS), ODD, "{url}");
    }
}

#[test]
fn a_file_that_was_not_there_is_made_and_goes_again() {
    let place = Place::new();
    done(&place, "hooks install --claude --codex --gemini");
    assert!(text(&place, ".codex/hooks.json").contains("hook --agent codex"));
    let status: Value = serde_json::from_str(&done(&place, "hooks status --format json")).unwrap();
    assert_eq!(status.as_array().unwrap().len(), 3);
    assert!(status.as_array().unwrap().iter().all(|agent| agent["state"] == "records"), "{status}");
    done(&place, "hooks uninstall");
    for name in [SETTINGS, ".codex/hooks.json", ".gemini/settings.json"] {
        assert!(!place.home(name).exists(), "{name}");
    }
}

#[test]
fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let place = Place::new();
    home(&place, SETTINGS, ODD);
    let shown = place.run("hooks install --claude --dry-run");
    assert!(shown.err.contains('+') && shown.err.contains("hook --agent claude"), "{}", shown.err);
    assert_eq!(text(&place, SETTINGS), ODD);
}

#[test]
fn a_file_that_cannot_be_changed_safely_is_left_as_it_is_and_told() {
    for (content, told) in [
        ("", "empty"),
        ("{\"hooks\": [", "not JSON"),
        ("[]", "not an object"),
        ("{\"hooks\": {\"Stop\": 1}}", "Stop"),
    ] {
        let place = Place::new();
        home(&place, SETTINGS, content);
        let ran = place.run("hooks install --claude");
        assert_eq!(ran.code, 2, "{content}: {}", ran.err);
        assert!(ran.err.contains(told) && ran.err.contains("settings.json"), "{}", ran.err);
        assert_eq!(text(&place, SETTINGS), content);
    }
    let place = Place::new();
    home(&place, SETTINGS, "{}");
    let mut rights = std::fs::metadata(place.home(SETTINGS)).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(place.home(SETTINGS), rights).unwrap();
    let ran = place.run("hooks install --claude");
    assert!(ran.code != 0 && ran.err.contains("read-only"), "{}", ran.err);
    assert_eq!(text(&place, SETTINGS), "{}");
}

#[test]
fn without_an_agent_and_without_a_name_it_says_what_to_write() {
    let place = Place::new();
    let ran = place.run("hooks install");
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("--claude"), "{}", ran.err);
    assert!(!place.home(".claude").exists());
}

#[test]
fn a_projects_hooks_go_into_the_file_that_is_not_shared() {
    let place = Place::new();
    done(&place, "hooks install --claude --project");
    let settings = std::fs::read_to_string(place.path(".claude/settings.local.json")).unwrap();
    let log = place.path("factlog.db");
    assert!(settings.contains(&format!("--store sqlite:{}", log.display())), "{settings}");
}

/// Whoever else has a `hook` command keeps it, and so does a person who has put one of ours to a use of their own.
#[test]
fn commands_that_only_look_like_ours_are_foreign() {
    for foreign in [
        "mytool hook --agent x --store y",
        "/opt/factlog hook --agent claude --store sqlite:/a.db; notify-send done",
        "/opt/factlog hook --agent claude --store sqlite:/a.db --no-redact",
    ] {
        let before = format!(
            "{{\"hooks\":{{\"Empty\":[],\"Stop\":[{{\"hooks\":[{{\"type\":\"command\",\"command\":\"{foreign}\"}}]}}]}}}}"
        );
        let place = Place::new();
        home(&place, SETTINGS, &before);
        done(&place, "hooks install --claude");
        assert!(text(&place, SETTINGS).contains(foreign));
        let edited = text(&place, SETTINGS).replacen('{', "{\"model\":\"opus\",", 1);
        home(&place, SETTINGS, &edited);
        done(&place, "hooks uninstall --claude");
        let left: Value = serde_json::from_str(&text(&place, SETTINGS)).unwrap();
        let mut expected: Value = serde_json::from_str(&before).unwrap();
        expected["model"] = "opus".into();
        assert_eq!(left, expected);
    }
}

#[test]
fn settings_that_agents_would_not_understand_are_refused() {
    for (content, told) in [
        ("{\"a\": 1 \"b\": 2}", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ("{\"hooks\": {}, \"hooks\": {}}", "twice"),
        ("\u{feff}{}", "byte order mark"),
    ] {
        let place = Place::new();
        home(&place, SETTINGS, content);
        let ran = place.run("hooks install --claude");
        assert!(ran.code == 2 && ran.err.contains(told), "{content}: {}", ran.err);
        assert_eq!(text(&place, SETTINGS), content);
    }
}
