//! What is remembered is what the fold has made, is read instead of the events, and is not used where it would mislead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use factlog::{
    About, Appended, Batch, Count, Error, Event, Filter, Fold, Group, Health, Invalid, MemoryStore, NewEvent,
    Page, Read, Removal, Removed, Report, Revision, SnapshotInfo, Snapshots, Store, StreamName, TypedEvent,
};
use tokio::sync::watch;

use super::*;
use crate::bus::held::Held;
use crate::bus::{Bus, Message};
use crate::vocabulary::*;

/// A store that counts the events that it hands out and the batches that it takes, and remembers nothing when told so.
#[derive(Debug, Default)]
struct Counting {
    inner: MemoryStore,
    events: AtomicU64,
    batches: AtomicU64,
    is_forgetful: AtomicBool,
}

impl Counting {
    fn log(self: &Arc<Self>) -> EventLog {
        EventLog::on(Arc::<Self>::clone(self))
    }

    /// The events handed out since the last look.
    fn handed_out(&self) -> u64 {
        self.events.swap(0, Ordering::Relaxed)
    }

    fn refuse(&self) -> Result<()> {
        if self.is_forgetful.load(Ordering::Relaxed) {
            return Err(Error::denied("the log is read-only"));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Counting {
    fn about(&self) -> &About {
        self.inner.about()
    }
    async fn append(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        self.batches.fetch_add(batches.len() as u64, Ordering::Relaxed);
        self.inner.append(batches).await
    }
    async fn read(&self, read: &Read) -> Result<Page> {
        let page = self.inner.read(read).await?;
        self.events.fetch_add(page.events.len() as u64, Ordering::Relaxed);
        Ok(page)
    }
    fn head(&self) -> watch::Receiver<Position> {
        self.inner.head()
    }
    async fn version(&self, stream: &StreamName) -> Result<Version> {
        self.inner.version(stream).await
    }
    async fn count(&self, count: &Count) -> Result<Vec<Group>> {
        self.inner.count(count).await
    }
    async fn remove(&self, removal: &Removal) -> Result<Removed> {
        self.inner.remove(removal).await
    }
    fn snapshots(&self) -> &dyn Snapshots {
        self
    }
    async fn health(&self) -> Health {
        self.inner.health().await
    }
    async fn check(&self) -> Result<Report> {
        self.inner.check().await
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

#[async_trait]
impl Snapshots for Counting {
    async fn load(&self, key: &str, at: Position) -> Result<Option<Snapshot>> {
        self.inner.load(key, at).await
    }
    async fn save(&self, snapshot: Snapshot, expect: Option<Revision>, keep: Keep) -> Result<Revision> {
        self.refuse()?;
        self.inner.save(snapshot, expect, keep).await
    }
    async fn list(&self, prefix: &str, after: Option<(&str, Position)>) -> Result<Vec<SnapshotInfo>> {
        self.inner.list(prefix, after).await
    }
    async fn forget(&self, key: &str, below: Position) -> Result<u64> {
        self.refuse()?;
        self.inner.forget(key, below).await
    }
    async fn forget_at(&self, key: &str, positions: &[Position]) -> Result<u64> {
        self.refuse()?;
        self.inner.forget_at(key, positions).await
    }
}

pub(in crate::bus) fn inbox_of_b() -> StreamName {
    "inbox-b".parse().unwrap()
}

pub(in crate::bus) fn queued(id: &str) -> NewEvent {
    InboxQueued::new("b", id).from("a").kind("message").into_event().unwrap()
}

pub(in crate::bus) fn acked(id: &str) -> NewEvent {
    InboxAcked::new("b", vec![id], "b").into_event().unwrap()
}

pub(in crate::bus) async fn append(log: &EventLog, events: Vec<NewEvent>) {
    for part in events.chunks(500) {
        log.append(Batch::new(part.to_vec()).unwrap()).await.unwrap();
    }
}

/// What the fold makes of all that is in the stream.
pub(in crate::bus) async fn from_the_first_event(log: &EventLog) -> (Inbox, Position, Version) {
    let mut inbox = Inbox::default();
    let (mut position, mut version) = (Position::START, Version::NONE);
    for event in log.read(Filter::stream(inbox_of_b())).collect().await.unwrap() {
        Fold::apply(&mut inbox, &event).unwrap();
        (position, version) = (event.position, event.version);
    }
    (inbox, position, version)
}

/// Story: an inbox has had six thousand events, of which two messages are left. Each command line that looked into it read
/// all six thousand.
#[tokio::test]
async fn a_second_process_reads_few_events_of_a_long_inbox_and_knows_the_same() {
    let store = Arc::new(Counting::default());
    let log = store.log();
    let done: Vec<NewEvent> =
        (0..3_000).flat_map(|n| [queued(&format!("m{n}")), acked(&format!("m{n}"))]).collect();
    append(&log, done).await;
    append(&log, vec![queued("left"), queued("also left")]).await;
    Bus::new(store.log()).inbox("b", |inbox| assert_eq!(inbox.len(), 2)).await.unwrap();
    append(&log, vec![queued("new")]).await;
    assert!(store.handed_out() > 6_000, "somebody has to read them once");

    let mut held = Held::<Inbox>::new(inbox_of_b());
    held.refresh(&store.log()).await.unwrap();
    let read = store.handed_out();
    assert!(read < 10, "{read} events were read");
    let (whole, position, _) = from_the_first_event(&log).await;
    assert_eq!((held.state(), held.position()), (&whole, position));

    // The version too is that of the stream: what is decided is recorded at the first try.
    let before = store.batches.load(Ordering::Relaxed);
    held.decide(&log, |_| Ok(vec![acked("left")])).await.unwrap();
    assert_eq!(store.batches.load(Ordering::Relaxed) - before, 1);
    assert_eq!(held.state(), &from_the_first_event(&log).await.0);
}

/// Story: an agent has been at work for a night, and was heard of all the time. Each command line that sent a message to all
/// agents of its kind read everything that was heard.
#[tokio::test]
async fn a_message_to_many_does_not_read_every_heartbeat_again() {
    let store = Arc::new(Counting::default());
    let log = store.log();
    let spawned = AgentSpawned::new("b").agent_type("worker").heartbeat_ms(30_000u64);
    append(&log, vec![spawned.into_event().unwrap()]).await;
    let beats = |count: usize| (0..count).map(|_| AgentHeartbeat::new("b").into_event().unwrap()).collect();
    append(&log, beats(5_000)).await;
    // As a run of an agent does each time that it is heard of.
    Bus::new(store.log()).directory(|directory, _| assert!(directory.agent("b").is_some())).await.unwrap();
    append(&log, beats(100)).await;
    assert!(store.handed_out() > 5_000, "somebody has to read them once");

    let message = Message::text("a", "type:worker".parse().unwrap(), "Is anyone there?").unwrap();
    let sent = Bus::new(store.log()).send(message).await.unwrap();
    assert_eq!(sent.recipients, ["b"]);
    let read = store.handed_out();
    assert!(read < 200, "{read} events were read");
}

/// Story: a message was acknowledged, and retention has taken out both that and the message. It came back, as a state of
/// before was remembered in which it still waits.
#[tokio::test]
async fn a_remembered_state_brings_nothing_back_whose_end_was_removed() {
    for is_followed in [false, true] {
        let log = Arc::new(Counting::default()).log();
        append(&log, vec![queued("one"), queued("two")]).await;
        let (state, position, version) = from_the_first_event(&log).await;
        remember(&log, &state, position, version).await;
        append(&log, vec![acked("one")]).await;
        let through = log.newest().await.unwrap();
        if is_followed {
            append(&log, vec![queued("three")]).await;
        }
        let filter = Filter::stream(inbox_of_b());
        log.remove(&Removal { filter, through, archive: None }).await.unwrap();
        let mut held = Held::<Inbox>::new(inbox_of_b());
        let left = held.refresh(&log).await.unwrap();
        assert!(left.item("one").is_none(), "it is done with: {left:?}");
        assert_eq!(left.len(), usize::from(is_followed));
        assert_eq!(left, &from_the_first_event(&log).await.0);
    }
}

/// Story: a process has an inbox in memory. Meanwhile another one has acknowledged a message in it, and retention has taken
/// out all that was said of it.
#[tokio::test]
async fn a_state_in_memory_starts_over_where_what_came_next_was_removed() {
    let log = Arc::new(Counting::default()).log();
    append(&log, vec![queued("one")]).await;
    let mut held = Held::<Inbox>::new(inbox_of_b());
    assert_eq!(held.refresh(&log).await.unwrap().len(), 1);
    append(&log, vec![acked("one")]).await;
    let through = log.newest().await.unwrap();
    let removal = Removal { filter: Filter::stream(inbox_of_b()), through, archive: None };
    log.remove(&removal).await.unwrap();
    let mut tries = 0;
    let decided = held.decide(&log, |state| {
        tries += 1;
        Ok(if state.is_empty() { Vec::new() } else { vec![acked("one")] })
    });
    assert!(decided.await.unwrap().is_none(), "there is nothing left to decide on");
    assert_eq!(tries, 2, "it looked again after the conflict");
}

async fn remember(log: &EventLog, state: &Inbox, position: Position, version: Version) {
    let mut bookmark = Bookmark::of_stream("inbox-b");
    bookmark.count(REMEMBER_EVENTS);
    bookmark.save(log, state, position, version).await;
    let is_there = bookmark.find::<Inbox>(log).await.is_some();
    assert_eq!(is_there, *state != Inbox::default(), "nothing is written for what does not exist");
}

/// One of the things that can happen to one of five messages, by one of three runs.
pub(in crate::bus) fn anything(random: &mut fastrand::Rng) -> NewEvent {
    let inbox = "one-of:type:worker";
    let id = format!("m{}", random.u8(0..5));
    let ids = if random.u8(0..4) == 0 {
        vec![id.clone(), format!("m{}", random.u8(0..5))]
    } else {
        vec![id.clone()]
    };
    let run = random.u8(0..3);
    let (agent, context) = (format!("w{}", run / 2), format!("r{run}"));
    let moment = random.u64(0..2);
    let event = match random.u8(0..10) {
        0..3 => InboxQueued::new(inbox, id)
            .from("a")
            .kind("message")
            .attempts_max(2u64)
            .digest("same")
            .into_event(),
        3 | 4 => InboxOffered::new(inbox, ids, agent).context_id(context).visibility_ms(moment).into_event(),
        5 => InboxDelivered::new(inbox, ids, agent).context_id(context).visibility_ms(moment).into_event(),
        6 => InboxAcked::new(inbox, ids, agent).into_event(),
        7 => InboxNacked::new(inbox, ids, agent).reason("not now").delay_ms(moment).into_event(),
        8 => InboxReleased::new(inbox, ids, agent).context_id(context).into_event(),
        _ if random.bool() => InboxDead::new(inbox, ids).reason("why not").into_event(),
        _ => InboxReplayed::new(inbox, ids).into_event(),
    };
    NewEvent { stream: inbox_of_b(), ..event.unwrap() }
}

/// Story: of what can happen to messages nobody thinks of all; what is remembered must leave nothing of it out, wherever it
/// was remembered, and must not be used where what came after it is not all there.
#[tokio::test]
async fn whatever_happens_a_remembered_state_ends_as_the_one_that_was_folded_from_the_first_event() {
    let mut with_messages = 0;
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let log = Arc::new(Counting::default()).log();
        let happened = random.usize(1..40);
        append(&log, (0..happened).map(|_| anything(&mut random)).collect()).await;
        let (state, position, version) = from_the_first_event(&log).await;
        remember(&log, &state, position, version).await;
        for _ in 0..random.usize(0..40) {
            append(&log, vec![anything(&mut random)]).await;
        }
        let (whole, end, _) = from_the_first_event(&log).await;
        let mut held = Held::<Inbox>::new(inbox_of_b());
        held.refresh(&log).await.unwrap();
        assert_eq!((held.state(), held.position()), (&whole, end), "seed {seed}");
        with_messages += usize::from(!whole.is_empty() && end > position);

        let gone = random.u64(1..=end.0);
        let filter = Filter::ids([log.event_at(Position(gone)).await.unwrap().unwrap().id]);
        log.remove(&Removal { filter, through: end, archive: None }).await.unwrap();
        let mut held = Held::<Inbox>::new(inbox_of_b());
        held.refresh(&log).await.unwrap();
        let expected = if gone <= position.0 { whole } else { from_the_first_event(&log).await.0 };
        assert_eq!(held.state(), &expected, "seed {seed}, without {gone}");
    }
    assert!(with_messages > 50, "only {with_messages} histories had something to forget");
}

/// How many events it has seen, in two meanings of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally<const MEANING: u32>(u64);

impl<const MEANING: u32> Projection for Tally<MEANING> {
    const NAME: &'static str = "tally";
    const REVISION: u32 = MEANING;
    fn filter() -> Filter {
        Filter::all()
    }
    fn apply(&mut self, _event: &Event) -> std::result::Result<(), Invalid> {
        self.0 += 1;
        Ok(())
    }
}

#[tokio::test]
async fn what_another_revision_has_made_is_not_used_and_an_earlier_one_is_forgotten() {
    let log = Arc::new(Counting::default()).log();
    append(&log, (0..1_000).map(|n| queued(&format!("m{n}"))).collect()).await;
    Held::<Tally<1>>::new(inbox_of_b()).refresh(&log).await.unwrap();
    let mut first = Bookmark::of_stream("inbox-b");
    assert_eq!(first.find::<Tally<1>>(&log).await.unwrap().state, Tally(1_000));
    assert!(Bookmark::of_stream("inbox-b").find::<Tally<2>>(&log).await.is_none());
    assert!(Bookmark::of_stream("inbox-c").find::<Tally<1>>(&log).await.is_none());
    Held::<Tally<2>>::new(inbox_of_b()).refresh(&log).await.unwrap();
    assert!(first.find::<Tally<1>>(&log).await.is_none());
    assert_eq!(Bookmark::of_stream("inbox-b").find::<Tally<2>>(&log).await.unwrap().state, Tally(1_000));
}

/// Story: the folder of a log was put back to what it was yesterday, and what is remembered was not.
#[tokio::test]
async fn what_is_ahead_of_the_log_is_not_used_and_is_soon_replaced() {
    let log = Arc::new(Counting::default()).log();
    append(&log, vec![queued("one")]).await;
    let (state, ..) = from_the_first_event(&log).await;
    append(&log, vec![acked("one"), queued("two")]).await;
    remember(&log, &state, Position(5_000), Version(5_000)).await;
    let mut held = Held::<Inbox>::new(inbox_of_b());
    assert_eq!(held.refresh(&log).await.unwrap().len(), 1);
    append(&log, (0..1_000).map(|n| queued(&format!("m{n}"))).collect()).await;
    held.refresh(&log).await.unwrap();
    let found = Bookmark::of_stream("inbox-b").find::<Inbox>(&log).await.unwrap();
    assert_eq!((found.version, found.state.len()), (Version(1_003), 1_001));
}

#[tokio::test]
async fn a_log_that_remembers_nothing_does_not_keep_anyone_from_acting() {
    let store = Arc::new(Counting::default());
    store.is_forgetful.store(true, Ordering::Relaxed);
    let log = store.log();
    append(&log, (0..1_500).map(|n| queued(&format!("m{n}"))).collect()).await;
    let bus = Bus::new(log);
    bus.ack("b", "b", &["m7".to_owned()]).await.unwrap();
    assert_eq!(bus.inbox("b", Inbox::len).await.unwrap(), 1_499);
}
