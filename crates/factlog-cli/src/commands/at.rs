//! Moments as people write them: a position, a version of a stream, a time.

use factlog::{Error, EventLog, Filter, Moment, Position, Result, StreamName, Timestamp, Version};
use factlog_agents::projections::Entities;

use crate::cli::AtArgs;
use crate::failure::Outcome;
use crate::person_time::{self, End};

/// A moment, as the flag says it. A version is meant of a stream, and found there.
///
/// # Errors
/// `Invalid` for a text that is none, or a version without a stream; `NotFound` for a version that there is not.
pub(super) async fn moment(
    log: &EventLog,
    flag: &str,
    text: &str,
    stream: Option<&StreamName>,
) -> Result<Moment> {
    let version = text.strip_prefix('v').and_then(|digits| digits.parse().ok()).map(Version);
    if let Ok(position) = text.parse() {
        return Ok(Moment::Position(Position(position)));
    }
    let Some(version) = version else {
        return person_time::parse(text, End::To, Timestamp::now()).map(Moment::Time).map_err(|error| {
            error.context(flag).with_hint("write a position such as 42, a version such as v3, or a time")
        });
    };
    let Some(stream) = stream else {
        return Err(Error::invalid(format!("{flag}: {text} is a version of one stream")).with_hint(
            "name what you mean, such as `factlog tasks 42 --at v3`; or use a position or a time",
        ));
    };
    let position = log.stream(stream).position_of(version).await;
    position.map(Moment::Position).map_err(|error| error.context(flag))
}

/// The time that a look at a moment is of: for a position that of the last event up to it.
///
/// # Errors
/// `NotFound` for a position after the last event.
pub(super) async fn time_of(log: &EventLog, moment: Option<Moment>) -> Result<Timestamp> {
    match moment {
        None => Ok(Timestamp::now()),
        Some(Moment::Time(time) | Moment::Recorded(time)) => Ok(time),
        Some(Moment::Version(_)) => Err(Error::invalid("a version is a moment of one stream")),
        Some(Moment::Position(position)) => {
            let newest = log.newest().await?;
            if position > newest {
                return Err(Error::not_found(format!("--at: the log ends at position {newest}")));
            }
            let before = Position(position.0.saturating_add(1));
            let last = log.read(Filter::all()).before(before).backwards().limit(1).collect().await?;
            Ok(last.first().map_or_else(Timestamp::now, |event| event.time()))
        }
    }
}

/// A projection as it is now, or as it was at a moment, and the time that this is of.
pub(super) async fn state<P: Entities + Clone>(
    log: &EventLog,
    at: &AtArgs,
    stream: Option<&StreamName>,
) -> Outcome<(P, Timestamp)> {
    let Some(text) = &at.at else { return Ok((now(log).await?, Timestamp::now())) };
    let moment = moment(log, "--at", text, stream).await?;
    let time = time_of(log, Some(moment)).await?;
    Ok((log.at::<P>(moment).partial().await?, time))
}

/// A projection as it is now: from where it was remembered, and the events since. What it came to is remembered.
pub(super) async fn now<P: Entities + Clone>(log: &EventLog) -> Outcome<P> {
    let mut group = log.projections().partial();
    let projected = group.add::<P>().await?;
    group.start();
    projected.caught_up(log.newest().await?).await?;
    let state = projected.with(P::clone);
    projected.finish().await;
    Ok(state)
}
