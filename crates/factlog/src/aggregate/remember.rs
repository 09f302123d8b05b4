//! The task that remembers states of streams: a durable follower of their category.

use std::marker::PhantomData;

use futures_util::future::{join, join_all};
use tokio::sync::watch;

use super::Aggregate;
use crate::following::{Durable, Pager};
use crate::limits::HISTORY_EVENT_BYTES;
use crate::projection::Progress;
use crate::snapshot::{list_all, list_of};
use crate::stream::{Folded, Remembered, key_of};
use crate::thinning::{Kept, thin};
use crate::{
    Error, ErrorKind, Event, EventLog, Filter, Json, Keep, Moment, Position, Result, Snapshot, SnapshotInfo,
};

/// The remembering of one aggregate's states, live. Dropping it ends it.
#[derive(Debug)]
pub struct Remembering {
    name: &'static str,
    progress: watch::Receiver<Progress>,
    stop: watch::Sender<bool>,
}

impl Remembering {
    pub(crate) async fn start<S: Aggregate>(log: EventLog) -> Result<Self> {
        if S::NAME.is_empty() || S::NAME.contains('/') {
            return Err(Error::invalid(format!("{:?} is no name of an aggregate", S::NAME))
                .with_hint("it is not empty and has no slash"));
        }
        let filter = Filter::categories([S::CATEGORY])?;
        let mut pager = log.0.pager(filter, Position::START);
        let mut place = Durable::new(&format!("aggregate/{}/{}", S::NAME, S::REVISION));
        // Each stream says by its versions whether something is missing.
        place.partial = true;
        place.begin(&mut pager).await?;
        let (progress, position) = (watch::Sender::new(Progress::default()), pager.cursor);
        progress.send_modify(|progress| progress.position = position);
        let stop = watch::Sender::new(false);
        let remembering = Self { name: S::NAME, progress: progress.subscribe(), stop: stop.clone() };
        let task = Task::<S> { log, pager, place, progress, others_forgotten: false, of: PhantomData };
        tokio::spawn(task.run(stop.subscribe()));
        Ok(remembering)
    }

    /// The last position that it has looked at.
    pub fn position(&self) -> Position {
        self.progress.borrow().position
    }

    /// Waits until it has looked at this position, and what is due is remembered.
    ///
    /// # Errors
    /// What stopped it, when it has stopped: `Conflict` when another one remembers the same, `Denied` where nothing can be
    /// written.
    pub async fn caught_up(&self, position: Position) -> Result<()> {
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|now| now.position >= position || now.stopped.is_some()).await;
        let reached = reached.map(|now| now.clone()).unwrap_or_default();
        if reached.position >= position {
            return Ok(());
        }
        let ended = || Error::stopped(format!("the remembering of {} has ended", self.name));
        Err(reached.stopped.unwrap_or_else(ended))
    }
}

