//! The words of policies.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::filter_args::FilterArgs;

/// Do something whenever something happens: append, send, ask, call a webhook, run a command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog policy check policies.toml
  factlog policy test policies.toml --from 7d
  factlog policy run policies.toml
  factlog policy history --last 20
  factlog policy resume requeue

A policy in policies.toml:
  [[policy]]
  name = \"requeue\"
  on = \"task:failed followed by task:released within 1h by stream\"
  when = \"first.data.retryCount < 3\"
  after = \"30s\"
  then = { append = { stream = \"{{ event.stream }}\", type = \"task:queued\", data = { taskId = \"{{ data.taskId }}\" } } }
docs/policies.md has it all.")]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    pub(crate) action: PolicyAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyAction {
    /// List policies: those of the file, and those that the log knows of
    #[command(after_help = "Example:\n  factlog policy list --format json")]
    List {
        /// The file with the rules
        #[arg(value_name = "FILE", default_value = "policies.toml")]
        rules: PathBuf,
    },
    /// Say whether a file of rules can be run; nothing is opened or done
    #[command(after_help = "Example:\n  factlog policy check policies.toml")]
    Check {
        /// The file with the rules
        #[arg(value_name = "FILE", default_value = "policies.toml")]
        rules: PathBuf,
    },
    /// Say what the policies would have done in the past; nothing is done
    #[command(after_help = "\
Examples:
  factlog policy test policies.toml --from 2026-11-01
  factlog policy test --only requeue --last 20 --format json")]
    Test {
        /// The file with the rules
        #[arg(value_name = "FILE", default_value = "policies.toml")]
        rules: PathBuf,
        #[command(flatten)]
        which: WhichArgs,
        /// Show the last N; all are counted
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        #[command(flatten)]
        filter: Box<FilterArgs>,
    },
    /// Run the policies, and show what they do, until Ctrl-C
    #[command(after_help = "\
Examples:
  factlog policy run
  factlog policy run policies.toml --only requeue --format jsonl
  factlog policy run --from today     act on what is there since then, too

Each goes on where it has stopped. One that was never run begins with what comes, unless --from says otherwise.")]
    Run {
        /// The file with the rules
        #[arg(value_name = "FILE", default_value = "policies.toml")]
        rules: PathBuf,
        #[command(flatten)]
        which: WhichArgs,
        /// Act on what was recorded from this time or position on, too; what was acted on is not again
        #[arg(long, value_name = "TIME|POSITION")]
        from: Option<String>,
    },
    /// Show what policies have done, will do and could not do
    #[command(
        after_help = "Examples:\n  factlog policy history\n  factlog policy history requeue --last 5 --format json"
    )]
    History {
        /// Of this policy
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// The last N
        #[arg(long, value_name = "N", default_value_t = 50)]
        last: usize,
    },
    /// Let a policy go on that has stopped by itself: with what comes from now on
    #[command(after_help = "Example:\n  factlog policy resume requeue --reason 'the loop is mended'")]
    Resume {
        /// The policy
        #[arg(value_name = "NAME")]
        name: String,
        /// What was done about it: the history keeps it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// List the built-in policies, with what each takes
    #[command(after_help = "Example:\n  factlog policy built-in")]
    BuiltIn,
}

/// Which policies of the file.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// Only this policy, whether it is enabled or not; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
}
