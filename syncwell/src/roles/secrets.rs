//! The secrets that roles need.

use std::sync::Arc;

use keys::{Kek, Pseudonymizer};
use runtime::spawn_critical;
use tlog::{LogSigner, LogVerifier};

use crate::config::{Config, KekSource, SecretLocation};
use crate::exit_code::UsageError;

/// Secrets of every role that serves requests.
pub(crate) struct RoleSecrets {
    pub(super) pseudonyms: Pseudonymizer,
    pub(crate) kek: Arc<Kek>,
}

impl RoleSecrets {
    /// Reads the secrets from where the configuration says they are.
    pub(crate) async fn load(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { pseudonyms: load_pseudonyms(config)?, kek: load_kek(config).await? })
    }
}

/// Reads the secret of the pseudonyms.
pub(crate) fn load_pseudonyms(config: &Config) -> anyhow::Result<Pseudonymizer> {
    let (_, pseudonym) = config.pseudonym.read()?.to_current();
    Ok(Pseudonymizer::new(pseudonym).with_returned_users(config.returned_users.clone()))
}

/// Loads the key-encryption key and reloads it in the background.
pub(crate) async fn load_kek(config: &Config) -> anyhow::Result<Arc<Kek>> {
    let kek = Arc::new(match &config.kek {
        KekSource::Local(source) => Kek::from_source(source.to_source()?)?,
        KekSource::Kms(settings) => Kek::from_kms_settings(settings.clone())?,
    });
    let followed = kek.clone();
    spawn_critical("kek-reload", async move { followed.reload_loop().await });
    Ok(kek)
}

/// Loads the signing secret of a public key. Fails if they do not belong together.
pub(crate) fn load_signer(secret: &SecretLocation, verifier: &LogVerifier) -> anyhow::Result<LogSigner> {
    let secrets = secret.read()?;
    let signer = LogSigner::new(verifier.origin(), secrets.current().1)?;
    if signer.vkey() != verifier.vkey() {
        return Err(UsageError(
            "the signing secret is not the one that the public key beside it is of: restore it from a backup"
                .to_owned(),
        )
        .into());
    }
    Ok(signer)
}
