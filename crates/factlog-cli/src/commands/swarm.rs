//! `factlog swarm` and `factlog vote`: swarms, what they are asked, and how they decide.

use std::collections::BTreeMap;
use std::io::Write;

use factlog::{Error, Json, Result};
use factlog_agents::Bus;
use factlog_agents::bus::{Proposal, SwarmPlan};
use factlog_agents::projections::{Consensus, Entities, Swarm, Swarms};
use serde_json::{Value, json};

use super::acting;
use super::{Context, until_interrupted};
use crate::cli::{ProposeArgs, SwarmAction, SwarmArgs, VoteArgs};
use crate::failure::Outcome;
use crate::flag;
use crate::output::{Column, Format, Listing, stdout, thing};
use crate::person_time;

pub(crate) async fn run(context: &Context, args: SwarmArgs) -> Outcome {
    match args.action {
        SwarmAction::Form { id, objective, strategy, leader, member, acting } => {
            let agent = acting.agent()?;
            let format = acting::format(context, "swarm form")?;
            let log = context.open_or_create().await?;
            let plan = SwarmPlan { id, objective: Some(objective), strategy, leader, members: member };
            let swarm = Bus::new(log.clone()).swarm_form(agent, plan).await?;
            let led = swarm.leader.as_ref().map_or_else(String::new, |leader| format!(", led by {leader}"));
            let said = format!("{} is formed: {}{led}", swarm.swarm_id, members(&swarm));
            acting::answer(format, &brief(&swarm), &said)?;
            Ok(log.close().await?)
        }
        SwarmAction::Join { id, role, acting } => {
            let agent = acting.agent()?;
            act(context, "swarm join", async |bus| {
                let swarm = bus.swarm_join(agent, &id, role.as_deref()).await?;
                Ok((format!("{agent} belongs to {id}: {}", members(&swarm)), brief(&swarm)))
            })
            .await
        }
        SwarmAction::Leave { id, reason, acting } => {
            let agent = acting.agent()?;
            act(context, "swarm leave", async |bus| {
                let swarm = bus.swarm_leave(agent, &id, reason.as_deref()).await?;
                Ok((format!("{agent} has left {id}: {}", members(&swarm)), brief(&swarm)))
            })
            .await
        }
        SwarmAction::Disband { id, reason, acting } => {
            let agent = acting.agent()?;
            act(context, "swarm disband", async |bus| {
                let swarm = bus.swarm_disband(agent, &id, reason.as_deref()).await?;
                Ok((format!("{id} is disbanded"), brief(&swarm)))
            })
            .await
        }
        SwarmAction::Phase { id, phase, acting } => {
            let agent = acting.agent()?;
            act(context, "swarm phase", async |bus| {
                let swarm = bus.swarm_phase(agent, &id, &phase).await?;
                Ok((format!("{id} is in the phase {phase}"), brief(&swarm)))
            })
            .await
        }
        SwarmAction::Propose(args) => propose(context, &args).await,
        SwarmAction::Show { id, consensus_id: None, .. } => show(context, &id).await,
        SwarmAction::Show { id, consensus_id: Some(question), watch } => {
            show_question(context, &id, &question, watch).await
        }
    }
}

/// Acts on a log that is there, and tells what came of it.
pub(super) async fn act(
    context: &Context,
    command: &str,
    act: impl AsyncFnOnce(&Bus) -> Outcome<(String, Value)>,
) -> Outcome {
    let format = acting::format(context, command)?;
    let log = context.open().await?;
    let (sentence, thing) = act(&Bus::new(log.clone())).await?;
    acting::answer(format, &thing, &sentence)?;
    Ok(log.close().await?)
}

async fn propose(context: &Context, args: &ProposeArgs) -> Outcome {
    let agent = args.acting.agent()?;
    let proposal = proposal(args)?;
    act(context, "swarm propose", async |bus| {
        let asked = bus.propose(agent, proposal).await?;
        let shown = shown(&args.swarm, &args.consensus_id, &asked);
        Ok((format!("{} is asked {}, which is {}", args.swarm, args.consensus_id, gist(&asked)), shown))
    })
    .await
}

pub(crate) async fn vote(context: &Context, args: &VoteArgs) -> Outcome {
    let agent = args.acting.agent()?;
    let vote = args.vote.parse()?;
    act(context, "vote", async |bus| {
        let VoteArgs { swarm, consensus_id, reason, .. } = args;
        let question = bus.vote(agent, swarm, consensus_id, vote, reason.as_deref()).await?;
        let said = format!("{agent} votes {vote} on {consensus_id}, which is {}", gist(&question));
        Ok((said, shown(swarm, consensus_id, &question)))
    })
    .await
}

fn proposal(args: &ProposeArgs) -> Result<Proposal> {
    let text = args.proposal.as_str();
    let json =
        if text.starts_with(['{', '[', '"']) { flag::json("PROPOSAL", text)? } else { Json::of(&text)? };
    let mut weights = BTreeMap::new();
    for text in &args.weight {
        let parsed = text.rsplit_once('=').and_then(|(agent, number)| Some((agent, number.parse().ok()?)));
        let (agent, number) = parsed.ok_or_else(|| {
            Error::invalid(format!("--weight: {text:?}")).with_hint("write AGENT=NUMBER, such as ada=2")
        })?;
        weights.insert(agent.to_owned(), number);
    }
    let timeout = person_time::age(&args.timeout).map_err(|error| error.context("--timeout"))?;
    let strategy = args.strategy.parse().map_err(|error: Error| error.context("--strategy"))?;
    let (swarm, id) = (args.swarm.as_str(), args.consensus_id.as_str());
    Ok(Proposal { strategy, timeout, quorum_size: args.quorum, weights, ..Proposal::new(swarm, id, json) })
}

