//! Into an empty log, or a copy already begun: everything stays what it was.

use factlog::{ErrorKind, EventLog, Filter, Json, Keep, Position, RETENTION_STREAM, Snapshot};
use factlog_adapters::copy::{Doing, LAST_COMPARED_EVENTS, Options, Progress, copy};
use factlog_stores::{Open, open};

use crate::{assert_equal, compared, copied, copied_with, events, fact, full, grow, log_of, memory, remove};

/// Events with every field, gaps, what tells of them, and what is remembered.
async fn fill(log: &EventLog) {
    log.append(full()).await.unwrap();
    grow(log, 2_500).await;
    assert_eq!(remove(log, Filter::stream("task-2".parse().unwrap()), 1_200).await, 599);
    log.append(fact("task-2", 1)).await.unwrap();
    // More than one batch may have.
    let large = "é".repeat(3_000_000);
    for number in 0..6 {
        let data = serde_json::json!({ "number": number, "text": large });
        log.append(factlog::NewEvent::new("image-1", "image:taken", data).unwrap()).await.unwrap();
    }
    remember(log, "projection/tasks/1", 40, "{\"open\":1.0}").await;
    remember(log, "projection/tasks/1", 2_000, "{\"open\":2}").await;
    remember(log, "follower/mailer", 2_505, "{}").await;
}

async fn remember(log: &EventLog, key: &str, at: u64, data: &str) {
    let mut snapshot = Snapshot::new(key, Position(at), Json::parse(data).unwrap());
    snapshot.newest = Some("2025-01-02T03:04:05Z".parse().unwrap());
    log.snapshots().save(snapshot, None, Keep::History).await.unwrap();
}

/// All remembered values, without what a store says itself.
async fn remembered(log: &EventLog) -> Vec<(String, Position, Option<String>, String)> {
    let mut values = Vec::new();
    for info in log.snapshots().list("", None).await.unwrap() {
        let found = log.snapshots().load(&info.key, info.position).await.unwrap().unwrap();
        let newest = found.newest.map(|time| time.to_string());
        values.push((found.key, found.position, newest, found.data.to_string()));
    }
    values
}

/// A copy that went by way of an export lost positions, versions, times and what was remembered at them.
#[tokio::test]
async fn a_log_is_the_same_on_every_store_that_it_is_copied_to() {
    let folder = tempfile::tempdir().unwrap();
    let url = |kind: &str, name: &str| format!("{kind}:{}", folder.path().join(name).display());
    let urls = [url("sqlite", "a.db"), url("jsonl", "b"), "memory:".to_owned(), url("sqlite", "c.db")];
    let first = open(&urls[0], Open::Create).await.unwrap();
    fill(&first).await;
    let count = events(&first).await.len() as u64;
    let mut last = first.clone();
    for url in &urls[1..] {
        let next = open(url, Open::Create).await.unwrap();
        let did = copied(&last, &next).await;
        assert_eq!((did.events, did.skipped, did.left_out, did.snapshots), (count, 0, 0, 3), "{url}");
        assert_eq!((did.head, did.kept, did.verified), (Position(2_509), true, true), "{url}");
        assert_equal(&first, &next).await;
        assert_eq!(remembered(&next).await, remembered(&first).await, "{url}");
        assert_eq!(next.removals().await.unwrap(), first.removals().await.unwrap(), "{url}");
        let report = next.check().await.unwrap();
        assert_eq!((report.problems, report.removed), (vec![], 599), "{url}");
        let again = copied(&last, &next).await;
        assert_eq!((again.events, again.skipped, again.snapshots), (0, count, 0), "{url}");
        last = next;
    }
}

#[tokio::test]
async fn a_copy_goes_on_where_it_ends_and_the_copy_too() {
    let (from, to) = (log_of(1_500).await, memory());
    copied(&from, &to).await;
    grow(&from, 1_200).await;
    remove(&from, Filter::stream("task-1".parse().unwrap()), 0).await;
    let did = copied(&from, &to).await;
    assert_eq!((did.events, did.skipped, did.head), (1_200, 1_500, Position(2_700)));
    assert_equal(&from, &to).await;
    to.append(fact("task-1", 9)).await.unwrap();
    assert_eq!(events(&to).await.last().unwrap().version.0, 1_351, "it is a log like any other");
}

#[tokio::test]
async fn an_empty_log_is_copied_as_one() {
    let did = copied(&memory(), &memory()).await;
    assert_eq!((did.events, did.head, did.kept, did.verified), (0, Position(0), true, true));
}

