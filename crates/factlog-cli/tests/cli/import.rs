//! `factlog import`: other logs come in, once.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Place, SMALL, lines};

/// The lines, byte for byte, but for when they were recorded.
fn without_recorded(text: &str) -> Vec<String> {
    let without = |(line, event): (&str, Value)| {
        let recorded = format!("\"recordedAt\":{},", event["recordedAt"]);
        assert!(line.contains(&recorded), "{line}");
        line.replace(&recorded, "")
    };
    text.lines().zip(lines(text)).map(without).collect()
}

#[test]
fn an_export_into_another_log_gives_the_same_events_and_again_changes_nothing() {
    let place = Place::small();
    let exported = place.ok("export");
    let result =
        json!({"read": 6, "appended": 6, "duplicates": 0, "skipped": 0, "rejected": [], "streams": 4});
    let import = "import jsonl - --store sqlite:copy.db --format json";
    assert_eq!(serde_json::from_str::<Value>(&place.feed(import, &exported)).unwrap(), result);
    let copy = place.ok("export --store sqlite:copy.db");
    assert_eq!(without_recorded(&copy), without_recorded(&exported));
    let result =
        json!({"read": 6, "appended": 0, "duplicates": 6, "skipped": 0, "rejected": [], "streams": 4});
    assert_eq!(serde_json::from_str::<Value>(&place.feed(import, &exported)).unwrap(), result);
    assert_eq!(place.ok("export --store sqlite:copy.db"), copy);
}

