//! The same work for every subject: small facts about a thousand streams, each appended with an expected version.

use std::sync::LazyLock;

use uuid::Uuid;

/// Streams of a log.
pub(crate) const STREAMS: usize = 1_000;
/// Streams of a log that grows, each as busy as the others.
pub(crate) const STREAMS_MANY: usize = 100_000;
/// Types of events.
pub(crate) const TYPES: usize = 24;
/// Bytes of a body.
pub(crate) const BODY_BYTES: usize = 256;
/// Events that share a correlation, at the most.
const OPERATION_EVENTS_MAX: usize = 10;
/// Different bodies.
const BODIES: usize = 64;

/// The names of the streams, by their numbers.
pub(crate) static STREAM_NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..STREAMS_MANY).map(|stream| format!("task-{stream:04}")).collect());

/// The names of the types, by their numbers.
pub(crate) static TYPE_NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..TYPES).map(|kind| format!("task:step-{kind:02}")).collect());

static BODY_TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| (0..BODIES).map(body).collect());

/// A JSON object of exactly [`BODY_BYTES`], as an agent might record it.
fn body(number: usize) -> String {
    let start = format!(
        r#"{{"taskId":"task-{number:03}","attempt":{},"ok":true,"durationMs":{},"#,
        number % 7,
        number * 37
    );
    let words = ["read", "the", "file", "and", "changed", "two", "lines", "tests", "pass", "now"];
    let mut text = start + r#""summary":""#;
    for word in words.iter().cycle().skip(number % words.len()) {
        if text.len() + word.len() + 1 > BODY_BYTES - 2 {
            break;
        }
        text = text + word + " ";
    }
    while text.len() < BODY_BYTES - 2 {
        text.push('.');
    }
    text + "\"}"
}

/// One event to be.
#[derive(Clone, Copy)]
pub(crate) struct Fact {
    pub(crate) id: Uuid,
    /// The number of its type.
    pub(crate) kind: usize,
    pub(crate) correlation: Uuid,
    pub(crate) body: &'static str,
}

/// Events of one stream that are recorded completely or not at all.
pub(crate) struct Batch {
    /// The number of its stream.
    pub(crate) stream: usize,
    /// The version the stream must have before.
    pub(crate) expected: u64,
    pub(crate) facts: Vec<Fact>,
}

/// One writer and the streams that are its own.
pub(crate) struct Writer {
    /// Numbers of streams, and their versions.
    streams: Vec<(usize, u64)>,
    random: fastrand::Rng,
    correlation: Uuid,
    /// Events that are left in the operation of this correlation.
    left: usize,
}

impl Writer {
    /// The writer of this number among so many.
    pub(crate) fn new(number: usize, writers: usize) -> Self {
        Self::of(number, writers, STREAMS)
    }

    /// The same, of a log with so many streams.
    pub(crate) fn of(number: usize, writers: usize, streams: usize) -> Self {
        let streams = (number..streams).step_by(writers).map(|stream| (stream, 0)).collect();
        let random = fastrand::Rng::with_seed(number as u64 + 1);
        Self { streams, random, correlation: Uuid::nil(), left: 0 }
    }

    /// The next batch, for a stream drawn by lot; it counts as appended.
    pub(crate) fn next(&mut self, events: usize) -> Batch {
        let drawn = self.random.usize(..self.streams.len());
        let (stream, version) = self.streams[drawn];
        self.streams[drawn].1 += events as u64;
        Batch { stream, expected: version, facts: (0..events).map(|_| self.fact()).collect() }
    }

    /// A first event for each of its streams: to begin a stream costs more than to go on, and is no part of a run.
    pub(crate) fn begin(&mut self) -> Vec<Batch> {
        let facts: Vec<Fact> = (0..self.streams.len()).map(|_| self.fact()).collect();
        let begun = self.streams.iter_mut().zip(facts).map(|((stream, version), fact)| {
            *version = 1;
            Batch { stream: *stream, expected: 0, facts: vec![fact] }
        });
        begun.collect()
    }

    fn fact(&mut self) -> Fact {
        if self.left == 0 {
            self.correlation = Uuid::now_v7();
            self.left = self.random.usize(1..=OPERATION_EVENTS_MAX);
        }
        self.left -= 1;
        Fact {
            id: Uuid::now_v7(),
            kind: self.random.usize(..TYPES),
            correlation: self.correlation,
            body: &BODY_TEXTS[self.random.usize(..BODIES)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_one_size() {
        for body in BODY_TEXTS.iter() {
            assert_eq!(body.len(), BODY_BYTES);
            assert!(serde_json::from_str::<serde_json::Value>(body).unwrap().is_object());
        }
    }

    #[test]
    fn writers_own_their_streams_and_know_the_versions() {
        let mut owners = vec![None; STREAMS];
        for number in 0..8 {
            let mut writer = Writer::new(number, 8);
            let mut versions = vec![0; STREAMS];
            for batch in writer.begin() {
                assert_eq!(batch.expected, 0);
                versions[batch.stream] = 1;
            }
            for _ in 0..2_000 {
                let batch = writer.next(3);
                assert!(owners[batch.stream].is_none_or(|owner| owner == number));
                owners[batch.stream] = Some(number);
                assert_eq!(batch.expected, versions[batch.stream]);
                versions[batch.stream] += 3;
            }
        }
    }
}
