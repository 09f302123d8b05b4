//! The words of recording: append and import.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Record one event, or many from standard input. Durable when it returns
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog append task-1 task:created '{\"title\":\"Try factlog\"}'
  factlog append task-1 task:started --expect 1 --source agent-7
  factlog append user-ada user:registered --expect none --tag onboarding
  tail -f events.jsonl | factlog append --stdin

With --stdin each line is one event, or one batch that is recorded whole:
  {\"stream\":\"task-1\",\"type\":\"task:noted\",\"data\":{},\"expect\":3}
  {\"events\":[...],\"expect\":{\"task-1\":3,\"task-2\":\"none\"},\"conditions\":[...]}
One answer line per line of input, in its order, as soon as it is durable; blank lines are passed over.
position, version and recordedAt are ignored: the log gives its own.")]
pub(crate) struct AppendArgs {
    /// What it is about, written category-id, for example task-42
    #[arg(required_unless_present = "stdin")]
    pub(crate) stream: Option<String>,
    /// What happened, for example task:completed
    #[arg(value_name = "TYPE", required_unless_present = "stdin")]
    pub(crate) event_type: Option<String>,
    /// The fact, as JSON; {} when left out
    pub(crate) data: Option<String>,
    /// Read events or batches from standard input, one per line
    #[arg(long, conflicts_with_all = ["stream", "event_type", "data", "expect", "id", "source", "target",
        "correlation", "causation", "session", "user", "priority", "tag", "expires", "occurred", "metadata"])]
    pub(crate) stdin: bool,
    /// Refuse an event whose type is not in the vocabulary, or whose data does not fit it (`factlog types`)
    #[arg(long)]
    pub(crate) strict: bool,
    /// Where the stream must be: a version, none, exists or any
    #[arg(long)]
    pub(crate) expect: Option<String>,
    /// The event's id; sent again it changes nothing
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Who says it
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Who it is for; may be given several times
    #[arg(long)]
    pub(crate) target: Vec<String>,
    /// The larger operation it belongs to
    #[arg(long)]
    pub(crate) correlation: Option<String>,
    /// The id of the event that caused it
    #[arg(long)]
    pub(crate) causation: Option<String>,
    /// The session it happened in
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// The person it was done for
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// How urgent its delivery is: low, normal, high or critical
    #[arg(long)]
    pub(crate) priority: Option<String>,
    /// A word to find it by; may be given several times
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// When its delivery ends: a time, or a span from now such as 30m
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
    /// When it happened
    #[arg(long, value_name = "TIME")]
    pub(crate) occurred: Option<String>,
    /// More about the record, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) metadata: Option<String>,
}

/// Take in what agents have left, or other logs. Importing twice changes nothing
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  factlog import ~/.claude/projects/-home-ada-site
  factlog import claude-code
  factlog import codex --format json
  factlog export | factlog import jsonl - --store sqlite:copy.db

The log keeps a mark of how far each agent's file was read: the next import takes in what is new, and what was removed
from the log since does not rise again. Secrets are taken out first; `factlog redact test FILE` shows which."
)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) from: Option<ImportFrom>,
    /// Files or folders of any format that is known here; each file's is found by a look at it
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) how: ImportHow,
}

