//! Behind the events of another log: new positions, and the old ones in the metadata.

use factlog::{ErrorKind, EventId, EventLog, Filter, Json, Keep, NewEvent, Position, Snapshot, Version};
use factlog_adapters::copy::Verdict;
use factlog_stores::{Open, open};

use crate::{APPEND, appended, compared, copied, copied_with, events, fact, full, log_of, memory, remove};

async fn target() -> EventLog {
    let to = memory();
    to.append(fact("task-1", 100)).await.unwrap();
    to
}

async fn ids(log: &EventLog) -> Vec<EventId> {
    events(log).await.iter().map(|event| event.id).collect()
}

/// Two logs of one fleet, on two machines: put together, nobody could say where an event had come from.
#[tokio::test]
async fn events_get_new_places_and_say_where_they_stood() {
    let (from, to) = (memory(), target().await);
    from.append(vec![full(), fact("task-1", 2)]).await.unwrap();
    let did = appended(&from, &to).await;
    assert_eq!((did.events, did.skipped, did.kept, did.verified), (2, 0, false, true));
    let (before, after) = (events(&from).await, events(&to).await);
    let [_, first, second] = &after[..] else { panic!("{after:?}") };
    assert_eq!((first.position, first.version), (Position(2), Version(2)));
    let time = before[0].recorded_at;
    assert_eq!(
        first.metadata.as_ref().unwrap().as_str(),
        format!(
            r#"{{"line":7,"b":0.10,"copiedFrom":{{"log":"memory:","position":1,"version":1,"recordedAt":"{time}"}}}}"#
        )
    );
    assert_eq!(first.data, before[0].data, "byte for byte");
    let without = |event: &NewEvent| NewEvent { metadata: None, ..event.clone() };
    assert_eq!(without(first), without(&before[0]));
    assert_eq!(second.occurred_at, Some(before[1].recorded_at), "its time for people stays");
    assert_eq!(second.time(), before[1].time());
}

#[tokio::test]
async fn twice_changes_nothing_and_what_came_since_comes() {
    let (from, to) = (log_of(1_500).await, target().await);
    assert_eq!(appended(&from, &to).await.events, 1_500);
    let once = ids(&to).await;
    let again = appended(&from, &to).await;
    assert_eq!((again.events, again.skipped), (0, 1_500));
    assert_eq!(ids(&to).await, once);
    from.append(fact("task-1", 7)).await.unwrap();
    let more = appended(&from, &to).await;
    assert_eq!((more.events, more.skipped, more.head), (1, 1_500, Position(1_501)));
    // Who has forgotten how far it was finds out by the ids.
    for info in to.snapshots().list("import/copy/", None).await.unwrap() {
        to.snapshots().forget(&info.key, Position::MAX).await.unwrap();
    }
    let again = appended(&from, &to).await;
    assert_eq!((again.events, again.skipped), (0, 1_501));
}

#[tokio::test]
async fn two_logs_become_one_and_events_that_both_have_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let one = open(&place("one.db"), Open::Create).await.unwrap();
    let two = open(&place("two.db"), Open::Create).await.unwrap();
    let to = open(&format!("jsonl:{}", folder.path().join("all").display()), Open::Create).await.unwrap();
    let shared = fact("shared-1", 1);
    one.append(vec![fact("task-1", 1), shared.clone()]).await.unwrap();
    two.append(vec![fact("task-1", 2), shared, fact("task-2", 3)]).await.unwrap();
    assert!(appended(&one, &to).await.kept, "the first one finds an empty log");
    let did = appended(&two, &to).await;
    assert_eq!((did.events, did.skipped), (2, 1));
    let all = events(&to).await;
    let versions: Vec<_> = all.iter().map(|event| (event.stream.to_string(), event.version.0)).collect();
    assert_eq!(
        versions,
        [("task-1", 1), ("shared-1", 1), ("task-1", 2), ("task-2", 1)].map(|(name, v)| (name.to_owned(), v))
    );
    one.append(fact("task-1", 9)).await.unwrap();
    for (from, expected) in [(&one, (1, 2)), (&two, (0, 3)), (&one, (0, 3))] {
        let did = appended(from, &to).await;
        assert_eq!((did.events, did.skipped), expected);
    }
    let metadata = events(&to).await.last().unwrap().metadata.clone().unwrap();
    assert!(metadata.as_str().contains(&place("one.db")), "{metadata}");
    assert_eq!(to.check().await.unwrap().problems, Vec::<String>::new());
}

