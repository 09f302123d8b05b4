//! The values remembered at positions: what they say is true of a copy that keeps positions.

use factlog::{EventLog, Keep, Position, Result, Snapshot, SnapshotInfo};

/// Copies the values up to a position; says how many were written.
///
/// Of two for the same position the one that was saved last stays.
pub(super) async fn copy(from: &EventLog, to: &EventLog, head: Position) -> Result<u64> {
    let mut written = 0;
    let mut last: Option<SnapshotInfo> = None;
    loop {
        let after = last.as_ref().map(|info| (info.key.as_str(), info.position));
        let page = from.snapshots().list("", after).await?;
        for info in &page {
            // A value of later events would be ahead of the copy.
            if info.position <= head {
                written += u64::from(copy_one(from, to, info).await?);
            }
        }
        match page.into_iter().next_back() {
            Some(info) => last = Some(info),
            None => return Ok(written),
        }
    }
}

async fn copy_one(from: &EventLog, to: &EventLog, info: &SnapshotInfo) -> Result<bool> {
    let Some(snapshot) = load(from, info).await? else { return Ok(false) };
    let is_there = load(to, info).await?.is_some_and(|there| {
        let is_same = there.data == snapshot.data && there.newest == snapshot.newest;
        is_same || there.saved_at >= snapshot.saved_at
    });
    if !is_there {
        to.snapshots().save(snapshot, None, Keep::History).await?;
    }
    Ok(!is_there)
}

/// The value at exactly this position: one before it is found where it was dropped meanwhile.
async fn load(log: &EventLog, info: &SnapshotInfo) -> Result<Option<Snapshot>> {
    let found = log.snapshots().load(&info.key, info.position).await?;
    Ok(found.filter(|snapshot| snapshot.position == info.position))
}
