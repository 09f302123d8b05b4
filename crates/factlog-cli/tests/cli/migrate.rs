//! The indexes of a log in an SQLite file, from one kind to the other.

use serde_json::json;

use crate::support::Place;

/// Story: a file goes from one format to the other and back as often as one likes, with all that is in it.
#[test]
fn a_file_goes_up_and_down_and_nothing_is_lost() {
    let place = Place::new();
    assert!(place.fails("migrate up").starts_with("3\n"), "there is no log yet");
    place.ok("append task-1 task:created --store sqlite:factlog.db?index=real");
    place.ok("append task-2 task:created");
    let steps = |place: &Place| place.json("migrate status --format json");
    assert_eq!(steps(&place)[1]["taken"], json!(false));
    let up = place.run("migrate up");
    assert_eq!((up.code, up.err.contains("lagging indexes now")), (0, true), "{}", up.err);
    assert_eq!(steps(&place)[1]["taken"], json!(true));
    assert!(steps(&place)[1]["appliedAt"].is_string());
    assert!(place.run("migrate up").err.contains("nothing to do"));
    assert_eq!(place.positions("list --stream task-2"), [2]);
    place.ok("append task-2 task:started");
    assert!(place.fails("list --store sqlite:factlog.db?index=real").contains("factlog migrate"));
    assert_eq!(place.run("migrate down").code, 0);
    assert_eq!(steps(&place)[1]["taken"], json!(false));
    assert_eq!(place.positions("list --stream task-2"), [2, 3]);
    assert!(place.run("check").out.contains("no problem was found"), "{}", place.run("check").out);
    let beyond = place.fails("migrate down --to 0 --yes");
    assert!(beyond.starts_with("2\n") && beyond.contains("no step 0"), "{beyond}");
}
