//! A session that is one JSON document, made into the lines that it would be in the newer format.

use factlog::{Error, Result};
use serde_json::value::RawValue;

use crate::fields::{InOrder, written};

/// The lists of a document that hold its messages, in the names that versions gave them.
const LISTS: &[&str] = &["messages", "history"];
/// The field that is a record of its own: it comes when the session is over.
const SUMMARY: &str = "summary";

/// What a document is.
pub(super) enum Document {
    /// Its lines: first what is said of the session, then each message, and the summary where there is one.
    Lines(String),
    /// Its writer is not done with it.
    Unfinished,
}

/// Takes a document apart; each record stays as it is written, but for white space.
///
/// # Errors
/// `Invalid` for what is no session.
pub(super) fn take_apart(document: &str) -> Result<Document> {
    let none = || Error::invalid("not a session: no object with a list of messages");
    let fields = match serde_json::from_str::<InOrder<'_>>(document) {
        Ok(fields) => fields.0,
        Err(cause) if cause.is_eof() => return Ok(Document::Unfinished),
        Err(cause) if cause.is_data() => return Err(none()),
        Err(cause) => return Err(Error::invalid(format!("not JSON: {cause}")).with_cause(cause)),
    };
    let (mut head, mut messages, mut summary, mut is_session) = (Vec::new(), String::new(), None, false);
    for (name, value) in fields {
        let is_list = LISTS.contains(&name.as_str()) && value.get().starts_with('[');
        if is_list {
            is_session = true;
            let list: Vec<&RawValue> = serde_json::from_str(value.get())
                .map_err(|cause| Error::invalid(format!("not JSON: {cause}")).with_cause(cause))?;
            for message in list {
                push_line(&mut messages, message.get());
            }
        } else if name == SUMMARY {
            summary = Some(written(&[(name, value)])?);
        } else {
            head.push((name, value));
        }
    }
    if !is_session {
        return Err(none());
    }
    let mut lines = String::with_capacity(document.len());
    push_line(&mut lines, &written(&head)?);
    lines.push_str(&messages);
    if let Some(summary) = summary {
        push_line(&mut lines, &summary);
    }
    Ok(Document::Lines(lines))
}

fn push_line(lines: &mut String, record: &str) {
    // In JSON a line ends between tokens only, where a space means the same.
    lines.extend(record.chars().map(|char| if matches!(char, '\n' | '\r') { ' ' } else { char }));
    lines.push('\n');
}
