//! What is done to both logs.

use factlog::{GroupBy, Position, StreamName, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::filters::{Aspect, Fact, Pick, STREAMS, Wanted, aspect, fact, one, plain, wanted};

/// The longest list of operations.
const OPERATIONS_MAX: usize = 20;
/// Positions that are asked for lie below this, or near an end.
const POSITION_MAX: u64 = 40;
/// Kept times, in years: all clocks stand between the first two and the last two.
pub(super) const STAMPS: [i64; 4] = [2001, 2002, 2101, 2102];
const KEYS: [GroupBy; 7] = [
    GroupBy::Type,
    GroupBy::Category,
    GroupBy::Stream,
    GroupBy::Source,
    GroupBy::Session,
    GroupBy::Hour,
    GroupBy::Day,
];
const SNAPSHOTS: [&str; 5] = ["a", "a/1", "a/2", "ab", ""];

/// The beginning of a year.
pub(super) fn stamped(year: i64) -> Timestamp {
    format!("{year}-01-01T00:00:00Z").parse().expect("a time")
}

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Append(Appending),
    AppendEach(Vec<Appending>),
    Keep(Keeping),
    KeepRemoval { wanted: Wanted, through: Where, year: i64 },
    Read { wanted: Wanted, from: Where, backwards: bool, limit: usize },
    Count { wanted: Wanted, by: Vec<GroupBy> },
    Version(StreamName),
    Remove { wanted: Wanted, through: Where },
    Remember(Remembering),
    Reopen,
    Compact,
    Check,
}

/// What is done to the values that a log remembers.
#[derive(Debug, Clone)]
pub(super) enum Remembering {
    Save {
        key: &'static str,
        position: Where,
        number: u8,
        expect: Option<Seen>,
        keeps_history: bool,
        newest: bool,
    },
    Load {
        key: &'static str,
        at: Where,
    },
    List {
        prefix: &'static str,
        after: Option<(&'static str, Where)>,
    },
    Forget {
        key: &'static str,
        below: Where,
    },
    ForgetAt {
        key: &'static str,
        positions: Vec<Where>,
    },
}

/// A batch.
#[derive(Debug, Clone)]
pub(super) struct Appending {
    pub(super) events: Vec<Sent>,
    pub(super) expects: Vec<(StreamName, Expected)>,
    pub(super) none_since: Option<(Wanted, Where)>,
}

/// One event of a batch.
#[derive(Debug, Clone)]
pub(super) enum Sent {
    New(Box<Fact>),
    /// One that was sent before, whatever became of it.
    Again(Pick),
    /// One that was sent before, but for one thing.
    Other(Pick, Aspect),
}

/// Where a stream is expected.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    Right,
    Off(u64),
    Exists,
    None,
    Any,
}

/// How often a snapshot's key is thought to have been saved.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    Right,
    Other(u64),
}

/// A batch with stamps of its own: each event so many positions and versions after the one before it, also none.
#[derive(Debug, Clone)]
pub(super) struct Keeping {
    pub(super) events: Vec<(Sent, u64, u64)>,
    pub(super) year: i64,
}

/// A position.
#[derive(Debug, Clone, Copy)]
pub(super) enum Where {
    At(u64),
    /// So far before the head, or after it.
    Head(i64),
    Max,
}

impl Where {
    pub(super) fn position(self, head: Position) -> Position {
        match self {
            Self::At(position) => Position(position),
            Self::Head(off) => Position(head.0.saturating_add_signed(off)),
            Self::Max => Position::MAX,
        }
    }
}

fn place() -> impl Strategy<Value = Where> + Clone {
    prop_oneof![
        4 => (0..POSITION_MAX).prop_map(Where::At),
        3 => (-4_i64..3).prop_map(Where::Head),
        1 => Just(Where::Max),
    ]
}

/// Places that meet.
fn near() -> impl Strategy<Value = Where> + Clone {
    prop_oneof![6 => (0_u64..5).prop_map(Where::At), 1 => Just(Where::Head(0)), 1 => Just(Where::Max)]
}

