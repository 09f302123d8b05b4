//! How wrong words are refused: exit code 2, what is wrong, and how it would be right.

use crate::support::Place;

/// What each failure says.
fn said(place: &Place, failures: &[&[&str]]) -> String {
    let said = failures.iter().map(|words| format!("{words:?}\n{}", place.fails_words(words)));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
fn bad_input_is_2_and_names_the_flag() {
    let place = Place::small();
    let failures = [
        &["append", "a-1", "x", "{title:x}"][..],
        &["append", "a-1", "x", r#"{"a":1,"a":2}"#],
        &["append", " a", "x"],
        &["append", "a-1", ""],
        &["append", "a-1", "x", "--expect", "many"],
        &["append", "a-1", "x", "--priority", "urgent"],
        &["append", "a-1", "x", "--source", ""],
        &["append", "a-1", "x", "--metadata", "[]"],
        &["append", "a-1", "x", "--occurred", "someday"],
        &["append", "a-1", "x", "--expires", "5 minutes"],
    ];
    insta::assert_snapshot!(said(&place, &failures), @r#"
    ["append", "a-1", "x", "{title:x}"]
    2
    error: DATA: not JSON: key must be a string at line 1 column 2
    hint: put JSON into single quotes: '{"title":"Try factlog"}'

    ["append", "a-1", "x", "{\"a\":1,\"a\":2}"]
    2
    error: DATA: the key "a" stands twice in one object

    ["append", " a", "x"]
    2
    error: a stream's name " a" begins or ends with a space

    ["append", "a-1", ""]
    2
    error: a type is empty; it takes 1 to 100 bytes

    ["append", "a-1", "x", "--expect", "many"]
    2
    error: --expect: "many" is no expectation
    hint: expect a version such as 3, or none, exists or any

    ["append", "a-1", "x", "--priority", "urgent"]
    2
    error: --priority: "urgent" is no priority
    hint: a priority is low, normal, high or critical

    ["append", "a-1", "x", "--source", ""]
    2
    error: --source: a source, target, correlation, session or user is empty; it takes 1 to 200 bytes

    ["append", "a-1", "x", "--metadata", "[]"]
    2
    error: --metadata: not a JSON object
    hint: for example '{"host":"ci-3"}'

    ["append", "a-1", "x", "--occurred", "someday"]
    2
    error: --occurred: "someday" is no time
    hint: write 2026-11-20T23:44:30Z, 2026-11-20, today, yesterday, now, or a span ago such as 2h

    ["append", "a-1", "x", "--expires", "5 minutes"]
    2
    error: --expires: "5 minutes" is no time
    hint: write 2026-11-20T23:44:30Z, 2026-11-20, or a span from now such as 30m
    "#);
    assert_eq!(place.positions("list").len(), 6, "nothing was recorded");
}

#[test]
fn a_filter_that_makes_no_sense_is_2_and_names_the_flag() {
    let place = Place::small();
    let failures = [
        &["list", "--from", "soon"][..],
        &["list", "--to", "2025-02-30"],
        &["list", "--id", "7"],
        &["list", "--not-priority", "urgent"],
        &["stats", "--group-by", "colour"],
        &["stats", "--period", "fortnight"],
        &["replay", "--speed", "0"],
    ];
    insta::assert_snapshot!(said(&place, &failures), @r#"
    ["list", "--from", "soon"]
    2
    error: --from: "soon" is no time
    hint: write 2026-11-20T23:44:30Z, 2026-11-20, today, yesterday, now, or a span ago such as 2h

    ["list", "--to", "2025-02-30"]
    2
    error: --to: "2025-02-30" is no time
    hint: write 2026-11-20T23:44:30Z, 2026-11-20, today, yesterday, now, or a span ago such as 2h

    ["list", "--id", "7"]
    2
    error: --id: "7" is not an event's id
    hint: an id is a UUID such as 0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d

    ["list", "--not-priority", "urgent"]
    2
    error: --not-priority: "urgent" is no priority
    hint: a priority is low, normal, high or critical

    ["stats", "--group-by", "colour"]
    2
    error: --group-by: events cannot be counted by "colour"
    hint: count by type, category, stream, source, session, hour, day, status or agent

    ["stats", "--period", "fortnight"]
    2
    error: --period: "fortnight" is no period
    hint: a period is today, a span such as 7d or 12h, or all

    ["replay", "--speed", "0"]
    2
    error: --speed: "0" is no speed
    hint: write 10x, 0.5x or max
    "#);
}

#[test]
fn wrong_words_are_2_and_similar_ones_are_proposed() {
    let place = Place::small();
    let failures = [
        "lst",
        "list --form json",
        "append task-1",
        "list --first 1 --last 1",
        "list --limit -1",
        "append --stdin a-1",
    ];
    let said = failures.map(|words| format!("{words}: {}", place.fails(words)));
    insta::assert_snapshot!(said.join("\n"), @"
    lst: 2
    error: unrecognized subcommand 'lst'

      tip: a similar subcommand exists: 'list'

    Usage: factlog [OPTIONS] <COMMAND>

    For more information, try '--help'.

    list --form json: 2
    error: unexpected argument '--form' found

      tip: a similar argument exists: '--from'

    Usage: factlog list --from <TIME|POSITION>

    For more information, try '--help'.

    append task-1: 2
    error: the following required arguments were not provided:
      <TYPE>

    Usage: factlog append <STREAM> <TYPE> [DATA]

    For more information, try '--help'.

    list --first 1 --last 1: 2
    error: the argument '--first <N>' cannot be used with '--last <N>'

    Usage: factlog list --first <N>

    For more information, try '--help'.

    list --limit -1: 2
    error: unexpected argument '-1' found

    Usage: factlog list [OPTIONS]

    For more information, try '--help'.

    append --stdin a-1: 2
    error: the argument '--stdin' cannot be used with '[STREAM]'

    Usage: factlog append --stdin [STREAM] [TYPE] [DATA]

    For more information, try '--help'.
    ");
}

#[test]
fn a_flag_that_asks_for_a_format_that_cannot_be_is_refused() {
    let place = Place::small();
    let failures = [
        "export --format table",
        "follow --format json",
        "append a-1 x --format csv",
        "append --stdin --format table",
        "stats --format cloudevents",
        "check --format cloudevents",
        "show 1 --format csv",
        "import jsonl - --format csv",
        "snapshot show a --format csv",
    ];
    let said = failures.map(|words| format!("{words}: {}", place.fails(words)));
    insta::assert_snapshot!(said.join("\n"), @"
    export --format table: 2
    error: export cannot write table
    hint: use --format jsonl, json, csv, cloudevents or agent-events

    follow --format json: 2
    error: follow cannot write json
    hint: use --format table, jsonl, csv, cloudevents or agent-events

    append a-1 x --format csv: 2
    error: append cannot write csv
    hint: use --format table, json or jsonl

    append --stdin --format table: 2
    error: append --stdin cannot write table
    hint: use --format jsonl

    stats --format cloudevents: 2
    error: stats cannot write cloudevents
    hint: use --format table, json, jsonl or csv

    check --format cloudevents: 2
    error: check cannot write cloudevents
    hint: use --format table, json, jsonl or csv

    show 1 --format csv: 2
    error: show cannot write csv
    hint: use --format table, json or jsonl

    import jsonl - --format csv: 2
    error: import cannot write csv
    hint: use --format table, json or jsonl

    snapshot show a --format csv: 2
    error: snapshot show cannot write csv
    hint: use --format table, json or jsonl
    ");
    assert_eq!(place.positions("list").len(), 6, "nothing was recorded");
}

#[test]
fn a_store_that_cannot_be_is_refused() {
    let place = Place::small();
    let failures = ["factlog.db", "sqlite:", "oracle:x", "memory:x", "sqlite:factlog.db?sync=off"];
    let said = failures.map(|url| format!("{url}: {}", place.fails(&format!("list --store {url}"))));
    insta::assert_snapshot!(said.join("\n"), @r#"
    factlog.db: 2
    error: "factlog.db" is not a log's URL
    hint: a log's URL is sqlite:PATH, jsonl:DIR, postgres://... or memory:, for example sqlite:factlog.db

    sqlite:: 2
    error: "sqlite:" names no place
    hint: a log's URL is sqlite:PATH, jsonl:DIR, postgres://... or memory:, for example sqlite:factlog.db

    oracle:x: 2
    error: "oracle" is no kind of log
    hint: a log's URL is sqlite:PATH, jsonl:DIR, postgres://... or memory:, for example sqlite:factlog.db

    memory:x: 2
    error: "memory:x": memory: takes no path and no settings
    hint: a log's URL is sqlite:PATH, jsonl:DIR, postgres://... or memory:, for example sqlite:factlog.db

    sqlite:factlog.db?sync=off: 2
    error: "sqlite:factlog.db?sync=off": "sync=off" is no setting of it, or not with that value
    hint: the settings are sync=full (the default) or sync=normal, index=lagging or index=real, lock_wait_ms=N and tail_events=N (up to 65,536)
    "#);
}
