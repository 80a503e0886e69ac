//! Entries of the view, opened and sealed.

use keys::{DataKey, KeyClient, KeyError, UserRef};
use zeroize::Zeroizing;

use super::Projection;
use super::fold_error::FoldError;
use crate::incident::ProjectorIncident;
use crate::view::{AnyEntryKey, EntryKey, SealedValue};
use crate::view_entry::{AnyEntry, ViewEntry};

impl Projection {
    /// An entry's key and value, as they are stored.
    pub(super) fn seal_entry(
        &self,
        key: &AnyEntryKey,
        entry: &AnyEntry,
        data_key: &DataKey,
    ) -> (Vec<u8>, SealedValue) {
        let key = key.encode();
        let sealed = SealedValue::seal(&key, &entry.encode(), data_key, &self.entry_hasher);
        (key, sealed)
    }
}

/// Why an entry of the view can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadEntryError {
    /// The keys can't be reached. Try again.
    #[error("the keys can't be reached")]
    Unavailable,
    /// Its user was erased: nobody can open it, and that is as it should be.
    #[error("the user was erased")]
    Erased,
    /// Its data key is missing without a tombstone, or does not open.
    #[error("the data key that the entry is sealed under {0}")]
    KeyUnusable(String),
    #[error(transparent)]
    Damaged(ProjectorIncident),
}

impl From<ReadEntryError> for FoldError {
    fn from(failure: ReadEntryError) -> Self {
        match failure {
            ReadEntryError::Unavailable | ReadEntryError::Erased | ReadEntryError::KeyUnusable(_) => {
                Self::Unavailable
            }
            ReadEntryError::Damaged(incident) => Self::Incident(incident),
        }
    }
}

/// Decrypts a stored entry of one kind with its user's key.
pub(crate) async fn read_entry<E: ViewEntry>(
    key: &E::Key,
    sealed: &SealedValue,
    keys: &KeyClient,
) -> Result<E, ReadEntryError> {
    let plain = open_entry(key.user(), &key.encode(), sealed, keys).await?;
    E::decode(&plain).ok_or_else(|| damaged(key.user()))
}

/// Decrypts a stored entry of any kind with its user's key.
pub(crate) async fn read_any_entry(
    key: &AnyEntryKey,
    sealed: &SealedValue,
    keys: &KeyClient,
) -> Result<AnyEntry, ReadEntryError> {
    let plain = open_entry(key.user(), &key.encode(), sealed, keys).await?;
    AnyEntry::decode(key, &plain).ok_or_else(|| damaged(key.user()))
}

async fn open_entry(
    user: UserRef,
    key: &[u8],
    sealed: &SealedValue,
    keys: &KeyClient,
) -> Result<Zeroizing<Vec<u8>>, ReadEntryError> {
    let data_key = match keys.get(&user, sealed.key_id().ok_or_else(|| damaged(user))?).await {
        Ok(Some(data_key)) => data_key,
        Err(KeyError::Unavailable) => return Err(ReadEntryError::Unavailable),
        Err(KeyError::Erased) => return Err(ReadEntryError::Erased),
        Ok(None) => {
            return Err(ReadEntryError::KeyUnusable("is missing, and no tombstone says why".to_owned()));
        }
        Err(KeyError::Unwrap(error)) => {
            return Err(ReadEntryError::KeyUnusable(format!("does not open: {error}")));
        }
    };
    sealed.open(key, &data_key).ok_or_else(|| damaged(user))
}

fn damaged(user: UserRef) -> ReadEntryError {
    ReadEntryError::Damaged(ProjectorIncident::DamagedEntry(user))
}
