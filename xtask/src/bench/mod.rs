//! `cargo xtask bench`: runs the benchmarks, keeps their result lines, and writes the page that shows them.

mod machine;
mod table;
mod page;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use machine::Machine;
use page::Measurement;

use crate::step;

/// The result lines of the last run.
const LINES: &str = "target/bench.jsonl";

/// The page the results are shown on.
const PAGE: &str = "docs/benchmarks.md";

/// Measures, or takes the lines of an earlier run with `--from FILE`, and writes the page.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let lines = match options {
        ["--from", file] => kept(Path::new(file))?,
        options => measured(options)?,
    };
    let measurements = measurements(&lines)?;
    let page = page::render(&Machine::this()?, &measurements);
    let path = step::root().join(PAGE);
    fs::create_dir_all(path.with_file_name(""))
        .with_context(|| format!("cannot make the folder of {PAGE}"))?;
    fs::write(path, page).with_context(|| format!("cannot write {PAGE}"))?;
    eprintln!("{} results: {PAGE}", measurements.len());
    Ok(())
}

fn kept(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn measured(options: &[&str]) -> Result<Vec<String>> {
    for option in options.chunks(2) {
        match option {
            ["--only" | "--test" | "--seconds", _] | [] => {}
            [name @ ("--only" | "--test" | "--seconds")] => bail!("{name} needs a value"),
            [unknown, ..] => bail!("{unknown} is no option of bench\nhint: cargo xtask help"),
        }
    }
    if !step::root().join("bench/Cargo.toml").exists() {
        bail!("bench/Cargo.toml is not there: there is nothing to measure with");
    }
    let program = ["run", "--release", "--manifest-path", "bench/Cargo.toml", "--"];
    let lines = step::capture("benchmarks", step::cargo(program).args(options))?;
    let path = step::root().join(LINES);
    fs::create_dir_all(path.with_file_name(""))
        .with_context(|| format!("cannot make the folder of {LINES}"))?;
    fs::write(path, lines.join("\n") + "\n").with_context(|| format!("cannot write {LINES}"))?;
    Ok(lines)
}

fn measurements(lines: &[String]) -> Result<Vec<Measurement>> {
    let lines = lines.iter().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a result line: {line}")))
        .collect()
}
