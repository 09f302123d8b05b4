//! Following: reading, and then waiting for more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use tokio::sync::watch;

use crate::limits::{FOLLOWER_SAVE_EVENTS_MAX, FOLLOWER_SAVE_MS};
use crate::log::Inner;
use crate::paged::{Buffer, Paged, Source};
use crate::{Error, ErrorKind, Event, Filter, Json, Keep, Page, Position, Result, Revision, Snapshot};

/// A follower looks again after this long for a store that is away; then after twice as long each time.
const AWAY_PAUSE: Duration = Duration::from_millis(100);
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// What stands before the name of a follower in the key of its place.
pub(crate) const FOLLOWERS: &str = "follower/";

/// A stream of events that never ends by itself; dropping it ends it.
///
/// Old and new events take the same path: look at the head, read a page, hand it out, and wait on the head only when there
/// is no more. It begins with the first event unless it is told otherwise.
pub struct Following(Paged<FollowSource>);

impl Following {
    pub(crate) fn new(log: Arc<Inner>, filter: Filter) -> Self {
        let pager = Pager::new(log, filter, Position::START);
        Self(Paged::new(FollowSource { pager, from_now: false, durable: None, started: false }))
    }

    fn with(mut self, change: impl FnOnce(&mut FollowSource)) -> Self {
        if let Some(source) = self.0.source() {
            change(source);
        }
        self
    }

    /// Begins after this position.
    #[must_use]
    pub fn after(self, position: Position) -> Self {
        self.with(|source| source.pager.cursor = position)
    }

    /// Begins with what is appended after it is first polled: reading, like everything here, begins with the first poll.
    #[must_use]
    pub fn from_now(self) -> Self {
        self.with(|source| source.from_now = true)
    }

    /// Begins where the follower of this name has stopped, or as told otherwise where there was none.
    ///
    /// An event is done when the next one is asked for. The place is saved every second or 1,000 events; after a crash the events since are given again. A second follower of the same name ends with `Conflict`.
    #[must_use]
    pub fn durable(self, name: &str) -> Self {
        self.with(|source| source.durable = Some(Durable::new(name)))
    }

    /// Takes what a removal has left, where events in its way were removed.
    #[must_use]
    pub fn partial(self) -> Self {
        self.with(|source| {
            if let Some(durable) = &mut source.durable {
                durable.partial = true;
            }
        })
    }

    /// The next event; waits for it. None after an error.
    pub async fn next(&mut self) -> Option<Result<Arc<Event>>> {
        self.0.next().await
    }

    /// Saves that all up to this position is done, now.
    ///
    /// # Errors
    /// `Conflict` when another follower of this name has saved since; `Invalid` without [`Following::durable`].
    pub async fn done(&mut self, position: Position) -> Result<()> {
        let source = self
            .0
            .source()
            .ok_or_else(|| Error::invalid("done is called between two events, not while one is awaited"))?;
        let FollowSource { pager, durable: Some(durable), .. } = source else {
            return Err(Error::invalid("only a durable follower has a place to save"));
        };
        durable.done = durable.done.max(position);
        durable.save(&pager.log).await
    }
}

impl Stream for Following {
    type Item = Result<Arc<Event>>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(context)
    }
}

/// Page after page, then waiting for the head: the loop that followers and projections share.
pub(crate) struct Pager {
    pub(crate) log: Arc<Inner>,
    pub(crate) filter: Filter,
    /// Everything up to here was looked at.
    pub(crate) cursor: Position,
    head: watch::Receiver<Position>,
}

impl Pager {
    pub(crate) fn new(log: Arc<Inner>, filter: Filter, cursor: Position) -> Self {
        let head = log.store.head();
        Self { log, filter, cursor, head }
    }

    /// The next events without waiting; none at the head.
    pub(crate) async fn try_page(&mut self) -> Result<Option<Buffer>> {
        loop {
            // The head is looked at before the page is read: what comes in between wakes the wait below.
            let head = *self.head.borrow_and_update();
            let page = self.page(head).await?;
            self.cursor = page.next.max(self.cursor);
            if !page.events.is_empty() {
                return Ok(Some(page.events.into()));
            }
            if !page.more {
                return Ok(None);
            }
        }
    }

    /// A page, whenever there is one: a store that is away for a while makes a follower late, and does not end it.
    async fn page(&self, head: Position) -> Result<Page> {
        let mut pause = AWAY_PAUSE;
        loop {
            match self.log.tail.page(&*self.log.store, &self.filter, self.cursor, head).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(%error, "following waits for the store");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AWAY_PAUSE_MAX);
                }
                page => return page,
            }
        }
    }

    /// The head as it was last seen.
    pub(crate) fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Waits until the head has moved since the last page was read.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        self.head.changed().await.map_err(|_| Error::stopped("the log was closed"))
    }
}