#[test]
fn files_folders_and_standard_input_are_taken() {
    let place = Place::new();
    let mut all = SMALL.split_inclusive('\n');
    let mut two = || all.by_ref().take(2).collect::<String>();
    place.write("one.jsonl", two());
    place.write("more/deep/two.ndjson", two());
    place.write("more/other.txt", "not for us");
    let result = place.feed("import jsonl one.jsonl more - --format json", &two());
    assert_eq!(serde_json::from_str::<Value>(&result).unwrap()["appended"], 6);
    assert_eq!(place.positions("list"), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_bad_line_is_named_and_the_rest_goes_in() {
    let place = Place::new();
    place.write("bad.jsonl", "{\"stream\":\"a-1\",\"type\":\"x\"}\noops\n\n{\"stream\":\"a-1\"}\n{\"stream\":\"b-1\",\"type\":\"y\"}\n{\"stre");
    let ran = place.run("import jsonl bad.jsonl --format json");
    let result: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(ran.code, 1);
    assert_eq!((&result["read"], &result["appended"], &result["pending"]), (&4.into(), &2.into(), &1.into()));
    let rejected = result["rejected"].as_array().unwrap();
    let places: Vec<_> = rejected.iter().map(|rejected| (&rejected["file"], &rejected["line"])).collect();
    assert_eq!(places, [(&json!("bad.jsonl"), &json!(2)), (&json!("bad.jsonl"), &json!(4))]);
    insta::assert_snapshot!(ran.err, @"
    bad.jsonl:2: not an event: not a JSON object
    bad.jsonl:4: not an event: missing field `type` at line 1 column 16
    note: half-written last lines, left for the next run: 1
    ");
    assert_eq!(place.positions("list"), [1, 2]);
}

#[test]
fn lenient_makes_rejected_lines_no_failure() {
    let place = Place::new();
    place.write("bad.jsonl", "{\"stream\":\"a-1\",\"type\":\"x\"}\noops\n");
    assert_eq!(place.run("import jsonl bad.jsonl").code, 1);
    let again = place.run("import jsonl bad.jsonl --lenient");
    assert_eq!(again.code, 0);
    assert!(again.err.contains("bad.jsonl:2: "), "it is named all the same");
}

/// A misspelt path left an empty log behind, and the next command read that.
#[test]
fn a_path_that_is_not_there_makes_no_log() {
    let place = Place::small();
    insta::assert_snapshot!(place.fails("import jsonl here.jsonl --store sqlite:new.db"), @"
    3
    error: here.jsonl: no such file or folder
    hint: check the spelling, and that the path is meant from the folder you are in
    ");
    insta::assert_snapshot!(place.fails("import claude-code there --store sqlite:new.db"), @"
    3
    error: there: no such file or folder
    hint: check the spelling, and that the path is meant from the folder you are in
    ");
    let home = place.home(".claude").join("projects").display().to_string();
    insta::assert_snapshot!(place.fails("import claude-code --store sqlite:new.db").replace(&home, "PROJECTS"), @"
    3
    error: Claude Code has left no transcripts at PROJECTS
    hint: name their folder: factlog import claude-code PATH
    ");
    assert_eq!(place.files(), ["factlog.db"]);
}

#[test]
fn an_import_of_nothing_says_so() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).unwrap();
    let ran = place.run("import jsonl empty");
    assert_eq!((ran.code, ran.err.as_str()), (0, "note: there was nothing to import\n"));
}

#[test]
fn the_result_is_readable() {
    let place = Place::new();
    insta::assert_snapshot!(place.feed("import jsonl -", SMALL), @"
    read                 6
    appended             6
    duplicates           0
    skipped              0
    rejected             0
    streams              4
    ");
}

/// One session of our own making: a prompt, a line of progress, a reply.
const SESSION: &str = concat!(
    r#"{"type":"user","uuid":"019aa000-0000-7000-8000-0000000000a1","parentUuid":null,"sessionId":"s1","timestamp":"2025-03-01T09:00:00.000Z","message":{"role":"user","content":"hello"}}"#,
    "\n",
    r#"{"type":"progress","uuid":"019aa000-0000-7000-8000-0000000000a2","parentUuid":"019aa000-0000-7000-8000-0000000000a1","sessionId":"s1","timestamp":"2025-03-01T09:00:01.000Z"}"#,
    "\n",
    r#"{"type":"assistant","uuid":"019aa000-0000-7000-8000-0000000000a3","parentUuid":"019aa000-0000-7000-8000-0000000000a2","sessionId":"s1","timestamp":"2025-03-01T09:00:02.000Z","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]}}"#,
    "\n"
);

#[test]
fn transcripts_are_looked_for_where_claude_code_keeps_them() {
    let place = Place::new();
    crate::support::write(&place.home(".claude/projects/-home-ada-site/s1.jsonl"), SESSION);
    let result =
        json!({"read": 3, "appended": 2, "duplicates": 0, "skipped": 1, "rejected": [], "streams": 1});
    assert_eq!(place.json("import claude-code --format json"), result);
    let types: Vec<Value> =
        lines(&place.ok("export")).into_iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["session:prompted", "session:replied"]);

    let elsewhere = place.path("elsewhere").display().to_string();
    let place = Place::new().with("CLAUDE_CONFIG_DIR", &elsewhere);
    crate::support::write(&Path::new(&elsewhere).join("projects/p/s1.jsonl"), SESSION);
    assert_eq!(place.json("import claude-code --with-progress --format json")["appended"], 3);
}

/// Reads the sibling folder `../shared/data` of the repository, and is passed over where that is absent.
#[test]
fn thirteen_real_sessions_come_in_once() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/claude-code-transcripts");
    if !data.is_dir() {
        eprintln!("skipped: {} is not there", data.display());
        return;
    }
    let data = data.canonicalize().unwrap().display().to_string();
    let place = Place::new();
    let import = |more: &[&str]| -> Value {
        let words = ["import", "claude-code", &data, "--format", "json"];
        let words: Vec<&str> = words.iter().chain(more).copied().collect();
        serde_json::from_str(&place.run_words(&words).ok()).unwrap()
    };
    assert_eq!(
        import(&[]),
        json!({"read": 2303, "appended": 1346, "duplicates": 0, "skipped": 957, "rejected": [], "streams": 13})
    );
    assert_eq!(
        import(&[]),
        json!({"read": 2303, "appended": 0, "duplicates": 1346, "skipped": 957, "rejected": [], "streams": 13})
    );
    assert_eq!(place.json("streams --format json").as_array().unwrap().len(), 13);
    let more = import(&["--with-progress"]);
    assert_eq!((&more["appended"], &more["duplicates"]), (&957.into(), &1346.into()));
    assert_eq!(place.json("stats --format json")["total"], 2303);
    assert_eq!(place.json("check --format json")["problems"], json!([]));

    let exported = place.ok("export");
    let result: Value =
        serde_json::from_str(&place.feed("import jsonl - --store sqlite:copy.db --format json", &exported))
            .unwrap();
    assert_eq!((&result["appended"], &result["rejected"]), (&2303.into(), &json!([])));
    assert_eq!(without_recorded(&place.ok("export --store sqlite:copy.db")), without_recorded(&exported));
}

/// A newcomer has a folder of something, and need not know what it is called.
#[test]
fn the_format_of_each_file_is_found_by_a_look_at_it() {
    let place = Place::new();
    place.write(
        "all/claude.jsonl",
        "{\"type\":\"user\",\"uuid\":\"u\",\"sessionId\":\"c\",\"message\":{\"content\":\"hi\"}}\n",
    );
    place.write(
        "all/codex.jsonl",
        "{\"timestamp\":\"2026-11-01T10:00:00Z\",\"type\":\"session_meta\",\"payload\":{\"id\":\"x\",\"cwd\":\"/w\"}}\n",
    );
    place.write(
        "all/gemini.json",
        "{\n \"sessionId\": \"g\", \"projectHash\": \"h\", \"startTime\": \"2026-11-01T10:00:00Z\", \"messages\": []\n}",
    );
    place.write("all/log.jsonl", "{\"stream\":\"task-1\",\"type\":\"task:created\"}\n");
    place.write("all/notes.json", "{\"colour\": \"blue\"}");
    let ran = place.run("import all --format json");
    assert!(ran.err.contains("notes.json: of no format that is known"), "{}", ran.err);
    let imported: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &imported["appended"], &imported["streams"]), (0, &4.into(), &4.into()));
    let streams: Value = serde_json::from_str(&place.ok("streams --format json")).unwrap();
    let mut names: Vec<_> =
        streams.as_array().unwrap().iter().map(|stream| stream["stream"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["session-c", "session-g", "session-x", "task-1"]);
    let again: Value = serde_json::from_str(&place.run("import all --format json").out).unwrap();
    assert_eq!((&again["appended"], &again["duplicates"]), (&0.into(), &4.into()));
    let unknown = place.run("import all/notes.json");
    assert!(unknown.code == 2 && unknown.err.contains("a format that is known"), "{}", unknown.err);
    assert_eq!(place.run("import").code, 2);
}

#[test]
fn secrets_are_taken_out_of_agents_records_and_counted_each_time() {
    let place = Place::new();
    let secret = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    place.write(
        "s.jsonl",
        format!("{{\"type\":\"user\",\"uuid\":\"u\",\"sessionId\":\"c\",\"message\":{{\"content\":\"{secret}\"}}}}\n"),
    );
    for appended in [1, 0] {
        let imported: Value = serde_json::from_str(&place.ok("import s.jsonl --format json")).unwrap();
        assert_eq!((&imported["appended"], &imported["redacted"]), (&appended.into(), &1.into()));
    }
    assert!(!place.ok("export").contains(&secret));
    let found = place.run("redact test s.jsonl --format json");
    assert!(found.out.contains("github") && !found.out.contains(&secret), "{}", found.out);
    place.ok("import s.jsonl --no-redact --store sqlite:other.db");
    assert!(place.ok("export --store sqlite:other.db").contains(&secret));
}

#[test]
fn own_rules_in_the_settings_hold_and_wrong_ones_are_told() {
    let place = Place::new();
    place.write(".factlog.toml", "[[redact.own]]\nname = \"ticket\"\npattern = \"TICKET-[0-9]{6}\"\n");
    place.write("s.jsonl", "{\"type\":\"user\",\"uuid\":\"u\",\"sessionId\":\"c\",\"message\":{\"content\":\"see TICKET-123456\"}}\n");
    place.ok("import s.jsonl");
    assert!(place.ok("export").contains("see [redacted:ticket:"));
    place.write(".factlog.toml", "[[redact.own]]\nname = \"ticket\"\npattern = \"(\"\n");
    let ran = place.run("import s.jsonl");
    assert!(ran.code == 2 && ran.err.contains("ticket"), "{}", ran.err);
}
