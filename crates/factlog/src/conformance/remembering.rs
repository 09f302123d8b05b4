//! Snapshots.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::Arc;

use super::{Backend, open};
use crate::{ErrorKind, EventLog, Json, Keep, Position, Result, Revision, Snapshot};

fn snapshot(key: &str, position: u64) -> Snapshot {
    Snapshot::new(key, Position(position), Json::of(&position).unwrap())
}

async fn save(log: &EventLog, key: &str, position: u64, keep: Keep) -> Result<Revision> {
    log.snapshots().save(snapshot(key, position), None, keep).await
}

async fn found(log: &EventLog, key: &str, at: u64) -> Option<u64> {
    log.snapshots().load(key, Position(at)).await.unwrap().map(|found| {
        assert_eq!(found.data.to::<u64>().unwrap(), found.position.0);
        found.position.0
    })
}

pub async fn snapshots_are_found_at_or_before_a_position(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for position in [10, 30, 20] {
        save(&log, "state", position, Keep::History).await.unwrap();
    }
    save(&log, "state-2", 25, Keep::History).await.unwrap();
    for (at, expected) in [(9, None), (10, Some(10)), (29, Some(20)), (u64::MAX, Some(30))] {
        assert_eq!(found(&log, "state", at).await, expected);
    }
    assert_eq!(log.snapshots().forget("state", Position(25)).await.unwrap(), 2);
    assert_eq!(found(&log, "state", 29).await, None);
    assert_eq!(found(&log, "state", 30).await, Some(30));
}

pub async fn snapshots_compare_and_set(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let save =
        async |expect| log.snapshots().save(snapshot("place", 1), Some(Revision(expect)), Keep::Newest).await;
    assert_eq!(save(0).await.unwrap(), Revision(1));
    assert_eq!(save(0).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(save(1).await.unwrap(), Revision(2));
    assert_eq!(save(1).await.unwrap_err().kind(), ErrorKind::Conflict);
    let (a, b) = tokio::join!(save(2), save(2));
    assert_eq!([a, b].iter().filter(|outcome| outcome.is_ok()).count(), 1, "one of two wins");
    assert_eq!(log.snapshots().load("place", Position::MAX).await.unwrap().unwrap().revision, Revision(3));
}

/// Origin A: an older snapshot overwrote a newer one.
pub async fn a_newest_snapshot_is_not_overwritten_by_an_older_one(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    save(&log, "state", 20, Keep::Newest).await.unwrap();
    assert_eq!(save(&log, "state", 10, Keep::Newest).await.unwrap_err().kind(), ErrorKind::Conflict);
    save(&log, "state", 30, Keep::Newest).await.unwrap();
    assert_eq!(found(&log, "state", 29).await, None, "only the newest is kept");
    assert_eq!(found(&log, "state", 30).await, Some(30));
}

pub async fn revisions_survive_forgetting(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    save(&log, "place", 1, Keep::Newest).await.unwrap();
    save(&log, "place", 2, Keep::Newest).await.unwrap();
    assert_eq!(log.snapshots().forget("place", Position::MAX).await.unwrap(), 1);
    let stale = log.snapshots().save(snapshot("place", 1), Some(Revision(0)), Keep::Newest).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(save(&log, "place", 1, Keep::Newest).await.unwrap(), Revision(3));
}

pub async fn snapshots_are_listed_in_order_after_any_of_them(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for (key, position) in [("b", 1), ("a/2", 5), ("a/1", 9), ("a/1", 3), ("a", 2), ("a%", 1)] {
        save(&log, key, position, Keep::History).await.unwrap();
    }
    let list = async |prefix: &str, after: Option<(&str, u64)>| -> Vec<(String, u64)> {
        let after = after.map(|(key, position)| (key, Position(position)));
        let infos = log.snapshots().list(prefix, after).await.unwrap();
        infos.into_iter().map(|info| (info.key, info.position.0)).collect()
    };
    let all = [("a", 2), ("a%", 1), ("a/1", 3), ("a/1", 9), ("a/2", 5), ("b", 1)]
        .map(|(key, position)| (key.to_owned(), position));
    assert_eq!(list("", None).await, all);
    assert_eq!(list("a/", None).await, all[2..5]);
    assert_eq!(list("a/", Some(("a/1", 3))).await, all[3..5]);
    assert_eq!(list("a", Some(("a/2", 5))).await, []);
}

pub async fn snapshots_are_forgotten_one_by_one(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for (key, position) in [("a", 1), ("a", 2), ("a", 3), ("a/b", 2)] {
        save(&log, key, position, Keep::History).await.unwrap();
    }
    let forget = async |positions: &[u64]| {
        let positions: Vec<Position> = positions.iter().copied().map(Position).collect();
        log.snapshots().forget_at("a", &positions).await.unwrap()
    };
    assert_eq!(forget(&[]).await, 0);
    assert_eq!(forget(&[2, 7]).await, 1);
    assert_eq!([found(&log, "a", 2).await, found(&log, "a", 3).await], [Some(1), Some(3)]);
    assert_eq!(found(&log, "a/b", 2).await, Some(2), "another key's stay");
    assert_eq!(forget(&[1, 2, 3]).await, 2);
    assert_eq!(save(&log, "a", 1, Keep::History).await.unwrap(), Revision(4), "its saves are counted on");
}

/// Origin A: asking for a snapshot that does not exist threw a syntax error.
pub async fn a_missing_snapshot_is_none(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    assert_eq!(log.snapshots().load("nothing", Position::MAX).await.unwrap(), None);
    assert_eq!(log.snapshots().forget("nothing", Position::MAX).await.unwrap(), 0);
    assert_eq!(log.snapshots().list("", None).await.unwrap(), []);
    for key in ["", "a\nb"] {
        let refused = log.snapshots().save(snapshot(key, 1), None, Keep::Newest).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

pub async fn snapshots_survive_opening_again(backend: Arc<dyn Backend>) {
    if !backend.survives_close() {
        return;
    }
    let log = open(&backend).await;
    save(&log, "state", 10, Keep::Newest).await.unwrap();
    log.close().await.unwrap();
    let log = open(&backend).await;
    assert_eq!(found(&log, "state", 10).await, Some(10));
    assert_eq!(save(&log, "state", 11, Keep::Newest).await.unwrap(), Revision(2));
}
