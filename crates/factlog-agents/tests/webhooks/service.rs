//! A small HTTP service on a real socket: it writes down what it is asked, and answers what the test says.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What is done with a request that was read.
pub(crate) enum Answer {
    /// These bytes are written, and the connection ends.
    Bytes(String),
    /// Nothing, and the connection stays open.
    Silence,
    /// The connection ends.
    HangUp,
    /// An answer with a body that never ends.
    Endless,
}

pub(crate) struct Service {
    pub(crate) at: SocketAddr,
    pub(crate) asked: mpsc::UnboundedReceiver<Asked>,
    /// How many bytes were written before the other side went away, of endless answers.
    pub(crate) written: mpsc::UnboundedReceiver<u64>,
}

impl Service {
    /// Answers each request like this.
    pub(crate) async fn new(answer: impl Fn() -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (tell, asked) = mpsc::unbounded_channel();
        let (tell_written, written) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else { continue };
                tell.send(request).ok();
                match answer() {
                    Answer::Bytes(text) => drop(stream.write_all(text.as_bytes()).await),
                    Answer::Silence => kept.push(stream),
                    Answer::HangUp => {}
                    Answer::Endless => {
                        let tell = tell_written.clone();
                        tokio::spawn(async move { tell.send(write_on(stream).await).ok() });
                    }
                }
            }
        });
        Self { at, asked, written }
    }

    pub(crate) async fn answering(text: &str) -> Self {
        let text = text.to_owned();
        Self::new(move || Answer::Bytes(text.clone())).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/secret-path?a=1", self.at)
    }

    /// What has been asked so far and not been looked at.
    pub(crate) fn taken(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

async fn write_on(mut stream: TcpStream) -> u64 {
    let mut written = 0;
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return written;
    }
    let chunk = vec![b'x'; 64 * 1024];
    while let Ok(length) = stream.write(&chunk).await {
        written += length as u64;
    }
    written
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked { line, headers, body })
}
