//! Signatures of Standard Webhooks: HMAC-SHA256 over the key, the time and the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use factlog::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What secrets in Base64 begin with.
const PREFIX: &str = "whsec_";

/// What deliveries are signed with. It is shown nowhere.
#[derive(Clone)]
pub(super) struct Secret(Hmac<Sha256>);

impl Secret {
    pub(super) fn new(secret: &str) -> Result<Self> {
        let bytes = match secret.strip_prefix(PREFIX) {
            // The cause would show a part of it.
            Some(text) => STANDARD.decode(text).map_err(|_| {
                Error::invalid("the webhook's secret begins with whsec_, and no Base64 follows")
                    .with_hint("copy it again, whole; a secret of your own needs no whsec_")
            })?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return Err(Error::invalid("the webhook's secret is empty"));
        }
        let keyed = Hmac::new_from_slice(&bytes)
            .map_err(|_| Error::invalid("the webhook's secret cannot be used as a key"))?;
        Ok(Self(keyed))
    }

    /// The header's value: `v1,` and the signature in Base64.
    pub(super) fn sign(&self, key: &str, seconds: i64, body: &[u8]) -> String {
        let mut signature = self.0.clone();
        signature.update(format!("{key}.{seconds}.").as_bytes());
        signature.update(body);
        format!("v1,{}", STANDARD.encode(signature.finalize().into_bytes()))
    }
}
