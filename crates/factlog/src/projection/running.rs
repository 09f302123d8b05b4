//! A projection as the task feeds it: events in, checkpoints and history out.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::history::History;
use super::rebuild::Fresh;
use super::{Progress, Projection, Shared, history_key_of, key_of, refused};
use crate::limits::{CHECKPOINT_MS, HISTORY_UNSAVED_BYTES_MAX};
use crate::snapshot::list_all;
use crate::{Error, ErrorKind, Event, Filter, Json, Keep, Position, Result, Snapshot, Timestamp};

/// A running projection without its type.
#[async_trait]
pub(super) trait Slot: Send {
    fn filter(&self) -> &Filter;
    fn position(&self) -> Position;
    fn unsaved(&self) -> bool;
    fn feed(&mut self, events: &[Arc<Event>], through: Position, head: Position);
    fn stop(&mut self, error: Error);
    fn has_stopped(&self) -> bool;
    async fn save(&mut self, now: bool);
    async fn switch(&mut self, fresh: Box<dyn Any + Send>, through: Position) -> Result<()>;
}

pub(super) struct Running<P: Projection> {
    shared: Arc<Shared<P>>,
    filter: Filter,
    position: Position,
    newest: Option<Timestamp>,
    history: History,
    saved: Position,
    save_after: Instant,
    others_forgotten: bool,
    /// The log cannot be written to: nothing is remembered, and nobody need be told again.
    read_only: bool,
}

impl<P: Projection> Running<P> {
    pub(super) fn new(
        shared: Arc<Shared<P>>,
        position: Position,
        newest: Option<Timestamp>,
        history: History,
    ) -> Self {
        Self {
            shared,
            filter: P::filter(),
            position,
            newest,
            history,
            saved: position,
            save_after: Instant::now() + Duration::from_millis(CHECKPOINT_MS),
            others_forgotten: false,
            read_only: false,
        }
    }

    fn stopped(&self) -> bool {
        self.shared.progress.borrow().stopped.is_some()
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let data = Json::trusted(
            serde_json::to_string(&*self.shared.read())
                .map_err(|error| Error::invalid(format!("the state of {} is not JSON: {error}", P::NAME)))?,
        );
        self.history.measure(&data);
        Ok(Snapshot { newest: self.newest, ..Snapshot::new(key_of::<P>(), self.position, data) })
    }

    async fn save_now(&mut self) -> Result<()> {
        let began = Instant::now();
        let checkpoint = self.snapshot()?;
        let shared = Arc::clone(&self.shared);
        let snapshots = shared.log.store.snapshots();
        // First: what the checkpoint takes in is not folded again, and so would be missing from the history after a crash.
        let kept = self.history.save(snapshots).await;
        snapshots.save(checkpoint, None, Keep::Newest).await?;
        self.saved = self.position;
        // A large state is saved less often: saving takes a twentieth of the time at the most.
        self.save_after = Instant::now() + Duration::from_millis(CHECKPOINT_MS).max(began.elapsed() * 20);
        kept?;
        let caught_up = self.position >= *shared.log.store.head().borrow();
        if caught_up && !std::mem::replace(&mut self.others_forgotten, true) {
            // Until now an older program would still have found its own state.
            self.forget_other_revisions().await?;
        }
        Ok(())
    }

    async fn forget_other_revisions(&self) -> Result<()> {
        let snapshots = self.shared.log.store.snapshots();
        let prefix = format!("projection/{}/", P::NAME);
        let mut keys: Vec<String> =
            list_all(snapshots, &prefix).await?.into_iter().map(|info| info.key).collect();
        keys.dedup();
        for key in keys {
            // A projection whose name goes on after a slash is another projection.
            let revision = key[prefix.len()..].strip_suffix("/history").unwrap_or(&key[prefix.len()..]);
            let is_revision = revision.bytes().all(|byte| byte.is_ascii_digit());
            if is_revision && key != key_of::<P>() && key != history_key_of::<P>() {
                snapshots.forget(&key, Position::MAX).await?;
            }
        }
        Ok(())
    }

