//! The log's lock, waited for no longer than is wanted.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factlog::{Error, Result};

use crate::vfs::VfsFile;

/// The lock of one open file. The system's own queue is fair, where asking again and again is not; so the waiting is done by
/// a thread that can be left behind.
///
/// A lock belongs to the open file and not to who asked for it. So there is one such thread at a time, and whoever asks next
/// waits for the same one: a second one would take the lock with the first, and lose it when the first gives it back.
pub(super) struct Lock {
    file: Arc<dyn VfsFile>,
    shared: Arc<Shared>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    locked: Condvar,
}

enum Waiting {
    /// No thread waits.
    Nobody,
    /// A thread waits, for somebody or for nobody any more.
    Thread { is_wanted: bool },
    /// The thread has it for who asked.
    Done(io::Result<()>),
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lock {
    pub(super) fn new(file: Arc<dyn VfsFile>) -> Self {
        let shared = Shared { waiting: Mutex::new(Waiting::Nobody), locked: Condvar::new() };
        Self { file, shared: Arc::new(shared) }
    }

    /// Takes the lock if nobody has it.
    pub(super) fn at_once(&self) -> io::Result<bool> {
        match *self.shared.waiting() {
            Waiting::Nobody => self.file.try_lock(),
            // Somebody else has it, or has just given it back.
            Waiting::Thread { .. } | Waiting::Done(_) => Ok(false),
        }
    }

    /// Takes the lock. One asks at a time.
    pub(super) fn within(&self, wait: Duration) -> io::Result<Result<()>> {
        let mut waiting = self.shared.waiting();
        if let Waiting::Nobody = *waiting {
            if self.file.try_lock()? {
                return Ok(Ok(()));
            }
            let (file, shared) = (Arc::clone(&self.file), Arc::clone(&self.shared));
            std::thread::Builder::new()
                .name("factlog-lock".into())
                .spawn(move || wait_for(&*file, &shared))?;
        }
        *waiting = Waiting::Thread { is_wanted: true };
        let is_waiting = |waiting: &mut Waiting| !matches!(waiting, Waiting::Done(_));
        let waited = self.shared.locked.wait_timeout_while(waiting, wait, is_waiting);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *waiting, Waiting::Nobody) {
            Waiting::Done(outcome) => outcome.map(Ok),
            Waiting::Nobody | Waiting::Thread { .. } => {
                *waiting = Waiting::Thread { is_wanted: false };
                let waited = wait.as_millis();
                Ok(Err(Error::unavailable(format!(
                    "another process has kept the log locked for {waited} ms"
                ))
                .with_hint("try again; if nothing writes it, look for a process that is stopped")))
            }
        }
    }

    /// Gives the lock back.
    pub(super) fn give_back(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

/// What the thread does.
fn wait_for(file: &dyn VfsFile, shared: &Shared) {
    let outcome = file.lock();
    let mut waiting = shared.waiting();
    if matches!(*waiting, Waiting::Thread { is_wanted: true }) {
        *waiting = Waiting::Done(outcome);
    } else {
        if outcome.is_ok() {
            // An error leaves it to the end of the process.
            let _ = file.unlock();
        }
        *waiting = Waiting::Nobody;
    }
    shared.locked.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::{OpenFile, RealDisk, Vfs};

    const SOON: Duration = Duration::from_millis(1);
    const LATE: Duration = Duration::from_secs(60);

    /// Story: a wait was given up, and the next one began. Both got the lock at once when it came, for it was that of one open
    /// file; then the one that nobody wanted gave it back, and two processes wrote.
    #[test]
    fn a_wait_that_was_given_up_takes_nothing_from_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let open = || RealDisk.open(&path, OpenFile::Create).unwrap();
        let other = open();
        for _ in 0..20 {
            other.lock().unwrap();
            let lock = Lock::new(open());
            for _ in 0..3 {
                assert!(lock.within(SOON).unwrap().is_err());
            }
            assert!(!lock.at_once().unwrap());
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| lock.within(LATE).unwrap());
                other.unlock().unwrap();
                waiting.join().unwrap().unwrap();
            });
            assert!(!other.try_lock().unwrap(), "it has it alone");
            lock.give_back().unwrap();
            assert!(lock.at_once().unwrap());
            lock.give_back().unwrap();
        }
    }

    #[test]
    fn a_lock_that_came_too_late_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RealDisk.open(&folder.path().join("lock"), OpenFile::Create).unwrap();
        let (other, lock) = (open(), Lock::new(open()));
        other.lock().unwrap();
        assert!(lock.within(SOON).unwrap().is_err());
        other.unlock().unwrap();
        // The system's queue lets it in when the thread has had its turn.
        other.lock().unwrap();
        other.unlock().unwrap();
    }
}
