//! `factlog archive`: events into files, and back.

use std::path::PathBuf;

use factlog::{Clock, Error, Removal, Timestamp};
use factlog_adapters::archive::{self, Archive, Archived};
use factlog_adapters::{Intake, Progress};
use serde_json::json;

use super::retention::{Taken, compact, range, take};
use super::{Context, import};
use crate::cli::{ArchiveAction, ArchiveArgs};
use crate::failure::{Failure, Outcome, exit};
use crate::output::{Counting, Format, Listing, note};
use crate::person_time::{self, End};

pub(crate) async fn run(context: &Context, args: ArchiveArgs) -> Outcome {
    if let Some(ArchiveAction::Restore { paths, lenient }) = args.action {
        return restore(context, &paths, lenient).await;
    }
    let (Some(before), Some(folder)) = (&args.before, &args.to) else {
        return Err(Error::invalid("archive needs --before and --to").into());
    };
    let mut filter = args.fields.filter()?;
    let clock = if args.occurred { Clock::Occurred } else { Clock::Recorded };
    // Before a date is before its first moment.
    let before = person_time::parse(before, End::From, Timestamp::now());
    clock.range(&mut filter).to = Some(before.map_err(|error| error.context("--before"))?);
    filter.check()?;
    let format = context.format("archive", Listing::FORMATS)?;
    let log = context.open().await?;
    let removal = Removal { filter, through: log.newest().await?, archive: None };
    let mut taken = Taken::default();
    let counting = Counting::new();
    counting.say("archiving");
    let outcome = if args.keep {
        write(Archive::new(&log, &removal, folder)?, &counting, &mut taken).await
    } else {
        take(&log, &removal, Some(folder), &counting, &mut taken).await
    };
    drop(counting);
    // What was removed is said, also where something failed after it.
    if outcome.is_ok() || !taken.archives.is_empty() {
        listing(&taken).print(format)?;
    }
    outcome?;
    if taken.archives.is_empty() && format == Format::Table {
        note("nothing is old enough");
    }
    if args.compact {
        compact(&log).await?;
    }
    Ok(log.close().await?)
}

/// Writes the files, and removes nothing.
async fn write(mut archive: Archive, counting: &Counting, taken: &mut Taken) -> Outcome {
    while let Some(file) = archive.next_file().await? {
        counting.say(format_args!("archived up to position {}: {}", file.last, file.path));
        taken.archives.push(file);
    }
    Ok(())
}

fn listing(taken: &Taken) -> Listing {
    let row = |file: &Archived| {
        vec![
            file.path.clone(),
            file.count.to_string(),
            range(Some(file.first), file.last),
            file.bytes.to_string(),
        ]
    };
    Listing {
        headings: ["FILE", "EVENTS", "POSITIONS", "BYTES"].map(str::to_owned).into(),
        rows: taken.archives.iter().map(row).collect(),
        numbers: vec![1, 3],
        json: json!({"files": taken.archives, "removed": taken.count, "saidAt": taken.position}),
    }
}

async fn restore(context: &Context, paths: &[PathBuf], lenient: bool) -> Outcome {
    let format = context.format("archive restore", &import::FORMATS)?;
    import::must_exist(paths)?;
    let log = context.open_or_create().await?;
    let bar = import::Bar::new();
    let mut show = |progress: Progress<'_>| bar.show(&progress);
    let restored = archive::restore(&log, paths, Intake::telling(&mut show)).await;
    bar.finish();
    let restored = restored?;
    let has_states = !log.snapshots().list("projection/", None).await?.is_empty();
    log.close().await?;
    import::print(&restored, format)?;
    if restored.appended > 0 && has_states {
        note(
            "note: states that had these events before count them again: `factlog projections rebuild --partial` \
             builds them anew",
        );
    }
    if restored.rejected.is_empty() || lenient { Ok(()) } else { Err(Failure::Told(exit::FAILURE)) }
}
