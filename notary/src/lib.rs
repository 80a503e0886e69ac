//! What vouches for the log: the role that keeps an RFC 6962 tree over every event's stored bytes, and signs its size and
//! root again and again.
//!
//! It follows the log ([`Notary`]), puts the tree's hashes where any tool of C2SP tlog-tiles reads them, and appends a
//! signed checkpoint to a stream of its own, which nobody else can write ([`Checkpoints`]). Whoever wants a proof asks it
//! ([`client`]); proofs hold by themselves, so nobody needs to trust the answer. It sees ciphertext and pseudonyms, and has
//! no data key.

mod checkpoint_signer;
mod checkpoint_stream;
pub mod client;
mod notary;
mod server;

pub use checkpoint_signer::NotaryIncident;
pub use checkpoint_stream::{
    CHECKPOINTS_STREAM, CheckpointCursor, CheckpointStream, CheckpointsError, StoredCheckpoint,
};
pub use notary::{Notary, NotarySettings};
