//! Those who read and follow while others append: each gives back what it has seen, up to the event that ends the test.

use std::sync::Arc;

use factlog::{Cursor, Event, EventLog, Filter, Position, Read};
use factlog_stores::{Open, open};

/// The type of the last event.
pub(super) const ENDED: &str = "turn:ended";
/// Events of one page: many pages for few events.
const PAGE: usize = 7;

pub(super) type Seen = Vec<Arc<Event>>;

fn is_over(seen: &Seen) -> bool {
    seen.last().is_some_and(|event| event.event_type == ENDED)
}

/// Follows, as agents do.
pub(super) async fn follow(url: String, filter: Filter) -> Seen {
    let log = open(&url, Open::Existing).await.expect("the log opens");
    let mut following = log.follow(filter);
    let mut seen = Seen::new();
    while !is_over(&seen) {
        seen.push(following.next().await.expect("a follower does not end").expect("an event"));
    }
    seen
}

/// Pages forward from a cursor without a pause; what stands before the cursor must stay as it was.
pub(super) async fn page(url: String, filter: Filter) -> Seen {
    let log = open(&url, Open::Existing).await.expect("the log opens");
    let mut read = Read::after(filter, Position::START).limit(PAGE);
    let mut seen = Seen::new();
    while !is_over(&seen) {
        let page = log.store().read(&read).await.expect("a page");
        for event in page.events {
            assert!(event.position > read.cursor.position(), "{} is behind the cursor", event.position);
            seen.push(event);
        }
        read.cursor = Cursor::After(page.next);
        look_back(&log, &read, &seen).await;
    }
    seen
}

/// What was seen last is seen again backwards, with nothing in between.
async fn look_back(log: &EventLog, read: &Read, seen: &Seen) {
    let before = Position(read.cursor.position().0 + 1);
    let back = Read { cursor: Cursor::Before(before), ..read.clone() }.limit(3 * PAGE);
    let page = log.store().read(&back).await.expect("a page backwards");
    for (again, first) in page.events.iter().zip(seen.iter().rev()) {
        assert_eq!(again, first, "before the cursor {} something has changed", read.cursor.position());
    }
}