fn sent() -> BoxedStrategy<Sent> {
    prop_oneof![
        20 => fact().prop_map(|fact| Sent::New(Box::new(fact))),
        1 => any::<Pick>().prop_map(Sent::Again),
        1 => (any::<Pick>(), aspect()).prop_map(|(pick, aspect)| Sent::Other(pick, aspect)),
    ]
    .boxed()
}

fn appending() -> BoxedStrategy<Appending> {
    // A batch that was sent before, mixed with nothing else, is a case of its own.
    let events = prop_oneof![
        8 => vec(sent(), 1..6),
        1 => vec(any::<Pick>().prop_map(Sent::Again), 1..3),
        1 => (any::<Pick>(), aspect()).prop_map(|(pick, aspect)| vec![Sent::Other(pick, aspect)]),
    ];
    let expected = prop_oneof![
        4 => Just(Expected::Right),
        1 => (1_u64..3).prop_map(Expected::Off),
        1 => Just(Expected::Exists),
        1 => Just(Expected::None),
        1 => Just(Expected::Any),
    ];
    let expects = prop_oneof![2 => Just(Vec::new()), 1 => vec((one(&STREAMS), expected), 1..3)];
    let none_since = option::weighted(0.3, (prop_oneof![3 => plain(), 1 => wanted()], place()));
    (events, expects, none_since)
        .prop_map(|(events, expects, none_since)| Appending { events, expects, none_since })
        .boxed()
}

fn keeping() -> BoxedStrategy<Keeping> {
    let gap = || prop_oneof![5 => Just(1_u64), 1 => Just(0), 1 => 2_u64..5];
    (vec((sent(), gap(), gap()), 1..4), select(&STAMPS[..]))
        .prop_map(|(events, year)| Keeping { events, year })
        .boxed()
}

fn remembering() -> BoxedStrategy<Remembering> {
    let key = || select(&SNAPSHOTS[..4]);
    let seen = prop_oneof![3 => Just(Seen::Right), 1 => (0_u64..4).prop_map(Seen::Other)];
    let save = (
        select(&SNAPSHOTS[..]),
        near(),
        any::<u8>(),
        option::weighted(0.3, seen),
        any::<bool>(),
        any::<bool>(),
    );
    prop_oneof![
        8 => save.prop_map(|(key, position, number, expect, keeps_history, newest)| {
            Remembering::Save { key, position, number, expect, keeps_history, newest }
        }),
        3 => (key(), near()).prop_map(|(key, at)| Remembering::Load { key, at }),
        2 => (select(&SNAPSHOTS[..]), option::of((key(), near())))
            .prop_map(|(prefix, after)| Remembering::List { prefix, after }),
        2 => (key(), near()).prop_map(|(key, below)| Remembering::Forget { key, below }),
        2 => (key(), vec(near(), 0..4)).prop_map(|(key, positions)| Remembering::ForgetAt { key, positions }),
    ]
    .boxed()
}

fn operation() -> BoxedStrategy<Operation> {
    let read = (wanted(), place(), any::<bool>(), 1_usize..8);
    let read =
        read.prop_map(|(wanted, from, backwards, limit)| Operation::Read { wanted, from, backwards, limit });
    let keep_removal = (wanted(), place(), select(&STAMPS[..]));
    let keep_removal =
        keep_removal.prop_map(|(wanted, through, year)| Operation::KeepRemoval { wanted, through, year });
    let remove = (prop_oneof![plain(), wanted()], place());
    let count = (wanted(), vec(select(&KEYS[..]), 0..3));
    prop_oneof![
        24 => appending().prop_map(Operation::Append),
        6 => vec(appending(), 1..5).prop_map(Operation::AppendEach),
        5 => keeping().prop_map(Operation::Keep),
        1 => keep_removal,
        20 => read,
        6 => count.prop_map(|(wanted, by)| Operation::Count { wanted, by }),
        4 => one(&STREAMS).prop_map(Operation::Version),
        6 => remove.prop_map(|(wanted, through)| Operation::Remove { wanted, through }),
        12 => remembering().prop_map(Operation::Remember),
        4 => Just(Operation::Reopen),
        1 => Just(Operation::Compact),
        2 => Just(Operation::Check),
    ]
    .boxed()
}

/// A list of operations.
pub(super) fn some() -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..=OPERATIONS_MAX)
}
