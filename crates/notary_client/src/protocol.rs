//! Request and response for proofs, as JSON on `tree.v1.prove`.

use serde::{Deserialize, Serialize};
use tlog::Hash;

/// Subject on which the notary answers.
pub const PROOF_SUBJECT: &str = "tree.v1.prove";

/// Request for a proof. The names of variants and fields are sent as they are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofRequest {
    /// Asks for proof that the newest checkpoint covers the event with this sequence.
    Inclusion {
        /// Sequence of the event; the first is 1.
        sequence: u64,
    },
    /// Asks for proof that a later tree begins with the tree of size `old`.
    Consistency {
        /// Size of the older tree.
        old: u64,
        /// Size of the later tree; `None` for that of the newest checkpoint.
        new: Option<u64>,
    },
}

/// Response to a [`ProofRequest`]. The names of variants and fields are sent as they are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofResponse {
    /// The proof.
    Proof {
        /// The newest checkpoint, a signed note.
        checkpoint: String,
        /// Hashes of the proof.
        hashes: Vec<Hash>,
    },
    /// No checkpoint covers the request yet.
    NotYet,
    /// The notary can't make the proof; the text says why.
    Refused(String),
}
