//! A chore is a row of steps: each is named, run, timed, and stops the chore when it fails.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::servers;

/// Runs a step and says how long it took.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<()> {
    let started = Instant::now();
    closing(name, command)?;
    eprintln!("    {name}: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Runs the last step of a chore: nothing is printed after it, so that its closing lines stay the last ones.
pub(crate) fn closing(name: &str, command: &mut Command) -> Result<()> {
    announce(name);
    let status = command.status().with_context(|| cannot_start(command))?;
    succeeded(name, command, status)
}

/// Runs a step, shows the lines it prints as they come, and returns them.
pub(crate) fn capture(name: &str, command: &mut Command) -> Result<Vec<String>> {
    announce(name);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let mut lines = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.with_context(|| format!("cannot read what {name} prints"))?;
            eprintln!("{line}");
            lines.push(line);
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    succeeded(name, command, status)?;
    Ok(lines)
}

/// Says which step begins.
pub(crate) fn announce(name: &str) {
    eprintln!("==> {name}");
}

/// Says that a step is left out, which is no failure anywhere.
pub(crate) fn skip(name: &str, reason: &str) {
    announce(name);
    eprintln!("    skipped: {reason}");
}

/// Says that a step cannot be made here. In CI that is a failure, elsewhere the chore goes on without it.
pub(crate) fn missing(name: &str, what: &str, remedy: &str) -> Result<()> {
    if env::var("CI").is_ok_and(|ci| ci == "true") {
        bail!("{name} needs {what}, which is not installed\nhint: {remedy}");
    }
    skip(name, &format!("{what} is not installed; {remedy}"));
    Ok(())
}

/// The cargo that started this program, working at the root of the repository.
pub(crate) fn cargo<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(root());
    command
}

/// Whether `cargo SUBCOMMAND` exists here.
pub(crate) fn cargo_has(subcommand: &str) -> bool {
    cargo([subcommand, "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where the workspace is built: what is built there may be used by the workspaces beside it.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec();
    Ok(metadata.context("cargo does not say where it builds")?.target_directory.into_std_path_buf())
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command_line(command))
}

fn succeeded(name: &str, command: &Command, status: ExitStatus) -> Result<()> {
    let beside = if has_servers(command) { ", and the variables of `cargo xtask postgres`" } else { "" };
    let repeat = command_line(command);
    ensure!(status.success(), "{name} failed ({status})\nhint: repeat it with: {repeat}{beside}");
    Ok(())
}

/// Whether a command was given servers, which will have ended when somebody repeats it.
fn has_servers(command: &Command) -> bool {
    command.get_envs().any(|(name, _)| servers::VARIABLES.iter().any(|variable| name == *variable))
}

/// The command as one would type it.
fn command_line(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter(|(name, _)| servers::VARIABLES.iter().all(|variable| name != variable))
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quoted(value?))));
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let arguments = command.get_args().map(quoted);
    let words: Vec<String> =
        variables.chain([program.to_string_lossy().into_owned()]).chain(arguments).collect();
    words.join(" ")
}

/// A word as a shell reads it.
pub(crate) fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |character: char| character.is_alphanumeric() || "-_=./,:@+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_says_how_to_repeat_it() {
        let mut command = cargo(["no-such-subcommand", "two words"]);
        command.env("RUSTDOCFLAGS", "-D warnings").stderr(Stdio::null());

        let error = run("a step that fails", &mut command).unwrap_err().to_string();

        assert!(error.starts_with("a step that fails failed"), "{error}");
        let repeat = "hint: repeat it with: RUSTDOCFLAGS='-D warnings' cargo no-such-subcommand 'two words'";
        assert!(error.ends_with(repeat), "{error}");
    }
}
