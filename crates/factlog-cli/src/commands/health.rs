//! `factlog health`: how the log is doing, once or as it goes on.

use std::io::Write;
use std::time::Duration;

use factlog::{About, Connections, ErrorKind, EventLog, FollowerLag, Health, Timestamp};

use super::check::{listing, pair};
use super::{Context, until_interrupted};
use crate::cli::HealthArgs;
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Format, Listing, note, stdout};
use crate::person_time;

/// The shortest pause between two looks.
const EVERY_MIN: Duration = Duration::from_millis(100);

pub(crate) async fn run(context: &Context, args: &HealthArgs) -> Outcome {
    if args.watch {
        return watch(context, args).await;
    }
    let format = context.format("health", Listing::FORMATS)?;
    let log = context.open().await?;
    let health = log.health().await;
    let about = log.about().clone();
    let mut rows = vec![pair("store", &about.url), pair("durability", &about.durability)];
    rows.extend(rows_of(&health));
    listing(rows, json(&health, &about)?).print(format)?;
    log.close().await?;
    if health.healthy { Ok(()) } else { Err(Failure::Told(exit::FAILURE)) }
}

fn json(health: &Health, about: &About) -> Outcome<serde_json::Value> {
    let mut json = serde_json::to_value(health)?;
    json["store"] = serde_json::to_value(about)?;
    Ok(json)
}

fn rows_of(health: &Health) -> Vec<Vec<String>> {
    let mut rows = vec![
        pair("healthy", &if health.healthy { "yes" } else { "no" }),
        pair("newest position", &health.head),
    ];
    rows.extend(health.bytes.map(|bytes| pair("bytes", &bytes)));
    rows.push(pair("batches waiting", &health.waiting));
    rows.extend(health.last_append_at.map(|at| pair("last append", &at)));
    rows.extend(health.last_commit_us.map(|micros| pair("last commit", &millis(micros))));
    rows.extend(health.connections.iter().flat_map(connections));
    rows.extend(
        health
            .followers
            .iter()
            .map(|follower| pair(&format!("follower {}", follower.name), &behind(follower))),
    );
    rows.extend(health.problem.as_ref().map(|problem| pair("problem", problem)));
    rows
}

fn connections(of: &Connections) -> Vec<Vec<String>> {
    let waiting = if of.waiting > 0 { format!(", {} requests wait", of.waiting) } else { String::new() };
    let mut rows = vec![
        pair("connected", &if of.connected { "yes" } else { "no" }),
        pair("connections", &format!("{} open, {} idle, {} at the most{waiting}", of.open, of.idle, of.max)),
        pair("reconnections", &of.reconnections),
    ];
    rows.extend(of.round_trip_us.map(|micros| pair("round trip", &millis(micros))));
    rows
}

fn behind(follower: &FollowerLag) -> String {
    format!("{} behind, saved at {}", follower.behind, follower.saved_at)
}

fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1_000.0)
}

/// Says it again and again; what goes wrong is shown and waited for.
async fn watch(context: &Context, args: &HealthArgs) -> Outcome {
    let format = context.format("health --watch", &[Format::Table, Format::Jsonl])?;
    let every = person_time::age(&args.every).map_err(|error| error.context("--every"))?.max(EVERY_MIN);
    let looking = async {
        // A server that is away when this begins is waited for, too.
        let log = loop {
            match context.open().await {
                Ok(log) => break log,
                Err(Failure::Error(error)) if error.kind() == ErrorKind::Unavailable => {
                    note(format_args!("{error}; waiting"));
                    tokio::time::sleep(every).await;
                }
                Err(failure) => return Err(failure),
            }
        };
        // Others' appends are heard of.
        let _head = log.store().head();
        loop {
            look(&log, format).await?;
            tokio::time::sleep(every).await;
        }
    };
    until_interrupted(looking).await
}

async fn look(log: &EventLog, format: Format) -> Outcome {
    let health = log.health().await;
    let mut out = stdout();
    if format == Format::Jsonl {
        writeln!(out, "{}", json(&health, log.about())?)?;
    } else {
        writeln!(out, "{}", line(&health))?;
    }
    Ok(out.flush()?)
}

/// One look in one line.
fn line(health: &Health) -> String {
    let mut parts = vec![
        Timestamp::now().to_string(),
        if health.healthy { "healthy" } else { "NOT HEALTHY" }.to_owned(),
        format!("position {}", health.head),
    ];
    if health.waiting > 0 {
        parts.push(format!("{} waiting", health.waiting));
    }
    if let Some(of) = &health.connections {
        parts.push(format!("connections {}/{}", of.open, of.max));
        parts.extend(of.round_trip_us.map(|micros| format!("round trip {}", millis(micros))));
        if of.reconnections > 0 {
            parts.push(format!("{} reconnections", of.reconnections));
        }
    }
    parts.extend(health.last_commit_us.map(|micros| format!("commit {}", millis(micros))));
    if let Some(slowest) =
        health.followers.iter().max_by_key(|follower| follower.behind).filter(|lag| lag.behind > 0)
    {
        parts.push(format!("{} is {} behind", slowest.name, slowest.behind));
    }
    parts.extend(health.problem.clone());
    parts.join("  ")
}
