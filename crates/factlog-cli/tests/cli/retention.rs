//! `factlog retention`: what would go, and what goes.

use crate::support::{NONE, Place};

/// D15: nothing could be removed but by deleting the file.
#[test]
fn a_plan_says_what_would_go_and_changes_nothing() {
    let place = Place::small();
    let shown =
        place.ok("retention plan --older-than 0s --category task --not-type task:assigned --format csv");
    let (headings, row) = shown.split_once('\n').unwrap();
    assert_eq!(headings, "rule,events,positions,from,to,bytes,archive");
    assert!(row.starts_with("flags,3,1-5,20") && row.ends_with("Z,464,\n"), "{row}");
    let planned = place.json("retention plan --older-than 0s --type task:* --format json");
    assert_eq!(
        (&planned[0]["count"], &planned[0]["first"], &planned[0]["through"], &planned[0]["clock"]),
        (&4.into(), &1.into(), &5.into(), &"recorded".into())
    );
    assert!(
        planned[0]["filter"]["recorded"]["to"].is_string() && planned[0]["bytes"].as_u64().unwrap() > 400
    );
    assert_eq!(place.positions("list"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(place.files(), ["factlog.db"]);
}

/// Records of a year ago that were imported today are not a year old to a log; unless the rule says so.
#[test]
fn age_is_since_recording_unless_the_flag_says_otherwise() {
    let place = Place::small();
    let ran = place.run("retention plan --older-than 1d");
    assert!(ran.code == 0 && ran.err == "nothing is old enough\n", "{}{}", ran.out, ran.err);
    let planned = place.json("retention plan --older-than 1d --occurred --format json");
    assert_eq!(
        (&planned[0]["count"], planned[0]["firstAt"].as_str().unwrap()),
        (&6.into(), "2025-03-01T08:00:00.000000Z")
    );
}

#[test]
fn a_run_removes_it_and_the_log_says_so() {
    let place = Place::small();
    insta::assert_snapshot!(place.ok("retention run --older-than 0s --category task"), @"
    RULE   REMOVED  POSITIONS  FILES  SAID AT
    flags        4  1-5            0        7
    ");
    let ran = place.run("list --format csv");
    assert!(ran.err.starts_with("note: 4 events up to position 5 were removed"), "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 1 + 3);
    insta::assert_snapshot!(place.fails("show 2"), @"
    3
    error: the event at position 2 was removed
    hint: `factlog list --stream log-retention --full` says why, and where it was archived if it was
    ");
    assert!(place.fails("show 9").contains("there is no event 9"));
    assert!(place.ok("check").contains("no problem was found"));
    let again = place.run("retention run --older-than 0s --category task --format json");
    assert_eq!(again.code, 0);
    assert_eq!(
        place.positions("list --stream log-retention"),
        [7],
        "nothing is said where nothing was removed"
    );
}

/// An expired message was still delivered, or gone without a word; here it is read, and said to be expired.
#[test]
fn expired_events_are_said_to_be_expired_until_a_run_takes_them() {
    let place = Place::small();
    place.ok("append message-1 message:sent --expires 2020-01-01");
    assert!(place.ok("show 7").contains("expires      2020-01-01T00:00:00.000000Z (expired)\n"));
    assert!(place.ok("show 5").contains("expires      2030-01-01T00:00:00.000000Z\n"));
    assert!(place.ok("list --last 1 --full").contains("00Z (expired)\n"));
    let wire = place.json("show 7 --format json");
    assert_eq!(wire["event"]["expiresAt"], "2020-01-01T00:00:00.000000Z");
    let ran = place.json("retention run --expired --format json");
    assert_eq!((&ran[0]["removed"], &ran[0]["first"], &ran[0]["saidAt"]), (&1.into(), &7.into(), &8.into()));
    let said = place.json("list --stream log-retention --format jsonl");
    assert!(said["data"]["filter"]["expires"]["to"].is_string());
}

#[test]
fn a_run_archives_before_it_removes_and_gives_the_space_back() {
    let place = Place::new();
    let line = format!("{{\"stream\":\"task-1\",\"type\":\"x\",\"data\":\"{}\"}}\n", "x".repeat(2_000));
    place.feed(
        "import jsonl -",
        &(0..300).map(|number| line.replace("xx\"", &format!("{number}\""))).collect::<String>(),
    );
    let before = std::fs::metadata(place.path("factlog.db")).unwrap().len();
    let ran = place.run("retention run --older-than 0s --archive old --compact --format json");
    assert!(ran.code == 0 && ran.err.starts_with("compacted: "), "{}", ran.err);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let file = json[0]["archives"][0]["path"].as_str().unwrap();
    assert!(file.ends_with("/0000000001-0000000300.jsonl"), "{file}");
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 300);
    assert!(std::fs::metadata(place.path("factlog.db")).unwrap().len() * 4 < before);
    let said = place.json("list --format jsonl");
    assert_eq!((&said["data"]["count"], said["data"]["archive"].as_str()), (&300.into(), Some(file)));
}

/// The archive cannot be written: nothing may be removed then.
#[test]
fn where_the_archive_fails_nothing_is_removed() {
    let place = Place::small();
    place.write("old", "a file is in the way");
    let said = place.fails("retention run --older-than 0s --archive old");
    assert!(said.contains("old/") && said.contains("nothing of this file was removed"), "{said}");
    assert_eq!(place.positions("list"), [1, 2, 3, 4, 5, 6]);
}

const RULES: &str = r#"
[[retention.rules]]
name = "assignments"
categories = ["task"]
types = ["task:assign*"]
age = "0s"
archive = "old"

[[retention.rules]]
name = "tasks"
streams = ["task-1"]
not = { types = ["task:completed"] }
retention_days = 0

[[retention.rules]]
name = "messages"
expired = true
"#;

#[test]
fn rules_stand_in_the_settings() {
    let place = Place::small();
    place.write(".factlog.toml", RULES);
    let planned = place.json("retention plan --format json");
    let counts: Vec<_> =
        planned.as_array().unwrap().iter().map(|rule| rule["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1, 0], "an event is counted for the first rule that means it");
    assert_eq!(planned[0]["archive"], place.path("old").to_str().unwrap());
    assert!(place.ok("config show --format csv").contains("retention,\"assignments, tasks, messages\""));
    place.write("deep/.keep", "");
    let place = place.below("deep").with("FACTLOG_STORE", "sqlite:../factlog.db");
    let ran = place.json("retention run --format json");
    let removed: Vec<_> =
        ran.as_array().unwrap().iter().map(|rule| rule["removed"].as_u64().unwrap()).collect();
    assert_eq!(removed, [1, 1, 0]);
    assert_eq!(place.files(), [".keep"], "an archive is meant from the settings file's folder");
    let left: Vec<u64> = crate::support::lines(&place.run("list --format jsonl").out)
        .iter()
        .map(crate::support::position)
        .collect();
    assert_eq!(left, [3, 4, 5, 6, 7, 8]);
}

/// A project that somebody cloned removed the events of all projects from the person's own log.
#[test]
fn rules_of_a_project_do_not_hold_for_the_log_of_the_person() {
    let place = Place::new();
    crate::support::write(
        &place.home(".config/factlog/config.toml"),
        format!("store = \"sqlite:{}\"\n", place.path("mine.db").display()),
    );
    place.feed("import jsonl -", crate::support::SMALL);
    place.write(".factlog.toml", RULES);
    let ran = place.run("retention run");
    assert!(ran.code == 0 && ran.err.contains("do not hold"), "{}", ran.err);
    let left = crate::support::lines(&place.run("list --format jsonl").out);
    assert_eq!(left.len(), 6);
    place.write(".factlog.toml", format!("store = \"sqlite:mine.db\"\n{RULES}"));
    assert_eq!(place.json("retention plan --format json")[0]["count"], 1);
}

#[test]
fn what_makes_no_sense_is_refused_and_says_where() {
    let place = Place::small();
    place.write(".factlog.toml", "[retention]\nfinished_messages = \"never\"\n");
    insta::assert_snapshot!(place.fails("retention plan"), @"
    2
    error: there are no rules of retention
    hint: give flags, for example --older-than 30d --category task, or write [[retention.rules]] into .factlog.toml
    ");
    insta::assert_snapshot!(place.fails("retention run --category task"), @"
    2
    error: the flags do not say when events go
    hint: add --older-than, for example --older-than 30d, or --expired
    ");
    insta::assert_snapshot!(place.fails("retention run --older-than 30"), @r#"
    2
    error: --older-than: "30" is no age
    hint: an age is a number and a unit: 90s, 30m, 12h, 30d or 8w
    "#);
    for (rule, said) in [
        ("name = \"a\"", "the rule \"a\" does not say when"),
        ("name = \"a\"\nage = \"soon\"", "\"soon\" is no age"),
        ("name = \"a\"\nage = \"1d\"\nretention_days = 1", "say the same"),
        ("name = \"a\"\nage = \"1d\"\ncatgories = [\"task\"]", "unknown field `catgories`"),
        ("age = \"1d\"", "missing field `name`"),
        ("name = \"a\"\nage = \"1d\"\ntypes = [\"\"]", "type"),
    ] {
        place.write(".factlog.toml", format!("[[retention.rules]]\n{rule}\n"));
        let words = place.fails("retention run");
        assert!(words.starts_with("2\n") && words.contains(said), "{rule}: {words}");
    }
    place.write(".factlog.toml", "[retention]\nrule = []\n");
    assert!(place.fails("list").contains("unknown field `rule`"));
    place.write(".factlog.toml", "[retention]\nfinished_messages = \"soon\"\n");
    assert!(place.fails("retention run").contains("`finished_messages`: \"soon\" is no age"));
    assert!(place.fails("retention run --finished-messages 7d --category task").starts_with("2\n"));
    std::fs::remove_file(place.path(".factlog.toml")).unwrap();
    assert_eq!(place.positions("list"), [1, 2, 3, 4, 5, 6]);
    assert!(Place::new().fails("retention run --older-than 1d").starts_with("3\n"));
    assert_eq!(place.positions("list --stream log-retention"), NONE);
}

/// Story: a condition was lost when its type was widened to all its names, and what a rule should keep was planned for
/// removal; a type to be kept was not kept under its other names.
#[test]
fn a_rule_takes_no_more_than_its_types_and_conditions_say() {
    let place = Place::new();
    for words in [
        r#"append task-1 task:created {"keep":"yes"}"#,
        r#"append task-2 TaskCreated {"keep":"no"}"#,
        "append session-1 SessionCompleted",
        "append session-2 session:queued",
    ] {
        place.ok(words);
    }
    let count = |words: &[&str]| -> u64 {
        let ran = place.run_words(words);
        let planned: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        planned.as_array().unwrap().iter().map(|rule| rule["count"].as_u64().unwrap()).sum()
    };
    let plan = ["retention", "plan", "--older-than", "0s", "--format", "json", "--type"];
    assert_eq!(count(&[&plan[..], &[r#"task:*[data.keep == "no"]"#]].concat()), 1);
    place.write(
        ".factlog.toml",
        "[[retention.rules]]\nname = \"sessions\"\ncategories = [\"session\"]\nage = \"0s\"\n\
         not = { types = [\"session:completed\"] }\n",
    );
    assert_eq!(count(&["retention", "plan", "--format", "json"]), 1);
}

/// Story: inboxes grew for ever; and whoever removed their events by age had messages come back, or lost some.
#[test]
fn messages_that_are_done_with_go_and_those_that_wait_stay() {
    let place = Place::new();
    for id in ["done", "waits"] {
        place.ok(&format!("send --from a --to b --id {id} hello"));
    }
    place.json("inbox b --take 1 --format json");
    place.ok("ack b done");
    assert_eq!(place.json("retention plan --format json").as_array().unwrap().len(), 0, "it is of today");
    let planned = place.json("retention plan --finished-messages 0s --format json");
    assert_eq!((&planned[0]["rule"], &planned[0]["count"]), (&"finished messages".into(), &4.into()));
    assert!(place.json("message done --format json")["position"].is_u64(), "a plan changes nothing");
    place.write(".factlog.toml", "[retention]\nfinished_messages = \"0s\"\n");
    let ran = place.json("retention run --format json");
    assert_eq!((&ran[0]["rule"], &ran[0]["removed"]), (&"finished messages".into(), &4.into()));
    assert!(place.fails("message done").starts_with("3\n"));
    let waiting = place.json("inbox b --take 5 --format json");
    assert_eq!((&waiting[0]["messageId"], &waiting[0]["data"]), (&"waits".into(), &"hello".into()));
    assert_eq!(place.json("retention run --format json").as_array().unwrap().len(), 0);
}
