//! The key-encryption key, behind one interface with two implementations: secrets held here ([`local`]), and a key
//! that never leaves AWS KMS ([`kms`]).
//!
//! Both are versioned. New data keys are wrapped under the newest version; `syncwell keys rotate-kek` wraps the others
//! anew. How wrapped keys are stored is written down in [`crate::keys_stream::record`].

mod kms;
mod local;

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

pub use kms::{KmsError, KmsSettings};

use crate::reloading_secret::SecretSource;
use crate::secret_files::{SecretFileError, VersionedSecrets};
use kms::KmsKek;
use local::LocalKek;

/// How often new versions are looked for.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// Why a record gives no data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// Not a record of a known format.
    #[error("a record of the keys' stream is of no known format")]
    Format,
    /// Wrapped under a version that is not held.
    #[error("a data key is wrapped under version {0} of the key-encryption key, which is not held here")]
    UnknownVersion(u32),
    /// Wrapped under another key, or changed.
    #[error(
        "a data key does not open under version {0} of the key-encryption key: this is another key, or the record was changed"
    )]
    WrongKey(u32),
    /// The KMS refuses: it is another key, or we have no right to this one, or it is disabled.
    #[error(
        "the key management service refuses the key of version {0} for this: another key, no right, or disabled"
    )]
    Refused(u32),
    /// The KMS does not answer.
    #[error("the key management service can't be asked now")]
    Unavailable,
}

/// The key that wraps data keys.
pub struct Kek(WrappingKey);

enum WrappingKey {
    Local(LocalKek),
    Kms(KmsKek),
}

impl Kek {
    /// From secrets that stay as they are.
    pub fn new(secrets: &VersionedSecrets) -> Self {
        let local = LocalKek::load(SecretSource::Fixed(secrets.clone()));
        Self(WrappingKey::Local(local.unwrap_or_else(|_| unreachable!("BUG: nothing is read"))))
    }

    /// A file, or a secret from the environment.
    pub fn from_source(source: SecretSource) -> Result<Self, SecretFileError> {
        LocalKek::load(source).map(|local| Self(WrappingKey::Local(local)))
    }

    /// Keys of AWS KMS.
    pub fn from_kms_settings(settings: KmsSettings) -> Result<Self, KmsError> {
        KmsKek::new(settings).map(|kms| Self(WrappingKey::Kms(kms)))
    }

    /// Looks for new versions, again and again.
    pub async fn reload_loop(&self) {
        match &self.0 {
            WrappingKey::Local(local) => loop {
                tokio::time::sleep(RELOAD_INTERVAL).await;
                local.reload_if_changed();
            },
            // Its versions are in the configuration.
            WrappingKey::Kms(_) => std::future::pending().await,
        }
    }

    /// Looks for new versions now, unless that was done a moment ago.
    pub fn reload_if_changed(&self) {
        if let WrappingKey::Local(local) = &self.0 {
            local.reload_if_changed();
        }
    }

    /// The version under which new keys are wrapped.
    pub fn current_version(&self) -> u32 {
        match &self.0 {
            WrappingKey::Local(local) => local.current_version(),
            WrappingKey::Kms(kms) => kms.current_version(),
        }
    }

    /// Seals under a version.
    pub(crate) async fn seal(
        &self,
        version: u32,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, UnwrapError> {
        match &self.0 {
            WrappingKey::Local(local) => local.seal(version, associated, plaintext),
            // Boxed: the future of a call is large, and every post that waits for a key would reserve room for it.
            WrappingKey::Kms(kms) => Box::pin(kms.seal(version, associated, plaintext)).await,
        }
    }

    /// Opens what [`Kek::seal`] made under this version with the same `associated`.
    pub(crate) async fn open(
        &self,
        version: u32,
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        match &self.0 {
            WrappingKey::Local(local) => local.open(version, associated, sealed),
            WrappingKey::Kms(kms) => Box::pin(kms.open(version, associated, sealed)).await,
        }
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
