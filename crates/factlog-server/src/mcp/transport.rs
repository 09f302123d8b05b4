//! The way of the calls and their answers: once one was written, what it handed out counts as read.

use std::sync::Arc;

use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId, ServerResult};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

use super::calls::Out;
use super::served::Served;

/// A transport that tells what is asked, what is cancelled, and when an answer was written.
pub(super) struct Telling<T> {
    inner: T,
    served: Arc<Served>,
}

impl<T> Telling<T> {
    pub(super) fn new(inner: T, served: Arc<Served>) -> Self {
        Self { inner, served }
    }
}

/// The call that is answered, and whether the answer is a failure.
fn answered(message: &TxJsonRpcMessage<RoleServer>) -> Option<(&RequestId, bool)> {
    match message {
        JsonRpcMessage::Response(response) => {
            let is_success = matches!(&response.result, ServerResult::CallToolResult(result) if result.is_error != Some(true));
            Some((&response.id, !is_success))
        }
        JsonRpcMessage::Error(error) => error.id.as_ref().map(|id| (id, true)),
        _ => None,
    }
}

fn cancelled(message: &RxJsonRpcMessage<RoleServer>) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Notification(said) => match &said.notification {
            ClientNotification::CancelledNotification(cancelled) => cancelled.params.request_id.as_ref(),
            _ => None,
        },
        _ => None,
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Telling<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let calls = self.served.calls();
        // Decided here, and not when it is written: from now on the call can no longer be cancelled.
        let out = answered(&item).map(|(call, is_failure)| calls.leaves(call, is_failure));
        let sending = self.inner.send(item);
        let served = Arc::clone(&self.served);
        async move {
            let sent = sending.await;
            if let (Some(out), Some(mail)) = (out, served.known_mail()) {
                mail.written(out, sent.is_ok()).await;
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = self.inner.receive().await;
        match &message {
            Some(JsonRpcMessage::Request(request)) => self.served.calls().asked(&request.id),
            Some(message) => {
                let call = cancelled(message);
                let given_up = call.map(|call| self.served.calls().cancelled(call)).unwrap_or_default();
                if !given_up.is_empty() {
                    let served = Arc::clone(&self.served);
                    // Nothing may be waited for here, else what was received would be lost with it.
                    tokio::spawn(async move {
                        if let Some(mail) = served.known_mail() {
                            mail.written(Out::Back(given_up), false).await;
                        }
                    });
                }
            }
            None => self.served.calls().asks_no_more(),
        }
        message
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests;
