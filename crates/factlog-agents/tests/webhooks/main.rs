//! What is promised of webhooks, over real sockets.
// Helpers of tests may fail as tests do.
#![allow(clippy::unwrap_used)]

mod encrypted;
mod service;

use std::time::{Duration, Instant};

use factlog::ErrorKind;
use factlog_agents::policy::{Delivered, DeliveryError, Webhook};

use self::service::{Answer, Service};

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";
/// Hosts that no webhook may go to.
const NOT_PUBLIC: [&str; 60] = [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "017700000001",
    "localhost",
    "LOCALHOST",
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "0xc0.0xa8.0x01.0x01",
    "3232235777",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[fc00::1]",
    "[fdff::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[2001::1]",
    "[2001:10::1]",
    "[2001:2::1]",
    "[2002:7f00:1::1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b::c0a8:101]",
    "[64:ff9b:1::1]",
    "[100::1]",
    "[4000::1]",
    "[5f00::1]",
];
const SECRET: &str = "a text that nobody else knows";

fn to(service: &Service) -> Webhook {
    Webhook::new(&service.url()).unwrap().allow_private()
}

async fn answered(status: &str, headers: &str) -> Result<Delivered, DeliveryError> {
    let service =
        Service::answering(&format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n")).await;
    to(&service).deliver("k-1", b"{}").await
}

#[tokio::test]
async fn a_delivery_carries_its_key_its_body_and_what_the_rule_has_added() {
    let mut service = Service::answering(OK).await;
    let webhook =
        to(&service).header("X-Team", "agents").unwrap().header("Authorization", "Bearer b").unwrap();
    let delivered = webhook.deliver("retry:rule-1:0192", br#"{"a":1}"#).await.unwrap();
    assert_eq!(delivered.status, 204);
    let asked = service.asked.recv().await.unwrap();
    assert_eq!(asked.line, "POST /hooks/secret-path?a=1 HTTP/1.1");
    assert_eq!(asked.body, br#"{"a":1}"#);
    let header = |name: &str| asked.headers.get(name).map(String::as_str);
    assert_eq!(header("host"), Some(service.at.to_string().as_str()));
    assert_eq!(header("idempotency-key"), Some("retry:rule-1:0192"));
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("user-agent"), Some(concat!("factlog/", env!("CARGO_PKG_VERSION"))));
    assert_eq!((header("x-team"), header("authorization")), (Some("agents"), Some("Bearer b")));
    assert_eq!(header("webhook-signature"), None, "there is no secret to sign with");

    let put = to(&service).method("put").unwrap();
    put.deliver("k", b"{}").await.unwrap();
    assert!(service.asked.recv().await.unwrap().line.starts_with("PUT "));
}

/// The signature is computed anew by `openssl`, which knows nothing of ours.
#[tokio::test]
async fn a_signature_is_what_standard_webhooks_says() {
    let Some(hex) = openssl_hmac(b"the key", b"m.1.{}").await else { return };
    assert_eq!(hex.len(), 64, "openssl answers with a sum");
    for (secret, key) in [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", bytes_of_base64("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
        (SECRET, SECRET.as_bytes().to_vec()),
    ] {
        let mut service = Service::answering(OK).await;
        to(&service).secret(secret).unwrap().deliver("msg-7", br#"{"b":2}"#).await.unwrap();
        let asked = service.asked.recv().await.unwrap();
        assert_eq!(asked.headers["webhook-id"], "msg-7");
        let seconds: u64 = asked.headers["webhook-timestamp"].parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(now.abs_diff(seconds) <= 5, "{seconds} is now");
        let signed = [format!("msg-7.{seconds}.").as_bytes(), &asked.body].concat();
        let expected = openssl_hmac(&key, &signed).await.unwrap();
        let signature = asked.headers["webhook-signature"].strip_prefix("v1,").unwrap().to_owned();
        assert_eq!(hex_of(&bytes_of_base64(&signature)), expected, "{secret}");
    }
}

/// The sum as `openssl` computes it; none where there is no `openssl`.
async fn openssl_hmac(key: &[u8], text: &[u8]) -> Option<String> {
    use tokio::io::AsyncWriteExt;
    let mut openssl = tokio::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{}", hex_of(key))])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    openssl.stdin.take().unwrap().write_all(text).await.unwrap();
    let said = openssl.wait_with_output().await.unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    Some(said.trim().rsplit(' ').next().unwrap().to_owned())
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn bytes_of_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0_u32);
    for digit in text.trim_end_matches('=').bytes() {
        held = (held << 6) | DIGITS.iter().position(|known| *known == digit).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

/// Story: a webhook that was answered with "too many" was never tried again, and one that was wrong for ever was.
#[tokio::test]
async fn what_may_be_tried_again_is_told_from_what_may_not() {
    for status in ["200 OK", "201 Created", "202 Accepted", "299 Odd"] {
        assert!(answered(status, "").await.is_ok(), "{status}");
    }
    for status in ["408 x", "425 x", "429 x", "500 x", "502 x", "503 x", "504 x", "599 x"] {
        let error = answered(status, "").await.unwrap_err();
        assert!(error.retryable, "{status}: {error}");
    }
    for status in ["300 x", "304 x", "400 x", "401 x", "403 x", "404 x", "409 x", "410 x", "422 x", "600 x"] {
        let error = answered(status, "").await.unwrap_err();
        assert!(!error.retryable, "{status}: {error}");
        assert!(error.message.contains(&status[..3]), "{error}");
    }
}

#[tokio::test]
async fn a_service_may_ask_for_a_pause_of_an_hour_at_most() {
    let pause = async |value: &str| {
        answered("503 x", &format!("Retry-After: {value}\r\n")).await.unwrap_err().retry_after
    };
    assert_eq!(pause("7").await, Some(Duration::from_secs(7)));
    assert_eq!(pause("999999999999999999999999").await, Some(Duration::from_secs(3_600)));
    assert_eq!(pause("Fri, 31 Dec 2100 23:59:59 GMT").await, Some(Duration::from_secs(3_600)));
    assert_eq!(pause("Sun, 06 Nov 1994 08:49:37 GMT").await, Some(Duration::ZERO), "that time has come");
    assert_eq!(pause("soon").await, None);
    assert_eq!(answered("503 x", "").await.unwrap_err().retry_after, None);
}

/// Story: a redirect to an address of the inside went around the judging of addresses.
#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let mut inside = Service::answering(OK).await;
    for status in ["301 x", "302 x", "303 x", "307 x", "308 x"] {
        let location = format!("Location: {}\r\n", inside.url());
        let error = answered(status, &location).await.unwrap_err();
        assert!(!error.retryable && error.message.contains("redirects are not followed"), "{error}");
        assert!(error.message.contains(&inside.url()), "{error}");
    }
    assert!(inside.taken().is_empty(), "nobody went there");
}

#[tokio::test]
async fn an_answer_that_does_not_come_and_a_connection_that_breaks_may_be_tried_again() {
    let quick = Duration::from_millis(200);
    let silent = Service::new(|| Answer::Silence).await;
    let began = Instant::now();
    let error = to(&silent).timeout(quick).unwrap().deliver("k", b"{}").await.unwrap_err();
    assert!(error.retryable && error.message.contains("no answer within 0.2 seconds"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));

    let rude = Service::new(|| Answer::HangUp).await;
    let error = to(&rude).deliver("k", b"{}").await.unwrap_err();
    assert!(error.retryable && error.message.contains("the connection broke"), "{error}");

    let babbling = Service::answering("this is no HTTP\r\n\r\n").await;
    assert!(to(&babbling).deliver("k", b"{}").await.unwrap_err().retryable);

    // A port that was free a moment ago.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = Webhook::new(&format!("http://{gone}/")).unwrap().allow_private();
    let error = error.deliver("k", b"{}").await.unwrap_err();
    assert!(error.retryable && error.message.contains("no connection"), "{error}");

    let unknown = Webhook::new("http://no-such-host.invalid/").unwrap();
    assert!(unknown.deliver("k", b"{}").await.unwrap_err().retryable);
}

/// Story: a service that answered without an end filled the memory of whoever had asked it.
#[tokio::test]
async fn an_answer_without_an_end_is_left_after_a_little() {
    let mut endless = Service::new(|| Answer::Endless).await;
    assert_eq!(to(&endless).deliver("k", b"{}").await.unwrap().status, 200);
    let written = endless.written.recv().await.unwrap();
    // What stands in the buffers of two sockets is written, and not read.
    assert!(written < 32 * 1024 * 1024, "{written} bytes");

    let header = format!("X-Long: {}\r\n", "x".repeat(1024 * 1024));
    let error = answered("200 OK", &header).await.unwrap_err();
    assert!(error.retryable, "{error}");
}

/// Story: a rule named an address of the inside, in one of the many ways in which it can be written.
#[tokio::test]
async fn addresses_that_are_not_public_are_refused_in_every_spelling() {
    for host in NOT_PUBLIC {
        // What is no address by the book is one for some systems only; for others there is no such host.
        let is_plain = host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        if !is_plain && !cfg!(unix) {
            continue;
        }
        for url in [format!("http://{host}:9/"), format!("https://{host}/")] {
            let error = Webhook::new(&url).unwrap().deliver("k", b"{}").await.unwrap_err();
            assert!(!error.retryable && error.message.contains("public addresses"), "{url}: {error}");
        }
    }
}

#[tokio::test]
async fn a_private_address_is_reached_only_where_that_is_allowed() {
    let mut service = Service::answering(OK).await;
    let refused = Webhook::new(&service.url()).unwrap().deliver("k", b"{}").await.unwrap_err();
    assert!(refused.message.contains("127.0.0.1 is of this machine"), "{refused}");
    let named = service.url().replace("127.0.0.1", "localhost");
    assert!(!Webhook::new(&named).unwrap().deliver("k", b"{}").await.unwrap_err().retryable);
    assert!(service.taken().is_empty());
    to(&service).deliver("k", b"{}").await.unwrap();
    Webhook::new(&named).unwrap().allow_private().deliver("k", b"{}").await.unwrap();
    assert_eq!(service.taken().len(), 2);
}

/// Story: the secret of a webhook stood in a log, because somebody had shown the rule.
#[tokio::test]
async fn secrets_are_shown_neither_by_debug_nor_by_errors() {
    let service = Service::answering("HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n").await;
    let webhook = to(&service).secret(SECRET).unwrap().header("authorization", "Bearer hidden").unwrap();
    let error = webhook.deliver("k", b"{}").await.unwrap_err();
    let shown = format!("{webhook:?} {error:?} {error}");
    for hidden in [SECRET, "hidden", "secret-path", "a=1"] {
        assert!(!shown.contains(hidden), "{hidden:?} is in {shown}");
    }
    assert!(shown.contains("authorization") && shown.contains(&service.at.to_string()), "{shown}");
    let error = to(&service).secret("whsec_%%hidden%%").unwrap_err();
    assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_delivered_is_refused_when_it_is_written_down() {
    for url in [
        "",
        "x",
        "/hooks",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://[::1",
        "http://example.com:99999/",
        "http://a b/",
        "http://user:hidden@example.com/",
        "http://user@example.com/",
        "unix:/run/x",
        "http://exämple.com/",
    ] {
        let error = Webhook::new(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(!error.message().contains("hidden"), "{error}");
    }
    let webhook = || Webhook::new("https://example.com/x").unwrap();
    for (name, value) in [
        ("Host", "x"),
        ("content-length", "0"),
        ("Idempotency-Key", "x"),
        ("a b", "x"),
        ("x", "a\r\nb: c"),
        ("", ""),
    ] {
        assert!(webhook().header(name, value).is_err(), "{name}");
    }
    assert!(webhook().method("GET").is_err() && webhook().secret("").is_err());
    assert!(
        webhook().timeout(Duration::ZERO).is_err() && webhook().timeout(Duration::from_secs(61)).is_err()
    );
    for key in ["", "two words", "a\r\nx: y", "ü", &"k".repeat(256)] {
        let error = webhook().deliver(key, b"{}").await.unwrap_err();
        assert!(!error.retryable && error.message.contains("a key has"), "{error}");
    }
}

/// What stands there speaks no TLS, so nothing is said to it.
#[tokio::test]
async fn nothing_is_said_in_the_open_where_https_is_asked_for() {
    let mut service = Service::answering(OK).await;
    let url = service.url().replace("http:", "https:");
    let webhook = Webhook::new(&url).unwrap().allow_private().timeout(Duration::from_secs(1)).unwrap();
    let error = webhook.deliver("k", b"{}").await.unwrap_err();
    assert!(error.retryable, "{error}");
    assert!(service.taken().is_empty());
}

/// Story: a proxy that the environment names saw what was sent, and resolved the names in our stead.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let outcome = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["a_delivery_carries_its_key_its_body_and_what_the_rule_has_added", "--exact"])
        .envs([
            ("http_proxy", "http://127.0.0.1:1"),
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ])
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("1 passed"));
}
