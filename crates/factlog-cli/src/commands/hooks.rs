//! `factlog hooks`: agents record what they do, or no longer.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use factlog::{Error, Result};
use factlog_adapters::hook::Agent;
use factlog_adapters::hooks::{self, Scope};
use factlog_stores::StoreUrl;
use serde::Serialize;
use serde_json::json;
use similar::TextDiff;

use super::Context;
use crate::cli::{HooksAction, HooksArgs, HooksWhere};
use crate::failure::{Failure, Outcome};
use crate::output::{Format, Listing, note, stdout};

/// What a settings file is called that is kept as it was before.
const BACKUP_ENDING: &str = ".before-factlog";

/// One file of settings, and what became of it.
struct Settings {
    agent: Agent,
    path: PathBuf,
}

/// What a file is to become.
enum Change {
    None,
    /// To this text.
    Write(String),
    /// To what it was before, which is in the backup.
    Restore(Vec<u8>),
    /// It was not there before.
    Remove,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    agent: &'static str,
    path: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn run(context: &Context, args: &HooksArgs) -> Outcome {
    match &args.action {
        HooksAction::Install { where_, dry_run, all_events } => {
            let command = |agent| command(context, agent);
            let change = |settings: &Settings| install(settings, &command(settings.agent)?, *all_events);
            apply(context, where_, *dry_run, &change, "installed")
        }
        HooksAction::Uninstall { where_, dry_run } => apply(context, where_, *dry_run, &uninstall, "removed"),
        HooksAction::Status { where_ } => status(context, where_),
    }
}

fn env(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// The files that the flags mean.
fn meant(args: &HooksWhere) -> Result<Vec<Settings>> {
    let named = [args.claude, args.codex, args.gemini];
    let chosen: Vec<Agent> =
        Agent::ALL.into_iter().zip(named).filter_map(|(agent, named)| named.then_some(agent)).collect();
    let here =
        std::env::current_dir().map_err(|cause| Error::unavailable(format!("this folder: {cause}")))?;
    let mut found = Vec::new();
    for agent in Agent::ALL {
        let home = hooks::folder(agent, env).ok_or_else(|| {
            Error::not_found("there is no home folder").with_hint("set HOME, or use --project")
        });
        let is_here = home.as_ref().is_ok_and(|home| home.is_dir());
        if !chosen.contains(&agent) && (!chosen.is_empty() || !is_here) {
            continue;
        }
        let path = if args.project {
            hooks::file(agent, Scope::Project, &here)
        } else {
            hooks::file(agent, Scope::User, &home?)
        };
        found.push(Settings { agent, path });
    }
    if found.is_empty() {
        return Err(Error::not_found("no agent has left its folder here")
            .with_hint("name one: factlog hooks install --claude (or --codex, --gemini)"));
    }
    Ok(found)
}

/// The command that an agent is to run; it names the program and the log in full, because agents work in any folder.
fn command(context: &Context, agent: Agent) -> Result<String> {
    let program = std::env::current_exe()
        .map_err(|cause| Error::unavailable(format!("where factlog itself is: {cause}")))?;
    if context.settings.has_password {
        return Err(Error::invalid("the password of the log would stand in the agents' settings")
            .with_hint("leave it out of --store and set POSTGRES_PASSWORD where the agents run"));
    }
    let url = absolute(&context.settings.bare_url())?;
    Ok(format!("{} hook --agent {} --store {}", quoted(&plain_path(&program)), agent.name(), quoted(&url)))
}

fn absolute(url: &str) -> Result<String> {
    let (kind, place) = match url.parse()? {
        StoreUrl::Sqlite(options) => ("sqlite", options.path),
        StoreUrl::Jsonl(options) => ("jsonl", options.path),
        StoreUrl::Postgres(_) => return Ok(url.to_owned()),
        StoreUrl::Memory => {
            return Err(Error::invalid(format!("hooks cannot record into {url}: it ends with each process"))
                .with_hint("use --store sqlite:PATH"));
        }
    };
    let path = std::path::absolute(&place).map_err(|cause| Error::invalid(format!("{url}: {cause}")))?;
    let settings = url.split_once('?').map(|(_, settings)| format!("?{settings}")).unwrap_or_default();
    let whole = format!("{kind}:{}{settings}", plain_path(&path));
    // A path with a question mark would be read as settings.
    let again = match whole.parse() {
        Ok(StoreUrl::Sqlite(options)) => Some(options.path),
        Ok(StoreUrl::Jsonl(options)) => Some(options.path),
        _ => None,
    };
    if again.is_some_and(|again| again == Path::new(&plain_path(&path))) {
        return Ok(whole);
    }
    Err(Error::invalid(format!("{} cannot stand in a log's URL", path.display()))
        .with_hint(format!("use a path without question marks: --store {kind}:PATH")))
}

/// Shells of other systems take a backslash for a sign of their own; Windows takes both slashes.
fn plain_path(path: &Path) -> String {
    let path = path.display().to_string();
    if cfg!(windows) { path.replace('\\', "/") } else { path }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:=+@%,\\".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) && (cfg!(windows) || !word.contains('\\')) {
        return word.to_owned();
    }
    if cfg!(windows) { format!("\"{word}\"") } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The text of a settings file; none where there is no file.
fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Error::invalid(format!("{}: not UTF-8; it was left as it is", path.display()))),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::denied(format!("{}: {cause}", path.display())).with_cause(cause)),
    }
}

