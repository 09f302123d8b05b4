//! `factlog fleet`: the whole fleet at a glance, once or live.

use std::io::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use factlog::{EventLog, Projected, Result, Timestamp};
use factlog_agents::projections::{Agents, Sessions, Tasks};
use factlog_agents::{AgentStatus, Fleet, Limits, Member, Prices};

use super::at::{moment, time_of};
use super::{Context, note_removed, until_interrupted};
use crate::cli::FleetArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{Format, fitted, is_coloured, is_terminal, line, span, stdout};
use crate::person_time;

/// How often a live view may change.
const FRAME_MS: u64 = 1_000;
/// The width where a terminal does not say its own.
const COLUMNS: usize = 80;
/// Widths of the columns before the last, which takes the rest.
const AGENT_COLUMNS: usize = 14;
const DOES_COLUMNS: usize = 12;
const AGE_COLUMNS: usize = 8;
const TOKENS_COLUMNS: usize = 7;
/// Characters of an id that are shown: enough to tell them apart.
const ID_CHARACTERS: usize = 12;

pub(crate) async fn run(context: &Context, args: &FleetArgs) -> Outcome {
    let formats: &[Format] = if args.watch {
        &[Format::Table, Format::Jsonl]
    } else {
        &[Format::Table, Format::Json, Format::Jsonl]
    };
    let format = context.format(if args.watch { "fleet --watch" } else { "fleet" }, formats)?;
    let limits = limits(args)?;
    let prices = &context.settings.prices;
    let log = context.open().await?;
    note_removed(&log, &Selection::default()).await?;
    if let Some(at) = &args.at {
        let fleet = past(&log, at, limits, prices).await?;
        print(&fleet, args.all, format)?;
        return Ok(log.close().await?);
    }
    let live = Live::start(&log).await?;
    live.caught_up(&log).await?;
    if args.watch {
        until_interrupted(watch(&live, args, limits, prices, format)).await?;
    } else {
        print(&live.fleet(limits, prices), args.all, format)?;
    }
    live.agents.finish().await;
    Ok(log.close().await?)
}

fn limits(args: &FleetArgs) -> Outcome<Limits> {
    let milliseconds = |flag: &str, text: &str| -> Result<u64> {
        let age = person_time::age(text).map_err(|error| error.context(flag))?;
        Ok(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    };
    Ok(Limits {
        quiet_ms: milliseconds("--quiet", &args.quiet)?,
        tool_ms: milliseconds("--tool", &args.tool)?,
    })
}

/// The projections that a fleet is made of, on one reading of the log.
struct Live {
    agents: Projected<Agents>,
    sessions: Projected<Sessions>,
    tasks: Projected<Tasks>,
}

impl Live {
    async fn start(log: &EventLog) -> Outcome<Self> {
        let mut group = log.projections().partial();
        let agents = group.add::<Agents>().await?;
        let sessions = group.add::<Sessions>().await?;
        let tasks = group.add::<Tasks>().await?;
        group.start();
        Ok(Self { agents, sessions, tasks })
    }

    async fn caught_up(&self, log: &EventLog) -> Outcome {
        let newest = log.newest().await?;
        self.agents.caught_up(newest).await?;
        self.sessions.caught_up(newest).await?;
        Ok(self.tasks.caught_up(newest).await?)
    }

    fn check(&self) -> Result<()> {
        let stopped =
            self.agents.stopped().or_else(|| self.sessions.stopped()).or_else(|| self.tasks.stopped());
        stopped.map_or(Ok(()), Err)
    }

    fn fleet(&self, limits: Limits, prices: &Prices) -> Fleet {
        let now = Timestamp::now();
        self.agents.with(|agents| {
            self.sessions.with(|sessions| {
                self.tasks.with(|tasks| Fleet::of(agents, sessions, tasks, now, limits, prices))
            })
        })
    }
}

async fn past(log: &EventLog, at: &str, limits: Limits, prices: &Prices) -> Outcome<Fleet> {
    let moment = moment(log, "--at", at, None).await?;
    let time = time_of(log, Some(moment)).await?;
    let agents: Agents = log.at(moment).partial().await?;
    let sessions: Sessions = log.at(moment).partial().await?;
    let tasks: Tasks = log.at(moment).partial().await?;
    Ok(Fleet::of(&agents, &sessions, &tasks, time, limits, prices))
}

fn print(fleet: &Fleet, all: bool, format: Format) -> Outcome {
    let mut out = stdout();
    match format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(fleet)?)?,
        Format::Jsonl => writeln!(out, "{}", serde_json::to_string(fleet)?)?,
        _ => write!(out, "{}", Frame::of_terminal(all).text(fleet))?,
    }
    Ok(out.flush()?)
}

