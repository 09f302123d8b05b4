//! What becomes of that which an answer was to hand out, for each way that the answer can end.
#![allow(clippy::unwrap_used)]

use factlog::{EventLog, MemoryStore};
use factlog_agents::bus::{Message, State};
use factlog_agents::{Agent, Bus};
use rmcp::model::{CallToolResult, ContentBlock};

use super::*;

/// A transport whose writes succeed, fail, or never end.
#[derive(Clone, Copy)]
enum Wire {
    Writes,
    Breaks,
    Hangs,
}

impl Transport<RoleServer> for Wire {
    type Error = std::io::Error;

    fn send(
        &mut self,
        _item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let wire = *self;
        async move {
            match wire {
                Self::Writes => Ok(()),
                Self::Breaks => Err(std::io::ErrorKind::BrokenPipe.into()),
                Self::Hangs => std::future::pending().await,
            }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// An agent whose one message was taken for a call, and is to be handed out by the answer.
async fn taken() -> (Arc<Served>, Bus, RequestId) {
    let log = EventLog::new(MemoryStore::new());
    let bus = Bus::new(log.clone());
    bus.send(Message::text("a", "b".parse().unwrap(), "x").unwrap().id("m")).await.unwrap();
    let served = Served::begin(Agent::builder(log, "b")).await.unwrap();
    let call = RequestId::Number(1);
    served.calls().asked(&call);
    let mail = served.known_mail().unwrap();
    let deliveries = mail.fetch(10).await.unwrap();
    assert_eq!(deliveries.len(), 1);
    mail.hands_out(&call, deliveries).await.unwrap();
    (served, bus, call)
}

fn answer(call: &RequestId, is_failure: bool) -> TxJsonRpcMessage<RoleServer> {
    let text = vec![ContentBlock::text("x")];
    let result = if is_failure { CallToolResult::error(text) } else { CallToolResult::success(text) };
    JsonRpcMessage::response(ServerResult::CallToolResult(result), call.clone())
}

async fn state(bus: &Bus) -> State {
    bus.inbox("b", |inbox| inbox.item("m").unwrap().state.clone()).await.unwrap()
}

/// Story: mail counted as read although the model was told of a failure instead, or of nothing.
#[tokio::test]
async fn only_an_answer_that_was_written_and_is_no_failure_hands_anything_out() {
    for (wire, is_failure, expected) in
        [(Wire::Writes, false, "delivered"), (Wire::Writes, true, "queued"), (Wire::Breaks, false, "queued")]
    {
        let (served, bus, call) = taken().await;
        let mut telling = Telling::new(wire, Arc::clone(&served));
        let _ = telling.send(answer(&call, is_failure)).await;
        assert_eq!(state(&bus).await.as_str(), expected);
    }
}

/// Story: a message was never acknowledged, because its answer had been dropped on the way.
#[tokio::test]
async fn an_answer_that_is_given_up_on_its_way_keeps_nobody_waiting() {
    let (served, bus, call) = taken().await;
    let mut telling = Telling::new(Wire::Hangs, Arc::clone(&served));
    let mut sending = Box::pin(telling.send(answer(&call, false)));
    assert!(still_waits(&mut sending).await, "it is on its way");
    assert!(served.calls().is_on_its_way("m"));
    assert!(served.calls().cancelled(&call).is_empty(), "it is too late to cancel it");
    drop(sending);
    served.known_mail().unwrap().find("m").await.unwrap();
    assert_eq!(
        state(&bus).await.as_str(),
        "offered",
        "it may have been written: it comes again after its time"
    );
}

/// Polls once; whether it still waits.
async fn still_waits(sending: &mut (impl Future<Output = Result<(), std::io::Error>> + Unpin)) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *sending).poll(context).is_pending())
    })
    .await
}

#[tokio::test]
async fn what_is_cancelled_before_it_goes_out_is_given_back_and_never_handed_out_after_that() {
    let (served, bus, call) = taken().await;
    let mail = served.known_mail().unwrap();
    mail.written(Out::Back(served.calls().cancelled(&call)), false).await;
    assert_eq!(state(&bus).await, State::Queued);
    let again = mail.fetch(10).await.unwrap();
    mail.hands_out(&call, again).await.unwrap_err();
    assert_eq!(state(&bus).await, State::Queued);
}
