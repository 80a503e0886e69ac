//! Where keys, certificates and people come from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use breakglass::{People, Person};
use edge::{JwksSource, TlsFiles};
use vault::KmsSettings;

use super::reader::Reader;
use super::secrets::{self, SecretSource};
use crate::home::Home;
use crate::network::is_private;

/// Where the key-encryption key is.
#[derive(Debug)]
pub(crate) enum KekSource {
    /// A secret of ours.
    Local(SecretSource),
    /// Keys of AWS KMS.
    Kms(KmsSettings),
}

/// `[secrets] kms_keys` where it is named, else a secret like the others.
pub(super) fn kek(read: &mut Reader, home: &Home) -> KekSource {
    const FORM: &str = "a list of versions and keys like \"1 arn:aws:kms:…\"";
    let local = secrets::source(read, "kek", home);
    let endpoint = endpoint(read, "secrets.kms_endpoint");
    let keys = read.list("secrets.kms_keys", FORM, |text| {
        let (version, key) = text.split_once(' ')?;
        Some((version.parse().ok()?, key.to_owned()))
    });
    if keys.is_empty() {
        return KekSource::Local(local);
    }
    let number = keys.len();
    let keys: BTreeMap<u32, String> = keys.into_iter().collect();
    if keys.len() != number {
        read.refuse("secrets.kms_keys", "names one version twice");
    }
    KekSource::Kms(KmsSettings { keys, endpoint })
}

/// A URL that nobody on a network can read along.
pub(super) fn endpoint(read: &mut Reader, key: &str) -> Option<String> {
    let url = read.text(key)?;
    if !url.starts_with("https://") && !is_private(&url) {
        read.refuse(key, "must be an https URL, or one on this machine");
    }
    Some(url)
}

/// A file, or an https URL.
pub(super) fn jwks(read: &mut Reader, home: &Home) -> JwksSource {
    let ca_file = read.path("auth.jwks_ca_file");
    match read.text("auth.jwks") {
        None => JwksSource::File(home.path("jwks.json")),
        Some(url) if url.starts_with("https://") => JwksSource::Url { url, ca_file },
        Some(url) if url.starts_with("http://") => {
            read.refuse("auth.jwks", "must be a file or an https URL: over http anybody could name the keys");
            JwksSource::Url { url, ca_file }
        }
        Some(file) => JwksSource::File(file.into()),
    }
}

/// Both files or none.
pub(super) fn tls(read: &mut Reader) -> Option<TlsFiles> {
    match (read.path("tls.certificate_file"), read.path("tls.key_file")) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            read.refuse("tls.key_file", "is missing beside tls.certificate_file");
            None
        }
        (None, Some(_)) => {
            read.refuse("tls.certificate_file", "is missing beside tls.key_file");
            None
        }
    }
}

/// Who may break the glass, and for whom the index is sealed.
#[derive(Debug)]
pub(crate) struct GlassSettings {
    pub(crate) people: People,
    pub(crate) key: SecretSource,
    pub(crate) recipient: PathBuf,
}

pub(super) fn glass(read: &mut Reader, home: &Home) -> GlassSettings {
    const FORM: &str = "a list of people like \"ana=<64 hex characters>\"";
    let people: Vec<Person> = read.list("breakglass.people", FORM, |text| text.parse().ok());
    let people = People::new(people).unwrap_or_else(|error| {
        read.refuse("breakglass.people", error);
        People::default()
    });
    GlassSettings {
        people,
        key: secrets::source(read, "breakglass", home),
        recipient: read.path("breakglass.recipient_file").unwrap_or_else(|| home.path("breakglass.pub")),
    }
}
