//! What can go wrong, told apart by what the caller can do about it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{StreamName, Version};

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Somebody was faster: read again, decide again. HTTP 409.
    Conflict,
    /// The input is wrong and stays wrong: change it. HTTP 400.
    Invalid,
    /// There is no such thing. HTTP 404.
    NotFound,
    /// The caller lacks a right. HTTP 401 or 403.
    Denied,
    /// Nothing was changed; try again later. HTTP 503.
    Unavailable,
    /// Stored bytes are not what was written; [`Error::place`] says where. HTTP 500.
    Corrupt,
    /// The store no longer accepts work; open it again. HTTP 500.
    Stopped,
}

impl ErrorKind {
    /// The word on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::Stopped => "stopped",
        }
    }
}

/// An error: its kind, a message that says what and where, and where possible a hint that says what to do.
///
/// It is cheap to clone, because one failed commit answers many callers.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    place: Option<String>,
    stream: Option<StreamName>,
    expected: Option<Version>,
    actual: Option<Version>,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hint: None,
            place: None,
            stream: None,
            expected: None,
            actual: None,
            cause: None,
        }))
    }

    /// See [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// See [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// See [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// See [`ErrorKind::Denied`].
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, message)
    }

    /// See [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// See [`ErrorKind::Corrupt`]; `place` is a file, a table, a position.
    pub fn corrupt(place: impl Into<String>, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Corrupt, message);
        error.0.place = Some(place.into());
        error
    }

    /// See [`ErrorKind::Stopped`].
    pub fn stopped(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Stopped, message)
    }

    /// A stream was not at the version that the batch expected.
    pub fn wrong_version(stream: &StreamName, expected: Option<Version>, actual: Version) -> Self {
        let wanted = match expected {
            None => "to exist".to_owned(),
            Some(Version::NONE) => "not to exist".to_owned(),
            Some(version) => format!("at version {version}"),
        };
        let found = match actual {
            Version::NONE => "does not exist".to_owned(),
            version => format!("is at version {version}"),
        };
        let mut error = Self::conflict(format!("stream {stream} was expected {wanted}, and {found}"))
            .with_hint("read the stream again and decide on what is there now");
        error.0.stream = Some(stream.clone());
        error.0.expected = expected;
        error.0.actual = Some(actual);
        error
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_cause(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    /// Says first what was being done: `CONTEXT: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// What the caller can do next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without the hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Where the damage is.
    pub fn place(&self) -> Option<&str> {
        self.0.place.as_deref()
    }

    /// The stream whose version did not fit.
    pub fn stream(&self) -> Option<&StreamName> {
        self.0.stream.as_ref()
    }

    /// The version that was expected; none when any existing one would have done.
    pub fn expected(&self) -> Option<Version> {
        self.0.expected
    }

    /// The version that the stream is at.
    pub fn actual(&self) -> Option<Version> {
        self.0.actual
    }

    /// The wire form: `{"code","message","hint","stream","expected","actual"}`.
    pub fn to_wire(&self) -> ErrorWire {
        ErrorWire {
            code: self.0.kind,
            message: match &self.0.place {
                Some(place) => format!("{place}: {}", self.0.message),
                None => self.0.message.clone(),
            },
            hint: self.0.hint.clone(),
            stream: self.0.stream.clone(),
            expected: self.0.expected,
            actual: self.0.actual,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.0.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.kind.code())?;
        if let Some(hint) = &self.0.hint {
            write!(f, " (hint: {hint})")?;
        }
        if let Some(cause) = &self.0.cause {
            write!(f, " (cause: {cause})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause.as_ref() as _)
    }
}

/// An error as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorWire {
    /// The kind.
    pub code: ErrorKind,
    /// What happened.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The stream whose version did not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamName>,
    /// The version that was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Version>,
    /// The version that the stream is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Version>,
}

/// A text as an error shows it: quoted, and cut where it is long.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    match text.char_indices().nth(CHARACTERS_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
    }
}

/// Why a fold cannot take an event: it is shown, and nothing is skipped in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

impl From<Error> for Invalid {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Invalid {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Invalid {
    fn from(message: &str) -> Self {
        Self(message.to_owned())
    }
}
