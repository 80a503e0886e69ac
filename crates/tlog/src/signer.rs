//! Signing: checkpoints and other notes of one log.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;
use signed_note::{Note, Signature};

use crate::LogKeyError;
use crate::log_key::{ED25519_SIGNATURE_TYPE, TEXT_BYTES_MAX, into_utf8, is_valid_origin};

/// The text can't be that of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a note's text ends in a newline, has no other control characters and is at most {TEXT_BYTES_MAX} bytes long"
)]
pub struct InvalidNoteText;

/// Signs for one log.
///
/// Whoever signs two checkpoints that can't both be true has broken the log for good: see that there is one signer.
pub struct LogSigner {
    origin: String,
    key_id: u32,
    key: Ed25519KeyPair,
}

impl LogSigner {
    /// The signer with this Ed25519 seed (the private key of RFC 8032) for the log with this origin.
    ///
    /// An origin should be a URL without its scheme, such as `example.com/log` (C2SP tlog-checkpoint); it is 1 to 255
    /// bytes without spaces, control characters and plus signs.
    pub fn new(origin: &str, seed: &[u8; 32]) -> Result<Self, LogKeyError> {
        if !is_valid_origin(origin) {
            return Err(LogKeyError::Origin);
        }
        let key = Ed25519KeyPair::from_seed_unchecked(seed)
            .unwrap_or_else(|_| unreachable!("BUG: any 32 bytes are an Ed25519 seed"));
        let key_id = signed_note::key_id(origin, &encode_public_key(&key));
        Ok(Self { origin: origin.to_owned(), key_id, key })
    }

    /// The key that verifies what this one signs, for [`crate::LogVerifier::parse`].
    pub fn vkey(&self) -> String {
        let key = BASE64.encode(&encode_public_key(&self.key));
        format!("{}+{:08x}+{key}", self.origin, self.key_id)
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Signs a text and returns the whole note.
    ///
    /// Begin a text that is not a checkpoint with another line than the origin, so that it can't be taken for one.
    pub fn sign_note(&self, text: &str) -> Result<String, InvalidNoteText> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidNoteText);
        }
        let signature = self.key.sign(text.as_bytes()).as_ref().to_vec();
        let signature = Signature::new(self.origin.clone(), self.key_id, signature)
            .unwrap_or_else(|_| unreachable!("BUG: the origin was checked"));
        let note = Note::new(text.as_bytes(), &[signature]).map_err(|_| InvalidNoteText)?;
        Ok(into_utf8(note.to_bytes()))
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSigner").field("origin", &self.origin).field("key", &"[redacted]").finish()
    }
}

fn encode_public_key(key: &Ed25519KeyPair) -> Vec<u8> {
    [&[ED25519_SIGNATURE_TYPE], key.public_key().as_ref()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogVerifier;

    const ORIGIN: &str = "log.example/syncwell";
    /// Worked out once with another implementation (Python's `cryptography`).
    const VKEY: &str = "log.example/syncwell+8a5f8e7d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

    fn signer() -> LogSigner {
        LogSigner::new(ORIGIN, &[7; 32]).unwrap()
    }

    #[test]
    fn golden_verifier_key() {
        assert_eq!(signer().vkey(), VKEY);
        let verifier = LogVerifier::parse(VKEY).unwrap();
        assert_eq!((verifier.origin(), verifier.vkey()), (ORIGIN, VKEY));
        let shared = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(LogVerifier::parse(shared).unwrap().origin(), "PeterNeumann");
    }

    #[test]
    fn other_names_are_refused() {
        let long = "x".repeat(256);
        for origin in ["", "a b", "a+b", "a\nb", "a\u{1}b", "a\u{2003}b", &long] {
            assert_eq!(LogSigner::new(origin, &[7; 32]).err(), Some(LogKeyError::Origin), "{origin:?}");
        }
    }

    #[test]
    fn both_can_be_shared_between_threads() {
        fn check<T: Send + Sync>() {}
        check::<LogSigner>();
        check::<LogVerifier>();
    }

    #[test]
    fn the_key_is_not_printed() {
        let printed = format!("{:?}", signer());
        assert_eq!(printed, r#"LogSigner { origin: "log.example/syncwell", key: "[redacted]" }"#);
    }

    #[test]
    fn what_no_note_can_hold_is_not_signed() {
        let long = format!("{}\n", "x".repeat(TEXT_BYTES_MAX));
        for text in ["", "no newline", "a tab\t\n", "a return\r\n", &long] {
            assert_eq!(signer().sign_note(text), Err(InvalidNoteText));
        }
    }
}
