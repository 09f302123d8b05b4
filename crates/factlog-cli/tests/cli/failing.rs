//! How commands fail: the exit code, what happened, and what to do.

use crate::support::Place;

#[test]
fn a_command_that_reads_makes_no_log_and_says_what_to_do() {
    let place = Place::new();
    for words in [
        "list",
        "streams",
        "stats",
        "follow",
        "show 1",
        "replay",
        "export",
        "snapshot show a",
        "snapshot list",
        "check",
        "health",
    ] {
        assert_eq!(
            place.fails(words),
            "3\nerror: there is no log at factlog.db\n\
             hint: append or import something first, or name another log with --store\n",
            "{words}"
        );
    }
    assert!(place.files().is_empty());
}

#[test]
fn a_conflict_is_4_and_says_what_is_there() {
    let place = Place::small();
    insta::assert_snapshot!(place.fails("append task-1 x --expect 1"), @"
    4
    error: stream task-1 was expected at version 1, and is at version 3
    hint: read the stream again and decide on what is there now
    ");
    insta::assert_snapshot!(place.fails("append task-7 x --expect exists"), @"
    4
    error: stream task-7 was expected to exist, and does not exist
    hint: read the stream again and decide on what is there now
    ");
    insta::assert_snapshot!(
        place.fails("append task-1 x --id 019aa000-0000-7000-8000-000000000001"), @"
    4
    error: the id 019aa000-0000-7000-8000-000000000001 is taken: position 1 has another stream, type or data
    hint: give each event an id of its own; the same event again has the same stream, type and data
    ");
}

#[test]
fn what_is_no_log_is_never_taken_for_an_empty_one() {
    let place = Place::small();
    std::fs::create_dir(place.path("folder")).unwrap();
    place.write("empty.db", "");
    place
        .write("text.db", "no log at all, but a text that is long enough to have a header in it. ".repeat(3));
    for command in ["list", "append a-1 x", "check"] {
        let said = ["folder", "empty.db", "text.db", "no/such/folder.db"]
            .map(|file| place.fails(&format!("{command} --store sqlite:{file}")));
        for said in said {
            assert!(said.contains("hint: "), "{command}: {said}");
            assert!(["2\n", "3\n", "6\n"].iter().any(|code| said.starts_with(code)), "{command}: {said}");
        }
    }
    insta::assert_snapshot!(place.fails("append a-1 x --store sqlite:folder"), @"
    2
    error: folder is a folder, not a log
    hint: name a file, for example sqlite:factlog.db
    ");
    insta::assert_snapshot!(place.fails("append a-1 x --store sqlite:empty.db"), @"
    6
    error: empty.db: the file is empty: it is no log, and a log that was here is lost
    hint: restore a backup, or delete the empty file to begin anew
    ");
    insta::assert_snapshot!(place.fails("append a-1 x --store sqlite:text.db"), @"
    6
    error: text.db: this is not a log: not an SQLite file
    hint: name another file with --store sqlite:PATH
    ");
    insta::assert_snapshot!(place.fails("append a-1 x --store sqlite:no/such/folder.db"), @"
    3
    error: the folder no/such does not exist
    hint: make the folder first, or name another place with --store
    ");
    assert_eq!(std::fs::read(place.path("empty.db")).unwrap(), b"", "nothing was written to it");
}

#[test]
#[cfg(unix)]
fn a_log_that_may_not_be_written_takes_no_event_and_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::small();
    let path = place.path("factlog.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        eprintln!("skipped: this user may write everything");
        return;
    }
    insta::assert_snapshot!(place.fails("append a-1 x"), @"
    1
    error: factlog.db is read-only
    hint: check the rights of the file and of its folder
    ");
    assert_eq!(place.positions("list").len(), 6, "what is there can be read");
}

/// A full disk behind the output was told as a log that took nothing, although the event was in.
#[test]
#[cfg(target_os = "linux")]
fn an_output_that_cannot_be_written_is_1_and_is_not_blamed_on_the_log() {
    let place = Place::small();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = place.run_into(&["append", "a-1", "x"], full);
    assert_eq!((ran.code, ran.err.starts_with("error: standard output: ")), (1, true), "{}", ran.err);
    assert_eq!(place.positions("list --stream a-1"), [7]);
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask_and_no_color_beats_both() {
    let place = Place::small();
    let is_coloured = |place: &Place| {
        let (list, failure) = (place.ok("list"), place.run("list --from soon").err);
        assert_eq!(list.contains('\x1b'), failure.contains('\x1b'));
        list.contains('\x1b')
    };
    assert!(!is_coloured(&place), "a pipe");
    let place = place.with("CLICOLOR_FORCE", "1");
    assert!(is_coloured(&place));
    let place = place.with("NO_COLOR", "1");
    assert!(!is_coloured(&place));
}
