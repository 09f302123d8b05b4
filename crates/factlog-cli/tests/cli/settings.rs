//! Settings: flag over environment over the project's file over the user's file over the default.

use crate::support::{Place, write};

/// What `config show --origin` says of the store.
fn origins(place: &Place, more: &str) -> String {
    let shown = place.ok(&format!("config show --origin --format csv{more}"));
    shown.lines().nth(1).unwrap().to_owned()
}

#[test]
fn the_first_that_says_something_wins_and_says_so() {
    let place = Place::new();
    assert_eq!(origins(&place, ""), "store,sqlite:factlog.db,default");
    write(&place.home(".config/factlog/config.toml"), "store = \"sqlite:user.db\"\n");
    let user = place.home(".config/factlog");
    assert!(origins(&place, "").starts_with("store,sqlite:"), "a path is meant from where its file is");
    assert!(
        place.ok("config show --origin").contains(&format!("file {}", user.join("config.toml").display()))
    );
    place.write(".factlog.toml", "store = \"sqlite:project.db\"\n");
    assert!(place.ok("config show").contains("project.db"));
    let place = place.with("FACTLOG_STORE", "sqlite:environment.db");
    assert_eq!(origins(&place, ""), "store,sqlite:environment.db,environment FACTLOG_STORE");
    assert_eq!(origins(&place, " --store sqlite:flag.db"), "store,sqlite:flag.db,flag --store");
}

#[test]
fn the_projects_file_is_found_from_a_folder_below_and_names_a_log_beside_it() {
    let place = Place::new();
    place.write("deep/er/.keep", "");
    place.write(".factlog.toml", "store = \"sqlite:project.db\"\n");
    place.ok("append a-1 x");
    assert_eq!(place.files(), [".factlog.toml", "deep", "project.db"]);
    let below = place.below("deep/er");
    assert_eq!(below.positions("list"), [1]);
}

#[test]
fn a_path_from_the_home_folder_is_understood_everywhere() {
    for kind in ["sqlite", "jsonl"] {
        let place = Place::new();
        let url = format!("{kind}:~/mine");
        place.ok(&format!("append a-1 x --store {url}"));
        assert!(place.home("mine").exists());
        place.write(".factlog.toml", format!("store = \"{url}\"\n"));
        assert_eq!(place.positions("list"), [1]);
        let place = place.with("FACTLOG_STORE", &url);
        assert_eq!(place.positions("list"), [1]);
    }
}

/// Story: a plain-text log that a settings file named was another one in each folder below.
#[test]
fn a_relative_path_in_a_settings_file_is_meant_from_where_the_file_is() {
    for kind in ["sqlite", "jsonl"] {
        let place = Place::new();
        place.write("sub/.keep", "");
        place.write(".factlog.toml", format!("store = \"{kind}:mine\"\n"));
        place.ok("append a-1 x");
        assert_eq!(place.below("sub").positions("list"), [1], "{kind}");
    }
}

/// A misspelt key had no effect, and events went to another log than the one that was meant.
#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    let place = Place::new();
    place.write(".factlog.toml", "stor = \"sqlite:x.db\"\n");
    for words in ["list", "append a-1 x", "config show"] {
        let said = place.fails(words);
        assert!(said.starts_with("2\n") && said.contains("unknown field `stor`"), "{words}: {said}");
        assert!(said.contains(".factlog.toml") && said.contains("hint: "), "{words}: {said}");
    }
}

#[test]
fn a_setting_that_makes_no_sense_is_an_error_that_says_where_it_stands() {
    let place = Place::new().with("FACTLOG_FORMAT", "xml");
    insta::assert_snapshot!(place.fails("list"), @r#"
    2
    error: environment FACTLOG_FORMAT: "xml" is no format
    hint: a format is table, json, jsonl, csv, cloudevents or agent-events
    "#);
    let place = Place::new();
    place.write(".factlog.toml", "format = 5\n");
    assert!(place.fails("list").contains("invalid type: integer"));
}

/// Who prefers tables could export nothing.
#[test]
fn a_preferred_format_is_used_where_it_can_be() {
    let place = Place::small().with("FACTLOG_FORMAT", "csv");
    assert!(place.ok("list").starts_with("position,id,"));
    assert!(place.ok("stats").starts_with("type,events\n"));
    assert_eq!(place.ok("append a-1 x"), "7  a-1 v1\n", "append has no csv, and writes as ever");
    let place = Place::small().with("FACTLOG_FORMAT", "table");
    assert_eq!(place.ok("export").lines().count(), 6);
    assert!(
        place.feed("append --stdin", "{\"stream\":\"a-1\",\"type\":\"x\"}\n").starts_with("{\"events\":")
    );
}

#[test]
fn verbose_says_which_log_it_is_and_a_flag_beats_the_environment() {
    let place = Place::small();
    let said = "INFO the log is sqlite:factlog.db (default)\n";
    assert!(place.run("-v list").err.ends_with(said));
    let place = place.with("FACTLOG_LOG", "info");
    assert!(place.run("list").err.ends_with(said));
    let place = place.with("FACTLOG_LOG", "error");
    assert!(place.run("list -v").err.ends_with(said));
    let place = place.with("FACTLOG_LOG", "a=b=c");
    let ran = place.run("list");
    assert!(ran.code == 0 && ran.err.starts_with("note: FACTLOG_LOG is not understood: "), "{}", ran.err);
}
