//! Deliveries over TLS: verified by the system's certificates, which a child of this program is told in its environment.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use factlog_agents::policy::Webhook;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Where the child finds the certificate.
const FOLDER: &str = "FACTLOG_TEST_CERTIFICATE";

const REQUEST: &str = "[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n[name]\nCN=localhost\n\
                       [more]\nsubjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";

#[test]
fn a_certificate_is_verified_and_is_for_the_host_of_the_address() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("request"), REQUEST).unwrap();
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(' '))
        .args(["-config", "request", "-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder.path())
        .output();
    let Ok(made) = made else { return };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let roots = folder.path().join("certificate.pem");
    for (test, roots) in
        [("encrypted::with_its_certificate", Some(&roots)), ("encrypted::without_its_certificate", None)]
    {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([test, "--exact"]).env(FOLDER, folder.path()).env_remove("SSL_CERT_DIR");
        match roots {
            Some(roots) => child.env("SSL_CERT_FILE", roots),
            None => child.env_remove("SSL_CERT_FILE"),
        };
        let said = child.output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success() && text.contains("1 passed"), "{text}");
    }
}

/// Played by a child of the test above; by itself it plays nothing.
#[tokio::test]
async fn with_its_certificate() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let port = serve(Path::new(&folder)).await;
    let to = |host: &str| Webhook::new(&format!("https://{host}:{port}/")).unwrap().allow_private();
    assert_eq!(to("localhost").deliver("k", b"{}").await.unwrap().status, 204);
    let error = to("127.0.0.1").deliver("k", b"{}").await.unwrap_err();
    assert!(error.retryable && error.message.contains("no encrypted connection"), "{error}");
}

/// Played by a child of the test above; by itself it plays nothing.
#[tokio::test]
async fn without_its_certificate() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let port = serve(Path::new(&folder)).await;
    let webhook = Webhook::new(&format!("https://localhost:{port}/")).unwrap().allow_private();
    assert!(webhook.deliver("k", b"{}").await.unwrap_err().retryable);
}

/// A service that answers whoever trusts it, and gives its port.
async fn serve(folder: &Path) -> u16 {
    let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut heard = Vec::new();
            while !heard.ends_with(b"{}") {
                assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    port
}