impl Remembering {
    /// Ends it, and waits until its place is saved. Dropping it ends it too, and does not wait.
    pub async fn finish(self) {
        self.stop.send_replace(true);
        let mut progress = self.progress.clone();
        // The task lets go of it with its last step.
        while progress.changed().await.is_ok() {}
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

struct Task<S> {
    log: EventLog,
    pager: Pager,
    place: Durable,
    progress: watch::Sender<Progress>,
    others_forgotten: bool,
    of: PhantomData<fn() -> S>,
}

impl<S: Aggregate> Task<S> {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let ended = match self.follow(&mut stop).await {
            Ok(()) => self.place.save(&self.log.0).await,
            error => error,
        };
        if let Err(error) = ended {
            if error.kind() != ErrorKind::Stopped {
                tracing::warn!(aggregate = S::NAME, %error, "states are no longer remembered");
            }
            self.progress.send_modify(|progress| progress.stopped = Some(error));
        }
    }

    async fn follow(&mut self, stop: &mut watch::Receiver<bool>) -> Result<()> {
        while !*stop.borrow() {
            let Some(events) = self.pager.try_page().await? else {
                let position = self.pager.cursor;
                self.progress.send_modify(|progress| progress.position = position);
                self.forget_other_revisions().await?;
                tokio::select! {
                    biased;
                    _ = stop.changed() => return Ok(()),
                    waited = self.place.wait(&mut self.pager) => waited?,
                }
                continue;
            };
            for event in &events {
                self.look_at(event).await?;
                self.place.done = event.position;
                self.place.unsaved += 1;
                if self.place.due() {
                    self.place.save(&self.log.0).await?;
                }
            }
            let position = self.pager.cursor;
            self.progress.send_modify(|progress| progress.position = position);
        }
        Ok(())
    }

    /// Remembers the state at an event, when it is due there.
    async fn look_at(&self, event: &Event) -> Result<()> {
        let step = S::SNAPSHOT_EVENTS.max(1);
        if !event.version.0.is_multiple_of(step) {
            return Ok(());
        }
        let key = key_of::<S>(&event.stream);
        let kept = list_of(self.log.snapshots(), &key).await?;
        // As large as it was the last time it is worth so many steps, rounded up so that they stay multiples of each other.
        let last = kept.last();
        if last.is_some_and(|last| last.position >= event.position) {
            // It was remembered before the place of this follower was lost in a crash.
            return Ok(());
        }
        let bytes = last.map_or(0, |info| info.bytes);
        let steps = (bytes / HISTORY_EVENT_BYTES).div_ceil(step).max(1).next_power_of_two();
        if !(event.version.0 / step).is_multiple_of(steps) {
            return Ok(());
        }
        let stream = self.log.stream(&event.stream).at(Moment::Position(event.position));
        let saved = match stream.folded::<S>().await {
            Ok(folded) => self.save(key, folded, kept).await,
            Err(error) => Err(error),
        };
        match saved {
            // Whoever asks for this state is told the same; the other streams go on.
            Err(error) if error.kind() == ErrorKind::Invalid => {
                tracing::warn!(aggregate = S::NAME, stream = %event.stream, %error, "state not remembered");
                Ok(())
            }
            saved => saved,
        }
    }

    async fn save(&self, key: String, folded: Folded<S>, mut kept: Vec<SnapshotInfo>) -> Result<()> {
        let Folded { state, version, position, newest } = folded;
        let data = Json::of(&Remembered { version, state })?;
        let mut snapshot = Snapshot { newest, ..Snapshot::new(key.clone(), position, data) };
        snapshot.check()?;
        snapshot.revision.0 = kept.last().map_or(0, |last| last.revision.0) + 1;
        kept.push(SnapshotInfo {
            key: key.clone(),
            position,
            newest,
            revision: snapshot.revision,
            saved_at: snapshot.saved_at,
            bytes: snapshot.data.as_str().len() as u64,
        });
        let gone: Vec<Position> = thin(&mut kept).into_iter().map(|info| info.position).collect();
        if gone.contains(&position) {
            tracing::debug!(key, "the state is too large to be remembered");
            return Ok(());
        }
        let snapshots = self.log.snapshots();
        let save = snapshots.save(snapshot, None, Keep::History);
        let forget = async { if gone.is_empty() { Ok(0) } else { snapshots.forget_at(&key, &gone).await } };
        let (saved, forgot) = join(save, forget).await;
        saved?;
        forgot?;
        Ok(())
    }

    /// Drops what other revisions have remembered, once this one has come as far: their places tell which there are.
    async fn forget_other_revisions(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.others_forgotten, true) {
            return Ok(());
        }
        let snapshots = self.log.snapshots();
        let places = format!("follower/aggregate/{}/", S::NAME);
        for place in list_all(snapshots, &places).await? {
            let revision = &place.key[places.len()..];
            if revision == S::REVISION.to_string() {
                continue;
            }
            let states = format!("aggregate/{}/{revision}/", S::NAME);
            loop {
                let mut keys: Vec<String> =
                    snapshots.list(&states, None).await?.into_iter().map(|info| info.key).collect();
                keys.dedup();
                if keys.is_empty() {
                    break;
                }
                for forgot in join_all(keys.iter().map(|key| snapshots.forget(key, Position::MAX))).await {
                    forgot?;
                }
            }
            snapshots.forget(&place.key, Position::MAX).await?;
        }
        Ok(())
    }
}

/// The age of a stream's state is counted in saves: streams come in bursts, and positions would thin a burst away.
impl Kept for SnapshotInfo {
    fn at(&self) -> u64 {
        self.revision.0
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
