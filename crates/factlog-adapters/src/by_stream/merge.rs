//! The lines of many files in the order of their positions, with few files open and few lines in memory.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use factlog::{Error, Result};
use serde::Deserialize;

use crate::lines::{Content, Line, Lines};
use crate::source::Source;

/// Files that are open at once; others are opened again where they were left.
const OPEN_FILES_MAX: usize = 64;
/// Bytes of the longest line that waits in memory; a longer one is read again when its turn comes.
const WAITING_LINE_BYTES_MAX: usize = 64 * 1024;

/// Lines of files, the lowest position first; those of one file stay in their order.
pub(super) struct Merge<'a> {
    files: Vec<Place<'a>>,
    /// The next line of each file, by its position.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    open: HashMap<usize, Open>,
    /// The open files, the one that was left alone longest first.
    order: VecDeque<usize>,
}

/// A file, and where its next line begins.
struct Place<'a> {
    source: &'a Source,
    name: Arc<str>,
    path: PathBuf,
    bytes: u64,
    lines: u64,
    position: u64,
}

/// A file that is open, and its next line.
struct Open {
    lines: Lines<File>,
    line: MergedLine,
}

/// A line, and where it stands.
#[derive(Clone)]
pub(super) struct MergedLine {
    pub(super) file: Arc<str>,
    /// Bytes from the line before to the end of this one.
    pub(super) bytes: u64,
    number: u64,
    content: Owned,
    ended: bool,
}

#[derive(Clone)]
enum Owned {
    Text(String),
    NotText,
    TooLong,
}

impl MergedLine {
    pub(super) fn line(&self) -> Line<'_> {
        let content = match &self.content {
            Owned::Text(text) => Content::Text(text),
            Owned::NotText => Content::NotText,
            Owned::TooLong => Content::TooLong,
        };
        Line { number: self.number, content, ended: self.ended }
    }

    /// Its position in the log; none where it tells none.
    fn position(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Told {
            position: u64,
        }
        let Owned::Text(text) = &self.content else { return None };
        serde_json::from_str::<Told>(text).ok().map(|told| told.position)
    }

    fn is_long(&self) -> bool {
        matches!(&self.content, Owned::Text(text) if text.len() > WAITING_LINE_BYTES_MAX)
    }
}

impl<'a> Merge<'a> {
    pub(super) fn open(sources: &'a [Source]) -> Result<Self> {
        let files = sources.iter().filter_map(|source| {
            let (name, path) = (source.name.as_str().into(), source.path()?.to_owned());
            Some(Place { source, name, path, bytes: 0, lines: 0, position: 0 })
        });
        let mut merge = Self {
            files: files.collect(),
            next: BinaryHeap::new(),
            open: HashMap::new(),
            order: VecDeque::new(),
        };
        for file in 0..merge.files.len() {
            merge.look(file)?;
        }
        Ok(merge)
    }

    /// The line with the lowest position.
    pub(super) fn next(&mut self) -> Result<Option<MergedLine>> {
        let Some(Reverse((_, file))) = self.next.pop() else { return Ok(None) };
        let Some(Open { lines, line }) = self.take(file)? else {
            let name = &self.files[file].name;
            return Err(Error::unavailable(format!("{name}: it became shorter while it was read")));
        };
        self.files[file].bytes = lines.bytes();
        self.files[file].lines = lines.number();
        self.advance(file, lines)?;
        Ok(Some(line))
    }

    /// Opens a file where it was left, and looks at its next line.
    fn look(&mut self, file: usize) -> Result<()> {
        let lines = self.reopen(file)?;
        self.advance(file, lines)
    }

    fn reopen(&self, file: usize) -> Result<Lines<File>> {
        let place = &self.files[file];
        let opened = File::open(&place.path).and_then(|mut opened| {
            opened.seek(SeekFrom::Start(place.bytes))?;
            Ok(opened)
        });
        let opened = opened.map_err(|cause| place.source.unreadable(cause))?;
        Ok(Lines::after(opened, place.lines, place.bytes, 0))
    }

    /// Reads the next line of a file, and lines it up.
    fn advance(&mut self, file: usize, mut lines: Lines<File>) -> Result<()> {
        let Some(line) = self.read(file, &mut lines)? else { return Ok(()) };
        let place = &mut self.files[file];
        place.position = line.position().unwrap_or(place.position);
        self.next.push(Reverse((place.position, file)));
        if !line.is_long() {
            self.keep(file, Open { lines, line });
        }
        Ok(())
    }

    fn read(&self, file: usize, lines: &mut Lines<File>) -> Result<Option<MergedLine>> {
        let place = &self.files[file];
        let Some(line) = lines.next().map_err(|cause| place.source.unreadable(cause))? else {
            return Ok(None);
        };
        let content = match line.content {
            Content::Text(text) => Owned::Text(text.to_owned()),
            Content::NotText => Owned::NotText,
            Content::TooLong => Owned::TooLong,
        };
        let (number, ended) = (line.number, line.ended);
        let bytes = lines.bytes() - place.bytes;
        Ok(Some(MergedLine { file: Arc::clone(&place.name), bytes, number, content, ended }))
    }

    /// Keeps a file open, and closes the one that was left alone longest.
    fn keep(&mut self, file: usize, open: Open) {
        if self.open.len() == OPEN_FILES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.open.remove(&oldest);
        }
        self.open.insert(file, open);
        self.order.push_back(file);
    }

    /// The next line of a file, which is opened again if need be.
    fn take(&mut self, file: usize) -> Result<Option<Open>> {
        if let Some(open) = self.open.remove(&file) {
            self.order.retain(|kept| *kept != file);
            return Ok(Some(open));
        }
        let mut lines = self.reopen(file)?;
        Ok(self.read(file, &mut lines)?.map(|line| Open { lines, line }))
    }
}
