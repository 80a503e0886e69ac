//! Keys and secrets.
//!
//! | secret | names or opens | lives in |
//! |---|---|---|
//! | pseudonym secret | user id → [`UserRef`]; which [`DeviceId`]s were given out | a file, in the memory of ingest, projector and break-glass |
//! | signing master | user ref and device → signing key | a file, in the memory of ingest |
//! | data key, one per user and year, and one per account | the contents of events, rows and devices | wrapped, in the stream `KV_keys` |
//! | key-encryption key | data keys | a file or the environment, or AWS KMS |
//! | break-glass key | the index of who made which request | a file, in the memory of break-glass |
//!
//! Data keys are random and never derived: a derived key can't be destroyed. This crate does not know what an event
//! is; it seals bytes for a user.

mod access_index;
mod aead;
mod compromised_devices;
mod data_key;
mod erased_users;
mod erasure_client;
mod flagged_holders;
mod kek;
mod key_client;
pub mod keys_stream;
mod oauth_state;
pub mod protocol;
mod pseudonym;
mod receipt_token;
mod reloading_secret;
mod resource_id;
mod revoked_devices;
mod secret_files;
mod signing_keys;
mod token_sealer;

#[cfg(test)]
mod tests;

pub use access_index::{
    ACCESS_INDEX_STREAM, AccessIndexEntry, AccessIndexError, AccessIndexKey, AccessIndexReader,
    AccessIndexRecipient, AccessIndexRecorder,
};
pub use aead::{OpenError, SEALED_OVERHEAD_BYTES};
pub use compromised_devices::CompromisedDevices;
pub use data_key::{ACCOUNT_YEAR, DataKey, DataKeyId, ParseDataKeyIdError, Year};
pub use erased_users::ErasedUsers;
pub use erasure_client::KeyErasureClient;
pub use kek::{Kek, KmsError, KmsSettings, UnwrapError};
pub use key_client::{KeyClient, KeyError};
pub use keys_stream::KEYS_STREAM;
pub use keys_stream::record::erasure_records;
pub use oauth_state::{InvalidOAuthState, OAUTH_STATE_LIFETIME, OAuthState};
pub use protocol::EraseStep;
pub use pseudonym::{ParseUserIdError, ParseUserRefError, Pseudonymizer, UserId, UserRef};
pub use receipt_token::ReceiptToken;
pub use reloading_secret::SecretSource;
pub use resource_id::{ConnectionId, DeviceId, ErasureId, ExportId, ParseResourceIdError};
pub use revoked_devices::RevokedDevices;
pub use secret_files::{
    SecretFileError, VersionedSecrets, add_secret_version, check_private_mode, create_private_file,
    create_secret_file, remove_secret_versions_below,
};
pub use signing_keys::{KeyHolder, RequestSignature, SigningKey, SigningKeyId, SigningKeys};
pub use token_sealer::TokenSealer;
