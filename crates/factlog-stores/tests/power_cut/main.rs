//! The power goes, at any moment: what was acknowledged is there, nothing is there by half, and the log goes on.
//!
//! A workload runs in a process of its own, and a shim writes down what it does to the disk. For many moments of that
//! record, the folder is made anew as a power cut could leave it (`cut`), opened, and looked through (`verify`). A
//! failure says how it is seen again:
//!
//! ```text
//! FACTLOG_POWER_CUT=STORE:WORKLOAD:CUT:SEED FACTLOG_POWER_CUT_TRACE=FILE cargo test -p factlog-stores --test power_cut
//! ```

mod cut;
mod disk;
mod model;
mod notes;
mod recorder;
mod stores;
mod trace;
mod verify;
mod workloads;

use std::path::{Path, PathBuf};

use factlog_stores::Open;
use libtest_mimic::{Arguments, Failed, Trial};

use disk::Disk;
use notes::Note;
use stores::Store;
use trace::{Operation, Trace};
use workloads::Workload;

/// Which case to see again.
const CASE: &str = "FACTLOG_POWER_CUT";
/// The record that it is about.
const TRACE: &str = "FACTLOG_POWER_CUT_TRACE";
/// Operations before the cut that a failure shows.
const SHOWN: usize = 12;

type Failure = Box<dyn std::error::Error>;

fn main() {
    if recorder::play_if_asked() {
        return;
    }
    let arguments = Arguments::from_args();
    let trials = match std::env::var(CASE) {
        Ok(case) => vec![trial(format!("case_{case}"), move || again(&case))],
        Err(_) => trials(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: String, run: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Trial {
    Trial::test(name, move || run().map_err(|failure| Failed::from(failure.to_string())))
}

fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for store in Store::ALL.into_iter().filter(|store| !store.may_lose()) {
        for workload in Workload::ALL {
            let name = format!("{}_after_a_power_cut_{}", store.name(), workload.promise());
            trials.push(trial(name, move || survives(store, workload)));
        }
    }
    trials.push(trial("a_store_that_loses_what_it_acknowledged_is_found_out".into(), loss_is_found));
    trials.push(trial("the_disk_keeps_what_was_synced_and_may_lose_or_tear_the_rest".into(), model::disk));
    trials.push(trial("the_disk_keeps_names_only_with_their_folder".into(), model::all_names));
    trials
}

/// A runtime for one process or one thread of tests.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A folder for files that nobody needs to survive a power cut: in memory, where a system has such a place.
fn scratch() -> std::io::Result<tempfile::TempDir> {
    tempfile::TempDir::new_in("/dev/shm").or_else(|_| tempfile::TempDir::new())
}

/// One workload, cut off.
struct Recording {
    store: Store,
    workload: Workload,
    trace: Trace,
    /// What was said, and where in the trace.
    notes: Vec<(usize, Note)>,
    /// The records, to be kept when a case fails.
    bytes: Vec<u8>,
}

impl Recording {
    fn of(store: Store, workload: Workload, bytes: Vec<u8>) -> Result<Self, Failure> {
        let trace = Trace::parse(&bytes)?;
        let mut notes = Vec::new();
        for (at, operation) in trace.0.iter().enumerate() {
            if let Operation::Note(note) = operation {
                notes.push((at, serde_json::from_str(note)?));
            }
        }
        Ok(Self { store, workload, trace, notes, bytes })
    }

    fn notes_before(&self, cut: usize) -> Vec<Note> {
        let end = self.notes.partition_point(|(at, _)| *at < cut);
        self.notes[..end].iter().map(|(_, note)| note.clone()).collect()
    }

    /// Opens what a cut leaves and demands what must hold; how many acknowledged events are lost.
    async fn case(&self, disk: &Disk, cut: usize, seed: u64, folder: &Path) -> Result<usize, Failure> {
        cut::rebuild(disk, cut, seed, folder)?;
        let log = factlog_stores::open(&self.store.url(folder), Open::Create).await?;
        let lost = verify::verify(&log, &self.notes_before(cut), self.store.may_lose()).await;
        let closed = log.close().await;
        let lost = lost?;
        closed?;
        Ok(lost)
    }

    /// Tries all cases, and stops at the first one that fails.
    fn cases(&self, cuts: &[usize], seeds: u64) -> Result<usize, Failure> {
        let (scratch, runtime) = (scratch()?, runtime());
        let mut disk = Disk::default();
        let (mut done, mut lost) = (0, 0);
        for cut in cuts {
            while done < *cut {
                disk.apply(&self.trace.0[done])?;
                done += 1;
            }
            for seed in 0..seeds {
                let folder = scratch.path().join(format!("{cut}-{seed}"));
                let shown = Shown { recording: self, cut: *cut, seed };
                let outcome = runtime.block_on(self.case(&disk, *cut, seed, &folder));
                lost += outcome.map_err(|failure| format!("{}\n{failure}", shown.text()))?;
                std::mem::forget(shown);
                std::fs::remove_dir_all(folder)?;
            }
        }
        let (store, workload) = (self.store.name(), self.workload.name());
        eprintln!("{store}, {workload}: {} operations, {} cuts of {seeds} disks", done, cuts.len());
        Ok(lost)
    }

    /// Keeps the records for another look.
    fn keep(&self) -> PathBuf {
        let name = format!("power-cut-{}-{}.trace", self.store.name(), self.workload.name());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if let Err(error) = std::fs::write(&path, &self.bytes) {
            eprintln!("{} cannot be kept: {error}", path.display());
        }
        path
    }
}

/// A case, which is told also when a store panics in it.
struct Shown<'a> {
    recording: &'a Recording,
    cut: usize,
    seed: u64,
}

impl Shown<'_> {
    fn text(&self) -> String {
        let Recording { store, workload, trace, .. } = self.recording;
        let (cut, seed) = (self.cut, self.seed);
        let before: Vec<String> =
            (cut.saturating_sub(SHOWN)..cut).map(|at| format!("  {at}: {}", trace.0[at])).collect();
        format!(
            "cut {cut} of {}, seed {seed}, after\n{}\nsee it again with {CASE}={}:{}:{cut}:{seed} {TRACE}={}",
            trace.len(),
            before.join("\n"),
            store.name(),
            workload.name(),
            self.recording.keep().display()
        )
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.text());
        }
    }
}

