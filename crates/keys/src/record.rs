//! What the keys' stream holds.
//!
//! A record, format 1:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 1 | kind: `1` a wrapped key, `2` a tombstone (nothing follows), `3` a check of the KEK, `4` a revoked device (nothing follows), `5` whether a device's system is compromised (a byte follows, `0` or `1`, and when that was signed, unix milliseconds, 8 bytes, big-endian), `6` the user is being erased (the 16 bytes of the erasure's id follow) |
//! | 2 | 4 | version of the KEK, big-endian |
//! | 6 | n | sealed: the year (2 bytes, big-endian) and the 32 bytes of the key; for a check, a single zero |
//!
//! Sealed bytes are ours ([`crate::seal`], 29 + 34 bytes) under a local KEK, and KMS's own ciphertext under one of KMS.
//! The associated data bind a record to its user, its id and its KEK's version. A check of format 1 made before KMS
//! was known holds nothing instead of a zero, and reads as well: only that it opens counts.

use zeroize::Zeroizing;

use crate::UserRef;
use crate::data_key::{DataKey, DataKeyId, Year};
use crate::kek::{Kek, UnwrapError};
use crate::own_id::ErasureId;
use crate::seal::random;

const FORMAT: u8 = 1;
const KIND_WRAPPED: u8 = 1;
const KIND_TOMBSTONE: u8 = 2;
const KIND_CHECK: u8 = 3;
const KIND_REVOKED: u8 = 4;
const KIND_COMPROMISED: u8 = 5;
const KIND_ERASING: u8 = 6;
const HEAD_BYTES: usize = 6;

/// What stands for a key that was destroyed, and for a user all of whose keys were.
pub(crate) const TOMBSTONE: [u8; 2] = [FORMAT, KIND_TOMBSTONE];

/// What stands for a user who is being erased; who that is stands in the subject.
pub(crate) fn erasing_record(erasure: ErasureId) -> Vec<u8> {
    [&[FORMAT, KIND_ERASING], erasure.as_bytes().as_slice()].concat()
}

/// The erasure of such a record; `None` for any other.
pub(crate) fn erasing(record: &[u8]) -> Option<ErasureId> {
    let [FORMAT, KIND_ERASING, id @ ..] = record else { return None };
    Some(ErasureId::from_bytes(id.try_into().ok()?))
}

/// What stands for a device that was revoked; which one is in the subject.
pub(crate) const REVOKED: [u8; 2] = [FORMAT, KIND_REVOKED];

/// What stands for a device that told whether its system is compromised; which one is in the subject.
pub(crate) fn report_record(told: Told) -> [u8; 11] {
    let mut record = [FORMAT, KIND_COMPROMISED, told.is_compromised as u8, 0, 0, 0, 0, 0, 0, 0, 0];
    record[3..].copy_from_slice(&told.signed_at_ms.to_be_bytes());
    record
}

/// What a device told, and when it signed that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) is_compromised: bool,
    pub(crate) signed_at_ms: i64,
}

/// What a device told; `None` for any other record.
pub(crate) fn told(record: &[u8]) -> Option<Told> {
    let (head, signed_at_ms) = record.split_last_chunk::<8>()?;
    let signed_at_ms = i64::from_be_bytes(*signed_at_ms);
    match head {
        [FORMAT, KIND_COMPROMISED, told @ (0 | 1)] => Some(Told { is_compromised: *told == 1, signed_at_ms }),
        _ => None,
    }
}

/// What a record says.
#[derive(Debug)]
pub(crate) enum Record {
    Key(DataKey),
    /// The key was destroyed, for good.
    Tombstone,
}

/// Makes a new data key, and its record.
pub(crate) async fn create(kek: &Kek, user: &UserRef, year: Year) -> Result<(DataKey, Vec<u8>), UnwrapError> {
    let id = DataKeyId::random();
    let key = Zeroizing::new(random::<32>());
    let mut plaintext = Zeroizing::new(Vec::with_capacity(34));
    plaintext.extend_from_slice(&year.to_be_bytes());
    plaintext.extend_from_slice(&*key);
    let record = wrap(kek, user, id, &plaintext).await?;
    Ok((DataKey::new(id, year, &key), record))
}

