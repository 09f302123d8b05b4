//! `factlog demo`: the whole idea in ten seconds, in a place of which nothing is left behind.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Parser;
use factlog::{Error, Filter, NewEvent, Position};
use factlog_stores::postgres::Migrations;
use factlog_stores::{Open, PostgresOptions};

use crate::cli::Cli;
use crate::demo_events::EVENTS;
use crate::failure::Outcome;
use crate::output::stdout;

/// Longer than a follower takes to hear of an event; the demo has failed then.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows it in a scratch folder; at a server, where one is named, in tables of its own.
pub(crate) async fn run(server: Option<&str>) -> Outcome {
    let folder = tempfile::TempDir::with_prefix("factlog-demo-").map_err(scratch)?;
    let outcome = match server {
        Some(url) => at_a_server(url, folder.path()).await,
        None => tour(folder.path(), &format!("sqlite:{}", folder.path().join("demo.db").display())).await,
    };
    // Also after a failure nothing is left behind.
    folder.close().map_err(scratch)?;
    outcome
}

async fn at_a_server(url: &str, folder: &Path) -> Outcome {
    let (place, settings) = url.split_once('?').unwrap_or((url, ""));
    // Nothing that the settings say may name other tables than these.
    let mut own = format!("{place}?schema=factlog_demo_{}&prefix=", std::process::id());
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        if !setting.starts_with("schema=") && !setting.starts_with("prefix=") {
            own = own + "&" + setting;
        }
    }
    let options = PostgresOptions::new(&own)?;
    let outcome = tour(folder, &own).await;
    let gone = async { Migrations::of(options).await?.down(0).await };
    let gone = gone.await;
    outcome?;
    gone?;
    Ok(())
}

fn scratch(cause: std::io::Error) -> Error {
    Error::unavailable(format!("the scratch folder of the demo: {cause}")).with_cause(cause)
}

async fn tour(folder: &Path, url: &str) -> Outcome {
    let run_file = folder.join("run.jsonl");
    std::fs::write(&run_file, EVENTS).map_err(scratch)?;
    let run_file = run_file.display().to_string();

    say(
        "Three agents refresh a guide. Their run goes in; every event is on the disk before it is acknowledged.",
    )?;
    command(url, &["import", "jsonl", &run_file], "import jsonl run.jsonl").await?;
    say("What happened, in one order:")?;
    command(url, &["list", "--last", "8"], "list --last 8").await?;
    say("What was it about?")?;
    command(url, &["stats", "--group-by", "type"], "stats --group-by type").await?;
    say("One failed. What led to it, and what came of it?")?;
    command(url, &["show", "16"], "show 16").await?;
    say("The life of one task, again from the beginning:")?;
    let replay = ["replay", "--stream", "task-examples"];
    command(url, &replay, "replay --stream task-examples").await?;

    say("Whatever else you want to know is folded from that log. Where do the tasks stand?")?;
    command(url, &["tasks"], "tasks").await?;
    say("Who was doing what in the middle of it, at position 15?")?;
    command(url, &["fleet", "--at", "15"], "fleet --at 15").await?;
    say("Which events made the task what it is?")?;
    let blame = ["blame", "task-examples", "status", "--all"];
    command(url, &blame, "blame task-examples status --all").await?;

    say("A snapshot is a value remembered at a position:")?;
    let save = ["snapshot", "save", "summary", r#"{"completed":2,"open":1}"#];
    command(url, &save, r#"snapshot save summary '{"completed":2,"open":1}'"#).await?;
    command(url, &["snapshot", "show", "summary"], "snapshot show summary").await?;

    say("Following is reading, and then waiting for more. Here somebody finishes the job while we look:")?;
    follow(url).await?;
    say("That is all there is: a log, and a position in it. Now yours:")?;
    let mut out = stdout();
    writeln!(out, "  factlog append task-1 task:created '{{\"title\":\"Try factlog\"}}'")?;
    writeln!(out, "  factlog import claude-code        # what your own agents did")?;
    Ok(out.flush()?)
}

fn say(text: &str) -> Outcome {
    let mut out = anstream::stdout().lock();
    let bold = Style::new().bold();
    writeln!(out, "\n{bold}{text}{bold:#}")?;
    Ok(out.flush()?)
}

fn prompt(command: &str) -> Outcome {
    let mut out = anstream::stdout().lock();
    let green = Style::new().fg_color(Some(AnsiColor::Green.into()));
    writeln!(out, "{green}$ factlog {command}{green:#}")?;
    Ok(out.flush()?)
}

/// Shows a command and really runs it.
async fn command(url: &str, words: &[&str], shown: &str) -> Outcome {
    prompt(shown)?;
    // Whatever format somebody prefers: here it is for eyes.
    let all = ["factlog", "--format", "table", "--store", url].into_iter().chain(words.iter().copied());
    let cli = Cli::try_parse_from(all).map_err(|error| Error::invalid(error.to_string()))?;
    Box::pin(super::run(cli)).await
}

async fn follow(url: &str) -> Outcome {
    prompt("follow --category task")?;
    let log = factlog_stores::open(url, Open::Existing).await?;
    let newest = log.newest().await?;
    // A store of its own, as another process would have.
    let other = factlog_stores::open(url, Open::Existing).await?;
    let mut following = log.follow(Filter::categories(["task"])?).after(newest);
    let started = NewEvent::new("task-examples", "task:started", serde_json::json!({"agentId": "writer"}))?;
    let done = serde_json::json!({"agentId": "writer", "result": {"examples": 12}});
    let completed = NewEvent::new("task-examples", "task:completed", done)?.with_causation(started.id);
    let appended = other.append([started.with_source("writer")?, completed.with_source("writer")?]).await?;
    let mut writer = crate::output::EventWriter::live(stdout(), crate::output::Format::Table);
    let mut seen = Position::START;
    while seen < appended.last() {
        let next = tokio::time::timeout(PATIENCE, following.next()).await;
        let event = next.map_err(|_| Error::unavailable("the follower heard of nothing"))?;
        let event = event.ok_or_else(|| Error::stopped("following has ended"))??;
        seen = event.position;
        writer.write(&event)?;
    }
    writer.finish()?;
    drop(following);
    other.close().await?;
    Ok(log.close().await?)
}
