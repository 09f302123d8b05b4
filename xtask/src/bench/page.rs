//! The page of the benchmarks, made of a machine and its measurements and of nothing else.

use std::fmt::Write as _;

use serde::Deserialize;

use super::machine::Machine;
use super::table::{Base, table};
use super::talk;

/// The subjects that the others are compared with.
const BASES: [Base; 2] = [("factlog-sqlite", "sqlite ratio"), ("factlog-jsonl", "jsonl ratio")];
/// The same among those on a PostgreSQL server.
const SERVER_BASES: [Base; 1] = [("factlog-postgres", "postgres ratio")];

/// What is aimed at, by test.
const TARGETS: [(&str, &str); 7] = [
    (
        "append",
        "Targets: factlog-sqlite 0.95 / 1.3 / 1.3 of tephra with 1 / 8 / 64 writers; factlog-jsonl 1.0 / 1.2 / 2.0 of tephra with 1 / 8 / 64 writers, and 1.2 of raw-log-group with 64; \
         factlog-sqlite 0.9 of sqlite-loop with one.",
    ),
    ("append-batch", "Target: factlog-jsonl 1.2 of tephra."),
    (
        "growth",
        "A million events over 100,000 streams. The share is the rate of the last tenth to that of the first; the growth is that of the process, writers and all. \
         Target: 0.9 or more.",
    ),
    ("rebuild", "The share is that of a full read in the same run. Target: 0.5 or more."),
    ("lag", "Target: a p99 below 10,000 µs at about 10,000 events a second."),
    (
        "time-travel",
        "Target: what was remembered makes a look cost the events since, not those from the first on.",
    ),
    (
        "match",
        "The share is that of a plain read of the same events in the same run, and the growth that of the process from a quarter \
         of a pass to its end. Targets: 0.5 or more, and no growth with the log.",
    ),
];

/// What is aimed at on a PostgreSQL server.
const SERVER_TARGETS: [(&str, &str); 2] = [
    ("append", "Target: factlog-postgres with 64 writers 2.0 of pg-insert with 32."),
    ("read-all", "Target: factlog-postgres 0.55 of pg-copy."),
];

/// What the subjects on a PostgreSQL server have in common.
const ON_SERVER: &str = "\
A server of the benchmarks' own, with the settings that it comes with, on the same disk. `pg-insert` is one prepared INSERT
per event on a connection for each writer, `pg-unnest` one INSERT of many rows, and `pg-copy` is COPY in its binary format:
into a table of its own, and out of factlog's. These tables have factlog's columns and as many indexes.
A ratio is that of factlog-postgres to the row, and where it has none with so many writers, with the next more.
";

/// What a reader might take for granted.
const NOT_MEASURED: [&str; 6] = [
    "Other machines: these figures are of one machine, one disk and one file system.",
    "A power failure. A durable write is one whose system call returned; whether the disk keeps its word is its own matter.",
    "A network: where there is a server, its clients run on the same machine.",
    "Logs larger than the memory of the machine.",
    "Bodies of other sizes than 256 bytes.",
    "Neighbours: how the figures change when the machine has other work to do.",
];

/// One line of results. Further fields are for other readers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measurement {
    pub(super) subject: String,
    pub(super) test: String,
    pub(super) case: Option<String>,
    pub(super) writers: Option<u64>,
    pub(super) batch: Option<u64>,
    pub(super) ops_per_second: Option<f64>,
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) p999_us: Option<f64>,
    pub(super) share: Option<f64>,
    pub(super) grown_kib: Option<f64>,
}

