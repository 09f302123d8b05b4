//! PostgreSQL servers for tests and benchmarks: each on a free loopback port and in a scratch folder, gone when dropped.
//!
//! A server does not outlive the process that started it, however that ends: between the two there is a shell that waits
//! on a pipe, and ends the server when the pipe closes.
#![allow(dead_code, reason = "each test uses its part")]

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// Ports that are tried for a new server, since another process may be faster with one that was free.
const PORTS_TRIED_MAX: usize = 5;
/// How often a server is started on a folder where one was killed: what that one shared may still be in use.
const RESTARTS_MAX: usize = 30;
/// What distributions keep the programs of each version in.
const INSTALLED: &str = "/usr/lib/postgresql";
/// Where distributions put servers that are not on the search path of everyone.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// The arguments: a folder, `pg_isready`, a port, how many starts are tried, the signal that ends the server, the server.
/// It prints the server's process as soon as that answers, and ends with it.
const SUPERVISOR: &str = r#"
folder=$1 is_ready=$2 port=$3 starts=$4 end=$5
shift 5
trap '' PIPE
exec 3<&0 </dev/null
answers() {
    looks=0
    while kill -0 "$server" 2>/dev/null && [ "$looks" -lt 1200 ]; do
        "$is_ready" -q -h "$folder" -p "$port" -U factlog -d postgres && return 0
        looks=$((looks + 1))
        sleep 0.05
    done
    return 1
}
while :; do
    "$@" >>"$folder/log" 2>&1 3<&- &
    server=$!
    answers && break
    kill "-$end" "$server" 2>/dev/null
    wait "$server"
    starts=$((starts - 1))
    [ "$starts" -gt 0 ] || exit 1
    sleep 0.2
done
{
    read -r _ <&3
    : >"$folder/orphaned"
    kill "-$end" "$server"
} >/dev/null &
watcher=$!
echo "$server"
exec >&-
wait "$server"
kill -KILL "$watcher" 2>/dev/null
if [ -e "$folder/orphaned" ]; then rm -rf "$folder"; fi
"#;

/// A PostgreSQL server of our own, on a free loopback port, gone when dropped.
pub(crate) struct Cluster {
    server: Option<Supervised>,
    programs: PathBuf,
    account: Account,
    port: u16,
    folder: TempDir,
}

impl Cluster {
    /// The folder with the newest server's programs, or why there is none.
    pub(crate) fn programs() -> Result<PathBuf, String> {
        if cfg!(not(unix)) {
            return Err("servers for tests are started on Unix only".to_owned());
        }
        if let Some(named) = env::var_os("FACTLOG_POSTGRES_BIN") {
            let named = PathBuf::from(named);
            return if is_server(&named) {
                Ok(named)
            } else {
                Err(format!("FACTLOG_POSTGRES_BIN: {} holds no PostgreSQL server", named.display()))
            };
        }
        let searched = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&searched).find(|folder| is_server(folder));
        found.or_else(newest_installed).ok_or_else(|| {
            format!("there is no PostgreSQL server: no `postgres` on the search path or in {INSTALLED}/*/bin")
        })
    }

    /// A new and empty server that answers.
    pub(crate) fn start() -> Result<Self, String> {
        Self::start_in(&env::temp_dir())
    }

    /// The same, on the disk of this folder.
    pub(crate) fn start_in(parent: &Path) -> Result<Self, String> {
        let programs = Self::programs()?;
        let account = Account::find()?;
        let folder = account.folder(parent)?;
        let mut initdb = account.command(programs.join("initdb"), folder.path());
        initdb.arg("--pgdata").arg(folder.path().join("data"));
        initdb.args(["--username=factlog", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        output(&mut initdb)?;
        let mut cluster = Self { server: None, programs, account, port: 0, folder };
        on_a_free_port(|port| {
            cluster.port = port;
            cluster.launch(1)
        })?;
        Ok(cluster)
    }

    /// Where clients reach it, as its superuser.
    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends every process of the server at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // What is stopped starts no further processes while we look for those that it has started.
        signal("STOP", &[&server.process]);
        let backends = children_of(&server.process);
        let all: Vec<&str> = backends.iter().map(String::as_str).chain([server.process.as_str()]).collect();
        signal("KILL", &all);
        server.wait();
    }

    /// Ends one process of a server at once; the server then sends all its clients away, and recovers.
    pub(crate) fn kill_backend(process: i32) {
        signal("KILL", &[&process.to_string()]);
    }

    /// Shuts the server down in good order: its clients are sent away, everything is written.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.end("INT");
        }
    }

    /// Starts the server again, on the same folder and port, and waits until it answers.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.stop();
        self.launch(RESTARTS_MAX)
    }

    /// What the server has said, for the messages of failures.
    pub(crate) fn log(&self) -> String {
        log(self.folder.path())
    }

    fn launch(&mut self, starts: usize) -> Result<(), String> {
        let folder = self.folder.path();
        let sockets = format!("unix_socket_directories={}", folder.display());
        let mut server = Command::new(self.programs.join("postgres"));
        server.arg("-D").arg(folder.join("data")).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "max_connections=200", &sockets] {
            server.args(["-c", setting]);
        }
        let shell = self.account.command("sh", folder);
        let supervision =
            Supervision { folder, programs: &self.programs, port: self.port, starts, end: "QUIT" };
        self.server = Some(supervision.start(shell, &server)?);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.end("QUIT");
        }
    }
}

