//! `factlog policy test`: what policies would have done.

use std::collections::VecDeque;
use std::sync::Arc;

use factlog_agents::Bus;
use factlog_agents::policy::{Policy, Rehearsed, rehearse};
use serde_json::{Value, json};

use super::super::{Context, note_removed};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Column, Counting, Format, Listing, note};

/// Firings that are kept to be shown.
const SHOWN_MAX: usize = 10_000;

pub(super) async fn run(
    context: &Context,
    policies: &[Arc<dyn Policy>],
    last: Option<usize>,
    selection: &Selection,
) -> Outcome {
    let format = context.format("policy test", Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, selection).await?;
    let bus = Bus::new(log.clone());
    let shown_max = last.unwrap_or(SHOWN_MAX).min(SHOWN_MAX);
    let mut shown: VecDeque<Rehearsed> = VecDeque::new();
    let (mut would, mut would_not, mut history) = (0_u64, 0_u64, 0_u64);
    let counting = Counting::new();
    for policy in policies {
        let each = |one: Rehearsed| {
            *(if one.why_not.is_some() { &mut would_not } else { &mut would }) += 1;
            history += u64::from(one.why_not.as_deref().is_some_and(|why| why.starts_with("history")));
            counting.say(format_args!("{}: {would} firings", one.policy));
            shown.push_back(one);
            if shown.len() > shown_max {
                shown.pop_front();
            }
        };
        rehearse(&bus, policy, &selection.filter, selection.after, selection.before, each).await?;
    }
    drop(counting);
    let things = shown.iter().map(|one| {
        let mut thing = serde_json::to_value(one)?;
        thing["would"] =
            json!(one.why_not.clone().map_or_else(|| one.acts.join(", "), |why| format!("not: {why}")));
        Ok(thing)
    });
    let things = things.collect::<serde_json::Result<Vec<Value>>>()?;
    let columns = [
        Column::time("AT", "triggeredAt"),
        Column::time("DUE", "dueAt"),
        Column::text("POLICY", "policy"),
        Column::text("KEY", "key"),
        Column::whole("WOULD", "would"),
    ];
    let mut listing = Listing::of_things(&columns, things, format);
    if let Value::Array(items) = &mut listing.json {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| drop(item.remove("would")));
    }
    listing.json = json!({"wouldFire": would, "wouldNot": would_not, "firings": listing.json});
    listing.print(format)?;
    if format == Format::Table {
        note(format_args!("{would} firings would have been, {would_not} would not; nothing was done"));
    }
    if history > 0 {
        note(format_args!(
            "{history} of them happened long before they were recorded: `history = true` acts on such, too"
        ));
    }
    Ok(log.close().await?)
}
