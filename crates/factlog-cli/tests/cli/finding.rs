//! Finding what agents did: by file, by tool, by a text; and looking at it whole.

use std::fmt::Write;

use crate::support::{NONE, Place};

/// Six uses of tools, as importers and hooks tag them.
fn worked() -> Place {
    let place = Place::new();
    let uses: [(&str, &[&str]); 6] = [
        ("Read", &["src/a.rs"]),
        ("Edit", &["src/a.rs"]),
        ("Edit", &["src/b.rs"]),
        ("Bash", &[]),
        ("Edit", &["/etc/hosts"]),
        ("Read", &["./src/a.rs", "src/b.rs"]),
    ];
    let mut input = String::new();
    for (tool, files) in uses {
        let tags: Vec<String> = [format!("tool:{tool}")]
            .into_iter()
            .chain(files.iter().map(|file| format!("file:{file}")))
            .collect();
        let event = serde_json::json!({"stream": "session-1", "type": "session:tool-called", "tags": tags});
        writeln!(input, "{event}").unwrap();
    }
    place.feed("append --stdin", &input);
    place
}

#[test]
fn a_file_and_a_tool_are_found_and_narrow_each_other() {
    let place = worked();
    assert_eq!(place.positions("list --file src/a.rs"), [1, 2]);
    assert_eq!(place.positions("list --tool Edit"), [2, 3, 5]);
    assert_eq!(place.positions("list --file src/a.rs --tool Edit"), [2]);
    assert_eq!(place.positions("list --tag file:src/a.rs --tag tool:Edit"), [1, 2, 3, 5], "tags widen");
    assert_eq!(place.positions("list --file src/a.rs --file src/b.rs"), [1, 2, 3, 6]);
    assert_eq!(place.positions("list --not-file src/b.rs --not-tool Read"), [2, 4, 5]);
    assert_eq!(place.positions("list --tool Edit --not-file src/b.rs"), [2, 5]);
    assert_eq!(place.positions("list --file a.rs"), NONE);
    assert_eq!(place.positions("follow --from 1 --to 7 --tool Edit --file src/b.rs"), [3]);
    assert_eq!(place.json("stats --tool Edit --format json")["total"], 3);
}

#[test]
fn a_path_may_be_written_as_people_here_write_it() {
    let place = worked();
    assert_eq!(place.positions("list --file ./src/a.rs"), [1, 2, 6]);
    // The program sees the folder as the system names it.
    let here = place.path("").canonicalize().unwrap();
    assert_eq!(place.positions_words(&["list", "--file", here.join("src/b.rs").to_str().unwrap()]), [3, 6]);
    assert_eq!(place.positions("list --file /etc/hosts"), [5]);
    assert_eq!(place.positions("list --not-file ./src/a.rs"), [3, 4, 5]);
}

#[test]
fn the_flags_are_on_every_page_that_takes_filters() {
    let place = Place::new();
    for command in ["list", "streams", "stats", "follow", "replay", "export"] {
        let page = place.ok(&format!("{command} -h"));
        assert!(page.contains("--file ") && page.contains("--tool "), "{command}");
    }
}

/// More events than a page looks at, and than the sieve lets through at once.
#[test]
fn a_rare_text_is_found_among_many_events_from_both_ends() {
    let place = Place::new();
    let mut input = String::new();
    for number in 1..=21_000 {
        let text = if number % 5_000 == 7 { "Rare Öl" } else { "common" };
        writeln!(input, r#"{{"stream":"a-1","type":"b","data":{{"n":{number},"t":"{text}"}}}}"#).unwrap();
    }
    place.feed("import jsonl -", &input);
    let rare = [7, 5_007, 10_007, 15_007, 20_007];
    assert_eq!(place.positions("list --text rare"), rare);
    assert_eq!(place.positions_words(&["list", "--text", "rARE Öl", "--last", "2"]), rare[3..]);
    assert_eq!(place.positions("list --text RARE --from 8 --to 20007"), rare[1..4]);
    assert_eq!(place.positions("list --text nowhere"), NONE);
    assert_eq!(place.json("stats --text common --format json")["total"], 20_995);
    assert_eq!(place.positions("list --text COMMON --last 300").len(), 300);
}

#[test]
fn full_shows_every_event_whole() {
    let place = Place::small();
    let shown = place.ok("list --stream task-1 --last 2 --full");
    let (events, recorded): (Vec<&str>, Vec<&str>) =
        shown.lines().partition(|line| !line.starts_with("recorded"));
    assert_eq!(recorded.len(), 2);
    insta::assert_snapshot!(events.join("\n"), @r#"
    position     2
    id           019aa000-0000-7000-8000-000000000002
    stream       task-1 v2
    type         task:assigned
    source       planner
    targets      writer, tester
    occurred     2025-03-01T09:30:00.000000Z
    correlation  docs
    causation    019aa000-0000-7000-8000-000000000001
    session      s1
    {
      "to": "writer"
    }

    position     5
    id           019aa000-0000-7000-8000-000000000005
    stream       task-1 v3
    type         task:completed
    source       writer
    targets      planner
    occurred     2025-03-02T10:15:00.000000Z
    correlation  docs
    causation    019aa000-0000-7000-8000-000000000002
    priority     critical
    expires      2030-01-01T00:00:00.000000Z
    traceparent  00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
    tags         docs
    metadata     {"host":"ci-3"}
    {
      "pages": 1.50,
      "note": "a, \"b\"\nc"
    }
    "#);
    assert!(shown.ends_with(&format!("\n\n{}", place.ok("follow --from 5 --to 6 --full"))));
}

#[test]
fn full_is_of_tables() {
    insta::assert_snapshot!(Place::small().fails("list --full --format jsonl"), @"
    2
    error: --full is of tables, and jsonl has all there is
    hint: use --format table, or leave --full out
    ");
}
