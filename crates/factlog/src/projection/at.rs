//! A projection as it stood at a moment.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use super::{Projection, history_key_of, key_of, refused};
use crate::log::Inner;
use crate::reading::Reading;
use crate::snapshot::list_of;
use crate::{Error, Moment, Position, Result, Timestamp};

/// A look at a projection as it stood at a moment, made by [`EventLog::at`](crate::EventLog::at) and begun by `.await`.
#[must_use = "it is begun by `.await`"]
pub struct At<P> {
    log: Arc<Inner>,
    moment: Moment,
    partial: bool,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> At<P> {
    pub(crate) fn new(log: Arc<Inner>, moment: Moment) -> Self {
        Self { log, moment, partial: false, projection: PhantomData }
    }

    /// Makes do with what a removal has left.
    pub fn partial(mut self) -> Self {
        self.partial = true;
        self
    }

    async fn look(self) -> Result<P> {
        let moment = match self.moment {
            Moment::Version(_) => {
                return Err(Error::invalid("a version is a moment of one stream, not of the whole log")
                    .with_hint("the position of its event is a moment of the log"));
            }
            Moment::Recorded(time) => Moment::Position(self.log.recorded_through(time).await?),
            moment => moment,
        };
        let (state, after) = start::<P>(&self.log, moment).await?;
        let folded = fold(&self.log, state, after, moment).await;
        // Looked at last, so that a removal made meanwhile is seen too. Only a position says by itself that nothing is
        // missing: what was removed may have been recorded by any time.
        if !self.partial && self.moment != Moment::Position(after) {
            let what = format!("projection {} at this moment", P::NAME);
            self.log.refuse_removed(&what, &P::filter(), after).await?;
        }
        folded
    }
}

impl<P: Projection> IntoFuture for At<P> {
    type Output = Result<P>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<P>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.look())
    }
}

/// The last remembered state that holds nothing of later than the moment, and its position.
async fn start<P: Projection>(log: &Inner, moment: Moment) -> Result<(P, Position)> {
    let snapshots = log.store.snapshots();
    let newest = log.newest().await?;
    let serves = |position: Position, time: Option<Timestamp>| {
        position <= newest
            && match moment {
                Moment::Position(last) => position <= last,
                Moment::Time(last) => time.is_some_and(|time| time <= last),
                Moment::Version(_) | Moment::Recorded(_) => false,
            }
    };
    let mut infos = list_of(snapshots, &history_key_of::<P>()).await?;
    infos.extend(list_of(snapshots, &key_of::<P>()).await?);
    let serving = infos.into_iter().filter(|info| serves(info.position, info.newest));
    let Some(best) = serving.max_by_key(|info| info.position) else {
        return Ok((P::default(), Position::START));
    };
    // It may have been thinned out meanwhile; what is found in its place is older, and serves too.
    let Some(snapshot) = snapshots.load(&best.key, best.position).await? else {
        return Ok((P::default(), Position::START));
    };
    match snapshot.data.to() {
        Ok(state) => Ok((state, snapshot.position)),
        Err(error) => {
            tracing::debug!(key = snapshot.key, %error, "remembered state cannot be read");
            Ok((P::default(), Position::START))
        }
    }
}

async fn fold<P: Projection>(log: &Inner, mut state: P, after: Position, moment: Moment) -> Result<P> {
    let mut reading = Reading::new(Arc::clone(&log.store), P::filter()).after(after);
    if let Moment::Position(last) = moment {
        reading = reading.before(Position(last.0.saturating_add(1)));
    }
    while let Some(event) = reading.next().await {
        let event = event?;
        if moment.includes(&event) {
            state.apply(&event).map_err(|why| refused::<P>(&event, &why))?;
        }
    }
    Ok(state)
}
