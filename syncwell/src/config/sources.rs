//! Where keys, certificates and people come from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use breakglass::{People, Person};
use http_edge::{PublishedSource, TlsFiles};
use ipnet::IpNet;
use keys::KmsSettings;
use worker::{FeedSettings, RetrySchedule};

use super::reader::Reader;
use super::secrets::{self, SecretSource};
use crate::home::{ATTEST_VKEY, Home, LOG_VKEY};
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
pub(super) fn jwks(read: &mut Reader, home: &Home) -> PublishedSource {
    let ca_file = read.path("auth.jwks_ca_file");
    match read.text("auth.jwks") {
        None => PublishedSource::File(home.path("jwks.json")),
        Some(url) if url.starts_with("https://") => PublishedSource::Url { url, ca_file },
        Some(url) if url.starts_with("http://") => {
            read.refuse("auth.jwks", "must be a file or an https URL: over http anybody could name the keys");
            PublishedSource::Url { url, ca_file }
        }
        Some(file) => PublishedSource::File(file.into()),
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

/// Who may be told what changed, and when again.
pub(super) fn feed(read: &mut Reader) -> FeedSettings {
    let allow_private = read.list("feed.allow_private", "a list of networks like \"10.0.0.0/8\"", |text| {
        text.parse::<IpNet>().ok()
    });
    let link_base = read.text("feed.link_base");
    if link_base.as_ref().is_some_and(|base| !base.starts_with("https://") && !is_private(base)) {
        read.refuse("feed.link_base", "must be an https URL, or one on this machine");
    }
    let seconds = read.wholes("feed.retry_seconds");
    let schedule = match seconds {
        None => RetrySchedule::default(),
        Some(seconds) => RetrySchedule::of_seconds(seconds).unwrap_or_else(|error| {
            read.refuse("feed.retry_seconds", format!("can't be: {error}"));
            RetrySchedule::default()
        }),
    };
    FeedSettings {
        allow_private,
        insecure_http: read.flag("feed.insecure_http", false),
        link_base,
        ca_file: read.path("feed.ca_file"),
        schedule,
    }
}

/// How the log is vouched for.
#[derive(Debug)]
pub(crate) struct AuditSettings {
    /// Signs checkpoints.
    pub(crate) checkpoint: SecretSource,
    /// Signs attestations.
    pub(crate) attestation: SecretSource,
    /// What checkpoints are verified by.
    pub(crate) log_vkey: PathBuf,
    /// What attestations are verified by.
    pub(crate) attest_vkey: PathBuf,
    /// A folder, or a URL like `s3://bucket/prefix`.
    pub(crate) tiles: String,
    /// How a store behind a URL is reached: the environment's `AWS_…` variables.
    pub(crate) tile_options: Vec<(String, String)>,
    /// The time between two checkpoints of a log that grows.
    pub(crate) interval: Duration,
}

pub(super) fn audit(read: &mut Reader, home: &Home) -> AuditSettings {
    AuditSettings {
        checkpoint: secrets::source(read, "checkpoint", home),
        attestation: secrets::source(read, "attestation", home),
        log_vkey: read.path("audit.log_key_file").unwrap_or_else(|| home.path(LOG_VKEY)),
        attest_vkey: read.path("audit.attest_key_file").unwrap_or_else(|| home.path(ATTEST_VKEY)),
        tiles: read.text("audit.tiles").unwrap_or_else(|| home.path("tiles").display().to_string()),
        tile_options: read.environment_of("AWS_"),
        interval: Duration::from_secs(read.whole("audit.checkpoint_seconds", 5, 1..=10)),
    }
}
