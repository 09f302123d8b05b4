//! Copies that end at any moment, and are run again.

use std::sync::Arc;

use factlog::{ErrorKind, EventLog, Filter, MemoryStore};

use crate::odd::{Oddity, odd};
use crate::{APPEND, Options, assert_equal, copied, copied_with, events, fact, grow, log_of, remove};

/// Enough for four batches; the middle has gaps.
async fn source() -> EventLog {
    let from = log_of(2_000).await;
    remove(&from, Filter::stream("task-1".parse().unwrap()), 900).await;
    grow(&from, 2_000).await;
    from
}

/// Story: whether a batch that was on its way is in the target or not is not known to who is interrupted.
#[tokio::test]
async fn a_copy_that_was_interrupted_at_any_batch_goes_on_to_the_same_end() {
    let from = source().await;
    let batches = 4;
    for at in 0..batches {
        for oddity in [Oddity::EndsBefore(at), Oddity::EndsAfter(at)] {
            let told = format!("{oddity:?}");
            let is_written = usize::from(matches!(oddity, Oddity::EndsAfter(_)));
            let store = Arc::new(MemoryStore::new());
            let error = copied_with(&from, &odd(&store, oddity), Options::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{told}");
            assert!(error.to_string().contains("memory:: positions "), "{error}");
            let to = EventLog::on(store);
            let there = ((at + is_written) * 1_000).min(3_551);
            assert_eq!(events(&to).await.len(), there, "{told}");
            let did = copied(&from, &to).await;
            assert_eq!((did.events, did.skipped), (3_551 - there as u64, there as u64), "{told}");
            assert_equal(&from, &to).await;
        }
    }
}

#[tokio::test]
async fn a_copy_behind_other_events_goes_on_too_and_nothing_is_there_twice() {
    let from = source().await;
    let ids = |events: &[Arc<factlog::Event>]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    let mut expected = ids(&events(&from).await);
    expected.remove(1_550);
    for at in 0..4 {
        for oddity in [Oddity::EndsBefore(at), Oddity::EndsAfter(at)] {
            let told = format!("{oddity:?}");
            let store = Arc::new(MemoryStore::new());
            let to = EventLog::on(Arc::clone(&store) as _);
            to.append(fact("other-1", 1)).await.unwrap();
            let error = copied_with(&from, &odd(&store, oddity), APPEND).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{told}");
            let did = copied_with(&from, &to, APPEND).await.unwrap();
            assert_eq!((did.events + did.skipped, did.left_out), (3_550, 1), "{told}");
            assert_eq!(ids(&events(&to).await)[1..], expected, "{told}");
        }
    }
}

/// A log of many events is not looked through again each time.
#[tokio::test]
async fn going_on_begins_at_the_last_mark() {
    let from = log_of(25_000).await;
    let store = Arc::new(MemoryStore::new());
    let to = EventLog::on(Arc::clone(&store) as _);
    to.append(fact("other-1", 1)).await.unwrap();
    copied_with(&from, &odd(&store, Oddity::EndsBefore(23)), APPEND).await.unwrap_err();
    let mut begun = None;
    let did = factlog_adapters::copy::copy(&from, &to, APPEND, &mut |progress| {
        begun.get_or_insert(progress.position.0);
    })
    .await
    .unwrap();
    assert_eq!(begun, Some(20_000));
    assert_eq!((did.events, did.skipped), (2_000, 23_000));
}
