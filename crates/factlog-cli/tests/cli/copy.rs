//! `factlog copy` and `factlog verify`: a log into another, and beside it.

use serde_json::json;

use crate::support::{Place, lines};

#[test]
fn a_log_is_copied_and_compared() {
    let place = Place::small();
    place.ok("snapshot save summary {\"open\":3}");
    let events = place.ok("list --format jsonl");
    insta::assert_snapshot!(place.ok("copy --to jsonl:copy"), @"
    WHAT             VALUE
    events           6
    skipped          0
    snapshots        1
    newest position  6
    positions kept   yes
    verified         yes
    ");
    assert_eq!(place.ok("list --format jsonl --store jsonl:copy"), events);
    assert!(place.ok("snapshot show summary --store jsonl:copy").starts_with("summary at position 6"));
    assert_eq!(
        place.json("copy --from sqlite:factlog.db --to jsonl:copy --format json"),
        json!({"events": 0, "skipped": 6, "leftOut": 0, "snapshots": 0, "head": 6, "kept": true, "verified": true})
    );
    insta::assert_snapshot!(place.ok("verify --against jsonl:copy"), @"
    WHAT          VALUE
    events here   6
    events there  6
    alike         6
    result        both are the same
    ");
    assert!(place.ok("check --store jsonl:copy").contains("no problem was found"));
    let quick = place.json("copy --to sqlite:quick.db --no-verify --format json");
    assert_eq!((&quick["events"], &quick["verified"]), (&6.into(), &false.into()));
}

#[test]
fn verify_says_what_differs_and_exits_with_4() {
    let place = Place::small();
    place.ok("copy --to sqlite:copy.db");
    place.ok("append task-9 task:created --store sqlite:copy.db");
    let ran = place.run("verify --against sqlite:copy.db");
    assert_eq!((ran.code, ran.err.as_str()), (4, ""));
    insta::assert_snapshot!(ran.out, @"
    WHAT          VALUE
    events here   6
    events there  7
    alike         6
    result        this log ends earlier: it is the same up to its end, and the other has 1 more
    ");
    let turned = place.json("verify --store sqlite:copy.db --against sqlite:factlog.db --format json");
    assert_eq!((&turned["result"], &turned["different"]), (&"there-ends-earlier".into(), &0.into()));

    place.ok("append task-8 task:created");
    let ran = place.run("verify --against sqlite:copy.db --format jsonl");
    assert_eq!(ran.code, 4);
    assert_eq!(
        lines(&ran.out),
        [json!({"here": 7, "there": 7, "alike": 6, "result": "different", "different": 1,
            "differences": [{"position": 7, "kind": "different", "field": "id"}]})]
    );
    assert!(
        place.run("verify --against sqlite:copy.db").out.contains("DIFFERENT     position 7: another id")
    );
    assert_eq!(place.run("verify --against sqlite:none.db").code, 3);
}

/// Whoever mistook one log for the backup of another would have had two logs in one.
#[test]
fn into_another_log_only_when_that_is_asked_for() {
    let place = Place::small();
    place.ok("append other-1 task:created --store sqlite:other.db");
    let said = place.fails("copy --to sqlite:other.db");
    assert_eq!(
        said,
        "4\nerror: sqlite:other.db has events and is no copy of sqlite:factlog.db: position 1 has another id\n\
         hint: --append puts what is copied behind those events, at new positions; or copy into a new log, also \
         where events were removed from the source since\n"
    );
    place.ok("archive --before now --to archive --category task");
    let ran = place.run("copy --to sqlite:other.db --append --format json");
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            0,
            "note: 1 event of the stream log-retention was left out: it tells what was removed from sqlite:factlog.db\n"
        )
    );
    let did: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&did["events"], &did["leftOut"], &did["kept"]), (&2.into(), &1.into(), &false.into()));
    let events = lines(&place.ok("list --store sqlite:other.db --format jsonl"));
    let from = &events[1]["metadata"]["copiedFrom"];
    assert_eq!((&from["log"], &from["position"]), (&"sqlite:factlog.db".into(), &4.into()));
    let before = events.len();
    let again = place.json("copy --to sqlite:other.db --append --format json");
    assert_eq!(again["events"], 0);
    assert_eq!(place.positions("list --store sqlite:other.db").len(), before);
}

#[test]
fn what_cannot_be_copied_is_said_before_anything_is_made() {
    let place = Place::new();
    assert!(place.fails("copy --to sqlite:copy.db").starts_with("3\nerror: there is no log at factlog.db"));
    assert!(place.files().is_empty(), "no empty copy of nothing");
    place.ok("append task-1 task:created");
    let itself = place.fails("copy --to sqlite:factlog.db");
    assert!(itself.starts_with("2\nerror: sqlite:factlog.db cannot be copied into itself"), "{itself}");
    assert!(place.fails("copy --to oracle:x").starts_with("2\nerror: \"oracle\" is no kind of log"));
    assert!(place.fails("copy --to sqlite:x.db --format cloudevents").starts_with("2\n"));
}
