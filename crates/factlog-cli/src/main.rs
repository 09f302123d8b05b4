//! The command `factlog`: it parses, dispatches and exits.

mod cli;
mod commands;
mod demo_events;
mod docs;
mod failure;
mod filter_args;
mod flag;
mod logs;
mod output;
mod person_time;
mod retention_rules;
mod settings;
mod state;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && is_hook() => {
            // An agent takes the exit code of bad usage for a refusal, and stops.
            commands::hook::refused(&error.to_string());
            return ExitCode::SUCCESS;
        }
        Err(error) => error.exit(),
    };
    if let cli::Command::Hook(args) = &cli.command {
        commands::hook::run(args, cli.store.as_deref());
        return ExitCode::SUCCESS;
    }
    logs::start(&cli);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(commands::run(cli));
            // A read that is still going on in the background is not waited for.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(failure::Failure::from(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Whether this was to be `factlog hook`.
fn is_hook() -> bool {
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        if word == "--store" || word == "--format" {
            words.next();
        } else if !word.to_string_lossy().starts_with('-') {
            return word == "hook";
        }
    }
    false
}
