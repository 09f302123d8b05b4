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

/// Origin B's README at a real server.
#[test]
fn postgres() {
    let Some(log) = server::Log::direct() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(postgres::run(log.url())).expect("the example runs through");
}
