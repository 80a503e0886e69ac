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

pub use compromised::Compromised;
pub use data_key::{ACCOUNT, DataKey, DataKeyId, NotADataKeyId, Year};
pub use erasing::{EraseDeed, Erasing, KeyEraser, erased_marks};
pub use files::{
    SecretFileError, VersionedSecrets, add_version, check_mode, create_secret_file, drop_versions_below,
    write_private,
};
pub use index::{
    INDEX_STREAM, Index, IndexEntry, IndexError, IndexKey, IndexReader, IndexRecipient, IndexStream,
};
pub use keeper::{Keeper, KeeperError, Retention};
pub use kek::{Kek, KmsError, KmsSettings, UnwrapError};
pub use key_client::{KeyClient, KeyError};
pub use keys_stream::{KEYS_STREAM, KeysStream};
pub use live::SecretSource;
pub use oauth_state::{InvalidState, OAUTH_STATE_LIFETIME, OAuthState};
pub use own_id::{ConnectionId, DeviceId, ErasureId, ExportId, NotAnOwnId};
pub use pseudonym::{InvalidUserId, NotAUserRef, Pseudonyms, UserId, UserRef};
pub use receipt_token::ReceiptToken;
pub use revoked::Revocations;
pub use rewrap::{KekUse, Rewrap, RewrapProgress};
pub use seal::{OpenError, SEALED_OVERHEAD_BYTES};
pub use signing::{KeyHolder, Signature, SigningKey, SigningKeyId, SigningKeys};
pub use token_seal::TokenSeal;
