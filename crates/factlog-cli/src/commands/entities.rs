//! `factlog agents`, `tasks`, `sessions` and their like: one state per thing, listed or shown whole.

use factlog::{Error, Priority, Projection, StreamName, Timestamp, Version};
use factlog_agents::projections::{
    Agent, Agents, CoordinationPhase, Coordinations, Deployments, Entities, Memories, Memory, MemoryStatus,
    Metrics, Session, Sessions, Swarm, Swarms, Task, TaskStatistics, Tasks, Worktrees,
};
use factlog_agents::status::{AgentStatus, SessionStatus, Status, priority};
use factlog_agents::{is_gone, stream_of};
use serde_json::{Value, json};

use super::at::state;
use super::{Context, note_removed};
use crate::cli::{
    AgentsArgs, AtArgs, CoordinationsArgs, DeploymentsArgs, MemoriesArgs, SessionsArgs, SwarmsArgs,
    TasksArgs, WorktreesArgs,
};
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Column, Format, Listing, note, thing};
use crate::person_time::{self, End};

/// Which of the things are wanted, and how they are shown.
struct View<'a> {
    id: Option<&'a str>,
    at: &'a AtArgs,
    category: &'static str,
    columns: &'a [Column],
}

/// A flag and what a field must be for it.
type Wanted = (&'static str, Option<Value>);

/// One of these words.
fn one_of(flag: &str, value: Option<&String>, words: &[&str]) -> factlog::Result<Option<Value>> {
    match value {
        Some(word) if !words.contains(&word.as_str()) => {
            Err(Error::invalid(format!("{flag}: {word:?} is no status"))
                .with_hint(format!("it is one of {}", words.join(", "))))
        }
        value => Ok(text(value)),
    }
}

fn text(value: Option<&String>) -> Option<Value> {
    value.map(|text| json!(text))
}

fn word<T>(flag: &str, value: Option<&String>) -> factlog::Result<Option<Value>>
where
    T: ToString + std::str::FromStr<Err = Error>,
{
    let parsed = value.map(|word| word.parse::<T>()).transpose().map_err(|error| error.context(flag))?;
    Ok(parsed.map(|word| json!(word.to_string())))
}

fn fits(shown: &Value, wanted: &[Wanted]) -> bool {
    wanted.iter().all(|(field, value)| value.as_ref().is_none_or(|value| shown[*field] == *value))
}

/// Reads the state, and shows one thing or those that are wanted.
async fn run<P: Entities + Clone>(
    context: &Context,
    view: View<'_>,
    dress: impl Fn(&P, &P::Entity, Timestamp) -> Value,
    choose: impl FnOnce(&P, Vec<Value>) -> Outcome<Vec<Value>>,
) -> Outcome {
    let format = context.format(P::NAME, Listing::FORMATS)?;
    let log = context.open().await?;
    note_removed(&log, &Selection { filter: P::filter(), ..Selection::default() }).await?;
    let prefix = format!("{}-", view.category);
    // A thing may be named by its stream too, unless one is called so.
    let stripped = view.id.and_then(|id| id.strip_prefix(&prefix));
    let stream: Option<StreamName> = match (view.id, stripped) {
        (Some(id), Some(own)) => {
            let named = stream_of(view.category, id)?;
            let is_there = log.stream(&named).version().await? > Version::NONE;
            Some(if is_there { named } else { stream_of(view.category, own)? })
        }
        (id, _) => id.map(|id| stream_of(view.category, id)).transpose()?,
    };
    let (state, time): (P, Timestamp) = state(&log, view.at, stream.as_ref()).await?;
    if let Some(id) = view.id {
        let entity = state.get(id).or_else(|| state.get(stripped?));
        let entity = entity.ok_or_else(|| unknown(&state, id))?;
        thing(&dress(&state, entity, time), format)?;
    } else {
        let all = state.entities().values().map(|entity| dress(&state, entity, time)).collect();
        let chosen = choose(&state, all)?;
        if chosen.is_empty() && format == Format::Table {
            let none = match (state.entities().is_empty(), &view.at.at) {
                (true, None) => "the log tells of none",
                (true, Some(_)) => "the log told of none by then",
                (false, _) => "none match",
            };
            note(none);
        }
        Listing::of_things(view.columns, chosen, format).print(format)?;
    }
    Ok(log.close().await?)
}

/// Nothing of this name; names that begin alike may have been meant.
fn unknown<P: Entities>(state: &P, id: &str) -> Error {
    let error = Error::not_found(format!("no {} {id:?} is known", P::NOUN));
    let near: Vec<&str> =
        state.entities().keys().filter(|known| known.starts_with(id)).take(5).map(String::as_str).collect();
    if near.is_empty() { error } else { error.with_hint(format!("did you mean {}?", near.join(", "))) }
}

fn plain<P: Entities>(_: &P, entity: &P::Entity, _: Timestamp) -> Value {
    P::shown(entity)
}

pub(crate) async fn agents(context: &Context, args: &AgentsArgs) -> Outcome {
    let id = args.id.as_deref();
    if args.metrics {
        let columns = &[
            Column::text("AGENT", "agentId"),
            Column::number("TASKS", "/tasks/count"),
            Column::number("FAILED", "/tasks/errors"),
            Column::span("TASK P50", "/tasks/p50DurationMs"),
            Column::span("P95", "/tasks/p95DurationMs"),
            Column::number("ERRORS", "errors"),
            Column::count("KINDS OF ACTION", "actions"),
            Column::time("LAST HEARD (UTC)", "lastActivityAt"),
        ];
        let view = View { id, at: &args.at, category: "agent", columns };
        return run::<Metrics>(context, view, plain, |_, all| Ok(all)).await;
    }
    let wanted = [
        ("status", word::<AgentStatus>("--status", args.status.as_ref())?),
        ("role", text(args.role.as_ref())),
        ("domain", text(args.domain.as_ref())),
        ("agentType", text(args.agent_type.as_ref())),
        ("parentId", text(args.parent.as_ref())),
    ];
    let columns = &[
        Column::text("AGENT", "agentId"),
        Column::status(),
        Column::text("TYPE", "agentType"),
        Column::text("ROLE", "role"),
        Column::text("TASK", "currentTask"),
        Column::number("DONE", "completedCount"),
        Column::number("FAILED", "failedCount"),
        Column::number("ERRORS", "errorCount"),
        Column::time("LAST HEARD (UTC)", "lastActivityAt"),
        Column::text("PARENT", "parentId"),
    ];
    let dress = |agents: &Agents, agent: &Agent, now: Timestamp| {
        let mut shown = Agents::shown(agent);
        shown["isGone"] = json!(agent.is_live() && is_gone(agent.last_activity_at, now));
        shown["load"] = json!(agent.load());
        let children: Vec<&String> = agents.children(&agent.agent_id).map(|child| &child.agent_id).collect();
        shown["children"] = json!(children);
        if let Some(call) = agent.open_call() {
            shown["currentTool"] = json!({"tool": call.tool, "since": call.at});
        }
        shown
    };
    let view = View { id, at: &args.at, category: "agent", columns };
    run::<Agents>(context, view, dress, |_, mut all| {
        all.retain(|shown| fits(shown, &wanted));
        Ok(all)
    })
    .await
}

pub(crate) async fn tasks(context: &Context, args: &TasksArgs) -> Outcome {
    let urgency = args.priority.as_ref().map(|word| priority(word).map_or_else(|| word.parse(), Ok));
    let urgency: Option<Priority> =
        urgency.transpose().map_err(|error: Error| error.context("--priority"))?;
    let wanted = [
        ("status", task_status(args.status.as_ref())?),
        ("agentId", text(args.agent.as_ref())),
        ("taskType", text(args.task_type.as_ref())),
        ("sessionId", text(args.session.as_ref())),
        ("priority", urgency.map(|urgency| json!(urgency))),
    ];
    if args.summary {
        return summary(context, &args.at, &wanted, args.not_deleted).await;
    }
    let columns = &[
        Column::text("TASK", "taskId"),
        Column::status(),
        Column::text("PRIORITY", "priority"),
        Column::text("AGENT", "agentId"),
        Column::span("TOOK", "durationMs"),
        Column::time("HEARD (UTC)", "updatedAt"),
        Column::time("DELETED (UTC)", "deletedAt"),
        Column::text("TITLE", "title"),
    ];
    let view = View { id: args.id.as_deref(), at: &args.at, category: "task", columns };
    run::<Tasks>(context, view, plain, |_, mut all| {
        all.retain(|shown| fits(shown, &wanted) && !(args.not_deleted && shown["deletedAt"].is_string()));
        Ok(all)
    })
    .await
}

/// A status, or the lack of one.
fn task_status(value: Option<&String>) -> factlog::Result<Option<Value>> {
    if value.is_some_and(|word| word == "unknown") {
        return Ok(Some(Value::Null));
    }
    word::<Status>("--status", value)
}

async fn summary(context: &Context, at: &AtArgs, wanted: &[Wanted], not_deleted: bool) -> Outcome {
    let format = context.format("tasks --summary", &[Format::Table, Format::Json])?;
    let log = context.open().await?;
    note_removed(&log, &Selection { filter: Tasks::filter(), ..Selection::default() }).await?;
    let (state, _): (Tasks, _) = state(&log, at, None).await?;
    let is_wanted =
        |task: &&Task| fits(&Tasks::shown(task), wanted) && !(not_deleted && task.deleted_at.is_some());
    let statistics = TaskStatistics::of(state.entities().values().filter(is_wanted));
    thing(&serde_json::to_value(statistics)?, format)?;
    Ok(log.close().await?)
}

pub(crate) async fn sessions(context: &Context, args: &SessionsArgs) -> Outcome {
    let wanted = [
        ("status", word::<SessionStatus>("--status", args.status.as_ref())?),
        ("agentType", text(args.agent.as_ref())),
        ("taskId", text(args.task.as_ref())),
    ];
    let columns = &[
        Column::text("SESSION", "sessionId"),
        Column::status(),
        Column::time("STARTED (UTC)", "startedAt"),
        Column::time("HEARD (UTC)", "lastActivityAt"),
        Column::number("PROMPTS", "prompts"),
        Column::number("TOOLS", "toolCalls"),
        Column::number("AGENTS", "/subagentCount"),
        Column::number("IN", "/tokens/input"),
        Column::number("OUT", "/tokens/output"),
        Column::money("COST", "cost"),
        Column::text("TITLE", "title"),
    ];
    let prices = &context.settings.prices;
    let dress = |_: &Sessions, session: &Session, now: Timestamp| {
        let mut shown = Sessions::shown(session);
        let by_model = session.tokens_by_model();
        if let Some(cost) = session.cost.or_else(|| prices.cost_of(&by_model)) {
            shown["cost"] = json!(cost);
        }
        shown["tokensByModel"] = json!(by_model);
        shown["isGone"] = json!(session.is_active() && is_gone(session.last_activity_at, now));
        shown["subagentCount"] = json!(session.subagents.len());
        shown["openCalls"] = json!(session.open_calls().values().collect::<Vec<_>>());
        shown
    };
    let view = View { id: args.id.as_deref(), at: &args.at, category: "session", columns };
    run::<Sessions>(context, view, dress, |sessions, mut all| {
        all.retain(|shown| {
            let id = shown["sessionId"].as_str().unwrap_or_default();
            let is_active = || shown["isGone"] == false && sessions.get(id).is_some_and(Session::is_active);
            fits(shown, &wanted) && (!args.active || is_active())
        });
        all.sort_by(|a, b| a["startedAt"].as_str().cmp(&b["startedAt"].as_str()));
        Ok(all)
    })
    .await
}

pub(crate) async fn memories(context: &Context, args: &MemoriesArgs) -> Outcome {
    let wanted = [
        ("namespace", text(args.namespace.as_ref())),
        ("status", one_of("--status", args.status.as_ref(), &["stored", "deleted", "expired", "unknown"])?),
    ];
    let columns = &[
        Column::text("MEMORY", "memoryId"),
        Column::status(),
        Column::text("NAMESPACE", "namespace"),
        Column::text("KEY", "key"),
        Column::number("BYTES", "size"),
        Column::number("ACCESSES", "accesses"),
        Column::count("READERS", "readers"),
        Column::time("LAST ACCESS (UTC)", "lastAccessedAt"),
        Column::time("EXPIRES (UTC)", "expiresAt"),
    ];
    if args.sizes {
        return sizes(context, &args.at).await;
    }
    let time = |flag: &str, text: Option<&String>| -> factlog::Result<Option<Timestamp>> {
        let parse = |text: &String| person_time::parse(text, End::From, Timestamp::now());
        text.map(parse).transpose().map_err(|error| error.context(flag))
    };
    let (hot, cold) = (time("--hot", args.hot.as_ref())?, time("--cold", args.cold.as_ref())?);
    let view = View { id: args.id.as_deref(), at: &args.at, category: "memory", columns };
    // What nobody has recorded as expired is shown as expired.
    let dress = |_: &Memories, memory: &Memory, now: Timestamp| {
        let mut shown = Memories::shown(memory);
        if memory.status == MemoryStatus::Stored && !memory.is_live(now) {
            shown["status"] = json!(MemoryStatus::Expired);
        }
        shown
    };
    run::<Memories>(context, view, dress, |memories, mut all| {
        all.retain(|shown| fits(shown, &wanted));
        let ids: Option<Vec<&String>> = match (args.most_accessed, hot, cold) {
            (Some(limit), ..) => {
                Some(memories.most_accessed(limit).iter().map(|memory| &memory.memory_id).collect())
            }
            (_, Some(since), _) => Some(memories.hot(since).map(|memory| &memory.memory_id).collect()),
            (_, _, Some(since)) => Some(memories.cold(since).map(|memory| &memory.memory_id).collect()),
            _ => None,
        };
        let Some(ids) = ids else { return Ok(all) };
        let place = |shown: &Value| ids.iter().position(|id| shown["memoryId"] == id.as_str());
        all.retain(|shown| place(shown).is_some());
        all.sort_by_key(place);
        Ok(all)
    })
    .await
}

async fn sizes(context: &Context, at: &AtArgs) -> Outcome {
    let format = context.format("memories --sizes", Listing::FORMATS)?;
    let log = context.open().await?;
    let (state, _): (Memories, _) = state(&log, at, None).await?;
    let things = state.size_by_namespace().into_iter();
    let things = things.map(|(namespace, bytes)| json!({"namespace": namespace, "bytes": bytes})).collect();
    let columns = [Column::text("NAMESPACE", "namespace"), Column::number("BYTES", "bytes")];
    Listing::of_things(&columns, things, format).print(format)?;
    Ok(log.close().await?)
}

pub(crate) async fn swarms(context: &Context, args: &SwarmsArgs) -> Outcome {
    let statuses = ["active", "terminated", "disbanded", "unknown"];
    let wanted = [("status", one_of("--status", args.status.as_ref(), &statuses)?)];
    let columns = &[
        Column::text("SWARM", "swarmId"),
        Column::status(),
        Column::text("PHASE", "phase"),
        Column::number("AGENTS", "agentCount"),
        Column::text("LEADER", "leader"),
        Column::count("MILESTONES", "milestones"),
        Column::number("ERRORS", "errorCount"),
        Column::text("OBJECTIVE", "objective"),
    ];
    let view = View { id: args.id.as_deref(), at: &args.at, category: "swarm", columns };
    // A question whose deadline has passed is decided, whether anybody has recorded it or not.
    let dress = |_: &Swarms, swarm: &Swarm, now: Timestamp| Swarms::shown(&swarm.as_of(now));
    run::<Swarms>(context, view, dress, |_, mut all| {
        all.retain(|shown| fits(shown, &wanted));
        Ok(all)
    })
    .await
}

pub(crate) async fn coordinations(context: &Context, args: &CoordinationsArgs) -> Outcome {
    let wanted = [("phase", word::<CoordinationPhase>("--phase", args.phase.as_ref())?)];
    let columns = &[
        Column::text("COORDINATION", "coordinationId"),
        Column::text("PHASE", "phase"),
        Column::text("STRATEGY", "strategy"),
        Column::count("AGENTS", "participants"),
        Column::number("NEEDED", "minAgents"),
        Column::number("PROGRESS", "progress"),
        Column::text("TURN", "turn"),
        Column::text("LEADER", "leader"),
        Column::text("OBJECTIVE", "objective"),
    ];
    let view = View { id: args.id.as_deref(), at: &args.at, category: "coordination", columns };
    run::<Coordinations>(context, view, plain, |_, mut all| {
        all.retain(|shown| fits(shown, &wanted));
        Ok(all)
    })
    .await
}

pub(crate) async fn worktrees(context: &Context, args: &WorktreesArgs) -> Outcome {
    let columns = &[
        Column::text("WORKTREE", "path"),
        Column::text("BRANCH", "branch"),
        Column::text("TASK", "taskId"),
        Column::number("RECYCLED", "recycled"),
        Column::count("CONFLICTS", "conflicts"),
        Column::time("HEARD (UTC)", "updatedAt"),
    ];
    let view = View { id: args.id.as_deref(), at: &args.at, category: "worktree", columns };
    run::<Worktrees>(context, view, plain, |_, mut all| {
        let has_conflicts =
            |shown: &Value| shown["conflicts"].as_array().is_some_and(|open| !open.is_empty());
        all.retain(|shown| !args.conflicts || has_conflicts(shown));
        Ok(all)
    })
    .await
}

pub(crate) async fn deployments(context: &Context, args: &DeploymentsArgs) -> Outcome {
    let wanted = [
        ("status", word::<Status>("--status", args.status.as_ref())?),
        ("environment", text(args.environment.as_ref())),
        ("branch", text(args.branch.as_ref())),
    ];
    let columns = &[
        Column::text("DEPLOYMENT", "deploymentId"),
        Column::status(),
        Column::text("ENVIRONMENT", "environment"),
        Column::text("BRANCH", "branch"),
        Column::text("COMMIT", "commit"),
        Column::number("PR", "prNumber"),
        Column::span("TOOK", "durationMs"),
        Column::time("STARTED (UTC)", "startedAt"),
    ];
    let view = View { id: args.id.as_deref(), at: &args.at, category: "deployment", columns };
    run::<Deployments>(context, view, plain, |_, mut all| {
        all.retain(|shown| fits(shown, &wanted));
        Ok(all)
    })
    .await
}