/// An event that says "positions 1 to 20 were removed" would be false behind other events.
#[tokio::test]
async fn what_tells_of_removals_is_left_out_and_so_are_remembered_values() {
    let (from, to) = (log_of(30).await, target().await);
    remove(&from, Filter::all(), 20).await;
    let summary = Snapshot::new("summary", Position(25), Json::empty_object());
    from.snapshots().save(summary, None, Keep::History).await.unwrap();
    let did = appended(&from, &to).await;
    assert_eq!((did.events, did.left_out, did.snapshots), (10, 1, 0));
    assert_eq!(to.removals().await.unwrap(), []);
    assert_eq!(to.snapshots().list("summary", None).await.unwrap(), []);
    let again = appended(&from, &to).await;
    assert_eq!((again.events, again.skipped, again.left_out), (0, 10, 0));
}

/// A retention that had removed events found them again after the next copy.
#[tokio::test]
async fn what_was_removed_from_the_target_does_not_rise_again() {
    let (from, to) = (log_of(30).await, target().await);
    appended(&from, &to).await;
    remove(&to, Filter::all(), 20).await;
    from.append(fact("task-1", 1)).await.unwrap();
    assert_eq!(appended(&from, &to).await.events, 1);
    // The last one that was copied goes from the source: the mark is believed all the same.
    remove(&from, Filter::all(), 31).await;
    assert_eq!(appended(&from, &to).await.events, 0);
    assert_eq!(events(&to).await.len(), 1 + 30 - 20 + 1 + 1);
}

#[tokio::test]
async fn another_log_of_the_same_url_does_not_find_the_mark_of_the_first() {
    let to = target().await;
    appended(&log_of(30).await, &to).await;
    assert_eq!(appended(&log_of(40).await, &to).await.events, 40);
    assert_eq!(appended(&log_of(5).await, &to).await.events, 5);
    assert_eq!(events(&to).await.len(), 1 + 30 + 40 + 5);
}

#[tokio::test]
async fn a_copy_that_has_gone_on_by_itself_takes_what_it_lacks() {
    let (from, to) = (log_of(1_100).await, memory());
    copied(&from, &to).await;
    to.append(fact("task-1", 1)).await.unwrap();
    from.append(fact("task-1", 2)).await.unwrap();
    let did = appended(&from, &to).await;
    assert_eq!((did.events, did.skipped, did.kept), (1, 1_100, false));
    let compared = compared(&from, &to).await;
    assert_eq!((compared.result, compared.alike), (Verdict::Different, 1_100));
}

#[tokio::test]
async fn an_event_that_was_copied_before_keeps_its_first_place() {
    let (first, second, third) = (log_of(2).await, target().await, target().await);
    appended(&first, &second).await;
    assert_eq!(appended(&second, &third).await.events, 3);
    let there = events(&third).await;
    assert_eq!(there[2].metadata, events(&second).await[1].metadata);
}

#[tokio::test]
async fn metadata_without_room_is_refused_with_the_position_and_what_is_before_it_stays() {
    let (from, to) = (log_of(1_001).await, target().await);
    let mut event = fact("task-1", 1);
    event.metadata = Some(Json::of(&serde_json::json!({"text": "x".repeat(65_500)})).unwrap());
    from.append(event).await.unwrap();
    let error = copied_with(&from, &to, APPEND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let said = error.to_string();
    assert!(said.starts_with("position 1002 of memory:: with copiedFrom its metadata has 65"), "{said}");
    assert!(said.ends_with(" bytes; 65536 are allowed"), "{said}");
    assert!(error.hint().unwrap().contains("new log"));
    assert_eq!(events(&to).await.len(), 1_001);
    assert_eq!(copied(&from, &memory()).await.events, 1_002, "into a new log it goes");
}

/// What was written is not what is read: a disk or a store that lies. The next copy looks at it again.
#[tokio::test]
async fn an_event_that_reads_differently_is_told_and_is_not_done() {
    use crate::odd::{Oddity, odd};
    let store = std::sync::Arc::new(factlog::MemoryStore::new());
    let to = EventLog::on(std::sync::Arc::clone(&store) as _);
    to.append(fact("task-1", 100)).await.unwrap();
    let from = log_of(30).await;
    let error = copied_with(&from, &odd(&store, Oddity::Changes(Position(12))), APPEND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let said = "position 11 of memory: is not the same in the copy: memory: has another data";
    assert_eq!(error.to_string(), said);
    assert_eq!(to.snapshots().list("", None).await.unwrap(), [], "no mark says that it was done");
    let error = copied_with(&from, &odd(&store, Oddity::Changes(Position(12))), APPEND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(appended(&from, &to).await.skipped, 30);
}

/// The same id for two facts: one of them would have been lost without a word.
#[tokio::test]
async fn an_id_that_is_another_event_in_the_target_is_a_conflict() {
    let (from, to) = (log_of(3).await, target().await);
    let taken = events(&to).await[0].id;
    from.append(fact("task-1", 8).with_id(taken)).await.unwrap();
    let error = copied_with(&from, &to, APPEND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let said = error.to_string();
    assert!(said.starts_with(&format!("position 4 of memory:: the id {taken} is taken")), "{said}");
}
