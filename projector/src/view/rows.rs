//! A row's key and its sealed value.
//!
//! | offset | bytes | the key |    | offset | bytes | the value |
//! |---|---|---|---|---|---|---|
//! | 0 | 1 | `01` | | 0 | 1 | format, `1` |
//! | 1 | 16 | user ref | | 1 | 10 | the data key's id |
//! | 17 | 2 | year + 10,000, big-endian | | 11 | n | the row's bytes, sealed; the key is its associated data |
//! | 19 | 2 | month, day | | | | |

use jiff::civil::Date;
use vault::{DataKey, DataKeyId, UserRef};

use super::KEY_ROW;
use crate::row::{Row, decode, encode};

const FORMAT: u8 = 1;
const KEY_BYTES: usize = 21;
const HEAD_BYTES: usize = 11;
/// Makes every year that a date can have a positive number.
const YEAR_OFFSET: i16 = 10_000;

/// Which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey {
    pub(crate) user: UserRef,
    pub(crate) date: Date,
}

impl RowKey {
    /// Sorts by user, then by date.
    pub(crate) fn encode(&self) -> [u8; KEY_BYTES] {
        let mut key = [KEY_ROW; KEY_BYTES];
        key[1..17].copy_from_slice(self.user.as_bytes());
        key[17..19]
            .copy_from_slice(&self.date.year().saturating_add(YEAR_OFFSET).cast_unsigned().to_be_bytes());
        key[19] = self.date.month().cast_unsigned();
        key[20] = self.date.day().cast_unsigned();
        key
    }

    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let key: &[u8; KEY_BYTES] = key.try_into().ok()?;
        let user: [u8; 16] = key[1..17].try_into().ok()?;
        let year = u16::from_be_bytes([key[17], key[18]]).cast_signed().checked_sub(YEAR_OFFSET)?;
        let date = Date::new(year, key[19].cast_signed(), key[20].cast_signed()).ok()?;
        (key[0] == KEY_ROW).then_some(Self { user: UserRef::from_bytes(user), date })
    }
}

/// A row's stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedRow(pub(super) Vec<u8>);

impl SealedRow {
    /// The data key that the row is sealed under.
    pub(crate) fn key_id(&self) -> Option<DataKeyId> {
        let (head, _) = self.0.split_first_chunk::<HEAD_BYTES>()?;
        let [FORMAT, id @ ..] = head else { return None };
        Some(DataKeyId::from_bytes(*id))
    }
}

/// Seals a row.
pub(crate) fn seal_row(key: &RowKey, row: &Row, data_key: &DataKey) -> SealedRow {
    let mut sealed = vec![FORMAT];
    sealed.extend_from_slice(data_key.id().as_bytes());
    sealed.extend_from_slice(&data_key.seal(&key.encode(), &encode(row)));
    SealedRow(sealed)
}

/// Opens a row. `None` where it is damaged, or not this row, or not under this key.
pub(crate) fn open_row(key: &RowKey, sealed: &SealedRow, data_key: &DataKey) -> Option<Row> {
    let content = sealed.0.get(HEAD_BYTES..)?.to_vec();
    let plain = data_key.open(&key.encode(), content).ok()?;
    decode(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden row of `row/codec.rs`.
    const GOLDEN_ROW: &[u8] = b"010180a8c9d6a3e5ef9431dc2400000000125c7707870707070707070701000000000009c240000000019a99999999194740000180c08aca90f7d294310372756e000000000000454000000080a8c9d6a3e5ef9431dc24e724";

    fn key(user: u8, year: i16, month: i8, day: i8) -> RowKey {
        RowKey { user: UserRef::from_bytes([user; 16]), date: jiff::civil::date(year, month, day) }
    }

    #[test]
    fn golden_key() {
        let encoded = data_encoding::HEXLOWER.encode(&key(0xab, 2026, 2, 16).encode());
        assert_eq!(encoded, format!("01{}2efa0210", "ab".repeat(16)));
    }

    #[test]
    fn golden_head_of_a_value_and_its_binding() {
        let data_key = DataKey::new(DataKeyId::from_bytes([4; 10]), 2026, &[7; 32]);
        let bytes = data_encoding::HEXLOWER.decode(GOLDEN_ROW).unwrap();
        let (row, this) = (decode(&bytes).unwrap(), key(1, 2026, 2, 16));
        let sealed = seal_row(&this, &row, &data_key);
        assert_eq!(
            sealed.0[..12],
            [1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 1],
            "format, key id, and the sealed bytes' own format"
        );
        assert_eq!(sealed.key_id(), Some(data_key.id()));
        assert_eq!(open_row(&this, &sealed, &data_key), Some(row));
        // Another user's row, another date's, or one of another format, is none.
        assert_eq!(open_row(&key(2, 2026, 2, 16), &sealed, &data_key), None);
        assert_eq!(open_row(&key(1, 2026, 2, 17), &sealed, &data_key), None);
        assert_eq!(SealedRow([&[2], &sealed.0[1..]].concat()).key_id(), None);
    }

    #[test]
    fn keys_read_back_and_sort_by_user_then_date() {
        let sorted = [
            key(0, 2027, 1, 1),
            key(1, -1, 12, 31),
            key(1, 2026, 2, 3),
            key(1, 2026, 2, 16),
            key(1, 2026, 11, 1),
            key(2, 2010, 1, 1),
        ];
        assert!(sorted.windows(2).all(|pair| pair[0].encode() < pair[1].encode()));
        for key in sorted {
            assert_eq!(RowKey::decode(&key.encode()), Some(key));
        }
        assert_eq!(RowKey::decode(&[1; 20]), None);
        assert_eq!(RowKey::decode(&[13; 21]), None);
        let mut thirteenth_month = key(1, 2026, 2, 16).encode();
        thirteenth_month[19] = 13;
        assert_eq!(RowKey::decode(&thirteenth_month), None);
    }
}
