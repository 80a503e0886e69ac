//! What a view says about the log it was folded from: a signed note of five lines.
//!
//! ```text
//! <origin>/view
//! <size, decimal>
//! <root, base64>
//! fold <version of the fold, decimal>
//! digest <base64 of 32 bytes>
//! ```
//!
//! "This log, folded by this version, gives this view." Whoever has the log can fold it again and compare. It has the
//! form of a checkpoint with extension lines but another first line, so neither can be taken for the other, and it is
//! signed under a key of its own.

use data_encoding::BASE64;

use crate::{CheckpointError, LogSigner, LogVerifier, TreeHead};

/// A view attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attestation {
    /// The log that was folded.
    pub head: TreeHead,
    /// Which version of the fold.
    pub fold_version: u32,
    /// The digest of what came out.
    pub digest: [u8; 32],
}

impl Attestation {
    /// The whole note.
    pub fn sign(&self, signer: &LogSigner) -> String {
        let extension = format!("fold {}\ndigest {}\n", self.fold_version, BASE64.encode(&self.digest));
        let text = self.head.to_note_text(&first_line(signer.origin()), &extension);
        signer.sign_note(&text).unwrap_or_else(|_| unreachable!("BUG: an attestation is a note"))
    }

    /// Reads a note of this log. A checkpoint is refused as another log's: its first line is another one.
    pub fn open(note: &str, verifier: &LogVerifier) -> Result<Self, CheckpointError> {
        let text = verifier.open_note_starting_with(&first_line(verifier.origin()), note)?;
        let (head, extension) = TreeHead::parse(&text)?;
        let (fold_version, digest) = parse(&extension).ok_or(CheckpointError::Malformed)?;
        Ok(Self { head, fold_version, digest })
    }
}

fn first_line(origin: &str) -> String {
    format!("{origin}/view")
}

fn parse(extension: &str) -> Option<(u32, [u8; 32])> {
    let (fold, digest) = extension.split_once('\n')?;
    let fold = fold.strip_prefix("fold ")?;
    let fold_version: u32 = fold.parse().ok()?;
    let digest = digest.strip_prefix("digest ")?.strip_suffix('\n')?;
    let digest = BASE64.decode(digest.as_bytes()).ok()?.try_into().ok()?;
    (fold_version.to_string() == fold).then_some((fold_version, digest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Hash;

    const ORIGIN: &str = "log.example/syncwell";
    const ROOT: &str = "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=";
    const DIGEST: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";
    /// Signed once with another implementation (Python's `cryptography`).
    const GOLDEN: &str = "log.example/syncwell/view\n\
        7\n\
        3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n\
        fold 3\n\
        digest CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n\
        \n\
        — log.example/syncwell \
        il+OfStHGfe3cFWOIc8D8dJOQbSs3VHIsotTIV/T96usGffaep5NE0njki3294g6MUbQ7m40WZuyNf0ZJbJVfEyViQ4=\n";

    fn signer() -> LogSigner {
        LogSigner::new(ORIGIN, &[7; 32]).unwrap()
    }

    fn verifier() -> LogVerifier {
        LogVerifier::parse(&signer().vkey()).unwrap()
    }

    fn golden() -> Attestation {
        let head = TreeHead { size: 7, root: ROOT.parse().unwrap() };
        Attestation { head, fold_version: 3, digest: [9; 32] }
    }

    #[test]
    fn golden_attestation() {
        assert_eq!(golden().sign(&signer()), GOLDEN);
        assert_eq!(Attestation::open(GOLDEN, &verifier()), Ok(golden()));
    }

    #[test]
    fn a_checkpoint_is_none_and_it_is_no_checkpoint() {
        let checkpoint = signer().sign_checkpoint(golden().head);
        let view = format!("{ORIGIN}/view");
        let other = |found: &str, expected: &str| CheckpointError::OriginMismatch {
            found: found.into(),
            expected: expected.into(),
        };
        assert_eq!(Attestation::open(&checkpoint, &verifier()), Err(other(ORIGIN, &view)));
        assert_eq!(verifier().open_checkpoint(GOLDEN), Err(other(&view, ORIGIN)));
    }

    #[test]
    fn forged_and_malformed_ones_are_refused() {
        let other_key = golden().sign(&LogSigner::new(ORIGIN, &[8; 32]).unwrap());
        for forged in [other_key, GOLDEN.replace("fold 3", "fold 4"), GOLDEN.replace("CQk=", "CQg=")] {
            assert_eq!(Attestation::open(&forged, &verifier()), Err(CheckpointError::Forged), "{forged}");
        }
        for extension in [
            String::new(),
            "fold 3\n".to_owned(),
            format!("digest {DIGEST}\nfold 3\n"),
            format!("fold 03\ndigest {DIGEST}\n"),
            format!("fold +3\ndigest {DIGEST}\n"),
            format!("fold 4294967296\ndigest {DIGEST}\n"),
            format!("fold 3\ndigest {DIGEST}\nmore\n"),
            "fold 3\ndigest AAAA\n".to_owned(),
        ] {
            let note = signer().sign_note(&format!("{ORIGIN}/view\n7\n{ROOT}\n{extension}")).unwrap();
            assert_eq!(Attestation::open(&note, &verifier()), Err(CheckpointError::Malformed), "{extension}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(size in any::<u64>(), root in any::<[u8; 32]>(), fold_version in any::<u32>(), digest in any::<[u8; 32]>()) {
            let head = TreeHead { size, root: Hash::from_bytes(root) };
            let attestation = Attestation { head, fold_version, digest };
            prop_assert_eq!(Attestation::open(&attestation.sign(&signer()), &verifier()), Ok(attestation));
        }
    }
}
