//! The processes that the agents are in: started, killed, suspended and gone on with.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::plan::PROCESSES;
use super::{PROCESS, worker};

/// What every process is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) folder: &'a Path,
    pub(super) url: &'a str,
    pub(super) seed: u64,
    pub(super) messages: usize,
}

pub(super) struct Processes<'a> {
    setting: Setting<'a>,
    generation: u64,
    random: fastrand::Rng,
    running: BTreeMap<usize, Child>,
    /// The one that is suspended, and when it goes on.
    suspended: Option<(usize, Instant)>,
    /// The one that was killed and stays away for a while, and since when.
    lost: Option<(usize, Instant)>,
    pub(super) kills: usize,
    pub(super) suspensions: usize,
}

impl<'a> Processes<'a> {
    pub(super) fn start(setting: Setting<'a>) -> Self {
        let random = fastrand::Rng::with_seed(setting.seed);
        let (running, generation) = (BTreeMap::new(), 0);
        let (suspended, lost) = (None, None);
        let mut processes =
            Self { setting, generation, random, running, suspended, lost, kills: 0, suspensions: 0 };
        for process in 0..PROCESSES {
            processes.spawn(process);
        }
        processes
    }

    fn spawn(&mut self, process: usize) {
        self.generation += 1;
        let child = Command::new(std::env::current_exe().unwrap())
            .env(PROCESS, process.to_string())
            .env(worker::LOG, self.setting.url)
            .env(worker::FOLDER, self.setting.folder)
            .env(worker::SEED, self.setting.seed.to_string())
            .env(worker::MESSAGES, self.setting.messages.to_string())
            .env(worker::GENERATION, self.generation.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.running.insert(process, child);
    }

    /// A number of things that are done until something happens.
    pub(super) fn until_next(&mut self, on_average: usize) -> usize {
        self.random.usize(1..2 * on_average)
    }

    /// Kills one process, whichever it is and also if it is suspended, and starts it again.
    pub(super) fn kill(&mut self) {
        let process = self.random.usize(..PROCESSES);
        if self.end(process) {
            self.spawn(process);
        }
    }

    /// Kills a process that does not come back for a while.
    pub(super) fn lose(&mut self, process: usize) {
        if self.end(process) {
            self.lost = Some((process, Instant::now()));
        }
    }

    pub(super) fn lost(&self) -> Option<(usize, Instant)> {
        self.lost
    }

    /// Starts what was away.
    pub(super) fn find(&mut self) {
        if let Some((process, _)) = self.lost.take() {
            self.spawn(process);
        }
    }

    /// Whether there was one to be killed.
    fn end(&mut self, process: usize) -> bool {
        let Some(mut child) = self.running.remove(&process) else { return false };
        child.kill().unwrap();
        child.wait().unwrap();
        self.suspended.take_if(|(suspended, _)| *suspended == process);
        self.kills += 1;
        true
    }

    /// Suspends one process, whichever it is, for longer than what it has in hand is its own: as a laptop does that is shut.
    pub(super) fn suspend(&mut self) {
        if self.suspended.is_some() || !cfg!(unix) {
            return;
        }
        let process = self.random.usize(..PROCESSES);
        let Some(child) = self.running.get(&process) else { return };
        signal(child, "-STOP");
        self.suspended = Some((process, Instant::now() + worker::VISIBILITY + Duration::from_secs(1)));
        self.suspensions += 1;
    }

    /// How long it is until one that is suspended goes on.
    pub(super) fn until_due(&self) -> Option<Duration> {
        self.suspended.map(|(_, end)| end.saturating_duration_since(Instant::now()))
    }

    /// Has one that is suspended go on, once it is time.
    pub(super) fn wake_due(&mut self) {
        if let Some((process, _)) = self.suspended.take_if(|(_, end)| *end <= Instant::now()) {
            signal(&self.running[&process], "-CONT");
        }
    }

    /// No process ends by itself.
    pub(super) fn are_alive(&mut self) {
        for (process, child) in &mut self.running {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the process {process} has ended by itself: {status}");
            }
        }
    }

    pub(super) fn stop(mut self) {
        for (_, mut child) in std::mem::take(&mut self.running) {
            drop(child.stdin.take());
            let status = child.wait().unwrap();
            assert!(status.success(), "a process ended with {status}");
        }
    }
}

/// A test that fails leaves no process behind, and none that is suspended for ever.
impl Drop for Processes<'_> {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success(), "kill {signal}: {status}");
}
