//! Keys that their vendors marked: a prefix, then a body of known letters and length.

use std::ops::Range;

use super::bytes::{SECRET_BYTES_MAX, begins_alone, begins_word, contains_word, run_end};
use super::scan::{Hit, Rank};
use super::value;

/// What the body of a key is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    /// `0-9 a-z A-Z`
    Alnum,
    /// `0-9 A-Z`
    Upper,
    /// `0-9 a-f`
    Hex,
    /// The above with `-` and `_`, as in base64 for URLs.
    Url,
    /// The above with dots between parts.
    Dotted,
    /// Letters, digits and `/`.
    Path,
}

struct Shape {
    prefix: &'static str,
    kind: &'static str,
    body: Body,
    least: usize,
    most: usize,
}

const fn shape(prefix: &'static str, kind: &'static str, body: Body, least: usize, most: usize) -> Shape {
    Shape { prefix, kind, body, least, most }
}

const MOST: usize = SECRET_BYTES_MAX;
/// Bytes of the longest bodies that may begin after a hyphen, an underscore or a dot.
const LOOSE_BYTES_MAX: usize = 320;

/// A longer prefix stands before a shorter one that it begins with. Lengths are those of the vendors' pages, with
/// room where a vendor says that keys may grow.
const SHAPES: &[Shape] = &[
    // docs.aws.amazon.com, IAM identifiers: long-term and temporary access keys.
    shape("AKIA", "aws-access-key-id", Body::Upper, 16, 16),
    shape("ASIA", "aws-access-key-id", Body::Upper, 16, 16),
    // docs.github.com, token formats: personal, OAuth, user-to-server, server-to-server, refresh; fine-grained.
    shape("ghp_", "github-token", Body::Alnum, 36, 251),
    shape("gho_", "github-token", Body::Alnum, 36, 251),
    shape("ghu_", "github-token", Body::Alnum, 36, 251),
    shape("ghs_", "github-token", Body::Dotted, 36, MOST),
    shape("ghr_", "github-token", Body::Alnum, 36, 251),
    shape("github_pat_", "github-token", Body::Url, 40, 255),
    // docs.gitlab.com, token overview: personal, deploy, runner, trigger, CI job.
    shape("glpat-", "gitlab-token", Body::Dotted, 20, 320),
    shape("gldt-", "gitlab-token", Body::Dotted, 20, 320),
    shape("glrt-", "gitlab-token", Body::Dotted, 20, 320),
    shape("glptt-", "gitlab-token", Body::Dotted, 20, 320),
    shape("glcbt-", "gitlab-token", Body::Dotted, 20, 320),
    // api.slack.com, token types; incoming webhooks.
    shape("xoxa-", "slack-token", Body::Url, 16, 512),
    shape("xoxb-", "slack-token", Body::Url, 16, 512),
    shape("xoxe-", "slack-token", Body::Url, 16, 512),
    shape("xoxe.", "slack-token", Body::Url, 16, 512),
    shape("xoxp-", "slack-token", Body::Url, 16, 512),
    shape("xoxr-", "slack-token", Body::Url, 16, 512),
    shape("xoxs-", "slack-token", Body::Url, 16, 512),
    shape("xapp-", "slack-token", Body::Url, 16, 512),
    shape("hooks.slack.com/services/", "slack-webhook", Body::Path, 30, 128),
    // Anthropic before OpenAI: both begin with sk-, which others use as well.
    shape("sk-ant-", "anthropic-key", Body::Url, 24, 256),
    shape("sk-", "openai-key", Body::Url, 20, 256),
    // cloud.google.com: API keys, OAuth client secrets, OAuth access tokens.
    shape("AIza", "google-key", Body::Url, 35, 35),
    shape("GOCSPX-", "google-key", Body::Url, 28, 28),
    shape("ya29.", "google-key", Body::Url, 30, 2048),
    // docs.stripe.com, API keys: secret, restricted; webhook signing.
    shape("sk_live_", "stripe-key", Body::Alnum, 16, 247),
    shape("sk_test_", "stripe-key", Body::Alnum, 16, 247),
    shape("rk_live_", "stripe-key", Body::Alnum, 16, 247),
    shape("rk_test_", "stripe-key", Body::Alnum, 16, 247),
    shape("whsec_", "stripe-key", Body::Alnum, 24, 247),
    // npm: granular tokens, with a checksum within the 36. PyPI: a macaroon.
    shape("npm_", "npm-token", Body::Alnum, 36, 36),
    shape("pypi-", "pypi-token", Body::Url, 50, 512),
    shape("hf_", "hugging-face-token", Body::Alnum, 30, 40),
    // sendgrid.com: SG., 22, a dot, 43.
    shape("SG.", "sendgrid-key", Body::Dotted, 66, 66),
    // twilio.com: an API key's id; without the name beside it, too like other ids.
    shape("SK", "twilio-key", Body::Hex, 32, 32),
    // Groq, xAI, Perplexity, Replicate, Docker Hub, DigitalOcean, Vault, Linear, Shopify, Tailscale.
    shape("gsk_", "vendor-token", Body::Alnum, 40, 80),
    shape("xai-", "vendor-token", Body::Alnum, 60, 120),
    shape("pplx-", "vendor-token", Body::Alnum, 40, 80),
    shape("r8_", "vendor-token", Body::Alnum, 37, 40),
    shape("dckr_pat_", "vendor-token", Body::Url, 27, 27),
    shape("dop_v1_", "vendor-token", Body::Hex, 64, 64),
    shape("hvs.", "vendor-token", Body::Url, 24, 256),
    shape("lin_api_", "vendor-token", Body::Alnum, 40, 48),
    shape("shpat_", "vendor-token", Body::Hex, 32, 32),
    shape("tskey-", "vendor-token", Body::Url, 24, 128),
    // RFC 7515: three parts, of which the first two are JSON objects; five when it is encrypted.
    shape("eyJ", "json-web-token", Body::Dotted, 30, 16 * 1024),
];

