//! `cargo xtask fuzz`: gives the targets of `fuzz/` bytes of all kinds, and says what broke them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};

use crate::step;

/// The version of cargo-fuzz that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";
/// How long each target runs where nothing else is said.
const SECONDS: u64 = 60;
/// An input that takes longer is one that hangs.
const INPUT_SECONDS_MAX: u64 = 20;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    targets: Vec<&'a str>,
    seconds: u64,
}

/// Runs targets, all of them where none is named, one after the other.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let known = targets()?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let asked = asked(options, &known)?;
    provide()?;
    step::run("build of the targets", &mut cargo_fuzz(["build"]))?;
    let mut broken = Vec::new();
    for target in &asked.targets {
        if !holds(target, asked.seconds)? {
            broken.push(*target);
        }
    }
    if !broken.is_empty() {
        bail!("these targets are broken: {}", broken.join(", "));
    }
    Ok(())
}

fn asked<'a>(options: &[&'a str], known: &[&'a str]) -> Result<Asked<'a>> {
    let mut asked = Asked { targets: Vec::new(), seconds: SECONDS };
    let mut options = options.iter().copied();
    while let Some(option) = options.next() {
        match option {
            "--seconds" => {
                let number = options.next().context("--seconds needs a value")?;
                asked.seconds =
                    number.parse().with_context(|| format!("{number} is no number of seconds"))?;
            }
            target if known.contains(&target) => asked.targets.push(target),
            unknown => bail!("{unknown} is no target\nhint: the targets are {}", known.join(", ")),
        }
    }
    if asked.targets.is_empty() {
        asked.targets = known.to_vec();
    }
    Ok(asked)
}

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let folder = step::root().join("fuzz/targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut targets = Vec::new();
    for entry in entries {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

/// What fuzzing needs besides the toolchain is installed, as far as that can be done from here.
fn provide() -> Result<()> {
    let is_there = |command: &mut Command| {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    if !is_there(Command::new("rustup").arg("--version")) {
        bail!(
            "fuzzing needs a nightly toolchain beside this one, and rustup is not installed\nhint: install rustup"
        );
    }
    if !is_there(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])) {
        let install = ["toolchain", "install", "nightly", "--profile", "minimal"];
        step::run("installation of a nightly toolchain", Command::new("rustup").args(install))?;
    }
    if !step::cargo_has("fuzz") {
        let install = ["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ];
        step::run("installation of cargo-fuzz", &mut step::cargo(install))?;
    }
    Ok(())
}

/// `cargo +nightly fuzz`; the cargo that runs this program knows no other toolchains.
fn cargo_fuzz<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]).args(arguments).current_dir(step::root());
    command
}

/// Runs a target; `false` when an input broke it.
fn holds(target: &str, seconds: u64) -> Result<bool> {
    let fuzz = step::root().join("fuzz");
    let grown = fuzz.join("grown").join(target);
    fs::create_dir_all(&grown).with_context(|| format!("cannot make {}", grown.display()))?;
    let mut command = cargo_fuzz(["run", target]);
    // New inputs go into the first folder; the others are only read.
    command.arg(&grown);
    command.args(
        ["corpus", "regressions"]
            .map(|kept| fuzz.join(kept).join(target))
            .iter()
            .filter(|kept| kept.is_dir()),
    );
    command.args(["--", &format!("-max_total_time={seconds}"), &format!("-timeout={INPUT_SECONDS_MAX}")]);
    // What lives as long as the process, such as the threads of a runtime, is no leak.
    command.args(["-detect_leaks=0", "-print_final_stats=1"]);
    let words = fuzz.join("dictionaries").join(format!("{target}.dict"));
    if words.is_file() {
        command.arg(format!("-dict={}", words.display()));
    }
    let began = SystemTime::now();
    let Err(error) = step::run(target, &mut command) else { return Ok(true) };
    let inputs = newer(&fuzz.join("artifacts").join(target), began);
    if inputs.is_empty() {
        return Err(error);
    }
    let kept = fuzz.join("regressions").join(target);
    fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    for input in inputs {
        let name = input.strip_prefix(step::root()).unwrap_or(&input).display().to_string();
        eprintln!("{target} is broken by {name}");
        eprintln!("    run it again:   cargo +nightly fuzz run {target} {name}");
        eprintln!("    once mended:    mv {name} fuzz/regressions/{target}/");
    }
    Ok(false)
}

/// The files of a folder that were written since.
fn newer(folder: &Path, since: SystemTime) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_new = |path: &PathBuf| {
        let written = fs::metadata(path).and_then(|about| about.modified());
        written.is_ok_and(|written| written >= since)
    };
    entries.map(|entry| entry.path()).filter(is_new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_run_unless_some_are_named() {
        let known = ["json", "line"];
        let all = asked(&["--seconds", "5"], &known).unwrap();
        assert_eq!(all, Asked { targets: known.to_vec(), seconds: 5 });
        assert_eq!(asked(&["line"], &known).unwrap(), Asked { targets: vec!["line"], seconds: SECONDS });
        for wrong in [&["lines"][..], &["--seconds"], &["--seconds", "x"], &["--only", "line"]] {
            assert!(asked(wrong, &known).is_err(), "{wrong:?}");
        }
    }
}
