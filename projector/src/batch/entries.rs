//! Entries of the view, opened and sealed.

use keys::{DataKey, KeyClient, KeyError};

use super::{FoldFailure, Folder};
use crate::entry::Entry;
use crate::incident::Incident;
use crate::view::{EntryKey, Sealed};

impl Folder {
    /// An entry's key and value, as they are stored.
    pub(super) fn seal<E: Entry>(&self, key: &E::Key, entry: &E, data_key: &DataKey) -> (Vec<u8>, Sealed) {
        let key = key.encode();
        let sealed = Sealed::seal(&key, &entry.encode(), data_key, &self.digester);
        (key, sealed)
    }
}

/// Why an entry of the view can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryFailure {
    /// The keys can't be reached. Try again.
    #[error("the keys can't be reached")]
    Unavailable,
    /// Its user was erased: nobody can open it, and that is as it should be.
    #[error("the user was erased")]
    Erased,
    /// Its data key is missing without a tombstone, or does not open.
    #[error("the data key that the entry is sealed under {0}")]
    Key(String),
    #[error(transparent)]
    Damaged(Incident),
}

impl From<EntryFailure> for FoldFailure {
    fn from(failure: EntryFailure) -> Self {
        match failure {
            EntryFailure::Unavailable | EntryFailure::Erased | EntryFailure::Key(_) => Self::Unavailable,
            EntryFailure::Damaged(incident) => Self::Incident(incident),
        }
    }
}

/// Opens a stored entry with its user's key.
pub(crate) async fn read_entry<E: Entry>(
    key: &E::Key,
    sealed: &Sealed,
    keys: &KeyClient,
) -> Result<E, EntryFailure> {
    let user = key.user();
    let damaged = || EntryFailure::Damaged(Incident::Row(user));
    let data_key = match keys.get(&user, sealed.key_id().ok_or_else(damaged)?).await {
        Ok(Some(data_key)) => data_key,
        Err(KeyError::Unavailable) => return Err(EntryFailure::Unavailable),
        Err(KeyError::Erased) => return Err(EntryFailure::Erased),
        Ok(None) => return Err(EntryFailure::Key("is missing, and no tombstone says why".to_owned())),
        Err(KeyError::Unwrap(error)) => return Err(EntryFailure::Key(format!("does not open: {error}"))),
    };
    let plain = sealed.open(&key.encode(), &data_key).ok_or_else(damaged)?;
    E::decode(&plain).ok_or_else(damaged)
}
