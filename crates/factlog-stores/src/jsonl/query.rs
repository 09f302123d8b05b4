//! Events found by the indexes or read one after the other, and always judged by the filter itself.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use factlog::limits::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX, PAGE_SCAN_EVENTS_MAX};
use factlog::{Cursor, Error, Event, Filter, Page, Position, Read, Result, StreamName, Timestamp, Version};

use super::files::{Files, INDEX_FOLDER, told};
use super::index::{Asked, Run, Window};
use super::line::{self, Fields, Line, parse, timestamp, verified};
use super::segment::{Lines, Place, line_at};
use super::view::{Tail, View};

/// Where this many of a source's events, or fewer, may match, they are looked up; else all are read.
const LOOKED_UP_SHARE: u32 = 8;
/// Events that are read in one go when reading backwards.
const BACKWARDS_EVENTS: u32 = 512;
const BACKWARDS_EVENTS_MIN: u32 = 16;

/// Reads single lines.
pub(super) struct Reader<'a> {
    files: &'a Files,
    line: Vec<u8>,
    window: Window,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self { files, line: Vec::new(), window: Window::default() }
    }

    /// Looks at the event at a place, which must be the one of this position.
    pub(super) fn with<T>(
        &mut self,
        place: Place,
        position: Position,
        look: impl FnOnce(&Fields<'_>) -> Option<T>,
    ) -> Result<Option<T>> {
        let Place { segment, offset } = place;
        let file = self.files.segment(segment)?;
        let read = line_at(&*file, u64::from(offset), &mut self.line);
        let is_ended = read.map_err(|error| told(&segment.path(&self.files.folder), error))?;
        match verified(&self.line).filter(|_| is_ended).and_then(parse) {
            Some(Line::Event(fields)) if fields.position == position => Ok(look(&fields)),
            _ => Err(self.files.damage(
                segment,
                u64::from(offset),
                &format!("the event of position {position} is not here, or not as it was written"),
            )),
        }
    }

    fn index<T>(&self, run: &Run, outcome: std::io::Result<T>) -> Result<T> {
        outcome.map_err(|error| {
            let place = self.files.path(INDEX_FOLDER);
            if error.kind() != std::io::ErrorKind::InvalidData {
                return told(&place, error);
            }
            let said =
                format!("the index of positions {} to {} cannot be read: {error}", run.first, run.last);
            Error::corrupt(place.display().to_string(), said)
                .with_hint("delete the folder indexes, or run `factlog check --repair`: it is built again")
        })
    }
}

/// Where the event of a position is.
pub(super) fn place_of(view: &View, position: Position) -> Result<Place> {
    let lost = || Error::corrupt(format!("position {position}"), "no event is there");
    if let Some(run) = view.runs.iter().find(|run| run.after < position && position <= run.last) {
        let found = || -> std::io::Result<Place> {
            run.place(run.after(Position(position.0 - 1))?, &mut Window::default())
        };
        return found().map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => lost().with_cause(error),
            _ => told(Path::new(INDEX_FOLDER), error),
        });
    }
    let entry = view.tail.get(view.tail.after(Position(position.0 - 1)));
    entry.filter(|entry| entry.position == position).map(|entry| entry.place).ok_or_else(lost)
}

