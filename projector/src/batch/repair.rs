//! One user folded anew from the log, in place: what an operator asks for, and what leaving an event out takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use schemas::Sequence;
use stream::ScanFrom;
use vault::{DataKey, UserRef};

use super::{FoldFailure, Folder};
use crate::device::{self, Device};
use crate::fold::fold;
use crate::incident::Incident;
use crate::open::{OpenFailure, Opened, open};
use crate::poison::Poison;
use crate::row::Row;
use crate::view::{Changes, DeviceKey, RowKey, View};

/// A user's state, from nothing.
#[derive(Default)]
struct Refolded {
    rows: BTreeMap<Date, (Row, Arc<DataKey>)>,
    devices: BTreeMap<DeviceKey, (Device, Arc<DataKey>)>,
    /// Where folding had to end.
    poison: Option<Poison>,
}

impl Folder {
    /// What replaces the user's entries by what their events up to `last` fold to, those that are left out apart. With
    /// a date, that row alone; what waits goes on waiting then. A user who was whole and would not be any more is left as
    /// they are, with an error.
    pub(crate) fn repair(
        &self,
        view: &View,
        user: UserRef,
        date: Option<Date>,
        last: Sequence,
        left_out: &BTreeSet<Sequence>,
    ) -> Result<Changes, FoldFailure> {
        if user == UserRef::NOBODY {
            return self.retry_nobody(view, left_out);
        }
        // One row of a user who waits is as far as all of them are.
        let waits_from = date.and_then(|_| view.parked_of(&user)).map(|poison| poison.sequence.get());
        let last =
            waits_from.and_then(|from| Sequence::new(from - 1)).map_or(last, |before| before.min(last));
        let refolded = self.runtime.block_on(self.refold_user(user, last, left_out))?;
        let mut changes = Changes::default();
        if let Some(poison) = &refolded.poison {
            match view.parked_of(&user) {
                // Not even as far as the rows have come already: they stay, and go on waiting; for this event, where
                // the one that they waited for is left out.
                Some(waiting) if poison.sequence <= waiting.sequence => {
                    if left_out.contains(&waiting.sequence) {
                        changes.release(user, None);
                        changes.park(poison.clone());
                    }
                    return Ok(changes);
                }
                Some(_) => {}
                None => return Err(FoldFailure::NewPoison(poison.clone())),
            }
        }
        let mut old = BTreeMap::new();
        let (first, final_date) = date.map_or((Date::MIN, Date::MAX), |date| (date, date));
        for (date, sealed) in view.rows(user, first, final_date)?.0 {
            old.insert(RowKey { user, date }.encode().to_vec(), sealed);
        }
        let mut new = Vec::new();
        for (row_date, (row, data_key)) in &refolded.rows {
            if date.is_none_or(|date| date == *row_date) {
                let key = RowKey { user, date: *row_date };
                new.push((key.encode().to_vec(), self.seal_row(&key, row, data_key)));
            }
        }
        if date.is_none() {
            for (key, sealed) in view.devices(user, usize::MAX)?.0 {
                old.insert(key.encode().to_vec(), sealed);
            }
            for (key, (device, data_key)) in &refolded.devices {
                new.push((key.encode().to_vec(), self.seal_device(key, device, data_key)));
            }
            changes.release(user, None);
            if let Some(poison) = refolded.poison {
                self.tolerate(&poison)?;
                changes.park(poison);
            }
        }
        if old.values().any(|sealed| sealed.hash().is_none()) {
            return Err(Incident::Row(user).into());
        }
        for (key, sealed) in new {
            let old = old.remove(&key);
            changes.write_entry(key, old.as_ref(), sealed);
        }
        for (key, sealed) in old {
            changes.remove_entry(&key, &sealed);
        }
        Ok(changes)
    }

    /// What is filed under nobody belongs to no one's rows: each such event is only read once more.
    fn retry_nobody(&self, view: &View, left_out: &BTreeSet<Sequence>) -> Result<Changes, FoldFailure> {
        let mut changes = Changes::default();
        for poison in view.parked().into_iter().filter(|poison| poison.user == UserRef::NOBODY) {
            let event = self.runtime.block_on(self.log.get(poison.sequence));
            let Some(event) = event.map_err(|_| FoldFailure::Unavailable)? else { continue };
            let reads = match self.runtime.block_on(open(&event, &self.keys)) {
                Ok(_) => true,
                Err(OpenFailure::Unavailable) => return Err(FoldFailure::Unavailable),
                Err(OpenFailure::Poison(_)) => false,
            };
            if reads || left_out.contains(&poison.sequence) {
                changes.release(UserRef::NOBODY, Some(poison.sequence));
            }
        }
        Ok(changes)
    }

    async fn refold_user(
        &self,
        user: UserRef,
        last: Sequence,
        left_out: &BTreeSet<Sequence>,
    ) -> Result<Refolded, FoldFailure> {
        let mut refolded = Refolded::default();
        let mut from = ScanFrom::Sequence(1);
        loop {
            let events = self.log.scan(from, Some(&user)).await.map_err(|_| FoldFailure::Unavailable)?;
            let Some(end) = events.last() else { return Ok(refolded) };
            from = ScanFrom::Sequence(end.sequence().get() + 1);
            for event in events {
                if event.sequence() > last {
                    return Ok(refolded);
                }
                if left_out.contains(&event.sequence()) {
                    continue;
                }
                match open(&event, &self.keys).await {
                    Ok(None | Some(Opened::Discard(_))) => {}
                    Ok(Some(Opened::Summary(event))) => {
                        let before = refolded.rows.remove(&event.summary.date).map(|(row, _)| row);
                        let (row, _) = fold(before, &event.summary, event.origin);
                        refolded.rows.insert(event.summary.date, (row, event.key));
                    }
                    Ok(Some(Opened::Device(event))) => {
                        let key = DeviceKey { user, device: event.device };
                        let before = refolded.devices.remove(&key).map(|(device, _)| device);
                        let (device, _) = device::fold(before, event.change, event.head.time);
                        refolded.devices.insert(key, (device, event.key));
                    }
                    Err(OpenFailure::Unavailable) => return Err(FoldFailure::Unavailable),
                    Err(OpenFailure::Poison(poison)) => {
                        refolded.poison = Some(poison);
                        return Ok(refolded);
                    }
                }
            }
        }
    }
}
