//! One batch of events folded and written: plan (open every event), act (fold, one write), tell (the outcomes).

use std::collections::BTreeMap;
use std::sync::Arc;

use events::{Envelope, FoldedEvent, OutcomeAddress, RecordedEvent};
use jiff::Timestamp;
use schemas::Sequence;
use tokio::runtime::Handle;
use vault::{DataKey, KeyClient, KeyError};

use crate::device;
use crate::fold::fold;
use crate::incident::Incident;
use crate::open::{OpenFailure, Opened, OpenedDevice, OpenedEvent, open};
use crate::row::Row;
use crate::view::{Changes, DeviceKey, RowKey, SealedDevice, SealedRow, Tip, View, open_row, seal_row};

/// From so many events on, opening them is worth several threads.
const PARALLEL_EVENTS_MIN: usize = 256;

/// What became of an event, and who may be waiting for it.
pub(crate) struct Told {
    pub(crate) to: Option<OutcomeAddress>,
    pub(crate) stored_at: Timestamp,
    pub(crate) folded: FoldedEvent,
}

/// A batch, folded and not written yet.
struct Folded {
    changes: Changes,
    told: Vec<Told>,
}

/// Folds and writes. Blocks; one at a time.
pub(crate) struct Folder {
    pub(crate) view: Arc<View>,
    pub(crate) keys: KeyClient,
    pub(crate) runtime: Handle,
}

impl Folder {
    /// Folds events that follow on the view's position, and moves it behind them.
    pub(crate) fn fold(&self, events: &[RecordedEvent]) -> Result<Vec<Told>, OpenFailure> {
        let Some(last) = events.last() else { return Ok(Vec::new()) };
        assert_eq!(
            events[0].sequence(),
            Sequence::after(self.view.position()),
            "BUG: a batch does not follow on the position"
        );
        let head =
            Envelope::read_head(last.bytes()).map_err(|error| Incident::Malformed(last.sequence(), error))?;
        let tip = Tip { sequence: last.sequence(), event_id: head.id };
        let opened = self.open(events)?;
        let Folded { changes, told } = self.fold_all(opened)?;
        self.view.apply(changes, tip).map_err(Incident::from)?;
        Ok(told)
    }

