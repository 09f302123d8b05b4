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
    recorder at "../examples/recorder.rs",
}
