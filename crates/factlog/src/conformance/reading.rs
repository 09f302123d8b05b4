//! Pages, readings and counts.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::Arc;

use super::{Backend, batch, fact, fill, open};
use crate::limits::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX};
use crate::{Count, Event, Filter, GroupBy, NewEvent, Position, Read};

fn numbers(events: &[Arc<Event>]) -> Vec<u64> {
    events.iter().map(|event| event.position.0).collect()
}

pub async fn pages_go_both_ways_and_meet(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for number in 1..=50 {
        let kind = if number % 7 == 0 { "task:seventh" } else { "task:noted" };
        log.append(fact(&format!("task-{}", number % 4), kind, number)).await.unwrap();
    }
    for filter in [
        Filter::all(),
        Filter::types(["task:seventh"]).unwrap(),
        Filter::stream("task-2".parse().unwrap()),
        Filter::categories(["task"]).unwrap(),
    ] {
        let forwards = log.read(filter.clone()).collect().await.unwrap();
        let mut backwards = log.read(filter.clone()).backwards().collect().await.unwrap();
        backwards.reverse();
        assert_eq!(numbers(&forwards), numbers(&backwards), "{filter:?}");
        // Page by page of three, both ways, from the middle.
        for forwards_too in [true, false] {
            let middle = Position(25);
            let mut read = if forwards_too {
                Read::after(filter.clone(), middle)
            } else {
                Read::before(filter.clone(), middle)
            }
            .limit(3);
            let mut seen = Vec::new();
            loop {
                let page = log.store().read(&read).await.unwrap();
                assert!(page.events.len() <= 3);
                seen.extend(numbers(&page.events));
                if !page.more {
                    break;
                }
                read.cursor = read.cursor.at(page.next);
            }
            let beyond = |position: &u64| if forwards_too { *position > 25 } else { *position < 25 };
            let mut expected: Vec<u64> = numbers(&forwards).into_iter().filter(beyond).collect();
            if !forwards_too {
                expected.reverse();
            }
            assert_eq!(seen, expected, "{filter:?}");
        }
    }
}

pub async fn a_page_is_bounded_in_events_and_bytes(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", PAGE_EVENTS_MAX as u64 + 5).await;
    let page =
        log.store().read(&Read::after(Filter::all(), Position::START).limit(usize::MAX)).await.unwrap();
    assert_eq!((page.events.len(), page.more), (PAGE_EVENTS_MAX, true));
    assert_eq!(page.next, Position(PAGE_EVENTS_MAX as u64));
    let from = log.newest().await.unwrap();
    let large = |bytes: usize| NewEvent::new("large-1", "large:kept", "x".repeat(bytes)).unwrap();
    for _ in 0..3 {
        log.append(large(PAGE_BYTES_MAX / 2)).await.unwrap();
    }
    log.append(large(PAGE_BYTES_MAX * 2)).await.unwrap();
    let mut read = Read::after(Filter::all(), from);
    let mut sizes = Vec::new();
    loop {
        let page = log.store().read(&read).await.unwrap();
        sizes.push(page.events.len());
        if !page.more {
            break;
        }
        read.cursor = read.cursor.at(page.next);
    }
    assert_eq!(sizes.iter().sum::<usize>(), 4);
    assert!(sizes.iter().all(|size| *size <= 1 || *size == 2), "{sizes:?}");
}

pub async fn an_empty_log_gives_an_empty_page(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for read in [Read::after(Filter::all(), Position::START), Read::before(Filter::all(), Position::MAX)] {
        let page = log.store().read(&read).await.unwrap();
        assert!(page.events.is_empty() && !page.more);
    }
    assert_eq!(log.newest().await.unwrap(), Position::START);
    assert!(log.get(crate::EventId::generate()).await.unwrap().is_none());
    assert!(log.event_at(Position(1)).await.unwrap().is_none());
    assert_eq!(log.count(Count::default()).await.unwrap(), []);
}

