//! `factlog policy`: rules that act on what happens.

mod show;
mod test;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use factlog::{Error, EventLog, Filter, Position, Result, TimeRange, Timestamp, TypedEvent};
use factlog_agents::Bus;
use factlog_agents::policy::{Engine, Policy, Ruled, Rules, Told, policy_state, rules};
use factlog_agents::vocabulary::PolicyResumed;
use serde_json::json;

use super::acting::{answer, format};
use super::{Context, until_interrupted};
use crate::cli::{PolicyAction, PolicyArgs, WhichArgs};
use crate::failure::Outcome;
use crate::output::{Format, note, stdout};
use crate::person_time::{self, End};

pub(crate) async fn run(context: &Context, args: &PolicyArgs) -> Outcome {
    match &args.action {
        PolicyAction::List { rules } => show::list(context, rules).await,
        PolicyAction::Check { rules } => check(context, rules),
        PolicyAction::Test { rules, which, last, filter } => {
            test::run(context, &chosen(rules, which)?, *last, &filter.selection()?).await
        }
        PolicyAction::Run { rules, which, from } => {
            act(context, &chosen(rules, which)?, from.as_deref()).await
        }
        PolicyAction::History { name, last } => show::history(context, name.as_deref(), *last).await,
        PolicyAction::Resume { name, reason } => resume(context, name, reason.as_deref()).await,
        PolicyAction::BuiltIn => show::built_in(context),
    }
}

/// The rules of a file.
fn read(file: &Path) -> Result<Rules> {
    let text = std::fs::read_to_string(file).map_err(|cause| {
        let error = if cause.kind() == std::io::ErrorKind::NotFound {
            Error::not_found(format!("{}: {cause}", file.display()))
        } else {
            Error::invalid(format!("{}: {cause}", file.display()))
        };
        error.with_hint("policies stand in a file in TOML: `factlog policy --help` shows one")
    })?;
    let rules = rules(&text).map_err(|error| error.context(file.display().to_string()))?;
    if rules.is_empty() {
        return Err(Error::invalid(format!("{}: there is no policy in it", file.display()))
            .with_hint("a policy begins with [[policy]]: `factlog policy --help` shows one"));
    }
    Ok(rules)
}

/// Those of a file that are to be run.
fn chosen(file: &Path, which: &WhichArgs) -> Result<Vec<Arc<dyn Policy>>> {
    let all = read(file)?;
    let named = |rule: &&Ruled| which.only.iter().any(|name| name == rule.policy.name());
    if let Some(unknown) = which.only.iter().find(|name| all.iter().all(|rule| rule.policy.name() != *name)) {
        return Err(Error::not_found(format!("{} has no policy {unknown}", file.display())));
    }
    let is_meant = |rule: &&Ruled| if which.only.is_empty() { rule.is_enabled } else { named(rule) };
    let policies: Vec<Arc<dyn Policy>> =
        all.iter().filter(is_meant).map(|rule| Arc::clone(&rule.policy)).collect();
    if policies.is_empty() {
        return Err(Error::not_found(format!("{} has no policy that is enabled", file.display()))
            .with_hint("`enabled = true` enables one, or --only names it"));
    }
    Ok(policies)
}

fn check(context: &Context, file: &Path) -> Outcome {
    let format = format(context, "policy check")?;
    let rules = read(file)?;
    let names: Vec<&str> = rules.iter().map(|rule| rule.policy.name()).collect();
    let said = format!("{} can be run: {}", file.display(), names.join(", "));
    answer(format, &json!({"file": file.display().to_string(), "policies": names}), &said)
}

/// Runs policies, and shows what they do.
async fn act(context: &Context, policies: &[Arc<dyn Policy>], from: Option<&str>) -> Outcome {
    let format = context.format("policy run", &[Format::Table, Format::Jsonl])?;
    let log = context.open_or_create().await?;
    until_interrupted(working(&log, policies, from, format)).await?;
    Ok(log.close().await?)
}

async fn working(
    log: &EventLog,
    policies: &[Arc<dyn Policy>],
    from: Option<&str>,
    format: Format,
) -> Outcome {
    let mut engine = Engine::new(Bus::new(log.clone()));
    for policy in policies {
        engine = engine.policy(Arc::clone(policy));
        if let Some(parked) = policy_state(log, policy.name()).await?.parked {
            note(format_args!(
                "{} is parked: {}; `factlog policy resume {}` lets it go on",
                policy.name(),
                parked.reason,
                policy.name()
            ));
        }
    }
    if let Some(from) = from {
        engine = engine.from(position_of(log, from).await?);
    }
    let mut told = log.follow(Filter::categories(["policy"])?).after(log.newest().await?);
    let mut running = engine.start().await?;
    let names: Vec<&str> = policies.iter().map(|policy| policy.name()).collect();
    tracing::info!("running {}", names.join(", "));
    if std::io::stderr().is_terminal() {
        note(format_args!("running {}; Ctrl-C ends it", names.join(", ")));
    }
    loop {
        let event = tokio::select! {
            biased;
            event = told.next() => event,
            ended = running.ended() => return Ok(ended?),
        };
        let event = event.ok_or_else(|| Error::stopped("the log was closed"))??;
        let Some(told) = Told::of(&event).filter(|told| names.contains(&told.policy.as_str())) else {
            continue;
        };
        let mut out = stdout();
        match format {
            Format::Table => writeln!(out, "{}", show::line(&told))?,
            _ => writeln!(out, "{}", serde_json::to_string(&told)?)?,
        }
        out.flush()?;
    }
}

/// All before a time or a position.
async fn position_of(log: &EventLog, from: &str) -> Result<Position> {
    if let Ok(position) = from.parse::<u64>() {
        return Ok(Position(position.saturating_sub(1)));
    }
    let time =
        person_time::parse(from, End::From, Timestamp::now()).map_err(|error| error.context("--from"))?;
    let recorded = TimeRange { from: Some(time), to: None };
    let first = log.read(Filter { recorded, ..Filter::all() }).limit(1).collect().await?;
    match first.first() {
        Some(first) => Ok(Position(first.position.0.saturating_sub(1))),
        None => log.newest().await,
    }
}

async fn resume(context: &Context, name: &str, reason: Option<&str>) -> Outcome {
    let format = format(context, "policy resume")?;
    let log = context.open().await?;
    if policy_state(&log, name).await?.parked.is_none() {
        return Err(Error::not_found(format!("the policy {name} is not parked"))
            .with_hint("`factlog policy list` shows which are")
            .into());
    }
    let mut resumed = PolicyResumed::new(name);
    resumed.reason = reason.map(str::to_owned);
    let appended = log.append(resumed.into_event()?).await?;
    log.close().await?;
    let said = format!("{name} goes on with what comes from now on");
    answer(format, &json!({"name": name, "position": appended.last()}), &said)
}
