//! A certificate authority of the tests' own, and clients that trust it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::raw_http::{RawResponse, parse_response};

pub(crate) struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) ca_file: PathBuf,
}

impl CertificateAuthority {
    /// Writes its certificate into the folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca_file = folder.join("ca.pem");
        std::fs::write(&ca_file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), ca_file }
    }

    /// Writes a certificate for this machine and its key, replacing what is there; returns the certificate.
    pub(crate) fn issue_certificate(&self, certificate: &Path, key: &Path) -> CertificateDer<'static> {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let pair = KeyPair::generate().unwrap();
        let issued = params.signed_by(&pair, &self.issuer).unwrap();
        std::fs::write(key, pair.serialize_pem()).unwrap();
        std::fs::write(certificate, issued.pem()).unwrap();
        issued.der().clone()
    }

    pub(crate) fn server_config(&self, folder: &Path) -> Arc<ServerConfig> {
        let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
        let issued = self.issue_certificate(&certificate, &key);
        let config = ServerConfig::builder_with_provider(crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued], PrivateKeyDer::from_pem_file(&key).unwrap());
        Arc::new(config.unwrap())
    }

    /// Connects, by this version of TLS alone.
    pub(crate) async fn connect(
        &self,
        base_url: &str,
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca_file).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(base_url.strip_prefix("https://").unwrap()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// Sends one request on a connection that stays open, and reads an answer of known length.
pub(crate) async fn exchange_over_tls(stream: &mut TlsStream<TcpStream>, request: &[u8]) -> RawResponse {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "the connection was closed");
        answer.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return parse_response(&text);
            }
        }
    }
}

fn crypto_provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
