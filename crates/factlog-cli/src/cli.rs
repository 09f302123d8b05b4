//! The words of the command line.

mod agent;
mod acting;
mod capture;
mod coordinate;
mod domain;
mod find;
mod keep;
mod lease;
mod look;
mod memory;
mod policy;
mod query;
mod record;
mod retain;
mod server;
mod talk;
mod swarm;

use clap::{Parser, Subcommand};

use crate::output::Format;

pub(crate) use acting::Acting;
pub(crate) use agent::{AgentAction, AgentArgs, AgentRunArgs, McpArgs};
pub(crate) use capture::{
    DoctorArgs, HookArgs, HooksAction, HooksArgs, HooksWhere, RedactAction, RedactArgs,
};
pub(crate) use coordinate::{CoordinateAction, CoordinateArgs, CoordinationRequestArgs, CoordinationsArgs};
pub(crate) use domain::{
    AgentsArgs, AtArgs, BlameArgs, DeploymentsArgs, DiffArgs, FleetArgs, MemoriesArgs, ProjectionsAction,
    ProjectionsArgs, SessionsArgs, SwarmsArgs, TasksArgs, TypesAction, TypesArgs, WorktreesArgs,
};
pub(crate) use find::{CaseArgs, Find, FlowArgs, GraphArgs, PatternsArgs, Picture, TraceArgs, TraceAs};
pub(crate) use keep::{
    CheckArgs, CompletionsArgs, ConfigAction, ConfigArgs, CopyArgs, SnapshotAction, SnapshotArgs, VerifyArgs,
};
pub(crate) use lease::{LeaseAction, LeaseArgs};
pub(crate) use look::{
    ExportArgs, FollowArgs, Layout, ListArgs, ReplayArgs, ShowArgs, SliceArgs, StatsArgs, StreamsArgs,
};
pub(crate) use memory::{MemoryAction, MemoryArgs};
pub(crate) use policy::{PolicyAction, PolicyArgs, WhichArgs};
pub(crate) use query::QueryArgs;
pub(crate) use record::{AppendArgs, ImportArgs, ImportFrom, ImportHow, WatchArgs, WatchWhat};
pub(crate) use retain::{ArchiveAction, ArchiveArgs, RetentionAction, RetentionArgs, RetentionRuleArgs};
pub(crate) use server::{HealthArgs, MigrateAction, MigrateArgs, RecordArgs};
pub(crate) use swarm::{ProposeArgs, SwarmAction, SwarmArgs, VoteArgs};
pub(crate) use talk::{
    AckArgs, BroadcastArgs, DeadLettersAction, DeadLettersArgs, InboxArgs, MessageArgs, NackArgs,
    RequestArgs, RespondArgs, SendArgs, SendHow,
};

/// The page of `factlog --help`: commands by task. A test checks that every command is named.
const HELP: &str = "\
{about}

Usage: {usage}

Record:
  append       Record one event, or many from standard input
  record       Record what a program tells by name: task:started, agent:registered ...
  import       Take in transcripts of agents, or JSON lines
  watch        Follow the transcripts of an agent, live
  hooks        Have agents record what they do, live
  hook         Record one payload of a hook; agents run this

Look:
  list         List events
  show         Show one event, its causes and its effects
  streams      List streams
  stats        Count events by type, stream, day ...
  follow       Wait for events and show them as they come
  replay       Go through events in order, at a pace if you like
  export       Write events out, to import elsewhere
  types        The vocabulary: types of events, their fields and other names

Understand:
  fleet        Who is doing what, since when, and who is stuck
  agents       List agents, or show one
  tasks        List tasks, or show one
  sessions     List sessions, with tools, sub-agents and tokens
  memories     List what agents keep, and who reads it
  swarms       List swarms
  coordinations  List common work, and who takes part
  worktrees    List worktrees, and their conflicts
  deployments  List deployments
  diff         What differs between two moments
  blame        Which event changed a field
  projections  The states folded from the log: list, show, rebuild

Find:
  query        What follows what: failed followed by queued within 5m
  flow         The process in the log: what follows what, where it waits, what is done again
  graph        Who has to do with what: agents, tasks, sessions, files ...
  patterns     What comes again and again, and what comes before failures
  trace        What caused what, with durations; OpenTelemetry spans

React:
  policy       Do something whenever something happens; test it on the past

Talk:
  send         Send a message to an agent, or to many
  broadcast    Tell something to all agents, or to those of a kind
  request      Ask an agent, and wait for its answer
  respond      Answer a request
  inbox        Show what waits for an agent, or take it
  ack          Say that an agent is done with a message
  nack         Have a message offered again after a while
  message      Show where a message stands
  dead-letters What is offered no more: list it, offer it again
  agent        Make an agent of a command
  mcp          Talk with all others from Claude Code, Codex and the like
  swarm        Form swarms, join them, ask them to decide
  vote         Vote on a question of a swarm
  coordinate   Seek agents for common work, and say how far it is
  lease        Take resources for one agent until a time
  memory       Keep values for other agents, with versions and rights

