//! To seal for the break-glass role, and to open as it.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::agreement::{PrivateKey, X25519};
use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use zeroize::Zeroizing;

use super::{AccessIndexEntry, AccessIndexError};
use crate::UserRef;
use crate::aead::{AeadKey, OpenError, random_bytes};
use crate::secret_files::VersionedSecrets;

const FORMAT: u8 = 1;
const ENCAPSULATED_BYTES: usize = 32;
const WRAPPED_BYTES: usize = 32 + 16;
const HEADER_BYTES: usize = 1 + 4 + ENCAPSULATED_BYTES + WRAPPED_BYTES;
const INFO: &[u8] = b"syncwell.break-glass-index.v1";
/// How long an entry key is used.
const ENTRY_KEY_AGE_MAX: Duration = Duration::from_secs(600);

fn hpke() -> &'static dyn Hpke {
    DH_KEM_X25519_HKDF_SHA256_AES_256
}

/// The break-glass role's public key, and the entry key in use.
pub struct AccessIndexRecipient {
    version: u32,
    public: HpkePublicKey,
    entry_key: Mutex<Option<EntryKey>>,
}

struct EntryKey {
    header: [u8; HEADER_BYTES],
    key: AeadKey,
    created_at: Instant,
}

impl AccessIndexRecipient {
    /// Reads the public key's file: one line, `<version> <64 hex characters>`.
    pub fn read(path: &Path) -> Result<Self, AccessIndexError> {
        let wrong = || AccessIndexError::InvalidRecipient(path.display().to_string());
        let text = std::fs::read_to_string(path).map_err(|_| wrong())?;
        let (version, public) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let public = HEXLOWER.decode(public.as_bytes()).map_err(|_| wrong())?;
        if public.len() != 32 {
            return Err(wrong());
        }
        Ok(Self::new(version.parse().map_err(|_| wrong())?, public))
    }

    fn new(version: u32, public: Vec<u8>) -> Self {
        Self { version, public: HpkePublicKey(public), entry_key: Mutex::new(None) }
    }

    /// Seals entries of one user.
    pub(super) fn seal(&self, user: &UserRef, entries: &[AccessIndexEntry]) -> Vec<u8> {
        let entries = serde_json::to_vec(entries).unwrap_or_else(|_| unreachable!("BUG: entries are JSON"));
        let mut entry_key = self.entry_key.lock();
        let fresh = entry_key.take().filter(|key| key.created_at.elapsed() < ENTRY_KEY_AGE_MAX);
        let EntryKey { header: head, key, .. } =
            entry_key.insert(fresh.unwrap_or_else(|| self.new_entry_key()));
        [&head[..], &key.seal(user.as_bytes(), &entries)].concat()
    }

    fn new_entry_key(&self) -> EntryKey {
        let secret = Zeroizing::new(random_bytes::<32>());
        let (encapsulated, wrapped) = hpke()
            .seal(INFO, &self.version.to_be_bytes(), &*secret, &self.public)
            .unwrap_or_else(|_| unreachable!("BUG: HPKE seals to any 32 bytes"));
        let version = self.version.to_be_bytes();
        let head = [&[FORMAT], version.as_slice(), &encapsulated.0, &wrapped].concat();
        let head = head.try_into().unwrap_or_else(|_| unreachable!("BUG: HPKE's sizes are fixed"));
        EntryKey { header: head, key: AeadKey::new(&secret), created_at: Instant::now() }
    }
}

/// The break-glass role's private keys. Any 32 bytes are one (RFC 7748, section 5).
pub struct AccessIndexKey(VersionedSecrets);

impl AccessIndexKey {
    /// From the versioned secrets.
    pub fn new(secrets: VersionedSecrets) -> Self {
        Self(secrets)
    }

    /// The line that ingest is given: version and public key.
    pub fn recipient_line(&self) -> String {
        let (version, secret) = self.0.current();
        let public = PrivateKey::from_private_key(&X25519, &**secret)
            .ok()
            .and_then(|key| key.compute_public_key().ok())
            .unwrap_or_else(|| unreachable!("BUG: any 32 bytes are a private key"));
        format!("{version} {}\n", HEXLOWER.encode(public.as_ref()))
    }

