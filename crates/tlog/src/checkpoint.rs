//! Signed tree heads (C2SP tlog-checkpoint): a note whose text is three lines.
//!
//! ```text
//! <origin>
//! <size, decimal>
//! <root, base64>
//! ```
//!
//! The format allows more lines after these. Ours has none and none are accepted: nobody could audit them.

use tlog_tiles::{Checkpoint, Hash as TileHash};

use crate::{CheckpointError, Hash, LogSigner, LogVerifier};

/// The size and the root of a tree: what it holds, in 40 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeHead {
    /// How many leaves there are.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl LogSigner {
    /// The checkpoint of a tree: the whole note.
    pub fn sign_checkpoint(&self, head: TreeHead) -> String {
        self.sign_note(&head.to_note_text(self.origin(), ""))
            .unwrap_or_else(|_| unreachable!("BUG: a checkpoint is a note"))
    }
}

impl LogVerifier {
    /// The tree that a checkpoint of this log is of.
    pub fn open_checkpoint(&self, note: &str) -> Result<TreeHead, CheckpointError> {
        let (head, extension) = TreeHead::parse(&self.open_note_starting_with(self.origin(), note)?)?;
        if extension.is_empty() { Ok(head) } else { Err(CheckpointError::Malformed) }
    }
}

impl TreeHead {
    /// The text to be signed. The extension is lines, each not empty and with its newline.
    pub(crate) fn to_note_text(self, origin: &str, extension: &str) -> String {
        format!("{origin}\n{}\n{}\n{extension}", self.size, self.root)
    }

    /// Reads a text whose first line is known, and returns the extension too.
    pub(crate) fn parse(text: &str) -> Result<(Self, String), CheckpointError> {
        let checkpoint = Checkpoint::from_bytes(text.as_bytes()).map_err(|_| CheckpointError::Malformed)?;
        let TileHash(root) = *checkpoint.hash();
        let head = Self { size: checkpoint.size(), root: Hash::from_bytes(root) };
        Ok((head, checkpoint.extension().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORIGIN: &str = "log.example/syncwell";
    /// Signed once with another implementation (Python's `cryptography`).
    const GOLDEN: &str = "log.example/syncwell\n\
        7\n\
        3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=\n\
        \n\
        — log.example/syncwell \
        il+OfVHrVn6J9WC1b4V1DEwhoGTNKkmDAmJHLYTX8VL0oYWrf0QAcX7YHs0tDAPXaLF9jWIbZG9r8cwH73IJkHSYAws=\n";

    fn signer() -> LogSigner {
        LogSigner::new(ORIGIN, &[7; 32]).unwrap()
    }

    fn verifier() -> LogVerifier {
        LogVerifier::parse(&signer().vkey()).unwrap()
    }

    fn head() -> TreeHead {
        TreeHead { size: 7, root: "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=".parse().unwrap() }
    }

    #[test]
    fn golden_checkpoint() {
        assert_eq!(signer().sign_checkpoint(head()), GOLDEN);
        assert_eq!(verifier().open_checkpoint(GOLDEN), Ok(head()));
    }

    #[test]
    fn the_example_of_the_specification_is_a_foreign_one() {
        let note = "example.com/behind-the-sofa\n\
            20852163\n\
            CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\
            \n\
            — example.com/behind-the-sofa \
            Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
        let found = "example.com/behind-the-sofa".to_owned();
        assert_eq!(
            verifier().open_checkpoint(note),
            Err(CheckpointError::OriginMismatch { found, expected: ORIGIN.to_owned() })
        );
    }

    #[test]
    fn forged_and_foreign_are_told_apart() {
        let other_key = LogSigner::new(ORIGIN, &[8; 32]).unwrap().sign_checkpoint(head());
        assert_eq!(verifier().open_checkpoint(&other_key), Err(CheckpointError::Forged));
        assert_eq!(
            verifier().open_checkpoint(&GOLDEN.replace("\n7\n", "\n8\n")),
            Err(CheckpointError::Forged)
        );
        // The signature's last bits: the base64 stays canonical.
        assert_eq!(
            verifier().open_checkpoint(&GOLDEN.replace("HSYAws=", "HSYAwg=")),
            Err(CheckpointError::Forged)
        );

        // Another log with the same key is another log nevertheless.
        let log_mismatch = LogSigner::new("other.example", &[7; 32]).unwrap().sign_checkpoint(head());
        let found = "other.example".to_owned();
        assert_eq!(
            verifier().open_checkpoint(&log_mismatch),
            Err(CheckpointError::OriginMismatch { found, expected: ORIGIN.to_owned() })
        );
        // A long stranger makes a short error.
        let Err(CheckpointError::OriginMismatch { found, .. }) =
            verifier().open_checkpoint(&format!("{:x<9999}{GOLDEN}", ""))
        else {
            panic!("another origin is another log");
        };
        assert_eq!(found.len(), 255);
    }

    #[test]
    fn other_forms_are_refused_even_if_signed() {
        let root = head().root;
        for text in [
            format!("{ORIGIN}\n7\n"),
            format!("{ORIGIN}\n07\n{root}\n"),
            format!("{ORIGIN}\n+7\n{root}\n"),
            format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
            format!("{ORIGIN}\n7\n{root}\nextension\n"),
            format!("{ORIGIN}\n7\n{root}\n\n"),
            format!("{ORIGIN}\n7\n{}\n", root.to_string().trim_end_matches('=')),
            format!("{ORIGIN}\n7\nAAAA\n"),
        ] {
            let note = signer().sign_note(&text).unwrap();
            assert_eq!(verifier().open_checkpoint(&note), Err(CheckpointError::Malformed), "{text}");
        }
        assert_eq!(verifier().open_checkpoint(GOLDEN.trim_end()), Err(CheckpointError::Malformed));
    }

    proptest! {
        #[test]
        fn round_trip(size in any::<u64>(), root in any::<[u8; 32]>()) {
            let head = TreeHead { size, root: Hash::from_bytes(root) };
            prop_assert_eq!(verifier().open_checkpoint(&signer().sign_checkpoint(head)), Ok(head));
        }

        #[test]
        fn any_changed_byte_is_refused(at in 0..GOLDEN.len(), byte in 0_u8..128) {
            let mut bytes = GOLDEN.as_bytes().to_vec();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(verifier().open_checkpoint(&changed).is_err());
            }
        }
    }
}
