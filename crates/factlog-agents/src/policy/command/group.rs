//! A process in a group of its own, which ends with all that is in it.

use std::io::Result;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};

/// How long a process that was killed is waited for.
const KILLED_MAX: Duration = Duration::from_secs(5);

/// A process and its group. Dropping it kills the group while the process has not ended.
pub(super) struct Group {
    pub(super) child: Child,
    /// Of the process that has not been waited for yet: until then the system gives its number to nobody else.
    number: Option<u32>,
}

impl Group {
    pub(super) fn spawn(command: &mut Command) -> Result<Self> {
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn()?;
        let number = child.id();
        Ok(Self { child, number })
    }

    /// Waits for its end; may be given up, and asked again.
    pub(super) async fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().await;
        self.number = None;
        status
    }

    /// Kills the group, and waits for the end of the process.
    pub(super) async fn kill(&mut self) {
        self.kill_now();
        // What is killed ends, unless the system holds it; it is cleared away then when it does.
        let _ = tokio::time::timeout(KILLED_MAX, self.child.wait()).await;
    }

    fn kill_now(&mut self) {
        let Some(number) = self.number.take() else { return };
        #[cfg(unix)]
        if let Some(group) = i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended just now.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        #[cfg(not(unix))]
        let _ = number;
        let _ = self.child.start_kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill_now();
    }
}
