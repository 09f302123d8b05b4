//! The log's lock, waited for no longer than is wanted.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use factlog::{Error, Result};

use crate::vfs::VfsFile;

/// Takes the lock. The system's own queue is fair, where asking again and again is not; so the waiting is done by a thread
/// that can be left behind.
pub(super) fn lock_within(file: &Arc<dyn VfsFile>, wait: Duration) -> io::Result<Result<()>> {
    if file.try_lock()? {
        return Ok(Ok(()));
    }
    let (locked, waiting) = channel();
    let is_wanted = Arc::new(Mutex::new(true));
    std::thread::Builder::new().name("factlog-lock".into()).spawn({
        let (file, is_wanted) = (Arc::clone(file), Arc::clone(&is_wanted));
        move || {
            let outcome = file.lock();
            let is_wanted = is_wanted.lock().unwrap_or_else(PoisonError::into_inner);
            if !*is_wanted && outcome.is_ok() {
                // Nobody waits any more; an error leaves it to the end of the process.
                let _ = file.unlock();
            }
            // Nobody may be there to hear it.
            let _ = locked.send(outcome);
        }
    })?;
    match waiting.recv_timeout(wait) {
        Ok(outcome) => outcome.map(Ok),
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the thread that waits for the lock has ended"))
        }
        Err(RecvTimeoutError::Timeout) => {
            let mut is_wanted = is_wanted.lock().unwrap_or_else(PoisonError::into_inner);
            // It may have come at the last moment.
            if let Ok(outcome) = waiting.try_recv() {
                return outcome.map(Ok);
            }
            *is_wanted = false;
            let waited = wait.as_millis();
            Ok(Err(Error::unavailable(format!("another process has kept the log locked for {waited} ms"))
                .with_hint("try again; if nothing writes it, look for a process that is stopped")))
        }
    }
}
