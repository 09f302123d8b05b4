//! A store in PostgreSQL works in the runtime that it was opened in, wherever it is called.

mod postgres;

use factlog::{EventLog, Filter, NewEvent, Position};
use factlog_stores::{Open, PostgresStore};
use tokio::runtime::Runtime;

use postgres::Log;

/// A program's main thread made a follower before it went into its runtime, and panicked: the store looked for a runtime to
/// hear of appends in, where the other stores need none.
#[test]
fn a_follower_is_made_outside_of_the_runtime() {
    let Some(at) = Log::direct() else { return };
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(PostgresStore::open(&at.options(), Open::Create)).unwrap();
    let log = EventLog::new(store);
    let mut following = log.follow(Filter::all()).after(Position::START);
    let delivered = runtime.block_on(async {
        let event = NewEvent::new("task-1", "task:created", serde_json::json!({})).unwrap();
        log.append(event).await.unwrap();
        following.next().await.unwrap().unwrap()
    });
    assert_eq!(delivered.position, Position(1));
}