Remember:
  snapshot     Save, show and list values remembered at a position

Look after:
  check        Read everything and say what is wrong
  health       Say how the log is doing
  copy         Copy a log into another, of whatever store
  verify       Compare the log with another
  migrate      Bring the tables of a log in PostgreSQL or SQLite up, or down
  retention    Say what old events would go, and remove them
  archive      Move old events into files, and bring them back
  doctor       Find out what keeps the recording from working
  redact       Test what would be taken out of a file as a secret
  config       Show the settings and where each came from
  completions  Print completions for a shell
  demo         See it all in ten seconds, in a scratch folder

Options:
{options}{after-help}";

const EXAMPLES: &str = "\
Examples:
  factlog append task-1 task:created '{\"title\":\"Try factlog\"}'
  factlog list --category task --last 10
  factlog follow --type 'task:*' --format jsonl
  factlog import claude-code
  factlog hooks install --claude

The log is sqlite:factlog.db in this folder, unless --store, FACTLOG_STORE, a .factlog.toml or POSTGRES_HOST names another.
Exit codes: 0 ok, 1 failure, 2 usage or bad input, 3 not found, 4 conflict, 5 unavailable, 6 corrupt.";

/// The event store and event bus for fleets of AI agents: a durable, ordered log of facts.
#[derive(Debug, Parser)]
#[command(name = "factlog", bin_name = "factlog", version, help_template = HELP, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    /// The log: sqlite:PATH, jsonl:DIR, memory:, or the URL of a PostgreSQL server
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,

    /// How to write what is found; a command refuses what it cannot do
    #[arg(long, global = true, value_enum)]
    pub(crate) format: Option<Format>,

    /// Settings that go together: default, development, production or test
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) preset: Option<String>,

    /// Say more on standard error; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Append(AppendArgs),
    Record(RecordArgs),
    Import(ImportArgs),
    Watch(WatchArgs),
    Hooks(HooksArgs),
    Hook(HookArgs),
    List(ListArgs),
    Show(ShowArgs),
    Streams(StreamsArgs),
    Stats(StatsArgs),
    Follow(FollowArgs),
    Replay(ReplayArgs),
    Export(ExportArgs),
    Snapshot(SnapshotArgs),
    Types(TypesArgs),
    Fleet(FleetArgs),
    Agents(AgentsArgs),
    Tasks(TasksArgs),
    Sessions(SessionsArgs),
    Memories(MemoriesArgs),
    Swarms(SwarmsArgs),
    Coordinations(CoordinationsArgs),
    Worktrees(WorktreesArgs),
    Deployments(DeploymentsArgs),
    #[command(flatten)]
    Find(Find),
    #[command(flatten)]
    Talk(Talk),
    Policy(PolicyArgs),
    Diff(DiffArgs),
    Blame(BlameArgs),
    Projections(ProjectionsArgs),
    Check(CheckArgs),
    Health(HealthArgs),
    Migrate(MigrateArgs),
    Copy(CopyArgs),
    Verify(VerifyArgs),
    Retention(RetentionArgs),
    Archive(ArchiveArgs),
    Doctor(DoctorArgs),
    Redact(RedactArgs),
    Config(ConfigArgs),
    Completions(CompletionsArgs),
    /// See it all in ten seconds: a small agent run in a scratch folder, of which nothing is left behind
    #[command(
        after_help = "Examples:\n  factlog demo\n  factlog demo --store postgres://me@localhost/team     in tables of its own, gone afterwards"
    )]
    Demo,
    /// Print docs/cli.md or docs/vocabulary.md
    #[command(hide = true)]
    Docs {
        /// cli or vocabulary
        #[arg(value_enum, default_value = "cli")]
        page: crate::docs::Page,
    },
}

/// What agents talk with.
#[derive(Debug, Subcommand)]
pub(crate) enum Talk {
    Send(SendArgs),
    Broadcast(BroadcastArgs),
    Request(RequestArgs),
    Respond(RespondArgs),
    Inbox(InboxArgs),
    Ack(AckArgs),
    Nack(NackArgs),
    Message(MessageArgs),
    DeadLetters(DeadLettersArgs),
    Agent(AgentArgs),
    Mcp(McpArgs),
    Swarm(SwarmArgs),
    Vote(VoteArgs),
    Coordinate(CoordinateArgs),
    Lease(LeaseArgs),
    Memory(MemoryArgs),
}
