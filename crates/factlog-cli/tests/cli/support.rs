//! A place to run the program in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::running::Running;

/// Longer than anything here takes; a test has failed then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Six events with every field somewhere; their times are in the past.
pub(crate) const SMALL: &str = include_str!("small.jsonl");

/// No positions.
pub(crate) const NONE: [u64; 0] = [];

/// An empty folder to work in, and an empty home.
pub(crate) struct Place {
    root: TempDir,
    /// Where the program works.
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("work");
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        Self { root, folder, variables: Vec::new() }
    }

    /// The same place, where the program works in a folder below.
    pub(crate) fn below(self, folder: &str) -> Self {
        Self { folder: self.folder.join(folder), ..self }
    }

    /// A place whose log has the events of [`SMALL`].
    pub(crate) fn small() -> Self {
        let place = Self::new();
        place.feed("import jsonl -", SMALL);
        place
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path in the folder where the program works.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.root.path().join("home").join(name)
    }

    /// Writes a file, with its folders.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write(&self.path(name), content);
    }

    /// Everything in the working folder, by name.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("factlog"));
        command.args(words).current_dir(self.path(""));
        for name in [
            "FACTLOG_STORE",
            "FACTLOG_AGENT",
            "FACTLOG_FORMAT",
            "FACTLOG_LOG",
            "FACTLOG_PRESET",
            "FACTLOG_AGENT",
            "POSTGRES_HOST",
            "POSTGRES_DATABASE",
            "POSTGRES_PASSWORD",
            "EVENT_BATCH_SIZE",
            "SUPABASE_URL",
            "XDG_CONFIG_HOME",
            "APPDATA",
            "XDG_STATE_HOME",
            "CLAUDE_CONFIG_DIR",
            "CODEX_HOME",
            "TRACEPARENT",
            "NO_COLOR",
            "CLICOLOR_FORCE",
            "COLUMNS",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", self.home(""));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program with words that have no spaces in them.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Ran {
        self.run_with(words, "")
    }

    pub(crate) fn run_with(&self, words: &[&str], input: impl Into<Vec<u8>>) -> Ran {
        let mut command = assert_cmd::Command::from_std(self.command(words));
        Ran::of(command.write_stdin(input).timeout(PATIENCE).output().unwrap())
    }

    /// Runs the program with its output into a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_into(&self, words: &[&str], file: std::fs::File) -> Ran {
        Ran::of(
            self.command(words)
                .stdin(Stdio::null())
                .stdout(file)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
                .wait_with_output()
                .unwrap(),
        )
    }

    /// What the program writes when all goes well, and nothing is said beside it.
    pub(crate) fn ok(&self, line: &str) -> String {
        self.run(line).ok()
    }

    /// As [`Place::ok`], with this on standard input.
    pub(crate) fn feed(&self, line: &str, input: &str) -> String {
        self.run_with(&line.split_whitespace().collect::<Vec<_>>(), input).ok()
    }

    /// The exit code and what is said on standard error of a run that fails and writes nothing.
    pub(crate) fn fails(&self, line: &str) -> String {
        self.fails_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn fails_words(&self, words: &[&str]) -> String {
        let ran = self.run_words(words);
        assert_eq!(ran.out, "", "{words:?} writes nothing");
        format!("{}\n{}", ran.code, ran.err)
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        let ran = self.run(line);
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{line}: {}{}", ran.out, ran.err))
    }

    /// The positions that a listing has, in its order.
    pub(crate) fn positions(&self, line: &str) -> Vec<u64> {
        self.positions_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn positions_words(&self, words: &[&str]) -> Vec<u64> {
        let words: Vec<&str> = words.iter().copied().chain(["--format", "jsonl"]).collect();
        lines(&self.run_words(&words).ok()).iter().map(position).collect()
    }

    /// Starts the program and goes on.
    pub(crate) fn start(&self, line: &str) -> Running {
        self.start_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn start_words(&self, words: &[&str]) -> Running {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running::new(command.spawn().unwrap())
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// The JSON values of lines.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn position(event: &Value) -> u64 {
    event["position"].as_u64().unwrap()
}
