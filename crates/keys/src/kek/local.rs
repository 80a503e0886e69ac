//! Key-encryption keys that are secrets of ours: AES-256-GCM under a file's or a variable's 256 bits.

use zeroize::Zeroizing;

use super::UnwrapError;
use crate::aead::AeadKey;
use crate::reloading_secret::{Reloading, SecretSource};
use crate::secret_files::{SecretFileError, VersionedSecrets};

type VersionedKeys = Vec<(u32, AeadKey)>;

pub(super) struct LocalKek(Reloading<VersionedKeys>);

impl LocalKek {
    pub(super) fn load(source: SecretSource) -> Result<Self, SecretFileError> {
        Reloading::load(source, |secrets, _| versioned_keys(secrets)).map(Self)
    }

    pub(super) fn reload_if_changed(&self) {
        self.0.reload_if_changed();
    }

    pub(super) fn current_version(&self) -> u32 {
        self.0.get().0.current().0
    }

    pub(super) fn seal(
        &self,
        version: u32,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, UnwrapError> {
        self.with_key(version, |key| Ok(key.seal(associated, plaintext)))
    }

    pub(super) fn open(
        &self,
        version: u32,
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let mut sealed = Zeroizing::new(sealed.to_vec());
        self.with_key(version, |key| {
            let opened = key.open(associated, &mut sealed).map_err(|_| UnwrapError::WrongKey(version))?;
            Ok(Zeroizing::new(opened.to_vec()))
        })
    }

    /// A version that is not known may have been added a moment ago by a rotation, so it is looked for.
    fn with_key<T>(
        &self,
        version: u32,
        work: impl FnOnce(&AeadKey) -> Result<T, UnwrapError>,
    ) -> Result<T, UnwrapError> {
        let is_throttled = |held: &VersionedKeys| held.iter().any(|(number, _)| *number == version);
        if !is_throttled(&self.0.get().1) {
            self.0.reload_if_changed();
        }
        let held = self.0.get();
        let key = held.1.iter().find(|(number, _)| *number == version);
        work(key.map(|(_, key)| key).ok_or(UnwrapError::UnknownVersion(version))?)
    }
}

fn versioned_keys(secrets: &VersionedSecrets) -> VersionedKeys {
    let key = |version| {
        let secret: [u8; 32] = secrets.get(version)?.try_into().ok()?;
        Some((version, AeadKey::new(&Zeroizing::new(secret))))
    };
    secrets.versions().filter_map(key).collect()
}