fn backup_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(BACKUP_ENDING);
    PathBuf::from(name)
}

fn install(settings: &Settings, command: &str, all: bool) -> Result<Change> {
    let text = read(&settings.path)?;
    let before = text.as_deref().unwrap_or("{}\n");
    let after = hooks::install(settings.agent, before, command, all)?;
    Ok(if text.as_deref() == Some(after.as_str()) { Change::None } else { Change::Write(after) })
}

/// A file that is still as an installation left it becomes what it was before; from any other only our entries go.
fn uninstall(settings: &Settings) -> Result<Change> {
    let Some(text) = read(&settings.path)? else { return Ok(Change::None) };
    let ours = hooks::installed(&text)?;
    let Some((_, command)) = ours.first() else { return Ok(Change::None) };
    if let Ok(Some(backup)) = read(&backup_of(&settings.path)) {
        // An empty backup stands for a file that was not there: an empty file is refused by an installation.
        let before = if backup.is_empty() { "{}\n" } else { backup.as_str() };
        let again =
            |all| hooks::install(settings.agent, before, command, all).is_ok_and(|again| again == text);
        if again(false) || again(true) {
            return Ok(if backup.is_empty() { Change::Remove } else { Change::Restore(backup.into_bytes()) });
        }
    }
    hooks::uninstall(&text).map(Change::Write)
}

fn apply(
    context: &Context,
    args: &HooksWhere,
    dry_run: bool,
    change: &dyn Fn(&Settings) -> Result<Change>,
    word: &'static str,
) -> Outcome {
    let format = context.format("hooks", &[Format::Table, Format::Json])?;
    let mut done = Vec::new();
    let mut failed = None;
    for settings in meant(args)? {
        let changed = change(&settings)
            .and_then(|change| one(&settings, change, dry_run, format, word))
            .map_err(|error| error.context(settings.path.display()));
        let (outcome, error) = match changed {
            Ok(outcome) => (outcome, None),
            Err(error) => {
                let told = error.to_string();
                failed.get_or_insert(error);
                ("failed", Some(told))
            }
        };
        let path = settings.path.display().to_string();
        done.push(Done { agent: settings.agent.name(), path, outcome, error });
    }
    print(&done, format)?;
    failed.map_or(Ok(()), |error| Err(Failure::Error(error)))
}

