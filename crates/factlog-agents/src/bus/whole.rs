//! A projection of the whole log that is kept in memory, and read on when it is looked at.

use factlog::{EventLog, Moment, Position, Projection, Result, Version};

use super::remembered::Bookmark;

/// The state of a projection, as far as it was read.
#[derive(Debug)]
pub(crate) struct Whole<P> {
    state: P,
    position: Position,
    bookmark: Bookmark,
}

impl<P: Default> Default for Whole<P> {
    fn default() -> Self {
        Self { state: P::default(), position: Position::START, bookmark: Bookmark::of_log() }
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
            self.begin(log).await?;
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
            self.bookmark.count(1);
        }
        self.bookmark.save(log, &self.state, self.position, Version::NONE).await;
        Ok(&self.state)
    }

    async fn begin(&mut self, log: &EventLog) -> Result<()> {
        let newest = log.newest().await?;
        if newest == Position::START {
            return Ok(());
        }
        if let Some(found) = self.bookmark.find::<P>(log).await {
            // What was removed since may have ended what the state has as open.
            let is_gone = |through: Position| through > found.position;
            let removals = log.removals().await?;
            let is_whole =
                !removals.iter().any(|gone| is_gone(gone.through) && gone.filter.overlaps(&P::filter()));
            if is_whole && found.position <= newest {
                (self.state, self.position) = (found.state, found.position);
                return Ok(());
            }
            self.bookmark.refuse();
        }
        self.state = log.at::<P>(Moment::Position(newest)).partial().await?;
        self.position = newest;
        // How many of them it was made of is not told; so many at the most.
        self.bookmark.count(newest.0);
        Ok(())
    }
}
