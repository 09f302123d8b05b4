//! `cargo xtask bench`: runs the benchmarks, keeps their result lines, and writes the page that shows them.

mod machine;
mod table;
mod talk;
mod page;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use machine::Machine;
use page::Measurement;

use crate::{nats, step};

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
    let nats = if has_nats(options) { nats::provide()? } else { None };
    let program = ["run", "--release", "--manifest-path", "bench/Cargo.toml", "--"];
    let lines = step::capture(
        "benchmarks",
        step::cargo(program).args(options).envs(nats.map(|program| (nats::VARIABLE, program))),
    )?;
    let path = step::root().join(LINES);
    fs::create_dir_all(path.with_file_name(""))
        .with_context(|| format!("cannot make the folder of {LINES}"))?;
    fs::write(path, lines.join("\n") + "\n").with_context(|| format!("cannot write {LINES}"))?;
    Ok(lines)
}

/// Whether something is to be measured beside NATS.
fn has_nats(options: &[&str]) -> bool {
    let named = |option: &str| {
        let place = options.iter().step_by(2).position(|name| *name == option)?;
        Some(options.get(2 * place + 1)?.split(','))
    };
    named("--only").is_none_or(|mut subjects| subjects.any(|subject| subject == talk::NATS))
        && named("--test").is_none_or(|mut tests| tests.any(|test| talk::TESTS.contains(&test)))
}

fn measurements(lines: &[String]) -> Result<Vec<Measurement>> {
    let lines = lines.iter().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a result line: {line}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_nats_is_fetched_only_to_be_measured() {
        assert!(has_nats(&[]));
        assert!(has_nats(&["--seconds", "2", "--test", "append,requests"]));
        assert!(has_nats(&["--test", "messages", "--only", "factlog-sqlite,nats-core"]));
        assert!(!has_nats(&["--test", "append,open"]));
        assert!(!has_nats(&["--only", "factlog-sqlite", "--test", "messages"]));
    }
}
