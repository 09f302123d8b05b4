//! Random values, few enough that they meet: names, times, events, filters.

use std::fmt::Debug;
use std::str::FromStr;

use factlog::{
    EventId, EventType, Filter, Json, NewEvent, Priority, StreamName, Tag, Text, TimeRange, Timestamp,
    TypePattern,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(super) const STREAMS: [&str; 5] = ["task-1", "task-2", "agent", "agent-1-2", "t\u{e4}sk-1"];
const TYPES: [&str; 5] = ["task:created", "task:done", "agent:done", "memory:stored", "x"];
const PATTERNS: [&str; 7] =
    ["task:*", "*:done", "task:created", "*", "none:*", "a*:d*e", "x[data.result == \"ok\"]"];
const CATEGORIES: [&str; 4] = ["task", "agent", "t\u{e4}sk", "none"];
const WORDS: [&str; 4] = ["ada", "Ada", "0192f0c1-7c1b-7a52-8f6e-3d1f0a9b2c4d", "c d"];
const TAGS: [&str; 5] = ["ada", "file:src/a.rs", "file:b", "tool:Edit", "tool:b"];
const FILES: [&str; 2] = ["src/a.rs", "b"];
const TOOLS: [&str; 2] = ["Edit", "b"];
const DATA: [&str; 6] = [
    "{}",
    r#"{"result":"ok"}"#,
    r#"{"result":"OK","n":1.0}"#,
    r#"{"text":"\u00fc and ü"}"#,
    "[1e400,null]",
    r#""plain""#,
];
const TEXTS: [&str; 4] = ["ok", "RESULT", "ü", "1"];
const PRIORITIES: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];
/// Times of events, all of them before these tests were written.
const TIMES_S: [i64; 6] = [-7_200, -1, 0, 1_750_000_000, 1_750_000_001, 1_750_003_600];

pub(super) fn one<T>(of: &'static [&'static str]) -> impl Strategy<Value = T> + Clone
where
    T: FromStr<Err = factlog::Error> + Debug + Clone,
{
    select(of).prop_map(|text| text.parse().expect("it is one"))
}

pub(super) fn time() -> impl Strategy<Value = Timestamp> + Clone {
    select(&TIMES_S[..]).prop_map(|seconds| Timestamp::from_micros(seconds * 1_000_000).expect("a time"))
}

/// A place among what was there before, from whichever end.
pub(super) type Pick = prop::sample::Index;

/// An event whose cause is one of those before it.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    event: NewEvent,
    cause: Option<Pick>,
}

impl Fact {
    /// The event, with an id that no event had before it.
    pub(super) fn event(&self, known: &[NewEvent]) -> NewEvent {
        let cause = self.cause.filter(|_| !known.is_empty()).map(|cause| cause.get(known).id);
        NewEvent { id: EventId::generate(), causation_id: cause, ..self.event.clone() }
    }
}

