//! Measures factlog beside bare SQLite, bare PostgreSQL, raw files and other logs: the same work for each, in turns, on one disk.
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
    if let Some(options) = Options::parse(std::env::args().skip(1))? {
        return runs::all(options);
    }
    print!("{HELP}");
    Ok(())
}
