//! Each thing that a log does, with each of its operations on the disk failing in turn: nothing is acknowledged that was not
//! done, the store stops where it does not know, and what was acknowledged is there when the log is opened again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use factlog::{ErrorKind, Filter, Position, Removal, Store};
use factlog_stores::JsonlStore;
use factlog_stores::vfs::simulated::Fault;
use libtest_mimic::Trial;

use super::world::{Said, World};
use super::{Outcome, runtime};

const WORLDS: u64 = 2;
const FAULTS: [Fault; 4] = [Fault::Broken, Fault::Full, Fault::Unsynced, Fault::PowerCut];
/// Nothing that a log does here takes so many operations.
const OPERATIONS_MAX: u64 = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Create,
    Append,
    Roll,
    Close,
    Recover,
    Remove,
    Archive,
    Save,
    Forget,
}

pub(super) fn trials() -> Vec<Trial> {
    let acts = [
        ("the_making_of_a_log", Act::Create),
        ("an_append", Act::Append),
        ("an_append_that_begins_a_segment", Act::Roll),
        ("the_end", Act::Close),
        ("the_opening_after_a_crash", Act::Recover),
        ("a_removal", Act::Remove),
        ("an_archive", Act::Archive),
        ("the_saving_of_a_snapshot", Act::Save),
        ("the_forgetting_of_snapshots", Act::Forget),
    ];
    let trial = |(name, act)| Trial::test(format!("every_operation_of_{name}_may_fail"), move || each(act));
    acts.into_iter().map(trial).collect()
}

fn each(act: Act) -> Outcome {
    let runtime = runtime();
    for (world, fault) in (0..WORLDS).flat_map(|world| FAULTS.map(|fault| (world, fault))) {
        let mut nth = 1;
        loop {
            let run = || runtime.block_on(one(act, world, fault, nth));
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(true) if nth < OPERATIONS_MAX => nth += 1,
                Ok(true) => return Err("it never ends".into()),
                Ok(false) => break,
                Err(panic) => {
                    let said = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
                    return Err(
                        format!("{act:?} in world {world}, {fault:?} at operation {nth}: {said}").into()
                    );
                }
            }
        }
        // Only what takes room can meet a full disk, and only what syncs a failing sync.
        assert!(nth > 1 || matches!(fault, Fault::Full | Fault::Unsynced), "{act:?} does nothing");
    }
    Ok(())
}

/// Lets one operation fail; `false` when there was none so late.
async fn one(act: Act, world: u64, fault: Fault, nth: u64) -> bool {
    let mut world = World::new(world);
    world.options.prewrite = world.random.bool() || act == Act::Close;
    if act == Act::Roll {
        world.options.tuning.segment_bytes = 1;
    }
    let store = prepare(&mut world, act).await;
    world.is_troubled = true;
    world.disk.fail_at(nth, fault, 1);
    let was_met = match store {
        None => {
            let opened = world.open();
            if let Err(error) = &opened {
                assert!(matches!(error.kind(), ErrorKind::Stopped | ErrorKind::Unavailable), "{error:?}");
            }
            !world.disk.heal()
        }
        Some(store) => {
            let said = perform(&mut world, &store, act).await;
            world.settle();
            let was_met = !world.disk.heal();
            match said {
                _ if world.disk.is_dark() => {}
                Said::Unknown => world.has_stopped(&store).await,
                // What has changed nothing goes well when it is tried again.
                Said::Refused => {
                    world.is_troubled = false;
                    assert_eq!(perform(&mut world, &store, act).await, Said::Done);
                    world.settle();
                }
                Said::Done => {}
            }
            was_met
        }
    };
    world.disk.heal();
    if nth.is_multiple_of(3) {
        world.disk.kill();
    } else {
        world.disk.crash(nth);
    }
    let store = world.verify().await;
    if act == Act::Archive {
        // What was left in the archive's folder does for the next one, or is in its way.
        assert_ne!(perform(&mut world, &store, act).await, Said::Unknown);
        world.settle();
    }
    drop(store);
    world.disk.crash(nth + 1);
    world.compare_archives();
    world.verify_again().await;
    was_met
}

/// A log with something in it; none where it is the opening that fails.
async fn prepare(world: &mut World, act: Act) -> Option<JsonlStore> {
    if act == Act::Create {
        return None;
    }
    let store = world.open().expect("the log opens");
    for _ in 0..5 {
        assert_eq!(world.append(&store).await, Said::Done);
        world.settle();
        assert_eq!(world.save(&store).await, Said::Done);
        world.settle();
    }
    if act != Act::Recover {
        return Some(store);
    }
    world.is_troubled = true;
    world.disk.fail_at(5, Fault::PowerCut, 1);
    world.append(&store).await;
    world.settle();
    world.disk.heal();
    world.disk.cut();
    drop(store);
    world.disk.crash(1);
    None
}

async fn perform(world: &mut World, store: &JsonlStore, act: Act) -> Said {
    let removal =
        Removal { filter: Filter::all(), through: Position(world.model.head / 2 + 1), archive: None };
    match act {
        Act::Append | Act::Roll | Act::Create | Act::Recover => world.append(store).await,
        Act::Close => match store.close().await {
            Ok(()) => Said::Done,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Stopped, "{error:?}");
                Said::Unknown
            }
        },
        Act::Remove => world.remove_by(store, removal, None).await,
        Act::Archive => world.remove_by(store, removal, Some("/archive".into())).await,
        Act::Save => world.save(store).await,
        Act::Forget => world.forget(store).await,
    }
}
