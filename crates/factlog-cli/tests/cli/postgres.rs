//! A log at a PostgreSQL server, from the command line.

#[path = "../../../factlog-stores/tests/postgres/mod.rs"]
mod server;

use serde_json::{Value, json};

use crate::support::{Place, SMALL};
use server::Log;

/// A place whose log is at the server.
fn place() -> Option<(Place, String)> {
    let log = Log::direct()?;
    let url = log.url().to_owned();
    Some((Place::new().with("FACTLOG_STORE", &url), url))
}

/// Story: the first minute with a server of one's own is in the README, and must be so.
#[test]
fn what_the_readme_shows_of_a_shared_log_works() {
    let Some((place, url)) = place() else { return };
    let readme = include_str!("../../../../README.md");
    let section = readme.split("## A team's shared log").nth(1).unwrap().split("\n## ").next().unwrap();
    let shown: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("$ factlog ")).collect();
    assert_eq!(shown.len(), 5, "{shown:?}");
    for line in shown {
        let line = line.replace("postgres://me@localhost/team", &url);
        let mut words: Vec<&str> = line.split(' ').collect();
        if let Some(begin) = words.iter().position(|word| word.starts_with('\'')) {
            words.truncate(begin);
            words.push(line.split('\'').nth(1).unwrap());
        }
        let ran = place.run_words(&words);
        assert_eq!(ran.code, 0, "{line}: {}{}", ran.out, ran.err);
    }
    assert_eq!(place.positions("list"), [1], "the demo has left nothing in it");
}

/// Story: tables that a program does not understand are said to be so, with what to do; nothing is lost unasked.
#[test]
fn tables_go_up_and_down_and_nothing_is_lost_unasked() {
    let Some((place, _)) = place() else { return };
    let missing = place.fails("list");
    assert!(missing.starts_with("3\n") && missing.contains("factlog migrate up"), "{missing}");
    assert_eq!(place.run("migrate up").code, 0);
    place.ok("append task-1 task:created");
    assert_eq!(place.run("migrate down").code, 0);
    let old = place.fails("list");
    assert!(old.starts_with("2\n") && old.contains("factlog migrate up"), "{old}");
    assert_eq!(place.run("migrate up --to 3").code, 0);
    let asked = place.fails("migrate down --to 0");
    assert!(asked.starts_with("2\n") && asked.contains("lose 1 events"), "{asked}");
    assert_eq!(place.positions("list"), [1]);
    assert_eq!(place.run("migrate down --to 0 --yes").code, 0);
    let steps = place.json("migrate status --format json");
    assert!(steps.as_array().unwrap().iter().all(|step| step["appliedAt"].is_null()), "{steps}");
    assert!(place.fails("migrate up --to 99").starts_with("2\n"));
    assert!(place.fails("migrate status --store jsonl:x").contains("has one format"));
}

/// Story: a log moves to the server and back, and is the same.
#[test]
fn a_log_moves_to_a_server_and_back_and_is_the_same() {
    let Some((place, url)) = place() else { return };
    place.feed("import jsonl - --store sqlite:here.db", SMALL);
    let copied = place.json(&format!("copy --from sqlite:here.db --to {url} --format json"));
    assert_eq!((&copied["events"], &copied["verified"]), (&json!(6), &json!(true)), "{copied}");
    assert_eq!(place.run(&format!("copy --from {url} --to jsonl:back")).code, 0);
    for store in ["sqlite:here.db", "jsonl:back"] {
        assert_eq!(place.run(&format!("verify --against {url} --store {store}")).code, 0, "{store}");
    }
    let exported = |store: &str| place.ok(&format!("export --store {store}"));
    assert_eq!(exported(&url), exported("sqlite:here.db"));
    place.ok("append task-9 task:created");
    assert_eq!(place.run(&format!("verify --against {url} --store sqlite:here.db")).code, 4);
    assert_eq!(place.run("check").code, 0);
}