const NONE: usize = usize::MAX;

/// For each byte the first shape that begins with it, and for each shape the next one that begins so.
const CHAINS: ([usize; 256], [usize; SHAPES.len()]) = {
    let mut first = [NONE; 256];
    let mut next = [NONE; SHAPES.len()];
    let mut index = SHAPES.len();
    while index > 0 {
        index -= 1;
        let byte = SHAPES[index].prefix.as_bytes()[0] as usize;
        next[index] = first[byte];
        first[byte] = index;
    }
    (first, next)
};

/// Whether a key may begin with a byte.
pub(super) const fn begins_with(byte: u8) -> bool {
    CHAINS.0[byte as usize] != NONE
}

/// For each pair of bytes one bit: whether a key may begin with them. Most first letters are those of many words.
static PAIRS: [u64; 1024] = {
    let mut pairs = [0; 1024];
    let mut index = 0;
    while index < SHAPES.len() {
        let prefix = SHAPES[index].prefix.as_bytes();
        let pair = pair(prefix[0], prefix[1]);
        pairs[pair / 64] |= 1 << (pair % 64);
        index += 1;
    }
    pairs
};

const fn pair(first: u8, second: u8) -> usize {
    (first as usize) << 8 | second as usize
}

/// Whether a key may begin at a place, as far as two bytes tell.
#[inline]
pub(super) fn may_begin(bytes: &[u8], at: usize) -> bool {
    let pair = bytes.get(at + 1).map_or(0, |second| pair(bytes[at], *second));
    PAIRS[pair / 64] >> (pair % 64) & 1 == 1
}

/// The key that begins at a place of a text that may be the value of a name.
pub(super) fn at(bytes: &[u8], at: usize, name: Option<&str>) -> Option<Hit<'static>> {
    let mut index = CHAINS.0[usize::from(bytes[at])];
    let shape = loop {
        let shape = SHAPES.get(index)?;
        if bytes[at..].starts_with(shape.prefix.as_bytes()) {
            break shape;
        }
        index = CHAINS.1[index];
    };
    // Where a body is long, a prefix within another body may not make the pass look at all of it again.
    let stands_alone = shape.prefix.len() <= 3 || shape.most > LOOSE_BYTES_MAX;
    if !(if stands_alone { begins_alone(bytes, at) } else { begins_word(bytes, at) }) {
        return None;
    }
    let start = at + shape.prefix.len();
    let body = start..body_end(bytes, start, shape);
    let fits = (shape.least..=shape.most).contains(&body.len())
        && !value::is_placeholder(&bytes[body.clone()])
        && is_right(shape, bytes, at..body.end, name);
    fits.then_some(Hit { kind: shape.kind, rank: Rank::Shape, range: at..body.end })
}

fn body_end(bytes: &[u8], start: usize, shape: &Shape) -> usize {
    let body = shape.body;
    let bounded = &bytes[..bytes.len().min(start + shape.most + 1)];
    let end = run_end(bounded, start, |byte| match body {
        Body::Alnum => byte.is_ascii_alphanumeric(),
        Body::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        Body::Hex => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
        Body::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
        Body::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
        Body::Path => byte.is_ascii_alphanumeric() || byte == b'/',
    });
    if matches!(body, Body::Upper | Body::Hex) && bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        // A part of something longer.
        return start;
    }
    // The full stop of a sentence is no part of a key.
    start + bytes[start..end].iter().rposition(|byte| *byte != b'.').map_or(0, |last| last + 1)
}

/// What length and letters do not tell.
fn is_right(shape: &Shape, bytes: &[u8], whole: Range<usize>, name: Option<&str>) -> bool {
    let body = &bytes[whole.start + shape.prefix.len()..whole.end];
    match shape.prefix {
        "eyJ" => is_json_web_token(&bytes[whole]),
        "SG." => body[22] == b'.' && body[23..].iter().all(|byte| *byte != b'.'),
        "SK" => speaks_of_twilio(bytes, whole.start, name),
        // Words joined by hyphens begin so too: the classes of a style sheet, the names of models.
        "sk-" | "sk-ant-" | "xapp-" | "xai-" | "tskey-" => value::has_random_part(body, 16),
        "hooks.slack.com/services/" => value::has_random_part(body, 12),
        "dop_v1_" | "shpat_" | "AKIA" | "ASIA" => true,
        _ => value::is_mixed(body) || value::is_shuffled(body, 3.0),
    }
}

fn is_json_web_token(token: &[u8]) -> bool {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    match parts.as_slice() {
        [header, claims, signature] => {
            header.len() >= 12 && claims.len() >= 12 && claims.starts_with(b"eyJ") && signature.len() >= 16
        }
        [header, _, _, text, tag] => header.len() >= 12 && text.len() >= 12 && tag.len() >= 16,
        _ => false,
    }
}

/// Bytes before an id in which the name of its vendor helps.
const NEAR_BYTES: usize = 256;

fn speaks_of_twilio(bytes: &[u8], at: usize, name: Option<&str>) -> bool {
    let near = &bytes[at.saturating_sub(NEAR_BYTES)..at];
    contains_word(near, b"twilio") || name.is_some_and(|name| contains_word(name.as_bytes(), b"twilio"))
}
