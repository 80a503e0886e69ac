//! Requests proofs from the notary. Every proof is verified here before it is returned.

use jetstream::{Broker, RequestError};
use tlog::{CheckpointError, Hash, LogVerifier, TreeHead, verify_consistency, verify_inclusion};

use crate::protocol::{PROOF_SUBJECT, ProofRequest, ProofResponse};

/// Failure to get a proof.
#[derive(Debug, thiserror::Error)]
pub enum FetchProofError {
    /// The notary does not answer.
    #[error("the notary does not answer")]
    Unavailable(#[from] RequestError),
    /// No checkpoint covers the request yet; one does a few seconds later.
    #[error("no checkpoint covers it yet")]
    NotYet,
    /// The notary can't make the proof.
    #[error("the notary has no proof: {0}")]
    Refused(String),
    /// The returned checkpoint is not signed by the log's public key.
    #[error("the notary's checkpoint is not one of this log's public key: {0}")]
    OtherKey(CheckpointError),
    /// The returned proof is invalid.
    #[error("INCIDENT: the notary's proof does not hold: {0}")]
    InvalidProof(String),
}

/// A verified proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedProof {
    /// The signed note.
    pub checkpoint: String,
    /// Tree size and root that the note states.
    pub head: TreeHead,
    /// Hashes of the proof.
    pub hashes: Vec<Hash>,
}

/// Fetches and verifies the proof that the newest checkpoint covers an event.
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

/// Fetches and verifies the proof that the newest checkpoint's tree begins with an older tree.
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

/// Fetches the hashes that prove that a later tree begins with an older one; verified against both heads.
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
