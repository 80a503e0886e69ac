//! The role that keeps an RFC 6962 tree over the stored bytes of every event, and signs its size and root every few
//! seconds.
//!
//! [`Notary`] follows the log, writes the tree's hashes as C2SP tlog-tiles, and appends signed checkpoints to the
//! [`CheckpointStream`](notary_client::CheckpointStream), which no other role can write. It answers requests for proofs;
//! `notary_client` requests and verifies them, so the caller does not need to trust the answer. The notary sees ciphertext
//! and pseudonyms, and has no data key.

mod checkpoint_signer;
mod incident;
mod notary;
mod resume;
mod server;
mod sign_schedule;

pub use incident::NotaryIncident;
pub use notary::{Notary, NotarySettings};
