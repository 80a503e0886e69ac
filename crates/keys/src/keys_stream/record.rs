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
//! Sealed bytes are ours ([`crate::aead`], 29 + 34 bytes) under a local KEK, and KMS's own ciphertext under one of KMS.
//! The associated data bind a record to its user, its id and its KEK's version. A check of format 1 made before KMS
//! was known holds nothing instead of a zero, and reads as well: only that it opens counts.

use zeroize::Zeroizing;

use crate::UserRef;
use crate::aead::random_bytes;
use crate::data_key::{DataKey, DataKeyId, Year};
use crate::kek::{Kek, UnwrapError};
use crate::keys_stream::{ERASED_TOKEN, ERASING_TOKEN, RETENTION_PREFIX};
use crate::resource_id::ErasureId;

const FORMAT: u8 = 1;
const KIND_WRAPPED: u8 = 1;
const KIND_TOMBSTONE: u8 = 2;
const KIND_CHECK: u8 = 3;
const KIND_REVOKED: u8 = 4;
const KIND_COMPROMISED: u8 = 5;
const KIND_ERASING: u8 = 6;
const HEADER_BYTES: usize = 6;

/// What stands for a key that was destroyed, and for a user all of whose keys were.
pub const TOMBSTONE: [u8; 2] = [FORMAT, KIND_TOMBSTONE];

/// What stands for a user who is being erased; who that is stands in the subject.
pub fn encode_erasure_mark(erasure: ErasureId) -> Vec<u8> {
    [&[FORMAT, KIND_ERASING], erasure.as_bytes().as_slice()].concat()
}

/// The erasure of such a record; `None` for any other.
pub fn parse_erasure_mark(record: &[u8]) -> Option<ErasureId> {
    let [FORMAT, KIND_ERASING, id @ ..] = record else { return None };
    Some(ErasureId::from_bytes(id.try_into().ok()?))
}

/// Records of an erased user, each with its subject. A restore writes them into an empty stream before any key.
pub fn erasure_records(user: &UserRef, erasure: ErasureId) -> [(String, Vec<u8>); 2] {
    [
        (format!("$KV.keys.{user}.{ERASED_TOKEN}"), TOMBSTONE.to_vec()),
        (format!("$KV.keys.{user}.{ERASING_TOKEN}"), encode_erasure_mark(erasure)),
    ]
}

/// Record, with its subject, that makes every ingest evict all keys from memory. The subject is new in each call.
pub fn retention_mark() -> (String, Vec<u8>) {
    let occasion = data_encoding::HEXLOWER.encode(&random_bytes::<8>());
    let mark = encode_erasure_mark(ErasureId::from_bytes(random_bytes()));
    (format!("$KV.keys.{RETENTION_PREFIX}{occasion}.{ERASING_TOKEN}"), mark)
}

/// What stands for a device that was revoked; which one is in the subject.
pub const REVOCATION_MARK: [u8; 2] = [FORMAT, KIND_REVOKED];

/// What stands for a device that told whether its system is compromised; which one is in the subject.
pub fn encode_compromise_report(told: CompromiseReport) -> [u8; 11] {
    let mut record = [FORMAT, KIND_COMPROMISED, told.is_compromised as u8, 0, 0, 0, 0, 0, 0, 0, 0];
    record[3..].copy_from_slice(&told.signed_at_ms.to_be_bytes());
    record
}

/// What a device told, and when it signed that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompromiseReport {
    /// Whether the system is compromised.
    pub is_compromised: bool,
    /// Time of the report's signature, unix milliseconds.
    pub signed_at_ms: i64,
}

/// What a device told; `None` for any other record.
pub fn parse_compromise_report(record: &[u8]) -> Option<CompromiseReport> {
    let (head, signed_at_ms) = record.split_last_chunk::<8>()?;
    let signed_at_ms = i64::from_be_bytes(*signed_at_ms);
    match head {
        [FORMAT, KIND_COMPROMISED, told @ (0 | 1)] => {
            Some(CompromiseReport { is_compromised: *told == 1, signed_at_ms })
        }
        _ => None,
    }
}

/// What a record says.
#[derive(Debug)]
pub enum UnwrappedRecord {
    /// The data key.
    Key(DataKey),
    /// The key was destroyed, for good.
    Tombstone,
}

/// Makes a new data key, and its record.
pub async fn create_data_key(
    kek: &Kek,
    user: &UserRef,
    year: Year,
) -> Result<(DataKey, Vec<u8>), UnwrapError> {
    let id = DataKeyId::random();
    let key = Zeroizing::new(random_bytes::<32>());
    let mut plaintext = Zeroizing::new(Vec::with_capacity(34));
    plaintext.extend_from_slice(&year.to_be_bytes());
    plaintext.extend_from_slice(&*key);
    let record = wrap_data_key(kek, user, id, &plaintext).await?;
    Ok((DataKey::new(id, year, &key), record))
}

