//! The key-encryption key, and data keys wrapped under it.
//!
//! A record of the keys' stream, format 1:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 1 | kind: `1` a wrapped key, `2` a tombstone (nothing follows), `3` a check of the KEK |
//! | 2 | 4 | version of the KEK, big-endian |
//! | 6 | 29 + 34 | sealed: the year (2 bytes, big-endian) and the 32 bytes of the key; for a check, nothing |
//!
//! The associated data binds a record to its user, its id and its KEK's version.

use zeroize::Zeroizing;

use crate::UserRef;
use crate::data_key::{DataKey, DataKeyId, Year};
use crate::files::VersionedSecrets;
use crate::seal::{SealKey, random};

const FORMAT: u8 = 1;
const KIND_WRAPPED: u8 = 1;
const KIND_TOMBSTONE: u8 = 2;
const KIND_CHECK: u8 = 3;
const HEAD_BYTES: usize = 6;

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
}

/// What a record of the keys' stream says.
#[derive(Debug)]
pub(crate) enum Record {
    Key(DataKey),
    /// The key was destroyed, for good.
    Tombstone,
}

/// The key that wraps data keys.
pub struct Kek {
    versions: Vec<(u32, SealKey)>,
}

impl Kek {
    /// From its versions; new data keys are wrapped under the newest.
    pub fn new(secrets: &VersionedSecrets) -> Self {
        let key = |version| {
            let secret: [u8; 32] = secrets.get(version)?.try_into().ok()?;
            Some((version, SealKey::new(&Zeroizing::new(secret))))
        };
        Self { versions: secrets.versions().filter_map(key).collect() }
    }

    /// The version under which new keys are wrapped.
    pub(crate) fn current_version(&self) -> u32 {
        self.versions[0].0
    }

    /// Makes a new data key, and its record.
    pub(crate) fn create(&self, user: &UserRef, year: Year) -> (DataKey, Vec<u8>) {
        let key = Zeroizing::new(random::<32>());
        let id = DataKeyId::random();
        (DataKey::new(id, year, &key), self.wrap(user, id, year, &key))
    }

    fn wrap(&self, user: &UserRef, id: DataKeyId, year: Year, key: &[u8; 32]) -> Vec<u8> {
        let (version, kek) = &self.versions[0];
        let mut plaintext = Zeroizing::new(Vec::with_capacity(34));
        plaintext.extend_from_slice(&year.to_be_bytes());
        plaintext.extend_from_slice(key);
        record(KIND_WRAPPED, *version, &kek.seal(&associated(user, id, *version), &plaintext))
    }

    /// Reads a record that was stored for this user under this id.
    pub(crate) fn unwrap(&self, user: &UserRef, id: DataKeyId, record: &[u8]) -> Result<Record, UnwrapError> {
        if record == [FORMAT, KIND_TOMBSTONE] {
            return Ok(Record::Tombstone);
        }
        let (kek, version, sealed) = self.parts(KIND_WRAPPED, record)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let plaintext = kek
            .open(&associated(user, id, version), &mut sealed)
            .map_err(|_| UnwrapError::WrongKey(version))?;
        let (year, key) = plaintext.split_first_chunk::<2>().ok_or(UnwrapError::Format)?;
        let key: &[u8; 32] = key.try_into().map_err(|_| UnwrapError::Format)?;
        Ok(Record::Key(DataKey::new(id, Year::from_be_bytes(*year), key)))
    }

    /// A record that only this version of this key opens.
    pub(crate) fn check_record(&self) -> Vec<u8> {
        let (version, kek) = &self.versions[0];
        record(KIND_CHECK, *version, &kek.seal(&check_associated(*version), b""))
    }

    /// Whether this is the key that made the check.
    pub(crate) fn check(&self, record: &[u8]) -> Result<(), UnwrapError> {
        let (kek, version, sealed) = self.parts(KIND_CHECK, record)?;
        kek.open(&check_associated(version), &mut sealed.to_vec())
            .map_err(|_| UnwrapError::WrongKey(version))?;
        Ok(())
    }

