//! Plain-text logs on a disk in memory: opened, read to their ends, and errors that must say where.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use factlog::{Cursor, Error, Event, Filter, Position, Read, Result, Store};
use factlog_stores::{JsonlOptions, JsonlStore, Open, Tuning};
use tokio::runtime::{Builder, Runtime};

use crate::disk::Disk;

/// The folder of the log.
const FOLDER: &str = "/log";
/// Pages of a log that comes to an end.
const PAGES_MAX: usize = 10_000;

/// A file of the log.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// Waits for something on the runtime that all inputs share.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().max_blocking_threads(2).build().expect("a runtime"));
    RUNTIME.block_on(future)
}

/// Opens the log; an index is made of so many events.
pub(crate) fn open(disk: &Disk, how: Open, index_events: usize) -> Result<JsonlStore> {
    let tuning = Tuning { segment_bytes: 8 * 1024, index_events, ahead_bytes: 1024, background: false };
    let options = JsonlOptions { lock_wait: Duration::from_secs(1), tuning, ..JsonlOptions::new(FOLDER) };
    JsonlStore::open_on(Arc::new(disk.clone()), &options, how)
}

/// Events as far as they can be read, and the error that ended it.
pub(crate) fn read(
    store: &JsonlStore,
    filter: &Filter,
    cursor: Cursor,
    limit: usize,
) -> (Vec<Event>, Option<Error>) {
    let mut read = Read { filter: filter.clone(), cursor, limit };
    let mut events: Vec<Event> = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = match wait(store.read(&read)) {
            Ok(page) => page,
            Err(error) => return (events, Some(error)),
        };
        events.extend(page.events.iter().map(|event| Event::clone(event)));
        if !page.more {
            return (events, None);
        }
        read.cursor = read.cursor.at(page.next);
    }
    panic!("the log does not come to an end: {read:?}");
}

/// All events from the beginning on.
pub(crate) fn read_all(store: &JsonlStore) -> (Vec<Event>, Option<Error>) {
    read(store, &Filter::all(), Cursor::After(Position::START), 7)
}

/// An error of a log says where it is wrong.
pub(crate) fn is_placed(error: &Error) {
    let said = error.to_string();
    assert!(said.contains(FOLDER) || said.contains("position "), "an error that names no place: {said}");
}
