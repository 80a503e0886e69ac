//! Key-encryption keys that never leave AWS KMS: it wraps and unwraps each data key (`Encrypt`, `Decrypt`), and its own
//! trail tells who asked. The associated data travels as the encryption context, so KMS itself refuses a wrapped key
//! that was moved to another user.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::UnwrapError;

/// How long one question to KMS may take, retries included.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// The name under which the associated data stand in the encryption context.
const CONTEXT: &str = "syncwell";

/// Which keys of KMS. Credentials and region come from where the SDK looks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsSettings {
    /// Versions and the id, alias or ARN of their key; new data keys are wrapped under the highest version.
    pub keys: BTreeMap<u32, String>,
    /// Another endpoint than AWS's own, for instance a VPC endpoint.
    pub endpoint: Option<String>,
}

/// KMS can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No key was named.
    #[error("no key of KMS is named")]
    NoKeys,
}

pub(super) struct KmsKek {
    client: Client,
    keys: BTreeMap<u32, String>,
    current: u32,
}

impl KmsKek {
    pub(super) async fn connect(settings: KmsSettings) -> Result<Self, KmsError> {
        let current = *settings.keys.last_key_value().ok_or(KmsError::NoKeys)?.0;
        let timeouts = TimeoutConfig::builder().operation_timeout(ASK_TIMEOUT).build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(endpoint) = settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Ok(Self { client: Client::new(&loader.load().await), keys: settings.keys, current })
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
        let request = self
            .client
            .encrypt()
            .key_id(self.key(version)?)
            .encryption_context(CONTEXT, HEXLOWER.encode(associated))
            .plaintext(Blob::new(plaintext));
        let answer = request.send().await.map_err(|error| refused(version, &error))?;
        answer.ciphertext_blob.map(Blob::into_inner).ok_or(UnwrapError::Unavailable)
    }

    pub(super) async fn open(
        &self,
        version: u32,
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let request = self
            .client
            .decrypt()
            // Named although the blob names one too: nothing is opened under a key that is not ours.
            .key_id(self.key(version)?)
            .encryption_context(CONTEXT, HEXLOWER.encode(associated))
            .ciphertext_blob(Blob::new(sealed));
        let answer = request.send().await.map_err(|error| refused(version, &error))?;
        let plaintext = answer.plaintext.ok_or(UnwrapError::Unavailable)?;
        Ok(Zeroizing::new(plaintext.into_inner()))
    }

    fn key(&self, version: u32) -> Result<&str, UnwrapError> {
        self.keys.get(&version).map(String::as_str).ok_or(UnwrapError::UnknownVersion(version))
    }
}

/// What KMS says of the ciphertext is about the key, and a refusal about our rights to it; everything else (throttled,
/// away) passes by itself.
fn refused<E: ProvideErrorMetadata>(version: u32, error: &SdkError<E>) -> UnwrapError {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    match code {
        "InvalidCiphertextException" | "IncorrectKeyException" => UnwrapError::WrongKey(version),
        "AccessDeniedException" | "DisabledException" | "KMSInvalidStateException" | "NotFoundException" => {
            tracing::warn!(version, code, "KMS refuses to wrap or unwrap a data key");
            UnwrapError::Refused(version)
        }
        _ => {
            tracing::warn!(version, code, "KMS did not wrap or unwrap a data key");
            UnwrapError::Unavailable
        }
    }
}
