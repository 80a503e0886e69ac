//! What vouches for the log: a Merkle tree over stored bytes, and what is signed and proved about it.
//!
//! | what | after | here |
//! |---|---|---|
//! | the tree: leaf and node hashes | RFC 6962, section 2.1 | [`struct@Hash`], [`Frontier`] |
//! | proofs: a leaf is in the tree; a tree begins with an older one | RFC 6962, sections 2.1.1 and 2.1.2 | [`verify_inclusion`], [`verify_consistency`] |
//! | a signed size and root | C2SP tlog-checkpoint and signed-note, Ed25519 | [`LogSigner`], [`LogVerifier`] |
//! | a signed view of a size and root | ours, a signed note | [`Attestation`] |
//! | a leaf's proof and its checkpoint in one text | C2SP tlog-proof | [`Proof`] |
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
mod key;
mod proof;
mod proof_file;
mod proof_tiles;
mod signer;
mod store;
mod subtree;
mod tile;
mod verifier;
mod writer;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod peers;

pub use attestation::Attestation;
pub use checkpoint::{CheckpointError, TreeHead};
pub use frontier::Frontier;
pub use hash::{Hash, NotAHash};
pub use key::KeyError;
pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use proof_file::{Proof, ProofFileError};
pub use signer::{LogSigner, NotANoteText};
pub use store::{TileError, TileStore};
pub use verifier::LogVerifier;
pub use writer::TileWriter;
