//! Snapshot files with any bytes beside a good log.

use std::sync::LazyLock;

use factlog::{Batch, Error, Json, Keep, NewEvent, Position, Snapshot, Snapshots, Store, file_name};
use factlog_stores::Open;

use crate::disk::Disk;
use crate::sections::{sealed, sections};
use crate::store::{open, path, read_all, wait};

/// What the snapshots are of.
const KEY: &str = "projection/tasks/1";
/// Events of the log.
const EVENTS: u64 = 5;
/// No index is made.
const NO_INDEX: usize = 1_000_000;

static GOOD: LazyLock<Disk> = LazyLock::new(|| {
    let disk = Disk::default();
    let store = open(&disk, Open::Create, NO_INDEX).expect("a new log");
    for _ in 0..EVENTS {
        let event = NewEvent::new("task-1", "task:noted", serde_json::json!({})).expect("an event");
        wait(store.append(vec![Batch::new(vec![event]).expect("a batch")])).remove(0).expect("an append");
    }
    wait(store.close()).expect("a close");
    disk
});

/// Sections: `name` is the name of the next file, `raw` and `sealed` are files, without and with a checksum.
///
/// A snapshot that is not what was written is named by its file, and keeps nobody from reading the events, or from
/// saving another one.
pub fn snapshot(bytes: &[u8]) {
    let disk = GOOD.copied();
    let folder = path("snapshots").join(format!("{}.d", file_name(KEY)));
    let mut name = "0000000000000003-1.json".to_owned();
    for (section, body) in sections(bytes) {
        match section {
            b"name" => {
                let given = String::from_utf8_lossy(body).replace(['/', '\0'], "_");
                name = if given.is_empty() || given.starts_with('.') { "_".into() } else { given };
            }
            b"sealed" => disk.put(&folder.join(&name), &sealed(body)),
            _ => disk.put(&folder.join(&name), body),
        }
    }
    let store = open(&disk, Open::Existing, NO_INDEX).expect("a good log");
    for at in [Position::START, Position(3), Position::MAX, Position(u64::MAX)] {
        match wait(store.load(KEY, at)) {
            Err(error) => names_a_file(&error),
            Ok(loaded) => assert!(loaded.is_none_or(|loaded| loaded.key == KEY), "a snapshot of another key"),
        }
    }
    for after in [None, Some((KEY, Position(3)))] {
        match wait(store.list("", after)) {
            Err(error) => names_a_file(&error),
            Ok(infos) => assert!(infos.is_sorted_by_key(|info| (info.key.clone(), info.position))),
        }
    }
    if let Err(error) = wait(store.check()) {
        names_a_file(&error);
    }
    let data = Json::parse(r#"{"saved":true}"#).expect("JSON");
    match wait(store.save(Snapshot::new(KEY, Position(3), data.clone()), None, Keep::History)) {
        Err(error) => names_a_file(&error),
        Ok(revision) => {
            let loaded = wait(store.load(KEY, Position(3))).expect("a snapshot that was just saved");
            let loaded = loaded.expect("a snapshot that was just saved");
            assert_eq!((loaded.revision, loaded.data), (revision, data));
            wait(store.forget(KEY, Position(4))).expect("a snapshot is forgotten");
            let at = wait(store.load(KEY, Position(3)));
            assert!(at.is_ok_and(|loaded| loaded.is_none()), "a forgotten snapshot is there");
        }
    }
    let (events, error) = read_all(&store);
    assert_eq!((events.len() as u64, error.map(|error| error.to_string())), (EVENTS, None));
}

fn names_a_file(error: &Error) {
    let said = error.to_string();
    assert!(said.contains("snapshots"), "an error that names no file: {said}");
}
