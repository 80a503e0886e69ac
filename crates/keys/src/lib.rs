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

mod compromised;
mod data_key;
mod erasing;
mod files;
mod holder_list;
mod index;
mod keeper;
mod kek;
mod key_client;
mod keys_stream;
mod live;
mod oauth_state;
mod own_id;
mod pseudonym;
mod receipt_token;
mod record;
mod revoked;
mod rewrap;
mod seal;
mod signing;
mod token_seal;
#[cfg(test)]
mod wycheproof;

pub use compromised::CompromisedDevices;
pub use data_key::{ACCOUNT_YEAR, DataKey, DataKeyId, ParseDataKeyIdError, Year};
pub use erasing::{EraseStep, ErasedUsers, KeyErasureClient, erasure_records};
pub use files::{
    SecretFileError, VersionedSecrets, add_secret_version, check_private_mode, create_secret_file, remove_secret_versions_below,
    create_private_file,
};
pub use index::{
    ACCESS_INDEX_STREAM, AccessIndexRecorder, AccessIndexEntry, AccessIndexError, AccessIndexKey, AccessIndexReader, AccessIndexRecipient, AccessIndexStream,
};
pub use keeper::{KeeperServer, KeeperError, DataKeyRetention};
pub use kek::{Kek, KmsError, KmsSettings, UnwrapError};
pub use key_client::{KeyClient, KeyError};
pub use keys_stream::{KEYS_STREAM, KeysStream};
pub use live::SecretSource;
pub use oauth_state::{InvalidOAuthState, OAUTH_STATE_LIFETIME, OAuthState};
pub use own_id::{ConnectionId, DeviceId, ErasureId, ExportId, ParseResourceIdError};
pub use pseudonym::{ParseUserIdError, ParseUserRefError, Pseudonymizer, UserId, UserRef};
pub use receipt_token::ReceiptToken;
pub use revoked::RevokedDevices;
pub use rewrap::{KekUsage, KekRotation, RewrapProgress};
pub use seal::{OpenError, SEALED_OVERHEAD_BYTES};
pub use signing::{KeyHolder, RequestSignature, SigningKey, SigningKeyId, SigningKeys};
pub use token_seal::TokenSealer;
