//! What a power cut can leave of a disk: all that was synced, and of the rest whatever the disk had got round to.
//!
//! Each sector of a file holds what any of its writes since the last sync has made of it, so writes are lost, torn, or on
//! the disk before older ones; a file has any size that it has had; a name has come or gone or not. A seed is one
//! such disk, always the same.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::Failure;
use super::disk::{Change, Content, Disk, Entry, File, Node, SECTOR_BYTES};

/// How far the disk had come with what waited.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Nothing,
    Everything,
    /// Each thing with this chance, in percent.
    Some(usize),
    /// The older ones, up to some point.
    Older,
    /// The newer ones, from some point on.
    Newer,
}

impl Fate {
    fn any(random: &mut Rng) -> Self {
        match random.usize(..8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Some(10),
            3 => Self::Some(90),
            4 => Self::Older,
            5 => Self::Newer,
            _ => Self::Some(50),
        }
    }

    /// For each of so many things, whether it has happened.
    fn happened(self, count: usize, random: &mut Rng) -> Vec<bool> {
        let point = random.usize(..=count);
        let each = |number: usize, random: &mut Rng| match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(percent) => random.usize(..100) < percent,
            Self::Older => number < point,
            Self::Newer => number >= point,
        };
        (0..count).map(|number| each(number, random)).collect()
    }
}

/// Makes the folder as the disk would have it after the cut. Of the first seeds one loses all that was not synced, one
/// the data but no name, one the names but no data.
pub(super) fn rebuild(disk: &Disk, cut: usize, seed: u64, folder: &Path) -> Result<(), Failure> {
    // Each cut has seeds of its own.
    let mut random = Rng::with_seed((cut as u64) << 32 | seed);
    let (names, data) = match seed {
        0 => (Fate::Nothing, Some(Fate::Nothing)),
        1 => (Fate::Everything, Some(Fate::Nothing)),
        2 => (Fate::Nothing, Some(Fate::Everything)),
        // Mostly, files fare alike.
        _ => (Fate::any(&mut random), random.bool().then(|| Fate::any(&mut random))),
    };
    let mut entries = disk.durable.clone();
    let happened = names.happened(disk.pending.len(), &mut random);
    for (naming, _) in disk.pending.iter().zip(happened).filter(|(_, happened)| *happened) {
        naming.apply(&mut entries);
    }
    let mut contents = |file: &File| {
        let fate = data.unwrap_or_else(|| Fate::any(&mut random));
        after_cut(file, fate, &mut random)
    };
    write(disk, &entries, folder, &mut contents)
}

/// Makes the folder as it is when nothing is lost.
pub(super) fn rebuild_whole(disk: &Disk, folder: &Path) -> Result<(), Failure> {
    write(disk, &disk.durable, folder, &mut |file: &File| file.durable.clone())
}