/// `PgBouncer` before a cluster, one server connection for each transaction; gone when dropped.
pub(crate) struct Bouncer {
    server: Supervised,
    port: u16,
    folder: TempDir,
}

impl Bouncer {
    /// The program, or why there is none.
    pub(crate) fn program() -> Result<PathBuf, String> {
        let searched = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&searched).chain(SYSTEM_FOLDERS.map(PathBuf::from));
        let mut programs = folders.map(|folder| folder.join("pgbouncer"));
        programs.find(|program| program.is_file()).ok_or_else(|| {
            format!(
                "there is no PgBouncer: no `pgbouncer` on the search path or in {}",
                SYSTEM_FOLDERS.join(", ")
            )
        })
    }

    /// One before a cluster.
    pub(crate) fn start(cluster: &Cluster) -> Result<Self, String> {
        let program = Self::program()?;
        let folder = cluster.account.folder(&env::temp_dir())?;
        let configuration = folder.path().join("pgbouncer.ini");
        let users = folder.path().join("users");
        write(&users, "\"factlog\" \"\"\n")?;
        let start = |port: u16| {
            write(&configuration, &bouncer_settings(folder.path(), cluster.port, port))?;
            let mut server = Command::new(&program);
            server.arg(&configuration);
            let shell = cluster.account.command("sh", folder.path());
            let (folder, programs) = (folder.path(), &cluster.programs);
            Supervision { folder, programs, port, starts: 1, end: "KILL" }.start(shell, &server)
        };
        let (server, port) = on_a_free_port(|port| Ok((start(port)?, port)))?;
        Ok(Self { server, port, folder })
    }

    /// Where clients reach the cluster through it.
    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it has said, for the messages of failures.
    pub(crate) fn log(&self) -> String {
        log(self.folder.path())
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        self.server.end("KILL");
    }
}

fn bouncer_settings(folder: &Path, server: u16, port: u16) -> String {
    let folder = folder.display();
    // Without the last line, a server that is back after a crash is not looked for before 15 seconds are over.
    format!(
        "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir = {folder}\nauth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n\
         default_pool_size = 20\nmax_client_conn = 500\nserver_login_retry = 1\n"
    )
}

/// How a server is started and looked after.
struct Supervision<'a> {
    folder: &'a Path,
    programs: &'a Path,
    port: u16,
    starts: usize,
    /// The signal that ends it at once.
    end: &'a str,
}

impl Supervision<'_> {
    /// Starts a server below this shell and waits until it answers.
    fn start(&self, mut shell: Command, server: &Command) -> Result<Supervised, String> {
        shell.args(["-c", SUPERVISOR, "sh"]).arg(self.folder).arg(self.programs.join("pg_isready"));
        shell.args([&self.port.to_string(), &self.starts.to_string(), self.end]);
        shell.arg(server.get_program()).args(server.get_args());
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().map_err(|error| format!("cannot start a shell: {error}"))?;
        let mut process = String::new();
        if let Some(said) = shell.stdout.take() {
            // What cannot be read was not said, which is judged below.
            let _ = BufReader::new(said).read_line(&mut process);
        }
        let process = process.trim().to_owned();
        let mut supervised = Supervised { shell, process };
        if supervised.process.is_empty() {
            supervised.wait();
            let program = server.get_program().display();
            return Err(format!("{program} does not answer; its log:\n{}", log(self.folder)));
        }
        Ok(supervised)
    }
}

/// A server, and the shell that waits for it.
struct Supervised {
    shell: Child,
    /// The server's own process.
    process: String,
}

impl Supervised {
    fn end(&mut self, name: &str) {
        signal(name, &[&self.process]);
        self.wait();
    }

    fn wait(&mut self) {
        // The pipe stays open until the shell has ended by itself: it closes when a server has lost its owner.
        let pipe = self.shell.stdin.take();
        // It can only fail where somebody else has waited.
        let _ = self.shell.wait();
        drop(pipe);
    }
}

