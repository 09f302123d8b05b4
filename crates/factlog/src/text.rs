//! Short texts that are checked once, when they are made: names of streams, types, sources, tags.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::shown;
use crate::limits::{STREAM_BYTES_MAX, TAG_BYTES_MAX, TEXT_BYTES_MAX, TYPE_BYTES_MAX};
use crate::{Error, Result};

fn check(what: &str, text: &str, bytes_max: usize) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(format!("{what} is empty; it takes 1 to {bytes_max} bytes")));
    }
    if text.len() > bytes_max {
        return Err(Error::invalid(format!("{what} has {} bytes; {bytes_max} are allowed", text.len())));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(Error::invalid(format!("{what} {} begins or ends with a space", shown(text))));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{what} {} has a control character", shown(text))));
    }
    Ok(())
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $bytes_max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps the text.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self> {
                let text = text.into();
                check($what, &text, $bytes_max)?;
                Ok(Self(text))
            }

            /// Keeps a text that was checked before, such as one read from a store's own file.
            pub fn trusted(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text!(
    /// The name of a stream: ordered facts about one thing, written `category-id`. 1 to 200 bytes.
    StreamName,
    "a stream's name",
    STREAM_BYTES_MAX
);
text!(
    /// What happened, canonically `category:kebab-case`; an open set. 1 to 100 bytes.
    EventType,
    "a type",
    TYPE_BYTES_MAX
);
text!(
    /// A source, target, correlation, session or user. 1 to 200 bytes.
    Text,
    "a source, target, correlation, session or user",
    TEXT_BYTES_MAX
);
text!(
    /// A tag. 1 to 1,000 bytes.
    Tag,
    "a tag",
    TAG_BYTES_MAX
);

impl StreamName {
    /// What kind of thing the stream is about: all before the first `-`, or the whole name.
    ///
    /// ```
    /// let stream: factlog::StreamName = "task-AUTH-001".parse()?;
    /// assert_eq!(stream.category(), "task");
    /// # Ok::<(), factlog::Error>(())
    /// ```
    pub fn category(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }
}