fn write(
    disk: &Disk,
    entries: &BTreeMap<Entry, Node>,
    folder: &Path,
    contents: &mut dyn FnMut(&File) -> Content,
) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let mut made: HashMap<usize, PathBuf> = HashMap::new();
    let mut ahead = vec![(0, folder.to_owned())];
    // What stands in a folder that has no name itself is gone with it.
    while let Some((number, path)) = ahead.pop() {
        let inside = entries.range((number, String::new())..(number + 1, String::new()));
        for ((_, name), node) in inside {
            let path = path.join(name);
            match node {
                Node::Folder(number) => {
                    fs::create_dir(&path)?;
                    ahead.push((*number, path));
                }
                Node::File(index) => {
                    if let Some(first) = made.get(index) {
                        fs::hard_link(first, path)?;
                    } else {
                        write_file(&path, &contents(&disk.files[*index]))?;
                        made.insert(*index, path);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Writes a file, with holes where it holds zeros.
fn write_file(path: &Path, content: &Content) -> Result<(), Failure> {
    let mut file = fs::File::create(path)?;
    let mut run: Vec<u8> = Vec::new();
    let mut start = 0;
    for (number, sector) in &content.sectors {
        let next = start + run.len() as u64 / SECTOR_BYTES;
        if *number != next {
            file.seek(SeekFrom::Start(start * SECTOR_BYTES))?;
            file.write_all(&run)?;
            run.clear();
            start = *number;
        }
        run.extend_from_slice(&sector[..]);
    }
    file.seek(SeekFrom::Start(start * SECTOR_BYTES))?;
    file.write_all(&run)?;
    file.set_len(content.size)?;
    Ok(())
}

/// One of the contents that a file can have after the cut.
fn after_cut(file: &File, fate: Fate, random: &mut Rng) -> Content {
    let mut content = file.durable.clone();
    let (floor, end) = between_cuts_of_size(file, fate, random);
    let touched = touched(file, end);
    let happened = fate.happened(end, random);
    for (number, (least, changes)) in touched {
        let kept = match fate {
            Fate::Some(_) => {
                changes.iter().filter(|change| happened_here(fate, **change, &happened, random)).count()
            }
            _ => changes.iter().rposition(|change| happened[*change]).map_or(0, |last| last + 1),
        };
        let mut sector = content.sector(number);
        for change in &changes[..kept.max(least)] {
            file.pending[*change].apply_to(number, &mut sector);
        }
        content.put(number, &sector);
    }
    let size = size_after(file, floor, end, fate, &happened, random);
    content.resize(size);
    if file.is_mapped {
        for number in 0..size / SECTOR_BYTES {
            let mut sector = [0; SECTOR_BYTES as usize];
            random.fill(&mut sector);
            content.put(number, &sector);
        }
    }
    content
}

/// Whether a change has reached one of its sectors, where each is by itself.
fn happened_here(fate: Fate, change: usize, happened: &[bool], random: &mut Rng) -> bool {
    // Half of the time a write is there or not as a whole.
    if random.bool() { happened[change] } else { fate.happened(1, random)[0] }
}

/// The changes among which the disk had stopped: what a file was cut off has either happened, and then what was cut off
/// is gone for good, or not, and then nothing that came after it has.
fn between_cuts_of_size(file: &File, fate: Fate, random: &mut Rng) -> (usize, usize) {
    let mut size = file.durable.size;
    let mut shrinking = Vec::new();
    for (index, change) in file.pending.iter().enumerate() {
        if change.size(size) < size {
            shrinking.push(index);
        }
        size = change.size(size);
    }
    let done = match fate {
        Fate::Nothing => 0,
        Fate::Everything => shrinking.len(),
        _ => random.usize(..=shrinking.len()),
    };
    let floor = if done == 0 { 0 } else { shrinking[done - 1] + 1 };
    (floor, shrinking.get(done).copied().unwrap_or(file.pending.len()))
}

/// The sectors that the first changes touch: how many of these have happened at least, and which they are.
fn touched(file: &File, end: usize) -> BTreeMap<u64, (usize, Vec<usize>)> {
    let mut touched: BTreeMap<u64, (usize, Vec<usize>)> = BTreeMap::new();
    let mut size = file.durable.size;
    for (index, change) in file.pending[..end].iter().enumerate() {
        for number in change.sectors() {
            touched.entry(number).or_default().1.push(index);
        }
        if let Change::Resize { size: after } = change
            && *after < size
        {
            let first = after / SECTOR_BYTES;
            for number in file.durable.sectors.range(first..).map(|(number, _)| *number) {
                touched.entry(number).or_default();
            }
            for (_, (least, changes)) in touched.range_mut(first..) {
                changes.push(index);
                *least = changes.len();
            }
        }
        size = change.size(size);
    }
    touched
}

/// One of the sizes that the file has had.
fn size_after(file: &File, floor: usize, end: usize, fate: Fate, happened: &[bool], random: &mut Rng) -> u64 {
    let last = match fate {
        Fate::Nothing => floor,
        Fate::Everything => end,
        // As long as what is there.
        _ if random.bool() => happened.iter().rposition(|happened| *happened).map_or(floor, |last| last + 1),
        _ => random.usize(floor..=end),
    };
    file.pending[..last.max(floor)].iter().fold(file.durable.size, |size, change| change.size(size))
}