/// Reads a record that was stored for this user under this id.
pub async fn unwrap_data_key(
    kek: &Kek,
    user: &UserRef,
    id: DataKeyId,
    record: &[u8],
) -> Result<UnwrappedRecord, UnwrapError> {
    if record == TOMBSTONE {
        return Ok(UnwrappedRecord::Tombstone);
    }
    let (version, sealed) = split_sealed_record(KIND_WRAPPED, record)?;
    let plaintext = kek.open(version, &data_key_associated_data(user, id, version), sealed).await?;
    let (year, key) = plaintext.split_first_chunk::<2>().ok_or(UnwrapError::Format)?;
    let key: &[u8; 32] = key.try_into().map_err(|_| UnwrapError::Format)?;
    Ok(UnwrappedRecord::Key(DataKey::new(id, Year::from_be_bytes(*year), key)))
}

/// The same key under the newest version of the KEK; `None` where it is wrapped under that already, or destroyed.
pub async fn rewrap_data_key(
    kek: &Kek,
    user: &UserRef,
    id: DataKeyId,
    record: &[u8],
) -> Result<Option<Vec<u8>>, UnwrapError> {
    if record == TOMBSTONE {
        return Ok(None);
    }
    let (version, sealed) = split_sealed_record(KIND_WRAPPED, record)?;
    if version >= kek.current_version() {
        return Ok(None);
    }
    let plaintext = kek.open(version, &data_key_associated_data(user, id, version), sealed).await?;
    wrap_data_key(kek, user, id, &plaintext).await.map(Some)
}

/// The version of the KEK that a wrapped key or a check is sealed under; `None` for a tombstone.
pub fn kek_version(record: &[u8]) -> Result<Option<u32>, UnwrapError> {
    if record == TOMBSTONE {
        return Ok(None);
    }
    let kind = *record.get(1).ok_or(UnwrapError::Format)?;
    let is_sealed = matches!(kind, KIND_WRAPPED | KIND_CHECK);
    if is_sealed {
        split_sealed_record(kind, record).map(|(version, _)| Some(version))
    } else {
        Err(UnwrapError::Format)
    }
}

/// A record that only the newest version of this KEK opens.
pub async fn create_kek_check(kek: &Kek) -> Result<Vec<u8>, UnwrapError> {
    let version = kek.current_version();
    // KMS seals nothing that is empty.
    let sealed = kek.seal(version, &kek_check_associated_data(version), &[0]).await?;
    Ok(encode_sealed_record(KIND_CHECK, version, &sealed))
}

/// Whether this is the KEK that made the check.
pub async fn verify_kek_check(kek: &Kek, record: &[u8]) -> Result<(), UnwrapError> {
    let (version, sealed) = split_sealed_record(KIND_CHECK, record)?;
    kek.open(version, &kek_check_associated_data(version), sealed).await.map(drop)
}

async fn wrap_data_key(
    kek: &Kek,
    user: &UserRef,
    id: DataKeyId,
    plaintext: &[u8],
) -> Result<Vec<u8>, UnwrapError> {
    let version = kek.current_version();
    let sealed = kek.seal(version, &data_key_associated_data(user, id, version), plaintext).await?;
    Ok(encode_sealed_record(KIND_WRAPPED, version, &sealed))
}

fn split_sealed_record(expected_kind: u8, record: &[u8]) -> Result<(u32, &[u8]), UnwrapError> {
    let (head, sealed) = record.split_first_chunk::<HEADER_BYTES>().ok_or(UnwrapError::Format)?;
    let [format, kind, version @ ..] = head;
    if (*format, *kind) != (FORMAT, expected_kind) {
        return Err(UnwrapError::Format);
    }
    Ok((u32::from_be_bytes(*version), sealed))
}

fn encode_sealed_record(kind: u8, version: u32, sealed: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_BYTES + sealed.len());
    record.extend_from_slice(&[FORMAT, kind]);
    record.extend_from_slice(&version.to_be_bytes());
    record.extend_from_slice(sealed);
    record
}

fn data_key_associated_data(user: &UserRef, id: DataKeyId, version: u32) -> Vec<u8> {
    [b"syncwell.data-key.v1".as_slice(), user.as_bytes(), id.as_bytes(), &version.to_be_bytes()].concat()
}

