//! A row's key.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | `01` |
//! | 1 | 16 | user ref |
//! | 17 | 2 | year + 10,000, big-endian |
//! | 19 | 2 | month, day |

use jiff::civil::Date;
use keys::UserRef;

use super::keys::{EntryKey, KeyKind, split_user, user_prefix};

/// Makes every year that a date can have a positive number.
const YEAR_OFFSET: i16 = 10_000;

/// Which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey {
    pub(crate) user: UserRef,
    pub(crate) date: Date,
}

impl EntryKey for RowKey {
    const KIND: KeyKind = KeyKind::Row;

    fn user(&self) -> UserRef {
        self.user
    }

    fn name(&self) -> String {
        self.date.to_string()
    }

    /// Sorts by user, then by date.
    fn encode(&self) -> Vec<u8> {
        let year = self.date.year().saturating_add(YEAR_OFFSET).cast_unsigned().to_be_bytes();
        let day = [self.date.month().cast_unsigned(), self.date.day().cast_unsigned()];
        [user_prefix(KeyKind::Row, self.user).as_slice(), &year, &day].concat()
    }

    fn decode(key: &[u8]) -> Option<Self> {
        let (user, date) = split_user(KeyKind::Row, key)?;
        let &[year_high, year_low, month, day] = date else { return None };
        let year = u16::from_be_bytes([year_high, year_low]).cast_signed().checked_sub(YEAR_OFFSET)?;
        Some(Self { user, date: Date::new(year, month.cast_signed(), day.cast_signed()).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: u8, year: i16, month: i8, day: i8) -> RowKey {
        RowKey { user: UserRef::from_bytes([user; 16]), date: jiff::civil::date(year, month, day) }
    }

    #[test]
    fn golden_key() {
        let encoded = data_encoding::HEXLOWER.encode(&key(0xab, 2026, 2, 16).encode());
        assert_eq!(encoded, format!("01{}2efa0210", "ab".repeat(16)));
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