/// Reads a record that was stored for this user under this id.
pub(crate) async fn unwrap(
    kek: &Kek,
    user: &UserRef,
    id: DataKeyId,
    record: &[u8],
) -> Result<Record, UnwrapError> {
    if record == TOMBSTONE {
        return Ok(Record::Tombstone);
    }
    let (version, sealed) = parts(KIND_WRAPPED, record)?;
    let plaintext = kek.open(version, &associated(user, id, version), sealed).await?;
    let (year, key) = plaintext.split_first_chunk::<2>().ok_or(UnwrapError::Format)?;
    let key: &[u8; 32] = key.try_into().map_err(|_| UnwrapError::Format)?;
    Ok(Record::Key(DataKey::new(id, Year::from_be_bytes(*year), key)))
}

/// The same key under the newest version of the KEK; `None` where it is wrapped under that already, or destroyed.
pub(crate) async fn rewrap(
    kek: &Kek,
    user: &UserRef,
    id: DataKeyId,
    record: &[u8],
) -> Result<Option<Vec<u8>>, UnwrapError> {
    if record == TOMBSTONE {
        return Ok(None);
    }
    let (version, sealed) = parts(KIND_WRAPPED, record)?;
    if version >= kek.current_version() {
        return Ok(None);
    }
    let plaintext = kek.open(version, &associated(user, id, version), sealed).await?;
    wrap(kek, user, id, &plaintext).await.map(Some)
}

/// The version of the KEK that a wrapped key or a check is sealed under; `None` for a tombstone.
pub(crate) fn version(record: &[u8]) -> Result<Option<u32>, UnwrapError> {
    if record == TOMBSTONE {
        return Ok(None);
    }
    let kind = *record.get(1).ok_or(UnwrapError::Format)?;
    let is_sealed = matches!(kind, KIND_WRAPPED | KIND_CHECK);
    if is_sealed { parts(kind, record).map(|(version, _)| Some(version)) } else { Err(UnwrapError::Format) }
}

/// A record that only the newest version of this KEK opens.
pub(crate) async fn check_record(kek: &Kek) -> Result<Vec<u8>, UnwrapError> {
    let version = kek.current_version();
    // KMS seals nothing that is empty.
    let sealed = kek.seal(version, &check_associated(version), &[0]).await?;
    Ok(record(KIND_CHECK, version, &sealed))
}

/// Whether this is the KEK that made the check.
pub(crate) async fn check(kek: &Kek, record: &[u8]) -> Result<(), UnwrapError> {
    let (version, sealed) = parts(KIND_CHECK, record)?;
    kek.open(version, &check_associated(version), sealed).await.map(drop)
}

async fn wrap(kek: &Kek, user: &UserRef, id: DataKeyId, plaintext: &[u8]) -> Result<Vec<u8>, UnwrapError> {
    let version = kek.current_version();
    let sealed = kek.seal(version, &associated(user, id, version), plaintext).await?;
    Ok(record(KIND_WRAPPED, version, &sealed))
}

