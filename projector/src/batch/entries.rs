//! Rows and devices, opened and sealed.

use vault::{DataKey, KeyClient, KeyError, UserRef};
use zeroize::Zeroizing;

use super::{FoldFailure, Folder};
use crate::device::{self, Device};
use crate::incident::Incident;
use crate::row::{self, Row};
use crate::view::{DeviceKey, RowKey, Sealed};

impl Folder {
    pub(super) fn seal_row(&self, key: &RowKey, row: &Row, data_key: &DataKey) -> Sealed {
        Sealed::seal(&key.encode(), &row::encode(row), data_key, &self.digester)
    }

    pub(super) fn seal_device(&self, key: &DeviceKey, device: &Device, data_key: &DataKey) -> Sealed {
        Sealed::seal(&key.encode(), &device::encode(device), data_key, &self.digester)
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

/// Opens a stored row with its user's key.
pub(crate) async fn read_row(key: &RowKey, sealed: &Sealed, keys: &KeyClient) -> Result<Row, EntryFailure> {
    let plain = read_entry(key.user, &key.encode(), sealed, keys).await?;
    row::decode(&plain).map_err(|_| EntryFailure::Damaged(Incident::Row(key.user)))
}

/// Opens a stored device with its user's key.
pub(crate) async fn read_device(
    key: &DeviceKey,
    sealed: &Sealed,
    keys: &KeyClient,
) -> Result<Device, EntryFailure> {
    let plain = read_entry(key.user, &key.encode(), sealed, keys).await?;
    device::decode(&plain).ok_or(EntryFailure::Damaged(Incident::Row(key.user)))
}

/// The plain bytes of an entry.
pub(crate) async fn read_entry(
    user: UserRef,
    entry: &[u8],
    sealed: &Sealed,
    keys: &KeyClient,
) -> Result<Zeroizing<Vec<u8>>, EntryFailure> {
    let damaged = || EntryFailure::Damaged(Incident::Row(user));
    let data_key = match keys.get(&user, sealed.key_id().ok_or_else(damaged)?).await {
        Ok(Some(data_key)) => data_key,
        Err(KeyError::Unavailable) => return Err(EntryFailure::Unavailable),
        Err(KeyError::Erased) => return Err(EntryFailure::Erased),
        Ok(None) => return Err(EntryFailure::Key("is missing, and no tombstone says why".to_owned())),
        Err(KeyError::Unwrap(error)) => return Err(EntryFailure::Key(format!("does not open: {error}"))),
    };
    sealed.open(entry, &data_key).ok_or_else(damaged)
}
