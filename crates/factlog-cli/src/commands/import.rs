//! `factlog import`: other logs.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use factlog::{Error, EventLog, Result};
use factlog_adapters::detect::{Kind, detect};
use factlog_adapters::redact::Redactor;
use factlog_adapters::{
    Imported, Intake, Progress, agent_events, by_stream, claude_code, claude_flow, codex, gemini, jsonl,
    scopecraft,
};
use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use crate::cli::{ImportArgs, ImportFrom, ImportHow};
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Format, note, stdout};
use crate::state::State;

/// Rejected lines that are named on standard error; the result has more of them.
const REJECTED_SHOWN: usize = 20;
/// Files of no known format that are named.
const UNKNOWN_SHOWN: usize = 10;

pub(super) const FORMATS: [Format; 3] = [Format::Table, Format::Json, Format::Jsonl];

/// What to read, and how.
#[derive(Default)]
struct Job {
    files: Vec<(Kind, Vec<PathBuf>)>,
    with_progress: bool,
    with_repeats: bool,
    how: ImportHow,
}

pub(crate) async fn run(context: &Context, args: ImportArgs) -> Outcome {
    let format = context.format("import", &FORMATS)?;
    let job = job(args)?;
    let redactor = if job.how.no_redact { None } else { Some(redactor(context)?) };
    let log = context.open_or_create().await?;
    let bar = Bar::new();
    let imported = import(&log, &job, redactor.as_ref(), &bar).await;
    bar.finish();
    let imported = imported?;
    log.close().await?;
    print(&imported, format)?;
    if imported.rejected.is_empty() || job.how.lenient { Ok(()) } else { Err(Failure::Told(exit::FAILURE)) }
}

/// What takes the secrets out of agents' records.
pub(super) fn redactor(context: &Context) -> Result<Redactor> {
    let key = State::of(&|name| std::env::var_os(name)).redaction_key();
    Redactor::new(&context.settings.redact, key)
}

fn job(args: ImportArgs) -> Outcome<Job> {
    let of = |kind, paths, how| Job { files: vec![(kind, paths)], how, ..Job::default() };
    let job = match args.from {
        Some(ImportFrom::Jsonl { paths, lenient }) => {
            of(Kind::Jsonl, paths, ImportHow { lenient, ..ImportHow::default() })
        }
        Some(ImportFrom::ByStream { paths, lenient }) => {
            of(Kind::ByStream, paths, ImportHow { lenient, ..ImportHow::default() })
        }
        Some(ImportFrom::ClaudeFlow { paths, how }) => of(Kind::ClaudeFlow, paths, how.into()),
        Some(ImportFrom::ClaudeCode { paths, with_progress, how }) => {
            Job { with_progress, ..of(Kind::ClaudeCode, or_default(paths, Kind::ClaudeCode)?, how) }
        }
        Some(ImportFrom::Codex { paths, with_repeats, how }) => {
            Job { with_repeats, ..of(Kind::Codex, or_default(paths, Kind::Codex)?, how) }
        }
        Some(ImportFrom::Gemini { paths, how }) => of(Kind::Gemini, or_default(paths, Kind::Gemini)?, how),
        Some(ImportFrom::Scopecraft { paths, how }) => of(Kind::Scopecraft, paths, how.into()),
        Some(ImportFrom::AgentEvents { paths, how }) => of(Kind::AgentEvents, paths, how.into()),
        None => Job { files: found(&args.paths)?, ..of(Kind::Jsonl, Vec::new(), args.how) },
    };
    must_exist(job.files.iter().flat_map(|(_, paths)| paths))?;
    Ok(job)
}

/// The files of every format that is found under these paths.
fn found(paths: &[PathBuf]) -> Outcome<Vec<(Kind, Vec<PathBuf>)>> {
    if paths.is_empty() {
        return Err(Error::invalid("there is nothing to import")
            .with_hint("name a file, a folder or an agent: factlog import claude-code")
            .into());
    }
    must_exist(paths)?;
    let detected = detect(paths)?;
    if detected.files.is_empty() {
        return Err(Error::invalid("no file here has a format that is known")
            .with_hint("formats are those of Claude Code, Codex, Gemini CLI, Scopecraft, claude-flow, the inter-agent bus and `factlog export`")
            .into());
    }
    for path in detected.unknown.iter().take(UNKNOWN_SHOWN) {
        note(format_args!("note: {}: of no format that is known; passed over", path.display()));
    }
    if detected.unknown.len() > UNKNOWN_SHOWN {
        note(format_args!("note: … and {} more files", detected.unknown.len() - UNKNOWN_SHOWN));
    }
    Ok(detected.files.into_iter().collect())
}

