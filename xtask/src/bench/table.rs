//! Tables of measurements: medians, spreads, and ratios to some of the subjects.

use std::collections::BTreeMap;

use super::page::Measurement;

/// A subject that the others are compared with, and the name of the column for that.
pub(super) type Base = (&'static str, &'static str);

/// The runs of one subject under one load.
#[derive(Default)]
struct Runs {
    ops_per_second: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    p999_us: Vec<f64>,
    share: Vec<f64>,
    grown_kib: Vec<f64>,
}

/// The load and the case, then the subject: the order of the rows.
type Row = (Option<u64>, Option<u64>, Option<String>, String);
type Rows = BTreeMap<Row, Runs>;

/// A table with the columns that have something in them; the subject is on the left, figures on the right.
pub(super) fn table<'a>(
    measurements: impl Iterator<Item = &'a Measurement>,
    bases: &'static [Base],
) -> String {
    let rows = rows(measurements);
    let mut names = vec![
        "subject",
        "case",
        "writers",
        "batch",
        "ops/s",
        "least–greatest",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "share",
        "grown KiB",
    ];
    names.extend(bases.iter().map(|(_, name)| *name));
    let cells: Vec<Vec<String>> = rows.iter().map(|(row, runs)| cells(row, runs, &rows, bases)).collect();
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

fn rows<'a>(measurements: impl Iterator<Item = &'a Measurement>) -> Rows {
    let mut rows = Rows::new();
    for measurement in measurements {
        let Measurement { writers, batch, case, subject, .. } = measurement.clone();
        let row = (writers, batch, case, subject);
        let runs = rows.entry(row).or_default();
        runs.ops_per_second.extend(measurement.ops_per_second);
        runs.p50_us.extend(measurement.p50_us);
        runs.p99_us.extend(measurement.p99_us);
        runs.p999_us.extend(measurement.p999_us);
        runs.share.extend(measurement.share);
        runs.grown_kib.extend(measurement.grown_kib);
    }
    rows
}

fn cells(row: &Row, runs: &Runs, rows: &Rows, bases: &'static [Base]) -> Vec<String> {
    let (writers, batch, case, subject) = row;
    let rate = median(&runs.ops_per_second);
    let count = |count: &Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    let shown = |figure: Option<f64>| figure.map(figure_text).unwrap_or_default();
    let mut cells = vec![
        subject.clone(),
        case.clone().unwrap_or_default(),
        count(writers),
        count(batch),
        shown(rate),
        spread(&runs.ops_per_second),
        shown(median(&runs.p50_us)),
        shown(median(&runs.p99_us)),
        shown(median(&runs.p999_us)),
        median(&runs.share).map(|share| format!("{share:.2}")).unwrap_or_default(),
        median(&runs.grown_kib).map(|grown| format!("{grown:.0}")).unwrap_or_default(),
    ];
    cells.extend(bases.iter().map(|(base, _)| match (rate, rate_of(base, row, rows)) {
        (Some(rate), Some(base_rate)) if subject != base && rate > 0.0 => ratio_text(base_rate / rate),
        _ => String::new(),
    }));
    cells
}

/// What a base did under the load of a row, or with the next more writers that it was measured with.
fn rate_of(base: &str, (writers, batch, case, _): &Row, rows: &Rows) -> Option<f64> {
    let (_, runs) = rows.iter().find(|((of_writers, of_batch, of_case, of), _)| {
        of == base && of_writers >= writers && of_batch == batch && of_case == case
    })?;
    median(&runs.ops_per_second)
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

/// A ratio keeps two decimals, and a very small one two digits.
fn ratio_text(ratio: f64) -> String {
    let zeros = if ratio > 0.0 { (-ratio.log10()).floor().max(0.0) } else { 0.0 };
    format!("{ratio:.*}", if zeros < 2.0 { 2 } else { zeros as usize + 2 })
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

    #[test]
    fn a_small_ratio_is_told_from_none_at_all() {
        let texts = [19.354, 0.614, 0.0143, 0.00597, 0.000_146, 0.0].map(ratio_text);
        assert_eq!(texts, ["19.35", "0.61", "0.01", "0.0060", "0.00015", "0.00"]);
    }

    #[test]
    fn the_median_of_an_even_number_of_runs_lies_between_two() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }
}