/// Runs a workload; none where this system has no way to watch it.
fn record(store: Store, workload: Workload) -> Result<Option<Recording>, Failure> {
    let scratch = scratch()?;
    let Some(shim) = recorder::shim(scratch.path())? else { return Ok(None) };
    let bytes = recorder::record(&shim, store, workload, scratch.path())?;
    Recording::of(store, workload, bytes).map(Some)
}

fn survives(store: Store, workload: Workload) -> Result<(), Failure> {
    let Some(recording) = record(store, workload)? else { return Ok(()) };
    let (cuts, seeds) = workload.cuts_and_seeds();
    let cuts = recording.trace.cuts(cuts, &mut fastrand::Rng::with_seed(20_261_120));
    recording.cases(&cuts, seeds)?;
    Ok(())
}

/// The weaker level loses what came since the last checkpoint: where that is not seen, nothing here would be.
fn loss_is_found() -> Result<(), Failure> {
    let Some(recording) = record(Store::SqliteNormal, Workload::Single)? else { return Ok(()) };
    let cuts = recording.trace.cuts(60, &mut fastrand::Rng::with_seed(20_261_120));
    let lost = recording.cases(&cuts, 3)?;
    assert!(lost > 0, "a log that does not sync has lost nothing");
    Ok(())
}

/// One case again, whose folder is kept.
fn again(case: &str) -> Result<(), Failure> {
    let parts: Vec<&str> = case.split(':').collect();
    let [store, workload, cut, seed] = parts[..] else {
        return Err(format!("{CASE}={case:?} is not STORE:WORKLOAD:CUT:SEED").into());
    };
    let store = Store::of(store).ok_or("there is no such store")?;
    let workload = Workload::of(workload).ok_or("there is no such workload")?;
    let trace = std::env::var(TRACE).map_err(|_| format!("{TRACE} names no record"))?;
    let recording = Recording::of(store, workload, std::fs::read(trace)?)?;
    let cut: usize = cut.parse()?;
    let mut disk = Disk::default();
    for operation in &recording.trace.0[..cut] {
        disk.apply(operation)?;
    }
    let folder =
        tempfile::Builder::new().prefix("power-cut-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?.keep();
    eprintln!("{} is what the cut has left, as the store has mended it since", folder.display());
    let lost = runtime().block_on(recording.case(&disk, cut, seed.parse()?, &folder))?;
    eprintln!("{lost} acknowledged events are lost");
    Ok(())
}
