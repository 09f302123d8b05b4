//! A way to a server that can be cut, held or lose answers: a test judges each piece of what a client sends.
#![allow(dead_code, reason = "each test uses its part")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::{env, io};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::Host;

/// Bytes that are read at once: more than a request of these tests has.
const PIECE_BYTES: usize = 256 * 1024;

/// What becomes of a piece.
pub(crate) enum Fate {
    /// It arrives, and so does its answer.
    Pass,
    /// The connection breaks before it arrives.
    Lose,
    /// It arrives, and the connection breaks at once.
    Cut,
    /// It arrives and is done, and the connection breaks before the answer is back.
    LoseAnswer,
    /// It arrives when somebody says so; the connection stands still until then.
    Hold(oneshot::Receiver<()>),
}

type Judge = Arc<dyn Fn(&[u8]) -> Fate + Send + Sync>;

/// One before a server; gone when dropped.
pub(crate) struct Proxy {
    url: String,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Judges each piece that a client sends to this server.
    pub(crate) async fn before(server: &str, judge: impl Fn(&[u8]) -> Fate + Send + Sync + 'static) -> Self {
        let place = place(server);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let own = format!("127.0.0.1:{}", listener.local_addr().expect("a port").port());
        let url = server.replacen(&place, &own, 1);
        assert_ne!(url, server, "the server's URL names its port");
        let task = tokio::spawn(serve(listener, place, Arc::new(judge)));
        Self { url, task }
    }

    /// Where clients reach the server through it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The host and the port of a URL.
fn place(server: &str) -> String {
    let config: tokio_postgres::Config = server.parse().expect("a URL");
    let (Some(Host::Tcp(host)), Some(port)) = (config.get_hosts().first(), config.get_ports().first()) else {
        panic!("{server} names no host and port");
    };
    format!("{host}:{port}")
}

async fn serve(listener: TcpListener, server: String, judge: Judge) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let (server, judge) = (server.clone(), Arc::clone(&judge));
        connections.spawn(async move {
            // An end of a connection is what these tests are about.
            let _ = carry(client, TcpStream::connect(server).await?, judge).await;
            io::Result::Ok(())
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, judge: Judge) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let (mut asked, mut answered) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut is_lost = false;
    loop {
        tokio::select! {
            bytes = from_client.read(&mut asked) => {
                let piece = &asked[..bytes?];
                if piece.is_empty() {
                    return Ok(());
                }
                match judge(piece) {
                    Fate::Pass => {}
                    Fate::Lose => return Ok(()),
                    Fate::Cut => return to_server.write_all(piece).await,
                    Fate::LoseAnswer => is_lost = true,
                    Fate::Hold(until) => drop(until.await),
                }
                to_server.write_all(piece).await?;
            }
            bytes = from_server.read(&mut answered) => {
                let piece = &answered[..bytes?];
                if piece.is_empty() || is_lost {
                    return Ok(());
                }
                to_client.write_all(piece).await?;
            }
        }
    }
}

/// Whether a text is in what a client sends.
pub(crate) fn holds(piece: &[u8], text: &str) -> bool {
    piece.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A seed for what is drawn, told so that a failure can be had again: `FACTLOG_TEST_SEED`.
pub(crate) fn seed() -> u64 {
    let seed = env::var("FACTLOG_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("FACTLOG_TEST_SEED={seed}");
    seed
}
