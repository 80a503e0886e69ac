//! The `state` of an authorisation (RFC 6749, section 4.1.1), and the PKCE verifier that goes with it (RFC 7636).
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 8 | when it was made, unix milliseconds, big-endian |
//! | 9 | 16 | random |
//! | 25 | 16 | a keyed hash over user, connection and all of the above |
//!
//! as base64url without padding. So the door can tell without a look-up whether a state was made for this user and
//! connection, and whether it has ended. That it is used once is the log's doing: the event that uses it is named after it.
//! The verifier is a keyed hash of the state: nothing is stored that could leak.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::aead::random_bytes;
use crate::resource_id::ConnectionId;
use crate::{Pseudonymizer, UserRef};

const FORMAT: u8 = 1;
const TAG_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + 8 + 16;
const STATE_BYTES: usize = BODY_BYTES + TAG_BYTES;

/// How long a state, and the verifier with it, is good for.
pub const OAUTH_STATE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// What the provider hands back with the code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OAuthState([u8; STATE_BYTES]);

/// The text is no state of this user and connection, or it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the state is not of this connection, or has ended")]
pub struct InvalidOAuthState;

impl OAuthState {
    /// A new one.
    pub fn new(secret: &Pseudonymizer, user: &UserRef, connection: ConnectionId, now: Timestamp) -> Self {
        let mut bytes = [0; STATE_BYTES];
        bytes[0] = FORMAT;
        bytes[1..9].copy_from_slice(&now.as_millisecond().to_be_bytes());
        bytes[9..BODY_BYTES].copy_from_slice(&random_bytes::<16>());
        let tag = tag(secret, user, connection, &bytes[..BODY_BYTES]);
        bytes[BODY_BYTES..].copy_from_slice(&tag);
        Self(bytes)
    }

    /// Reads what came back: whether it was made for this user and connection, and is still good.
    pub fn verify(
        text: &str,
        secret: &Pseudonymizer,
        user: &UserRef,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Result<Self, InvalidOAuthState> {
        let state: Self = text.parse()?;
        let (body, claimed) = state.0.split_at(BODY_BYTES);
        if !bool::from(tag(secret, user, connection, body).ct_eq(claimed)) {
            return Err(InvalidOAuthState);
        }
        let age = now.duration_since(state.created_at().ok_or(InvalidOAuthState)?);
        if age > OAUTH_STATE_LIFETIME { Err(InvalidOAuthState) } else { Ok(state) }
    }

    /// When it was made.
    pub fn created_at(&self) -> Option<Timestamp> {
        let ms = self.0[1..].first_chunk::<8>()?;
        Timestamp::from_millisecond(i64::from_be_bytes(*ms)).ok()
    }

    /// The verifier whose challenge stands in the authorisation URL: 43 characters.
    pub fn code_verifier(&self, secret: &Pseudonymizer) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(&secret.keyed_hash("syncwell.pkce-verifier.v1", &[&self.0])))
    }

    /// The challenge of that verifier, by S256.
    pub fn code_challenge(&self, secret: &Pseudonymizer) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.code_verifier(secret).as_bytes()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn tag(secret: &Pseudonymizer, user: &UserRef, connection: ConnectionId, body: &[u8]) -> [u8; TAG_BYTES] {
    let hash = secret.keyed_hash("syncwell.oauth-state.v1", &[user.as_bytes(), connection.as_bytes(), body]);
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&hash[..TAG_BYTES]);
    tag
}

impl fmt::Display for OAuthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl FromStr for OAuthState {
    type Err = InvalidOAuthState;

    fn from_str(text: &str) -> Result<Self, InvalidOAuthState> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidOAuthState)?;
        let bytes: [u8; STATE_BYTES] = bytes.try_into().map_err(|_| InvalidOAuthState)?;
        if bytes[0] == FORMAT { Ok(Self(bytes)) } else { Err(InvalidOAuthState) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Pseudonymizer {
        Pseudonymizer::new(Zeroizing::new([1; 32]))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_state_is_of_one_user_and_connection_and_ends() {
        let (user, other) = (UserRef::from_bytes([2; 16]), UserRef::from_bytes([3; 16]));
        let (connection, another) = (ConnectionId::from_bytes([4; 16]), ConnectionId::from_bytes([5; 16]));
        let state = OAuthState::new(&secret(), &user, connection, at(1_000));
        let text = state.to_string();
        let verify = |text: &str, user, connection, second| {
            OAuthState::verify(text, &secret(), user, connection, at(second)).is_ok()
        };
        assert!(verify(&text, &user, connection, 1_000) && verify(&text, &user, connection, 1_600));
        assert!(!verify(&text, &user, connection, 1_601), "it has ended");
        assert!(!verify(&text, &other, connection, 1_000) && !verify(&text, &user, another, 1_000));
        for at in 0..STATE_BYTES {
            let mut changed = state;
            changed.0[at] ^= 1;
            assert!(!verify(&changed.to_string(), &user, connection, 1_000), "byte {at}");
        }
        for wrong in ["", "x", &text[1..], &format!("{text}A")] {
            assert!(!verify(wrong, &user, connection, 1_000), "{wrong}");
        }
    }

    #[test]
    fn golden_state() {
        // Tag, verifier and challenge were computed once with Python's hmac and hashlib.
        let (user, connection) = (UserRef::from_bytes([2; 16]), ConnectionId::from_bytes([4; 16]));
        let golden = GOLDEN_STATE;
        let state = OAuthState::verify(golden, &secret(), &user, connection, at(1_771_286_400)).unwrap();
        assert_eq!(state.created_at(), Some(at(1_771_286_385)));
        assert_eq!(*state.code_verifier(&secret()), GOLDEN_VERIFIER);
        assert_eq!(state.code_challenge(&secret()), GOLDEN_CHALLENGE);
    }

    const GOLDEN_STATE: &str = "AQAAAZxo5VFoBwcHBwcHBwcHBwcHBwcHB65dM_vqA783BSGwIOAcUUg";
    const GOLDEN_VERIFIER: &str = "7tlALAnb6_eY9baBBQTu34nvI8WuZzUiImxfrsZlHX8";
    const GOLDEN_CHALLENGE: &str = "1owdvFdC7KnkKX4IEPIFXYPmCqsAqMXxFjPxOTl50yk";
}