/// The page, in Markdown.
pub(crate) fn render(machine: &Machine, measurements: &[Measurement]) -> String {
    let mut page = String::from("# Benchmarks\n\n");
    let Machine { processor, cores, system, compiler, day } = machine;
    // Writing to a string cannot fail.
    page += "Written by `cargo xtask bench`. Ratios are what counts: figures change with the machine, and here it was\n";
    let _ = writeln!(page, "{processor}, {cores} cores, {system}, Rust {compiler}, on {day} (UTC).\n");
    page += "A figure is the median of its runs, with the least and the greatest where there were several.\n";
    page +=
        "A ratio is that of factlog-sqlite, or of factlog-jsonl, to the row: above 1, factlog does more.\n";

    let (on_server, others): (Vec<_>, Vec<_>) =
        measurements.iter().partition(|measurement| is_on_server(&measurement.subject));
    let (of_talk, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|measurement| talk::TESTS.contains(&measurement.test.as_str()));
    page += &tests("##", &others, &BASES, &TARGETS);
    if !on_server.is_empty() {
        let _ = write!(page, "\n## PostgreSQL\n\n{ON_SERVER}");
        page += &tests("###", &on_server, &SERVER_BASES, &SERVER_TARGETS);
    }
    if !of_talk.is_empty() {
        let _ = write!(page, "\n## Agents that talk\n\n{}", talk::INTRODUCTION);
        page += &tests("###", &of_talk, &talk::BASES, &talk::FIGURES);
    }

    page += "\n## Not measured\n\n";
    for line in NOT_MEASURED {
        let _ = writeln!(page, "- {line}");
    }
    page
}

fn is_on_server(subject: &str) -> bool {
    subject.starts_with("factlog-postgres") || subject.starts_with("pg-")
}