/// Whom the servers run as: ourselves, or where we are root, which they refuse, the user of the distribution's package.
struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    fn find() -> Result<Self, String> {
        let id = |arguments: &[&str]| -> Result<u32, String> {
            let said = output(Command::new("id").args(arguments))?;
            said.trim().parse().map_err(|_| format!("`id` says {said:?}"))
        };
        if id(&["-u"])? != 0 {
            return Ok(Self { ids: None });
        }
        let ids = id(&["-u", "postgres"]).and_then(|user| Ok((user, id(&["-g", "postgres"])?)));
        let ids = ids.map_err(|error| {
            format!("root may not run a server, and no user `postgres` is there: {error}")
        })?;
        Ok(Self { ids: Some(ids) })
    }

    /// A scratch folder that belongs to it.
    fn folder(&self, parent: &Path) -> Result<TempDir, String> {
        let folder =
            TempDir::new_in(parent).map_err(|error| format!("cannot make a scratch folder: {error}"))?;
        give_away(folder.path(), self.ids)?;
        Ok(folder)
    }

    /// A program that runs as it, in this folder, where no Ctrl-C reaches it.
    fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env("LC_ALL", "C");
        set_apart(&mut command, self.ids);
        command
    }
}

#[cfg(unix)]
fn give_away(folder: &Path, ids: Option<(u32, u32)>) -> Result<(), String> {
    let Some((user, group)) = ids else { return Ok(()) };
    std::os::unix::fs::chown(folder, Some(user), Some(group))
        .map_err(|error| format!("cannot give {} away: {error}", folder.display()))
}

#[cfg(unix)]
fn set_apart(command: &mut Command, ids: Option<(u32, u32)>) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
    if let Some((user, group)) = ids {
        command.uid(user).gid(group);
    }
}

#[cfg(not(unix))]
fn give_away(folder: &Path, _: Option<(u32, u32)>) -> Result<(), String> {
    Err(format!("{} has no owner here", folder.display()))
}

#[cfg(not(unix))]
fn set_apart(_: &mut Command, _: Option<(u32, u32)>) {}

fn url(port: u16) -> String {
    format!("postgres://factlog@127.0.0.1:{port}/postgres")
}

fn log(folder: &Path) -> String {
    String::from_utf8_lossy(&fs::read(folder.join("log")).unwrap_or_default()).into_owned()
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn is_server(folder: &Path) -> bool {
    ["postgres", "initdb", "pg_isready"].iter().all(|program| folder.join(program).is_file())
}

fn newest_installed() -> Option<PathBuf> {
    let versions = fs::read_dir(INSTALLED).ok()?.flatten();
    let numbered = versions.filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path().join("bin")))
    });
    numbered.filter(|(_, folder)| is_server(folder)).max().map(|(_, folder)| folder)
}

/// Starts something on a port that was free a moment ago.
fn on_a_free_port<T>(mut start: impl FnMut(u16) -> Result<T, String>) -> Result<T, String> {
    let mut tried = 0;
    loop {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| format!("no port is free: {error}"))?.port();
        tried += 1;
        match start(port) {
            Err(_) if tried < PORTS_TRIED_MAX => {}
            result => return result,
        }
    }
}

fn signal(name: &str, processes: &[&str]) {
    // The shell has `kill` everywhere. A process that has ended meanwhile is where we want it.
    let mut kill = Command::new("sh");
    kill.args(["-c", "kill \"$@\"", "sh", &format!("-{name}")]).args(processes);
    let _ = kill.stdin(Stdio::null()).stderr(Stdio::null()).status();
}

/// The processes that a process has started; not every Linux has `ps`.
fn children_of(parent: &str) -> Vec<String> {
    let pairs = if cfg!(target_os = "linux") { parents_in_proc() } else { parents_by_ps() };
    pairs.into_iter().filter(|(_, of)| of == parent).map(|(process, _)| process).collect()
}

fn parents_in_proc() -> Vec<(String, String)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pairs = processes.filter_map(|process| {
        let about = fs::read_to_string(process.path().join("stat")).ok()?;
        // A name in parentheses, which may be anything, then the state and the parent.
        let parent = about.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        Some((process.file_name().into_string().ok()?, parent))
    });
    pairs.collect()
}

fn parents_by_ps() -> Vec<(String, String)> {
    let listed = output(Command::new("ps").args(["-A", "-o", "pid=,ppid="])).unwrap_or_default();
    let words = listed.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
    words.map(|(process, parent)| (process.to_owned(), parent.trim().to_owned())).collect()
}

/// What a program prints, or why it failed.
fn output(command: &mut Command) -> Result<String, String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start {program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!(
            "{program} failed ({}):\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        ))
    }
}
