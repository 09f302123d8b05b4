//! The handle that people hold: append, read, follow, project.

use std::fmt;
use std::sync::Arc;

use crate::aggregate::{Aggregate, Remembering};
use crate::following::{FOLLOWERS, Following, Pager};
use crate::projection::{At, Projected, Projection, ProjectionGroup};
use crate::reading::Reading;
use crate::removal::{RETENTION_STREAM, RemovedData};
use crate::stream::StreamOf;
use crate::tail::Tail;
use crate::{
    About, Appended, Batch, Compacted, Count, Error, Event, EventId, Filter, FollowerLag, Group, Health,
    IntoBatch, Moment, Moved, Position, Read, Removal, Removed, Report, Result, SnapshotInfo, Snapshots,
    Store, StreamName, TimeRange, Timestamp,
};

/// A log: cheap to clone, the same on every store.
///
/// ```
/// use factlog::{EventLog, Filter, MemoryStore, NewEvent};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let log = EventLog::new(MemoryStore::new());
/// log.append(NewEvent::new("task-1", "task:created", serde_json::json!({"title": "Try it"}))?).await?;
/// let mut tasks = log.read(Filter::types(["task:*"])?);
/// while let Some(event) = tasks.next().await {
///     println!("{}", event?.to_json());
/// }
/// # Ok::<(), factlog::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EventLog(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tail: Tail,
}

impl EventLog {
    /// A log kept in this store.
    pub fn new(store: impl Store) -> Self {
        Self::on(Arc::new(store))
    }

    /// A log kept in a store that is shared.
    pub fn on(store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Inner { store, tail: Tail::default() }))
    }

    /// What the store is.
    pub fn about(&self) -> &About {
        self.0.store.about()
    }

    /// The store underneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Records a batch, an event or several: durable when this returns.
    ///
    /// # Errors
    /// `Conflict` when an expectation, a condition or an id does not fit; nothing is recorded then.
    pub async fn append(&self, batch: impl IntoBatch) -> Result<Appended> {
        let batch = batch.into_batch()?;
        let mut outcomes = self.append_each(vec![batch]).await;
        outcomes.pop().unwrap_or_else(|| Err(Error::stopped("the store gave no answer")))
    }

    /// Records independent batches in this order, with one outcome each.
    pub async fn append_each(&self, batches: Vec<Batch>) -> Vec<Result<Appended>> {
        self.0.store.append(batches).await
    }

    /// The event of this id.
    pub async fn get(&self, id: EventId) -> Result<Option<Arc<Event>>> {
        let mut found = self.read(Filter::ids([id])).limit(1).collect().await?;
        Ok(found.pop())
    }

    /// The event at this position.
    pub async fn event_at(&self, position: Position) -> Result<Option<Arc<Event>>> {
        let before = Position(position.0.saturating_sub(1));
        let found = self.read(Filter::all()).after(before).limit(1).collect().await?;
        Ok(found.into_iter().find(|event| event.position == position))
    }

    /// The newest position, as it stands in the store.
    pub async fn newest(&self) -> Result<Position> {
        self.0.newest().await
    }

    /// Reads what is there; ends at the head.
    pub fn read(&self, filter: impl Into<Filter>) -> Reading {
        Reading::new(Arc::clone(&self.0.store), filter.into())
    }

    /// Reads, and then waits for more; never ends.
    pub fn follow(&self, filter: impl Into<Filter>) -> Following {
        Following::new(Arc::clone(&self.0), filter.into())
    }

    /// One stream.
    pub fn stream(&self, name: &StreamName) -> StreamOf<'_> {
        StreamOf::new(self, name.clone())
    }

    /// How many events, by what.
    pub async fn count(&self, count: Count) -> Result<Vec<Group>> {
        count.filter.check()?;
        self.0.store.count(&count).await
    }

    /// A projection that follows the log and remembers its state.
    pub async fn project<P: Projection>(&self) -> Result<Projected<P>> {
        let mut group = self.projections();
        let projected = group.add::<P>().await?;
        group.start();
        Ok(projected)
    }

    /// Several projections fed by one reading of the log.
    pub fn projections(&self) -> ProjectionGroup {
        ProjectionGroup::new(Arc::clone(&self.0))
    }

    /// A projection as it stood at a moment: from the last remembered state that holds nothing of later, and the events
    /// since. It remembers nothing itself.
    ///
    /// Where events that it would fold were removed it is refused, unless [`At::partial`] is asked for; a state that was
    /// remembered when they were still there serves all the same, with what they made of it.
    ///
    /// # Errors
    /// `Invalid` for a version, which only a stream has ([`StreamOf::position_of`] turns it into a position), for a moment
    /// that a removal has taken events from, or for an event that the projection refuses.
    pub fn at<P: Projection>(&self, moment: Moment) -> At<P> {
        At::new(Arc::clone(&self.0), moment)
    }

    /// Remembers states of an aggregate's streams as they grow, in a task of its own: [`StreamOf::state`] begins from them.
    ///
    /// It is a durable follower, so it goes on where it has stopped, and a second one of the same aggregate ends with
    /// `Conflict`.
    pub async fn remember<S: Aggregate>(&self) -> Result<Remembering> {
        Remembering::start::<S>(self.clone()).await
    }

    /// What was removed from the log so far.
    pub async fn removals(&self) -> Result<Vec<RemovedData>> {
        self.0.removals().await
    }

    /// Takes events out, and says so in the log.
    pub async fn remove(&self, removal: &Removal) -> Result<Removed> {
        removal.filter.check()?;
        let removed = self.0.store.remove(removal).await;
        self.0.tail.clear();
        removed
    }

    /// Moves the events of a removal into its archive as they are stored; none where the store has no such way.
    pub async fn archive(&self, removal: &Removal) -> Result<Option<Moved>> {
        removal.filter.check()?;
        let moved = self.0.store.archive(removal).await;
        self.0.tail.clear();
        moved
    }

    /// Mends what can be mended without a loss, and says what that was.
    pub async fn repair(&self) -> Result<Vec<String>> {
        self.0.store.repair().await
    }

    /// Gives back the space on disk that removals have left.
    pub async fn compact(&self) -> Result<Compacted> {
        self.0.store.compact().await
    }

    /// The values it remembers.
    pub fn snapshots(&self) -> &dyn Snapshots {
        self.0.store.snapshots()
    }

    /// How the log is doing: the store, and those who follow by name.
    pub async fn health(&self) -> Health {
        let mut health = self.0.store.health().await;
        if health.healthy {
            // Those that cannot be listed now are listed next time.
            let places = self.snapshots().list(FOLLOWERS, None).await.unwrap_or_default();
            let head = health.head;
            health.followers = places.iter().map(|place| lag(place, head)).collect();
        }
        health
    }

    /// Reads everything and says what is wrong.
    pub async fn check(&self) -> Result<Report> {
        self.0.store.check().await
    }

    /// Ends the log for every clone of this handle: last writes, one portable file.
    pub async fn close(&self) -> Result<()> {
        self.0.store.close().await
    }
}