/// Changes one file, and shows what changes.
fn one(
    settings: &Settings,
    change: Change,
    dry_run: bool,
    format: Format,
    word: &'static str,
) -> Result<&'static str> {
    let path = &settings.path;
    let before = read(path)?;
    let after = match &change {
        Change::None => return Ok("unchanged"),
        Change::Write(text) => text.clone(),
        Change::Restore(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Change::Remove => String::new(),
    };
    if dry_run {
        if format == Format::Table {
            show(path, before.as_deref().unwrap_or(""), &after);
        }
        return Ok("would change");
    }
    let failed = |cause: std::io::Error| Error::denied(cause.to_string()).with_cause(cause);
    if fs::metadata(path).is_ok_and(|about| about.permissions().readonly()) {
        return Err(Error::denied("the file is read-only; it was left as it is")
            .with_hint("make it writable, or change it by hand: --dry-run shows how"));
    }
    let backup = backup_of(path);
    match change {
        Change::Remove => fs::remove_file(path).and_then(|()| fs::remove_file(&backup)).map_err(failed)?,
        Change::Restore(bytes) => {
            write(path, &bytes).and_then(|()| fs::remove_file(&backup)).map_err(failed)?;
        }
        _ => {
            let has_ours = before.as_deref().and_then(|text| hooks::installed(text).ok());
            if has_ours.is_none_or(|ours| ours.is_empty()) {
                keep_backup(path, &backup, before.as_deref()).map_err(failed)?;
            }
            write(path, after.as_bytes()).map_err(failed)?;
        }
    }
    if settings.agent == Agent::Codex && !after.is_empty() {
        note("note: Codex runs new hooks only once you have trusted them: type /hooks in it");
    }
    if format == Format::Table {
        tell(before.as_deref().unwrap_or("{}"), &after);
    }
    Ok(word)
}

/// Says which hooks came and went.
fn tell(before: &str, after: &str) {
    let of = |text: &str| hooks::installed(text).unwrap_or_default();
    let (before, after) = (of(before), of(if after.is_empty() { "{}" } else { after }));
    let names = |of: &[(String, String)], other: &[(String, String)]| {
        let names = of.iter().filter(|hook| !other.contains(hook)).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    match after.first() {
        Some((_, command)) => note(format_args!("{} now run\n  {command}", names(&after, &before))),
        None => note(format_args!("taken out of {}", names(&before, &after))),
    }
}

fn keep_backup(path: &Path, backup: &Path, before: Option<&str>) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    write(backup, before.unwrap_or("").as_bytes())
}

/// Writes a file completely or not at all; it stays the same file to a link that leads to it, with the same rights.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(_) if path.is_symlink() => return Err(std::io::Error::other("it is a link that leads nowhere")),
        Err(_) => path.to_owned(),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut scratch = tempfile::NamedTempFile::new_in(folder)?;
    scratch.write_all(bytes)?;
    scratch.as_file().sync_all()?;
    if let Ok(about) = fs::metadata(&path) {
        scratch.as_file().set_permissions(about.permissions())?;
    }
    scratch.persist(&path)?;
    Ok(())
}

fn show(path: &Path, before: &str, after: &str) {
    let name = path.display().to_string();
    note(TextDiff::from_lines(before, after).unified_diff().context_radius(2).header(&name, &name));
}

fn print(done: &[Done], format: Format) -> Outcome {
    let mut out = stdout();
    if format == Format::Table {
        for done in done {
            writeln!(out, "{:<8} {:<13} {}", done.agent, done.outcome, done.path)?;
        }
    } else {
        writeln!(out, "{}", serde_json::to_string(&done)?)?;
    }
    Ok(out.flush()?)
}

fn status(context: &Context, args: &HooksWhere) -> Outcome {
    let format = context.format("hooks status", Listing::FORMATS)?;
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    for settings in meant(args)? {
        let path = settings.path.display().to_string();
        let found = match read(&settings.path).map(|text| text.as_deref().map(hooks::installed)) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(found)) => found,
            Err(error) => Err(error),
        };
        let (state, events, command) = match &found {
            Err(error) => (error.to_string(), 0, None),
            Ok(found) if found.is_empty() => ("not installed".to_owned(), 0, None),
            Ok(found) => ("records".to_owned(), found.len(), Some(found[0].1.clone())),
        };
        let shown = command.clone().unwrap_or_default();
        rows.push(vec![
            settings.agent.name().to_owned(),
            state.clone(),
            events.to_string(),
            path.clone(),
            shown,
        ]);
        json.push(json!({"agent": settings.agent.name(), "state": state, "hooks": events, "path": path, "command": command}));
    }
    let headings = ["AGENT", "STATE", "HOOKS", "SETTINGS", "COMMAND"].map(str::to_owned).to_vec();
    Listing { headings, rows, numbers: vec![2], json: json.into() }.print(format)
}
