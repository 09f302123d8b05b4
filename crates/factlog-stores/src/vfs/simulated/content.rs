//! The bytes of one file: as programs see them, as the disk has them, and what is on its way from one to the other.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::Luck;

/// A disk writes so many bytes wholly or not at all.
const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// A file's bytes.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// What programs read.
    live: Vec<u8>,
    /// What surely survives a crash, up to `durable_len`.
    durable: Vec<u8>,
    durable_len: usize,
    /// Each sector that was changed since it was synced, as it was after each change.
    dirty: BTreeMap<usize, Vec<Sector>>,
    /// The lengths that the file has had since it was synced.
    lengths: Vec<usize>,
}

impl Content {
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: usize) -> usize {
        let Some(rest) = self.live.get(offset..) else { return 0 };
        let bytes = rest.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&rest[..bytes]);
        bytes
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let (before, end) = (self.live.len(), offset + bytes.len());
        if end > before {
            self.live.resize(end, 0);
            self.lengths.push(end);
        }
        self.live[offset..end].copy_from_slice(bytes);
        self.soil(offset.min(before), end);
    }

    pub(super) fn set_len(&mut self, bytes: usize) {
        let before = self.live.len();
        if bytes == before {
            return;
        }
        self.live.resize(bytes, 0);
        self.lengths.push(bytes);
        // What is cut off needs no writing; zeros do.
        self.soil(before.min(bytes), bytes);
    }

    fn soil(&mut self, from: usize, to: usize) {
        if from >= to {
            return;
        }
        for number in from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES {
            let sector = self.sector(number);
            self.dirty.entry(number).or_default().push(sector);
        }
    }

    fn sector(&self, number: usize) -> Sector {
        let mut sector = [0; SECTOR_BYTES];
        self.read(&mut sector, number * SECTOR_BYTES);
        sector
    }

    pub(super) fn sync(&mut self) {
        let mut durable = std::mem::take(&mut self.durable);
        for number in std::mem::take(&mut self.dirty).into_keys() {
            put(&mut durable, number, &self.sector(number));
        }
        durable.resize(self.live.len(), 0);
        self.durable_len = durable.len();
        self.durable = durable;
        self.lengths.clear();
    }

    /// Some sectors reach the disk, some stay to be written, and some never will be: they count as written from now on,
    /// as they do after a failed fsync on Linux.
    pub(super) fn fail_to_sync(&mut self, random: &mut Rng) {
        for number in self.dirty.keys().copied().collect::<Vec<_>>() {
            match random.u8(0..3) {
                0 => {
                    let sector = self.sector(number);
                    put(&mut self.durable, number, &sector);
                    self.dirty.remove(&number);
                }
                1 => {
                    self.dirty.remove(&number);
                }
                _ => {}
            }
        }
    }

    /// Leaves what a power cut could leave.
    pub(super) fn crash(&mut self, random: &mut Rng, luck: Luck) {
        let mut bytes = std::mem::take(&mut self.durable);
        let len = match luck.of(random, self.lengths.len()) {
            0 => self.durable_len,
            changes => self.lengths[changes - 1],
        };
        for (number, states) in std::mem::take(&mut self.dirty) {
            if let Some(state) = luck.of(random, states.len()).checked_sub(1) {
                put(&mut bytes, number, &states[state]);
            }
        }
        bytes.resize(len, 0);
        self.lengths.clear();
        self.live.clone_from(&bytes);
        self.durable_len = len;
        self.durable = bytes;
    }

    /// Changes a bit, on the disk and in memory.
    pub(super) fn flip(&mut self, byte: usize, mask: u8) {
        for bytes in [&mut self.live, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= mask;
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, number: usize, sector: &Sector) {
    let from = number * SECTOR_BYTES;
    if bytes.len() < from + SECTOR_BYTES {
        bytes.resize(from + SECTOR_BYTES, 0);
    }
    bytes[from..from + SECTOR_BYTES].copy_from_slice(sector);
}
