//! What is said: 256 bytes of JSON that tell who said them, and when.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workload::BODY_BYTES;

/// The clock of the system, in nanoseconds: one for all processes of a machine.
pub(super) fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// What tells words from all others. No two are alike: a bus takes the same words again and again for a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Words {
    pub(super) speaker: usize,
    /// How much this speaker has said before.
    pub(super) number: u64,
    pub(super) said_ns: u64,
}

impl Words {
    /// Words of this moment.
    pub(super) fn now(speaker: usize, number: u64) -> Self {
        Self { speaker, number, said_ns: now_ns() }
    }

    /// As JSON of exactly [`BODY_BYTES`].
    pub(super) fn text(self) -> String {
        let Self { speaker, number, said_ns } = self;
        let mut text = format!(r#"{{"speaker":{speaker},"number":{number},"saidNs":{said_ns},"summary":""#);
        while text.len() < BODY_BYTES - 2 {
            text.push('.');
        }
        text + "\"}"
    }

    pub(super) fn read(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text).context("what is heard was never said")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_json_of_the_size_of_all_bodies_and_are_read_again() {
        let words = Words::now(15, 123_456);
        let text = words.text();
        assert_eq!(text.len(), BODY_BYTES);
        assert_eq!(Words::read(text.as_bytes()).unwrap(), words);
        assert!(Words::read(b"{}").is_err());
    }
}