/// Draws anew when something has changed, and no more often than a person can look.
async fn watch(live: &Live, args: &FleetArgs, limits: Limits, prices: &Prices, format: Format) -> Outcome {
    let mut ticks = tokio::time::interval(Duration::from_millis(FRAME_MS));
    let mut shown = String::new();
    loop {
        ticks.tick().await;
        // What stopped a projection is told, rather than shown as a fleet that stands still.
        live.check()?;
        let fleet = live.fleet(limits, prices);
        let text = if format == Format::Table {
            Frame::of_terminal(args.all).text(&fleet)
        } else {
            // Its moment alone is no change.
            serde_json::to_string(&fleet.agents)?
        };
        if text == shown {
            continue;
        }
        let mut out = stdout();
        match format {
            Format::Jsonl => writeln!(out, "{}", serde_json::to_string(&fleet)?)?,
            // Home, each line over the old one, and what is left below away: nothing flickers.
            _ if is_terminal() => write!(out, "\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))?,
            _ => writeln!(out, "{text}")?,
        }
        out.flush()?;
        shown = text;
    }
}

/// How a fleet is drawn.
struct Frame {
    columns: usize,
    coloured: bool,
    all: bool,
}

impl Frame {
    fn of_terminal(all: bool) -> Self {
        let columns = terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| usize::from(width.0));
        Self { columns: columns.max(COLUMNS), coloured: is_coloured(), all }
    }

    fn text(&self, fleet: &Fleet) -> String {
        let mut text = String::new();
        let [active, stuck, idle, over] = fleet.counts();
        let cost = fleet.cost_today.map(|cost| format!(", ${cost:.2}")).unwrap_or_default();
        let tokens = count(fleet.tokens_today.total());
        let summary = format!(
            "{active} at work, {stuck} stuck, {idle} idle, {over} ended; today {tokens} tokens{cost}"
        );
        line(&mut text, self.columns, self.coloured, &[(Style::new().bold(), summary)]);
        if fleet.agents.is_empty() {
            let none = "the log tells of no agents yet: factlog hooks install, or factlog import claude-code";
            line(&mut text, self.columns, self.coloured, &[(Style::new().dimmed(), none.to_owned())]);
            return text;
        }
        let shown: Vec<&Member> =
            fleet.agents.iter().filter(|member| self.all || is_shown(member, fleet)).collect();
        let hidden = fleet.agents.len() - shown.len();
        if !shown.is_empty() {
            let heading = format!(
                "{:AGENT_COLUMNS$}  {:DOES_COLUMNS$}  {:>AGE_COLUMNS$}  {:>AGE_COLUMNS$}  {:>TOKENS_COLUMNS$}  AT",
                "AGENT", "DOES", "SINCE", "HEARD", "TOKENS"
            );
            line(&mut text, self.columns, self.coloured, &[(Style::new().dimmed(), heading)]);
        }
        for member in shown {
            self.member(&mut text, member, fleet);
        }
        if hidden > 0 {
            let more = format!("… and {hidden} that ended or were not heard of for a day: --all");
            line(&mut text, self.columns, self.coloured, &[(Style::new().dimmed(), more)]);
        }
        text
    }

    fn member(&self, text: &mut String, member: &Member, fleet: &Fleet) {
        let age = |time: Option<Timestamp>| time.map(|time| span_since(time, fleet.at)).unwrap_or_default();
        let is_child = member
            .parent_id
            .as_ref()
            .is_some_and(|parent| fleet.agents.iter().any(|a| a.agent_id == *parent));
        let id: String = member.agent_id.chars().take(ID_CHARACTERS).collect();
        let name = if is_child { format!("└ {id}") } else { id };
        let does = match (&member.stuck, &member.tool) {
            (Some(stuck), _) => format!("! {}", stuck.rule),
            (None, Some(tool)) => tool.clone(),
            (None, None) if member.is_gone && is_live(member) => "gone".to_owned(),
            (None, None) => member.status.to_string(),
        };
        let since = match (&member.stuck, member.tool_since) {
            (Some(stuck), _) => Some(stuck.since),
            (None, Some(since)) => Some(since),
            (None, None) => member.since,
        };
        let tokens = member.tokens_today.total();
        let tokens = if tokens == 0 { String::new() } else { count(tokens) };
        let at = match &member.stuck {
            Some(stuck) => stuck.why.clone(),
            None => [&member.task_title, &member.task_id, &member.title, &member.agent_type]
                .into_iter()
                .flatten()
                .next()
                .cloned()
                .unwrap_or_default(),
        };
        let parts = [
            (Style::new(), format!("{}  ", fitted(&name, AGENT_COLUMNS))),
            (style(member), format!("{}  ", fitted(&does, DOES_COLUMNS))),
            (Style::new(), format!("{:>AGE_COLUMNS$}  ", age(since))),
            (Style::new().dimmed(), format!("{:>AGE_COLUMNS$}  ", age(member.last_activity_at))),
            (Style::new(), format!("{tokens:>TOKENS_COLUMNS$}  ")),
            (Style::new(), at),
        ];
        line(text, self.columns, self.coloured, &parts);
    }
}

/// Whether it may still work, by what it said last.
fn is_live(member: &Member) -> bool {
    matches!(member.status, AgentStatus::Active | AgentStatus::Idle | AgentStatus::Blocked)
}

/// Those that a person wants to see: at work, idle or stuck, and the children of those.
fn is_shown(member: &Member, fleet: &Fleet) -> bool {
    let is_over = |member: &Member| {
        matches!(member.status, AgentStatus::Completed | AgentStatus::Failed | AgentStatus::Terminated)
    };
    if member.is_gone {
        return false;
    }
    // One that has failed stays in sight as long as its parent is.
    let parent = fleet.agents.iter().find(|other| Some(&other.agent_id) == member.parent_id.as_ref());
    !is_over(member) || parent.is_some_and(|parent| !parent.is_gone && !is_over(parent))
}

fn style(member: &Member) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match member.status {
        _ if member.stuck.is_some() => colour(AnsiColor::Red).bold(),
        _ if member.is_gone => Style::new().dimmed(),
        AgentStatus::Active => colour(AnsiColor::Green),
        AgentStatus::Blocked => colour(AnsiColor::Yellow),
        AgentStatus::Failed => colour(AnsiColor::Red),
        _ => Style::new().dimmed(),
    }
}

fn span_since(time: Timestamp, now: Timestamp) -> String {
    let micros = u64::try_from(now.as_micros() - time.as_micros()).unwrap_or(0);
    // To the second at most: a calm picture does not count milliseconds.
    span(micros / 1_000_000 * 1_000).replace("0ms", "0s")
}

/// A number as people say it: `940`, `12.3k`, `21.2M`.
fn count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.1}M", number as f64 / 1e6),
    }
}
