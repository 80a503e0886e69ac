//! TLS at the door: 1.2 or newer, by rustls. The certificate is read again when its files change; connections that are
//! open stay open, and a pair that can't be used changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Where the certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate, then those that it was issued by.
    pub certificate: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
}

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read, or holds nothing of the kind.
    #[error("{} holds no certificate or key in PEM", .0.display())]
    File(PathBuf, #[source] rustls::pki_types::pem::Error),
    /// They do not belong together, or are not understood.
    #[error("the certificate {} can't be used with its key", .0.display())]
    Unusable(PathBuf, #[source] rustls::Error),
}

/// A certificate in use.
pub struct ServerTls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

/// When both files were last written. What can't be told is as good as unchanged.
type ModifiedTimes = [Option<SystemTime>; 2];

impl ServerTls {
    /// Reads the files.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let config = ArcSwap::new(load(&files)?);
        Ok(Self { files, config })
    }

    /// Reads the files again whenever they change.
    pub async fn reload_loop(&self) {
        let mut in_use = self.modified_times();
        let mut complained_of = None;
        loop {
            sleep(POLL_INTERVAL).await;
            let stamp = self.modified_times();
            if stamp == in_use {
                continue;
            }
            match load(&self.files) {
                Ok(config) => {
                    self.config.store(config);
                    in_use = stamp;
                    complained_of = None;
                    tracing::info!("a new certificate is in use");
                }
                // The other file may be on its way, so it is tried again; told once.
                Err(error) if complained_of != Some(stamp) => {
                    complained_of = Some(stamp);
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the new certificate can't be used; the old one stays"
                    );
                }
                Err(_) => {}
            }
        }
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.config.load_full().into()
    }

    fn modified_times(&self) -> ModifiedTimes {
        let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        [modified(&self.files.certificate), modified(&self.files.key)]
    }
}

fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let TlsFiles { certificate, key } = files;
    let read = |error| TlsError::File(certificate.clone(), error);
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).map_err(read)?.collect::<Result<_, _>>().map_err(read)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File(key.clone(), error))?;
    let pair = |error| TlsError::Unusable(certificate.clone(), error);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        // 1.2 and 1.3; rustls knows nothing older.
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