fn parts(expected_kind: u8, record: &[u8]) -> Result<(u32, &[u8]), UnwrapError> {
    let (head, sealed) = record.split_first_chunk::<HEAD_BYTES>().ok_or(UnwrapError::Format)?;
    let [format, kind, version @ ..] = head;
    if (*format, *kind) != (FORMAT, expected_kind) {
        return Err(UnwrapError::Format);
    }
    Ok((u32::from_be_bytes(*version), sealed))
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
    use crate::files::VersionedSecrets;

    fn kek(version: u32, byte: u8) -> Kek {
        Kek::new(&VersionedSecrets::single(version, Zeroizing::new([byte; 32])))
    }

    fn user() -> UserRef {
        UserRef::from_bytes([1; 16])
    }

    #[tokio::test]
    async fn golden_record_opens() {
        // Made once by this format's table with Python's `cryptography`: KEK 0x02.. version 1, nonce 0x03..,
        // user 0x01.., id 0x04.., year 2026, key 0x05...
        let record = HEXLOWER.decode(b"01010000000101030303030303030303030303c217fe2c12fa7c74d8a0413587824cb005ce165d3bf44a3afd511a9f65eae368cf5688ee6f997bc15c45119453b0dfde00fb").unwrap();
        let id = DataKeyId::from_bytes([4; 10]);
        let Ok(Record::Key(key)) = unwrap(&kek(1, 2), &user(), id, &record).await else {
            panic!("does not open")
        };
        assert_eq!((key.id(), key.year(), version(&record)), (id, 2026, Ok(Some(1))));
        let sealed = DataKey::new(id, 2026, &[5; 32]).seal(b"", b"x");
        assert_eq!(*key.open(b"", sealed).unwrap(), b"x");
    }

    #[tokio::test]
    async fn a_record_is_bound_to_user_id_and_kek() {
        let (key, record) = create(&kek(1, 2), &user(), 2026).await.unwrap();
        let other = UserRef::from_bytes([9; 16]);
        let fails =
            async |kek: Kek, user, id, record: &[u8]| unwrap(&kek, &user, id, record).await.unwrap_err();
        assert!(matches!(unwrap(&kek(1, 2), &user(), key.id(), &record).await, Ok(Record::Key(_))));
        assert_eq!(fails(kek(1, 3), user(), key.id(), &record).await, UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(2, 2), user(), key.id(), &record).await, UnwrapError::UnknownVersion(1));
        assert_eq!(fails(kek(1, 2), other, key.id(), &record).await, UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(1, 2), user(), DataKeyId::random(), &record).await, UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(1, 2), user(), key.id(), &record[..5]).await, UnwrapError::Format);
        assert_eq!(fails(kek(1, 2), user(), key.id(), &[2; 69]).await, UnwrapError::Format);
        assert!(matches!(unwrap(&kek(1, 2), &user(), key.id(), &[1, 2]).await, Ok(Record::Tombstone)));
    }

    #[tokio::test]
    async fn a_key_is_the_same_under_the_next_version() {
        let lines = format!("1 {}\n2 {}\n", "02".repeat(32), "03".repeat(32));
        let both = Kek::new(&VersionedSecrets::parse(&lines).unwrap());
        let (key, old) = create(&kek(1, 2), &user(), 2026).await.unwrap();
        let new = rewrap(&both, &user(), key.id(), &old).await.unwrap().unwrap();
        assert_eq!((version(&old), version(&new)), (Ok(Some(1)), Ok(Some(2))));
        assert_eq!(rewrap(&both, &user(), key.id(), &new).await, Ok(None), "it is wrapped under the newest");
        assert_eq!(rewrap(&both, &user(), key.id(), &[1, 2]).await, Ok(None), "a tombstone stays one");
        for record in [old, new] {
            let Ok(Record::Key(opened)) = unwrap(&both, &user(), key.id(), &record).await else {
                panic!("both versions open")
            };
            assert_eq!(*opened.open(b"", key.seal(b"", b"x")).unwrap(), b"x");
        }
    }

    #[test]
    fn golden_reports_of_devices() {
        let golden = [1, 5, 1, 0, 0, 1, 0x9c, 0x68, 0xe5, 0x51, 0xe3];
        let ill = Told { is_compromised: true, signed_at_ms: 0x0000_019c_68e5_51e3 };
        assert_eq!((report_record(ill), told(&golden)), (golden, Some(ill)));
        let well = Told { is_compromised: false, ..ill };
        assert_eq!(told(&report_record(well)), Some(well));
        for at in [0, 1, 2] {
            let mut other = golden;
            other[at] += 1;
            assert_eq!(told(&other), None, "{other:?}");
        }
        assert!([&golden[..10], &[], &[1, 5, 1]].iter().all(|other| told(other).is_none()));
    }

    #[test]
    fn golden_mark_of_an_erasure() {
        let golden = [[1, 6].as_slice(), &[0xab; 16]].concat();
        let id = ErasureId::from_bytes([0xab; 16]);
        assert_eq!((erasing_record(id), erasing(&golden)), (golden.clone(), Some(id)));
        for other in [&golden[..17], &[golden.clone(), vec![0]].concat(), &TOMBSTONE, &[], &[2, 6]] {
            assert_eq!(erasing(other), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_check_tells_the_key() {
        let made = check_record(&kek(1, 2)).await.unwrap();
        assert_eq!(check(&kek(1, 2), &made).await, Ok(()));
        assert_eq!(check(&kek(1, 3), &made).await, Err(UnwrapError::WrongKey(1)));
        assert_eq!(check(&kek(2, 2), &made).await, Err(UnwrapError::UnknownVersion(1)));
        // As it was made before.
        let sealed = kek(1, 2).seal(1, &check_associated(1), b"").await.unwrap();
        assert_eq!(check(&kek(1, 2), &record(KIND_CHECK, 1, &sealed)).await, Ok(()));
    }
}
