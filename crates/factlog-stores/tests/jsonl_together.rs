//! Two stores on one plain-text log, as two processes have them: what one leaves when it ends in the middle of something,
//! and what the other sees meanwhile.
#![cfg(feature = "simulation")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use factlog::{Batch, Event, Filter, NewEvent, Position, Read, Removal, Result, Store};
use factlog_stores::vfs::simulated::{Fault, SimulatedDisk};
use factlog_stores::vfs::{OpenFile, Vfs};
use factlog_stores::{JsonlOptions, JsonlStore, Open, Tuning};

fn options(path: &str) -> JsonlOptions {
    let tuning = Tuning { segment_bytes: 600, index_events: 4, ahead_bytes: 256, background: false };
    JsonlOptions { tuning, ..JsonlOptions::new(path) }
}

fn open(vfs: &Arc<dyn Vfs>, open: Open) -> JsonlStore {
    JsonlStore::open_on(Arc::clone(vfs), &options("/log"), open).unwrap()
}

async fn append(store: &JsonlStore, stream: &str) -> Result<Position> {
    let event = NewEvent::new(stream, "task:noted", serde_json::json!({})).unwrap();
    store.append(vec![Batch::new(vec![event]).unwrap()]).await.remove(0).map(|appended| appended.last())
}

async fn read(store: &JsonlStore) -> Result<Vec<Arc<Event>>> {
    let (mut events, mut read) = (Vec::new(), Read::after(Filter::all(), Position::START));
    loop {
        let page = store.read(&read).await?;
        events.extend(page.events);
        if !page.more {
            return Ok(events);
        }
        read.cursor = read.cursor.at(page.next);
    }
}

fn has_whole_mark(vfs: &Arc<dyn Vfs>) -> bool {
    let file = vfs.open("/log/head.json".as_ref(), OpenFile::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += file.read_at(&mut bytes[filled..], filled as u64).unwrap();
    }
    factlog::sealed_line::verified(bytes.trim_ascii_end()).is_some()
}

fn removal() -> Removal {
    Removal { filter: Filter::stream("gone-1".parse().unwrap()), through: Position(100), archive: None }
}

/// Story: a process was killed in the middle of a removal. Others that had the log open went on with it half done, and the
/// next removal forgot it: the log said for ever that events were gone which were there.
#[tokio::test]
async fn who_writes_next_finishes_what_another_one_had_begun() {
    for fault in [Fault::Broken, Fault::Full] {
        fail_each_operation(fault).await;
    }
}

async fn fail_each_operation(fault: Fault) {
    let mut is_met = true;
    for nth in 1.. {
        if !is_met {
            assert!(nth > 20, "a removal has more operations than {nth}");
            return;
        }
        let disk = SimulatedDisk::new(nth);
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let one = open(&vfs, Open::Create);
        let other = open(&vfs, Open::Existing);
        for stream in ["gone-1", "task-1", "gone-1", "task-1", "task-1"] {
            append(&one, stream).await.unwrap();
        }
        disk.wait_unlocked().unwrap();
        disk.fail_at(nth, fault, 1);
        let done = one.remove(&removal()).await;
        // It has ended, and not by its own will: what it still does is not done.
        disk.wait_unlocked().unwrap();
        is_met = !disk.heal();
        drop(one);
        let seen = read(&other).await.unwrap();
        let kept = seen.iter().filter(|event| &*event.stream == "task-1").count();
        // A mark that was written by half tells nothing.
        assert!(kept == 3 || !has_whole_mark(&vfs), "what was acknowledged shows, {fault:?} {nth}: {kept}");
        append(&other, "task-2").await.unwrap();
        let events = read(&other).await.unwrap();
        let left = events.iter().filter(|event| &*event.stream == "gone-1").count();
        let said = events.iter().filter(|event| &*event.event_type == "log:removed").count();
        assert!(
            (left, said) == (0, 1) || (left, said) == (2, 0),
            "{left} left, said {said} times, {fault:?} {nth}: {done:?}"
        );
        assert_eq!(other.check().await.unwrap().problems, Vec::<String>::new(), "{nth}");
        // Another removal is one of its own.
        other.remove(&removal()).await.unwrap();
        let events = read(&other).await.unwrap();
        assert!(events.iter().all(|event| &*event.stream != "gone-1"), "{nth}");
    }
}

/// Story: while a log was written anew, somebody who followed it was told that it is damaged, and stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_logs_while_others_roll_and_remove() {
    const ROUNDS: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path().join("log").to_str().unwrap());
    let store = |open| JsonlStore::open(&options, open).unwrap();
    let (one, other) = (store(Open::Create), Arc::new(store(Open::Existing)));
    let looking = Arc::new(store(Open::Inspect));
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [&other, &looking, &other]
        .map(|store| {
            let (store, is_over) = (Arc::clone(store), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut reads = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    let events = read(&store).await.unwrap();
                    assert!(events.windows(2).all(|pair| pair[0].position < pair[1].position));
                    reads += 1;
                }
                reads
            })
        })
        .into();
    for round in 0..ROUNDS {
        for stream in ["gone-1", "task-1"] {
            append(&one, stream).await.unwrap();
            append(&other, stream).await.unwrap();
        }
        if round % 10 == 9 {
            let through = append(&one, "task-1").await.unwrap();
            one.remove(&Removal { through, ..removal() }).await.unwrap();
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(other.check().await.unwrap().problems, Vec::<String>::new());
}

/// Story: a log without write rights showed what there was when it was opened, and nothing that came later.
#[tokio::test]
async fn who_only_looks_sees_what_others_append() {
    let vfs: Arc<dyn Vfs> = Arc::new(SimulatedDisk::new(7));
    let writer = open(&vfs, Open::Create);
    append(&writer, "task-1").await.unwrap();
    let looking = open(&vfs, Open::Inspect);
    assert_eq!(read(&looking).await.unwrap().len(), 1);
    let mut head = looking.head();
    let last = append(&writer, "task-1").await.unwrap();
    head.wait_for(|head| *head >= last).await.unwrap();
    assert_eq!(read(&looking).await.unwrap().len(), 2);
}
