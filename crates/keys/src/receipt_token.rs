//! What reads an erasure when no token of the account is accepted any more.
//!
//! 48 bytes as 77 characters of lowercase base32: the 16 bytes of the user ref, which say where in the log to look, and a
//! keyed hash over it and the erasure's id. So it is good for one erasure, for as long as there is a log, and nothing of it
//! is stored.

use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;

use crate::pseudonym::{Pseudonymizer, UserRef, base32};
use crate::resource_id::ErasureId;

const PURPOSE: &str = "syncwell.erasure-receipt.v1";
const REF_BYTES: usize = 16;
const TOKEN_BYTES: usize = REF_BYTES + 32;
const TOKEN_CHARS: usize = 77;

/// A receipt token. Does not print: whoever has it can read the receipt.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptToken([u8; TOKEN_BYTES]);

impl ReceiptToken {
    /// The token of this erasure.
    pub fn new(secret: &Pseudonymizer, user: &UserRef, erasure: ErasureId) -> Self {
        let mut bytes = [0; TOKEN_BYTES];
        bytes[..REF_BYTES].copy_from_slice(user.as_bytes());
        bytes[REF_BYTES..]
            .copy_from_slice(&secret.keyed_hash(PURPOSE, &[user.as_bytes(), erasure.as_bytes()]));
        Self(bytes)
    }

    /// The user whose erasure this token reads; `None` where it is another erasure's, or made up.
    pub fn verify(&self, secret: &Pseudonymizer, erasure: ErasureId) -> Option<UserRef> {
        let (user, _) = self.0.split_first_chunk::<REF_BYTES>()?;
        let user = UserRef::from_bytes(*user);
        bool::from(Self::new(secret, &user, erasure).0.ct_eq(&self.0)).then_some(user)
    }

    /// As the person keeps it.
    pub fn reveal(&self) -> String {
        base32().encode(&self.0)
    }
}

impl fmt::Debug for ReceiptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The text is no receipt token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a receipt token is 77 characters of lowercase base32")]
pub struct ParseReceiptTokenError;

impl FromStr for ReceiptToken {
    type Err = ParseReceiptTokenError;

    fn from_str(text: &str) -> Result<Self, ParseReceiptTokenError> {
        let mut bytes = [0; TOKEN_BYTES];
        if text.len() != TOKEN_CHARS || base32().decode_mut(text.as_bytes(), &mut bytes).is_err() {
            return Err(ParseReceiptTokenError);
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_token_is_of_one_erasure_and_can_not_be_made_up() {
        let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
        let (user, erasure) = (UserRef::from_bytes([2; 16]), ErasureId::from_bytes([3; 16]));
        let token = ReceiptToken::new(&secret, &user, erasure);
        let text = token.reveal();
        assert_eq!((text.len(), text.parse()), (TOKEN_CHARS, Ok(token.clone())));
        assert_eq!(
            (token.verify(&secret, erasure), format!("{token:?}").as_str()),
            (Some(user), "[redacted]")
        );
        assert_eq!(token.verify(&secret, ErasureId::from_bytes([4; 16])), None);
        assert_eq!(token.verify(&Pseudonymizer::new(Zeroizing::new([9; 32])), erasure), None);
        for at in 0..TOKEN_BYTES {
            let mut changed = token.clone();
            changed.0[at] ^= 1;
            assert_eq!(changed.verify(&secret, erasure), None, "byte {at}");
        }
        for wrong in ["", &text[1..], &text.to_uppercase(), &format!("{}7", &text[..76])] {
            assert_eq!(wrong.parse::<ReceiptToken>(), Err(ParseReceiptTokenError), "{wrong}");
        }
    }

    #[test]
    fn golden_token() {
        // The keyed hash was computed once with Python's hmac module.
        let secret = Pseudonymizer::new(Zeroizing::new([1; 32]));
        let token = ReceiptToken::new(&secret, &UserRef::from_bytes([2; 16]), ErasureId::from_bytes([3; 16]));
        assert_eq!(
            token.reveal(),
            "aibaeaqcaibaeaqcaibaeaqcaj7tjvgazstp3ltot6jmfftokvl7szdv4djx2ue765n3arf6l33mg"
        );
    }
}