/// The newest event of a run that has a term and is wanted.
pub(super) fn newest<T>(
    reader: &mut Reader<'_>,
    run: &Run,
    term: u64,
    mut wanted: impl FnMut(&Fields<'_>) -> Option<T>,
) -> Result<Option<T>> {
    let found = run.find(term);
    let Some(hits) = reader.index(run, found)? else { return Ok(None) };
    let ordinals = run.ordinals(hits);
    for ordinal in reader.index(run, ordinals)?.into_iter().rev() {
        let position = run.position(ordinal);
        let position = reader.index(run, position)?;
        let place = run.place(ordinal, &mut reader.window);
        let place = reader.index(run, place)?;
        if let Some(found) = reader.with(place, position, &mut wanted)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The version of the newest event of a stream; 0 where there is none.
pub(super) fn newest_version(files: &Files, view: &View, stream: &StreamName) -> Result<Version> {
    let mut read = Read::before(Filter::stream(stream.clone()), Position::MAX).limit(1);
    loop {
        let page = page(files, view, &read)?;
        match page.events.first() {
            Some(event) => return Ok(event.version),
            None if page.more => read.cursor = read.cursor.at(page.next),
            None => return Ok(Version::NONE),
        }
    }
}

/// Calls with each matching event after a position, until it is told to stop.
pub(super) fn each(
    files: &Files,
    view: &View,
    filter: &Filter,
    after: Position,
    mut each: impl FnMut(&Event) -> bool,
) -> Result<()> {
    let mut read = Read::after(filter.clone(), after);
    loop {
        let page = page(files, view, &read)?;
        if !page.events.iter().all(|event| each(event)) || !page.more {
            return Ok(());
        }
        read.cursor = read.cursor.at(page.next);
    }
}

/// Events that are found in one way: by an index file, or in memory.
pub(super) enum Source<'a> {
    Run(&'a Run),
    Tail(&'a Tail),
}

impl Source<'_> {
    fn events(&self) -> u32 {
        match self {
            Self::Run(run) => run.events,
            Self::Tail(tail) => tail.len() as u32,
        }
    }

    fn after(&self, reader: &Reader<'_>, position: Position) -> Result<u32> {
        match self {
            Self::Run(run) => reader.index(run, run.after(position)),
            Self::Tail(tail) => Ok(tail.after(position) as u32),
        }
    }

    pub(super) fn at(&self, reader: &mut Reader<'_>, ordinal: u32) -> Result<(Position, Place)> {
        match self {
            Self::Run(run) => {
                let place = run.place(ordinal, &mut reader.window);
                let found = place.and_then(|place| Ok((run.position(ordinal)?, place)));
                reader.index(run, found)
            }
            Self::Tail(tail) => tail
                .get(ordinal as usize)
                .map(|entry| (entry.position, entry.place))
                .ok_or_else(|| Error::corrupt("the newest events", "one is missing")),
        }
    }
}

/// One page of what the view shows.
pub(super) fn page(files: &Files, view: &View, read: &Read) -> Result<Page> {
    let mut reader = Reader::new(files);
    let (mut after, mut before, backwards) = match read.cursor {
        Cursor::After(position) => (position, Position(view.head.0 + 1), false),
        Cursor::Before(position) => (Position::START, position.min(Position(view.head.0 + 1)), true),
    };
    let reaches_end = match read.cursor {
        Cursor::After(_) => true,
        Cursor::Before(position) => position > Position(view.head.0 + 1),
    };
    if backwards
        && reaches_end
        && let Some(damage) = &view.damage
    {
        return Err(damage.clone());
    }
    let sources: Vec<Source<'_>> =
        view.runs.iter().map(|run| Source::Run(run)).chain([Source::Tail(&view.tail)]).collect();
    narrow(&mut reader, &sources, &read.filter, &mut after, &mut before)?;
    let mut filling = Filling {
        read,
        limit: read.limit.clamp(1, PAGE_EVENTS_MAX),
        bytes: 0,
        scanned: 0,
        page: Page { events: Vec::new(), next: read.cursor.position(), more: false },
    };
    let asked = Asked::of(&read.filter);
    let order: Box<dyn Iterator<Item = &Source<'_>>> =
        if backwards { Box::new(sources.iter().rev()) } else { Box::new(sources.iter()) };
    for source in order {
        let from = source.after(&reader, after)?;
        let to = source.after(&reader, Position(before.0.saturating_sub(1)))?;
        if from >= to {
            continue;
        }
        let range = from..to;
        let goes_on = match candidates(&mut reader, view, source, &asked, &range)? {
            Some(ordinals) => filling.look_up(&mut reader, source, &ordinals, backwards)?,
            None if backwards => filling.scan_back(&mut reader, view, source, range)?,
            None => filling.scan(&mut reader, view, source, range)?,
        };
        if !goes_on {
            filling.page.more = true;
            return Ok(filling.page);
        }
    }
    let mut page = filling.page;
    page.next = if backwards { Position::START } else { view.head.max(read.cursor.position()) };
    if let (false, Some(damage)) = (backwards, &view.damage) {
        if page.events.is_empty() {
            return Err(damage.clone());
        }
        page.more = true;
    }
    Ok(page)
}

/// Narrows the positions by the time of recording, which follows them.
fn narrow(
    reader: &mut Reader<'_>,
    sources: &[Source<'_>],
    filter: &Filter,
    after: &mut Position,
    before: &mut Position,
) -> Result<()> {
    if let Some(from) = filter.recorded.from {
        *after = (*after).max(last_before(reader, sources, from)?);
    }
    if let Some(to) = filter.recorded.to {
        *before = (*before).min(Position(last_before(reader, sources, to)?.0 + 1));
    }
    Ok(())
}

/// The position of the last event that was recorded before a time; the start when there is none.
fn last_before(reader: &mut Reader<'_>, sources: &[Source<'_>], time: Timestamp) -> Result<Position> {
    let mut found = Position::START;
    for source in sources {
        let (mut low, mut high) = (0, source.events());
        while low < high {
            let middle = low + (high - low) / 2;
            let (position, place) = source.at(reader, middle)?;
            let recorded = reader.with(place, position, |fields| timestamp(fields.recorded_at))?;
            if recorded.is_some_and(|recorded| recorded < time) {
                found = found.max(position);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
    }
    Ok(found)
}

/// The events of a range that may match; none where it is better to read them all.
fn candidates(
    reader: &mut Reader<'_>,
    view: &View,
    source: &Source<'_>,
    asked: &Asked,
    range: &std::ops::Range<u32>,
) -> Result<Option<Vec<u32>>> {
    let events = range.end - range.start;
    if asked.is_nothing() || events < BACKWARDS_EVENTS_MIN {
        return Ok(None);
    }
    let mut ordinals = match source {
        Source::Run(run) => match in_run(reader, run, asked)? {
            Some(ordinals) => ordinals,
            None => return Ok(None),
        },
        Source::Tail(tail) => match in_tail(reader, view, tail, asked)? {
            Some(ordinals) => ordinals,
            None => return Ok(None),
        },
    };
    ordinals.retain(|ordinal| range.contains(ordinal));
    ordinals.sort_unstable();
    ordinals.dedup();
    Ok(Some(ordinals))
}

/// The events of the rarest list of terms; none where all are too many.
fn in_run(reader: &Reader<'_>, run: &Run, asked: &Asked) -> Result<Option<Vec<u32>>> {
    let mut best: Option<(u32, Vec<super::index::Hits>)> = None;
    for list in asked.lists(run.types()) {
        let mut hits = Vec::new();
        for term in list {
            hits.extend(reader.index(run, run.find(term))?);
        }
        let count = hits.iter().map(|hits| hits.count).sum();
        if best.as_ref().is_none_or(|(least, _)| count < *least) {
            best = Some((count, hits));
        }
    }
    let Some((count, hits)) = best else { return Ok(None) };
    if count > run.events / LOOKED_UP_SHARE && count > BACKWARDS_EVENTS_MIN {
        return Ok(None);
    }
    let mut ordinals = Vec::with_capacity(count as usize);
    for hits in hits {
        ordinals.extend(reader.index(run, run.ordinals(hits))?);
    }
    Ok(Some(ordinals))
}

/// The same in memory, where the terms of what came since are made first.
fn in_tail(reader: &mut Reader<'_>, view: &View, tail: &Tail, asked: &Asked) -> Result<Option<Vec<u32>>> {
    let mut recent = view.recent.lock().unwrap_or_else(PoisonError::into_inner);
    let (known, all) = (recent.events(), tail.len() as u32);
    if known < all {
        let source = Source::Tail(tail);
        scan_lines(reader, view, &source, known..all, |fields, _, _| {
            recent.add(fields);
            Ok(true)
        })?;
    }
    let mut best: Option<Vec<u32>> = None;
    for list in asked.lists(Some(recent.types())) {
        let ordinals: Vec<u32> = list.into_iter().flat_map(|term| recent.ordinals(term)).collect();
        if best.as_ref().is_none_or(|least| ordinals.len() < least.len()) {
            best = Some(ordinals);
        }
    }
    let too_many =
        |ordinals: &Vec<u32>| ordinals.len() as u32 > (all / LOOKED_UP_SHARE).max(BACKWARDS_EVENTS_MIN);
    // A clone of the view may know fewer events than were taken in since.
    Ok(best.filter(|ordinals| !too_many(ordinals)))
}

/// Shows the lines of a range of events until it is told to stop; `false` when it was.
pub(super) fn scan_lines(
    reader: &mut Reader<'_>,
    view: &View,
    source: &Source<'_>,
    range: std::ops::Range<u32>,
    mut each: impl FnMut(&Fields<'_>, Place, u64) -> Result<bool>,
) -> Result<bool> {
    let (mut expected, place) = source.at(reader, range.start)?;
    let (last, _) = source.at(reader, range.end - 1)?;
    let files = reader.files;
    let first = view.segments.partition_point(|segment| *segment < place.segment);
    let mut from = u64::from(place.offset);
    for segment in &view.segments[first..] {
        let file = files.segment(*segment)?;
        let told = |error| told(&segment.path(&files.folder), error);
        let is_last = view.segments.last() == Some(segment);
        let end = if is_last { view.end } else { file.len().map_err(told)? };
        let mut lines = Lines::new(&*file, from, end);
        while let Some(line) = lines.next().map_err(told)? {
            let parsed = verified(line.bytes).filter(|_| line.is_ended).and_then(parse);
            let damaged = |what: &str| files.damage(*segment, line.offset, what);
            match parsed {
                Some(Line::Removed(first, last)) if first == expected => expected = Position(last.0 + 1),
                Some(Line::Event(fields)) if fields.position == expected => {
                    let place = Place { segment: *segment, offset: line.offset as u32 };
                    if !each(&fields, place, line.end())? {
                        return Ok(false);
                    }
                    expected = Position(expected.0 + 1);
                }
                Some(_) => return Err(damaged(&format!("position {expected} was expected here"))),
                None => return Err(damaged("the line is not what was written")),
            }
            if expected > last {
                return Ok(true);
            }
        }
        from = 0;
    }
    let place = files.folder.display().to_string();
    Err(Error::corrupt(place, format!("position {expected} is missing: the log ends before it")))
}

/// A page being filled.
struct Filling<'a> {
    read: &'a Read,
    limit: usize,
    bytes: usize,
    scanned: usize,
    page: Page,
}

impl Filling<'_> {
    /// Takes an event in if it matches; `false` when the page is full and the event is left for the next one.
    fn take(&mut self, event: Event) -> bool {
        if self.page.events.len() == self.limit || self.scanned == PAGE_SCAN_EVENTS_MAX {
            return false;
        }
        if self.read.filter.matches(&event) {
            let bytes = event.bytes();
            if self.bytes > 0 && self.bytes + bytes > PAGE_BYTES_MAX {
                return false;
            }
            self.bytes += bytes;
            self.page.next = event.position;
            self.page.events.push(Arc::new(event));
        } else {
            self.page.next = event.position;
        }
        self.scanned += 1;
        true
    }

    fn look_up(
        &mut self,
        reader: &mut Reader<'_>,
        source: &Source<'_>,
        ordinals: &[u32],
        backwards: bool,
    ) -> Result<bool> {
        let order: Box<dyn Iterator<Item = &u32>> =
            if backwards { Box::new(ordinals.iter().rev()) } else { Box::new(ordinals.iter()) };
        for ordinal in order {
            let (position, place) = source.at(reader, *ordinal)?;
            let event = reader.with(place, position, line::event)?;
            let event = event.ok_or_else(|| unreadable(position))?;
            if !self.take(event) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn scan(
        &mut self,
        reader: &mut Reader<'_>,
        view: &View,
        source: &Source<'_>,
        range: std::ops::Range<u32>,
    ) -> Result<bool> {
        scan_lines(reader, view, source, range, |fields, _, _| Ok(self.take(decoded(fields)?)))
    }

    fn scan_back(
        &mut self,
        reader: &mut Reader<'_>,
        view: &View,
        source: &Source<'_>,
        range: std::ops::Range<u32>,
    ) -> Result<bool> {
        let mut to = range.end;
        let mut count = (self.limit as u32).clamp(BACKWARDS_EVENTS_MIN, BACKWARDS_EVENTS);
        while to > range.start {
            let from = to.saturating_sub(count).max(range.start);
            let mut events = Vec::with_capacity((to - from) as usize);
            scan_lines(reader, view, source, from..to, |fields, _, _| {
                events.push(decoded(fields)?);
                Ok(true)
            })?;
            for event in events.into_iter().rev() {
                if !self.take(event) {
                    return Ok(false);
                }
            }
            to = from;
            count = BACKWARDS_EVENTS;
        }
        Ok(true)
    }
}

fn decoded(fields: &Fields<'_>) -> Result<Event> {
    line::event(fields).ok_or_else(|| unreadable(fields.position))
}

fn unreadable(position: Position) -> Error {
    Error::corrupt(format!("position {position}"), "a value of the event is none that a log takes")
}
