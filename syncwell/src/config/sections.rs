//! Where keys, certificates and people come from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use breakglass::{AuthorizedOperator, AuthorizedOperators};
use http_edge::{KeySetSource, TlsFiles};
use ipnet::IpNet;
use keys::KmsSettings;
use worker::{RetrySchedule, WebhookSettings};

use super::secrets::{self, SecretLocation};
use super::toml_reader::ConfigReader;
use crate::data_dir::{ATTEST_VKEY_FILE, DataDir, LOG_VKEY_FILE};
use crate::url_security::is_loopback_or_tls;

/// Where the key-encryption key is.
#[derive(Debug)]
pub(crate) enum KekSource {
    /// A secret of ours.
    Local(SecretLocation),
    /// Keys of AWS KMS.
    Kms(KmsSettings),
}

/// `[secrets] kms_keys` where it is named, else a secret like the others.
pub(super) fn kek(read: &mut ConfigReader, home: &DataDir) -> KekSource {
    const FORM: &str = "a list of versions and keys like \"1 arn:aws:kms:…\"";
    let local = secrets::secret_location(read, "kek", home);
    let endpoint = secure_endpoint(read, "secrets.kms_endpoint");
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
        read.report_invalid("secrets.kms_keys", "names one version twice");
    }
    KekSource::Kms(KmsSettings { keys, endpoint })
}

/// A URL that nobody on a network can read along.
pub(super) fn secure_endpoint(read: &mut ConfigReader, key: &str) -> Option<String> {
    let url = read.text(key)?;
    if !url.starts_with("https://") && !is_loopback_or_tls(&url) {
        read.report_invalid(key, "must be an https URL, or one on this machine");
    }
    Some(url)
}

/// A file, or an https URL.
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

/// Both files or none.
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

/// Who may break the glass, and for whom the index is sealed.
#[derive(Debug)]
pub(crate) struct BreakGlassSettings {
    pub(crate) operators: AuthorizedOperators,
    pub(crate) key: SecretLocation,
    pub(crate) recipient: PathBuf,
}

pub(super) fn breakglass(read: &mut ConfigReader, home: &DataDir) -> BreakGlassSettings {
    const FORM: &str = "a list of people like \"ana=<64 hex characters>\"";
    let people: Vec<AuthorizedOperator> = read.list("breakglass.people", FORM, |text| text.parse().ok());
    let people = AuthorizedOperators::new(people).unwrap_or_else(|error| {
        read.report_invalid("breakglass.people", error);
        AuthorizedOperators::default()
    });
    BreakGlassSettings {
        operators: people,
        key: secrets::secret_location(read, "breakglass", home),
        recipient: read.path("breakglass.recipient_file").unwrap_or_else(|| home.path("breakglass.pub")),
    }
}

/// Who may be told what changed, and when again.
pub(super) fn webhooks(read: &mut ConfigReader) -> WebhookSettings {
    let allow_private = read.list("feed.allow_private", "a list of networks like \"10.0.0.0/8\"", |text| {
        text.parse::<IpNet>().ok()
    });
    let link_base = read.text("feed.link_base");
    if link_base.as_ref().is_some_and(|base| !base.starts_with("https://") && !is_loopback_or_tls(base)) {
        read.report_invalid("feed.link_base", "must be an https URL, or one on this machine");
    }
    let seconds = read.integer_list("feed.retry_seconds");
    let schedule = match seconds {
        None => RetrySchedule::default(),
        Some(seconds) => RetrySchedule::from_seconds(seconds).unwrap_or_else(|error| {
            read.report_invalid("feed.retry_seconds", format!("can't be: {error}"));
            RetrySchedule::default()
        }),
    };
    WebhookSettings {
        allow_private,
        insecure_http: read.boolean("feed.insecure_http", false),
        link_base,
        ca_file: read.path("feed.ca_file"),
        schedule,
    }
}

/// How the log is vouched for.
#[derive(Debug)]
pub(crate) struct AuditSettings {
    /// Signs checkpoints.
    pub(crate) checkpoint: SecretLocation,
    /// Signs attestations.
    pub(crate) attestation: SecretLocation,
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

pub(super) fn audit(read: &mut ConfigReader, home: &DataDir) -> AuditSettings {
    AuditSettings {
        checkpoint: secrets::secret_location(read, "checkpoint", home),
        attestation: secrets::secret_location(read, "attestation", home),
        log_vkey: read.path("audit.log_key_file").unwrap_or_else(|| home.path(LOG_VKEY_FILE)),
        attest_vkey: read.path("audit.attest_key_file").unwrap_or_else(|| home.path(ATTEST_VKEY_FILE)),
        tiles: read.text("audit.tiles").unwrap_or_else(|| home.path("tiles").display().to_string()),
        tile_options: read.environment_with_prefix("AWS_"),
        interval: Duration::from_secs(read.integer("audit.checkpoint_seconds", 5, 1..=10)),
    }
}
