//! What a log is asked to take, drawn from the seed of its world.

use factlog::{Batch, Event, EventId, Expect, Filter, NewEvent, Position, Removal, Timestamp, Version};
use factlog_stores::vfs::Vfs;

use super::model::{Draft, Model};
use super::world::{Due, World, again};

const STREAMS: [&str; 4] = ["task-1", "task-2", "agent-7", "note"];
const TYPES: [&str; 3] = ["task:created", "task:done", "noted"];
const DAY_MICROS: i64 = 86_400_000_000;

impl World {
    /// A batch, and what it should be told.
    pub(super) fn batch(&mut self, draft: &mut Draft, is_mixed: bool, is_last: bool) -> (Batch, Due) {
        match self.random.u8(0..16) {
            0 if !self.model.recorded.is_empty() => {
                let index = self.random.usize(..self.model.recorded.len());
                (again(&self.model.recorded[index]), Due::Repeated)
            }
            1 if !self.model.lost.is_empty() => {
                let batch = self.model.lost.swap_remove(0);
                Model::place(draft, &batch);
                (batch, Due::New)
            }
            2 | 3 if is_last => {
                let batch = self.kept(draft, is_mixed);
                let is_certain = !is_mixed && self.model.tellers.is_empty();
                (batch, if is_certain { Due::New } else { Due::NewUnlessLate })
            }
            4 => {
                let event = self.event();
                let version = draft.versions.get(&event.stream).copied().unwrap_or(0);
                let stream = event.stream.clone();
                let wrong = Expect::Version(Version(version + self.random.u64(1..3)));
                (Batch::new(vec![event]).unwrap().expect(stream, wrong).unwrap(), Due::Conflict)
            }
            kind => {
                let events: Vec<_> = (0..self.random.usize(1..=4)).map(|_| self.event()).collect();
                let stream = events[0].stream.clone();
                let version = draft.versions.get(&stream).copied().unwrap_or(0);
                let mut batch = Batch::new(events).unwrap();
                if kind < 8 {
                    batch = batch.expect(stream, Expect::Version(Version(version))).unwrap();
                }
                Model::place(draft, &batch);
                (batch, Due::New)
            }
        }
    }

    /// Events of another log, with their stamps: some were left out there.
    fn kept(&mut self, draft: &Draft, is_mixed: bool) -> Batch {
        let mut at = draft.clone();
        let now = self.disk.now().as_micros() + i64::from(is_mixed) * 1_000_000;
        let mut time = self.model.recorded_at.map_or(now, |last| last.as_micros().max(now));
        let mut events = Vec::new();
        for _ in 0..self.random.usize(1..=4) {
            let fact = self.event();
            let gap = if self.random.bool() { 0 } else { self.random.u64(1..4) };
            at.head += 1 + gap;
            let version = at.versions.entry(fact.stream.clone()).or_default();
            *version += 1 + self.random.u64(0..=gap);
            let most = if self.random.u8(0..8) == 0 { DAY_MICROS } else { 1_000 };
            time += self.random.i64(0..most);
            let recorded_at = Timestamp::from_micros(time).unwrap();
            events.push(Event { position: Position(at.head), version: Version(*version), recorded_at, fact });
        }
        Batch::kept(events).unwrap()
    }

    pub(super) fn event(&mut self) -> NewEvent {
        let random = &mut self.random;
        let stream = STREAMS[random.usize(..STREAMS.len())];
        let data = serde_json::json!({ "n": random.u32(..), "text": "x".repeat(random.usize(0..200)) });
        let event = NewEvent::new(stream, TYPES[random.usize(..TYPES.len())], data).unwrap();
        // A version 7 by its time, or any other id.
        let (time, rest) = (self.disk.now().as_micros() as u128 / 1_000, random.u128(..));
        let id = if random.bool() { uuid(time << 80 | rest >> 48, 7) } else { uuid(rest, 4) };
        event.with_id(id)
    }

    pub(super) fn removal(&mut self) -> Removal {
        let filter = match self.random.u8(0..3) {
            0 => Filter::all(),
            1 => Filter::stream(STREAMS[self.random.usize(..STREAMS.len())].parse().unwrap()),
            _ => Filter::types([TYPES[self.random.usize(..TYPES.len())]]).unwrap(),
        };
        let through = Position(self.random.u64(0..=self.model.head));
        Removal { filter, through, archive: None }
    }
}

fn uuid(bits: u128, version: u128) -> EventId {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | version << 76 | 0b10 << 62;
    EventId(uuid::Uuid::from_u128(bits))
}
