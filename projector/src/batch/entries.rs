//! Rows and devices: loaded, folded, sealed.

use std::collections::BTreeMap;
use std::sync::Arc;

use events::FoldedEvent;
use vault::{DataKey, KeyClient, KeyError, UserRef};
use zeroize::Zeroizing;

use super::{FoldFailure, Folder, Told, in_parallel};
use crate::device::{self, Device};
use crate::fold::fold;
use crate::incident::Incident;
use crate::open::{OpenedDevice, OpenedEvent};
use crate::row::{self, Row};
use crate::view::{Changes, DeviceKey, RowKey, Sealed, View};

/// A row with its events of a batch, folded.
struct FoldedRow {
    key: RowKey,
    old: Option<Sealed>,
    new: Sealed,
    told: Vec<Told>,
}

impl Folder {
    /// Each row is loaded once, takes all its events of this batch, and is written once, in key order.
    pub(super) fn fold_rows(
        &self,
        view: &View,
        events: Vec<OpenedEvent>,
        told: &mut Vec<Told>,
    ) -> Result<Changes, FoldFailure> {
        let mut by_row: BTreeMap<RowKey, Vec<OpenedEvent>> = BTreeMap::new();
        for event in events {
            by_row.entry(RowKey { user: event.head.user, date: event.summary.date }).or_default().push(event);
        }
        let by_row: Vec<_> = by_row.into_iter().collect();
        let folded = in_parallel(&by_row, |rows| {
            rows.iter().map(|(key, events)| self.fold_row(view, *key, events)).collect()
        })?;
        let mut changes = Changes::default();
        for row in folded {
            changes.write_entry(&row.key.encode(), row.old.as_ref(), row.new);
            told.extend(row.told);
        }
        Ok(changes)
    }

    fn fold_row(&self, view: &View, key: RowKey, events: &[OpenedEvent]) -> Result<FoldedRow, FoldFailure> {
        let (old, _) = view.row(&key)?;
        let mut row = match &old {
            Some(sealed) => Some(self.runtime.block_on(read_row(&key, sealed, &self.keys))?),
            None => None,
        };
        let mut told = Vec::with_capacity(events.len());
        let mut data_key = None;
        for event in events {
            let (folded, outcome) = fold(row, &event.summary, event.origin);
            row = Some(folded);
            data_key = Some(&event.key);
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.origin.sequence, outcome };
            told.push(Told { to: event.outcome_to.clone(), stored_at: event.stored_at, folded });
        }
        let (Some(row), Some(data_key)) = (row, data_key) else {
            unreachable!("BUG: a row of a batch has an event")
        };
        let new = self.seal_row(&key, &row, data_key);
        Ok(FoldedRow { key, old, new, told })
    }

    pub(super) fn seal_row(&self, key: &RowKey, row: &Row, data_key: &DataKey) -> Sealed {
        Sealed::seal(&key.encode(), &row::encode(row), data_key, &self.digester)
    }

    pub(super) fn seal_device(&self, key: &DeviceKey, device: &Device, data_key: &DataKey) -> Sealed {
        Sealed::seal(&key.encode(), &device::encode(device), data_key, &self.digester)
    }

    /// Devices are few: each event is folded by itself, in the log's order.
    pub(super) fn fold_devices(
        &self,
        view: &View,
        events: Vec<OpenedDevice>,
        told: &mut Vec<Told>,
    ) -> Result<Changes, FoldFailure> {
        let mut devices: BTreeMap<DeviceKey, (Option<Sealed>, Device, Arc<DataKey>)> = BTreeMap::new();
        for event in events {
            let key = DeviceKey { user: event.head.user, device: event.device };
            let (old, before) = match devices.remove(&key) {
                Some((old, device, _)) => (old, Some(device)),
                None => match view.entry(&key.encode())? {
                    (Some(sealed), _) => {
                        let device = self.runtime.block_on(read_device(&key, &sealed, &self.keys))?;
                        (Some(sealed), Some(device))
                    }
                    (None, _) => (None, None),
                },
            };
            let (after, outcome) = device::fold(before, event.change, event.head.time);
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.sequence, outcome };
            told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
            devices.insert(key, (old, after, event.key));
        }
        let mut changes = Changes::default();
        for (key, (old, device, data_key)) in devices {
            changes.write_entry(&key.encode(), old.as_ref(), self.seal_device(&key, &device, &data_key));
        }
        Ok(changes)
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
    #[error(transparent)]
    Damaged(Incident),
}

impl From<EntryFailure> for FoldFailure {
    fn from(failure: EntryFailure) -> Self {
        match failure {
            EntryFailure::Unavailable | EntryFailure::Erased => Self::Unavailable,
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
        Ok(None) | Err(KeyError::Unwrap(_)) => return Err(damaged()),
    };
    sealed.open(entry, &data_key).ok_or_else(damaged)
}
