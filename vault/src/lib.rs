//! Keys and secrets.
//!
//! | secret | names or opens | lives in |
//! |---|---|---|
//! | pseudonym secret | user id → [`UserRef`] | a file, in the memory of ingest and projector |
//! | signing master | user ref → signing key | a file, in the memory of ingest |
//! | data key, one per user and year | the contents of events and rows | wrapped, in the stream `KV_keys` |
//! | key-encryption key | data keys | a file; later also a KMS |
//!
//! Data keys are random and never derived: a derived key can't be destroyed. This crate does not know what an event
//! is; it seals bytes for a user.

mod data_key;
mod files;
mod keeper;
mod kek;
mod key_client;
mod pseudonym;
mod seal;
mod signing;

pub use data_key::{DataKey, DataKeyId, NotADataKeyId, Year};
pub use files::{SecretFileError, VersionedSecrets, create_secret_file, write_private};
pub use keeper::{KEYS_STREAM, Keeper, KeeperError, KeysStream};
pub use kek::{Kek, UnwrapError};
pub use key_client::{KeyClient, KeyError};
pub use pseudonym::{InvalidUserId, NotAUserRef, Pseudonyms, UserId, UserRef};
pub use seal::{OpenError, SEALED_OVERHEAD_BYTES};
pub use signing::{Signature, SigningKey, SigningKeyId, SigningKeys};
