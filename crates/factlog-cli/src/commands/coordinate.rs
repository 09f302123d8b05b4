//! `factlog coordinate`: agents are sought for common work, take part, and say how far it is.

use factlog::{Error, Json, Result, Timestamp};
use factlog_agents::Bus;
use factlog_agents::bus::{CoordinationPlan, CoordinationStep};
use factlog_agents::projections::{Coordination, Coordinations, Entities};
use serde_json::Value;

use super::acting;
use super::swarm::act;
use super::{Context, until_interrupted};
use crate::cli::{CoordinateAction, CoordinateArgs, CoordinationRequestArgs};
use crate::failure::Outcome;
use crate::flag;
use crate::output::{Format, thing};
use crate::person_time;

pub(crate) async fn run(context: &Context, args: CoordinateArgs) -> Outcome {
    match args.action {
        CoordinateAction::Request(args) => request(context, args).await,
        CoordinateAction::Accept { id, acting } => {
            let agent = acting.agent()?;
            act(context, "coordinate accept", async |bus| {
                let work = bus.coordination_accept(agent, &id).await?;
                Ok(said(&format!("{agent} takes part in {id}"), &work))
            })
            .await
        }
        CoordinateAction::Decline { id, reason, acting } => {
            let agent = acting.agent()?;
            act(context, "coordinate decline", async |bus| {
                let work = bus.coordination_decline(agent, &id, reason.as_deref()).await?;
                Ok(said(&format!("{agent} takes no part in {id}"), &work))
            })
            .await
        }
        CoordinateAction::Update { id, status, progress, metrics, acting } => {
            let agent = acting.agent()?;
            let step = CoordinationStep { status, progress, metrics: json("--metrics", metrics.as_deref())? };
            act(context, "coordinate update", async |bus| {
                let work = bus.coordination_update(agent, &id, step).await?;
                Ok(said(&id, &work))
            })
            .await
        }
        CoordinateAction::Complete { id, result, acting } => {
            let agent = acting.agent()?;
            let result = json("--result", result.as_deref())?;
            act(context, "coordinate complete", async |bus| {
                let work = bus.coordination_complete(agent, &id, result).await?;
                Ok(said(&id, &work))
            })
            .await
        }
        CoordinateAction::Show { id, until, timeout } => show(context, &id, until.as_deref(), &timeout).await,
    }
}

async fn request(context: &Context, args: CoordinationRequestArgs) -> Outcome {
    let agent = args.acting.agent()?.to_owned();
    let format = acting::format(context, "coordinate request")?;
    let strategy = args.strategy.parse().map_err(|error: Error| error.context("--strategy"))?;
    let plan = CoordinationPlan {
        required_capabilities: args.capability,
        min_agents: args.min,
        max_agents: args.max,
        strategy,
        leader: args.leader,
        ..CoordinationPlan::new(args.id.as_str(), args.objective)
    };
    let log = context.open_or_create().await?;
    let work = Bus::new(log.clone()).coordinate(&agent, plan).await?;
    let (sentence, thing) = said(&format!("agents are sought for {}", args.id), &work);
    acting::answer(format, &thing, &sentence)?;
    Ok(log.close().await?)
}

async fn show(context: &Context, id: &str, until: Option<&str>, timeout: &str) -> Outcome {
    let format = context.format("coordinate show", &[Format::Table, Format::Json, Format::Jsonl])?;
    let phase = flag::one("--until", until)?;
    let now = Timestamp::now();
    let deadline = person_time::parse_future(timeout, now).map_err(|error| error.context("--timeout"))?;
    let log = context.open().await?;
    let bus = Bus::new(log.clone());
    let work = async {
        let work = match phase {
            Some(phase) => bus.await_coordination(id, phase, deadline).await?,
            None => bus.coordination(id).await?,
        };
        thing(&Coordinations::shown(&work), format)
    };
    if phase.is_some() {
        until_interrupted(work).await?;
    } else {
        work.await?;
    }
    Ok(log.close().await?)
}

fn json(flag: &str, text: Option<&str>) -> Result<Option<Json>> {
    text.map(|text| flag::json(flag, text)).transpose()
}

/// What came of an act: how far the work is, and whose turn it is.
fn said(what: &str, work: &Coordination) -> (String, Value) {
    let count = work.participants.len();
    let turn = work.turn().map_or_else(String::new, |turn| format!(", and it is the turn of {turn}"));
    let sentence = format!("{what}: it is {}, with {count} of {} agents{turn}", work.phase, work.needs());
    (sentence, Coordinations::shown(work))
}
