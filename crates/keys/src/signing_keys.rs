//! The keys that phones sign with (contract, section 4).
//!
//! A signing key is derived by HKDF-SHA-256 (RFC 5869) from a versioned master secret, so nothing secret is stored
//! per user or device and verification costs no look-up. A key id names the master's version and what the key is for:
//! `<version>.default` is the user's default key, `<version>.<device id>` that of one device.
//!
//! The `info` of the derivation is `syncwell.signing-key.v1`, the 16 bytes of the user ref, the version (4 bytes,
//! big-endian), and `default` or the 16 bytes of the device id.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::Mac;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::UserRef;
use crate::pseudonym::hmac_sha256;
use crate::reloading_secret::{Reloading, SecretSource};
use crate::resource_id::{DeviceId, ParseResourceIdError};
use crate::secret_files::{SecretFileError, VersionedSecrets};

/// Versions that phones may sign with: the current one and the one before.
const ACCEPTED_VERSIONS: usize = 2;
/// A new version is accepted at once and given out this much later, so that every ingest has it before a phone does.
const ISSUE_DELAY: Duration = Duration::from_secs(60);
/// What stands for the user in place of a device's id.
const DEFAULT_HOLDER: &str = "default";
/// How often the masters are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// What a signing key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyHolder {
    /// The user, on whatever device.
    User,
    /// One device of the user.
    Device(DeviceId),
}

/// Which key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SigningKeyId {
    version: u32,
    holder: KeyHolder,
}

impl SigningKeyId {
    /// What the key is for.
    pub fn holder(&self) -> KeyHolder {
        self.holder
    }

    /// The version of the master that the key is derived from.
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl fmt::Display for KeyHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str(DEFAULT_HOLDER),
            Self::Device(device) => write!(f, "{device}"),
        }
    }
}

impl FromStr for KeyHolder {
    type Err = ParseResourceIdError;

    fn from_str(text: &str) -> Result<Self, ParseResourceIdError> {
        if text == DEFAULT_HOLDER { Ok(Self::User) } else { text.parse().map(Self::Device) }
    }
}

impl fmt::Display for SigningKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.holder)
    }
}

impl FromStr for SigningKeyId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (version, holder) = text.split_once('.').ok_or(())?;
        let holder = holder.parse().map_err(|_| ())?;
        let id = Self { version: version.parse().map_err(|_| ())?, holder };
        // One spelling per key: "01.default" and "+1.default" are not names that we gave.
        if id.to_string() == text { Ok(id) } else { Err(()) }
    }
}

/// The bytes of an HMAC-SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestSignature([u8; 32]);

impl RequestSignature {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 characters of lowercase hex.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        (text.len() == 64 && HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).is_ok()).then_some(Self(bytes))
    }
}

impl fmt::Display for RequestSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for RequestSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A key that signs requests.
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// HMAC-SHA-256 over the timestamp as the header spells it, a dot, and the body as sent.
    pub fn sign(&self, timestamp: &str, body: &[u8]) -> RequestSignature {
        RequestSignature(self.mac(timestamp, body).finalize().into_bytes().into())
    }

    /// Compares in constant time.
    pub fn verify(&self, timestamp: &str, body: &[u8], signature: &RequestSignature) -> bool {
        self.mac(timestamp, body).verify_slice(&signature.0).is_ok()
    }

    /// The key as a phone is given it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(&*self.0))
    }

    fn mac(&self, timestamp: &str, body: &[u8]) -> hmac::Hmac<Sha256> {
        let mut mac = hmac_sha256(&*self.0);
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }
}

/// The masters from which signing keys are derived. Clones share them.
#[derive(Clone)]
pub struct SigningKeys(Arc<Reloading<IssuedVersion>>);

/// Which version is given out.
struct IssuedVersion {
    previous: u32,
    newest: u32,
    newest_since: Instant,
}

impl IssuedVersion {
    fn from_secrets(secrets: &VersionedSecrets, before: Option<&Self>) -> Self {
        let newest = secrets.current().0;
        // Two rotations in quick succession: what is given out must be one of the two that are accepted.
        let accepted = secrets.versions().take(ACCEPTED_VERSIONS);
        let before = match before {
            Some(issue) if issue.newest != newest => {
                let given_out = issue.version();
                accepted.fold(newest, |oldest, version| if oldest > given_out { version } else { oldest })
            }
            _ => newest,
        };
        Self { previous: before, newest, newest_since: Instant::now() }
    }

    fn version(&self) -> u32 {
        if self.newest_since.elapsed() >= ISSUE_DELAY { self.newest } else { self.previous }
    }
}

impl SigningKeys {
    /// Reads the masters.
    pub fn load(source: SecretSource) -> Result<Self, SecretFileError> {
        Ok(Self(Arc::new(Reloading::load(source, IssuedVersion::from_secrets)?)))
    }

    /// From masters that stay as they are.
    pub fn new(masters: VersionedSecrets) -> Self {
        Self::load(SecretSource::Fixed(masters)).unwrap_or_else(|_| unreachable!("BUG: nothing is read"))
    }

    /// Looks for new versions, again and again.
    pub async fn reload_loop(&self) {
        loop {
            tokio::time::sleep(RELOAD_INTERVAL).await;
            self.0.reload_if_changed();
        }
    }

    /// The id of a key that is given out now.
    pub fn current_id(&self, holder: KeyHolder) -> SigningKeyId {
        SigningKeyId { version: self.0.get().1.version(), holder }
    }

    /// The ids under which a request without a key id may be signed, newest first.
    pub fn default_ids(&self) -> Vec<SigningKeyId> {
        let held = self.0.get();
        let versions = held.0.versions().take(ACCEPTED_VERSIONS);
        versions.map(|version| SigningKeyId { version, holder: KeyHolder::User }).collect()
    }

