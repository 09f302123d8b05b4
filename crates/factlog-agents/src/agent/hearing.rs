//! What an agent hears beside its inboxes: events that it wants to know of, and what others record for it.

use std::sync::Arc;

use factlog::{Event, Filter, Position};
use futures_util::FutureExt;

use super::handler::OnEvent;
use super::run::AWAY_PAUSE;
use super::{Me, intake};
use crate::vocabulary::SystemError;

/// Puts what others record for the agent into its inbox, from where it has stopped the last time.
pub(super) async fn take_in(me: Me, filter: Filter, newest: Position) {
    let name = format!("agent/{}", me.id());
    let mut following = me.log().follow(filter).after(newest).durable(&name).partial();
    while let Some(event) = following.next().await {
        let event: Arc<Event> = match event {
            Ok(event) => event,
            // Another run has taken over, or the log was closed: both end this one anyway.
            Err(error) => return tracing::warn!(%error, agent = me.id(), "nothing more is taken in"),
        };
        while let Err(error) = intake::take_in(&me, &event).await {
            tracing::warn!(%error, agent = me.id(), "what others recorded for the agent waits");
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }
}

/// Hears events of a filter, one after the other. What a handler makes of one that it cannot handle is recorded.
pub(super) async fn listen(me: Me, filter: Filter, after: Position, handler: OnEvent) {
    let mut following = me.log().follow(filter).after(after);
    while let Some(event) = following.next().await {
        let event: Arc<Event> = match event {
            Ok(event) => event,
            Err(error) => return tracing::error!(%error, agent = me.id(), "an agent hears no more"),
        };
        // A handler may also panic before it gives anything to wait for.
        let heard = async { handler(me.clone(), Arc::clone(&event)).await };
        let heard = std::panic::AssertUnwindSafe(heard).catch_unwind().await;
        let why = match heard {
            Ok(Ok(())) => continue,
            Ok(Err(failed)) => failed.error.message,
            Err(_) => "the handler panicked".to_owned(),
        };
        let told =
            SystemError::new().message(format!("{} could not handle {}: {why}", me.id(), event.event_type));
        if let Err(error) = me.record(told).await {
            tracing::warn!(%error, agent = me.id(), "a failure was not recorded");
        }
    }
}
