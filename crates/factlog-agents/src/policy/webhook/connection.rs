//! One request on a connection of its own, to addresses that were judged.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{DeliveryError, Webhook, address};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Bytes of an answer's first line and headers.
const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an answer's body that are read, and forgotten.
const ANSWER_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a body is waited for when the answer's status is known already.
const ANSWER_BODY_MAX: Duration = Duration::from_secs(1);

/// What a service answered, without its body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends one request and hears the answer.
pub(super) async fn send(
    webhook: &Webhook,
    headers: HeaderMap,
    body: &[u8],
) -> Result<Answer, DeliveryError> {
    let request = request(webhook, headers, body)?;
    let is_encrypted = webhook.url.scheme_str() == Some("https");
    let host = bare_host(&webhook.url);
    let port = webhook.url.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
    let addresses = resolve(webhook, host, port).await?;
    let stream = connect(webhook, &addresses).await?;
    if !is_encrypted {
        return exchange(webhook, stream, request).await;
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| webhook.never("a certificate cannot be for this host"))?;
    let connector = TlsConnector::from(encryption().map_err(|why| webhook.again(why))?);
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|cause| webhook.again(format_args!("no encrypted connection: {cause}")))?;
    exchange(webhook, stream, request).await
}

fn request(
    webhook: &Webhook,
    headers: HeaderMap,
    body: &[u8],
) -> Result<Request<Full<Bytes>>, DeliveryError> {
    let path = webhook.url.path_and_query().map_or("/", |path| path.as_str());
    let authority = webhook.url.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let (Some(Ok(host)), Ok(path)) = (authority, path.parse::<Uri>()) else {
        return Err(webhook.never("the address cannot be sent"));
    };
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    *request.method_mut() = webhook.method.clone();
    *request.uri_mut() = path;
    *request.headers_mut() = headers;
    request.headers_mut().insert("host", host);
    Ok(request)
}

/// The host without the brackets that an address of version 6 has in a URL.
fn bare_host(url: &Uri) -> &str {
    let host = url.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// What a name resolves to, without what is not allowed. The system resolves odd spellings of addresses too, such as
/// `0x7f.1`: they are judged by what comes of them.
async fn resolve(webhook: &Webhook, host: &str, port: u16) -> Result<Vec<SocketAddr>, DeliveryError> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<SocketAddr> =
        found.map_err(|cause| webhook.again(format_args!("the host is not found: {cause}")))?.collect();
    let Some(first) = found.first().copied() else {
        return Err(webhook.again("the host has no address"));
    };
    let allowed = |at: &SocketAddr| webhook.allow_private || address::refusal(at.ip()).is_none();
    let addresses: Vec<SocketAddr> = found.into_iter().filter(allowed).take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        let what = address::refusal(first.ip()).unwrap_or("not public");
        return Err(webhook.never(format_args!(
            "its address {} is {what}, and a webhook goes to public addresses unless private ones are allowed",
            first.ip()
        )));
    }
    Ok(addresses)
}

/// A connection to the first address that takes one; each has its share of the time.
async fn connect(webhook: &Webhook, addresses: &[SocketAddr]) -> Result<TcpStream, DeliveryError> {
    let share = webhook.timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut why = "no connection in time".to_owned();
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(cause)) => why = format!("no connection to {address}: {cause}"),
            Err(_) => {}
        }
    }
    Err(webhook.again(why))
}

/// Says the request and hears the answer; all of it ends when this is dropped.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    webhook: &Webhook,
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Answer, DeliveryError> {
    let broken = |cause: hyper::Error| webhook.again(format_args!("the connection broke: {cause}"));
    let mut builder = hyper::client::conn::http1::Builder::new();
    let opened = builder.max_buf_size(ANSWER_HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(broken)?;
    let mut heard = pin!(async {
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(forget_body(response).await)
    });
    tokio::select! {
        biased;
        answer = &mut heard => return answer,
        // What was heard before the connection ended is still to be taken.
        _ = connection => {}
    }
    heard.await
}

/// Reads some of the body, so that a service may say what it has to, and keeps nothing of it.
async fn forget_body(response: Response<Incoming>) -> Answer {
    let (head, mut body) = response.into_parts();
    let reading = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes >= ANSWER_BODY_BYTES_MAX {
                break;
            }
        }
    };
    // The status has decided already.
    let _ = tokio::time::timeout(ANSWER_BODY_MAX, reading).await;
    Answer { status: head.status, headers: head.headers }
}

/// The system's certificates, read once; not kept when there are none, so that they can be installed meanwhile.
fn encryption() -> Result<Arc<ClientConfig>, String> {
    static ENCRYPTION: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(known) = ENCRYPTION.get() {
        return Ok(Arc::clone(known));
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "certificates of the system");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("there are no certificates to verify it with; install ca-certificates".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| format!("no encryption: {cause}"))?;
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    Ok(Arc::clone(ENCRYPTION.get_or_init(|| config)))
}