/// What is appended while a log is copied would keep the copy from ever ending.
#[tokio::test]
async fn events_that_come_meanwhile_are_left_for_the_next_copy() {
    use crate::odd::{Oddity, odd};
    let store = std::sync::Arc::new(factlog::MemoryStore::new());
    let from = EventLog::on(std::sync::Arc::clone(&store) as _);
    grow(&from, 2_300).await;
    remember(&from, "before", 2_300, "1").await;
    remember(&from, "after", 2_302, "1").await;
    let to = memory();
    let did = copied(&odd(&store, Oddity::Grows), &to).await;
    assert_eq!((did.events, did.head, did.verified), (2_300, Position(2_300), true));
    assert_eq!(remembered(&to).await.len(), 1, "a value of later events would be ahead of the copy");
    let did = copied(&from, &to).await;
    assert!(did.events > 3 && did.skipped == 2_300 && did.snapshots == 1, "{did:?}");
    assert_equal(&from, &to).await;
}

#[tokio::test]
async fn of_two_values_for_one_position_the_one_saved_last_stays() {
    let (from, to) = (log_of(3).await, memory());
    remember(&from, "summary", 2, "1").await;
    copied(&from, &to).await;
    remember(&to, "summary", 2, "2").await;
    assert_eq!(copied(&from, &to).await.snapshots, 0);
    assert_eq!(remembered(&to).await[0].3, "2");
    remember(&from, "summary", 2, "3").await;
    assert_eq!(copied(&from, &to).await.snapshots, 1);
    assert_eq!(remembered(&to).await[0].3, "3");
}

#[tokio::test]
async fn a_log_with_other_events_is_refused_with_the_first_position_that_differs() {
    let from = log_of(1_200).await;
    let refused = async |to: &EventLog, options| {
        let before = events(to).await.len();
        let error = copied_with(&from, to, options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.hint().unwrap().contains("--append"), "{error:?}");
        assert_eq!(events(to).await.len(), before, "nothing is written");
        error.to_string()
    };
    let all = Options::default();
    let last = Options { verify: false, ..all };
    let other = log_of(3).await;
    for options in [all, last] {
        let said = refused(&other, options).await;
        assert_eq!(said, "memory: has events and is no copy of memory:: position 1 has another id");
    }

    let longer = memory();
    copied(&from, &longer).await;
    longer.append(fact("task-1", 0)).await.unwrap();
    for options in [all, last] {
        let said = refused(&longer, options).await;
        assert!(said.ends_with("it goes on behind the end of memory:, with position 1201"), "{said}");
    }
}

/// Whoever removes in the source what was copied has two logs that tell different stories.
#[tokio::test]
async fn a_copy_that_has_what_was_removed_since_is_refused() {
    let (from, to) = (log_of(1_200).await, memory());
    copied(&from, &to).await;
    remove(&from, Filter::all(), 20).await;
    let error = copied_with(&from, &to, Options::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().ends_with("memory: has no position 1"), "{error}");
    assert!(error.hint().unwrap().contains("removed from the source since"));
    // Asked to believe it by its end, it does, and verify tells of it.
    let did = copied_with(&from, &to, Options { verify: false, ..Options::default() }).await.unwrap();
    assert_eq!((did.events, did.skipped, did.verified), (1, 1_200, false));
    assert_eq!(compared(&from, &to).await.different, 20);
    assert_eq!(&*events(&to).await.last().unwrap().stream, RETENTION_STREAM);
}

#[tokio::test]
async fn without_verifying_the_last_events_are_compared_all_the_same() {
    let (from, to) = (log_of(LAST_COMPARED_EVENTS + 10).await, memory());
    let quick = Options { verify: false, ..Options::default() };
    assert!(!copied_with(&from, &to, quick).await.unwrap().verified);
    grow(&from, 5).await;
    let did = copied_with(&from, &to, quick).await.unwrap();
    assert_eq!((did.events, did.skipped), (5, LAST_COMPARED_EVENTS as u64 + 10));
    assert_equal(&from, &to).await;
}

/// What was written is not what is read: a disk or a store that lies.
#[tokio::test]
async fn a_copy_that_reads_differently_is_told() {
    use crate::odd::{Oddity, odd};
    let from = log_of(1_200).await;
    let to = odd(&std::sync::Arc::new(factlog::MemoryStore::new()), Oddity::Changes(Position(1_100)));
    let error = copied_with(&from, &to, Options::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("position 1100 of memory: is not the same in the copy"), "{error}");
    assert!(error.to_string().ends_with("memory: has another data"), "{error}");
}

#[tokio::test]
async fn progress_is_told_by_positions_in_their_order() {
    let (from, to) = (log_of(2_600).await, memory());
    let mut told: Vec<Progress> = Vec::new();
    copy(&from, &to, Options::default(), &mut |progress| told.push(progress)).await.unwrap();
    let of = |doing: Doing| -> Vec<u64> {
        told.iter().filter(|told| told.doing == doing).map(|told| told.position.0).collect()
    };
    assert_eq!(of(Doing::Copying), [0, 1_000, 2_000, 2_600]);
    assert_eq!(of(Doing::Comparing), [0, 0, 500, 1_000, 1_500, 2_000, 2_500, 2_600]);
    assert!(told.iter().all(|told| told.last == Position(2_600)));
}
