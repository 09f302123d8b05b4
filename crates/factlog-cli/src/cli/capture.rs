//! The words of live capture: hook, hooks, doctor, redact.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use factlog_adapters::hook::Agent;

/// An agent, on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentName {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
    /// Gemini CLI
    Gemini,
}

impl AgentName {
    pub(crate) fn agent(self) -> Agent {
        match self {
            Self::Claude => Agent::Claude,
            Self::Codex => Agent::Codex,
            Self::Gemini => Agent::Gemini,
        }
    }
}

/// Record one payload of an agent's hook, from standard input. Agents run this: it says nothing, and always succeeds
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog hooks install --claude
  echo '{\"hook_event_name\":\"Stop\",\"session_id\":\"s-1\"}' | factlog hook --agent claude

Why one failed is told by `factlog doctor`, and what it could not record is kept there.")]
pub(crate) struct HookArgs {
    /// Whose hook it is
    #[arg(long, value_enum, default_value = "claude")]
    pub(crate) agent: AgentName,
    /// Record secrets as they are
    #[arg(long)]
    pub(crate) no_redact: bool,
}

/// Have agents record what they do: put factlog into their hooks, or take it out
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog hooks install
  factlog hooks install --claude --project --dry-run
  factlog hooks status
  factlog hooks uninstall")]
pub(crate) struct HooksArgs {
    #[command(subcommand)]
    pub(crate) action: HooksAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HooksAction {
    /// Add factlog to the hooks of the agents that are here; all else in their settings stays
    #[command(after_help = "\
Examples:
  factlog hooks install
  factlog hooks install --claude --store sqlite:~/agents.db")]
    Install {
        #[command(flatten)]
        where_: HooksWhere,
        /// Show what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Also hooks that only the newest versions of an agent know
        #[arg(long)]
        all_events: bool,
    },
    /// Take factlog out again; a file that nobody changed since is as it was before, byte for byte
    #[command(after_help = "Example:\n  factlog hooks uninstall --claude")]
    Uninstall {
        #[command(flatten)]
        where_: HooksWhere,
        /// Show what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Say which agents record, and into which log
    #[command(after_help = "Example:\n  factlog hooks status --format json")]
    Status {
        #[command(flatten)]
        where_: HooksWhere,
    },
}

/// Which settings are meant.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct HooksWhere {
    /// Those of Claude Code; without any of the three, of every agent that has a folder here
    #[arg(long)]
    pub(crate) claude: bool,
    /// Those of Codex
    #[arg(long)]
    pub(crate) codex: bool,
    /// Those of Gemini CLI
    #[arg(long)]
    pub(crate) gemini: bool,
    /// Those of the project in this folder
    #[arg(long, conflicts_with = "user")]
    pub(crate) project: bool,
    /// Those of the person, for all projects; this is meant when nothing is said
    #[arg(long)]
    pub(crate) user: bool,
}

/// Find out what keeps the recording from working
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog doctor")]
pub(crate) struct DoctorArgs {
    /// Lines of the hooks' log file that are shown
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) last: usize,
}

/// Secrets, and what is done about them
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog redact test transcript.jsonl")]
pub(crate) struct RedactArgs {
    #[command(subcommand)]
    pub(crate) action: RedactAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RedactAction {
    /// Say what would be taken out of a file, and where; the secrets themselves are not shown
    #[command(after_help = "Example:\n  factlog redact test transcript.jsonl --format json")]
    Test {
        /// A file; - is standard input
        file: PathBuf,
    },
}