    /// Whether this is the key that this recipient's entries are sealed to.
    pub fn is_key_of(&self, recipient: &AccessIndexRecipient) -> bool {
        self.recipient_line() == format!("{} {}\n", recipient.version, HEXLOWER.encode(&recipient.public.0))
    }

    /// Opens what was sealed for this user.
    pub(super) fn open(&self, user: &UserRef, entry: &[u8]) -> Result<Vec<AccessIndexEntry>, OpenError> {
        let (head, sealed) = entry.split_first_chunk::<HEADER_BYTES>().ok_or(OpenError::Format)?;
        let (version, rest) = head[1..].split_first_chunk::<4>().ok_or(OpenError::Format)?;
        if head[0] != FORMAT {
            return Err(OpenError::Format);
        }
        let (encapsulated, wrapped) = rest.split_at(ENCAPSULATED_BYTES);
        let private = self.0.get(u32::from_be_bytes(*version)).ok_or(OpenError::Authentication)?;
        let private = HpkePrivateKey::from(private.to_vec());
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        let secret = hpke()
            .open(&encapsulated, INFO, version, wrapped, &private)
            .map_err(|_| OpenError::Authentication)?;
        let secret: Zeroizing<[u8; 32]> =
            Zeroizing::new(secret.try_into().map_err(|_| OpenError::Authentication)?);
        let mut sealed = sealed.to_vec();
        let entries = AeadKey::new(&secret).open(user.as_bytes(), &mut sealed)?;
        serde_json::from_slice(entries).map_err(|_| OpenError::Format)
    }
}

impl fmt::Debug for AccessIndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(byte: u8) -> (AccessIndexRecipient, AccessIndexKey) {
        let key = AccessIndexKey::new(VersionedSecrets::single(1, Zeroizing::new([byte; 32])));
        let line = key.recipient_line();
        let public = HEXLOWER.decode(line.trim().split_once(' ').unwrap().1.as_bytes()).unwrap();
        (AccessIndexRecipient::new(1, public), key)
    }

    fn entries() -> Vec<AccessIndexEntry> {
        vec![AccessIndexEntry {
            correlation_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            time: Timestamp::UNIX_EPOCH,
        }]
    }

    use jiff::Timestamp;

    #[test]
    fn what_is_sealed_for_the_role_opens_to_it_alone() {
        let ((recipient, key), (_, other)) = (pair(1), pair(2));
        let (user, stranger) = (UserRef::from_bytes([1; 16]), UserRef::from_bytes([2; 16]));
        let sealed = recipient.seal(&user, &entries());
        assert_eq!(key.open(&user, &sealed), Ok(entries()));
        assert_eq!(key.open(&user, &recipient.seal(&user, &entries())), Ok(entries()), "the same entry key");
        assert_eq!(key.open(&stranger, &sealed), Err(OpenError::Authentication));
        assert_eq!(other.open(&user, &sealed), Err(OpenError::Authentication));
        assert_eq!(key.open(&user, &sealed[..84]), Err(OpenError::Format));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&user, &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn golden_entry_opens() {
        // Made once by this format's table with an HPKE of another hand (Python's `pyhpke`): private key 0x01..,
        // entry key 0x05.., nonce 0x03.., user 0x01...
        let golden = HEXLOWER.decode(GOLDEN.as_bytes()).unwrap();
        assert_eq!(pair(1).1.open(&UserRef::from_bytes([1; 16]), &golden), Ok(entries()));
    }

    const GOLDEN: &str = "0100000001c81ce518dc82818df5a69eca62e2ecd88e9bd82c5507dec3caf03d0fa1dab439541b5e61da1bb207c2be80ab7884c7b35488fc02ea430b875a28febfc0d70266f445037f9535d3bf9a82e6cc33be1f5c010303030303030303030303035d8aa12b11dea29046d50da5c0382967ef07351d008792fa57755b4c6d7de606736eac5f080bf016fcdc5d5433cec82c9b6bea00f8b438d46fd8a40da1c66b38d379e3a26d6a9eb87c29c6160c2c2988b39d7d216e7f16f35bef7a311fe42895c32d6339c5";
}
