//! `cargo xtask`: the checks, tests and benchmarks of this repository.
//!
//! A Rust toolchain is all it needs. A tool that would make more possible and is not installed is named, and
//! the rest goes on; where `CI=true` is set, what is missing is a failure.

mod bench;
mod check;
mod fuzz;
mod mcp_sdk;
mod nats;
mod readme;
mod servers;
mod step;
mod test;

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

const HELP: &str = "\
The chores of this repository.

Usage: cargo xtask COMMAND

  check             formatting, lints, documentation, house rules, dependencies
  test              check, then documentation tests, the commands of the pages, and every test
  test -- ARGS      only the test runner, which is given ARGS (a part of a test's name, say)
  readme            run the commands shown in README.md and docs/
  postgres          start PostgreSQL and PgBouncer for tests that are run by hand, until Ctrl-C
  bench             measure, and write docs/benchmarks.md
    --only SUBJECT,...   only these subjects
    --test NAME,...      only these tests
    --seconds N          how long each measurement lasts
    --from FILE          measure nothing: write the page from these result lines
  fuzz [TARGET...]  give all readers of bytes, or these, bytes of all kinds (needs a nightly toolchain)
    --seconds N          how long each target runs (60)
  help              this text
";

fn main() -> ExitCode {
    step_aside();
    let arguments: Vec<String> = env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["check"] => check::run(),
        ["test"] => test::run(),
        ["test", "--", passed_on @ ..] => test::only_runner(passed_on),
        ["readme"] => readme::run(),
        ["postgres"] => servers::run(),
        ["bench", options @ ..] => bench::run(options),
        ["fuzz", options @ ..] => fuzz::run(options),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        unknown => bail!("`cargo xtask {}` is not a command\n\n{HELP}", unknown.join(" ")),
    }
}

/// Windows lets nobody replace a program that runs, but lets it be renamed; and the tests build this one again.
#[cfg(windows)]
fn step_aside() {
    if let Ok(running) = env::current_exe() {
        // Should it fail, the build that cannot replace the program says so.
        let _ = std::fs::rename(&running, running.with_extension("running.exe"));
    }
}

#[cfg(not(windows))]
fn step_aside() {}
