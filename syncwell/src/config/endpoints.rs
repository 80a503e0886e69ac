//! `[auth] jwks`, `[tls]`, and endpoints that must be secure.

use http_edge::{KeySetSource, TlsFiles};

use super::toml_reader::ConfigReader;
use crate::data_dir::DataDir;
use crate::url_security::is_loopback_or_tls;

/// Reads a URL. It must be https, or on this machine.
pub(super) fn secure_endpoint(read: &mut ConfigReader, key: &str) -> Option<String> {
    let url = read.text(key)?;
    if !url.starts_with("https://") && !is_loopback_or_tls(&url) {
        read.report_invalid(key, "must be an https URL, or one on this machine");
    }
    Some(url)
}

/// Reads the source of the issuer's keys: a file, or an https URL.
pub(super) fn jwks(read: &mut ConfigReader, home: &DataDir) -> KeySetSource {
    let ca_file = read.path("auth.jwks_ca_file");
    match read.text("auth.jwks") {
        None => KeySetSource::File(home.path("jwks.json")),
        Some(url) if url.starts_with("https://") => KeySetSource::Url { url, ca_file },
        Some(url) if url.starts_with("http://") => {
            read.report_invalid(
                "auth.jwks",
                "must be a file or an https URL: over http anybody could name the keys",
            );
            KeySetSource::Url { url, ca_file }
        }
        Some(file) => KeySetSource::File(file.into()),
    }
}

/// Reads the certificate and key files: both or none.
pub(super) fn tls(read: &mut ConfigReader) -> Option<TlsFiles> {
    match (read.path("tls.certificate_file"), read.path("tls.key_file")) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            read.report_invalid("tls.key_file", "is missing beside tls.certificate_file");
            None
        }
        (None, Some(_)) => {
            read.report_invalid("tls.certificate_file", "is missing beside tls.key_file");
            None
        }
    }
}
