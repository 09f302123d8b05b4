//! The disk itself: what it keeps, and what it may lose.

use std::path::Path;

use factlog_stores::vfs::simulated::{Fault, SimulatedDisk};
use factlog_stores::vfs::{OpenFile, Vfs};
use libtest_mimic::Trial;

use super::Outcome;

const SEEDS: u64 = 200;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("disk_keeps_what_was_synced_and_may_lose_any_sector_that_was_not", sectors),
        Trial::test("disk_may_forget_names_whose_folder_was_not_synced_the_last_ones_first", names),
        Trial::test("disk_may_lose_for_ever_what_a_failed_sync_was_to_write", failed_sync),
        Trial::test("disk_that_is_full_writes_a_part_and_says_so", full),
        Trial::test("disk_does_the_same_again_for_the_same_seed", same_again),
    ]
}

fn content(disk: &SimulatedDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path), OpenFile::Read).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += file.read_at(&mut bytes[filled..], filled as u64).unwrap();
    }
    Some(bytes)
}

/// A disk with a file of three synced sectors, and three more that were not synced, with one of the first three.
fn half_synced(seed: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(seed);
    let file = disk.open(Path::new("/a"), OpenFile::Create).unwrap();
    disk.sync_folder(Path::new("/")).unwrap();
    file.write_all_at(&[b'a'; 1536], 0).unwrap();
    file.sync().unwrap();
    file.write_all_at(&[b'b'; 2048], 1024).unwrap();
    disk.crash(seed);
    disk
}

fn sectors() -> Outcome {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        let bytes = content(&half_synced(seed), "/a").ok_or("the file is gone")?;
        assert_eq!(bytes[..1024], [b'a'; 1024], "what was synced stays");
        assert!([1536, 3072].contains(&bytes.len()), "{} bytes", bytes.len());
        let sectors: Vec<u8> = bytes[1024..].chunks(512).map(|sector| sector[0]).collect();
        assert!(bytes[1024..].chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        seen.insert(sectors);
    }
    // The sector that was there before is old or new; those behind it are new or zeros, or the file is short.
    assert_eq!(seen.len(), 2 + 2 * 8, "{seen:?}");
    Ok(())
}

fn names() -> Outcome {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        let disk = SimulatedDisk::new(seed);
        disk.open(Path::new("/a"), OpenFile::Create)?;
        disk.sync_folder(Path::new("/"))?;
        disk.rename(Path::new("/a"), Path::new("/b"))?;
        disk.create_folder(Path::new("/c"))?;
        disk.open(Path::new("/c/d"), OpenFile::CreateNew)?;
        disk.crash(seed);
        let names: Vec<String> = disk.entries(Path::new("/"))?.into_iter().map(|entry| entry.name).collect();
        let inner = disk.entries(Path::new("/c")).map_or(0, |entries| entries.len());
        seen.insert((names.join(","), inner));
    }
    let due = [("a", 0), ("b", 0), ("b,c", 0), ("b,c", 1)].map(|(names, inner)| (names.to_owned(), inner));
    assert_eq!(seen, due.into());
    Ok(())
}

fn failed_sync() -> Outcome {
    let mut lost = 0;
    for seed in 0..SEEDS {
        let disk = SimulatedDisk::new(seed);
        let file = disk.open(Path::new("/a"), OpenFile::Create)?;
        disk.sync_folder(Path::new("/"))?;
        file.write_all_at(b"fact", 0)?;
        disk.fail_at(1, Fault::Unsynced, 1);
        assert!(file.sync().is_err());
        assert_eq!(content(&disk, "/a").as_deref(), Some(&b"fact"[..]), "programs still see it");
        file.sync()?;
        disk.crash(seed);
        lost += u64::from(content(&disk, "/a").as_deref() != Some(b"fact"));
    }
    assert!((1..SEEDS).contains(&lost), "{lost} times");
    Ok(())
}

fn full() -> Outcome {
    let disk = SimulatedDisk::new(1);
    let file = disk.open(Path::new("/a"), OpenFile::Create)?;
    disk.fail_at(1, Fault::Full, 2);
    let error = file.write_all_at(&[b'a'; 600], 0).err().ok_or("there was room")?;
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(file.len()? < 600);
    assert_eq!(content(&disk, "/a").map(|bytes| bytes.len() as u64), Some(file.len()?));
    let error = disk.create_folder(Path::new("/b")).err().ok_or("there was room")?;
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    disk.create_folder(Path::new("/b"))?;
    Ok(())
}

fn same_again() -> Outcome {
    for seed in 0..SEEDS {
        assert_eq!(content(&half_synced(seed), "/a"), content(&half_synced(seed), "/a"));
        let (one, other) = (SimulatedDisk::new(seed), SimulatedDisk::new(seed));
        let times: Vec<_> = (0..100).map(|_| one.now()).collect();
        if times.iter().any(|time| *time != other.now()) {
            return Err("the clock goes another way".into());
        }
    }
    Ok(())
}
