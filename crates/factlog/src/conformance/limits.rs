//! Every limit: at it, and one past it.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::Arc;

use super::{Backend, batch, fact, open};
use crate::limits::{
    BATCH_EVENTS_MAX, DATA_BYTES_MAX, FILTER_VALUES_MAX, METADATA_BYTES_MAX, STREAM_BYTES_MAX, TAG_BYTES_MAX,
    TAGS_MAX, TARGETS_MAX, TEXT_BYTES_MAX, TYPE_BYTES_MAX,
};
use crate::{Batch, ErrorKind, EventId, EventType, Filter, Json, StreamName, Tag, Text};

pub async fn the_largest_names_and_values_are_kept(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let long = |bytes: usize| "ü".repeat(bytes / 2);
    let mut event = fact(&long(STREAM_BYTES_MAX), &long(TYPE_BYTES_MAX), 1);
    event.source = Some(long(TEXT_BYTES_MAX).parse().unwrap());
    event.correlation_id = Some(long(TEXT_BYTES_MAX).parse().unwrap());
    event.tags = (0..TAGS_MAX).map(|_| long(TAG_BYTES_MAX).parse().unwrap()).collect();
    event.targets = (0..TARGETS_MAX).map(|_| long(TEXT_BYTES_MAX).parse().unwrap()).collect();
    event.metadata = Some(Json::of(&serde_json::json!({"x": "y".repeat(METADATA_BYTES_MAX - 8)})).unwrap());
    log.append(event.clone()).await.unwrap();
    assert_eq!(log.get(event.id).await.unwrap().unwrap().fact, event);

    assert!(StreamName::new(format!("{}x", long(STREAM_BYTES_MAX))).is_err());
    assert!(EventType::new(format!("{}x", long(TYPE_BYTES_MAX))).is_err());
    assert!(Text::new(format!("{}x", long(TEXT_BYTES_MAX))).is_err());
    assert!(Tag::new(format!("{}x", long(TAG_BYTES_MAX))).is_err());
    for name in ["", " a", "a ", "a\nb", "a\0"] {
        assert!(name.parse::<StreamName>().is_err(), "{name:?}");
    }
    let mut tags = event.clone();
    tags.tags.push("one".parse().unwrap());
    let mut targets = event.clone();
    targets.targets.push("one".parse().unwrap());
    let mut metadata = event.clone();
    metadata.metadata =
        Some(Json::of(&serde_json::json!({"x": "y".repeat(METADATA_BYTES_MAX - 7)})).unwrap());
    for over in [tags, targets, metadata] {
        assert_eq!(log.append(over).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

pub async fn a_batch_of_the_most_events_is_kept_and_one_more_refused(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let events = |count: usize| (0..count as u64).map(|number| fact("task-1", "task:noted", number));
    assert_eq!(log.append(batch(events(BATCH_EVENTS_MAX))).await.unwrap().events.len(), BATCH_EVENTS_MAX);
    assert!(Batch::new(events(BATCH_EVENTS_MAX + 1).collect()).is_err());
    assert!(Batch::new(Vec::new()).is_err());
    let twice = fact("task-1", "task:noted", 1);
    assert!(Batch::new(vec![twice.clone(), twice]).is_err());
    let large = crate::NewEvent::new("task-1", "task:noted", "x".repeat(12 << 20)).unwrap();
    let again = |event: &crate::NewEvent| event.clone().with_id(EventId::generate());
    assert!(Batch::new(vec![again(&large), again(&large)]).is_ok());
    assert!(Batch::new(vec![again(&large), again(&large), again(&large)]).is_err(), "over 32 MiB");
}

pub async fn data_of_16_mib_is_kept_and_one_byte_more_refused(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let of = |bytes: usize| crate::NewEvent::new("large-1", "large:kept", "x".repeat(bytes - 2)).unwrap();
    let largest = of(DATA_BYTES_MAX);
    log.append(largest.clone()).await.unwrap();
    let kept = log.get(largest.id).await.unwrap().unwrap();
    assert!(kept.data == largest.data, "16 MiB come back byte for byte");
    assert_eq!(log.append(of(DATA_BYTES_MAX + 1)).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// Origin A: 40,000 ids in a query gave "too many SQL variables".
pub async fn a_filter_of_the_most_values_is_answered(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let known = fact("task-1", "task:noted", 1);
    log.append(known.clone()).await.unwrap();
    let mut ids: Vec<EventId> = (1..FILTER_VALUES_MAX).map(|_| EventId::generate()).collect();
    ids.push(known.id);
    assert_eq!(log.read(Filter::ids(ids.clone())).collect().await.unwrap().len(), 1);
    ids.push(EventId::generate());
    assert_eq!(log.read(Filter::ids(ids)).collect().await.unwrap_err().kind(), ErrorKind::Invalid);
    let streams: Vec<StreamName> =
        (0..FILTER_VALUES_MAX).map(|number| format!("task-{number}").parse().unwrap()).collect();
    let many = Filter { streams, ..Filter::all() };
    assert_eq!(log.read(many).collect().await.unwrap().len(), 1);
}