/// A table for each test, in the order in which they were run.
fn tests(
    heading: &str,
    measurements: &[&Measurement],
    bases: &'static [Base],
    targets: &[(&str, &str)],
) -> String {
    let mut names: Vec<&str> = Vec::new();
    for measurement in measurements {
        if !names.contains(&measurement.test.as_str()) {
            names.push(&measurement.test);
        }
    }
    let mut text = String::new();
    for test in names {
        let of_test = measurements.iter().copied().filter(|measurement| measurement.test == test);
        let _ = write!(text, "\n{heading} {test}\n\n");
        if let Some((_, target)) = targets.iter().find(|(name, _)| *name == test) {
            let _ = writeln!(text, "{target}\n");
        }
        text += &table(of_test, bases);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"
{"subject":"raw-log","test":"append","writers":8,"opsPerSecond":1000,"p50Us":7.25,"p99Us":90,"seed":1}
{"subject":"factlog-sqlite","test":"append","writers":8,"opsPerSecond":3000,"p50Us":9,"p99Us":1234.5}
{"subject":"factlog-sqlite","test":"append","writers":8,"opsPerSecond":1000,"p50Us":9,"p99Us":1234.5}
{"subject":"factlog-sqlite","test":"append","writers":8,"opsPerSecond":1500,"p50Us":9,"p99Us":1234.5}
{"subject":"factlog-sqlite","test":"append","writers":1,"opsPerSecond":99.96}
{"subject":"tephra","test":"read-all","opsPerSecond":6500000}
{"subject":"factlog-sqlite","test":"rebuild","opsPerSecond":500000,"share":0.625}
{"subject":"factlog-postgres","test":"append","writers":8,"opsPerSecond":6000}
{"subject":"factlog-postgres","test":"append","writers":64,"opsPerSecond":20000}
{"subject":"pg-insert","test":"append","writers":8,"opsPerSecond":4000}
{"subject":"pg-insert","test":"append","writers":32,"opsPerSecond":8000}
{"subject":"factlog-postgres","test":"read-all","opsPerSecond":300000}
{"subject":"pg-copy","test":"read-all","opsPerSecond":400000}
{"subject":"factlog-sqlite","test":"time-travel","case":"with history","p50Us":700}
{"subject":"factlog-sqlite","test":"time-travel","case":"from nothing","p50Us":90000}
{"subject":"factlog-sqlite","test":"match","case":"two steps","opsPerSecond":300000,"share":0.8,"grownKib":-12}
{"subject":"factlog-sqlite","test":"messages","writers":16,"case":"1 in flight","opsPerSecond":500,"p50Us":900}
{"subject":"nats-core","test":"messages","writers":16,"case":"1 in flight","opsPerSecond":5000,"p50Us":90}
{"subject":"tokio-broadcast","test":"subscribers","opsPerSecond":1000000}
"#;

    const PAGE: &str = "\
# Benchmarks

Written by `cargo xtask bench`. Ratios are what counts: figures change with the machine, and here it was
A Processor, 2 cores, A Linux, Rust 1.95.0, on 2026-03-28 (UTC).

A figure is the median of its runs, with the least and the greatest where there were several.
A ratio is that of factlog-sqlite, or of factlog-jsonl, to the row: above 1, factlog does more.

## append

Targets: factlog-sqlite 0.95 / 1.3 / 1.3 of tephra with 1 / 8 / 64 writers; factlog-jsonl 1.0 / 1.2 / 2.0 of tephra with 1 / 8 / 64 writers, and 1.2 of raw-log-group with 64; factlog-sqlite 0.9 of sqlite-loop with one.

| subject | writers | ops/s | least–greatest | p50 µs | p99 µs | sqlite ratio |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| factlog-sqlite | 1 | 100.0 |  |  |  |  |
| factlog-sqlite | 8 | 1,500 | 1,000–3,000 | 9.0 | 1,234 |  |
| raw-log | 8 | 1,000 |  | 7.2 | 90.0 | 1.50 |

## read-all

| subject | ops/s |
| --- | ---: |
| tephra | 6,500,000 |

## rebuild

The share is that of a full read in the same run. Target: 0.5 or more.

| subject | ops/s | share |
| --- | ---: | ---: |
| factlog-sqlite | 500,000 | 0.62 |

## time-travel

Target: what was remembered makes a look cost the events since, not those from the first on.

| subject | case | p50 µs |
| --- | --- | ---: |
| factlog-sqlite | from nothing | 90,000 |
| factlog-sqlite | with history | 700 |

## match

The share is that of a plain read of the same events in the same run, and the growth that of the process from a quarter of a pass to its end. Targets: 0.5 or more, and no growth with the log.

| subject | case | ops/s | share | grown KiB |
| --- | --- | ---: | ---: | ---: |
| factlog-sqlite | two steps | 300,000 | 0.80 | -12 |

## PostgreSQL

A server of the benchmarks' own, with the settings that it comes with, on the same disk. `pg-insert` is one prepared INSERT
per event on a connection for each writer, `pg-unnest` one INSERT of many rows, and `pg-copy` is COPY in its binary format:
into a table of its own, and out of factlog's. These tables have factlog's columns and as many indexes.
A ratio is that of factlog-postgres to the row, and where it has none with so many writers, with the next more.

### append

Target: factlog-postgres with 64 writers 2.0 of pg-insert with 32.

| subject | writers | ops/s | postgres ratio |
| --- | ---: | ---: | ---: |
| factlog-postgres | 8 | 6,000 |  |
| pg-insert | 8 | 4,000 | 1.50 |
| pg-insert | 32 | 8,000 | 2.50 |
| factlog-postgres | 64 | 20,000 |  |

### read-all

Target: factlog-postgres 0.55 of pg-copy.

| subject | ops/s | postgres ratio |
| --- | ---: | ---: |
| factlog-postgres | 300,000 |  |
| pg-copy | 400,000 | 0.75 |

";

    const MESSAGES: &str = "\
| subject | case | writers | ops/s | p50 µs | sqlite ratio |
| --- | --- | ---: | ---: | ---: | ---: |
| factlog-sqlite | 1 in flight | 16 | 500 | 900 |  |
| nats-core | 1 in flight | 16 | 5,000 | 90.0 | 0.10 |
";

    #[test]
    fn the_page_shows_medians_spreads_and_ratios() {
        let measurements: Vec<Measurement> =
            LINES.trim().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let machine = Machine {
            processor: "A Processor".to_owned(),
            cores: 2,
            system: "A Linux".to_owned(),
            compiler: "1.95.0".to_owned(),
            day: "2026-03-28".to_owned(),
        };

        let page = render(&machine, &measurements);

        let (logs, talk) = page.split_once("## Agents that talk\n").unwrap();
        assert_eq!(logs, PAGE);
        let (talk, not_measured) = talk.split_once("## Not measured\n\n").unwrap();
        let (messages, subscribers) = talk.split_once("### subscribers\n").unwrap();
        assert!(messages.contains(MESSAGES), "{messages}");
        assert!(subscribers.contains("| tokio-broadcast | 1,000,000 |\n"), "{subscribers}");
        assert_eq!(not_measured.lines().count(), NOT_MEASURED.len());
    }
}