/// Story (P2): what was configured was not what was in force. Here it says so itself, without telling a password.
#[test]
fn settings_of_a_server_are_in_force_and_say_where_they_came_from() {
    let place = Place::new()
        .with("POSTGRES_HOST", "db.example.org")
        .with("POSTGRES_PASSWORD", "s3cret")
        .with("EVENT_BATCH_SIZE", "7");
    let shown = place.ok("config show --origin --preset production");
    assert!(!shown.contains("s3cret"), "{shown}");
    let settings = place.json("config show --origin --preset production --format json");
    let of = |name: &str| -> (String, String) {
        let setting =
            settings.as_array().unwrap().iter().find(|setting| setting["name"] == name).unwrap().clone();
        let text = |key: &str| setting[key].as_str().unwrap_or_default().to_owned();
        (text("value"), text("origin"))
    };
    assert_eq!(of("event.batch_size"), ("7".into(), "environment EVENT_BATCH_SIZE".into()));
    assert_eq!(of("postgres.max_connections"), ("50".into(), "preset production".into()));
    assert_eq!(of("preset"), ("production".into(), "flag --preset".into()));
    let (store, origin) = of("store");
    assert!(store.starts_with("postgres://postgres:***@db.example.org:5432/claude_task_master?"), "{store}");
    assert_eq!(origin, "environment POSTGRES_HOST");
    let flag = place.json("config show --origin --store sqlite:mine.db --format json");
    assert_eq!(flag[0]["value"], "sqlite:mine.db");
    let wrong = Place::new().with("EVENT_BATCH_SIZE", "lots").fails("list");
    assert!(wrong.starts_with("2\n") && wrong.contains("EVENT_BATCH_SIZE=lots"), "{wrong}");
    assert!(Place::new().fails("list --preset staging").contains("production"));
}

/// Story: the log of a program that says what it does by name, through the recorder and its settings.
#[test]
fn what_programs_tell_by_name_is_recorded_by_the_settings() {
    let Some((place, _)) = place() else { return };
    let input = "{\"name\":\"task:started\",\"data\":{\"id\":\"t1\",\"name\":\"Do\",\"agentId\":\"a1\"}}\n\
                 {\"type\":\"task:completed\",\"data\":{\"id\":\"t1\"}}\nnonsense\n";
    let ran = place.run_with(&["record", "--stdin"], input);
    let answers: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ran.code, answers.len()), (1, 3), "{}{}", ran.out, ran.err);
    assert_eq!((&answers[1]["position"], &answers[2]["code"]), (&json!(2), &json!("invalid")));
    let off = place.with("EVENT_AUTO_CAPTURE_TASKS", "false");
    assert_eq!(off.ok("record task:started {\"id\":\"t2\"}").trim(), r#"{"recorded":false}"#);
    let completed = off.json("show 2 --format json");
    assert_eq!(
        completed["event"]["data"]["title"].as_str().or(completed["data"]["title"].as_str()),
        Some("Do")
    );
}

/// Story: whoever sets up a server wants to know what is missing, and what to do.
#[test]
fn doctor_looks_at_a_server_and_says_what_to_do() {
    let Some((place, url)) = place() else { return };
    let found = place.json("doctor --format json");
    let value = |what: &str| {
        let finding = found.as_array().unwrap().iter().find(|finding| finding["what"] == what);
        finding.unwrap_or_else(|| panic!("{what}: {found}"))["value"].as_str().unwrap().to_owned()
    };
    assert!(value("tables").contains("factlog migrate up"));
    for what in
        ["connection", "server", "durability", "rights", "pooler", "hints", "clock", "disk", "connections"]
    {
        assert!(!value(what).is_empty());
    }
    assert_eq!(place.run("doctor").code, 0);
    let nobody = url.replace("factlog@", "nobody_of_this_name@");
    let ran = place.run(&format!("doctor --store {nobody}"));
    assert!(ran.code == 1 && ran.out.contains("POSTGRES_USER"), "{}", ran.out);
    let away = place.fails("health --store postgres://me@127.0.0.1:1/team");
    assert!(away.starts_with("5\n") && away.contains("factlog doctor"), "{away}");
}

/// Story: a hook records into the team's log too, and keeps no password in the agents' settings.
#[test]
fn a_hook_records_at_a_server_and_no_password_gets_into_settings() {
    let Some((place, url)) = place() else { return };
    let payload = r#"{"session_id":"s-1","hook_event_name":"SessionStart","cwd":"/home/ada"}"#;
    place.feed("hook", payload);
    assert_eq!(place.positions("list"), [1]);
    let with_password = url.replace("factlog@", "factlog:s3cret@");
    let refused = place.run(&format!("hooks install --claude --store {with_password}"));
    let said = refused.out + &refused.err;
    assert!(refused.code != 0 && said.contains("POSTGRES_PASSWORD") && !said.contains("s3cret"), "{said}");
}

/// Story: who watches sees the log as it goes.
#[test]
fn health_is_watched_as_it_goes() {
    let Some((place, _)) = place() else { return };
    place.ok("append task-1 task:created");
    let watching = place.start("health --watch --every 1s --format jsonl");
    let first = watching.json();
    assert_eq!((&first["healthy"], &first["head"]), (&json!(true), &json!(1)), "{first}");
    assert_eq!(first["connections"]["connected"], json!(true));
    place.ok("append task-1 task:started");
    while watching.json()["head"] != json!(2) {}
}
