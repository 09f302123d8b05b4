//! Commands: a program with its arguments, given JSON, bounded in time and in what it says.

mod group;
mod tail;

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use factlog::{Error, Result};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use self::group::Group;
use self::tail::Tail;

/// How long a command may run, unless it is said otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest time that can be asked for.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(3_600);
/// Bytes that are kept of what a command writes, the last ones; on each of its outputs.
pub const TAIL_BYTES_MAX: usize = 16 * 1024;
/// Words of one command.
const ARGUMENTS_MAX: usize = 1_000;
/// Variables that one command adds to its environment.
const VARIABLES_MAX: usize = 200;
/// Where a command finds the key of what it is to do.
const KEY_VARIABLE: &str = "FACTLOG_IDEMPOTENCY_KEY";
/// How long the outputs of a command that has ended are waited for: what it has left running may hold them open.
const OUTPUT_AFTER_END_MAX: Duration = Duration::from_millis(500);
/// Characters of the last line of standard error in an error.
const LINE_CHARACTERS_MAX: usize = 200;
/// Exit codes that say the command was called wrongly, so that it would end like that each time: of `sysexits` those for
/// usage, data, rights and configuration; and of shells those for what cannot be run or is not there.
pub const EXIT_CODES_FINAL: [i32; 6] = [64, 65, 77, 78, 126, 127];

/// A program to run with its arguments, word by word; no shell looks at them.
///
/// It has the environment of the one who runs it, and what is added. A program that is named without a slash is looked for in
/// `PATH`; a path that is not absolute begins at the folder that it runs in.
///
/// It gets JSON on its standard input, and in `FACTLOG_IDEMPOTENCY_KEY` the key that is the same whenever the same is to be
/// done again. Exit code 0 says that it is done. Any other says that it may be tried again, except [`EXIT_CODES_FINAL`].
///
/// Whatever it has started in its process group is killed with it when its time is up, or when nobody waits for it any more
/// (on Windows it alone). What it leaves running when it ends by itself is not waited for.
#[derive(Clone)]
pub struct Command {
    program: String,
    arguments: Vec<String>,
    folder: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    timeout: Duration,
}

/// A command that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; none when a signal has ended it.
    pub code: Option<i32>,
    /// The end of what it wrote to standard output, [`TAIL_BYTES_MAX`] at the most.
    pub stdout_tail: String,
    /// The end of what it wrote to standard error, as much.
    pub stderr_tail: String,
}

/// A command that did not do what it was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// Whether it may succeed later.
    pub retryable: bool,
    /// What went wrong.
    pub message: String,
    /// How it has ended, and what it wrote until then; none when it could not be started.
    pub ran: Option<Ran>,
}

