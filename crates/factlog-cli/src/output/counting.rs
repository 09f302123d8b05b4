//! How far long work is, on a terminal; elsewhere nothing.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::ProgressBar;

/// How often the sign of life moves.
const TICK_MS: u64 = 100;

/// A line that says what is being done.
pub(crate) struct Counting(Option<ProgressBar>);

impl Counting {
    pub(crate) fn new() -> Self {
        let shown = std::io::stderr().is_terminal();
        Self(shown.then(|| {
            let line = ProgressBar::new_spinner();
            line.enable_steady_tick(Duration::from_millis(TICK_MS));
            line
        }))
    }

    pub(crate) fn say(&self, what: impl Display) {
        if let Some(line) = &self.0 {
            line.set_message(what.to_string());
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            line.finish_and_clear();
        }
    }
}