    fn open(&self, events: &[RecordedEvent]) -> Result<Vec<Opened>, OpenFailure> {
        let open_all = |events: &[RecordedEvent]| -> Result<Vec<_>, OpenFailure> {
            let opened = events.iter().map(|event| self.runtime.block_on(open(event, &self.keys)));
            opened.filter_map(Result::transpose).collect()
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        if events.len() < PARALLEL_EVENTS_MIN || threads == 1 {
            return open_all(events);
        }
        let parts = std::thread::scope(|scope| {
            let parts =
                events.chunks(events.len().div_ceil(threads)).map(|part| scope.spawn(move || open_all(part)));
            let parts: Vec<_> = parts.collect();
            parts
                .into_iter()
                .map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<Vec<_>>()
        });
        let mut opened = Vec::with_capacity(events.len());
        for part in parts {
            opened.append(&mut part?);
        }
        Ok(opened)
    }

    fn fold_all(&self, opened: Vec<Opened>) -> Result<Folded, OpenFailure> {
        let (mut summaries, mut devices) = (Vec::with_capacity(opened.len()), Vec::new());
        for event in opened {
            match event {
                Opened::Summary(event) => summaries.push(event),
                Opened::Device(event) => devices.push(event),
            }
        }
        let mut told = Vec::new();
        let rows = self.fold_rows(summaries, &mut told)?;
        let devices = self.fold_devices(devices, &mut told)?;
        told.sort_by_key(|told| told.folded.sequence);
        Ok(Folded { changes: Changes { rows, devices }, told })
    }

    /// Each row is loaded once, takes all its events of this batch, and is written once, in key order.
    fn fold_rows(
        &self,
        opened: Vec<OpenedEvent>,
        told: &mut Vec<Told>,
    ) -> Result<Vec<(RowKey, SealedRow)>, OpenFailure> {
        let mut by_row: BTreeMap<RowKey, Vec<OpenedEvent>> = BTreeMap::new();
        for event in opened {
            by_row.entry(RowKey { user: event.head.user, date: event.summary.date }).or_default().push(event);
        }
        let mut rows = Vec::with_capacity(by_row.len());
        for (key, events) in by_row {
            let mut row = self.load(&key)?;
            let mut data_key: Option<Arc<DataKey>> = None;
            for event in events {
                let (folded, outcome) = fold(row, &event.summary, event.origin);
                row = Some(folded);
                data_key = Some(event.key);
                let folded =
                    FoldedEvent { event_id: event.head.id, sequence: event.origin.sequence, outcome };
                told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
            }
            if let (Some(row), Some(data_key)) = (row, data_key) {
                rows.push((key, seal_row(&key, &row, &data_key)));
            }
        }
        Ok(rows)
    }

    /// Devices are few: each event is folded by itself, in the log's order.
    fn fold_devices(
        &self,
        opened: Vec<OpenedDevice>,
        told: &mut Vec<Told>,
    ) -> Result<Vec<(DeviceKey, SealedDevice)>, OpenFailure> {
        let mut devices: BTreeMap<DeviceKey, (device::Device, Arc<DataKey>)> = BTreeMap::new();
        for event in opened {
            let key = DeviceKey { user: event.head.user, device: event.device };
            let before = match devices.remove(&key) {
                Some((device, _)) => Some(device),
                None => match self.view.device(&key).map_err(Incident::from)? {
                    (Some(sealed), _) => Some(self.runtime.block_on(read_device(&key, &sealed, &self.keys))?),
                    (None, _) => None,
                },
            };
            let (after, outcome) = device::fold(before, event.change, event.head.time);
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.sequence, outcome };
            told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
            devices.insert(key, (after, event.key));
        }
        let seal = |(key, (device, data_key)): (DeviceKey, (device::Device, Arc<DataKey>))| {
            (key, SealedDevice::seal(&key, &device, &data_key))
        };
        Ok(devices.into_iter().map(seal).collect())
    }

    fn load(&self, key: &RowKey) -> Result<Option<Row>, OpenFailure> {
        let (sealed, _) = self.view.row(key).map_err(Incident::from)?;
        let Some(sealed) = sealed else { return Ok(None) };
        let row = self.runtime.block_on(read_row(key, &sealed, &self.keys))?;
        Ok(Some(row))
    }
}

/// Opens a stored row with its user's key.
pub(crate) async fn read_row(key: &RowKey, sealed: &SealedRow, keys: &KeyClient) -> Result<Row, OpenFailure> {
    let damaged = || OpenFailure::Incident(Incident::Row(key.user));
    let data_key = match keys.get(&key.user, sealed.key_id().ok_or_else(damaged)?).await {
        Ok(Some(data_key)) => data_key,
        Err(KeyError::Unavailable) => return Err(OpenFailure::Unavailable),
        Ok(None) | Err(KeyError::Erased | KeyError::Unwrap(_)) => return Err(damaged()),
    };
    open_row(key, sealed, &data_key).ok_or_else(damaged)
}

/// Opens a stored device with its user's key.
pub(crate) async fn read_device(
    key: &DeviceKey,
    sealed: &SealedDevice,
    keys: &KeyClient,
) -> Result<device::Device, OpenFailure> {
    let damaged = || OpenFailure::Incident(Incident::Row(key.user));
    let data_key = match keys.get(&key.user, sealed.key_id().ok_or_else(damaged)?).await {
        Ok(Some(data_key)) => data_key,
        Err(KeyError::Unavailable) => return Err(OpenFailure::Unavailable),
        Ok(None) | Err(KeyError::Erased | KeyError::Unwrap(_)) => return Err(damaged()),
    };
    sealed.open(key, &data_key).ok_or_else(damaged)
}
