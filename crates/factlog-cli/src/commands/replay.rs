//! `factlog replay`: through events in order, at a pace; shown, folded into a projection, or put into another log.

use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use factlog::{Error, Event, EventLog, Position, Projection, Result, Timestamp};
use factlog_adapters::copy::{Replayed, Replaying};
use factlog_agents::projections::{
    Agents, Coordinations, Deployments, Entities, Leases, Memories, Metrics, Sessions, Swarms, Tasks,
    Worktrees,
};
use factlog_stores::Open;
use serde_json::{Map, Value};

use super::check::{listing, pair};
use super::copy::refuse_itself;
use super::projections::{NAMES, named, unknown};
use super::{Context, note_removed, until_interrupted};
use crate::cli::ReplayArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::flag::one;
use crate::output::{Counting, EventWriter, Format, Listing, note, stdout};

/// However long nothing happened, nobody wants to wait for longer.
const PAUSE_SECONDS_MAX: f64 = 3_600.0;
/// Pauses that are shorter are added up until they come to it.
const PAUSE_SECONDS_MIN: f64 = 0.001;
/// Events after which progress is told again.
const PROGRESS_EVENTS: u64 = 500;

pub(crate) async fn run(context: &Context, args: &ReplayArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let pace = Pace::new(one("--speed", args.speed.as_deref())?.unwrap_or(Speed::Max));
    match (&args.into, &args.to_store) {
        (Some(name), _) => fold(context, &selection, pace, name).await,
        (None, Some(url)) => move_into(context, &selection, pace, url).await,
        (None, None) => show(context, &selection, pace).await,
    }
}

/// How fast events are gone through.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Speed {
    /// As fast as they can be read.
    Max,
    /// So many times faster than they happened.
    Times(f64),
}

impl FromStr for Speed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.strip_suffix('x').unwrap_or(text).parse().ok();
        let times = times.filter(|times: &f64| times.is_finite() && *times > 0.0);
        times.map(Self::Times).ok_or_else(|| {
            Error::invalid(format!("{text:?} is no speed")).with_hint("write 10x, 0.5x or max")
        })
    }
}

/// How long is waited between events.
struct Pace {
    speed: Speed,
    last: Option<Timestamp>,
    owed_seconds: f64,
}

impl Pace {
    fn new(speed: Speed) -> Self {
        Self { speed, last: None, owed_seconds: 0.0 }
    }

    fn is_live(&self) -> bool {
        self.speed != Speed::Max
    }

    /// The pause before an event; none before the first, and where time goes back.
    fn pause(&mut self, event: &Event) -> Option<Duration> {
        let Speed::Times(times) = self.speed else { return None };
        let time = event.time();
        let micros = self.last.replace(time).map_or(0, |last| time.as_micros() - last.as_micros());
        self.owed_seconds += (micros as f64 / 1e6 / times).clamp(0.0, PAUSE_SECONDS_MAX);
        if self.owed_seconds < PAUSE_SECONDS_MIN {
            return None;
        }
        let seconds = std::mem::take(&mut self.owed_seconds).min(PAUSE_SECONDS_MAX);
        Some(Duration::from_secs_f64(seconds))
    }

    async fn wait(&mut self, event: &Event) {
        if let Some(pause) = self.pause(event) {
            tokio::time::sleep(pause).await;
        }
    }
}

/// How far it is, for people who wait.
struct Progress {
    counting: Counting,
    events: u64,
    head: Position,
}

impl Progress {
    async fn new(log: &EventLog) -> Outcome<Self> {
        Ok(Self { counting: Counting::new(), events: 0, head: log.newest().await? })
    }

    fn tell(&mut self, event: &Event, pace: &Pace) {
        if pace.is_live() || self.events.is_multiple_of(PROGRESS_EVENTS) {
            let (position, head) = (event.position, self.head);
            self.counting.say(format_args!("replayed: position {position} of {head}"));
        }
        self.events += 1;
    }
}

async fn show(context: &Context, selection: &Selection, pace: Pace) -> Outcome {
    let format = context.format("replay", Format::ALL)?;
    let mut writer =
        if pace.is_live() { EventWriter::live(stdout(), format) } else { EventWriter::new(stdout(), format) };
    let log = context.open().await?;
    note_removed(&log, selection).await?;
    until_interrupted(write(&log, selection, pace, &mut writer)).await?;
    writer.finish()?;
    Ok(log.close().await?)
}

