//! One seed: some rounds of work and trouble, and a look at the log after each.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use factlog::{ErrorKind, Store};
use factlog_stores::JsonlStore;
use factlog_stores::vfs::simulated::Fault;

use super::flips::flip_and_look;
use super::world::{Said, World};
use super::{Outcome, runtime};

/// Runs seeds, up to the first that fails.
pub(super) fn run(seeds: Range<u64>, is_told: bool) -> Outcome {
    let runtime = runtime();
    for seed in seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(one(seed, is_told))));
        if let Err(panic) = outcome {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            return Err(format!(
                "seed {seed}: {said}\nagain: cargo test -p factlog-stores --features simulation --test faults -- --seed {seed}"
            )
            .into());
        }
    }
    Ok(())
}

async fn one(seed: u64, is_told: bool) {
    let mut world = World::new(seed);
    if is_told {
        world.is_told = true;
        world.disk.tell();
    }
    for _ in 0..world.random.usize(1..=2) {
        work(&mut world).await;
        let store = world.verify().await;
        let was_closed = end(&mut world, store).await;
        if world.random.u8(0..4) == 0 {
            if was_closed {
                world.disk.sync_all();
            } else {
                crash(&mut world);
            }
            flip_and_look(&mut world, was_closed).await;
            return;
        }
        if world.random.bool() {
            crash(&mut world);
        }
    }
    world.verify_again().await;
}

/// Opens the log and lets it work until the trouble comes, or enough is done.
async fn work(world: &mut World) {
    plan(world);
    match world.open() {
        Err(error) => {
            assert!(world.is_troubled, "the log does not open on a good disk: {error:?}");
            let is_known = matches!(error.kind(), ErrorKind::Stopped | ErrorKind::Unavailable);
            assert!(is_known, "{error:?}");
        }
        Ok(store) => {
            for _ in 0..world.random.usize(1..12) {
                if world.step(&store).await == Said::Unknown {
                    world.has_stopped(&store).await;
                    break;
                }
            }
            if world.random.u8(0..4) == 0 {
                // A store that has stopped says so again.
                let closed = store.close().await;
                assert!(closed.is_ok() || world.is_troubled, "{closed:?}");
            }
        }
    }
    world.disk.heal();
    if world.random.bool() || world.disk.is_dark() {
        crash(world);
    }
}

/// The trouble of a round.
fn plan(world: &mut World) {
    let nth = world.random.u64(1..250);
    world.is_troubled = true;
    let (fault, times) = match world.random.u8(0..12) {
        0..=2 => (Fault::PowerCut, 1),
        3 => (Fault::Broken, 1),
        4 => (Fault::Broken, 3),
        5 => (Fault::Unsynced, 1),
        6 => (Fault::Full, 1),
        7 => (Fault::Full, world.random.u32(2..20)),
        8 => {
            world.disk.fail_randomly(100, Fault::Broken);
            (Fault::PowerCut, 0)
        }
        9 => {
            world.disk.fail_randomly(20, Fault::Full);
            (Fault::PowerCut, 0)
        }
        _ => {
            world.is_troubled = false;
            return;
        }
    };
    world.tell(|| format!("{fault:?} at operation {nth} from now, {times} times"));
    world.disk.fail_at(nth, fault, times);
}

/// Ends a store in one of the ways there are; whether it was closed.
async fn end(world: &mut World, store: JsonlStore) -> bool {
    match world.random.u8(0..3) {
        0 => {
            world.tell(|| "close".into());
            store.close().await.expect("the log closes");
            true
        }
        1 => {
            drop(store);
            true
        }
        _ => {
            world.tell(|| "cut".into());
            world.disk.cut();
            drop(store);
            world.disk.kill();
            false
        }
    }
}

/// Ends the machine, or only the program.
fn crash(world: &mut World) {
    if world.random.u8(0..4) == 0 {
        world.tell(|| "kill".into());
        world.disk.kill();
    } else {
        let seed = world.random.u64(..);
        world.tell(|| format!("crash {seed}"));
        world.disk.crash(seed);
    }
}
