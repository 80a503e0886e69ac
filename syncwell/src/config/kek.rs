//! `[secrets] kek` and `kms_keys`: the key-encryption key.

use std::collections::BTreeMap;

use keys::KmsSettings;

use super::endpoints::secure_endpoint;
use super::secrets::{self, SecretLocation};
use super::toml_reader::ConfigReader;
use crate::data_dir::DataDir;

/// Source of the key-encryption key.
#[derive(Debug)]
pub(crate) enum KekSource {
    /// A secret of this installation.
    Local(SecretLocation),
    /// Keys in AWS KMS.
    Kms(KmsSettings),
}

/// Reads `[secrets] kms_keys`; without it, the secret `kek`.
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
