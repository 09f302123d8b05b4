//! The page of the benchmarks, made of a machine and its measurements and of nothing else.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;

use super::machine::Machine;

/// The subjects that the others are compared with, and the names of the columns for that.
const BASES: [(&str, &str); 2] = [("factlog-sqlite", "sqlite ratio"), ("factlog-jsonl", "jsonl ratio")];
const COLUMNS: usize = 11;

/// What is aimed at, by test.
const TARGETS: [(&str, &str); 5] = [
    (
        "append",
        "Targets: factlog-jsonl 1.0 / 1.2 / 2.0 of tephra with 1 / 8 / 64 writers, and 1.2 of raw-log-group with 64; \
         factlog-sqlite 0.9 of sqlite-loop with one.",
    ),
    ("append-batch", "Target: factlog-jsonl 1.2 of tephra."),
    ("rebuild", "The share is that of a full read in the same run. Target: 0.5 or more."),
    ("lag", "Target: a p99 below 10,000 µs at about 10,000 events a second."),
    (
        "time-travel",
        "Target: what was remembered makes a look cost the events since, not those from the first on.",
    ),
];

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
    subject: String,
    test: String,
    case: Option<String>,
    writers: Option<u64>,
    batch: Option<u64>,
    ops_per_second: Option<f64>,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    share: Option<f64>,
}

/// The runs of one subject under one load.
#[derive(Default)]
struct Runs {
    ops_per_second: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    share: Vec<f64>,
}

/// The load and the case, then the subject: the order of the rows.
type Row = (Option<u64>, Option<u64>, Option<String>, String);

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

    let mut tests: Vec<&str> = Vec::new();
    for measurement in measurements {
        if !tests.contains(&measurement.test.as_str()) {
            tests.push(&measurement.test);
        }
    }
    for test in tests {
        let of_test = measurements.iter().filter(|measurement| measurement.test == test);
        let _ = write!(page, "\n## {test}\n\n");
        if let Some((_, target)) = TARGETS.iter().find(|(name, _)| *name == test) {
            let _ = writeln!(page, "{target}\n");
        }
        page += &table(&rows(of_test));
    }

    page += "\n## Not measured\n\n";
    for line in NOT_MEASURED {
        let _ = writeln!(page, "- {line}");
    }
    page
}

fn rows<'a>(measurements: impl Iterator<Item = &'a Measurement>) -> BTreeMap<Row, Runs> {
    let mut rows: BTreeMap<Row, Runs> = BTreeMap::new();
    for measurement in measurements {
        let Measurement { writers, batch, case, subject, .. } = measurement.clone();
        let row = (writers, batch, case, subject);
        let runs = rows.entry(row).or_default();
        runs.ops_per_second.extend(measurement.ops_per_second);
        runs.p50_us.extend(measurement.p50_us);
        runs.p99_us.extend(measurement.p99_us);
        runs.share.extend(measurement.share);
    }
    rows
}

/// A table with the columns that have something in them; the subject is on the left, figures on the right.
fn table(rows: &BTreeMap<Row, Runs>) -> String {
    let names = [
        "subject",
        "case",
        "writers",
        "batch",
        "ops/s",
        "least–greatest",
        "p50 µs",
        "p99 µs",
        "share",
        BASES[0].1,
        BASES[1].1,
    ];
    let cells: Vec<[String; COLUMNS]> = rows.iter().map(|(row, runs)| cells(row, runs, rows)).collect();
    let used: Vec<usize> =
        (0..names.len()).filter(|column| cells.iter().any(|row| !row[*column].is_empty())).collect();

    let line = |cell: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = used.iter().map(|column| cell(*column)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut table = line(&|column| names[column].to_owned());
    table += &line(&|column| if column < 2 { "---" } else { "---:" }.to_owned());
    for row in &cells {
        table += &line(&|column| row[column].clone());
    }
    table
}

fn cells(row: &Row, runs: &Runs, rows: &BTreeMap<Row, Runs>) -> [String; COLUMNS] {
    let (writers, batch, case, subject) = row;
    let rate = median(&runs.ops_per_second);
    let ratio = |(base, _): (&str, &str)| {
        let runs = rows.get(&(*writers, *batch, case.clone(), base.to_owned()));
        match (runs.and_then(|runs| median(&runs.ops_per_second)), rate) {
            (Some(base_rate), Some(rate)) if subject != base && rate > 0.0 => {
                format!("{:.2}", base_rate / rate)
            }
            _ => String::new(),
        }
    };
    let count = |count: &Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let shown = |figure: Option<f64>| figure.map(figure_text).unwrap_or_default();
    [
        subject.clone(),
        case.clone().unwrap_or_default(),
        count(writers),
        count(batch),
        shown(rate),
        spread(&runs.ops_per_second),
        shown(median(&runs.p50_us)),
        shown(median(&runs.p99_us)),
        median(&runs.share).map(|share| format!("{share:.2}")).unwrap_or_default(),
        ratio(BASES[0]),
        ratio(BASES[1]),
    ]
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(figures: &[f64]) -> Option<f64> {
    let figures = sorted(figures);
    let upper = *figures.get(figures.len() / 2)?;
    let lower = *figures.get((figures.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

fn spread(figures: &[f64]) -> String {
    match sorted(figures).as_slice() {
        [least, .., greatest] => format!("{}–{}", figure_text(*least), figure_text(*greatest)),
        _ => String::new(),
    }
}

/// A small figure keeps one decimal; a large one is written whole, its thousands apart.
fn figure_text(figure: f64) -> String {
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
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
{"subject":"factlog-sqlite","test":"time-travel","case":"with history","p50Us":700}
{"subject":"factlog-sqlite","test":"time-travel","case":"from nothing","p50Us":90000}
"#;

    const PAGE: &str = "\
# Benchmarks

Written by `cargo xtask bench`. Ratios are what counts: figures change with the machine, and here it was
A Processor, 2 cores, A Linux, Rust 1.95.0, on 2026-03-28 (UTC).

A figure is the median of its runs, with the least and the greatest where there were several.
A ratio is that of factlog-sqlite, or of factlog-jsonl, to the row: above 1, factlog does more.

## append

Targets: factlog-jsonl 1.0 / 1.2 / 2.0 of tephra with 1 / 8 / 64 writers, and 1.2 of raw-log-group with 64; factlog-sqlite 0.9 of sqlite-loop with one.

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

## Not measured

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

        let (shown, not_measured) = page.split_at(PAGE.len());
        assert_eq!(shown, PAGE);
        assert_eq!(not_measured.lines().count(), NOT_MEASURED.len());
    }

    #[test]
    fn the_median_of_an_even_number_of_runs_lies_between_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }
}
