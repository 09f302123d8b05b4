//! Whether the disk of these tests does what a disk can do: a model that loses nothing would find nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

use super::Failure;
use super::cut::rebuild;
use super::disk::Disk;
use super::trace::Operation;

/// Enough to see everything that is to be seen.
const SEEDS: u64 = 400;

fn write(offset: u64, byte: u8, length: usize) -> Operation {
    Operation::Write { file: 7, offset, bytes: Rc::from(vec![byte; length]) }
}

/// What each seed makes of some operations, in the words of `look`.
fn outcomes(
    operations: &[Operation],
    look: impl Fn(&Path) -> Result<String, Failure>,
) -> Result<BTreeSet<String>, Failure> {
    let mut disk = Disk::default();
    for operation in operations {
        disk.apply(operation)?;
    }
    let scratch = super::scratch()?;
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let folder = scratch.path().join(seed.to_string());
        rebuild(&disk, operations.len(), seed, &folder)?;
        seen.insert(look(&folder)?);
    }
    Ok(seen)
}

/// The first byte of each sector.
fn sectors(folder: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(folder.join("log"))?;
    Ok(bytes.chunks(512).map(|sector| char::from(sector[0].max(b'0'))).collect())
}

pub(super) fn disk() -> Result<(), Failure> {
    let made = [
        Operation::Create { file: 7, path: "log".into() },
        Operation::SyncFolder { path: String::new() },
        write(0, b'a', 1_024),
        Operation::Sync { file: 7 },
    ];
    let synced = outcomes(&made, sectors)?;
    assert_eq!(Vec::from_iter(synced), ["aa"], "what is synced is there");

    let torn = outcomes(&[&made[..], &[write(512, b'b', 1_536)]].concat(), sectors)?;
    for seen in ["aa", "abbb", "ab", "aa00", "aa0b", "ab0b"] {
        assert!(torn.contains(seen), "{seen} is not among {torn:?}");
    }
    assert!(torn.iter().all(|seen| seen.starts_with('a')), "{torn:?}");

    // The newer one without the older one, but never within one sector.
    let twice = [write(0, b'b', 1_024), write(512, b'c', 512)];
    let reordered = outcomes(&[&made[..], &twice].concat(), sectors)?;
    assert_eq!(Vec::from_iter(reordered), ["aa", "ab", "ac", "ba", "bb", "bc"]);

    let shorter = [Operation::Resize { file: 7, size: 0 }, write(0, b'b', 512)];
    let cut_off = outcomes(&[&made[..], &shorter].concat(), sectors)?;
    assert_eq!(Vec::from_iter(cut_off), ["", "0", "aa", "b"], "what was cut off does not come back");
    Ok(())
}

/// The names in a folder.
fn names(folder: &Path) -> Result<String, Failure> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let inside =
            if entry.path().is_dir() { format!("({})", self::names(&entry.path())?) } else { String::new() };
        names.push(entry.file_name().to_string_lossy().into_owned() + &inside);
    }
    names.sort();
    Ok(names.join(" "))
}

pub(super) fn all_names() -> Result<(), Failure> {
    let made = [
        Operation::Create { file: 7, path: "new".into() },
        write(0, b'a', 512),
        Operation::Sync { file: 7 },
        Operation::Rename { from: "new".into(), to: "log".into() },
    ];
    let unsynced = outcomes(&made, names)?;
    assert_eq!(Vec::from_iter(unsynced), ["", "log", "new"], "a file is not its name");
    let synced = outcomes(&[&made[..], &[Operation::SyncFolder { path: String::new() }]].concat(), names)?;
    assert_eq!(Vec::from_iter(synced), ["log"]);

    let inside = [
        Operation::MakeFolder { path: "day".into() },
        Operation::Create { file: 7, path: "day/log".into() },
        Operation::SyncFolder { path: "day".into() },
    ];
    let seen = outcomes(&inside, names)?;
    assert_eq!(Vec::from_iter(seen), ["", "day(log)"], "a folder is lost with what is in it");
    Ok(())
}