async fn show(context: &Context, id: &str) -> Outcome {
    let format = context.format("swarm show", &[Format::Table, Format::Json, Format::Jsonl])?;
    let log = context.open().await?;
    let swarm = Bus::new(log.clone()).swarm(id).await?;
    if format == Format::Table {
        table(&swarm)?;
    } else {
        let mut whole = Swarms::shown(&swarm);
        for (id, question) in &swarm.consensus {
            whole["consensus"][id]["tally"] = json!(question.tally());
        }
        thing(&whole, format)?;
    }
    Ok(log.close().await?)
}

/// A swarm, and a line for each of its questions.
fn table(swarm: &Swarm) -> Outcome {
    let mut fields = brief(swarm);
    fields["objective"] = json!(swarm.objective);
    thing(&fields, Format::Table)?;
    let questions: Vec<Value> = swarm
        .consensus
        .iter()
        .map(|(id, question)| {
            let mut shown = shown(&swarm.swarm_id, id, question);
            shown["cast"] = json!(format!("{} of {}", question.tally().cast(), question.electorate.len()));
            shown
        })
        .collect();
    if !questions.is_empty() {
        let mut out = stdout();
        writeln!(out)?;
        out.flush()?;
    }
    let columns = [
        Column::text("QUESTION", "consensusId"),
        Column::status(),
        Column::text("STRATEGY", "votingStrategy"),
        Column::text("VOTES", "cast"),
        Column::time("UNTIL (UTC)", "deadline"),
        Column::text("WHY", "why"),
        Column::text("PROPOSAL", "proposal"),
    ];
    Listing::of_things(&columns, questions, Format::Table).print(Format::Table)
}

async fn show_question(context: &Context, swarm: &str, id: &str, watch: bool) -> Outcome {
    let format = context.format("swarm show", &[Format::Table, Format::Json, Format::Jsonl])?;
    let log = context.open().await?;
    let bus = Bus::new(log.clone());
    let work = async {
        let question =
            if watch { bus.await_consensus(swarm, id).await? } else { bus.consensus(swarm, id).await? };
        if format == Format::Table {
            question_table(id, &question)
        } else {
            thing(&shown(swarm, id, &question), format)
        }
    };
    if watch {
        until_interrupted(work).await?;
    } else {
        work.await?;
    }
    Ok(log.close().await?)
}

/// How a question stands, and a line for each who may vote.
fn question_table(id: &str, question: &Consensus) -> Outcome {
    let mut out = stdout();
    writeln!(out, "{id} is {}", gist(question))?;
    if let Some(proposal) = &question.proposal {
        writeln!(out, "{}", crate::output::pretty(proposal))?;
    }
    writeln!(out)?;
    out.flush()?;
    drop(out);
    let voters = question.electorate.iter().map(|(agent, weight)| match question.votes.get(agent) {
        None => json!({"agentId": agent, "weight": weight, "vote": "-"}),
        Some(ballot) => {
            json!({"agentId": agent, "weight": weight, "vote": ballot.vote, "at": ballot.at, "reason": ballot.reason})
        }
    });
    let columns = [
        Column::text("AGENT", "agentId"),
        Column::text("VOTE", "vote"),
        Column::number("WEIGHT", "weight"),
        Column::time("AT (UTC)", "at"),
        Column::text("REASON", "reason"),
    ];
    Listing::of_things(&columns, voters.collect(), Format::Table).print(Format::Table)
}

/// How a question stands, in one line.
fn gist(question: &Consensus) -> String {
    let tally = question.tally();
    if let Some(outcome) = question.outcome() {
        let why = question.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        return format!("{outcome}{why}");
    }
    let until = question.deadline.map_or_else(String::new, |deadline| format!(" until {deadline}"));
    format!(
        "open{until}: {} approve, {} reject, {} abstain, {} of {} have not voted ({})",
        tally.approve,
        tally.reject,
        tally.abstain,
        tally.outstanding,
        tally.electorate(),
        question.voting_strategy
    )
}

/// A question with how the votes stand.
fn shown(swarm: &str, id: &str, question: &Consensus) -> Value {
    let status = question.outcome().map_or("open", |outcome| outcome.as_str());
    let mut shown = json!({"swarmId": swarm, "consensusId": id, "status": status, "tally": question.tally()});
    if let (Some(shown), Ok(Value::Object(fields))) = (shown.as_object_mut(), serde_json::to_value(question))
    {
        shown.extend(fields);
    }
    shown
}

/// What there is to know of a swarm after an act.
fn brief(swarm: &Swarm) -> Value {
    let whole = Swarms::shown(swarm);
    let mut brief = serde_json::Map::new();
    for field in ["swarmId", "status", "phase", "leader", "founder", "members", "roles", "reason"] {
        if let Some(value) = whole.get(field) {
            brief.insert(field.to_owned(), value.clone());
        }
    }
    Value::Object(brief)
}

fn members(swarm: &Swarm) -> String {
    let count = swarm.members.len();
    if count == 1 { "1 member".to_owned() } else { format!("{count} members") }
}
