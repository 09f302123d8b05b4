//! Events into a log that is the same up to where it ends: all that they are stays.

use std::sync::Arc;

use factlog::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use factlog::{Batch, Error, Event, Result};

use super::compare::{first_difference, range};
use super::{Copying, Doing, at, values};

/// Copies what the target lacks, compares it, and then copies the remembered values.
pub(super) async fn copy(copying: &mut Copying<'_>) -> Result<()> {
    let (from, to, after, head) = (copying.from, copying.to, copying.there, copying.head);
    copying.copied.kept = true;
    copying.telling.begin(Doing::Copying, after);
    let mut reading = range(from, after, head);
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(event) = reading.next().await {
        let event = event.map_err(|error| at(from, error))?;
        if events.len() == BATCH_EVENTS_MAX || bytes + event.bytes() > BATCH_BYTES_MAX {
            append(copying, std::mem::take(&mut events)).await?;
            bytes = 0;
        }
        bytes += event.bytes();
        events.push(event);
    }
    append(copying, events).await?;
    if copying.options.verify {
        copying.telling.begin(Doing::Comparing, after);
        let (_, difference) = first_difference((from, to), after, head, &mut copying.telling).await?;
        if let Some(difference) = difference {
            return Err(copying.unequal(&difference));
        }
        copying.copied.verified = true;
    }
    copying.telling.begin(Doing::Remembering, head);
    copying.copied.snapshots = values::copy(from, to, head).await?;
    Ok(())
}

/// Appends one batch. There are never two on their way: one that comes after a failed one would leave a hole.
async fn append(copying: &mut Copying<'_>, events: Vec<Arc<Event>>) -> Result<()> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
    let (first, last, count) = (first.position, last.position, events.len() as u64);
    let batch = Batch::kept(events.into_iter().map(Arc::unwrap_or_clone).collect())?;
    let appended = copying.to.append(batch).await;
    let appended = appended.map_err(|error| {
        error.context(format_args!("{}: positions {first} to {last}", copying.to.about().url))
    })?;
    if appended.last() != last {
        let (to, found) = (&copying.to.about().url, appended.last());
        return Err(Error::conflict(format!("{to} has the event of position {last} at position {found}"))
            .with_hint("somebody else writes into it: wait until they are done, and copy again"));
    }
    copying.copied.events += count;
    copying.telling.tell(last);
    Ok(())
}
