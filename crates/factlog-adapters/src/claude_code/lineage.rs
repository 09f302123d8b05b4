//! Which session a line of a file is of: a resumed session may begin with lines of the one before.

use factlog::Text;

use crate::recent::Recent;

/// The sessions of the last lines, found by their uuid.
#[derive(Default)]
pub(super) struct Lineage {
    sessions: Recent<Text>,
    last: Option<Text>,
}

impl Lineage {
    pub(super) fn add(&mut self, uuid: &str, session: &Text) {
        // Most lines are of the session of the line before, and share its name.
        let session = match &self.last {
            Some(last) if last == session => last.clone(),
            _ => self.last.insert(session.clone()).clone(),
        };
        self.sessions.put(uuid, session);
    }

    /// The session of a line that was read not too long ago.
    pub(super) fn session(&self, uuid: &str) -> Option<&Text> {
        self.sessions.get(uuid)
    }
}
