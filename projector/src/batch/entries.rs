//! Rows and devices: loaded, folded, sealed.

use std::collections::{BTreeMap, HashMap};

use events::FoldedEvent;
use vault::{DataKey, KeyClient, KeyError, UserRef};
use zeroize::Zeroizing;

use super::pending::{Pending, PendingEntry};
use super::{FoldFailure, Folder, Told, in_parallel};
use crate::device::{self, Device};
use crate::fold::fold;
use crate::incident::Incident;
use crate::open::{OpenedDevice, OpenedEvent};
use crate::row::{self, Row};
use crate::view::{DeviceKey, RowKey, Sealed, View};

/// A row's events of a batch, and the row as an earlier batch left it.
struct Work {
    key: RowKey,
    events: Vec<OpenedEvent>,
    pending: Option<PendingEntry<Row>>,
}

/// A row behind its events.
struct Done {
    key: RowKey,
    entry: PendingEntry<Row>,
    told: Vec<Told>,
}

impl Folder {
    /// Each row is loaded once at most, and takes all its events of this batch.
    pub(super) fn fold_rows(
        &self,
        view: &View,
        pending: &mut Pending,
        events: Vec<OpenedEvent>,
        told: &mut Vec<Told>,
    ) -> Result<(), FoldFailure> {
        let mut by_row: BTreeMap<RowKey, Vec<OpenedEvent>> = BTreeMap::new();
        for event in events {
            by_row.entry(RowKey { user: event.head.user, date: event.summary.date }).or_default().push(event);
        }
        let work = by_row.into_iter().map(|(key, events)| {
            let pending = pending.rows.remove(&key);
            Work { key, events, pending }
        });
        let done = in_parallel(work.collect(), |part| {
            part.into_iter().map(|work| self.fold_row(view, work)).collect()
        })?;
        for Done { key, entry, told: of_row } in done {
            pending.rows.insert(key, entry);
            told.extend(of_row);
        }
        Ok(())
    }

    fn fold_row(&self, view: &View, work: Work) -> Result<Done, FoldFailure> {
        let Work { key, events, pending } = work;
        let (mut row, old) = match pending {
            Some(PendingEntry { old, now, .. }) => (Some(now), old),
            None => match view.row(&key)?.0 {
                Some(sealed) => (Some(self.now(read_row(&key, &sealed, &self.keys))?), Some(sealed)),
                None => (None, None),
            },
        };
        let mut told = Vec::with_capacity(events.len());
        let mut data_key = None;
        for event in events {
            let (folded, outcome) = fold(row, &event.summary, event.origin);
            row = Some(folded);
            data_key = Some(event.key);
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.origin.sequence, outcome };
            told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
        }
        let (Some(now), Some(data_key)) = (row, data_key) else {
            unreachable!("BUG: a row of a batch has an event")
        };
        Ok(Done { key, entry: PendingEntry { old, now, key: data_key }, told })
    }

    /// Seals rows for the store, in key order.
    pub(super) fn seal_rows(
        &self,
        rows: HashMap<RowKey, PendingEntry<Row>>,
    ) -> Vec<(RowKey, Sealed, Option<Sealed>)> {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let sealed = in_parallel(rows, |part| {
            let sealed = part.into_iter().map(|(key, PendingEntry { old, now, key: data_key })| {
                let sealed = self.seal_row(&key, &now, &data_key);
                (key, sealed, old)
            });
            Ok(sealed.collect())
        });
        sealed.unwrap_or_else(|_| unreachable!("BUG: sealing can't fail"))
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
        pending: &mut Pending,
        events: Vec<OpenedDevice>,
        told: &mut Vec<Told>,
    ) -> Result<(), FoldFailure> {
        for event in events {
            let key = DeviceKey { user: event.head.user, device: event.device };
            let (old, before) = match pending.devices.remove(&key) {
                Some(PendingEntry { old, now, .. }) => (old, Some(now)),
                None => match view.entry(&key.encode())?.0 {
                    Some(sealed) => {
                        let device = self.now(read_device(&key, &sealed, &self.keys))?;
                        (Some(sealed), Some(device))
                    }
                    None => (None, None),
                },
            };
            let (now, outcome) = device::fold(before, event.change, event.head.time);
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.sequence, outcome };
            told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
            pending.devices.insert(key, PendingEntry { old, now, key: event.key });
        }
        Ok(())
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