    fn parts<'r>(
        &self,
        expected_kind: u8,
        record: &'r [u8],
    ) -> Result<(&SealKey, u32, &'r [u8]), UnwrapError> {
        let (head, sealed) = record.split_first_chunk::<HEAD_BYTES>().ok_or(UnwrapError::Format)?;
        let [format, kind, version @ ..] = head;
        if (*format, *kind) != (FORMAT, expected_kind) {
            return Err(UnwrapError::Format);
        }
        let version = u32::from_be_bytes(*version);
        let kek = self.versions.iter().find(|(held, _)| *held == version).map(|(_, kek)| kek);
        Ok((kek.ok_or(UnwrapError::UnknownVersion(version))?, version, sealed))
    }
}

impl std::fmt::Debug for Kek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

fn record(kind: u8, version: u32, sealed: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD_BYTES + sealed.len());
    record.extend_from_slice(&[FORMAT, kind]);
    record.extend_from_slice(&version.to_be_bytes());
    record.extend_from_slice(sealed);
    record
}

fn associated(user: &UserRef, id: DataKeyId, version: u32) -> Vec<u8> {
    [b"syncwell.data-key.v1".as_slice(), user.as_bytes(), id.as_bytes(), &version.to_be_bytes()].concat()
}

fn check_associated(version: u32) -> Vec<u8> {
    [b"syncwell.kek-check.v1".as_slice(), &version.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn kek(version: u32, byte: u8) -> Kek {
        Kek::new(&VersionedSecrets::single(version, Zeroizing::new([byte; 32])))
    }

    #[test]
    fn golden_record_opens() {
        // Made once by this format's table with Python's `cryptography`: KEK 0x02.. version 1, nonce 0x03..,
        // user 0x01.., id 0x04.., year 2026, key 0x05...
        let record = HEXLOWER.decode(b"01010000000101030303030303030303030303c217fe2c12fa7c74d8a0413587824cb005ce165d3bf44a3afd511a9f65eae368cf5688ee6f997bc15c45119453b0dfde00fb").unwrap();
        let (user, id) = (UserRef::from_bytes([1; 16]), DataKeyId::from_bytes([4; 10]));
        let Ok(Record::Key(key)) = kek(1, 2).unwrap(&user, id, &record) else { panic!("does not open") };
        assert_eq!((key.id(), key.year()), (id, 2026));
        let sealed = DataKey::new(id, 2026, &[5; 32]).seal(b"", b"x");
        assert_eq!(*key.open(b"", sealed).unwrap(), b"x");
    }

    #[test]
    fn a_record_is_bound_to_user_id_and_kek() {
        let user = UserRef::from_bytes([1; 16]);
        let (key, record) = kek(1, 2).create(&user, 2026);
        assert!(matches!(kek(1, 2).unwrap(&user, key.id(), &record), Ok(Record::Key(_))));
        let fails = |kek: Kek, user, id, record: &[u8]| kek.unwrap(&user, id, record).unwrap_err();
        assert_eq!(fails(kek(1, 3), user, key.id(), &record), UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(2, 2), user, key.id(), &record), UnwrapError::UnknownVersion(1));
        assert_eq!(
            fails(kek(1, 2), UserRef::from_bytes([9; 16]), key.id(), &record),
            UnwrapError::WrongKey(1)
        );
        assert_eq!(fails(kek(1, 2), user, DataKeyId::random(), &record), UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(1, 2), user, key.id(), &record[..5]), UnwrapError::Format);
        assert_eq!(fails(kek(1, 2), user, key.id(), &[2; 69]), UnwrapError::Format);
        assert!(matches!(kek(1, 2).unwrap(&user, key.id(), &[1, 2]), Ok(Record::Tombstone)));
    }

    #[test]
    fn a_check_tells_the_key() {
        let check = kek(1, 2).check_record();
        assert_eq!(kek(1, 2).check(&check), Ok(()));
        assert_eq!(kek(1, 3).check(&check), Err(UnwrapError::WrongKey(1)));
        assert_eq!(kek(2, 2).check(&check), Err(UnwrapError::UnknownVersion(1)));
    }
}
