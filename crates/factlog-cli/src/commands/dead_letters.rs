//! `factlog dead-letters`: what is offered no more, and its replay.

use std::io::Write;

use factlog::Error;
use factlog_agents::Bus;
use factlog_agents::bus::{DeadLetter, MESSAGE_TTL};
use serde_json::{Value, json};

use super::{Context, acting};
use crate::cli::{DeadLettersAction, DeadLettersArgs};
use crate::failure::Outcome;
use crate::output::{Column, Format, Listing, note, stdout};

const COLUMNS: &[Column] = &[
    Column::text("MESSAGE", "messageId"),
    Column::text("INBOX", "inbox"),
    Column::text("KIND", "kind"),
    Column::text("FROM", "from"),
    Column::number("OFFERED", "attempts"),
    Column::time("DEAD SINCE (UTC)", "at"),
    Column::text("WHY", "reason"),
];

pub(crate) async fn run(context: &Context, args: &DeadLettersArgs) -> Outcome {
    match &args.action {
        DeadLettersAction::List { agent } => list(context, agent.as_deref()).await,
        DeadLettersAction::Replay { message_ids, first, agent, yes } => {
            replay(context, message_ids, *first, agent.as_deref(), *yes).await
        }
    }
}

fn shown((inbox, letter): &(String, DeadLetter)) -> Value {
    json!({
        "messageId": letter.item.message_id,
        "inbox": inbox,
        "kind": letter.item.kind,
        "from": letter.item.from,
        "attempts": letter.item.attempts,
        "at": letter.at,
        "reason": letter.reason,
    })
}

async fn list(context: &Context, agent: Option<&str>) -> Outcome {
    let format = context.format("dead-letters list", Listing::FORMATS)?;
    let log = context.open().await?;
    let letters = Bus::new(log.clone()).dead_letters(agent).await?;
    if letters.is_empty() && format == Format::Table {
        note("there are no dead letters");
    }
    Listing::of_things(COLUMNS, letters.iter().map(shown).collect(), format).print(format)?;
    Ok(log.close().await?)
}

async fn replay(
    context: &Context,
    ids: &[String],
    first: Option<usize>,
    agent: Option<&str>,
    yes: bool,
) -> Outcome {
    let format = acting::format(context, "dead-letters replay")?;
    let log = context.open().await?;
    let bus = Bus::new(log.clone());
    let letters = bus.dead_letters(agent).await?;
    let chosen: Vec<&(String, DeadLetter)> = match first {
        Some(first) => letters.iter().take(first).collect(),
        None => letters.iter().filter(|(_, letter)| ids.contains(&letter.item.message_id)).collect(),
    };
    let is_known = |id: &String| chosen.iter().any(|(_, letter)| letter.item.message_id == *id);
    if let Some(missing) = ids.iter().find(|id| !is_known(id)) {
        return Err(Error::not_found(format!("there is no dead letter {missing}"))
            .with_hint("`factlog dead-letters list` shows those there are")
            .into());
    }
    // Many at once are counted first; those that are named are meant.
    let is_told_only = first.is_some() && !yes;
    if is_told_only {
        note(format_args!(
            "{} of {} dead letters would be offered again; --yes does it",
            chosen.len(),
            letters.len()
        ));
    } else {
        for (inbox, letter) in &chosen {
            bus.replay(inbox, &letter.item.message_id, None, MESSAGE_TTL).await?;
        }
    }
    let mut out = stdout();
    let replayed = if is_told_only { 0 } else { chosen.len() };
    match format {
        Format::Table => writeln!(out, "{replayed} of {} offered again", letters.len())?,
        _ => writeln!(
            out,
            "{}",
            json!({"deadLetters": letters.len(), "chosen": chosen.len(), "replayed": replayed})
        )?,
    }
    out.flush()?;
    Ok(log.close().await?)
}
