//! A projection of the whole log that is kept in memory, and read on when it is looked at.

use factlog::{EventLog, Moment, Position, Projection, Result};

/// The state of a projection, as far as it was read.
#[derive(Debug)]
pub(crate) struct Whole<P> {
    state: P,
    position: Position,
}

impl<P: Default> Default for Whole<P> {
    fn default() -> Self {
        Self { state: P::default(), position: Position::START }
    }
}

impl<P: Projection> Whole<P> {
    /// The state, as it was last read.
    pub(crate) fn state(&self) -> &P {
        &self.state
    }

    /// Everything up to here was taken in.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Takes in what came since; the first time from where the projection was remembered.
    pub(crate) async fn refresh(&mut self, log: &EventLog) -> Result<&P> {
        if self.position == Position::START {
            let newest = log.newest().await?;
            if newest > Position::START {
                self.state = log.at::<P>(Moment::Position(newest)).partial().await?;
                self.position = newest;
            }
        }
        let mut reading = log.read(P::filter()).after(self.position);
        while let Some(event) = reading.next().await {
            let event = event?;
            self.state.apply(&event).map_err(|why| {
                factlog::Error::invalid(format!(
                    "the event at position {} cannot be applied: {why}",
                    event.position
                ))
            })?;
            self.position = event.position;
        }
        Ok(&self.state)
    }
}
