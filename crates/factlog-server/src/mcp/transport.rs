//! The way of the answers: once one was written, what it handed out counts as read.

use std::sync::Arc;

use rmcp::model::{JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

use super::mail::Mail;

/// A transport that tells when an answer was written.
pub(super) struct Telling<T> {
    inner: T,
    mail: Arc<Mail>,
}

impl<T> Telling<T> {
    pub(super) fn new(inner: T, mail: Arc<Mail>) -> Self {
        Self { inner, mail }
    }
}

fn answered(message: &TxJsonRpcMessage<RoleServer>) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(response.id.clone()),
        _ => None,
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Telling<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answered = answered(&item);
        let sending = self.inner.send(item);
        let mail = Arc::clone(&self.mail);
        async move {
            let sent = sending.await;
            if let Some(id) = answered {
                mail.written(&id, sent.is_ok()).await;
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.inner.receive().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
