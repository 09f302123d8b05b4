//! `factlog check` and `factlog health`.

use serde_json::json;

use crate::support::Place;

/// The size of a page of the file, where the second one begins.
const PAGE_BYTES: usize = 4096;

#[test]
fn a_sound_log_is_said_to_be_sound() {
    let place = Place::small();
    insta::assert_snapshot!(place.ok("check"), @"
    WHAT                VALUE
    events              6
    streams             4
    newest position     6
    removed on purpose  0
    result              no problem was found
    ");
    let report = place.json("check --format json");
    assert_eq!((&report["events"], &report["problems"]), (&6.into(), &json!([])));
}

#[test]
fn health_says_how_the_log_is() {
    let place = Place::small();
    let health = place.json("health --format json");
    assert_eq!(
        (&health["healthy"], &health["head"], &health["store"]["kind"]),
        (&true.into(), &6.into(), &"sqlite".into())
    );
    assert!(place.ok("health").contains("survives a crash of the process and of the machine"));
}

/// Bytes of a copy are turned over, one place after the other: `check` never says that such a log is sound.
#[test]
fn a_damaged_file_is_corrupt_and_never_an_empty_log() {
    let place = Place::small();
    let sound = std::fs::read(place.path("factlog.db")).unwrap();
    let data = sound.windows(9).position(|bytes| bytes == br#"{"title":"#).unwrap();
    for (what, at) in [("the header", 3), ("the head of a page", PAGE_BYTES), ("an event's data", data)] {
        let mut damaged = sound.clone();
        damaged[at] ^= 0xff;
        place.write("damaged.db", damaged);
        let ran = place.run("check --store sqlite:damaged.db");
        assert_eq!(ran.code, 6, "{what}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn a_file_that_was_cut_is_corrupt_for_every_command() {
    let place = Place::small();
    let sound = std::fs::read(place.path("factlog.db")).unwrap();
    for length in [0, 50, PAGE_BYTES / 2, PAGE_BYTES, sound.len() / 2, sound.len() - PAGE_BYTES] {
        place.write("cut.db", &sound[..length]);
        for words in ["list", "stats", "check", "append a-1 x"] {
            let ran = place.run(&format!("{words} --store sqlite:cut.db"));
            assert_eq!(ran.code, 6, "{words} at {length} bytes: {}{}", ran.out, ran.err);
            assert!(
                ran.err.is_empty() || ran.err.contains("hint: "),
                "{words} at {length} bytes: {}",
                ran.err
            );
        }
    }
}

/// Story: one letter of a plain-text log had changed, and not even its first events could be listed.
#[test]
fn a_damaged_plain_text_log_shows_what_is_before_the_damage_and_says_where_that_is() {
    let place = Place::small();
    place.ok("export --layout by-stream tree");
    place.ok("import by-stream tree --store jsonl:log");
    let day = std::fs::read_dir(place.path("log")).unwrap().map(|entry| entry.unwrap().path());
    let day = day.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('2')).min().unwrap();
    let segment = day.join("000001.jsonl");
    let lines = std::fs::read_to_string(&segment).unwrap();
    let fourth: usize = lines.split_inclusive('\n').take(3).map(str::len).sum();
    let mut bytes = lines.into_bytes();
    bytes[fourth + 20] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    for words in ["list --format jsonl", "list --first 2 --format jsonl"] {
        let ran = place.run(&format!("{words} --store jsonl:log"));
        let shown = if words.contains("--first") { 2 } else { 3 };
        assert_eq!((ran.code, ran.out.lines().count()), (6, shown), "{words}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("000001.jsonl:4: "), "{}", ran.err);
    }
}
