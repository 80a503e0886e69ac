//! A user's data keys: one for each year of the summaries, so that a year can be destroyed alone.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::aead::{AeadKey, HEADER_BYTES, OpenError, random_bytes};
use crate::pseudonym::base32;

const ID_BYTES: usize = 10;
const ID_CHARS: usize = 16;

/// A data key's name: random, so that it says nothing about the year it is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKeyId([u8; ID_BYTES]);

impl DataKeyId {
    pub(crate) fn random() -> Self {
        Self(random_bytes())
    }

    /// The 10 bytes.
    pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; ID_CHARS];
        base32().encode_mut(&self.0, &mut text);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no data key's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a data key id is 16 characters of lowercase base32")]
pub struct ParseDataKeyIdError;

impl FromStr for DataKeyId {
    type Err = ParseDataKeyIdError;

    fn from_str(text: &str) -> Result<Self, ParseDataKeyIdError> {
        let mut bytes = [0; ID_BYTES];
        if text.len() != ID_CHARS || base32().decode_mut(text.as_bytes(), &mut bytes).is_err() {
            return Err(ParseDataKeyIdError);
        }
        Ok(Self(bytes))
    }
}

/// The year of a summary's date.
pub type Year = i16;

/// Stands for no year: the key of what belongs to the account and to no day of it, like its devices. Destroying a year
/// leaves it.
pub const ACCOUNT_YEAR: Year = 0;

/// A key that seals what belongs to one user and year.
#[derive(Debug)]
pub struct DataKey {
    id: DataKeyId,
    year: Year,
    key: AeadKey,
}

impl DataKey {
    /// From its parts. Keys of users come out of their records; this is for whoever was handed a single one.
    pub fn new(id: DataKeyId, year: Year, key: &[u8; 32]) -> Self {
        Self { id, year, key: AeadKey::new(key) }
    }

    /// The key's name.
    pub fn id(&self) -> DataKeyId {
        self.id
    }

    /// The year that the key is for.
    pub fn year(&self) -> Year {
        self.year
    }

    /// Seals `plaintext`, bound to `associated`.
    pub fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.key.seal(associated, plaintext)
    }

    /// Opens what [`DataKey::seal`] made with the same `associated`.
    pub fn open(&self, associated: &[u8], mut sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let length = self.key.open(associated, &mut sealed)?.len();
        sealed.truncate(HEADER_BYTES + length);
        sealed.drain(..HEADER_BYTES);
        Ok(Zeroizing::new(sealed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        let id = DataKeyId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, DataKeyId::random());
        for wrong in ["", "abc", &id.to_string().to_uppercase(), "1111111111111111"] {
            assert_eq!(wrong.parse::<DataKeyId>(), Err(ParseDataKeyIdError));
        }
    }

    #[test]
    fn what_is_sealed_opens_to_itself() {
        let key = DataKey::new(DataKeyId::random(), 2026, &[1; 32]);
        for plain in [b"".as_slice(), b"x", b"something longer than a head"] {
            assert_eq!(*key.open(b"about", key.seal(b"about", plain)).unwrap(), plain);
            assert!(key.open(b"else", key.seal(b"about", plain)).is_err());
        }
    }
}
