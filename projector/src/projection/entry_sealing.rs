//! Entries of the view, opened and sealed.

use keys::{DataKey, KeyClient, KeyError};

use super::Projection;
use super::fold_error::FoldError;
use crate::incident::ProjectorIncident;
use crate::view::{EntryKey, SealedValue};
use crate::view_entry::ViewEntry;

impl Projection {
    /// An entry's key and value, as they are stored.
    pub(super) fn seal_entry<E: ViewEntry>(
        &self,
        key: &E::Key,
        entry: &E,
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

/// Opens a stored entry with its user's key.
pub(crate) async fn read_entry<E: ViewEntry>(
    key: &E::Key,
    sealed: &SealedValue,
    keys: &KeyClient,
) -> Result<E, ReadEntryError> {
    let user = key.user();
    let damaged = || ReadEntryError::Damaged(ProjectorIncident::DamagedEntry(user));
    let data_key = match keys.get(&user, sealed.key_id().ok_or_else(damaged)?).await {
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
    let plain = sealed.open(&key.encode(), &data_key).ok_or_else(damaged)?;
    E::decode(&plain).ok_or_else(damaged)
}