/// How far the follower of a saved place is behind.
fn lag(place: &SnapshotInfo, head: Position) -> FollowerLag {
    FollowerLag {
        name: place.key.strip_prefix(FOLLOWERS).unwrap_or_default().to_owned(),
        position: place.position,
        behind: head.0.saturating_sub(place.position.0),
        saved_at: place.saved_at,
    }
}

impl Inner {
    pub(crate) async fn newest(&self) -> Result<Position> {
        let page = self.store.read(&Read::before(Filter::all(), Position::MAX).limit(1)).await?;
        Ok(page.events.first().map_or(Position::START, |event| event.position))
    }

    pub(crate) async fn removals(&self) -> Result<Vec<RemovedData>> {
        let own = Filter::stream(StreamName::trusted(RETENTION_STREAM));
        let mut reading = Reading::new(Arc::clone(&self.store), own);
        let mut removals = Vec::new();
        while let Some(event) = reading.next().await {
            if let Ok(data) = event?.data.to() {
                removals.push(data);
            }
        }
        Ok(removals)
    }

    /// The last position of all that was recorded by a time.
    pub(crate) async fn recorded_through(&self, time: Timestamp) -> Result<Position> {
        // The end of a range is not part of it. At the end of all times everything was recorded.
        let recorded = TimeRange { from: None, to: Timestamp::from_micros(time.as_micros() + 1).ok() };
        let filter = Filter { recorded, ..Filter::all() };
        let found = Reading::new(Arc::clone(&self.store), filter).backwards().limit(1).collect().await?;
        Ok(found.first().map_or(Position::START, |event| event.position))
    }

    /// Refuses to begin where events that would be read were removed.
    pub(crate) async fn refuse_removed(&self, what: &str, filter: &Filter, after: Position) -> Result<()> {
        let removals = self.removals().await?;
        match removals.iter().find(|gone| gone.through > after && gone.filter.overlaps(filter)) {
            None => Ok(()),
            Some(gone) => Err(Error::invalid(format!(
                "{what} would begin after position {after}, and {} events up to position {} were removed",
                gone.count, gone.through
            ))
            .with_hint("ask for `partial` to go on with what is left")),
        }
    }

    pub(crate) fn pager(self: &Arc<Self>, filter: Filter, cursor: Position) -> Pager {
        Pager::new(Arc::clone(self), filter, cursor)
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventLog").field(&self.about().url).finish()
    }
}