    /// Tells of a save that failed, where it is worth a word. The state in memory is right all the same; it is only built
    /// again from further back next time.
    fn not_saved(&mut self, error: &Error) {
        self.save_after = Instant::now() + Duration::from_millis(CHECKPOINT_MS);
        match error.kind() {
            ErrorKind::Stopped => {}
            ErrorKind::Conflict => {
                tracing::debug!(projection = P::NAME, %error, "another process has remembered more");
            }
            ErrorKind::Denied => {
                self.read_only = true;
                tracing::debug!(projection = P::NAME, %error, "states are not remembered");
            }
            _ => tracing::warn!(projection = P::NAME, %error, "state not remembered"),
        }
    }

    /// Takes events in until one is refused; those before it stay taken.
    fn apply(&mut self, events: &[Arc<Event>], head: Position) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.write();
        for event in events {
            if event.position <= self.position {
                continue;
            }
            self.position = event.position;
            if !self.filter.matches(event) {
                continue;
            }
            if let Err(why) = state.apply(event) {
                self.position = Position(event.position.0 - 1);
                return Err(refused::<P>(event, &why));
            }
            self.newest = self.newest.max(Some(event.time()));
            self.history.count();
            if !self.read_only && self.history.is_due(self.position, head) {
                // Writing it down may take a while, and others may look at it meanwhile.
                drop(state);
                self.history.keep(self.position, self.newest, &*shared.read());
                state = shared.write();
            }
        }
        Ok(())
    }
}

#[async_trait]
impl<P: Projection> Slot for Running<P> {
    fn filter(&self) -> &Filter {
        &self.filter
    }

    fn position(&self) -> Position {
        self.position
    }

    fn unsaved(&self) -> bool {
        self.position > self.saved && !self.stopped() && !self.read_only
    }

    fn feed(&mut self, events: &[Arc<Event>], through: Position, head: Position) {
        if self.stopped() {
            return;
        }
        match self.apply(events, head) {
            Ok(()) => {
                self.position = self.position.max(through);
                let position = self.position;
                self.shared.progress.send_modify(|progress| progress.position = position);
            }
            Err(error) => self.stop(error),
        }
    }

    fn has_stopped(&self) -> bool {
        self.stopped()
    }

    fn stop(&mut self, error: Error) {
        if error.kind() != ErrorKind::Stopped {
            tracing::warn!(projection = P::NAME, %error, "projection stopped");
        }
        let position = self.position;
        self.shared.progress.send_modify(|progress| {
            *progress = Progress { position, stopped: Some(error) };
        });
    }

    async fn save(&mut self, now: bool) {
        let due = now
            || Instant::now() >= self.save_after
            || self.history.unsaved_bytes() >= HISTORY_UNSAVED_BYTES_MAX;
        if due
            && self.unsaved()
            && let Err(error) = self.save_now().await
        {
            self.not_saved(&error);
        }
    }

    async fn switch(&mut self, fresh: Box<dyn Any + Send>, through: Position) -> Result<()> {
        let mut fresh = fresh
            .downcast::<Fresh<P>>()
            .map_err(|_| Error::stopped("a state of another projection was handed over"))?;
        let mut pager = self.shared.log.pager(P::filter(), fresh.position);
        // What the group has read while the fresh state was built.
        while pager.cursor < through {
            let Some(events) = pager.try_page().await? else { break };
            fresh.take(&events, pager.cursor, pager.head())?;
        }
        let Fresh { state, position, newest, history } = *fresh;
        *self.shared.write() = state;
        self.position = pager.cursor.max(position);
        self.newest = newest;
        self.history = history;
        self.shared.progress.send_replace(Progress { position: self.position, stopped: None });
        match self.save_now().await {
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Denied) => {
                self.not_saved(&error);
                Ok(())
            }
            saved => saved,
        }
    }
}
