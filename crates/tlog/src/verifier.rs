//! Verifying: checkpoints and other notes of one log.

use std::fmt;

use signed_note::{Note, NoteError, StandardVerifier, VerificationError, Verifier, VerifierError, Verifiers};

use crate::LogKeyError;
use crate::log_key::{NOTE_BYTES_MAX, ORIGIN_BYTES_MAX, into_utf8, is_valid_origin};

/// A note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a note, or a note of this log whose text has another form.
    #[error("not a signed note of the expected form")]
    Malformed,
    /// The note begins with another origin, so it is of another log. Its signature was not verified.
    #[error("the note is of {found:?}, not of {expected:?}")]
    OriginMismatch {
        /// Its first line, cut at 255 bytes.
        found: String,
        /// The first line that this log's notes have.
        expected: String,
    },
    /// The note names this log, but this log's key has not signed this text.
    #[error("the note is not signed by the log's key")]
    Forged,
}

/// Verifies what one log has signed.
#[derive(Clone)]
pub struct LogVerifier {
    vkey: String,
    key: StandardVerifier,
}

impl LogVerifier {
    /// Reads a verifier key.
    pub fn parse(vkey: &str) -> Result<Self, LogKeyError> {
        let key = StandardVerifier::new(vkey).map_err(|error| match error {
            VerifierError::Format => LogKeyError::Malformed,
            VerifierError::Alg => LogKeyError::Algorithm,
            VerifierError::Id => LogKeyError::KeyId,
        })?;
        if !is_valid_origin(key.name()) {
            return Err(LogKeyError::Origin);
        }
        Ok(Self { vkey: vkey.to_owned(), key })
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        self.key.name()
    }

    /// The verifier key as it was read.
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    /// The text of a note that this log has signed. Other keys' signatures are ignored.
    ///
    /// Refuses what is not a note of at most 262,144 bytes and 100 signatures ([`CheckpointError::Malformed`]), and a
    /// note that this log's key has not signed, or not with this text ([`CheckpointError::Forged`]).
    pub fn open_note(&self, note: &str) -> Result<String, CheckpointError> {
        self.verify_note(&parse_note(note)?)
    }

    /// The text of a note that this log has signed and that begins with this line.
    pub(crate) fn open_note_starting_with(
        &self,
        first_line: &str,
        note: &str,
    ) -> Result<String, CheckpointError> {
        let note = parse_note(note)?;
        let found = note.text().split(|byte| *byte == b'\n').next().unwrap_or_default();
        if found != first_line.as_bytes() {
            // Nobody vouches for what is found; an error should not be as long as a stranger wants it.
            let found = String::from_utf8_lossy(&found[..found.len().min(ORIGIN_BYTES_MAX)]).into_owned();
            return Err(CheckpointError::OriginMismatch { found, expected: first_line.to_owned() });
        }
        self.verify_note(&note)
    }

    fn verify_note(&self, note: &Note) -> Result<String, CheckpointError> {
        match note.verify(self) {
            Ok(_) => Ok(into_utf8(note.text().to_vec())),
            Err(
                NoteError::UnverifiedNote
                | NoteError::InvalidSignature { .. }
                | NoteError::MismatchedVerifier
                | NoteError::VerificationError(_)
                | NoteError::SignatureError(_)
                | NoteError::InvalidSigner
                | NoteError::MalformedNote,
            ) => Err(CheckpointError::Forged),
        }
    }
}

impl Verifiers for LogVerifier {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        if name == self.key.name() && id == self.key.key_id() {
            Ok(&self.key)
        } else {
            Err(VerificationError::UnknownKey { name: name.to_owned(), id })
        }
    }
}

impl fmt::Debug for LogVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogVerifier").field(&self.vkey).finish()
    }
}

fn parse_note(note: &str) -> Result<Note, CheckpointError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(CheckpointError::Malformed);
    }
    Note::from_bytes(note.as_bytes()).map_err(|_| CheckpointError::Malformed)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::*;

    use super::*;
    use crate::LogSigner;

    const ORIGIN: &str = "log.example/syncwell";
    /// The key of `signer` below.
    const VKEY: &str = "log.example/syncwell+8a5f8e7d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

    fn signer() -> LogSigner {
        LogSigner::new(ORIGIN, &[7; 32]).unwrap()
    }

    #[test]
    fn bad_keys_are_refused() {
        let parse = |vkey: &str| LogVerifier::parse(vkey).map(|_| ()).unwrap_err();
        assert_eq!(parse(""), LogKeyError::Malformed);
        assert_eq!(parse(&VKEY[..VKEY.len() - 4]), LogKeyError::KeyId);
        assert_eq!(parse(&VKEY.replace("8a5f8e7d", "8a5f8e7e")), LogKeyError::KeyId);
        assert_eq!(parse(&VKEY.replace("syncwell", "syncill")), LogKeyError::KeyId);
        let key = [&[2], &[0; 32][..]].concat();
        let other = format!("{ORIGIN}+{:08x}+{}", signed_note::key_id(ORIGIN, &key), BASE64.encode(&key));
        assert_eq!(parse(&other), LogKeyError::Algorithm);
    }

    #[test]
    fn other_keys_and_texts_are_told_from_no_notes() {
        let verifier = LogVerifier::parse(VKEY).unwrap();
        let note = signer().sign_note("one\ntwo\n").unwrap();
        assert_eq!(verifier.open_note(&note).unwrap(), "one\ntwo\n");
        let other_key = LogSigner::new(ORIGIN, &[8; 32]).unwrap().sign_note("one\n").unwrap();
        let other_name = LogSigner::new("other.example", &[7; 32]).unwrap().sign_note("one\n").unwrap();
        for forged in [other_key.as_str(), &other_name, &note.replace("two", "2")] {
            assert_eq!(verifier.open_note(forged), Err(CheckpointError::Forged), "{forged}");
        }
        let long = format!("{}{note}", "x\n".repeat(NOTE_BYTES_MAX / 2));
        for malformed in ["", "one\n", "one\n\n", &note[..note.len() - 1], &long] {
            assert_eq!(verifier.open_note(malformed), Err(CheckpointError::Malformed));
        }
        // A witness's signature does no harm, before ours or behind it.
        let cosigned = format!("{note}{}", other_name.lines().last().unwrap()) + "\n";
        assert_eq!(verifier.open_note(&cosigned).unwrap(), "one\ntwo\n");
    }

    proptest! {
        #[test]
        fn round_trip(text in "([ -~äπ\u{2014}]{0,9}\n){1,9}") {
            let note = signer().sign_note(&text).unwrap();
            prop_assert_eq!(LogVerifier::parse(VKEY).unwrap().open_note(&note).unwrap(), text);
        }
    }
}
