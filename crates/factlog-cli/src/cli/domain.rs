//! The words of the domain: types, agents, tasks, and what else is folded from the log.

use clap::{Args, Subcommand};

/// List the types of events that are understood here, or show one with its schema. Any other type is welcome too
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog types
  factlog types --category task
  factlog types show TaskCreated --format json")]
pub(crate) struct TypesArgs {
    #[command(subcommand)]
    pub(crate) action: Option<TypesAction>,
    /// Only those of this category
    #[arg(long)]
    pub(crate) category: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TypesAction {
    /// Show one type: its names, its fields, its JSON Schema
    #[command(after_help = "Example:\n  factlog types show task:completed")]
    Show {
        /// Any of its names
        name: String,
    },
}

/// As of which moment.
#[derive(Debug, Args, Clone, Default)]
pub(crate) struct AtArgs {
    /// As it was at a position (42), a version of its own stream (v3), or a time (2026-11-20, 2h ...)
    #[arg(long, value_name = "MOMENT")]
    pub(crate) at: Option<String>,
}

/// List agents, or show one: what each does, which tasks it has, how it did so far
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog agents --status active
  factlog agents agent-7 --format json
  factlog agents --role coder --at 2h")]
pub(crate) struct AgentsArgs {
    /// Only this one, with all that is known
    pub(crate) id: Option<String>,
    /// Only those that are idle, active, blocked, completed, failed, terminated or unknown
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only those that play this part
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Only those of this field of work
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Only those of this kind
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) agent_type: Option<String>,
    /// Only those that this agent or session made
    #[arg(long)]
    pub(crate) parent: Option<String>,
    /// How they perform: actions and tools, errors, durations
    #[arg(long, conflicts_with_all = ["status", "role", "domain", "agent_type", "parent"])]
    pub(crate) metrics: bool,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// List tasks, or show one: status, who has it, how long it took
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog tasks --status in-progress
  factlog tasks 42 --at v3
  factlog tasks --summary")]
pub(crate) struct TasksArgs {
    /// Only this one, with all that is known
    pub(crate) id: Option<String>,
    /// Only those at this status: pending, queued, assigned, in-progress, blocked, reviewing, completed, failed ...
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only those that this agent has, or had last
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only those of this kind
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) task_type: Option<String>,
    /// Only those of this priority
    #[arg(long)]
    pub(crate) priority: Option<String>,
    /// Only those of this session
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// Leave out those that were taken away
    #[arg(long)]
    pub(crate) not_deleted: bool,
    /// How many of each status, how long they took, how many went well
    #[arg(long, conflicts_with = "id")]
    pub(crate) summary: bool,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// List memories, or show one: where each is kept, how large it is, who reads it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog memories --namespace agent-context
  factlog memories --most-accessed 10
  factlog memories --cold 7d")]
pub(crate) struct MemoriesArgs {
    /// Only this one, with all that is known
    pub(crate) id: Option<String>,
    /// Only those of this namespace
    #[arg(long)]
    pub(crate) namespace: Option<String>,
    /// Only those that are stored, deleted, expired or unknown
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// The N that are looked up most
    #[arg(long, value_name = "N", conflicts_with_all = ["hot", "cold"])]
    pub(crate) most_accessed: Option<usize>,
    /// Those that were looked up since this time
    #[arg(long, value_name = "TIME", conflicts_with = "cold")]
    pub(crate) hot: Option<String>,
    /// Those that were not looked up since this time
    #[arg(long, value_name = "TIME")]
    pub(crate) cold: Option<String>,
    /// Bytes by namespace
    #[arg(long, conflicts_with = "id")]
    pub(crate) sizes: bool,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// List sessions, or show one: tools, sub-agents, tokens and what they cost
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog sessions --status running
  factlog sessions 8c00ac51-4fbb-417c-ac2b-0fd595a5c296
  factlog sessions --format json | jq '[.[].tokens.output] | add'")]
pub(crate) struct SessionsArgs {
    /// Only this one, with all that is known
    pub(crate) id: Option<String>,
    /// Only those that are queued, running, waiting, completed or failed
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only those of this program: claude-code, codex, gemini ...
    #[arg(long)]
    pub(crate) agent: Option<String>,
    /// Only those that work on this task
    #[arg(long)]
    pub(crate) task: Option<String>,
    /// Only those that are not over
    #[arg(long)]
    pub(crate) active: bool,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// List swarms, or show one: members, phase, milestones, decisions
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog swarms --status active")]
pub(crate) struct SwarmsArgs {
    /// Only this one, with all that is known
    pub(crate) id: Option<String>,
    /// Only those that are active, terminated, disbanded or unknown
    #[arg(long)]
    pub(crate) status: Option<String>,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// List worktrees, or show one: branches, and conflicts that are open
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog worktrees --conflicts")]
pub(crate) struct WorktreesArgs {
    /// Only this one, by its folder
    pub(crate) id: Option<String>,
    /// Only those with a conflict that is open
    #[arg(long)]
    pub(crate) conflicts: bool,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// List deployments, or show one: branch, commit, build, tests
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  factlog deployments --status failed --environment staging")]
pub(crate) struct DeploymentsArgs {
    /// Only this one, with all that is known
    pub(crate) id: Option<String>,
    /// Only those that are in-progress, completed or failed
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only those to this place
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// Only those of this branch
    #[arg(long)]
    pub(crate) branch: Option<String>,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// The states that are folded from the log: list them, show one, build one anew
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog projections list
  factlog projections show tasks --at 42
  factlog projections rebuild")]
pub(crate) struct ProjectionsArgs {
    #[command(subcommand)]
    pub(crate) action: ProjectionsAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectionsAction {
    /// What there is, how far each is, and what is remembered of it
    #[command(after_help = "Example:\n  factlog projections list --format json")]
    List,
    /// The whole state of one, as JSON
    #[command(after_help = "Example:\n  factlog projections show agents --at 2h")]
    Show {
        /// agents, tasks, memories, sessions, swarms, coordinations, worktrees, deployments, leases or agent-metrics
        name: String,
        #[command(flatten)]
        at: AtArgs,
    },
    /// Build one anew from the first event, or all
    #[command(after_help = "Example:\n  factlog projections rebuild tasks")]
    Rebuild {
        /// Which; all when left out
        name: Option<String>,
        /// Begin with what a removal has left
        #[arg(long)]
        partial: bool,
    },
}

/// What differs between two moments: tasks, agents, sessions ... that are new, gone or other
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog diff --from 2h
  factlog diff tasks --from 40 --to 60
  factlog diff tasks/42 --from v1 --to v3")]
pub(crate) struct DiffArgs {
    /// A projection such as tasks, or one thing: tasks/42, or its stream task-42; all projections when left out
    pub(crate) what: Option<String>,
    /// The earlier moment: a position, a version of one thing's stream, or a time
    #[arg(long, value_name = "MOMENT")]
    pub(crate) from: String,
    /// The later moment; now when left out
    #[arg(long, value_name = "MOMENT")]
    pub(crate) to: Option<String>,
}

/// Which event changed a field of a task, an agent, a session ...
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog blame task-42 status
  factlog blame agent-agent-7 currentTask --all
  factlog blame task-42")]
pub(crate) struct BlameArgs {
    /// A stream such as task-42: the category tells what it is, the rest is its id
    pub(crate) stream: String,
    /// A field, as `--format json` names it; every field when left out
    pub(crate) field: Option<String>,
    /// Every change, not the last one alone
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) at: AtArgs,
}

/// Who is doing what, since when, and who is stuck: the whole fleet at a glance
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  factlog fleet
  factlog fleet --watch
  factlog fleet --format json")]
pub(crate) struct FleetArgs {
    /// Stay, and show what changes; Ctrl-C ends it
    #[arg(long)]
    pub(crate) watch: bool,
    /// Also those that ended, and those that were not heard of for a day
    #[arg(long)]
    pub(crate) all: bool,
    /// An agent at work that is not heard of for so long is stuck
    #[arg(long, value_name = "SPAN", default_value = "15m")]
    pub(crate) quiet: String,
    /// A tool that works for so long is stuck
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    pub(crate) tool: String,
    /// As it was at a position, or at a time
    #[arg(long, value_name = "MOMENT", conflicts_with = "watch")]
    pub(crate) at: Option<String>,
}