/// What makes an event another one than that whose id it has; the source does not.
#[derive(Debug, Clone)]
pub(super) enum Aspect {
    Stream(StreamName),
    Type(EventType),
    Data(&'static str),
    Source(Text),
}

impl Aspect {
    pub(super) fn change(&self, event: &NewEvent) -> NewEvent {
        let mut event = event.clone();
        match self {
            Self::Stream(name) => event.stream = name.clone(),
            Self::Type(name) => event.event_type = name.clone(),
            Self::Data(data) => event.data = Json::trusted(*data),
            Self::Source(source) => event.source = Some(source.clone()),
        }
        event
    }
}

pub(super) fn aspect() -> BoxedStrategy<Aspect> {
    prop_oneof![
        one(&STREAMS).prop_map(Aspect::Stream),
        one(&TYPES).prop_map(Aspect::Type),
        select(&DATA[..]).prop_map(Aspect::Data),
        one(&WORDS).prop_map(Aspect::Source),
    ]
    .boxed()
}

pub(super) fn fact() -> BoxedStrategy<Fact> {
    let word = || option::weighted(0.3, one::<Text>(&WORDS));
    let metadata = option::weighted(0.2, Just(Json::trusted(r#"{"seen":[1]}"#)));
    let who = (word(), vec(one::<Text>(&WORDS), 0..3), word(), word(), word());
    let when = (option::weighted(0.4, time()), option::weighted(0.2, time()));
    let rest = (
        option::weighted(0.2, select(&PRIORITIES[..])),
        vec(one::<Tag>(&TAGS), 0..3),
        metadata,
        option::weighted(0.2, any::<Pick>()),
        select(&DATA[..]),
    );
    (one(&STREAMS), one(&TYPES), who, when, rest)
        .prop_map(|(stream, event_type, who, when, rest)| {
            let (source, targets, correlation_id, session_id, user_id) = who;
            let (occurred_at, expires_at) = when;
            let (priority, tags, metadata, cause, data) = rest;
            let data = Json::parse(data).expect("JSON");
            let event = NewEvent {
                source,
                targets,
                occurred_at,
                correlation_id,
                session_id,
                user_id,
                priority,
                expires_at,
                tags,
                metadata,
                ..NewEvent::of(stream, event_type, data)
            };
            Fact { event, cause }
        })
        .boxed()
}

/// A filter, and the events whose ids are in it.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    filter: Filter,
    ids: Vec<Pick>,
    causes: Vec<Pick>,
    not: Option<Box<Wanted>>,
}

impl Wanted {
    pub(super) fn filter(&self, known: &[NewEvent]) -> Filter {
        let picked = |picks: &[Pick]| -> Vec<EventId> {
            // An id that is nobody's, where there are no events yet.
            picks
                .iter()
                .map(|pick| if known.is_empty() { EventId::generate() } else { pick.get(known).id })
                .collect()
        };
        Filter {
            ids: picked(&self.ids),
            causation: picked(&self.causes),
            not: self.not.as_ref().map(|not| Box::new(not.filter(known))),
            ..self.filter.clone()
        }
    }
}

/// Mostly nothing, as people write filters.
fn rarely<T: Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
) -> BoxedStrategy<Vec<T>> {
    prop_oneof![9 => Just(Vec::new()), 1 => vec(value, 1..3)].boxed()
}

fn range() -> BoxedStrategy<TimeRange> {
    let end = || option::weighted(0.5, time());
    prop_oneof![9 => Just(TimeRange::default()), 1 => (end(), end()).prop_map(|(from, to)| TimeRange { from, to })]
    .boxed()
}

fn recorded() -> BoxedStrategy<TimeRange> {
    let end = || option::of(select(&super::operations::STAMPS[..]));
    let range = (end(), end()).prop_map(|(from, to)| TimeRange {
        from: from.map(super::operations::stamped),
        to: to.map(super::operations::stamped),
    });
    prop_oneof![9 => Just(TimeRange::default()), 1 => range].boxed()
}

fn flat() -> BoxedStrategy<Wanted> {
    let names =
        (rarely(one(&STREAMS)), rarely(one::<Text>(&CATEGORIES)), rarely(one::<TypePattern>(&PATTERNS)));
    let words = (
        rarely(one::<Text>(&WORDS)),
        rarely(one::<Text>(&WORDS)),
        rarely(one::<Text>(&WORDS)),
        rarely(one::<Text>(&WORDS)),
        rarely(one::<Text>(&WORDS)),
    );
    let tags = (rarely(one::<Tag>(&TAGS)), rarely(one::<Tag>(&FILES)), rarely(one::<Tag>(&TOOLS)));
    let times = (range(), recorded(), range());
    let rest = (
        rarely(select(&PRIORITIES[..])),
        option::weighted(0.1, select(&TEXTS[..]).prop_map(str::to_owned)),
        rarely(any::<Pick>()),
        rarely(any::<Pick>()),
    );
    (names, words, tags, times, rest)
        .prop_map(|(names, words, tags, times, rest)| {
            let (priorities, text, ids, causes) = rest;
            let filter = Filter {
                streams: names.0,
                categories: names.1,
                types: names.2,
                sources: words.0,
                targets: words.1,
                correlation: words.2,
                session: words.3,
                user: words.4,
                tags: tags.0,
                files: tags.1,
                tools: tags.2,
                time: times.0,
                recorded: times.1,
                expires: times.2,
                priorities,
                text,
                ..Filter::all()
            };
            Wanted { filter, ids, causes, not: None }
        })
        .boxed()
}

/// What most people ask for: everything, or some streams, categories or types.
pub(super) fn plain() -> BoxedStrategy<Wanted> {
    let of = |filter: Filter| Wanted { filter, ids: Vec::new(), causes: Vec::new(), not: None };
    prop_oneof![
        2 => Just(of(Filter::all())),
        2 => vec(one(&STREAMS), 1..3).prop_map(move |streams| of(Filter { streams, ..Filter::all() })),
        1 => one(&CATEGORIES).prop_map(move |name| of(Filter { categories: vec![name], ..Filter::all() })),
        1 => one(&PATTERNS).prop_map(move |name| of(Filter { types: vec![name], ..Filter::all() })),
    ]
    .boxed()
}

pub(super) fn wanted() -> BoxedStrategy<Wanted> {
    let not = option::weighted(0.2, prop_oneof![flat(), plain()]);
    let any = (flat(), not).prop_map(|(wanted, not)| Wanted { not: not.map(Box::new), ..wanted });
    prop_oneof![1 => plain(), 1 => any].boxed()
}