async fn write<W: Write>(
    log: &EventLog,
    selection: &Selection,
    mut pace: Pace,
    writer: &mut EventWriter<W>,
) -> Outcome {
    let mut reading = selection.read(log);
    while let Some(event) = reading.next().await {
        let event = event?;
        pace.wait(&event).await;
        writer.write(&event)?;
    }
    Ok(())
}

/// Builds a projection from what is selected, and shows it. Nothing of it is remembered.
async fn fold(context: &Context, selection: &Selection, pace: Pace, name: &str) -> Outcome {
    if !NAMES.contains(&name) {
        return Err(unknown(name).into());
    }
    context.format("replay --into", &[Format::Json])?;
    let log = context.open().await?;
    note_removed(&log, selection).await?;
    named!(name, fold_into(&log, selection, pace))?;
    Ok(log.close().await?)
}

async fn fold_into<P: Entities>(log: &EventLog, selection: &Selection, mut pace: Pace) -> Outcome {
    let (mut state, filter) = (P::default(), P::filter());
    let (mut folded, mut last) = (0_u64, None);
    let mut is_whole = false;
    let mut progress = Progress::new(log).await?;
    until_interrupted(async {
        let mut reading = selection.read(log);
        while let Some(event) = reading.next().await {
            let event = event?;
            progress.tell(&event, &pace);
            if !filter.matches(&event) {
                continue;
            }
            pace.wait(&event).await;
            state.apply(&event).map_err(|why| {
                let position = event.position;
                Error::invalid(format!("{} cannot take the event at position {position}: {why}", P::NAME))
            })?;
            (folded, last) = (folded + 1, Some(event.position));
        }
        is_whole = true;
        Ok(())
    })
    .await?;
    drop(progress);
    let last = last.unwrap_or(Position::START);
    if !is_whole {
        note(format_args!("ended at position {last}: {} is not whole, and not shown", P::NAME));
        return Ok(());
    }
    if !selection.is_all() {
        note(format_args!(
            "note: {} is made of the {folded} events selected, up to position {last}; it knows nothing of any others",
            P::NAME
        ));
    }
    let things: Map<String, Value> =
        state.entities().iter().map(|(id, entity)| (id.clone(), P::shown(entity))).collect();
    let mut out = stdout();
    writeln!(out, "{}", serde_json::to_string_pretty(&things)?)?;
    Ok(out.flush()?)
}

/// Puts what is selected into another log, as if it happened anew there.
async fn move_into(context: &Context, selection: &Selection, mut pace: Pace, url: &str) -> Outcome {
    let format = context.format("replay --to-store", Listing::FORMATS)?;
    let log = context.open().await?;
    let to = context.open_other(url, Open::Create).await?;
    refuse_itself(&log, &to, "--to-store")?;
    note_removed(&log, selection).await?;
    let mut replaying = Replaying::new(&log, &to);
    let mut progress = Progress::new(&log).await?;
    let mut is_done = false;
    until_interrupted(async {
        let mut reading = selection.read(&log);
        while let Some(event) = reading.next().await {
            let event = event?;
            if let Some(pause) = pace.pause(&event) {
                // What comes before the pause is there while it lasts.
                replaying.flush().await?;
                tokio::time::sleep(pause).await;
            }
            replaying.add(&event).await?;
            progress.tell(&event, &pace);
        }
        replaying.flush().await?;
        is_done = true;
        Ok(())
    })
    .await?;
    drop(progress);
    let replayed = replaying.replayed();
    to.close().await?;
    log.close().await?;
    if !is_done {
        note(format_args!(
            "ended after position {}: run it again to go on, nothing is put there twice",
            replayed.position
        ));
        return Ok(());
    }
    replayed_listing(&replayed, format)?.print(format)
}

fn replayed_listing(replayed: &Replayed, format: Format) -> Outcome<Listing> {
    let mut rows = vec![pair("events", &replayed.events), pair("skipped", &replayed.skipped)];
    // Programs count on every row.
    if replayed.left_out > 0 || format != Format::Table {
        rows.push(pair("left out", &replayed.left_out));
    }
    rows.push(pair("up to position", &replayed.position));
    Ok(listing(rows, serde_json::to_value(replayed)?))
}
