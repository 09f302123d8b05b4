//! Runs a workload in a process of its own under the shim, and reads what it did.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Failure;
use super::cut::rebuild_whole;
use super::disk::Disk;
use super::stores::Store;
use super::trace::Trace;
use super::workloads::{Place, Workload};

/// What the process is to play, on which store, in which folder; unset in the test itself.
const WORKLOAD: &str = "FACTLOG_TEST_WORKLOAD";
const STORE: &str = "FACTLOG_TEST_STORE";
/// What the shim is told; the process uses the same.
const FOLDER: &str = "FACTLOG_TRACE_FOLDER";
const NOTES: &str = "FACTLOG_TRACE_NOTES";
const TRACE: &str = "FACTLOG_TRACE_FILE";

/// Plays a workload if this process was started to do so.
pub(super) fn play_if_asked() -> bool {
    let variable = |name| std::env::var(name).ok();
    let Some(workload) = variable(WORKLOAD) else { return false };
    let workload = Workload::of(&workload).expect("a workload");
    let place = Place {
        store: variable(STORE).and_then(|name| Store::of(&name)).expect("a store"),
        folder: variable(FOLDER).expect("a folder").into(),
        notes: variable(NOTES).expect("a file for notes").into(),
    };
    super::runtime().block_on(workload.play(&place));
    true
}

/// Compiles the shim; none where this system has no such thing or no compiler.
pub(super) fn shim(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    let skipped = |why: &str| {
        eprintln!("skipped: {why}");
        Ok(None)
    };
    if !cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")) {
        return skipped("only Linux lets a library stand between a process and the system so easily");
    }
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, include_str!("shim.c"))?;
    let mut compiler = Command::new("cc");
    compiler.args(["-std=gnu11", "-O1", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", "-pthread", "-o"]);
    match compiler.arg(&library).arg(&source).output() {
        Ok(output) if output.status.success() => Ok(Some(library)),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        Err(error) if std::env::var_os("CI").is_some() => Err(format!("no C compiler: {error}").into()),
        Err(error) => skipped(&format!("there is no C compiler: {error}")),
    }
}

/// What a workload did to the disk, in the shim's words.
pub(super) fn record(
    shim: &Path,
    store: Store,
    workload: Workload,
    scratch: &Path,
) -> Result<Vec<u8>, Failure> {
    // The system tells folders by their real path.
    let scratch = scratch.canonicalize()?;
    let (folder, trace) = (scratch.join("played"), scratch.join("trace"));
    std::fs::create_dir(&folder)?;
    let output = Command::new(std::env::current_exe()?)
        .env(WORKLOAD, workload.name())
        .env(STORE, store.name())
        .env(FOLDER, &folder)
        .env(NOTES, scratch.join("notes"))
        .env(TRACE, &trace)
        .env("LD_PRELOAD", shim)
        .output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    let bytes = std::fs::read(&trace).map_err(|error| format!("the shim was not loaded: {error}"))?;
    nothing_escaped(&Trace::parse(&bytes)?, &folder, &scratch.join("replayed"))?;
    std::fs::remove_dir_all(&folder)?;
    Ok(bytes)
}

/// The trace is complete when it makes the folder that the process has left.
fn nothing_escaped(trace: &Trace, played: &Path, replayed: &Path) -> Result<(), Failure> {
    let mut disk = Disk::default();
    for operation in &trace.0 {
        disk.apply(operation)?;
    }
    disk.sync_all();
    rebuild_whole(&disk, replayed)?;
    if let Some(difference) = difference(played, replayed)? {
        return Err(format!("the shim has missed something: {difference}").into());
    }
    std::fs::remove_dir_all(replayed)?;
    Ok(())
}

/// Whether two folders hold the same names and bytes; what differs, if anything.
fn difference(left: &Path, right: &Path) -> std::io::Result<Option<String>> {
    let names = |folder: &Path| -> std::io::Result<Vec<std::ffi::OsString>> {
        let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<std::io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    let (ours, theirs) = (names(left)?, names(right)?);
    if ours != theirs {
        return Ok(Some(format!("{}: {ours:?} and {theirs:?}", left.display())));
    }
    for name in ours {
        let (left, right) = (left.join(&name), right.join(&name));
        if left.is_dir() {
            if let Some(found) = difference(&left, &right)? {
                return Ok(Some(found));
            }
        } else if std::fs::read(&left)? != std::fs::read(&right)? {
            return Ok(Some(format!("{} has other bytes", left.display())));
        }
    }
    Ok(None)
}