fn kek_check_associated_data(version: u32) -> Vec<u8> {
    [b"syncwell.kek-check.v1".as_slice(), &version.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::secret_files::VersionedSecrets;

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
        let Ok(UnwrappedRecord::Key(key)) = unwrap_data_key(&kek(1, 2), &user(), id, &record).await else {
            panic!("does not open")
        };
        assert_eq!((key.id(), key.year(), kek_version(&record)), (id, 2026, Ok(Some(1))));
        let sealed = DataKey::new(id, 2026, &[5; 32]).seal(b"", b"x");
        assert_eq!(*key.open(b"", sealed).unwrap(), b"x");
    }

    #[tokio::test]
    async fn a_record_is_bound_to_user_id_and_kek() {
        let (key, record) = create_data_key(&kek(1, 2), &user(), 2026).await.unwrap();
        let other = UserRef::from_bytes([9; 16]);
        let fails = async |kek: Kek, user, id, record: &[u8]| {
            unwrap_data_key(&kek, &user, id, record).await.unwrap_err()
        };
        assert!(matches!(
            unwrap_data_key(&kek(1, 2), &user(), key.id(), &record).await,
            Ok(UnwrappedRecord::Key(_))
        ));
        assert_eq!(fails(kek(1, 3), user(), key.id(), &record).await, UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(2, 2), user(), key.id(), &record).await, UnwrapError::UnknownVersion(1));
        assert_eq!(fails(kek(1, 2), other, key.id(), &record).await, UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(1, 2), user(), DataKeyId::random(), &record).await, UnwrapError::WrongKey(1));
        assert_eq!(fails(kek(1, 2), user(), key.id(), &record[..5]).await, UnwrapError::Format);
        assert_eq!(fails(kek(1, 2), user(), key.id(), &[2; 69]).await, UnwrapError::Format);
        assert!(matches!(
            unwrap_data_key(&kek(1, 2), &user(), key.id(), &[1, 2]).await,
            Ok(UnwrappedRecord::Tombstone)
        ));
    }

    #[tokio::test]
    async fn a_key_is_the_same_under_the_next_version() {
        let lines = format!("1 {}\n2 {}\n", "02".repeat(32), "03".repeat(32));
        let both = Kek::new(&VersionedSecrets::parse(&lines).unwrap());
        let (key, old) = create_data_key(&kek(1, 2), &user(), 2026).await.unwrap();
        let new = rewrap_data_key(&both, &user(), key.id(), &old).await.unwrap().unwrap();
        assert_eq!((kek_version(&old), kek_version(&new)), (Ok(Some(1)), Ok(Some(2))));
        assert_eq!(
            rewrap_data_key(&both, &user(), key.id(), &new).await,
            Ok(None),
            "it is wrapped under the newest"
        );
        assert_eq!(
            rewrap_data_key(&both, &user(), key.id(), &[1, 2]).await,
            Ok(None),
            "a tombstone stays one"
        );
        for record in [old, new] {
            let Ok(UnwrappedRecord::Key(opened)) = unwrap_data_key(&both, &user(), key.id(), &record).await
            else {
                panic!("both versions open")
            };
            assert_eq!(*opened.open(b"", key.seal(b"", b"x")).unwrap(), b"x");
        }
    }

    #[test]
    fn golden_reports_of_devices() {
        let golden = [1, 5, 1, 0, 0, 1, 0x9c, 0x68, 0xe5, 0x51, 0xe3];
        let ill = CompromiseReport { is_compromised: true, signed_at_ms: 0x0000_019c_68e5_51e3 };
        assert_eq!((encode_compromise_report(ill), parse_compromise_report(&golden)), (golden, Some(ill)));
        let well = CompromiseReport { is_compromised: false, ..ill };
        assert_eq!(parse_compromise_report(&encode_compromise_report(well)), Some(well));
        for at in [0, 1, 2] {
            let mut other = golden;
            other[at] += 1;
            assert_eq!(parse_compromise_report(&other), None, "{other:?}");
        }
        assert!(
            [&golden[..10], &[], &[1, 5, 1]].iter().all(|other| parse_compromise_report(other).is_none())
        );
    }

    #[test]
    fn golden_mark_of_an_erasure() {
        let golden = [[1, 6].as_slice(), &[0xab; 16]].concat();
        let id = ErasureId::from_bytes([0xab; 16]);
        assert_eq!((encode_erasure_mark(id), parse_erasure_mark(&golden)), (golden.clone(), Some(id)));
        for other in [&golden[..17], &[golden.clone(), vec![0]].concat(), &TOMBSTONE, &[], &[2, 6]] {
            assert_eq!(parse_erasure_mark(other), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_check_tells_the_key() {
        let made = create_kek_check(&kek(1, 2)).await.unwrap();
        assert_eq!(verify_kek_check(&kek(1, 2), &made).await, Ok(()));
        assert_eq!(verify_kek_check(&kek(1, 3), &made).await, Err(UnwrapError::WrongKey(1)));
        assert_eq!(verify_kek_check(&kek(2, 2), &made).await, Err(UnwrapError::UnknownVersion(1)));
        // As it was made before.
        let sealed = kek(1, 2).seal(1, &kek_check_associated_data(1), b"").await.unwrap();
        assert_eq!(verify_kek_check(&kek(1, 2), &encode_sealed_record(KIND_CHECK, 1, &sealed)).await, Ok(()));
    }
}
