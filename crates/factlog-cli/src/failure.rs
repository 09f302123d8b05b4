//! How a command ends when it does not end well: a message, a hint, an exit code.

use std::process::ExitCode;

use factlog::{Error, ErrorKind};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The log, or the input, said no.
    Error(Error),
    /// It has been told already, and only the exit code is left.
    Told(u8),
    /// Nobody reads the output any more.
    BrokenPipe,
    /// The output cannot be written; what was to be recorded is recorded.
    Output(std::io::Error),
}

/// Success and every kind of failure have one exit code, for ever: docs/cli.md lists them.
pub(crate) mod exit {
    pub(crate) const FAILURE: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const NOT_FOUND: u8 = 3;
    pub(crate) const CONFLICT: u8 = 4;
    pub(crate) const UNAVAILABLE: u8 = 5;
    pub(crate) const CORRUPT: u8 = 6;
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Self::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from(std::io::Error::from(error))
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::from(error),
            other => Self::Error(Error::invalid(format!("{other:?}"))),
        }
    }
}

impl Failure {
    /// Says on stderr what happened and what to do, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Told(code) => ExitCode::from(code),
            // `factlog list | head` is a success.
            Self::BrokenPipe => ExitCode::SUCCESS,
            Self::Output(error) => {
                say(&format!("standard output: {error}"), None);
                ExitCode::from(exit::FAILURE)
            }
            Self::Error(error) => {
                say(&error.to_string(), error.hint());
                ExitCode::from(code_of(error.kind()))
            }
        }
    }
}

fn say(message: &str, hint: Option<&str>) {
    use std::io::Write;

    use anstyle::{AnsiColor, Style};
    let mut stderr = anstream::stderr();
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let cyan = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
    // When even stderr is gone there is nobody to tell.
    let _ = writeln!(stderr, "{red}error:{red:#} {message}");
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "{cyan}hint:{cyan:#} {hint}");
    }
}

/// The exit code of a kind of error.
pub(crate) fn code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Conflict => exit::CONFLICT,
        ErrorKind::Invalid => exit::USAGE,
        ErrorKind::NotFound => exit::NOT_FOUND,
        ErrorKind::Unavailable => exit::UNAVAILABLE,
        ErrorKind::Corrupt => exit::CORRUPT,
        ErrorKind::Denied | ErrorKind::Stopped => exit::FAILURE,
    }
}
