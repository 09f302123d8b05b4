//! `factlog doctor`: what keeps the recording from working.

use std::fs;

use factlog_adapters::hook::Agent;
use factlog_adapters::hooks::{self, Scope};
use factlog_agents::SUPABASE_HINT;
use factlog_stores::{Open, StoreUrl, postgres};
use serde_json::json;

use super::Context;
use super::hooks::quoted;
use crate::cli::DoctorArgs;
use crate::failure::{Failure, Outcome, exit};
use crate::output::Listing;
use crate::state::State;

/// One thing that was looked at.
struct Finding {
    what: String,
    value: String,
    is_bad: bool,
}

impl Finding {
    fn good(what: &str, value: impl Into<String>) -> Self {
        Self { what: what.to_owned(), value: value.into(), is_bad: false }
    }

    fn bad(what: &str, value: impl Into<String>) -> Self {
        Self { what: what.to_owned(), value: value.into(), is_bad: true }
    }
}

pub(crate) async fn run(context: &Context, args: &DoctorArgs) -> Outcome {
    let format = context.format("doctor", Listing::FORMATS)?;
    let state = State::of(&|name| std::env::var_os(name));
    let mut findings = vec![Finding::good("factlog", env!("CARGO_PKG_VERSION")), log(context).await];
    findings.extend(server(context).await);
    findings.extend(supabase());
    findings.extend(Agent::ALL.into_iter().filter_map(agent));
    findings.extend(state.missed().into_iter().map(|(path, count, url)| {
        let (from, to) = (quoted(&path.display().to_string()), quoted(&format!("{}.in", path.display())));
        let store = if url.is_empty() { String::new() } else { format!(" --store {}", quoted(&url)) };
        let what = format!("{count}; take them in with: mv {from} {to} && factlog import jsonl {to}{store}");
        Finding::bad("events that hooks could not record", what)
    }));
    let failures = state.last_failures(args.last);
    findings.extend(failures.into_iter().map(|line| Finding::good("a hook failed", line)));
    let is_well = findings.iter().all(|finding| !finding.is_bad);
    let rows = findings.iter().map(|finding| {
        vec![(if finding.is_bad { "!" } else { "" }).to_owned(), finding.what.clone(), finding.value.clone()]
    });
    let json = findings
        .iter()
        .map(|finding| json!({"what": finding.what, "value": finding.value, "ok": !finding.is_bad}))
        .collect::<serde_json::Value>();
    let headings = ["", "WHAT", "VALUE"].map(str::to_owned).to_vec();
    Listing { headings, rows: rows.collect(), numbers: Vec::new(), json }.print(format)?;
    if is_well { Ok(()) } else { Err(Failure::Told(exit::FAILURE)) }
}

async fn log(context: &Context) -> Finding {
    let url = context.settings.shown_url();
    let log = match factlog_stores::open(context.settings.url(), Open::Existing).await {
        Ok(log) => log,
        Err(error) if error.kind() == factlog::ErrorKind::NotFound => {
            return Finding::good("log", format!("{url}: not there yet; the first event makes it"));
        }
        Err(error) => return Finding::bad("log", format!("{url}: {error}")),
    };
    let health = log.health().await;
    let closed = log.close().await;
    match (health.problem, closed) {
        (None, Ok(())) => Finding::good("log", format!("{url}: {} events", health.head)),
        (Some(problem), _) => Finding::bad("log", format!("{url}: {problem}")),
        (None, Err(error)) => Finding::bad("log", format!("{url}: {error}")),
    }
}

/// What is found at a server, with what to do.
async fn server(context: &Context) -> Vec<Finding> {
    let Ok(StoreUrl::Postgres(options)) = context.settings.url().parse() else { return Vec::new() };
    let findings = postgres::examine(&options).await;
    let told = findings.into_iter().map(|finding| Finding {
        what: finding.what.to_owned(),
        value: match finding.advice {
            Some(advice) => format!("{}; {advice}", finding.value),
            None => finding.value,
        },
        is_bad: finding.is_bad,
    });
    told.collect()
}

/// A project at Supabase that is named without what opens its database.
fn supabase() -> Option<Finding> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_named = set("SUPABASE_URL") && !set("SUPABASE_DB_PASSWORD");
    is_named.then(|| Finding::good("Supabase", format!("SUPABASE_URL is not used: {SUPABASE_HINT}")))
}

/// Whether an agent that is here records, for the person or in this folder's project, and whether the program it runs is
/// there.
fn agent(agent: Agent) -> Option<Finding> {
    let folder = hooks::folder(agent, |name| std::env::var_os(name)).filter(|folder| folder.is_dir())?;
    let here = std::env::current_dir().unwrap_or_default();
    let files = [hooks::file(agent, Scope::User, &folder), hooks::file(agent, Scope::Project, &here)];
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let found = match hooks::installed(&text) {
            Ok(found) => found,
            Err(error) => return Some(Finding::bad(agent.title(), format!("{}: {error}", path.display()))),
        };
        let Some((_, command)) = found.first() else { continue };
        let program = command.split(" hook --agent ").next().and_then(hooks::unquoted).unwrap_or_default();
        if !std::path::Path::new(&program).is_file() {
            let what = format!("its hooks run {program}, which is not there; install them again");
            return Some(Finding::bad(agent.title(), what));
        }
        let trust = if agent == Agent::Codex { " (once you have trusted them with /hooks)" } else { "" };
        let what = format!("records {} hooks{trust}, by {}: {command}", found.len(), path.display());
        return Some(Finding::good(agent.title(), what));
    }
    Some(Finding::good(agent.title(), "does not record; `factlog hooks install` changes that"))
}
