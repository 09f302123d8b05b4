//! Which operation fails, and how.

use std::io;

use fastrand::Rng;

/// What happens to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails: a write after some bytes, a sync like [`Fault::Unsynced`], a change of names before or after it is made.
    Broken,
    /// There is no room: a write stops in the middle, nothing is made. It waits for an operation that takes room.
    Full,
    /// The sync fails, and a part of what was to be synced may never reach the disk. It waits for a sync.
    Unsynced,
    /// The power fails, and nothing works any more until the crash is over.
    PowerCut,
}

/// What an operation does to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Look,
    Write,
    Cut,
    Sync,
    /// Makes a file or a folder, or gives a name.
    Name,
    Unname,
}

/// Faults to come.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// After so many operations, of this kind, so often.
    pub(super) next: Option<(u64, Fault, u32)>,
    /// One operation in so many.
    pub(super) random: Option<(u64, Fault)>,
    pub(super) operations: u64,
    /// The power is gone.
    pub(super) is_dark: bool,
}

impl Plan {
    /// Counts an operation, and says what happens to it.
    pub(super) fn operation(&mut self, operation: Operation, random: &mut Rng) -> io::Result<Option<Fault>> {
        if self.is_dark {
            return Err(dark());
        }
        self.operations += 1;
        let mut fault = None;
        if let Some((at, planned, times)) = &mut self.next
            && self.operations >= *at
            && concerns(*planned, operation)
        {
            fault = Some(*planned);
            *times -= 1;
            if *times == 0 {
                self.next = None;
            }
        }
        if let Some((one_in, chosen)) = self.random
            && concerns(chosen, operation)
            && random.u64(0..one_in) == 0
        {
            fault = Some(chosen);
        }
        if fault == Some(Fault::PowerCut) {
            self.is_dark = true;
            return Err(dark());
        }
        Ok(fault)
    }
}

fn concerns(fault: Fault, operation: Operation) -> bool {
    match fault {
        Fault::Broken | Fault::PowerCut => true,
        Fault::Full => matches!(operation, Operation::Write | Operation::Name),
        Fault::Unsynced => operation == Operation::Sync,
    }
}

impl Fault {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Full => io::Error::new(io::ErrorKind::StorageFull, "the simulated disk is full"),
            Self::Broken => io::Error::other("the simulated disk has failed"),
            Self::Unsynced => io::Error::other("the simulated disk could not write what it had taken"),
            Self::PowerCut => dark(),
        }
    }
}

/// The error of everything that is done after the power was cut, or with a file from before.
pub(super) fn dark() -> io::Error {
    io::Error::other("the simulated machine has no power")
}
