//! Key-encryption keys that never leave AWS KMS: it wraps and unwraps each data key (`Encrypt`, `Decrypt`), and its own
//! audit trail records who asked. The associated data travels as the encryption context, so KMS itself refuses a wrapped
//! key that was moved to another user.
//!
//! Two calls of one JSON API do not need an SDK: requests are signed with Signature Version 4 by `reqsign`, which also
//! finds the credentials (environment, profile, web identity, container, instance), and sent by `reqwest`.

mod api;

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::UnwrapError;
use api::{CallError, KmsApi, KmsKey};

/// Limit of one call to KMS, retries included.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Name of the associated data in the encryption context.
const CONTEXT: &str = "syncwell";

/// The KMS keys to use. Credentials come from AWS's usual places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsSettings {
    /// Versions and the id, alias or ARN of their key; new data keys are wrapped under the highest version.
    pub keys: BTreeMap<u32, String>,
    /// An endpoint other than AWS's own, for instance a VPC endpoint.
    pub endpoint: Option<String>,
}

/// KMS is configured incompletely.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No key is configured.
    #[error("no KMS key is configured")]
    NoKeys,
    /// The region of a key is unknown.
    #[error("the region of KMS key {0} is unknown: give the key by its ARN, or set AWS_REGION")]
    NoRegion(String),
    /// The HTTP client could not be built.
    #[error("the HTTP client for KMS could not be built")]
    Client(#[source] reqwest::Error),
}

pub(super) struct KmsKek {
    api: KmsApi,
    keys: BTreeMap<u32, KmsKey>,
    current: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptResponse {
    ciphertext_blob: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DecryptResponse {
    plaintext: String,
}

impl KmsKek {
    pub(super) fn new(settings: KmsSettings) -> Result<Self, KmsError> {
        let current = *settings.keys.last_key_value().ok_or(KmsError::NoKeys)?.0;
        let api = KmsApi::new(settings.endpoint).map_err(KmsError::Client)?;
        let keys = settings.keys.into_iter().map(|(version, id)| Ok((version, api.key(id)?)));
        Ok(Self { keys: keys.collect::<Result<_, KmsError>>()?, api, current })
    }

    pub(super) fn current_version(&self) -> u32 {
        self.current
    }

    pub(super) async fn seal(
        &self,
        version: u32,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, UnwrapError> {
        let key = self.key(version)?;
        let request = json!({
            "KeyId": key.id(),
            "EncryptionContext": { CONTEXT: HEXLOWER.encode(associated) },
            "Plaintext": BASE64.encode(plaintext),
        });
        let response: EncryptResponse = self.call(version, key, "Encrypt", &request).await?;
        BASE64.decode(response.ciphertext_blob.as_bytes()).map_err(|_| malformed(version))
    }

    pub(super) async fn open(
        &self,
        version: u32,
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let key = self.key(version)?;
        // The key is named although the ciphertext names one too: nothing is opened under a key that is not ours.
        let request = json!({
            "KeyId": key.id(),
            "EncryptionContext": { CONTEXT: HEXLOWER.encode(associated) },
            "CiphertextBlob": BASE64.encode(sealed),
        });
        let response: DecryptResponse = self.call(version, key, "Decrypt", &request).await?;
        let encoded = Zeroizing::new(response.plaintext);
        BASE64.decode(encoded.as_bytes()).map(Zeroizing::new).map_err(|_| malformed(version))
    }

    fn key(&self, version: u32) -> Result<&KmsKey, UnwrapError> {
        self.keys.get(&version).ok_or(UnwrapError::UnknownVersion(version))
    }

    async fn call<R: serde::de::DeserializeOwned>(
        &self,
        version: u32,
        key: &KmsKey,
        operation: &'static str,
        request: &Value,
    ) -> Result<R, UnwrapError> {
        let called = tokio::time::timeout(CALL_TIMEOUT, self.api.call(key, operation, request)).await;
        let body = called.unwrap_or(Err(CallError::Timeout)).map_err(|error| classify(version, &error))?;
        serde_json::from_slice(&body).map_err(|_| malformed(version))
    }
}

/// Maps a KMS error. An error about the ciphertext is about the key, a refusal is about our permissions; everything
/// else (throttling, outage) passes by itself.
fn classify(version: u32, error: &CallError) -> UnwrapError {
    match error.code() {
        "InvalidCiphertextException" | "IncorrectKeyException" => UnwrapError::WrongKey(version),
        code @ ("AccessDeniedException"
        | "DisabledException"
        | "KMSInvalidStateException"
        | "NotFoundException") => {
            tracing::warn!(version, code, "KMS refused to wrap or unwrap a data key");
            UnwrapError::Refused(version)
        }
        _ => {
            tracing::warn!(version, error = error as &dyn std::error::Error, "KMS call failed");
            UnwrapError::Unavailable
        }
    }
}

fn malformed(version: u32) -> UnwrapError {
    tracing::warn!(version, "KMS sent a malformed response");
    UnwrapError::Unavailable
}
