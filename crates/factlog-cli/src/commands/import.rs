//! `factlog import`: other logs.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use factlog::{Error, Result};
use factlog_adapters::{Imported, Progress, claude_code, jsonl};
use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use crate::cli::{ImportArgs, ImportFrom};
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Format, note, stdout};

/// Rejected lines that are named on standard error; the result has more of them.
const REJECTED_SHOWN: usize = 20;

const NAME_IT: &str = "name their folder: factlog import claude-code PATH";

pub(crate) async fn run(context: &Context, args: ImportArgs) -> Outcome {
    let format = context.format("import", &[Format::Table, Format::Json, Format::Jsonl])?;
    let (imported, lenient) = match args.from {
        ImportFrom::Jsonl { paths, lenient } => {
            must_exist(&paths)?;
            let log = context.open_or_create().await?;
            let bar = Bar::new();
            let imported = jsonl::import(&log, &paths, &mut |progress| bar.show(&progress)).await;
            bar.finish();
            let imported = imported?;
            log.close().await?;
            (imported, lenient)
        }
        ImportFrom::ClaudeCode { paths, with_progress, lenient } => {
            let paths = if paths.is_empty() { vec![default_root()?] } else { paths };
            must_exist(&paths)?;
            let options = claude_code::Options { with_progress };
            let log = context.open_or_create().await?;
            let bar = Bar::new();
            let imported =
                claude_code::import(&log, &paths, options, &mut |progress| bar.show(&progress)).await;
            bar.finish();
            let imported = imported?;
            log.close().await?;
            (imported, lenient)
        }
    };
    print(&imported, format)?;
    if imported.rejected.is_empty() || lenient { Ok(()) } else { Err(Failure::Told(exit::FAILURE)) }
}

fn default_root() -> Outcome<PathBuf> {
    let root = claude_code::default_root(|name| std::env::var_os(name));
    let root = root.ok_or_else(|| Error::invalid("there is no home folder to look in").with_hint(NAME_IT))?;
    if root.is_dir() {
        return Ok(root);
    }
    Err(Error::not_found(format!("Claude Code has left no transcripts at {}", root.display()))
        .with_hint(NAME_IT)
        .into())
}

/// A misspelt path must not leave an empty log behind.
fn must_exist(paths: &[PathBuf]) -> Result<()> {
    match paths.iter().find(|path| path.as_os_str() != "-" && !path.exists()) {
        None => Ok(()),
        Some(path) => Err(Error::not_found(format!("{}: no such file or folder", path.display()))
            .with_hint("check the spelling, and that the path is meant from the folder you are in")),
    }
}

fn print(imported: &Imported, format: Format) -> Outcome {
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "read        {:>10}", imported.read)?;
        writeln!(out, "appended    {:>10}", imported.appended)?;
        writeln!(out, "duplicates  {:>10}", imported.duplicates)?;
        writeln!(out, "skipped     {:>10}", imported.skipped)?;
        writeln!(out, "rejected    {:>10}", imported.rejected.len() as u64 + imported.rejected_more)?;
        writeln!(out, "streams     {:>10}", imported.streams)?;
    } else {
        writeln!(out, "{}", serde_json::to_string(imported)?)?;
    }
    out.flush()?;
    for rejected in imported.rejected.iter().take(REJECTED_SHOWN) {
        note(format_args!("{}:{}: {}", rejected.file, rejected.line, rejected.reason));
    }
    let more =
        (imported.rejected.len() as u64 + imported.rejected_more).saturating_sub(REJECTED_SHOWN as u64);
    if more > 0 {
        note(format_args!("… and {more} more rejected lines"));
    }
    if imported.pending > 0 {
        note(format_args!("note: half-written last lines, left for the next run: {}", imported.pending));
    } else if imported.read == 0 {
        note("note: there was nothing to import");
    }
    Ok(())
}

/// A bar on a terminal, and nothing elsewhere.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new() -> Self {
        let shown = std::io::stderr().is_terminal();
        Self(shown.then(|| {
            let bar = ProgressBar::no_length();
            if let Ok(style) =
                ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}")
            {
                bar.set_style(style);
            }
            bar
        }))
    }

    fn show(&self, progress: &Progress<'_>) {
        if let Some(bar) = &self.0 {
            if let Some(total) = progress.bytes_total {
                bar.set_length(total);
            }
            bar.set_position(progress.bytes);
            bar.set_message(progress.file.to_owned());
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
