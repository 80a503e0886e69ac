//! The name of something that belongs to one user: a device, a connection to a provider, an export, an erasure.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | random |
//! | 8 | 8 | a keyed hash over the user ref and the random part |
//!
//! as 26 characters of lowercase base32. So whoever holds the pseudonym secret can tell without a look-up whether a
//! name was ever given to this user, and nobody else can make one up.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;

use crate::aead::random_bytes;
use crate::pseudonym::base32;
use crate::{Pseudonymizer, UserRef};

const HALF_BYTES: usize = 8;
const ID_BYTES: usize = 2 * HALF_BYTES;
const ID_CHARS: usize = 26;

/// What is named.
pub trait ResourceKind {
    /// Sets the names of one kind of things apart from those of every other; part of the format.
    const PURPOSE: &'static str;
}

/// A phone, or whatever else signs posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {}

impl ResourceKind for DeviceKind {
    const PURPOSE: &'static str = "syncwell.device-id.v1";
}

/// A connection to a health provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionKind {}

impl ResourceKind for ConnectionKind {
    const PURPOSE: &'static str = "syncwell.connection-id.v1";
}

/// What a person takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExportKind {}

impl ResourceKind for ExportKind {
    const PURPOSE: &'static str = "syncwell.export-id.v1";
}

/// The end of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErasureKind {}

impl ResourceKind for ErasureKind {
    const PURPOSE: &'static str = "syncwell.erasure-id.v1";
}

/// The name of one export of one user.
pub type ExportId = ResourceId<ExportKind>;

/// The name of one erasure of one user.
pub type ErasureId = ResourceId<ErasureKind>;

/// The name of one device of one user.
pub type DeviceId = ResourceId<DeviceKind>;

/// The name of one connection of one user.
pub type ConnectionId = ResourceId<ConnectionKind>;

/// The name of one thing of one user.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId<K>([u8; ID_BYTES], PhantomData<K>);

impl<K: ResourceKind> ResourceId<K> {
    /// A new name for something of this user.
    pub fn new(secret: &Pseudonymizer, user: &UserRef) -> Self {
        let mut bytes = [0; ID_BYTES];
        bytes[..HALF_BYTES].copy_from_slice(&random_bytes::<HALF_BYTES>());
        let proof = ownership_tag::<K>(secret, user, &bytes[..HALF_BYTES]);
        bytes[HALF_BYTES..].copy_from_slice(&proof);
        Self(bytes, PhantomData)
    }

    /// Whether this name was given to something of this user.
    pub fn is_owned_by(&self, secret: &Pseudonymizer, user: &UserRef) -> bool {
        let (random, claimed) = self.0.split_at(HALF_BYTES);
        ownership_tag::<K>(secret, user, random).ct_eq(claimed).into()
    }
}

impl<K> ResourceId<K> {
    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; ID_BYTES] {
        &self.0
    }

    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes, PhantomData)
    }
}

fn ownership_tag<K: ResourceKind>(secret: &Pseudonymizer, user: &UserRef, random: &[u8]) -> [u8; HALF_BYTES] {
    let hash = secret.keyed_hash(K::PURPOSE, &[user.as_bytes(), random]);
    let mut proof = [0; HALF_BYTES];
    proof.copy_from_slice(&hash[..HALF_BYTES]);
    proof
}

impl<K> fmt::Display for ResourceId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; ID_CHARS];
        base32().encode_mut(&self.0, &mut text);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl<K> fmt::Debug for ResourceId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of our own is 26 characters of lowercase base32")]
pub struct ParseResourceIdError;

impl<K> FromStr for ResourceId<K> {
    type Err = ParseResourceIdError;

    fn from_str(text: &str) -> Result<Self, ParseResourceIdError> {
        let mut bytes = [0; ID_BYTES];
        if text.len() != ID_CHARS || base32().decode_mut(text.as_bytes(), &mut bytes).is_err() {
            return Err(ParseResourceIdError);
        }
        Ok(Self(bytes, PhantomData))
    }
}

impl<K> Serialize for ResourceId<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K> Deserialize<'de> for ResourceId<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_name_is_of_one_user_and_can_not_be_made_up() {
        let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
        let (user, other) = (UserRef::from_bytes([2; 16]), UserRef::from_bytes([3; 16]));
        let id = DeviceId::new(&secret, &user);
        assert!(id.is_owned_by(&secret, &user));
        assert!(!id.is_owned_by(&secret, &other));
        assert!(
            !ConnectionId::from_bytes(*id.as_bytes()).is_owned_by(&secret, &user),
            "a device is no connection"
        );
        assert!(!id.is_owned_by(&Pseudonymizer::new(Zeroizing::new([9; 32])), &user));
        for at in 0..ID_BYTES {
            let mut changed = id;
            changed.0[at] ^= 1;
            assert!(!changed.is_owned_by(&secret, &user));
        }
    }

    #[test]
    fn golden_name() {
        // The keyed hash was computed once with Python's hmac module.
        let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
        let user = UserRef::from_bytes([2; 16]);
        let golden: DeviceId = "a4dqobyha4dqp3jjvcxsptg6oe".parse().unwrap();
        assert_eq!(golden.as_bytes()[..8], [7; 8]);
        assert!(golden.is_owned_by(&secret, &user));
    }

    #[test]
    fn names_have_one_spelling() {
        let id = DeviceId::from_bytes([0xab; 16]);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for wrong in ["", "default", &text.to_uppercase(), &text[1..], &format!("{}7", &text[..25])] {
            assert_eq!(wrong.parse::<DeviceId>(), Err(ParseResourceIdError), "{wrong}");
        }
    }
}
