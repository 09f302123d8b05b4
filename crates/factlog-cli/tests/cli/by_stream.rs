//! `factlog export --layout by-stream` and `factlog import by-stream`: a log as a tree of files, and back.

use crate::support::Place;

#[test]
fn a_tree_makes_the_same_log_again_and_is_found_by_a_look() {
    let place = Place::small();
    insta::assert_snapshot!(place.ok("export --layout by-stream tree"), @"
    events               6
    files                4
    ");
    for import in ["import by-stream tree --store sqlite:copy.db", "import tree --store sqlite:found.db"] {
        place.ok(import);
    }
    let exported = place.ok("export");
    assert_eq!(place.ok("export --store sqlite:copy.db"), exported);
    assert_eq!(place.ok("export --store sqlite:found.db"), exported);
    assert!(place.ok("check --store sqlite:copy.db").contains('6'));
}

/// Story (S1 to S3): what lay in the files there could be found by nobody but a program.
#[test]
fn each_line_of_a_tree_is_an_event_and_flags_choose_which() {
    let place = Place::small();
    let result = place.ok("export --layout by-stream tree --category task --limit 2 --format json");
    assert_eq!(result, "{\"events\":2,\"files\":1}\n");
    let day = std::fs::read_dir(place.path("tree")).unwrap().next().unwrap().unwrap().path();
    let mut lines = String::new();
    for file in std::fs::read_dir(day).unwrap() {
        lines.push_str(&std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    assert_eq!(lines, place.ok("export --category task --limit 2"));
}

#[test]
fn a_tree_is_never_mixed_with_what_is_there() {
    let place = Place::small();
    place.write("tree/mine.txt", "mine");
    insta::assert_snapshot!(place.fails("export --layout by-stream tree"), @"
    2
    error: tree is not empty: there is mine.txt
    hint: nothing is written over: export to a new folder
    ");
    assert_eq!(place.run("export --layout by-stream tree --format csv").code, 2);
    insta::assert_snapshot!(place.fails("export tree"), @"
    2
    error: all events go to standard output, and not to tree
    hint: add --layout by-stream for a tree of files, or write > FILE
    ");
    assert!(place.run("export --layout by-stream").code == 2);
    assert_eq!(std::fs::read_dir(place.path("tree")).unwrap().count(), 1);
}
