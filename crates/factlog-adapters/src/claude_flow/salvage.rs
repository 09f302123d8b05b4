//! The rows of a database that is damaged, page by page.
//!
//! The database is written over in place, so a writer that is stopped leaves its first part. SQLite opens none that is shorter
//! than it says, and finds no row whose way there is gone. But rows lie in leaves that can be told by themselves
//! (<https://www.sqlite.org/fileformat.html>): a first pass finds the leaves that hold events, the second reads them by
//! the row numbers they begin with. Snapshots are passed over.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::cell::{Cell, cells, four, two};
use super::record::Record;
use super::row::event;

/// How a database begins.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bytes of the largest page.
pub(super) const PAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a page where the file does not say it.
const PAGE_BYTES: usize = 4 * 1024;
/// Bytes of the smallest page.
const PAGE_BYTES_MIN: usize = 512;
/// Bytes at the beginning of the file that say what it is.
pub(super) const HEADER_BYTES: usize = 100;
/// Where it says how long a page is, how much of each is kept for others, and how many there are.
const PAGE_BYTES_AT: usize = 16;
const RESERVED_AT: usize = 20;
const COUNT_AT: usize = 28;
/// Bytes at the beginning of a page of a long row's rest that say where it goes on.
const NEXT_BYTES: usize = 4;
/// Bytes of a page that hold something at the least.
const USABLE_BYTES_MIN: usize = 480;

/// The rows of a damaged database.
pub(super) struct Salvage {
    pages: Pages,
    /// The leaves that are left to read, by their first row.
    leaves: VecDeque<(i64, u32)>,
    waiting: VecDeque<Record>,
    reason: String,
    found: u64,
    last: i64,
    is_done: bool,
}

/// The pages of a file.
struct Pages {
    file: File,
    bytes: usize,
    /// Bytes of a page that may hold something.
    usable: usize,
    count: u32,
    /// How many there should be.
    count_said: u32,
}

impl Salvage {
    pub(super) fn open(path: &Path, reason: String) -> io::Result<Self> {
        let mut pages = Pages::open(path)?;
        let mut leaves = Vec::new();
        for number in 1..=pages.count {
            let page = pages.read(number)?;
            if let Some(first) = pages.first_event(&page, number) {
                leaves.push((first, number));
            }
        }
        leaves.sort_unstable();
        Ok(Self {
            pages,
            leaves: leaves.into(),
            waiting: VecDeque::new(),
            reason,
            found: 0,
            last: 0,
            is_done: false,
        })
    }

    /// Reads the rows of the next leaf.
    fn fill(&mut self, number: u32) -> io::Result<()> {
        let page = self.pages.read(number)?;
        for (cell, place) in cells(&page, number).enumerate() {
            let row = match self.pages.row(&page, place)? {
                Ok((rowid, row)) => {
                    if rowid > self.last.saturating_add(1) {
                        self.waiting.push_back(missing(self.last + 1, rowid - 1));
                    }
                    self.last = self.last.max(rowid);
                    self.found += 1;
                    row
                }
                Err(reason) => Record::damage(format!("page {number}, cell {cell}"), reason),
            };
            self.waiting.push_back(row);
        }
        Ok(())
    }

    fn summary(&self) -> Record {
        let Pages { count, count_said, .. } = self.pages;
        let pages = if count < count_said {
            format!("it is cut off: {count} of its {count_said} pages are there")
        } else {
            format!("it has {count} pages")
        };
        Record::damage(
            "the file",
            format!(
                "it is damaged ({}); {pages}. Read page by page: {} rows, the last is row {}",
                self.reason, self.found, self.last
            ),
        )
    }
}

impl Iterator for Salvage {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.waiting.is_empty() && !self.is_done {
            let Some((_, number)) = self.leaves.pop_front() else {
                self.is_done = true;
                return Some(Ok(self.summary()));
            };
            if let Err(error) = self.fill(number) {
                return Some(Err(error));
            }
        }
        self.waiting.pop_front().map(Ok)
    }
}

fn missing(first: i64, last: i64) -> Record {
    let rows = if first == last { format!("row {first}") } else { format!("rows {first} to {last}") };
    Record::damage(rows, "not in the file any more")
}

impl Pages {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut header = Vec::new();
        file.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut header)?;
        header.resize(HEADER_BYTES, 0);
        let bytes = match usize::from(two(&header, PAGE_BYTES_AT)) {
            1 => PAGE_BYTES_MAX,
            bytes if bytes.is_power_of_two() && bytes >= PAGE_BYTES_MIN && header.starts_with(MAGIC) => bytes,
            _ => PAGE_BYTES,
        };
        let usable = (bytes - usize::from(header[RESERVED_AT])).max(USABLE_BYTES_MIN);
        let count = u32::try_from(length / bytes as u64).unwrap_or(u32::MAX);
        Ok(Self { file, bytes, usable, count, count_said: four(&header, COUNT_AT) })
    }

    fn read(&mut self, number: u32) -> io::Result<Vec<u8>> {
        let mut page = vec![0; self.bytes];
        self.file.seek(SeekFrom::Start(u64::from(number - 1) * self.bytes as u64))?;
        self.file.read_exact(&mut page)?;
        Ok(page)
    }

    /// The number of the first row of a page that holds events.
    fn first_event(&self, page: &[u8], number: u32) -> Option<i64> {
        let read = |place| Cell::read(page, place, self.usable).filter(Cell::is_event);
        cells(page, number).find_map(read).map(|cell| cell.rowid)
    }

    /// The record of the row at a place of a page; inside, why it cannot be read.
    fn row(&mut self, page: &[u8], place: usize) -> io::Result<Result<(i64, Record), &'static str>> {
        let Some(cell) = Cell::read(page, place, self.usable).filter(Cell::is_event) else {
            return Ok(Err("no event can be made out"));
        };
        let end = cell.at + cell.local;
        let mut record = page[cell.at..end].to_vec();
        let mut next = four(page, end);
        while record.len() < cell.bytes {
            if next < 1 || next > self.count {
                return Ok(Err("the rest of a long row is not in the file any more"));
            }
            let more = self.read(next)?;
            let part = (cell.bytes - record.len()).min(self.usable - NEXT_BYTES);
            record.extend(&more[NEXT_BYTES..NEXT_BYTES + part]);
            next = four(&more, 0);
        }
        Ok(Ok((cell.rowid, event(cell.rowid, &cell.values(&record)))))
    }
}
