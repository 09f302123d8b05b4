//! The examples are programs that people copy from: each runs here, and what it says is asserted in it.

macro_rules! examples {
    ($($name:ident at $path:literal),+ $(,)?) => {$(
        #[path = $path]
        mod $name;

        #[test]
        fn $name() {
            $name::main().expect("the example runs through");
        }
    )+};
}

examples! {
    event_store at "../examples/event_store.rs",
    task_board at "../examples/task_board.rs",
    agent_events at "../examples/agent_events.rs",
    aggregate at "../examples/aggregate.rs",
    task_service at "../examples/task_service/main.rs",
}

#[path = "../../factlog-stores/tests/postgres/mod.rs"]
mod server;

#[path = "../examples/postgres.rs"]
#[allow(dead_code, reason = "its main reads the environment")]
mod postgres;

#[test]
fn recorder() {
    postgres::recorder::main().expect("the example runs through");
}

#[path = "../examples/agents_talk/main.rs"]
#[allow(dead_code, reason = "its main reads its arguments, and those of a test are others")]
mod agents_talk;

/// Which of the agents a process plays.
const PLAYS: &str = "FACTLOG_TEST_PLAYS";

/// This program again, as the test that plays one of the agents.
fn this_test(name: &str) -> agents_talk::Outcome<tokio::process::Command> {
    let mut program = tokio::process::Command::new(std::env::current_exe()?);
    program.args(["one_of_the_agents", "--exact"]).env(PLAYS, name);
    Ok(program)
}

/// One of the agents of the tests below, where they have started this program again; by itself it plays nobody.
#[test]
fn one_of_the_agents() {
    let Ok(name) = std::env::var(PLAYS) else { return };
    block_on(agents_talk::play(&name)).expect("the agent plays its part");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(future)
}

/// Origin D's README in one process.
#[test]
fn agents_talk() {
    block_on(agents_talk::in_one_process()).expect("the example runs through");
}

/// Origin D's README with a process for each agent: requests, broadcasts and votes that never left a process there.
#[test]
fn agents_talk_between_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("talk.db").display());
    block_on(agents_talk::as_processes(&url, this_test)).expect("the example runs through");
}

/// The same at a real server.
#[test]
fn agents_talk_at_a_server() {
    let Some(log) = server::Log::direct() else { return };
    block_on(async {
        agents_talk::as_processes(log.url(), this_test).await.expect("the example runs through");
        log.forget().await;
    });
}

/// Origin B's README at a real server.
#[test]
fn postgres() {
    let Some(log) = server::Log::direct() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(postgres::run(log.url())).expect("the example runs through");
}
