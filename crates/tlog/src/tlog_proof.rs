//! Proofs to keep and to hand on (C2SP tlog-proof): what a `.tlog-proof` file holds.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>                      left out if there is none
//! index <decimal>
//! <base64 of a hash>                  one line for each, from the leaf's sibling up
//!
//! <the checkpoint, a whole signed note>
//! ```
//!
//! With the log's verifier key and the leaf's bytes it can be verified without asking anybody.

use std::fmt::Write;

use data_encoding::BASE64;

use crate::{CheckpointError, Hash, LogVerifier, ProofError, TreeHead, verify_inclusion};

const HEADER_LINE: &str = "c2sp.org/tlog-proof@v1\n";
/// A path through a tree of up to 2^64 leaves is not longer.
const HASHES_MAX: usize = 64;

/// A leaf's inclusion proof, and the checkpoint of the tree that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// The leaf's zero-based index.
    pub index: u64,
    /// What helps to work out the leaf. Nobody vouches for it. An empty one is none: the file has no line for it.
    pub extra: Option<Vec<u8>>,
    /// The audit path of RFC 6962, at most 64 hashes.
    pub hashes: Vec<Hash>,
    /// The signed note, with its last newline.
    pub checkpoint: String,
}

/// The file is not one, or does not prove the leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not the one spelling above.
    #[error("not a proof in the format c2sp.org/tlog-proof@v1")]
    Malformed,
    /// The checkpoint is not this log's.
    #[error("the proof's checkpoint is refused")]
    Checkpoint(#[from] CheckpointError),
    /// The leaf is not in the tree at this index.
    #[error("the proof is refused")]
    Inclusion(#[from] ProofError),
}

impl TlogProof {
    /// The file's content.
    pub fn to_text(&self) -> String {
        let mut text = HEADER_LINE.to_owned();
        let extra = self.extra.as_deref().filter(|extra| !extra.is_empty());
        let extra = extra.map_or(String::new(), |extra| format!("extra {}\n", BASE64.encode(extra)));
        writeln!(text, "{extra}index {}", self.index)
            .and_then(|()| self.hashes.iter().try_for_each(|hash| writeln!(text, "{hash}")))
            .unwrap_or_else(|_| unreachable!("BUG: writing to a string can't fail"));
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a file's content; its length is the caller's to bound.
    ///
    /// There is one spelling: [`TlogProof::to_text`] gives the same bytes again. The checkpoint is taken as it is, and
    /// looked into by [`TlogProof::verify`].
    pub fn parse(text: &str) -> Result<Self, TlogProofError> {
        parse(text).ok_or(TlogProofError::Malformed)
    }

    /// Checks that this log's checkpoint vouches for the leaf, and returns the tree that it is of.
    pub fn verify(&self, verifier: &LogVerifier, leaf: Hash) -> Result<TreeHead, TlogProofError> {
        let head = verifier.open_checkpoint(&self.checkpoint)?;
        verify_inclusion(self.index, head.size, leaf, head.root, &self.hashes)?;
        Ok(head)
    }
}

fn parse(text: &str) -> Option<TlogProof> {
    let rest = text.strip_prefix(HEADER_LINE)?;
    let (extra, rest) = match rest.strip_prefix("extra ") {
        Some(rest) => {
            let (extra, rest) = rest.split_once('\n')?;
            let extra = BASE64.decode(extra.as_bytes()).ok()?;
            // An empty one has another spelling: no line.
            if extra.is_empty() {
                return None;
            }
            (Some(extra), rest)
        }
        None => (None, rest),
    };
    let (number, mut rest) = rest.strip_prefix("index ")?.split_once('\n')?;
    let index: u64 = number.parse().ok()?;
    if index.to_string() != number {
        return None;
    }
    let mut hashes = Vec::new();
    loop {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        if line.is_empty() {
            break;
        }
        if hashes.len() == HASHES_MAX {
            return None;
        }
        hashes.push(line.parse().ok()?);
    }
    // A note has a text and ends in a newline.
    let is_note = rest.ends_with('\n') && !rest.starts_with('\n');
    is_note.then(|| TlogProof { index, extra, hashes, checkpoint: rest.to_owned() })
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;
    use crate::LogSigner;

    /// Written once by another implementation (Python), over the leaves that those of RFC 6962 share for tests.
    const GOLDEN: &str = "c2sp.org/tlog-proof@v1\n\
        extra Y29udGV4dA==\n\
        index 5\n\
        vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n\
        sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=\n\
        037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=\n\
        \n\
        log.example/syncwell\n\
        7\n\
        3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n\
        \n\
        — log.example/syncwell \
        il+OfVHrVn6J9WC1b4V1DEwhoGTNKkmDAmJHLYTX8VL0oYWrf0QAcX7YHs0tDAPXaLF9jWIbZG9r8cwH73IJkHSYAws=\n";

    fn verifier() -> LogVerifier {
        LogVerifier::parse(&LogSigner::new("log.example/syncwell", &[7; 32]).unwrap().vkey()).unwrap()
    }

    fn leaf() -> Hash {
        Hash::from_leaf(&HEXLOWER.decode(b"40414243").unwrap())
    }

    #[test]
    fn golden_text() {
        let proof = TlogProof::parse(GOLDEN).unwrap();
        assert_eq!((proof.index, proof.extra.as_deref()), (5, Some(&b"context"[..])));
        assert_eq!(proof.hashes.len(), 3);
        assert_eq!(proof.to_text(), GOLDEN);
        assert_eq!(proof.verify(&verifier(), leaf()).unwrap().size, 7);
    }

    #[test]
    fn what_it_does_not_prove_is_refused() {
        let proof = TlogProof::parse(GOLDEN).unwrap();
        let other = Hash::from_leaf(b"other");
        assert_eq!(
            proof.verify(&verifier(), other),
            Err(TlogProofError::Inclusion(ProofError::RootMismatch))
        );
        let moved = TlogProof { index: 4, ..proof.clone() };
        assert_eq!(
            moved.verify(&verifier(), leaf()),
            Err(TlogProofError::Inclusion(ProofError::RootMismatch))
        );
        let outside = TlogProof { index: 7, ..proof.clone() };
        let expected = TlogProofError::Inclusion(ProofError::OutsideTree { index: 7, size: 7 });
        assert_eq!(outside.verify(&verifier(), leaf()), Err(expected));
        let forged = TlogProof { checkpoint: proof.checkpoint.replace("\n7\n", "\n8\n"), ..proof };
        let expected = TlogProofError::Checkpoint(CheckpointError::Forged);
        assert_eq!(forged.verify(&verifier(), leaf()), Err(expected));
    }

    #[test]
    fn other_spellings_are_refused() {
        let hash = "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=\n";
        for changed in [
            GOLDEN.replace("@v1", "@v2"),
            GOLDEN.replace("extra Y29udGV4dA==", "extra "),
            GOLDEN.replace("extra Y29udGV4dA==", "extra Y29udGV4dA"),
            GOLDEN.replace("extra Y29udGV4dA==", "extra Y29udGV4dB=="),
            GOLDEN.replace("extra Y29udGV4dA==\nindex 5", "index 5\nextra Y29udGV4dA=="),
            GOLDEN.replace("index 5", "index 05"),
            GOLDEN.replace("index 5", "index +5"),
            GOLDEN.replace("index 5", "index  5"),
            GOLDEN.replace("index 5", "index 18446744073709551616"),
            GOLDEN.replace("index 5\n", ""),
            GOLDEN.replace("nms=", "nmt="),
            GOLDEN.replace("nms=", "nms"),
            GOLDEN.replace("\n\nlog", "\n\n\nlog"),
            GOLDEN.replace("\n\nlog", "\nlog"),
            GOLDEN.replace('\n', "\r\n"),
            GOLDEN.replace(hash, &hash.repeat(63)),
            GOLDEN.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(TlogProof::parse(&changed), Err(TlogProofError::Malformed), "{changed}");
        }
        assert_eq!(TlogProof::parse(&GOLDEN.replace(hash, &hash.repeat(62))).unwrap().hashes.len(), 64);
        for length in 0..GOLDEN.len() - 1 {
            let Some(cut) = GOLDEN.get(..length) else { continue };
            let proof = TlogProof::parse(cut).and_then(|proof| proof.verify(&verifier(), leaf()));
            assert!(proof.is_err(), "cut to {length}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(
            index in any::<u64>(),
            extra in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..99)),
            hashes in proptest::collection::vec(any::<[u8; 32]>(), 0..=64),
        ) {
            let hashes = hashes.into_iter().map(Hash::from_bytes).collect();
            let checkpoint = "a\n1\nb\n\n— c d\n".to_owned();
            let proof = TlogProof { index, extra, hashes, checkpoint };
            prop_assert_eq!(TlogProof::parse(&proof.to_text()), Ok(proof));
        }
    }
}
