//! An entry's sealed value.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `2` |
//! | 1 | 10 | the data key's id |
//! | 11 | 32 | the entry's hash ([`crate::view_digest`]): taken from the view's sum when the entry goes, also when nobody can open it any more |
//! | 43 | n | the entry's plain bytes, sealed; the entry's key is their associated data |

use keys::{DataKey, DataKeyId};
use zeroize::Zeroizing;

use crate::view_digest::{DigestSum, EntryHasher};

const FORMAT: u8 = 2;
const HASH_OFFSET: usize = 11;
const HEADER_BYTES: usize = 43;

/// A sealed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedValue(pub(super) Vec<u8>);

impl SealedValue {
    /// Seals an entry's plain bytes.
    pub(crate) fn seal(entry: &[u8], plain: &[u8], data_key: &DataKey, digester: &EntryHasher) -> Self {
        let mut value = vec![FORMAT];
        value.extend_from_slice(data_key.id().as_bytes());
        value.extend_from_slice(&digester.hash(entry, plain).to_bytes());
        value.extend_from_slice(&data_key.seal(entry, plain));
        Self(value)
    }

    fn header(&self) -> Option<&[u8; HEADER_BYTES]> {
        self.0.first_chunk::<HEADER_BYTES>().filter(|head| head[0] == FORMAT)
    }

    /// The data key that the entry is sealed under; `None` where the value is damaged.
    pub(crate) fn key_id(&self) -> Option<DataKeyId> {
        let id = self.header()?[1..HASH_OFFSET].try_into().ok()?;
        Some(DataKeyId::from_bytes(id))
    }

    /// The entry's hash as it was when it was written.
    pub(crate) fn hash(&self) -> Option<DigestSum> {
        self.header()?[HASH_OFFSET..].try_into().ok().map(DigestSum::from_bytes)
    }

    /// The plain bytes. `None` where it is damaged, or not this entry, or not under this key.
    pub(crate) fn open(&self, entry: &[u8], data_key: &DataKey) -> Option<Zeroizing<Vec<u8>>> {
        self.header()?;
        data_key.open(entry, self.0[HEADER_BYTES..].to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use keys::Pseudonymizer;

    use super::*;

    #[test]
    fn golden_head_and_binding() {
        let data_key = DataKey::new(DataKeyId::from_bytes([4; 10]), 2026, &[7; 32]);
        let digester = EntryHasher::new(Pseudonymizer::new(Zeroizing::new([7; 32])));
        let sealed = SealedValue::seal(b"key", b"plain", &data_key, &digester);
        let hash = digester.hash(b"key", b"plain");
        assert_eq!(sealed.0[..11], [2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4], "format and key id");
        assert_eq!(sealed.0[11..43], hash.to_bytes());
        assert_eq!(sealed.0[43], 1, "the sealed bytes' own format");
        assert_eq!((sealed.key_id(), sealed.hash()), (Some(data_key.id()), Some(hash)));
        assert_eq!(*sealed.open(b"key", &data_key).unwrap(), b"plain");
        assert_eq!(sealed.open(b"other", &data_key), None);
        let other_format = SealedValue([&[1], &sealed.0[1..]].concat());
        assert_eq!((other_format.key_id(), other_format.hash()), (None, None));
        assert_eq!(SealedValue(vec![2; 42]).key_id(), None);
    }
}
