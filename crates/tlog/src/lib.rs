//! What vouches for the log: a Merkle tree over stored bytes, and what is signed and proved about it.
//!
//! | what | after | here |
//! |---|---|---|
//! | the tree: leaf and node hashes | RFC 6962, section 2.1 | [`struct@Hash`], [`Frontier`] |
//! | proofs: a leaf is in the tree; a tree begins with an older one | RFC 6962, sections 2.1.1 and 2.1.2 | [`verify_inclusion`], [`verify_consistency`] |
//! | a signed size and root | C2SP tlog-checkpoint and signed-note, Ed25519 | [`LogSigner`], [`LogVerifier`] |
//! | a signed view of a size and root | ours, a signed note | [`Attestation`] |
//! | a leaf's proof and its checkpoint in one text | C2SP tlog-proof | [`TlogProof`] |
//! | the whole tree, in a folder or in S3 | C2SP tlog-tiles | [`TileWriter`], [`TileStore`] |
//!
//! There are no entry bundles beside the tiles. The entries stay in the log: they are personal data, which must be
//! erasable in one place, and one can be longer than the 65,535 bytes that a bundle has room for. A hash of sealed
//! bytes tells nothing.
//!
//! This crate does not know what an event is, where the log lives or how anything is served; it keeps no secret
//! other than the signer's.

mod attestation;
mod checkpoint;
mod frontier;
mod hash;
mod log_key;
mod proof_builder;
mod proof_verification;
mod signer;
mod subtree;
mod tile;
mod tile_store;
mod tile_writer;
mod tlog_proof;
mod verifier;

#[cfg(test)]
mod tests;

pub use attestation::Attestation;
pub use checkpoint::TreeHead;
pub use frontier::Frontier;
pub use hash::{Hash, ParseHashError};
pub use log_key::LogKeyError;
pub use proof_verification::{ProofError, verify_consistency, verify_inclusion};
pub use signer::{InvalidNoteText, LogSigner};
pub use tile_store::{TileError, TileStore};
pub use tile_writer::TileWriter;
pub use tlog_proof::{TlogProof, TlogProofError};
pub use verifier::{CheckpointError, LogVerifier};
