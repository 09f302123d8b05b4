//! Webhooks: a request that tells another service of something, once as far as that service looks at its key.

mod address;
mod connection;
mod signature;

use std::fmt;
use std::time::Duration;

use factlog::{Error, Result, Timestamp};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};

use self::connection::Answer;
use self::signature::Secret;

/// How long a delivery takes at the most, unless it is said otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time that can be asked for.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// The longest pause that a service can ask for before the next try.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Bytes of a body that is sent.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a URL.
const URL_BYTES_MAX: usize = 8_192;
/// Headers that one webhook adds.
const HEADERS_MAX: usize = 50;
/// Bytes of a key.
const KEY_BYTES_MAX: usize = 255;
/// Characters of a redirect's target in an error.
const LOCATION_CHARACTERS_MAX: usize = 200;
/// Headers that are set here, and nowhere else.
const OWN_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// Where to deliver to, and how.
///
/// Each delivery is one request on a connection of its own. Redirects are not followed and no proxy is used. A request
/// goes to public addresses only, unless others are allowed: what a name resolves to is judged, and the connection goes to
/// just the addresses that were judged.
///
/// ```
/// use factlog_agents::policy::Webhook;
/// let webhook = Webhook::new("https://ci.example.com/hooks/failed")?
///     .header("x-team", "agents")?
///     .secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// assert!(Webhook::new("ftp://ci.example.com").is_err());
/// # Ok::<(), factlog::Error>(())
/// ```
#[derive(Clone)]
pub struct Webhook {
    url: Uri,
    method: Method,
    headers: HeaderMap,
    timeout: Duration,
    secret: Option<Secret>,
    allow_private: bool,
}

/// A delivery that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// What the service answered, from 200 to 299.
    pub status: u16,
}

/// A delivery that did not arrive, or was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryError {
    /// Whether the same delivery may succeed later.
    pub retryable: bool,
    /// What went wrong. Of the address it tells no more than the host: paths of webhooks are secrets often.
    pub message: String,
    /// How long the service asked to be left alone, an hour at the most.
    pub retry_after: Option<Duration>,
}

