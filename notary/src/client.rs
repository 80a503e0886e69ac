//! Asking for proofs, on `tree.v1.prove`. Every proof that comes back is verified here before it is believed.

use jetstream::{Broker, RequestError};
use serde::{Deserialize, Serialize};
use tlog::{CheckpointError, Hash, LogVerifier, TreeHead, verify_consistency, verify_inclusion};

pub(crate) const PROOF_SUBJECT: &str = "tree.v1.prove";

/// A question.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProofRequest {
    /// That the event with this sequence is under the newest checkpoint.
    Inclusion { sequence: u64 },
    /// That the tree of size `new`, or of the newest checkpoint, begins with the tree of size `old`.
    Consistency { old: u64, new: Option<u64> },
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProofResponse {
    Proof {
        checkpoint: String,
        hashes: Vec<Hash>,
    },
    /// No checkpoint covers it yet.
    NotYet,
    Refused(String),
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum FetchProofError {
    /// The notary does not answer.
    #[error("the notary does not answer")]
    Unavailable(#[from] RequestError),
    /// No checkpoint covers what was asked about yet; a few seconds later one does.
    #[error("no checkpoint covers it yet")]
    NotYet,
    /// The notary can't make the proof.
    #[error("the notary has no proof: {0}")]
    Refused(String),
    /// The checkpoint that came back is not signed by the log's key as it is known here.
    #[error("the notary's checkpoint is not one of this log's public key: {0}")]
    OtherKey(CheckpointError),
    /// What came back does not hold.
    #[error("INCIDENT: the notary's proof does not hold: {0}")]
    InvalidProof(String),
}

/// A proof that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedProof {
    /// The signed note.
    pub checkpoint: String,
    /// What it says.
    pub head: TreeHead,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

/// That an event is in the log, under the newest checkpoint.
pub async fn fetch_inclusion_proof(
    broker: &Broker,
    verifier: &LogVerifier,
    sequence: u64,
    leaf: Hash,
) -> Result<VerifiedProof, FetchProofError> {
    let proved = request_proof(broker, verifier, ProofRequest::Inclusion { sequence }).await?;
    let VerifiedProof { head, hashes, .. } = &proved;
    verify_inclusion(sequence.saturating_sub(1), head.size, leaf, head.root, hashes)
        .map_err(|error| FetchProofError::InvalidProof(error.to_string()))?;
    Ok(proved)
}

/// That the log goes on from an older state of it, under the newest checkpoint.
pub async fn fetch_consistency_proof(
    broker: &Broker,
    verifier: &LogVerifier,
    old: TreeHead,
) -> Result<VerifiedProof, FetchProofError> {
    let proved =
        request_proof(broker, verifier, ProofRequest::Consistency { old: old.size, new: None }).await?;
    let VerifiedProof { head, hashes, .. } = &proved;
    verify_consistency(old.size, old.root, head.size, head.root, hashes)
        .map_err(|error| FetchProofError::InvalidProof(error.to_string()))?;
    Ok(proved)
}

/// The hashes that lead from one tree to a later one, both known from their checkpoints; verified against both.
pub async fn fetch_consistency_proof_between(
    broker: &Broker,
    verifier: &LogVerifier,
    old: TreeHead,
    new: TreeHead,
) -> Result<Vec<Hash>, FetchProofError> {
    let question = ProofRequest::Consistency { old: old.size, new: Some(new.size) };
    let hashes = request_proof(broker, verifier, question).await?.hashes;
    verify_consistency(old.size, old.root, new.size, new.root, &hashes)
        .map_err(|error| FetchProofError::InvalidProof(error.to_string()))?;
    Ok(hashes)
}

async fn request_proof(
    broker: &Broker,
    verifier: &LogVerifier,
    question: ProofRequest,
) -> Result<VerifiedProof, FetchProofError> {
    let question = serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
    let answer = broker.request(PROOF_SUBJECT.to_owned(), question.into()).await?;
    match serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)? {
        ProofResponse::Proof { checkpoint, hashes } => {
            let head = verifier.open_checkpoint(&checkpoint).map_err(FetchProofError::OtherKey)?;
            Ok(VerifiedProof { checkpoint, head, hashes })
        }
        ProofResponse::NotYet => Err(FetchProofError::NotYet),
        ProofResponse::Refused(reason) => Err(FetchProofError::Refused(reason)),
    }
}
