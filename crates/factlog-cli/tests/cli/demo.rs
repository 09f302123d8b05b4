//! `factlog demo`: the whole idea, and nothing left behind.

use crate::support::Place;

#[test]
fn the_demo_shows_everything_and_leaves_nothing_behind() {
    let place = Place::new();
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let scratch = scratch.display().to_string();
    let place = place.with("TMPDIR", &scratch).with("TMP", &scratch).with("TEMP", &scratch);
    let shown = place.ok("demo");
    for command in [
        "import jsonl run.jsonl",
        "list --last 8",
        "stats --group-by type",
        "show 16",
        "replay --stream task-examples",
        "tasks",
        "fleet --at 15",
        "blame task-examples status --all",
        "snapshot save summary",
        "snapshot show summary",
        "follow --category task",
    ] {
        assert!(shown.contains(&format!("\n$ factlog {command}")), "{command}");
    }
    assert!(shown.contains(" examples  queued     high      writer"), "where a task stands");
    assert!(shown.contains("2 at work, 0 stuck, 1 idle, 0 ended"), "the fleet as it was");
    assert!(shown.contains("status  in-progress  failed"), "what changed a task");
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "the scratch folder is empty again");
    assert_eq!(place.files(), ["scratch"], "and no log was made here");
    assert!(!shown.contains(&scratch), "paths of the machine are no part of the show");
}

#[test]
fn the_demo_is_for_eyes_whatever_the_settings_say() {
    let place = Place::new().with("FACTLOG_FORMAT", "csv").with("FACTLOG_STORE", "oracle:x");
    assert!(place.ok("demo").contains("POSITION  TIME (UTC)"));
}
