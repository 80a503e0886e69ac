//! Users without names.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a user ref: 128 bits of the keyed hash are kept.
const REF_BYTES: usize = 16;
/// Characters of a user ref.
const REF_CHARS: usize = 26;

/// A user's name as the token gives it. Lives in memory only: it does not print and is not serialised.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId(String);

impl UserId {
    /// The plain name, for the one request that needs it (an operator's question by user id).
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Not 1 to 128 printable ASCII characters without spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user id is 1 to 128 printable ASCII characters without spaces")]
pub struct ParseUserIdError;

impl FromStr for UserId {
    type Err = ParseUserIdError;

    fn from_str(text: &str) -> Result<Self, ParseUserIdError> {
        let holds = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if holds { Ok(Self(text.to_owned())) } else { Err(ParseUserIdError) }
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A user's pseudonym: the only name for a user in subjects, keys, files, logs and metrics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserRef([u8; REF_BYTES]);

impl UserRef {
    /// Stands for no user: what operators and auditors do is filed under it. No keyed hash is all zeros.
    pub const SYSTEM: Self = Self([0; REF_BYTES]);

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; REF_BYTES] {
        &self.0
    }

    /// The ref with these bytes.
    pub fn from_bytes(bytes: [u8; REF_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; REF_CHARS];
        base32().encode_mut(&self.0, &mut text);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no user ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user ref is 26 characters of lowercase base32")]
pub struct ParseUserRefError;

impl FromStr for UserRef {
    type Err = ParseUserRefError;

    fn from_str(text: &str) -> Result<Self, ParseUserRefError> {
        let mut bytes = [0; REF_BYTES];
        if text.len() != REF_CHARS || base32().decode_mut(text.as_bytes(), &mut bytes).is_err() {
            return Err(ParseUserRefError);
        }
        Ok(Self(bytes))
    }
}

impl Serialize for UserRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UserRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// RFC 4648 base32 in lowercase, without padding.
pub(crate) fn base32() -> &'static Encoding {
    static LOWERCASE: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    LOWERCASE.get_or_init(|| {
        let mut specification = BASE32_NOPAD.specification();
        specification.symbols.make_ascii_lowercase();
        specification.encoding().unwrap_or_else(|_| unreachable!("BUG: lowercase base32 is an encoding"))
    })
}

/// The secret that names users. Whoever holds it can tell whether a ref is a given user's.
#[derive(Clone)]
pub struct Pseudonymizer {
    secret: Zeroizing<[u8; 32]>,
    /// Users who were erased and may come back, by the pseudonym that they had, and how often they did.
    returned: Arc<BTreeMap<UserRef, u32>>,
}

impl Pseudonymizer {
    /// From 32 secret bytes, which stay the same for the life of the log: another secret makes every user a stranger.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self { secret, returned: Arc::default() }
    }

    /// The same secret, and these users come back: whoever had one of these pseudonyms has another one from now on, the
    /// same for the same number. What was erased stays erased under the old one.
    #[must_use]
    pub fn with_returned_users(self, returned: BTreeMap<UserRef, u32>) -> Self {
        Self { returned: Arc::new(returned), ..self }
    }

    /// The user's pseudonym.
    pub fn user_ref(&self, user: &UserId) -> UserRef {
        let first = truncate_to_user_ref(self.keyed_hash("syncwell.user-ref.v1", &[user.0.as_bytes()]));
        match self.returned.get(&first) {
            None => first,
            Some(number) => truncate_to_user_ref(
                self.keyed_hash("syncwell.user-ref.returned.v1", &[user.0.as_bytes(), &number.to_be_bytes()]),
            ),
        }
    }

    /// The pseudonym of somebody whom a provider knows by an id of its own; without one, of the provider itself. What a
    /// provider sends is filed under it, and so can be erased with the account that it is connected to.
    pub fn provider_user_ref(&self, provider: &str, id: Option<&str>) -> UserRef {
        let hash = match id {
            Some(id) => self.keyed_hash("syncwell.provider-user.v1", &[provider.as_bytes(), id.as_bytes()]),
            None => self.keyed_hash("syncwell.provider.v1", &[provider.as_bytes()]),
        };
        truncate_to_user_ref(hash)
    }

    /// HMAC-SHA-256 over a purpose and parts, each with its length before it, so that no two lists hash alike.
    pub fn keyed_hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = hmac_sha256(&*self.secret);
        for part in [purpose.as_bytes()].iter().chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Pseudonymizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn truncate_to_user_ref(hash: [u8; 32]) -> UserRef {
    let mut bytes = [0; REF_BYTES];
    bytes.copy_from_slice(&hash[..REF_BYTES]);
    UserRef(bytes)
}

pub(crate) fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key)
        .unwrap_or_else(|_| unreachable!("BUG: HMAC takes a key of any length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms(byte: u8) -> Pseudonymizer {
        Pseudonymizer::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn golden_ref() {
        let user = "user-1".parse().unwrap();
        // Computed once with Python's hmac and base64 modules.
        assert_eq!(pseudonyms(1).user_ref(&user).to_string(), "bv54zpiod3qorj64nzkxg56uze");
        assert_ne!(pseudonyms(1).user_ref(&user), pseudonyms(2).user_ref(&user));
    }

    #[test]
    fn whoever_comes_back_has_another_name() {
        let (user, other) = ("user-1".parse().unwrap(), "user-2".parse().unwrap());
        let first = pseudonyms(1).user_ref(&user);
        let again = |number| pseudonyms(1).with_returned_users([(first, number)].into());
        // Computed once with Python's hmac and base64 modules.
        assert_eq!(again(1).user_ref(&user).to_string(), "cv7kvmpjygfc4fw6f3ahffyvry");
        assert_ne!(again(2).user_ref(&user), again(1).user_ref(&user));
        assert_eq!(again(1).user_ref(&other), pseudonyms(1).user_ref(&other), "nobody else");
    }

    #[test]
    fn refs_read_back_and_nothing_else_does() {
        let user_ref = pseudonyms(1).user_ref(&"someone".parse().unwrap());
        let text = user_ref.to_string();
        assert_eq!(text.parse(), Ok(user_ref));
        // The last character carries 3 bits: one with more set is another spelling, and is refused.
        let respelled = format!("{}7", &text[..25]);
        for wrong in ["", "short", &text.to_uppercase(), &respelled, &format!("{text}a")] {
            assert_eq!(wrong.parse::<UserRef>(), Err(ParseUserRefError), "{wrong}");
        }
    }

    #[test]
    fn user_ids_are_graphic_ascii_and_do_not_print() {
        for good in ["a", "auth0|123", &"x".repeat(128)] {
            let id: UserId = good.parse().unwrap();
            assert_eq!((id.reveal(), format!("{id:?}").as_str()), (good, "[redacted]"));
        }
        for bad in ["", "a b", "é", "tab\t", "nul\0", &"x".repeat(129)] {
            assert_eq!(bad.parse::<UserId>(), Err(ParseUserIdError), "{bad}");
        }
    }

    #[test]
    fn parts_are_kept_apart() {
        let secret = pseudonyms(1);
        assert_ne!(secret.keyed_hash("p", &[b"ab", b"c"]), secret.keyed_hash("p", &[b"a", b"bc"]));
    }
}
