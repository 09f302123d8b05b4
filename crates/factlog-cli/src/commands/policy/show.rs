//! Policies as they are shown: which there are, how they stand, what they have done.

use std::collections::BTreeMap;
use std::path::Path;

use factlog_agents::policy::built_in::BUILT_IN;
use factlog_agents::policy::{Told, policy_history, policy_states};
use serde_json::{Value, json};

use super::super::Context;
use super::read;
use crate::failure::Outcome;
use crate::output::{Column, Format, Listing, note, plain};

/// What each built-in policy can be told.
const TAKES: [(&str, &str); 5] = [
    ("auto-move", ""),
    ("retry-sessions", "max = 3, backoff = \"1s\""),
    ("stuck-alert", "quiet = \"15m\""),
    ("budget-alert", "tokens = 1000000, cost = 5.0"),
    ("conflict-alert", "within = \"30m\""),
];

pub(super) fn built_in(context: &Context) -> Outcome {
    let format = context.format("policy built-in", Listing::FORMATS)?;
    let takes = |name: &str| TAKES.iter().find(|(known, _)| *known == name).map_or("", |(_, takes)| *takes);
    let things =
        BUILT_IN.iter().map(|(name, about)| json!({"name": name, "with": takes(name), "about": about}));
    let columns =
        [Column::text("NAME", "name"), Column::text("WITH", "with"), Column::whole("ABOUT", "about")];
    Listing::of_things(&columns, things.collect(), format).print(format)
}

pub(super) async fn list(context: &Context, file: &Path) -> Outcome {
    let format = context.format("policy list", Listing::FORMATS)?;
    // One that was named must be there.
    let is_usual = file == Path::new("policies.toml");
    let rules = if is_usual && !file.exists() { Vec::new() } else { read(file)? };
    let log = context.open().await?;
    let mut states: BTreeMap<String, Value> = BTreeMap::new();
    for (name, state) in policy_states(&log).await? {
        let status = if state.parked.is_some() { "parked" } else { "not in the file" };
        let next = state.pending.values().map(|pending| pending.due_at).min();
        states.insert(
            name.clone(),
            json!({"name": name, "status": status, "fired": state.fired, "pending": state.pending.len(),
                "failed": state.failed, "givenUp": state.given_up, "lastFiredAt": state.last_fired_at, "nextAt": next,
                "parked": state.parked}),
        );
    }
    for rule in &rules {
        let name = rule.policy.name();
        let state = states
            .entry(name.to_owned())
            .or_insert_with(|| json!({"name": name, "fired": 0, "pending": 0, "failed": 0, "givenUp": 0}));
        if state["parked"].is_null() {
            state["status"] = json!(if rule.is_enabled { "enabled" } else { "disabled" });
        }
        state["on"] = json!(rule.policy.pattern().as_str());
        state["about"] = json!(rule.policy.about());
    }
    let columns = [
        Column::text("NAME", "name"),
        Column::text("STATUS", "status"),
        Column::number("FIRED", "fired"),
        Column::number("PENDING", "pending"),
        Column::number("FAILED", "failed"),
        Column::time("LAST FIRED", "lastFiredAt"),
        Column::text("ON", "on"),
    ];
    let things: Vec<Value> = states.into_values().collect();
    if things.is_empty() && format == Format::Table {
        note(format_args!("no policies: {} is not there, and none was ever run here", file.display()));
    }
    Listing::of_things(&columns, things, format).print(format)?;
    Ok(log.close().await?)
}

pub(super) async fn history(context: &Context, name: Option<&str>, last: usize) -> Outcome {
    let format = context.format("policy history", Listing::FORMATS)?;
    let log = context.open().await?;
    let told = policy_history(&log, name, last).await?;
    if told.is_empty() && format == Format::Table {
        note("no policy has done anything yet");
    }
    let things = told.iter().map(|told| {
        let mut thing = serde_json::to_value(told)?;
        thing["said"] = json!(said(told));
        Ok(thing)
    });
    let things = things.collect::<serde_json::Result<Vec<Value>>>()?;
    let columns = [
        Column::time("AT", "at"),
        Column::text("POLICY", "policy"),
        Column::text("WHAT", "what"),
        Column::text("KEY", "key"),
        Column::whole("HOW", "said"),
    ];
    let mut listing = Listing::of_things(&columns, things, format);
    // What is said is made of the other fields.
    if let Value::Array(items) = &mut listing.json {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| drop(item.remove("said")));
    }
    listing.print(format)?;
    Ok(log.close().await?)
}

/// What was told, in a line.
fn said(told: &Told) -> String {
    let due =
        |word: &str| told.due_at.map(|at| format!("{word} {}", &at.to_string()[..19].replace('T', " ")));
    match told.what {
        "fired" => told.acts.join(", "),
        "scheduled" => due("for").unwrap_or_default(),
        _ => {
            let why = told.why.clone().unwrap_or_default();
            due("again").map(|again| format!("{why}; {again}")).unwrap_or(why)
        }
    }
}

/// What was told, as it comes.
pub(super) fn line(told: &Told) -> String {
    let at = told.at.to_string()[..19].replace('T', " ");
    let key = told.key.as_deref().map(|key| format!(" {key}")).unwrap_or_default();
    plain(&format!("{at}  {} {}{key}: {}", told.policy, told.what, said(told)))
}