impl Command {
    /// The program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// A program and its arguments.
    ///
    /// # Errors
    /// `Invalid` for no program, for too many arguments, and for texts that no system passes on.
    pub fn new(program: &str, arguments: impl IntoIterator<Item = impl Into<String>>) -> Result<Self> {
        let arguments: Vec<String> = arguments.into_iter().take(ARGUMENTS_MAX + 1).map(Into::into).collect();
        if program.is_empty() {
            return Err(Error::invalid("a command needs a program")
                .with_hint("write the program and its arguments as a list of words"));
        }
        if arguments.len() > ARGUMENTS_MAX {
            return Err(Error::invalid(format!("a command has more than {ARGUMENTS_MAX} arguments")));
        }
        for text in arguments.iter().map(String::as_str).chain([program]) {
            without_nul(text)?;
        }
        let (folder, environment) = (None, BTreeMap::new());
        Ok(Self { program: program.to_owned(), arguments, folder, environment, timeout: TIMEOUT })
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Adds a variable to its environment. Its value is shown nowhere.
    ///
    /// # Errors
    /// `Invalid` for what is no name or value of a variable, and for the one that holds the key.
    pub fn variable(mut self, name: &str, value: &str) -> Result<Self> {
        if name.is_empty() || name.contains('=') || name == KEY_VARIABLE {
            return Err(Error::invalid(format!("{name:?} cannot be set for a command")));
        }
        if self.environment.len() >= VARIABLES_MAX {
            return Err(Error::invalid(format!("a command has more than {VARIABLES_MAX} variables")));
        }
        without_nul(name)?;
        without_nul(value)?;
        self.environment.insert(name.to_owned(), value.to_owned());
        Ok(self)
    }

    /// How long it may run: [`TIMEOUT`] unless this is said.
    ///
    /// # Errors
    /// `Invalid` for no time, and for more than [`TIMEOUT_MAX`].
    pub fn timeout(mut self, timeout: Duration) -> Result<Self> {
        if timeout.is_zero() || timeout > TIMEOUT_MAX {
            let most = TIMEOUT_MAX.as_secs();
            return Err(Error::invalid(format!(
                "a command's timeout is above 0, and at most {most} seconds"
            )));
        }
        self.timeout = timeout;
        Ok(self)
    }

    /// Runs it once.
    ///
    /// # Errors
    /// When it could not be started, took too long, or ended with another code than 0.
    pub async fn run(&self, key: &str, input: &[u8]) -> Result<Ran, CommandError> {
        if key.contains('\0') {
            return Err(self.never("its key has a NUL in it", None));
        }
        let mut command = tokio::process::Command::new(self.path());
        command
            .args(&self.arguments)
            .envs(&self.environment)
            .env(KEY_VARIABLE, key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let mut group = Group::spawn(&mut command).map_err(|cause| self.not_started(&cause))?;
        let stdin = group.child.stdin.take();
        let (mut stdout, mut stderr) =
            (Tail::of(group.child.stdout.take()), Tail::of(group.child.stderr.take()));
        let ended = {
            let talk = async { tokio::join!(feed(stdin, input), stdout.read(), stderr.read()) };
            ended(&mut group, talk, self.timeout).await
        };
        if ended.is_none() {
            group.kill().await;
        }
        let tails = |code| Ran { code, stdout_tail: stdout.text(), stderr_tail: stderr.text() };
        match ended {
            None => {
                let within = self.timeout.as_secs_f64();
                Err(self.again(format_args!("it ran for more than {within} seconds"), Some(tails(None))))
            }
            Some(Err(cause)) => {
                Err(self.again(format_args!("its end is not known: {cause}"), Some(tails(None))))
            }
            Some(Ok(status)) => self.judge(status, tails(status.code())),
        }
    }

    fn judge(&self, status: ExitStatus, ran: Ran) -> Result<Ran, CommandError> {
        if status.success() {
            return Ok(ran);
        }
        let said = ran.stderr_tail.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        let said: String =
            said.chars().filter(|character| !character.is_control()).take(LINE_CHARACTERS_MAX).collect();
        let why = if said.is_empty() { format!("{status}") } else { format!("{status}: {said}") };
        if ran.code.is_some_and(|code| EXIT_CODES_FINAL.contains(&code)) {
            return Err(self.never(why, Some(ran)));
        }
        Err(self.again(why, Some(ran)))
    }

    /// The program; a path of several parts from the folder on, whatever the system would make of it.
    fn path(&self) -> PathBuf {
        let path = Path::new(&self.program);
        match &self.folder {
            Some(folder) if path.is_relative() && path.components().count() > 1 => folder.join(path),
            Some(folder) if self.program.starts_with("./") => folder.join(path),
            _ => path.to_owned(),
        }
    }

    fn not_started(&self, cause: &std::io::Error) -> CommandError {
        let why = format!("it cannot be started: {cause}");
        let stays = [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::InvalidInput,
            ErrorKind::NotADirectory,
            ErrorKind::ArgumentListTooLong,
        ];
        if stays.contains(&cause.kind()) { self.never(why, None) } else { self.again(why, None) }
    }

    fn again(&self, why: impl fmt::Display, ran: Option<Ran>) -> CommandError {
        CommandError { retryable: true, ..self.never(why, ran) }
    }

    fn never(&self, why: impl fmt::Display, ran: Option<Ran>) -> CommandError {
        CommandError { retryable: false, message: format!("{}: {why}", self.program), ran }
    }
}

/// Waits for the command's end while it is talked with; none when its time is up.
async fn ended(
    group: &mut Group,
    talk: impl Future,
    timeout: Duration,
) -> Option<std::io::Result<ExitStatus>> {
    let mut talk = std::pin::pin!(talk);
    let mut is_talked_out = false;
    let until_end = async {
        let status = loop {
            tokio::select! {
                status = group.wait() => break status,
                _ = &mut talk, if !is_talked_out => is_talked_out = true,
            }
        };
        if !is_talked_out {
            // Its last words are in the pipes still.
            let _ = tokio::time::timeout(OUTPUT_AFTER_END_MAX, talk).await;
        }
        status
    };
    tokio::time::timeout(timeout, until_end).await.ok()
}

/// Writes the input. A command that does not read it to its end is none the worse for it.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    }
}

fn without_nul(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid("a command's words have no NUL in them"));
    }
    Ok(())
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("folder", &self.folder)
            .field("environment", &self.environment.keys().collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}
