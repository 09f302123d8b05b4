//! Building a state anew, beside the one that is served.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::group::Switch;
use super::history::History;
use super::{Projected, Projection, refused};
use crate::reading::Reading;
use crate::{Error, Event, Position, Result, Timestamp};

/// A state on its way from the first event, with its history.
pub(super) struct Fresh<P> {
    pub(super) state: P,
    pub(super) position: Position,
    pub(super) newest: Option<Timestamp>,
    pub(super) history: History,
}

impl<P: Projection> Fresh<P> {
    /// Takes in events of the projection's filter, and so everything through a position.
    pub(super) fn take<'a>(
        &mut self,
        events: impl IntoIterator<Item = &'a Arc<Event>>,
        through: Position,
        head: Position,
    ) -> Result<()> {
        for event in events {
            self.state.apply(event).map_err(|why| refused::<P>(event, &why))?;
            self.newest = self.newest.max(Some(event.time()));
            self.history.count();
            if self.history.is_due(event.position, head) {
                self.history.keep(event.position, self.newest, &self.state);
            }
        }
        self.position = self.position.max(through);
        Ok(())
    }
}

pub(super) async fn rebuild<P: Projection>(projected: &Projected<P>) -> Result<()> {
    let Projected { shared, runner, slot, partial } = projected;
    if !partial {
        let what = format!("projection {}", P::NAME);
        shared.log.refuse_removed(&what, &P::filter(), Position::START).await?;
    }
    let mut fresh =
        Fresh { state: P::default(), position: Position::START, newest: None, history: History::new::<P>() };
    // A reading has the store at work on the next page meanwhile; a pager then stops exactly at the head.
    let head = *shared.log.store.head().borrow();
    let mut reading = Reading::new(Arc::clone(&shared.log.store), P::filter());
    while let Some(event) = reading.next().await {
        let event = event?;
        fresh.take([&event], event.position, head)?;
    }
    let mut pager = shared.log.pager(P::filter(), fresh.position);
    while let Some(events) = pager.try_page().await? {
        fresh.take(&events, pager.cursor, pager.head())?;
    }
    fresh.position = pager.cursor;
    if !partial {
        // Once more: a removal that was made meanwhile has taken events that were not read yet.
        let what = format!("projection {}", P::NAME);
        shared.log.refuse_removed(&what, &P::filter(), Position::START).await?;
    }
    let (answer, answered) = oneshot::channel();
    let switch = Switch { slot: *slot, fresh: Box::new(fresh), answer };
    let gone = || Error::stopped(format!("projection {} has ended", P::NAME));
    runner.switches.send(switch).map_err(|_| gone())?;
    answered.await.map_err(|_| gone())?
}