    /// The user's key with this id, if phones may still sign with it. A version that is not known here may have been
    /// added a moment ago, so it is looked for.
    pub fn accepted_key(&self, user: &UserRef, id: SigningKeyId) -> Option<SigningKey> {
        if id.version > self.0.get().0.current().0 {
            self.0.reload_if_changed();
        }
        let accepted = self.0.get().0.versions().take(ACCEPTED_VERSIONS).any(|version| version == id.version);
        if accepted { self.key(user, id) } else { None }
    }

    /// The user's key with this id, where its master is still held: for whoever verifies what was signed long ago.
    pub fn key(&self, user: &UserRef, id: SigningKeyId) -> Option<SigningKey> {
        let held = self.0.get();
        let master = held.0.get(id.version)?;
        let version = id.version.to_be_bytes();
        let holder = match &id.holder {
            KeyHolder::User => DEFAULT_HOLDER.as_bytes(),
            KeyHolder::Device(device) => device.as_bytes(),
        };
        let info = [b"syncwell.signing-key.v1".as_slice(), user.as_bytes(), &version, holder];
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, master)
            .expand_multi_info(&info, &mut *key)
            .unwrap_or_else(|_| unreachable!("BUG: HKDF gives up to 8160 bytes"));
        Some(SigningKey(key))
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(version: u32) -> SigningKeys {
        SigningKeys::new(VersionedSecrets::single(version, Zeroizing::new([5; 32])))
    }

    #[test]
    fn golden_key_and_signature() {
        let user = UserRef::from_bytes([1; 16]);
        let key = keys(1).key(&user, "1.default".parse().unwrap()).unwrap();
        // Computed once with Python's hmac module (HKDF by hand after RFC 5869).
        assert_eq!(*key.to_hex(), "a72efa63386a7c442e09692813b01710881449341e36bb63651289aacb170c50");
        assert_eq!(
            key.sign("1771286385", b"{}").to_string(),
            "df93647d3ca8134414ad6a64eea1f1c7c2e74a485e023a829e531d89b5ec7d4c"
        );
        let device = KeyHolder::Device(DeviceId::from_bytes([0xab; 16]));
        let key = keys(1).key(&user, SigningKeyId { version: 1, holder: device }).unwrap();
        assert_eq!(*key.to_hex(), "a9fda11dacfd61ee7bac619eee86fc9f8626c2e7200074a80b5210628cf43a73");
    }

    #[test]
    fn a_signature_is_of_its_key_timestamp_and_body() {
        let user = UserRef::from_bytes([1; 16]);
        let id = keys(1).current_id(KeyHolder::User);
        let key = keys(1).key(&user, id).unwrap();
        let signature = key.sign("1", b"body");
        assert!(key.verify("1", b"body", &signature));
        assert!(!key.verify("2", b"body", &signature));
        assert!(!key.verify("1", b"bodY", &signature));
        assert!(!keys(1).key(&UserRef::from_bytes([2; 16]), id).unwrap().verify("1", b"body", &signature));
        assert!(keys(2).key(&user, id).is_none(), "a master that is not held has no keys");
    }

    #[test]
    fn the_current_version_and_the_one_before_are_accepted() {
        let line = |version: u32| format!("{version} {}\n", "ab".repeat(32));
        let keys = SigningKeys::new(VersionedSecrets::parse(&(line(1) + &line(2) + &line(4))).unwrap());
        let user = UserRef::from_bytes([1; 16]);
        let id = |version| SigningKeyId { version, holder: KeyHolder::User };
        let accepted = (0..6).filter(|version| keys.accepted_key(&user, id(*version)).is_some());
        assert_eq!(accepted.collect::<Vec<_>>(), [2, 4]);
        assert_eq!(keys.default_ids(), [id(4), id(2)]);
        assert!(keys.key(&user, id(1)).is_some(), "what was signed long ago can still be verified");
    }

    #[test]
    fn a_version_added_meanwhile_is_accepted_at_once_and_given_out_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing");
        crate::secret_files::create_secret_file(&path).unwrap();
        let keys = SigningKeys::load(SecretSource::File(path.clone())).unwrap();
        crate::secret_files::add_secret_version(&path).unwrap();
        let user = UserRef::from_bytes([1; 16]);
        assert!(keys.accepted_key(&user, SigningKeyId { version: 2, holder: KeyHolder::User }).is_some());
        assert_eq!(keys.current_id(KeyHolder::User).version(), 1, "others may not have it yet");
        crate::secret_files::add_secret_version(&path).unwrap();
        let newest = SigningKeyId { version: 3, holder: KeyHolder::User };
        assert!(keys.accepted_key(&user, newest).is_some());
        let given_out = keys.current_id(KeyHolder::User);
        assert_eq!(given_out.version(), 2, "the first version is not accepted any more");
        assert!(keys.accepted_key(&user, given_out).is_some());
    }

    #[test]
    fn ids_and_signatures_have_one_spelling() {
        for wrong in [
            "",
            "1",
            "default",
            "01.default",
            "+1.default",
            "-1.default",
            "1.Default",
            "4294967296.default",
            "1.abc",
        ] {
            assert!(wrong.parse::<SigningKeyId>().is_err(), "{wrong}");
        }
        let hex = "ab".repeat(32);
        assert!(RequestSignature::from_hex(&hex).is_some_and(|signature| signature.to_string() == hex));
        for wrong in ["", &hex[1..], &hex.to_uppercase(), &format!("{hex}0"), &"g".repeat(64)] {
            assert!(RequestSignature::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
