//! What the page says of agents that talk, beside what carries messages and keeps none.

use super::table::Base;

/// The tests of agents that talk.
pub(super) const TESTS: [&str; 3] = ["messages", "requests", "subscribers"];
/// The subject that needs a server of NATS.
pub(super) const NATS: &str = "nats-core";
/// The subject that all others are compared with where agents talk.
pub(super) const BASES: [Base; 1] = [("factlog-sqlite", "sqlite ratio")];

/// What the tests of agents that talk have in common.
pub(super) const INTRODUCTION: &str = "\
Messages of 256 bytes of JSON. Each run ends only once all that was said was heard, once and in the order of its speaker; what
is lost, or comes twice, ends the measurement. `writers` are those who send, ask or append, tasks of one process.

- `factlog-sqlite`: agents of one process on one file. A message is on the disk before its sender goes on, and what becomes
  of it is recorded as well: offered, read, acknowledged.
- `factlog-sqlite-processes`: the same between two processes on one file. Those who send and ask are in one of them, those who
  hear and answer in the other; the times of the two are those of the system's clock.
- `factlog-memory`: the same in one process, on a log in memory: what the bus itself costs.
- `nats-core`: publish and subscribe, request and reply, by way of a NATS server on the same machine; one connection for those
  who send and ask, another for those who hear and answer. A floor: **it keeps nothing.** Whoever is away misses what is said,
  and what a crash takes is gone.
- `tokio-broadcast`: channels within one process (`broadcast`, and for requests `mpsc` with a `oneshot` for each answer). A
  floor: **it keeps nothing**, and nobody else can hear it.

The floors do less than what is asked of a bus for agents: their ratio says what it costs to keep, to order and to acknowledge.
Not measured: agents on other machines; NATS with JetStream, which keeps; inboxes that have been filling for days.
";

/// What the figures mean where agents talk.
pub(super) const FIGURES: [(&str, &str); 3] = [
    (
        "messages",
        "ops/s are messages that a handler began with; p50 and p99 are the time from the call that sends one until its handler \
         begins. With 1 in flight the next is sent once the one before was heard, so that none waits behind another, though \
         what became of the one before may still be being recorded; with up to \
         256 in flight the times are mostly those of waiting in the inbox behind others.",
    ),
    (
        "requests",
        "ops/s are answers; p50 and p99 are the time from asking until the answer is there. Each who asks waits for it before \
         the next question.",
    ),
    (
        "subscribers",
        "One appends, and 1,000 subscriptions in one process hear each event. ops/s are deliveries: each event counts 1,000 \
         times. p50 and p99 are the time from the call that appends until a handler begins, over all handlers: with 1 in flight \
         the next event is appended once all have heard the one before.",
    ),
];
