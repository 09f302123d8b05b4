//! Encryption: the server's certificate is verified against the system's roots or a file, unless that is switched off by name.

use std::path::Path;
use std::sync::Arc;

use factlog::{Error, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::options::{Tls, TlsMode};

/// What connections are encrypted with.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::stopped(format!("no encryption: {cause}")).with_cause(cause))?;
    let config = if tls.verify {
        config.with_root_certificates(roots(tls)?)
    } else {
        config.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn roots(tls: &Tls) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &tls.roots {
        Some(path) => {
            roots.add_parsable_certificates(of_file(path)?);
        }
        // Looking for them takes a while, and nobody needs them then.
        None if tls.mode == TlsMode::Disable => {}
        None => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(%error, "certificates of the system");
            }
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() && tls.mode != TlsMode::Disable {
        return Err(Error::invalid("there are no certificates to verify the server with").with_hint(
            "install the system's certificates (ca-certificates), or name a file with ?sslrootcert=PATH",
        ));
    }
    Ok(roots)
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|cause| {
        Error::invalid(format!("the certificates in {}: {cause}", path.display())).with_cause(cause)
    })
}

/// Takes any certificate, where `sslmode=no-verify` asks for it; that the server holds its key is still checked.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
