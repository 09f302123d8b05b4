//! Ears: each hears all that is said, judges whether that is right, and notes how long it took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::conversation::Conversation;
use super::words::{Words, now_ns};
use super::{Load, Talked};
use crate::measure::Latencies;

/// One that hears.
pub(super) struct Ear {
    conversation: Arc<Conversation>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// By speaker, how much of its words have come.
    of: Vec<u64>,
    latencies: Latencies,
    /// The first that was wrong.
    wrong: Option<String>,
}

impl Ear {
    /// Hears words: to be called first of all, as its own moment is that of hearing.
    pub(super) fn hear(&self, text: &[u8]) {
        let at_ns = now_ns();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match Words::read(text) {
            Ok(words) => {
                heard.check(words);
                if self.conversation.counts(at_ns) {
                    heard.latencies.note(Duration::from_nanos(at_ns.saturating_sub(words.said_ns)));
                }
            }
            Err(error) => heard.note_wrong(error.to_string()),
        }
        drop(heard);
        self.conversation.hear();
    }
}

impl Heard {
    fn check(&mut self, Words { speaker, number, .. }: Words) {
        if self.of.len() <= speaker {
            self.of.resize(speaker + 1, 0);
        }
        let next = self.of[speaker];
        if number != next {
            self.note_wrong(format!("number {number} of speaker {speaker} was heard in place of {next}"));
        }
        self.of[speaker] = number + 1;
    }

    fn note_wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }
}

/// The ears of a run.
pub(super) struct Ears {
    pub(super) conversation: Arc<Conversation>,
    pub(super) all: Vec<Arc<Ear>>,
}

impl Ears {
    pub(super) fn new(load: Load) -> Self {
        let conversation = Conversation::new(load);
        let ear = |_| {
            let conversation = Arc::clone(&conversation);
            Arc::new(Ear { conversation, heard: Mutex::default() })
        };
        Self { all: (0..load.hearers).map(ear).collect(), conversation }
    }

    /// What was heard, once nothing more is to come.
    ///
    /// # Errors
    /// When it was not what was said.
    pub(super) fn finish(&self) -> Result<Talked> {
        let mut latencies = Latencies::default();
        for (number, ear) in self.all.iter().enumerate() {
            let heard = std::mem::take(&mut *ear.heard.lock().unwrap_or_else(PoisonError::into_inner));
            ensure!(heard.wrong.is_none(), "hearer {number}: {}", heard.wrong.unwrap_or_default());
            latencies.join(heard.latencies);
        }
        Ok(Talked { counted: latencies.count(), latencies })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::talk::LOADS;

    #[test]
    fn what_is_lost_or_comes_twice_or_too_early_is_noticed() {
        for (numbers, is_right) in
            [([0, 1, 2], true), ([0, 2, 3], false), ([0, 0, 1], false), ([1, 0, 2], false)]
        {
            let ears = Ears::new(LOADS[0]);
            for number in numbers {
                ears.all[0].hear(Words::now(0, number).text().as_bytes());
            }
            assert_eq!(ears.finish().is_ok(), is_right, "{numbers:?}");
        }
    }

    #[test]
    fn only_what_is_heard_within_the_time_counts() {
        let ears = Ears::new(LOADS[0]);
        ears.all[0].hear(Words::now(0, 0).text().as_bytes());
        ears.conversation.count((0, u64::MAX));
        ears.all[0].hear(Words::now(0, 1).text().as_bytes());
        assert_eq!(ears.finish().unwrap().counted, 1);
    }
}