struct FollowSource {
    pager: Pager,
    from_now: bool,
    durable: Option<Durable>,
    started: bool,
}

/// The place of a follower with a name.
pub(crate) struct Durable {
    key: String,
    pub(crate) partial: bool,
    pub(crate) done: Position,
    saved: Position,
    /// Events done since the last save.
    pub(crate) unsaved: u64,
    saved_at: Instant,
    /// The last save known; 0 before the first.
    revision: Revision,
}

impl Durable {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            key: format!("{FOLLOWERS}{name}"),
            partial: false,
            done: Position::START,
            saved: Position::START,
            unsaved: 0,
            saved_at: Instant::now(),
            revision: Revision(0),
        }
    }

    /// Goes on where a follower of this name has stopped.
    pub(crate) async fn begin(&mut self, pager: &mut Pager) -> Result<()> {
        if let Some(place) = pager.log.store.snapshots().load(&self.key, Position::MAX).await? {
            self.revision = place.revision;
            pager.cursor = place.position;
        }
        self.done = pager.cursor;
        self.saved = pager.cursor;
        if !self.partial {
            pager.log.refuse_removed(&self.key, &pager.filter, pager.cursor).await?;
        }
        Ok(())
    }

    pub(crate) fn due(&self) -> bool {
        self.unsaved >= FOLLOWER_SAVE_EVENTS_MAX
            || (self.unsaved > 0 && self.saved_at.elapsed() >= Duration::from_millis(FOLLOWER_SAVE_MS))
    }

    /// Waits for the head, and saves the place meanwhile when nothing comes: nothing is left to do, so all that was looked
    /// at is done, whether it matched or not.
    pub(crate) async fn wait(&mut self, pager: &mut Pager) -> Result<()> {
        self.done = self.done.max(pager.cursor);
        if self.done > self.saved {
            let quiet = Duration::from_millis(FOLLOWER_SAVE_MS).saturating_sub(self.saved_at.elapsed());
            return match tokio::time::timeout(quiet, pager.wait()).await {
                Ok(waited) => waited,
                Err(_) => self.save_later(&pager.log).await,
            };
        }
        pager.wait().await
    }

    /// Saves the place, or leaves it for the next time while the store is away: what was done then comes once more at worst.
    async fn save_later(&mut self, log: &Inner) -> Result<()> {
        match self.save(log).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                tracing::warn!(%error, "the place of a follower is saved later");
                // Due again in a while, and not at the next event.
                self.unsaved = 1;
                self.saved_at = Instant::now();
                Ok(())
            }
            saved => saved,
        }
    }

    pub(crate) async fn save(&mut self, log: &Inner) -> Result<()> {
        let snapshots = log.store.snapshots();
        let place = Snapshot::new(self.key.clone(), self.done, Json::empty_object());
        let mut saved = snapshots.save(place.clone(), Some(self.revision), Keep::Newest).await;
        let conflict = saved.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict);
        if conflict
            && self.revision == Revision(0)
            && snapshots.load(&self.key, Position::MAX).await?.is_none()
        {
            // Nobody has a place: it was forgotten, and only the count of its saves is left.
            saved = snapshots.save(place, None, Keep::Newest).await;
        }
        self.revision = saved.map_err(|error| error.context(format!("the place of {}", self.key)))?;
        self.saved = self.done;
        self.unsaved = 0;
        self.saved_at = Instant::now();
        Ok(())
    }
}

impl FollowSource {
    async fn start(&mut self) -> Result<()> {
        self.pager.filter.check()?;
        if self.from_now {
            self.pager.cursor = self.pager.log.newest().await?;
        }
        let Some(durable) = &mut self.durable else { return Ok(()) };
        durable.begin(&mut self.pager).await
    }
}

impl Source for FollowSource {
    fn done(&mut self, position: Position) {
        if let Some(durable) = &mut self.durable {
            durable.done = durable.done.max(position);
            durable.unsaved += 1;
        }
    }

    fn due(&self) -> bool {
        self.durable.as_ref().is_some_and(Durable::due)
    }

    async fn advance(&mut self, rest: Buffer) -> Result<Option<Buffer>> {
        if !self.started {
            self.start().await?;
            self.started = true;
        }
        if let Some(durable) = self.durable.as_mut().filter(|durable| durable.due()) {
            durable.save_later(&self.pager.log).await?;
        }
        if !rest.is_empty() {
            return Ok(Some(rest));
        }
        loop {
            if let Some(events) = self.pager.try_page().await? {
                return Ok(Some(events));
            }
            match &mut self.durable {
                Some(durable) => durable.wait(&mut self.pager).await?,
                None => self.pager.wait().await?,
            }
        }
    }
}
