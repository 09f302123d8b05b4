//! A NATS server of our own, on a free loopback port, with the settings that it comes with.
//!
//! It does not outlive the process that started it, however that ends: between the two there is a shell that waits on a
//! pipe, and ends the server when the pipe closes.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;

/// Where the program is.
const VARIABLE: &str = "FACTLOG_TEST_NATS_SERVER";
const PROGRAM: &str = "nats-server";
/// How long the server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(10);
/// What the shell does: the arguments are the server's command line.
const SUPERVISOR: &str = r#"
trap '' PIPE
"$@" </dev/null >/dev/null 2>&1 &
server=$!
read -r _
kill -KILL "$server" 2>/dev/null
wait "$server" 2>/dev/null
"#;

static URL: OnceLock<String> = OnceLock::new();

/// The server; it goes when it is dropped.
pub(crate) struct NatsServer {
    shell: Child,
    folder: TempDir,
}

/// What the server writes about its ports.
#[derive(Deserialize)]
struct Ports {
    nats: Vec<String>,
}

impl NatsServer {
    /// Why there cannot be one; none where there can.
    pub(crate) fn missing() -> Option<String> {
        if cfg!(not(unix)) {
            return Some("it is started on Unix only".to_owned());
        }
        program().err().map(|error| error.to_string())
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR, "sh"]).arg(program()?).args(["--addr", "127.0.0.1", "--port", "-1"]);
        shell.arg("--ports_file_dir").arg(folder.path());
        set_apart(&mut shell);
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let server = Self { shell, folder };
        let url = server.answers()?;
        URL.get_or_init(|| url);
        Ok(server)
    }

    fn answers(&self) -> Result<String> {
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            if let Some(url) = ports(self.folder.path())?.and_then(|ports| ports.nats.into_iter().next()) {
                return Ok(url);
            }
            thread::sleep(LOOK);
        }
        bail!("the NATS server does not begin")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // It can only fail where somebody else has waited.
        let _ = self.shell.wait();
    }
}

/// Where clients reach the server.
pub(super) fn url() -> Result<&'static str> {
    Ok(URL.get().context("no server was started")?)
}

/// What the server has written about its ports, once that is complete.
fn ports(folder: &Path) -> Result<Option<Ports>> {
    for entry in fs::read_dir(folder)? {
        if let Ok(ports) = serde_json::from_slice(&fs::read(entry?.path())?) {
            return Ok(Some(ports));
        }
    }
    Ok(None)
}

fn program() -> Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { bail!("{VARIABLE}: {} is no file", named.display()) };
    }
    let searched: OsString = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&searched).map(|folder| folder.join(PROGRAM));
    found
        .find(|program| program.is_file())
        .with_context(|| format!("there is no `{PROGRAM}` on the search path, and {VARIABLE} names none"))
}

/// No Ctrl-C reaches it: it ends with us.
#[cfg(unix)]
fn set_apart(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn set_apart(_: &mut Command) {}