impl Webhook {
    /// A POST to this address.
    ///
    /// # Errors
    /// `Invalid` for what is no address of http or https, and for one with a user or a password in it.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self {
            url: checked(url)?,
            method: Method::POST,
            headers: HeaderMap::new(),
            timeout: TIMEOUT,
            secret: None,
            allow_private: false,
        })
    }

    /// The host that it is told to.
    pub fn host(&self) -> &str {
        self.url.host().unwrap_or_default()
    }

    /// Sends with POST, PUT or PATCH.
    pub fn method(mut self, method: &str) -> Result<Self> {
        self.method = match method.to_ascii_uppercase().as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            _ => {
                return Err(Error::invalid(format!("a webhook cannot be sent with {method:?}"))
                    .with_hint("it is sent with POST, PUT or PATCH"));
            }
        };
        Ok(self)
    }

    /// Adds a header, such as an authorization. Its value is shown nowhere.
    ///
    /// # Errors
    /// `Invalid` for what is no header, and for one that is set here.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let known = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::invalid(format!("{name:?} is no name of a header")))?;
        if OWN_HEADERS.contains(&known.as_str()) {
            return Err(Error::invalid(format!("the header {known} is set for every webhook"))
                .with_hint("leave it out"));
        }
        if self.headers.len() >= HEADERS_MAX {
            return Err(Error::invalid(format!("a webhook has more than {HEADERS_MAX} headers")));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Error::invalid(format!("the value of the header {known} cannot be sent")))?;
        value.set_sensitive(true);
        self.headers.append(known, value);
        Ok(self)
    }

    /// How long a delivery takes at the most, from the name's resolution to the answer: [`TIMEOUT`] unless this is said.
    ///
    /// # Errors
    /// `Invalid` for none, and for more than [`TIMEOUT_MAX`].
    pub fn timeout(mut self, timeout: Duration) -> Result<Self> {
        if timeout.is_zero() || timeout > TIMEOUT_MAX {
            let most = TIMEOUT_MAX.as_secs();
            return Err(Error::invalid(format!(
                "a webhook's timeout is above 0, and at most {most} seconds"
            )));
        }
        self.timeout = timeout;
        Ok(self)
    }

    /// Signs each delivery as [Standard Webhooks](https://www.standardwebhooks.com) do: with `whsec_` and Base64, or with a
    /// text as it is.
    ///
    /// # Errors
    /// `Invalid` for an empty secret, and for one that begins with `whsec_` and is no Base64.
    pub fn secret(mut self, secret: &str) -> Result<Self> {
        self.secret = Some(Secret::new(secret)?);
        Ok(self)
    }

    /// Lets it go to private addresses too: of this machine, of the network it is in.
    #[must_use]
    pub fn allow_private(mut self) -> Self {
        self.allow_private = true;
        self
    }

    /// Delivers JSON. The key is the same whenever the same is delivered again, and the service knows it by that.
    ///
    /// # Errors
    /// What can be tried again: timeouts, connections that fail, and the answers 408, 425, 429 and 5xx. What cannot: other
    /// answers, redirects among them, and addresses that are not allowed.
    pub async fn deliver(&self, key: &str, body: &[u8]) -> Result<Delivered, DeliveryError> {
        let headers = self.headers_of(key, body)?;
        let delivery = connection::send(self, headers, body);
        let Ok(answer) = tokio::time::timeout(self.timeout, delivery).await else {
            let within = self.timeout.as_secs_f64();
            return Err(self.again(format_args!("no answer within {within} seconds")));
        };
        self.judge(&answer?)
    }

    /// All headers of one delivery.
    fn headers_of(&self, key: &str, body: &[u8]) -> Result<HeaderMap, DeliveryError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(self.never(format_args!("a body of {} bytes is too large", body.len())));
        }
        let is_key =
            (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        let known = HeaderValue::from_str(key).ok().filter(|_| is_key);
        let Some(known) = known else {
            let why = format!("a key has 1 to {KEY_BYTES_MAX} visible characters of ASCII");
            return Err(self.never(why));
        };
        let mut headers = self.headers.clone();
        if !headers.contains_key("user-agent") {
            let own = HeaderValue::from_static(concat!("factlog/", env!("CARGO_PKG_VERSION")));
            headers.insert("user-agent", own);
        }
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("connection", HeaderValue::from_static("close"));
        headers.insert("idempotency-key", known.clone());
        if let Some(secret) = &self.secret {
            let seconds = Timestamp::now().as_micros() / 1_000_000;
            let signature = HeaderValue::from_str(&secret.sign(key, seconds, body));
            let signature = signature.map_err(|_| self.never("the signature cannot be sent"))?;
            headers.insert("webhook-id", known);
            headers.insert("webhook-timestamp", seconds.into());
            headers.insert("webhook-signature", signature);
        }
        Ok(headers)
    }

    fn judge(&self, answer: &Answer) -> Result<Delivered, DeliveryError> {
        let status = answer.status;
        if status.is_success() {
            return Ok(Delivered { status: status.as_u16() });
        }
        if let (true, Some(location)) = (status.is_redirection(), answer.header("location")) {
            let location: String = location
                .chars()
                .filter(|character| !character.is_control())
                .take(LOCATION_CHARACTERS_MAX)
                .collect();
            return Err(self.never(format_args!(
                "it answered {status}, to {location}; redirects are not followed: name that address itself"
            )));
        }
        let mut error = self.never(format_args!("it answered {status}"));
        error.retryable = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        if error.retryable {
            error.retry_after = answer.header("retry-after").and_then(pause_of);
        }
        Err(error)
    }

    /// Where it goes, as far as that may be told.
    fn place(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let authority = self.url.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
        format!("{scheme}://{authority}")
    }

    fn again(&self, why: impl fmt::Display) -> DeliveryError {
        DeliveryError { retryable: true, ..self.never(why) }
    }

    fn never(&self, why: impl fmt::Display) -> DeliveryError {
        DeliveryError { retryable: false, message: format!("{}: {why}", self.place()), retry_after: None }
    }
}

fn checked(url: &str) -> Result<Uri> {
    let wrong = |why: &str| {
        Err(Error::invalid(format!("the webhook's address {why}"))
            .with_hint("an address is for example https://ci.example.com/hooks/failed"))
    };
    if url.len() > URL_BYTES_MAX {
        return wrong("is too long");
    }
    let Ok(parsed) = url.parse::<Uri>() else { return wrong("cannot be read") };
    let (Some("http" | "https"), Some(authority)) = (parsed.scheme_str(), parsed.authority()) else {
        return wrong("is not of http or https");
    };
    if authority.as_str().contains('@') {
        return Err(Error::invalid("the webhook's address has a user or a password in it")
            .with_hint("give them in a header: authorization"));
    }
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    if authority.host().is_empty() || (authority.port_u16().is_none() && !after_host.is_empty()) {
        return wrong("has no host, or no port that there is");
    }
    Ok(parsed)
}

/// What `Retry-After` asks for: seconds, or a time. Never more than is honoured.
fn pause_of(text: &str) -> Option<Duration> {
    let text = text.trim();
    let pause = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let seconds = until.as_second().saturating_sub(jiff::Timestamp::now().as_second());
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("to", &self.place())
            .field("method", &self.method)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .field("is_signed", &self.secret.is_some())
            .field("allow_private", &self.allow_private)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DeliveryError {}