pub async fn skip_and_limit_count_matching_events(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    for number in 1..=40 {
        log.append(fact(&format!("task-{}", number % 2), "task:noted", number)).await.unwrap();
    }
    let odd = || log.read(Filter::stream("task-1".parse().unwrap()));
    let taken = odd().skip(3).limit(4).collect().await.unwrap();
    assert_eq!(numbers(&taken), [7, 9, 11, 13]);
    let last = odd().backwards().skip(1).limit(2).collect().await.unwrap();
    assert_eq!(numbers(&last), [37, 35]);
    assert_eq!(odd().limit(0).collect().await.unwrap().len(), 0);
    assert_eq!(odd().skip(100).collect().await.unwrap().len(), 0);
    assert_eq!(odd().skip(18).collect().await.unwrap().len(), 2, "skip without a limit");
}

pub async fn a_reading_between_two_positions_stays_between_them(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    fill(&log, "task-1", 1_500).await;
    let between =
        log.read(Filter::all()).after(Position(400)).before(Position(1_400)).collect().await.unwrap();
    assert_eq!(numbers(&between), (401..1_400).collect::<Vec<_>>());
    let newest_first = log
        .read(Filter::all())
        .after(Position(400))
        .before(Position(1_410))
        .backwards()
        .collect()
        .await
        .unwrap();
    assert_eq!(numbers(&newest_first), (401..1_410).rev().collect::<Vec<_>>());
}

pub async fn readers_see_a_dense_prefix_while_writers_write(backend: Arc<dyn Backend>) {
    const WRITERS: u64 = 4;
    const EVENTS: u64 = 100;
    let log = open(&backend).await;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0..EVENTS {
                let stream = format!("agent-{writer}");
                log.append([fact(&stream, "agent:acted", number), fact(&stream, "agent:acted", number)])
                    .await
                    .unwrap();
            }
        }));
    }
    let mut seen = 0;
    while seen < WRITERS * EVENTS * 2 {
        let events = log.read(Filter::all()).collect().await.unwrap();
        assert!(events.len() as u64 >= seen, "what was seen is never gone");
        assert!(events.iter().enumerate().all(|(index, event)| event.position.0 == index as u64 + 1));
        assert_eq!(events.len() % 2, 0, "half a batch was seen");
        seen = events.len() as u64;
    }
    for task in tasks {
        task.await.unwrap();
    }
}

pub async fn counts_agree_with_reading(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut events = Vec::new();
    for number in 1..=60 {
        let kind = ["task:created", "task:done", "task:failed"][number as usize % 3];
        let mut event = fact(&format!("task-{}", number % 5), kind, number);
        event.occurred_at =
            Some(format!("2026-11-{:02}T{:02}:30:00Z", 1 + number % 3, number % 24).parse().unwrap());
        if number % 2 == 0 {
            event.source = Some("agent-1".parse().unwrap());
        }
        events.push(event);
    }
    log.append(batch(events)).await.unwrap();
    let count = async |filter: Filter, by: Vec<GroupBy>| log.count(Count { filter, by }).await.unwrap();
    let total = count(Filter::all(), vec![]).await;
    assert_eq!((total.len(), total[0].count, total[0].last), (1, 60, Position(60)));
    let by_type = count(Filter::all(), vec![GroupBy::Type]).await;
    assert_eq!(by_type.iter().map(|group| group.count).collect::<Vec<_>>(), [20, 20, 20]);
    let days = count(Filter::all(), vec![GroupBy::Day]).await;
    assert_eq!(
        days.iter().map(|group| group.key[0].as_str()).collect::<Vec<_>>(),
        ["2026-11-01", "2026-11-02", "2026-11-03"]
    );
    let hours = count(Filter::all(), vec![GroupBy::Hour]).await;
    assert!(hours.iter().all(|group| group.key[0].len() == 13), "hours of different days are never merged");
    let both = count(Filter::types(["task:done"]).unwrap(), vec![GroupBy::Type, GroupBy::Source]).await;
    assert_eq!(both.iter().map(|group| group.count).sum::<u64>(), 20);
    assert!(both.iter().any(|group| group.key == ["task:done", ""]));
}
