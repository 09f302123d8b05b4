//! One bit of some file is another one: it is said, or it changes nothing. Never is the log another one, or shorter, without
//! a word.

use factlog::{ErrorKind, Event, Filter, Result, Store};
use factlog_stores::JsonlStore;
use factlog_stores::vfs::simulated::Flip;

use super::verify::{read_all, same};
use super::world::{Said, World};

/// Flips a bit, opens the log, and looks at everything.
pub(super) async fn flip_and_look(world: &mut World, was_closed: bool) {
    let seed = world.random.u64(..);
    let Some(flip) = world.disk.flip(seed) else { return };
    world.tell(|| {
        format!("flip {flip:?}, {}", if was_closed { "after a clean end" } else { "after a crash" })
    });
    let store = match world.open() {
        Ok(store) => store,
        Err(error) => return damage(&error, &flip),
    };
    let outcome = look(world, &store, &flip, was_closed).await;
    world.tell(|| format!("looked: {outcome:?}"));
    if let Err(error) = outcome {
        return damage(&error, &flip);
    }
    // It was harmless: then it stays so.
    let appended = world.append_one(&store).await;
    assert_eq!(appended, Said::Done, "a log that shows no damage takes an append; {flip:?}");
    drop(store);
    world.verify_again().await;
}

fn damage(error: &factlog::Error, flip: &Flip) {
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid), "{flip:?} is told as {error:?}");
}

/// Looks at everything; an error is the report of the damage.
async fn look(world: &mut World, store: &JsonlStore, flip: &Flip, was_closed: bool) -> Result<()> {
    let events = read_all(store, Filter::all()).await?;
    let due: Vec<Event> = world.model.events.values().cloned().collect();
    if events != due {
        assert!(!was_closed, "{flip:?} has changed the log in silence");
        // The one thing that cannot be told from a write that a crash has cut off: damage in the last two writes.
        assert!(
            events.len() < due.len() && events[..] == due[..events.len()],
            "{flip:?} has changed the log"
        );
        let from = world.model.writes.iter().rev().nth(1).copied().unwrap_or(0);
        assert!(due[events.len()].position.0 >= from, "{flip:?} has cut off more than two writes");
        let report = store.check().await?;
        assert!(report.warnings.iter().any(|warning| warning.contains("torn")), "{flip:?}: {report:?}");
        return Err(factlog::Error::corrupt("torn", "kept aside"));
    }
    for (stream, version) in world.model.versions.clone() {
        assert_eq!(store.version(&stream).await?.0, version, "the version of {stream} by {flip:?}");
        let found = read_all(store, Filter::stream(stream.clone())).await?;
        let of_stream: Vec<Event> = due.iter().filter(|event| event.stream == stream).cloned().collect();
        same(&found, &of_stream, &format!("the events of {stream} by {flip:?}"));
    }
    for event in &due {
        let found = read_all(store, Filter::ids([event.id])).await?;
        same(&found, std::slice::from_ref(event), &format!("an event by its id, by {flip:?}"));
    }
    for (name, key) in world.model.snapshots.clone() {
        for (position, data) in key.certain {
            let found = store.snapshots().load(&name, factlog::Position(position)).await?;
            assert_eq!(found.map(|found| found.data), Some(data), "the snapshot {name} by {flip:?}");
        }
    }
    let report = store.check().await?;
    match report.problems.first() {
        Some(problem) => Err(factlog::Error::corrupt(flip.path.clone(), problem.clone())),
        None => Ok(()),
    }
}
