//! The servers that tests reach by variables: PostgreSQL, and `PgBouncer` before it.
//!
//! Where the environment names a server, that one is used. Else one is started for the chore, and its programs are
//! installed where that can be done without a question.

#[path = "../../crates/factlog-stores/tests/cluster/mod.rs"]
mod cluster;

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, anyhow, ensure};
use cluster::{Bouncer, Cluster};

use crate::step;

const POSTGRES_URL: &str = "FACTLOG_TEST_POSTGRES_URL";
const PGBOUNCER_URL: &str = "FACTLOG_TEST_PGBOUNCER_URL";
const POSTGRES_BIN: &str = "FACTLOG_POSTGRES_BIN";
/// Where tests look for the servers and their programs.
pub(crate) const VARIABLES: [&str; 3] = [POSTGRES_URL, PGBOUNCER_URL, POSTGRES_BIN];

const REMEDY: &str = "install it (apt-get install postgresql pgbouncer, brew install postgresql pgbouncer), or name a \
                      server that is there for tests: FACTLOG_TEST_POSTGRES_URL=postgres://USER@HOST/DATABASE";
/// Keeps Debian's package from starting a server of its own.
const NO_SERVER_OF_DEBIAN: &str = "/etc/postgresql-common/createcluster.d/factlog.conf";

/// What tests are given; the servers that were started for them end with it.
pub(crate) struct Servers {
    variables: Vec<(&'static str, OsString)>,
    // In the order in which they are to end.
    _bouncer: Option<Bouncer>,
    _cluster: Option<Cluster>,
}

impl Servers {
    /// The servers for a chore: those of the environment, or new ones, or none where none can be had.
    pub(crate) fn provide() -> Result<Self> {
        if env::var_os(POSTGRES_URL).is_some() {
            let named = VARIABLES.into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
            return Ok(Self { variables: named.collect(), _bouncer: None, _cluster: None });
        }
        Self::of_our_own()
    }

    fn of_our_own() -> Result<Self> {
        if cfg!(windows) {
            step::skip("servers", "they are started on Unix only");
            return Ok(Self::none());
        }
        step::announce("servers");
        install_missing();
        Self::start()
    }

    /// No servers at all.
    pub(crate) fn none() -> Self {
        Self { variables: Vec::new(), _bouncer: None, _cluster: None }
    }

    /// The variables that lead to the servers.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        self.variables.iter().map(|(name, value)| (*name, value))
    }

    fn start() -> Result<Self> {
        let programs = match Cluster::programs() {
            Ok(programs) => programs,
            Err(reason) => return missing("PostgreSQL", &reason).map(|()| Self::none()),
        };
        let cluster = Cluster::start().map_err(|error| anyhow!("cannot start PostgreSQL: {error}"))?;
        let mut variables = vec![(POSTGRES_URL, cluster.url().into()), (POSTGRES_BIN, programs.into())];
        let bouncer = match Bouncer::program() {
            Ok(_) => {
                Some(Bouncer::start(&cluster).map_err(|error| anyhow!("cannot start PgBouncer: {error}"))?)
            }
            Err(reason) => missing("PgBouncer", &reason).map(|()| None)?,
        };
        variables.extend(bouncer.iter().map(|bouncer| (PGBOUNCER_URL, bouncer.url().into())));
        Ok(Self { variables, _bouncer: bouncer, _cluster: Some(cluster) })
    }
}

fn missing(what: &str, reason: &str) -> Result<()> {
    eprintln!("    {reason}");
    step::missing(&format!("testing with {what}"), what, REMEDY)
}

/// `cargo xtask postgres`: servers for whoever runs single tests, until standard input closes.
pub(crate) fn run() -> Result<()> {
    let servers = Servers::of_our_own()?;
    ensure!(!servers.variables.is_empty(), "there are no servers to start");
    for (name, value) in servers.variables() {
        println!("export {name}={}", step::quoted(value));
    }
    eprintln!("    they end with Ctrl-C, or when standard input closes");
    io::copy(&mut io::stdin(), &mut io::sink()).context("cannot read standard input")?;
    Ok(())
}

/// Installs what is missing where that needs no question: as root, by apt-get. Should it fail, the servers are missing.
fn install_missing() {
    let mut packages = Vec::new();
    if Cluster::programs().is_err() && env::var_os(POSTGRES_BIN).is_none() {
        packages.push("postgresql");
    }
    if Bouncer::program().is_err() {
        packages.push("pgbouncer");
    }
    let is_debian = quiet("apt-get", &["--version"]).is_ok();
    if packages.is_empty() || !is_debian || !quiet("id", &["-u"]).is_ok_and(|id| id.trim() == "0") {
        return;
    }
    if let Err(error) = install(&packages) {
        eprintln!("    {error:#}");
    }
}

fn install(packages: &[&str]) -> Result<()> {
    let settings = Path::new(NO_SERVER_OF_DEBIAN);
    let folder = settings.parent().context("the settings have a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(settings, "create_main_cluster = false\n")
        .with_context(|| format!("cannot write {}", settings.display()))?;
    let installed = step::run("package lists", &mut apt_get(&["update"])).and_then(|()| {
        let install = ["install", "-y", "--no-install-recommends"];
        step::run("installation of servers", apt_get(&install).args(packages))
    });
    // Whoever installs a server for other ends gets what Debian does.
    fs::remove_file(settings).with_context(|| format!("cannot remove {}", settings.display()))?;
    if packages.contains(&"pgbouncer") {
        // Its package starts a service, which does not run where services do not.
        let _ = quiet("service", &["pgbouncer", "stop"]);
        let _ = quiet("update-rc.d", &["pgbouncer", "disable"]);
    }
    installed
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    // Standard output is for what was asked for.
    command.stdout(io::stderr());
    command
}

/// What a program prints on its standard output, where it ends well.
fn quiet(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{program} failed ({})", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
