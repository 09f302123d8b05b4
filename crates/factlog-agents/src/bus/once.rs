//! Decisions whose events follow from what they are about, ids included: whoever takes them, they are in the log once.

use factlog::{Appended, ErrorKind, EventLog, NewEvent, Result};

use super::held::Held;
use super::remembered::Remembered;

/// What became of such a decision.
#[derive(Debug)]
pub(super) enum Once {
    /// There was nothing to record.
    Nothing,
    /// It is recorded.
    Recorded(Appended),
    /// An id of it is in the log already: somebody was faster. The state has taken that in.
    Taken,
}

impl Once {
    pub(super) fn recorded(self) -> Option<Appended> {
        match self {
            Self::Recorded(appended) => Some(appended),
            Self::Nothing | Self::Taken => None,
        }
    }
}

impl<S: Remembered> Held<S> {
    /// As [`Held::decide`], where an id that is taken is no error.
    pub(super) async fn decide_once(
        &mut self,
        log: &EventLog,
        mut decide: impl FnMut(&S) -> Result<Vec<NewEvent>>,
    ) -> Result<Once> {
        let mut is_refused = false;
        let decided = self
            .decide(log, |state| {
                let events = decide(state);
                is_refused = events.is_err();
                events
            })
            .await;
        match decided {
            Ok(None) => Ok(Once::Nothing),
            Ok(Some(appended)) if !appended.repeated => Ok(Once::Recorded(appended)),
            // A conflict that tells no version is one of ids.
            Err(error) if is_refused || error.kind() != ErrorKind::Conflict || error.actual().is_some() => {
                Err(error)
            }
            _ => {
                self.refresh(log).await?;
                Ok(Once::Taken)
            }
        }
    }
}
