//! Two kinds of number that must never be swapped: a place in the log, and a place in a stream.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::POSITION_MAX;
use crate::{Error, Result};

/// A place in the whole log: 1, 2, 3 ... ; 0 is before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// A place in one stream, and so the number of its events: 1, 2, 3 ... ; 0 is a stream that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);
    /// After every event that can ever be.
    pub const MAX: Self = Self(POSITION_MAX);

    /// The position after this one.
    ///
    /// # Errors
    /// `Invalid` at 2^53, which no log reaches.
    pub fn next(self) -> Result<Self> {
        if self.0 >= POSITION_MAX {
            return Err(Error::invalid("the log is full: positions stay below 2^53"));
        }
        Ok(Self(self.0 + 1))
    }
}

impl Version {
    /// A stream that does not exist.
    pub const NONE: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
