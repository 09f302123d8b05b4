//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::filter_args::FilterArgs;
use crate::output::Format;

/// The page of `factlog --help`: commands by task. A test checks that every command is named.
const HELP: &str = "\
{about}

Usage: {usage}

Record:
  append       Record one event, or many from standard input
  import       Take in JSON lines or Claude Code transcripts

Look:
  list         List events
  show         Show one event, its causes and its effects
  streams      List streams
  stats        Count events by type, stream, day ...
  follow       Wait for events and show them as they come
  replay       Go through events in order, at a pace if you like
  export       Write events out, to import elsewhere

Remember:
  snapshot     Save, show and list values remembered at a position

Look after:
  check        Read everything and say what is wrong
  health       Say how the log is doing
  config       Show the settings and where each came from
  completions  Print completions for a shell
  demo         See it all in ten seconds, in a scratch folder

Options:
{options}{after-help}";

const EXAMPLES: &str = "
Examples:
  factlog append task-1 task:created '{\"title\":\"Try factlog\"}'
  factlog list --category task --last 10
  factlog follow --type 'task:*' --format jsonl
  factlog import claude-code

The log is sqlite:factlog.db in this folder, unless --store, FACTLOG_STORE or a .factlog.toml names another.
Exit codes: 0 ok, 1 failure, 2 usage or bad input, 3 not found, 4 conflict, 5 unavailable, 6 corrupt.";

/// The event store and event bus for fleets of AI agents: a durable, ordered log of facts.
#[derive(Debug, Parser)]
#[command(name = "factlog", version, help_template = HELP, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// The log: sqlite:PATH or memory:
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,

    /// How to write what is found; a command refuses what it cannot do
    #[arg(long, global = true, value_enum)]
    pub(crate) format: Option<Format>,

    /// Say more on standard error; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Append(AppendArgs),
    Import(ImportArgs),
    List(ListArgs),
    Show(ShowArgs),
    Streams(StreamsArgs),
    Stats(StatsArgs),
    Follow(FollowArgs),
    Replay(ReplayArgs),
    Export(ExportArgs),
    Snapshot(SnapshotArgs),
    /// Read everything and say what is wrong; exit 6 when something is
    #[command(after_help = "Example:\n  factlog check --store sqlite:backup.db")]
    Check,
    /// Say how the log is doing; exit 1 when it takes no appends
    #[command(after_help = "Example:\n  factlog health --format json")]
    Health,
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    /// See it all in ten seconds: a small agent run in a scratch folder, of which nothing is left behind
    #[command(after_help = "Example:\n  factlog demo")]
    Demo,
    /// Print docs/cli.md
    #[command(hide = true)]
    Docs,
}

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
One answer line per line of input, in its order, as soon as it is durable.")]
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

/// Take in other logs. Importing twice changes nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog import claude-code
  factlog import claude-code ~/.claude/projects/-home-ada-site --format json
  factlog export | factlog import jsonl - --store sqlite:copy.db")]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) from: ImportFrom,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    /// JSON lines as `factlog export` writes them; - is standard input
    Jsonl {
        /// Files, folders, or - for standard input
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Exit 0 although lines were rejected
        #[arg(long)]
        lenient: bool,
    },
    /// The transcripts that Claude Code keeps of its sessions
    ClaudeCode {
        /// Files or folders; without any, ~/.claude/projects (or `CLAUDE_CONFIG_DIR`)
        paths: Vec<PathBuf>,
        /// Take in the progress lines too: a third of all, and most of the bytes
        #[arg(long)]
        with_progress: bool,
        /// Exit 0 although lines were rejected
        #[arg(long)]
        lenient: bool,
    },
}

/// How many of the events that match.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "How many")]
pub(crate) struct SliceArgs {
    /// The first N
    #[arg(long, value_name = "N", conflicts_with_all = ["last", "limit"])]
    pub(crate) first: Option<usize>,
    /// The last N, still in order
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    /// N after those skipped
    #[arg(long, value_name = "N", conflicts_with = "last")]
    pub(crate) limit: Option<usize>,
    /// Pass over the first N, or with --last over the last N
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) skip: usize,
}

impl SliceArgs {
    /// The most events wanted, however they were asked for.
    pub(crate) fn most(&self) -> Option<usize> {
        self.first.or(self.last).or(self.limit)
    }
}

/// List events, oldest first. On a terminal a table shows the newest 50, and says how many more there are
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog list --last 20
  factlog list --type 'task:*' --not-source agent-7 --from today
  factlog list --stream task-1 --format jsonl | jq .data")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
}

/// Show one event with all its fields, what caused it, and what it caused
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog show 42
  factlog show 0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d --format json")]
pub(crate) struct ShowArgs {
    /// A position, an event's id, or the id another system gave it
    #[arg(value_name = "ID|POSITION")]
    pub(crate) event: String,
}

/// List streams: how many events each has, the first and the last
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog streams --category task --last 10")]
pub(crate) struct StreamsArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
}

/// Count events by type, category, stream, source, session, hour or day (UTC)
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog stats
  factlog stats --group-by source,type --period 7d
  factlog stats --group-by day --category task --format json")]
pub(crate) struct StatsArgs {
    /// What to count by; several, with commas, count each combination
    #[arg(long, value_name = "KEY,...", value_delimiter = ',', default_value = "type")]
    pub(crate) group_by: Vec<String>,
    /// Only lately: today, a span such as 7d or 12h, or all
    #[arg(long, default_value = "all")]
    pub(crate) period: String,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Wait for events and show them as they come, from now on; Ctrl-C ends it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog follow
  factlog follow --last 10 --category task
  factlog follow --from 1 --format jsonl")]
pub(crate) struct FollowArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Show the last N that match first
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub(crate) last: Option<usize>,
    /// End after N events
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// Go through events in order, as fast as they can be read or at a pace
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog replay --from 1 --to 100
  factlog replay --from 2026-11-20 --speed 60")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Keep the pauses between events, so many times faster: 1 is as it was, 60 a minute in a second
    #[arg(long, value_name = "TIMES")]
    pub(crate) speed: Option<f64>,
}

/// Write events out as JSON lines (or json, csv, cloudevents), to import elsewhere
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog export > backup.jsonl
  factlog export --category task --format csv > tasks.csv")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) slice: SliceArgs,
}

/// Save, show and list values remembered at a position of the log
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog snapshot save summary '{\"open\":3}'
  factlog snapshot show summary --at 40
  factlog snapshot list projection/")]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) action: SnapshotAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotAction {
    /// Remember a value; all values of a key are kept
    Save {
        /// What it is of
        key: String,
        /// The value, as JSON; {} when left out
        data: Option<String>,
        /// The position it takes in; the newest when left out
        #[arg(long, value_name = "POSITION")]
        at: Option<u64>,
    },
    /// Show the newest value, or the one as of a position
    Show {
        /// What it is of
        key: String,
        /// The newest at or before this position
        #[arg(long, value_name = "POSITION")]
        at: Option<u64>,
    },
    /// List what is remembered
    List {
        /// How the keys begin
        #[arg(default_value = "")]
        prefix: String,
    },
}

/// Show the settings that are in force
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print each setting
    #[command(after_help = "Example:\n  factlog config show --origin")]
    Show {
        /// And where it came from
        #[arg(long)]
        origin: bool,
    },
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  factlog completions bash > ~/.local/share/bash-completion/completions/factlog"
)]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    pub(crate) shell: clap_complete::Shell,
}
