//! What is logged, and where to: standard error, and a file where the settings name one.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Mutex;

use factlog_agents::{Configuration, Preset};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

use crate::cli::Cli;
use crate::output::note;

/// Begins: warnings by default, more with `-v`, `FACTLOG_LOG` or `EVENT_LOG_LEVEL`.
pub(crate) fn start(cli: &Cli) {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let preset = cli.preset.clone().or_else(|| variable("FACTLOG_PRESET"));
    let preset = preset.and_then(|name| name.parse::<Preset>().ok());
    // What is wrong with them is told when the settings are read.
    let configuration = Configuration::read(preset, &variable).unwrap_or_default();
    let is_plain = cli.verbose == 0;
    let chosen = variable("FACTLOG_LOG").filter(|_| is_plain);
    let level = match configuration.log_level().filter(|_| is_plain) {
        Some(level) => level,
        None => ["warn", "info", "debug", "trace"][usize::from(cli.verbose.min(3))],
    };
    let name = if chosen.is_some() { "FACTLOG_LOG" } else { "EVENT_LOG_LEVEL" };
    let filter = EnvFilter::try_new(chosen.as_deref().unwrap_or(level)).unwrap_or_else(|error| {
        note(format_args!("note: {name} is not understood: {error}"));
        EnvFilter::new("warn")
    });
    let file = configuration.log_file().and_then(|path| open(Path::new(path)));
    let is_timed = file.is_some();
    let writer = match (configuration.logs_to_console(), file) {
        (true, None) => BoxMakeWriter::new(std::io::stderr),
        (true, Some(file)) => BoxMakeWriter::new(std::io::stderr.and(Mutex::new(file))),
        (false, Some(file)) => BoxMakeWriter::new(Mutex::new(file)),
        (false, None) => BoxMakeWriter::new(std::io::sink),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    if is_timed { lines.with_ansi(false).init() } else { lines.without_time().init() }
}

/// The file, with its folder; without one there is a note, and the work goes on.
fn open(path: &Path) -> Option<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), std::fs::create_dir_all);
    let opened = made.and_then(|()| OpenOptions::new().create(true).append(true).open(path));
    opened.map_err(|error| note(format_args!("note: {}: {error}; logs go to no file", path.display()))).ok()
}
