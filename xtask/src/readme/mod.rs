//! `cargo xtask readme`: runs the commands the pages show, as a reader with an empty home would.
//!
//! A page is one session of `bash -eu`: what a command leaves behind (a file, a variable, a folder entered) is
//! there for the next one. See [`console`] for what a block may say.

mod console;

use std::{
    env,
    ffi::OsString,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use console::Shown;

use crate::{servers::Servers, step};

/// A page that takes longer shows a command that does not end by itself.
const PAGE_SECONDS_MAX: u64 = 120;

/// Builds `factlog` and runs the commands of every page.
pub(crate) fn run() -> Result<()> {
    step::run("build", &mut step::cargo(["build", "--package", "factlog-cli", "--locked"]))?;
    commands(&Servers::provide()?)
}

/// Runs the commands of every page with the `factlog` that was built before.
pub(crate) fn commands(servers: &Servers) -> Result<()> {
    if cfg!(windows) {
        step::skip("commands of the pages", "they are written for bash");
        return Ok(());
    }
    if Command::new("bash").arg("--version").stdout(Stdio::null()).status().is_err() {
        return step::missing("commands of the pages", "bash", "install it, or read the pages with care");
    }
    step::announce("commands of the pages");
    let path = search_path()?;
    for page in pages()? {
        let name = page.strip_prefix(step::root()).unwrap_or(&page).display().to_string();
        let text = fs::read_to_string(&page).with_context(|| format!("cannot read {name}"))?;
        let shown = console::commands(&text).with_context(|| name.clone())?;
        if !shown.is_empty() {
            session(&name, &shown, &path, servers)?;
            eprintln!("    {name}: {} commands", shown.len());
        }
    }
    Ok(())
}

/// The folder of the built programs, then whatever the caller searches.
fn search_path() -> Result<OsString> {
    let built = step::target_folder()?.join("debug");
    let program = built.join("factlog");
    ensure!(program.exists(), "{} is not there\nhint: cargo build --package factlog-cli", program.display());
    let others = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths([built].into_iter().chain(env::split_paths(&others)))?)
}

/// README.md and every page below docs/, in the order of their names.
fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut folders = vec![step::root().join("docs")];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    let first = step::root().join("README.md");
    Ok(first.exists().then_some(first).into_iter().chain(pages).collect())
}

/// Runs what one page shows, in scratch folders that hold nothing.
fn session(page: &str, shown: &[Shown], path: &OsString, servers: &Servers) -> Result<()> {
    let scratch = tempfile::tempdir().context("cannot make a scratch folder")?;
    let folder = |name: &str| -> Result<PathBuf> {
        let folder = scratch.path().join(name);
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    };
    let (home, work, outputs) = (folder("home")?, folder("work")?, folder("outputs")?);

    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-eu", "-c", &script(shown)]).current_dir(work).stdin(Stdio::null());
    bash.env_clear().env("PATH", path).env("HOME", home).env("OUTPUTS", &outputs);
    bash.env("LC_ALL", "C.UTF-8").env("TERM", "dumb").envs(servers.variables());
    let ended = ended_well(&mut bash)?;

    for (index, command) in shown.iter().enumerate() {
        let output = output(&outputs, index);
        let is_last_started = index + 1 == shown.len() || !outputs.join((index + 1).to_string()).exists();
        if is_last_started && ended != Ended::Well {
            bail!("{page}:{}: {}\n$ {}\n{output}", command.line, ended.words(), command.text);
        }
        if let Some(expected) = command.output.as_ref().filter(|expected| **expected != output) {
            let (line, text) = (command.line, &command.text);
            bail!("{page}:{line}: the page shows another output\n$ {text}\n{output}\nshown:\n{expected}");
        }
    }
    Ok(())
}

/// One script for the page; before each command the outputs are led to a file of the command's own.
fn script(shown: &[Shown]) -> String {
    let mut script = String::from("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    for (index, command) in shown.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(script, "exec >\"$OUTPUTS/{index}\" 2>&1\n{}", command.text);
    }
    script
}

fn output(outputs: &Path, index: usize) -> String {
    let bytes = fs::read(outputs.join(index.to_string())).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

#[derive(PartialEq)]
enum Ended {
    Well,
    Badly,
    NotByItself,
}

impl Ended {
    fn words(&self) -> &'static str {
        match self {
            Self::Well => "the command succeeds",
            Self::Badly => "the command fails",
            Self::NotByItself => "the command does not end by itself (mark its block `console,no-run`)",
        }
    }
}

fn ended_well(bash: &mut Command) -> Result<Ended> {
    // A group of its own, so that what the session started can be ended with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(bash, 0);
    let mut child = bash.spawn().context("cannot start bash")?;
    let deadline = Instant::now() + Duration::from_secs(PAGE_SECONDS_MAX);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { Ended::Well } else { Ended::Badly });
        }
        thread::sleep(Duration::from_millis(10));
    }
    let group = format!("-{}", child.id());
    Command::new("kill").args(["-KILL", "--", &group]).status().context("cannot end the session")?;
    child.wait()?;
    Ok(Ended::NotByItself)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(block: &str) -> Result<()> {
        session(
            "PAGE.md",
            &console::commands(block)?,
            &env::var_os("PATH").unwrap_or_default(),
            &Servers::none(),
        )
    }

    #[test]
    fn a_page_is_one_session() {
        run("```console\n$ mkdir folder; cd folder\n$ event=written\n```\n\n```console,exact\n$ echo $event\nwritten\n$ test ! -e folder\n$ ls ~\n```\n")
            .unwrap();
    }

    #[test]
    fn a_failing_command_is_named_with_its_line_and_output() {
        let error = run("```console\n$ true\n$ echo why; false\n$ true\n```\n").unwrap_err().to_string();
        assert_eq!(error, "PAGE.md:3: the command fails\n$ echo why; false\nwhy");
    }

    #[test]
    fn an_output_is_compared_where_the_block_asks_for_it() {
        run("```console\n$ echo one\ntwo\n```\n").unwrap();
        let error = run("```console,exact\n$ echo one\ntwo\n```\n").unwrap_err().to_string();
        assert!(error.starts_with("PAGE.md:2: the page shows another output"), "{error}");
    }
}
