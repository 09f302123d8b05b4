//! Random logs and random filters, against what a filter means.
#![allow(missing_docs, reason = "the names say what each case shows")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a case fails by panicking")]

use std::sync::Arc;

use fastrand::Rng;

use super::{Backend, batch, fact, open};
use crate::{
    Count, Counter, Event, EventId, Filter, GroupBy, NewEvent, Position, Priority, Read, Tag, TimeRange,
    Timestamp,
};

const EVENTS: u64 = 400;
const FILTERS: usize = 150;
/// Fixed, so that a failure can be seen again.
const SEED: u64 = 20_261_120;

const STREAMS: [&str; 6] = ["task-1", "task-2", "agent-1", "agent", "memory-a-b", "täsk-1"];
const TYPES: [&str; 6] = ["task:created", "task:done", "agent:spawned", "agent:done", "memory:stored", "x"];
const WORDS: [&str; 5] = ["ada", "bob", "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d", "Ada", "c d"];
const FILES: [&str; 3] = ["src/a.rs", "b", "\u{fc} \"x\".md"];
const TOOLS: [&str; 3] = ["Edit", "Read", "b"];
const PATTERNS: [&str; 7] = ["task:*", "*:done", "task:created", "*", "nothing:*", "a*:d*e", "x"];
const TEXTS: [&str; 4] = ["\"number\":1", "NUMBER", "7", "ü"];
const KEYS: [GroupBy; 7] = [
    GroupBy::Type,
    GroupBy::Category,
    GroupBy::Stream,
    GroupBy::Source,
    GroupBy::Session,
    GroupBy::Hour,
    GroupBy::Day,
];
const PRIORITIES: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];

fn some<T>(rng: &mut Rng, value: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    rng.bool().then(|| value(rng))
}

fn pick<T: std::str::FromStr<Err = crate::Error>>(rng: &mut Rng, of: &[&str]) -> T {
    of[rng.usize(..of.len())].parse().unwrap()
}

fn several<T>(rng: &mut Rng, value: impl Fn(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(..3)).map(|_| value(rng)).collect()
}

fn time(rng: &mut Rng) -> Timestamp {
    if rng.usize(..4) == 0 {
        // Hours and days before 1970 are cut towards the past as well.
        return Timestamp::from_micros(rng.i64(-40..40) * 3_599_999_999).unwrap();
    }
    Timestamp::from_micros(1_750_000_000_000_000 + rng.i64(0..1_000) * 1_000_000).unwrap()
}

fn random_tags(rng: &mut Rng) -> Vec<Tag> {
    let mut tags = several(rng, |rng| pick(rng, &WORDS));
    tags.extend(several(rng, |rng| format!("file:{}", FILES[rng.usize(..FILES.len())]).parse().unwrap()));
    tags.extend(several(rng, |rng| format!("tool:{}", TOOLS[rng.usize(..TOOLS.len())]).parse().unwrap()));
    tags
}

fn random_event(rng: &mut Rng, number: u64, ids: &[EventId]) -> NewEvent {
    NewEvent {
        source: some(rng, |rng| pick(rng, &WORDS)),
        targets: several(rng, |rng| pick(rng, &WORDS)),
        occurred_at: some(rng, time),
        correlation_id: some(rng, |rng| pick(rng, &WORDS)),
        causation_id: some(rng, |rng| ids.get(rng.usize(..=ids.len())).copied()).flatten(),
        session_id: some(rng, |rng| pick(rng, &WORDS)),
        user_id: some(rng, |rng| pick(rng, &WORDS)),
        priority: some(rng, |rng| PRIORITIES[rng.usize(..4)]),
        expires_at: some(rng, time),
        tags: random_tags(rng),
        ..fact(STREAMS[rng.usize(..STREAMS.len())], TYPES[rng.usize(..TYPES.len())], number)
    }
}

