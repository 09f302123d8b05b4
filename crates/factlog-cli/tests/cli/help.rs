//! Help and completions: all that a newcomer has.

use crate::support::Place;

#[test]
#[allow(clippy::too_many_lines, reason = "it is one page")]
#[expect(clippy::too_many_lines, reason = "it is one page, as long as there are commands")]
fn the_first_page_shows_the_commands_by_task() {
    let place = Place::new();
    insta::assert_snapshot!(place.ok("-h"), @r#"
    The event store and event bus for fleets of AI agents: a durable, ordered log of facts

    Usage: factlog [OPTIONS] <COMMAND>

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
          --store <URL>      The log: sqlite:PATH, jsonl:DIR, memory:, or the URL of a PostgreSQL server
          --format <FORMAT>  How to write what is found; a command refuses what it cannot do [possible
                             values: table, json, jsonl, csv, cloudevents, agent-events]
          --preset <NAME>    Settings that go together: default, development, production or test
      -v, --verbose...       Say more on standard error; twice for even more
      -h, --help             Print help (see more with '--help')
      -V, --version          Print version

    Examples:
      factlog append task-1 task:created '{"title":"Try factlog"}'
      factlog list --category task --last 10
      factlog follow --type 'task:*' --format jsonl
      factlog import claude-code
      factlog hooks install --claude

    The log is sqlite:factlog.db in this folder, unless --store, FACTLOG_STORE, a .factlog.toml or
    POSTGRES_HOST names another.
    Exit codes: 0 ok, 1 failure, 2 usage or bad input, 3 not found, 4 conflict, 5 unavailable, 6
    corrupt.
    "#);
    let said = place.run_words(&[]);
    assert_eq!((said.code, said.err.as_str()), (2, place.ok("-h").as_str()), "without words the same page");
}

#[test]
fn every_command_has_a_page_with_an_example() {
    let place = Place::new();
    for command in [
        "append",
        "import",
        "import jsonl",
        "import claude-code",
        "list",
        "show",
        "streams",
        "stats",
        "follow",
        "replay",
        "export",
        "snapshot",
        "snapshot save",
        "snapshot show",
        "snapshot list",
        "check",
        "health",
        "config",
        "config show",
        "completions",
        "demo",
        "lease",
        "lease acquire",
        "lease renew",
        "lease release",
        "lease list",
        "memory",
        "memory put",
        "memory get",
        "memory delete",
        "memory share",
        "memory list",
    ] {
        let page = place.ok(&format!("{command} --help"));
        assert!(page.contains("Example"), "{command}");
        assert!(page.contains(&format!("  factlog {}", command.split(' ').next().unwrap())), "{command}");
    }
}

#[test]
fn the_filter_flags_are_on_every_page_that_takes_them() {
    let place = Place::new();
    for command in ["list", "streams", "stats", "follow", "replay", "export"] {
        let page = place.ok(&format!("{command} -h"));
        for flag in [
            "stream",
            "category",
            "type",
            "source",
            "target",
            "correlation",
            "causation",
            "session",
            "user",
            "tag",
            "priority",
            "text",
            "from",
            "to",
            "recorded",
            "id",
        ] {
            assert!(page.contains(&format!("--{flag} ")), "{command} --{flag}");
        }
    }
}

#[test]
fn there_are_completions_for_each_shell() {
    let place = Place::new();
    for (shell, word) in [
        ("bash", "complete -F _factlog"),
        ("zsh", "#compdef factlog"),
        ("fish", "complete -c factlog"),
        ("elvish", "edit:completion:arg-completer[factlog]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = place.ok(&format!("completions {shell}"));
        assert!(script.contains(word) && script.contains("claude-code"), "{shell}");
    }
    // Settings that are wrong are no reason to have none.
    place.write(".factlog.toml", "nonsense");
    assert!(!place.ok("completions bash").is_empty());
}
