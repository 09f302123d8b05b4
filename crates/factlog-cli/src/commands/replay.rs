//! `factlog replay`: through events in order, at a pace.

use std::io::Write;
use std::time::Duration;

use factlog::{Error, EventLog, Timestamp};

use super::{Context, note_removed, until_interrupted};
use crate::cli::ReplayArgs;
use crate::failure::Outcome;
use crate::filter_args::Selection;
use crate::output::{EventWriter, Format, stdout};

/// However long nothing happened, nobody wants to wait for longer.
const PAUSE_SECONDS_MAX: f64 = 3_600.0;

pub(crate) async fn run(context: &Context, args: &ReplayArgs) -> Outcome {
    let selection = args.filter.selection()?;
    let format = context.format("replay", Format::ALL)?;
    if args.speed.is_some_and(|speed| !speed.is_finite() || speed <= 0.0) {
        return Err(Error::invalid("--speed takes a number above 0").into());
    }
    let mut writer = match args.speed {
        Some(_) => EventWriter::live(stdout(), format),
        None => EventWriter::new(stdout(), format),
    };
    let log = context.open().await?;
    note_removed(&log, &selection).await?;
    until_interrupted(replay(&log, &selection, args.speed, &mut writer)).await?;
    writer.finish()?;
    Ok(log.close().await?)
}

async fn replay<W: Write>(
    log: &EventLog,
    selection: &Selection,
    speed: Option<f64>,
    writer: &mut EventWriter<W>,
) -> Outcome {
    let mut reading = selection.read(log);
    let mut last: Option<Timestamp> = None;
    while let Some(event) = reading.next().await {
        let event = event?;
        if let (Some(speed), Some(last)) = (speed, last) {
            let micros = event.time().as_micros() - last.as_micros();
            let seconds = (micros as f64 / 1e6 / speed).clamp(0.0, PAUSE_SECONDS_MAX);
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        }
        last = Some(event.time());
        writer.write(&event)?;
    }
    Ok(())
}
