//! A service that webhooks tell, over a real socket: it may keep an answer back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// How long a webhook is waited for: none comes where the process has nothing to tell.
const WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Service {
    port: u16,
    told: Arc<Mutex<Vec<(String, u64)>>>,
    arrived: mpsc::UnboundedReceiver<()>,
    may_answer: watch::Sender<bool>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
        let (arrives, arrived) = mpsc::unbounded_channel();
        let (may_answer, may) = watch::channel(true);
        tokio::spawn({
            let told = Arc::clone(&told);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    // Whoever asks may be killed at any time.
                    let serving = serve(stream, Arc::clone(&told), arrives.clone(), may.clone());
                    tokio::spawn(async move { drop(serving.await) });
                }
            }
        });
        Self { port, told, arrived, may_answer }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// Waits for a webhook that gets no answer until [`Service::go_on`].
    pub(crate) async fn next_unanswered(&mut self) {
        while self.arrived.try_recv().is_ok() {}
        self.may_answer.send_replace(false);
        let _ = tokio::time::timeout(WAIT, self.arrived.recv()).await;
    }

    pub(crate) fn go_on(&self) {
        self.may_answer.send_replace(true);
    }

    /// What was told so far: keys and numbers.
    pub(crate) fn told(&self) -> Vec<(String, u64)> {
        self.told.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    told: Arc<Mutex<Vec<(String, u64)>>>,
    arrives: mpsc::UnboundedSender<()>,
    mut may: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let (key, body) = loop {
        let mut part = [0; 4_096];
        let count = stream.read(&mut part).await?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length: usize = header("content-length").unwrap().parse().unwrap();
        if body.len() >= length {
            break (header("idempotency-key").unwrap(), body.to_owned());
        }
    };
    let body: Value = serde_json::from_str(&body).unwrap();
    told.lock().unwrap().push((key, body["n"].as_u64().unwrap()));
    let _ = arrives.send(());
    let _ = may.wait_for(|may| *may).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await
}