async fn import(log: &EventLog, job: &Job, redactor: Option<&Redactor>, bar: &Bar) -> Result<Imported> {
    let mut all = Imported::default();
    for (kind, paths) in &job.files {
        let mut show = |progress: Progress<'_>| bar.show(&progress);
        let intake = Intake { progress: &mut show, redactor, again: job.how.again };
        let imported = match kind {
            Kind::ClaudeCode => {
                let options = claude_code::Options { with_progress: job.with_progress };
                claude_code::import(log, paths, options, intake).await?
            }
            Kind::Codex => {
                let options = codex::Options { with_repeats: job.with_repeats };
                codex::import(log, paths, options, intake).await?
            }
            Kind::Gemini => gemini::import(log, paths, intake).await?,
            // What other logs have recorded comes as it is.
            Kind::Scopecraft => scopecraft::import(log, paths, Intake { redactor: None, ..intake }).await?,
            Kind::AgentEvents => {
                agent_events::import(log, paths, Intake { redactor: None, ..intake }).await?
            }
            Kind::ClaudeFlow => claude_flow(log, paths, Intake { redactor: None, ..intake }).await?,
            Kind::ByStream => by_stream::import(log, paths, Intake { redactor: None, ..intake }).await?,
            Kind::Jsonl => jsonl::import(log, paths, Intake { redactor: None, ..intake }).await?,
        };
        all.add(imported);
    }
    Ok(all)
}

/// What claude-flow derives from its events is left out, and that is said.
async fn claude_flow(log: &EventLog, paths: &[PathBuf], intake: Intake<'_>) -> Result<Imported> {
    let imported = claude_flow::import(log, paths, intake).await?;
    if imported.skipped > 0 {
        let skipped = imported.skipped;
        note(format_args!("note: snapshots of claude-flow are derived from its events; left out: {skipped}"));
    }
    Ok(imported)
}

/// The paths that were named, or where the agent keeps its files.
pub(super) fn or_default(paths: Vec<PathBuf>, kind: Kind) -> Outcome<Vec<PathBuf>> {
    if !paths.is_empty() {
        return Ok(paths);
    }
    let env = |name: &str| -> Option<OsString> { std::env::var_os(name) };
    let (root, title, word) = match kind {
        Kind::Codex => (codex::default_root(env), "Codex", "codex"),
        Kind::Gemini => (gemini::default_root(env), "Gemini CLI", "gemini"),
        _ => (claude_code::default_root(env), "Claude Code", "claude-code"),
    };
    let name_it = format!("name their folder: factlog import {word} PATH");
    let root =
        root.ok_or_else(|| Error::invalid("there is no home folder to look in").with_hint(name_it.clone()))?;
    if root.is_dir() {
        return Ok(vec![root]);
    }
    let what = if word == "claude-code" { "transcripts" } else { "sessions" };
    Err(Error::not_found(format!("{title} has left no {what} at {}", root.display()))
        .with_hint(name_it)
        .into())
}

/// A misspelt path must not leave an empty log behind.
pub(super) fn must_exist<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let is_missing = |path: &&Path| path.as_os_str() != "-" && !path.exists();
    match paths.into_iter().map(PathBuf::as_path).find(is_missing) {
        None => Ok(()),
        Some(path) => Err(Error::not_found(format!("{}: no such file or folder", path.display()))
            .with_hint("check the spelling, and that the path is meant from the folder you are in")),
    }
}

pub(super) fn print(imported: &Imported, format: Format) -> Outcome {
    let mut out = stdout();
    if format == Format::Table {
        writeln!(out, "read        {:>10}", imported.read)?;
        writeln!(out, "appended    {:>10}", imported.appended)?;
        writeln!(out, "duplicates  {:>10}", imported.duplicates)?;
        writeln!(out, "skipped     {:>10}", imported.skipped)?;
        writeln!(out, "rejected    {:>10}", imported.rejected.len() as u64 + imported.rejected_more)?;
        if imported.redacted > 0 {
            writeln!(out, "redacted    {:>10}", imported.redacted)?;
        }
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
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new() -> Self {
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

    pub(super) fn show(&self, progress: &Progress<'_>) {
        if let Some(bar) = &self.0 {
            if let Some(total) = progress.bytes_total {
                bar.set_length(total);
            }
            bar.set_position(progress.bytes);
            bar.set_message(progress.file.to_owned());
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
