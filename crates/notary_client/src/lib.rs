//! Client side of the notary: requests inclusion and consistency proofs, and reads the stream of signed checkpoints.
//!
//! Every proof and every checkpoint is verified with the log's public key before it is returned, so the caller does not
//! need to trust the notary. The notary itself uses the [protocol](ProofRequest) and writes the [`CheckpointStream`].

mod checkpoint_stream;
mod proof_client;
mod protocol;

pub use checkpoint_stream::{
    CHECKPOINTS_STREAM, CheckpointCursor, CheckpointStream, CheckpointsError, StoredCheckpoint,
};
pub use proof_client::{
    FetchProofError, VerifiedProof, fetch_consistency_proof, fetch_consistency_proof_between,
    fetch_inclusion_proof,
};
pub use protocol::{PROOF_SUBJECT, ProofRequest, ProofResponse};
