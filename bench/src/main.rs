//! Measures factlog beside bare SQLite, bare PostgreSQL, raw files, other logs and what carries messages: the same work for
//! each, in turns, on one disk.
//!
//! Each run gets a fresh log and checks what came of it: a subject that loses an event, or gives back another one,
//! ends the program. `cargo xtask bench` runs this and writes docs/benchmarks.md.

mod options;
mod test;
mod workload;
mod subjects;
mod server;
mod disk;
mod measure;
mod tasks;
mod talk;
mod runs;

use std::process::ExitCode;

use anyhow::Result;

use crate::options::{HELP, Options};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, arguments @ ..] = arguments.as_slice()
        && role == talk::ROLE
    {
        return talk::run_child(arguments);
    }
    if let Some(options) = Options::parse(arguments.into_iter())? {
        return runs::all(options);
    }
    print!("{HELP}");
    Ok(())
}