/// What all imports of agents' files have in common.
#[derive(Debug, Args, Clone, Copy, Default)]
pub(crate) struct ImportHow {
    /// Exit 0 although lines were rejected
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Record secrets as they are
    #[arg(long)]
    pub(crate) no_redact: bool,
    /// Read files again that were read before; what was removed from the log comes back
    #[arg(long)]
    pub(crate) again: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    /// JSON lines as `factlog export` writes them; - is standard input
    #[command(after_help = "\
Examples:
  factlog import jsonl backup.jsonl
  factlog export | factlog import jsonl - --store sqlite:copy.db")]
    Jsonl {
        /// Files, folders, or - for standard input
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Exit 0 although lines were rejected
        #[arg(long)]
        lenient: bool,
    },
    /// The event files of Scopecraft: DATE/STREAM.jsonl
    #[command(after_help = "Example:\n  factlog import scopecraft ~/.scopecraft/events")]
    Scopecraft {
        /// Files or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        how: LogHow,
    },
    /// Events of the inter-agent bus: its envelopes as JSON, or rows of its table
    #[command(after_help = "\
Examples:
  factlog import agent-events events.jsonl
  factlog import agent-events abc_events.csv --lenient
  psql -c '\\copy abc_events to stdout csv header' | factlog import agent-events -

Each file is JSON lines, an array of JSON, or what \\copy ... csv header writes.")]
    AgentEvents {
        /// Files, folders, or - for standard input
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        how: LogHow,
    },
    /// The tree of files that `factlog export --layout by-stream` writes
    #[command(after_help = "\
Examples:
  factlog import by-stream tree --store sqlite:copy.db

An empty log becomes the same again: positions, versions and times are kept. Another log gets the events as new ones, in
their order.")]
    ByStream {
        /// Folders or files
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Exit 0 although lines were rejected
        #[arg(long)]
        lenient: bool,
    },
    /// The event stores of claude-flow: events.db and .rvf logs, also damaged ones
    #[command(after_help = "\
Examples:
  factlog import claude-flow .claude-flow/events.db
  factlog import claude-flow events.rvf --format json")]
    ClaudeFlow {
        /// Files or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        how: LogHow,
    },
    /// The transcripts that Claude Code keeps of its sessions
    #[command(after_help = "\
Examples:
  factlog import claude-code
  factlog import claude-code ~/.claude/projects/-home-ada-site --format json")]
    ClaudeCode {
        /// Files or folders; without any, ~/.claude/projects (or `CLAUDE_CONFIG_DIR`)
        paths: Vec<PathBuf>,
        /// Take in the progress lines too: a third of all, and most of the bytes
        #[arg(long)]
        with_progress: bool,
        #[command(flatten)]
        how: ImportHow,
    },
    /// The rollouts that Codex keeps of its sessions
    #[command(after_help = "Example:\n  factlog import codex")]
    Codex {
        /// Files or folders; without any, ~/.codex/sessions (or `CODEX_HOME`)
        paths: Vec<PathBuf>,
        /// Take in the lines for the display too that repeat what the model's lines tell
        #[arg(long)]
        with_repeats: bool,
        #[command(flatten)]
        how: ImportHow,
    },
    /// The sessions that Gemini CLI keeps
    #[command(after_help = "Example:\n  factlog import gemini")]
    Gemini {
        /// Files or folders; without any, ~/.gemini/tmp
        paths: Vec<PathBuf>,
        #[command(flatten)]
        how: ImportHow,
    },
}

/// How an import of another log goes.
#[derive(Debug, Args, Clone, Copy, Default)]
pub(crate) struct LogHow {
    /// Exit 0 although lines were rejected
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Read files again that were read before; what was removed from the log comes back
    #[arg(long)]
    pub(crate) again: bool,
}

impl From<LogHow> for ImportHow {
    fn from(how: LogHow) -> Self {
        Self { lenient: how.lenient, again: how.again, ..Self::default() }
    }
}

/// Follow what an agent writes, and record it as it comes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog watch claude-code
  factlog watch claude-code ~/.claude/projects/-home-ada-site")]
pub(crate) struct WatchArgs {
    #[command(subcommand)]
    pub(crate) what: WatchWhat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WatchWhat {
    /// The transcripts of Claude Code, as they grow; what is there already goes in first
    #[command(after_help = "Example:\n  factlog watch claude-code & factlog follow")]
    ClaudeCode {
        /// Folders or files; without any, ~/.claude/projects (or `CLAUDE_CONFIG_DIR`)
        paths: Vec<PathBuf>,
        /// Take in the progress lines too
        #[arg(long)]
        with_progress: bool,
        /// Record secrets as they are
        #[arg(long)]
        no_redact: bool,
    },
}