/// Most fields empty, as people write filters.
fn random_filter(rng: &mut Rng, ids: &[EventId], recorded: &[Timestamp]) -> Filter {
    fn rarely<T>(rng: &mut Rng, value: impl Fn(&mut Rng) -> T) -> Vec<T> {
        if rng.usize(..5) == 0 { (0..=rng.usize(..2)).map(|_| value(rng)).collect() } else { Vec::new() }
    }
    let range = |rng: &mut Rng, value: &dyn Fn(&mut Rng) -> Timestamp| match rng.usize(..6) {
        0 => TimeRange { from: Some(value(rng)), to: None },
        1 => TimeRange { from: None, to: Some(value(rng)) },
        2 => TimeRange { from: Some(value(rng)), to: Some(value(rng)) },
        _ => TimeRange::default(),
    };
    let id = |rng: &mut Rng| ids[rng.usize(..ids.len())];
    Filter {
        streams: rarely(rng, |rng| pick(rng, &STREAMS)),
        categories: rarely(rng, |rng| pick(rng, &["task", "agent", "memory", "täsk", "none"])),
        types: rarely(rng, |rng| pick(rng, &PATTERNS)),
        sources: rarely(rng, |rng| pick(rng, &WORDS)),
        targets: rarely(rng, |rng| pick(rng, &WORDS)),
        correlation: rarely(rng, |rng| pick(rng, &WORDS)),
        causation: rarely(rng, id),
        session: rarely(rng, |rng| pick(rng, &WORDS)),
        user: rarely(rng, |rng| pick(rng, &WORDS)),
        tags: rarely(rng, |rng| pick(rng, &WORDS)),
        files: rarely(rng, |rng| pick(rng, &FILES)),
        tools: rarely(rng, |rng| pick(rng, &TOOLS)),
        priorities: rarely(rng, |rng| PRIORITIES[rng.usize(..4)]),
        ids: if rng.usize(..8) == 0 { (0..20).map(|_| id(rng)).collect() } else { Vec::new() },
        time: range(rng, &time),
        recorded: range(rng, &|rng: &mut Rng| recorded[rng.usize(..recorded.len())]),
        expires: range(rng, &time),
        text: (rng.usize(..6) == 0).then(|| TEXTS[rng.usize(..4)].to_owned()),
        not: None,
    }
}

pub async fn every_filter_field_agrees_with_its_meaning_on_random_logs(backend: Arc<dyn Backend>) {
    let log = open(&backend).await;
    let mut rng = Rng::with_seed(SEED);
    let mut ids: Vec<EventId> = Vec::new();
    while (ids.len() as u64) < EVENTS {
        let size = 1 + rng.u64(..8).min(EVENTS - ids.len() as u64 - 1);
        let events: Vec<NewEvent> =
            (0..size).map(|number| random_event(&mut rng, ids.len() as u64 + number, &ids)).collect();
        ids.extend(events.iter().map(|event| event.id));
        log.append(batch(events)).await.unwrap();
    }
    let all: Vec<Arc<Event>> = log.read(Filter::all()).collect().await.unwrap();
    assert_eq!(all.len() as u64, EVENTS);
    let recorded: Vec<Timestamp> = all.iter().map(|event| event.recorded_at).collect();
    for round in 0..FILTERS {
        let mut filter = random_filter(&mut rng, &ids, &recorded);
        if rng.usize(..3) == 0 {
            filter.not = Some(Box::new(random_filter(&mut rng, &ids, &recorded)));
        }
        agrees(&log, &all, &filter, &mut rng, round).await;
        // Such questions a store may answer by itself, without a look at the events.
        let plain = Filter {
            types: filter.types.clone(),
            time: filter.time,
            recorded: filter.recorded,
            ..Filter::all()
        };
        agrees(&log, &all, &plain, &mut rng, round).await;
    }
}

async fn agrees(log: &crate::EventLog, all: &[Arc<Event>], filter: &Filter, rng: &mut Rng, round: usize) {
    let case = || format!("seed {SEED}, round {round}: {}", serde_json::to_string(filter).unwrap());
    let meant: Vec<u64> =
        all.iter().filter(|event| filter.matches(event)).map(|event| event.position.0).collect();
    let from = Position(rng.u64(..EVENTS));
    let found = log.read(filter.clone()).after(from).collect().await.unwrap();
    let found: Vec<u64> = found.iter().map(|event| event.position.0).collect();
    assert_eq!(
        found,
        meant.iter().copied().filter(|position| *position > from.0).collect::<Vec<_>>(),
        "{}",
        case()
    );
    let mut read = Read::before(filter.clone(), from).limit(1 + rng.usize(..7));
    let mut backwards = Vec::new();
    loop {
        let page = log.store().read(&read).await.unwrap();
        backwards.extend(page.events.iter().map(|event| event.position.0));
        if !page.more {
            break;
        }
        read.cursor = read.cursor.at(page.next);
    }
    let expected: Vec<u64> = meant.iter().rev().copied().filter(|position| *position < from.0).collect();
    assert_eq!(backwards, expected, "backwards, {}", case());
    let by: Vec<GroupBy> = (0..rng.usize(..3)).map(|_| KEYS[rng.usize(..KEYS.len())]).collect();
    let mut counter = Counter::new(by.clone());
    all.iter().filter(|event| filter.matches(event)).for_each(|event| counter.add(event).unwrap());
    let counted = log.count(Count { filter: filter.clone(), by: by.clone() }).await.unwrap();
    assert_eq!(counted, counter.groups(), "counted by {by:?}, {}", case());
}
