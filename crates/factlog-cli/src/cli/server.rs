//! The words of a log at a server, and of programs that record: health, migrate, record.

use clap::{Args, Subcommand};

/// Say how the log is doing; exit 1 when it takes no appends
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog health
  factlog health --watch
  factlog health --watch --every 10s --format jsonl")]
pub(crate) struct HealthArgs {
    /// Say it again and again, until Ctrl-C; a server that goes away is shown, and waited for
    #[arg(long)]
    pub(crate) watch: bool,
    /// How often: 2s, 1m
    #[arg(long, value_name = "TIME", default_value = "2s", requires = "watch")]
    pub(crate) every: String,
}

/// Bring the tables of a log in PostgreSQL or SQLite up, or down
///
/// An SQLite file has two steps: 1 has SQLite's own indexes, for people who query it; 2 has lagging ones, with which appends
/// are faster and stay so. Nothing is lost either way. It needs the file to itself, and goes on where it was interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog migrate status --store postgres://me@localhost/team
  factlog migrate up
  factlog migrate down --to 2
  factlog migrate up --store sqlite:factlog.db
  factlog migrate down --to 1 --store sqlite:factlog.db")]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    pub(crate) action: MigrateAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateAction {
    /// Show each step, and when it was taken
    #[command(after_help = "Example:\n  factlog migrate status")]
    Status,
    /// Take the steps that are not taken yet; nothing is lost by it
    #[command(after_help = "Example:\n  factlog migrate up")]
    Up {
        /// No further than this step
        #[arg(long, value_name = "NUMBER")]
        to: Option<u32>,
    },
    /// Take steps back; what they have brought is gone
    #[command(after_help = "Examples:\n  factlog migrate down\n  factlog migrate down --to 0 --yes")]
    Down {
        /// Down to this step, which stays; one step back when left out, 0 for everything
        #[arg(long, value_name = "NUMBER")]
        to: Option<u32>,
        /// Do not ask, also when events would be lost
        #[arg(long)]
        yes: bool,
    },
}

/// Record what a program tells by name: task:started, agent:registered, deployment:completed ...
///
/// Loose JSON becomes events of the vocabulary. A task's end takes its beginning's name, agent and time, in whatever order
/// both come; what waits is stored in batches. `--preset` and the variables EVENT_* say how: batch size and time, retries,
/// what is recorded at all.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog record task:started '{\"id\":\"task-1\",\"name\":\"Process data\",\"agentId\":\"agent-4\"}'
  producer | factlog record --stdin     each line {\"name\":\"task:completed\",\"data\":{...}}")]
pub(crate) struct RecordArgs {
    /// What happened
    #[arg(required_unless_present = "stdin")]
    pub(crate) name: Option<String>,
    /// Its data, as JSON; {} when left out
    pub(crate) data: Option<String>,
    /// Read lines of JSON from standard input, each with `name` (or `type`) and `data`
    #[arg(long, conflicts_with_all = ["name", "data"])]
    pub(crate) stdin: bool,
}
