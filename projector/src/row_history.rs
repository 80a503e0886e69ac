//! A row's past, from the log: its events folded once more, with what became of each value.
//!
//! The view keeps no record per event: its writes are what every rebuild waits for. What is asked per event is read
//! from the log, where one user's events are a subject of their own.

use std::collections::BTreeMap;

use aggregates::row::Row;
use aggregates::{EventMetadata, fold, history_event};
use events::{Log, RecordedEvent};
use jetstream::ScanFrom;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use keys::UserRef;
use schemas::{EventId, HistoryEvent, Sequence, Summary};

use crate::decrypt::{DecryptError, EventDecryptor};
use crate::decrypted_event::FoldableEvent;
use crate::view::View;
use crate::view_entry::row::value_origin;

/// Events of a user that one question may read.
const SCANNED_EVENTS_MAX: usize = 20_000;
/// Opening is work for a processor: after so many events others have their turn.
const YIELD_EVENTS: usize = 32;
/// How far an event's own time may be from when it was stored: the widest timestamp window, and some time on the way.
const ID_TIME_SLACK: SignedDuration = SignedDuration::from_secs(900);

/// Why the past can't be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error(transparent)]
    Decrypt(#[from] DecryptError),
    #[error("the log can't be read")]
    Log(#[from] events::LogError),
    #[error("more events than can be told at once")]
    TooManyEvents,
}

/// The events of one row from `first` to `last`, and the row they make; what is left out of the view is left out here,
/// and what waits is where it ends.
pub(crate) async fn replay_row(
    log: &Log,
    opener: &EventDecryptor,
    view: &View,
    user: &UserRef,
    date: Date,
    first: Sequence,
    last: Sequence,
) -> Result<(Vec<HistoryEvent>, Option<Row>), ReplayError> {
    let mut events = Vec::new();
    let mut row = None;
    let left_out = view.discarded_events();
    let waits_from = view.parked_event_of(user).map(|poison| poison.sequence);
    let mut scan = UserEventScan::new(log, user, ScanFrom::Sequence(first.get()));
    while let Some(recorded) = scan.next().await? {
        if recorded.sequence() > last || waits_from == Some(recorded.sequence()) {
            break;
        }
        if left_out.iter().any(|discarded| discarded.sequence == recorded.sequence()) {
            continue;
        }
        let summary = opener.decrypt(&recorded).await?.and_then(FoldableEvent::into_summary);
        let Some((event, summary)) = summary.filter(|(_, summary)| summary.date == date) else { continue };
        let (folded, outcome) = fold(row, &summary, value_origin(&summary, &event));
        events.push(history_event(&summary, event.event_id, event.sequence, event.time, &folded, outcome));
        row = Some(folded);
    }
    Ok((events, row))
}

/// A user's rows from the events up to `last`; what is left out later was not left out yet.
pub(crate) async fn replay_rows(
    log: &Log,
    opener: &EventDecryptor,
    view: &View,
    user: &UserRef,
    last: Sequence,
) -> Result<BTreeMap<Date, Row>, ReplayError> {
    let left_out: Vec<_> =
        view.discarded_events().into_iter().filter(|discarded| discarded.discarded_by <= last).collect();
    let mut rows: BTreeMap<Date, Row> = BTreeMap::new();
    let mut scan = UserEventScan::new(log, user, ScanFrom::Sequence(1));
    while let Some(recorded) = scan.next().await?.filter(|recorded| recorded.sequence() <= last) {
        if left_out.iter().any(|discarded| discarded.sequence == recorded.sequence()) {
            continue;
        }
        let opened = match opener.decrypt(&recorded).await {
            Ok(opened) => opened.and_then(FoldableEvent::into_summary),
            // From here on the user's events waited.
            Err(DecryptError::Poison(_)) => break,
            Err(failure @ DecryptError::Unavailable) => return Err(failure.into()),
        };
        let Some((event, summary)) = opened else { continue };
        let before = rows.remove(&summary.date);
        let (row, _) = fold(before, &summary, value_origin(&summary, &event));
        rows.insert(summary.date, row);
    }
    Ok(rows)
}

/// A summary of this user by its event's name, opened.
pub(crate) async fn find_summary(
    log: &Log,
    opener: &EventDecryptor,
    user: &UserRef,
    id: EventId,
) -> Result<Option<(EventMetadata, Summary)>, ReplayError> {
    let Some(recorded) = find_event(log, user, id).await? else { return Ok(None) };
    Ok(opener.decrypt(&recorded).await?.and_then(FoldableEvent::into_summary))
}

/// An event of this user by its name, if there is one. The time inside the name says where to look; what was received
/// much later is not it. A log that came out of a backup was stored anew, but its events keep when they were received.
pub(crate) async fn find_event(
    log: &Log,
    user: &UserRef,
    id: EventId,
) -> Result<Option<RecordedEvent>, ReplayError> {
    let Ok(time) = i64::try_from(id.unix_ms())
        .map_err(drop)
        .and_then(|ms| Timestamp::from_millisecond(ms).map_err(drop))
    else {
        return Ok(None);
    };
    let from = time.saturating_sub(ID_TIME_SLACK).unwrap_or(Timestamp::MIN);
    let until = time.saturating_add(ID_TIME_SLACK).unwrap_or(Timestamp::MAX);
    let mut scan = UserEventScan::new(log, user, ScanFrom::Time(from));
    while let Some(recorded) = scan.next().await? {
        let Ok(head) = recorded.header() else { continue };
        if head.time > until {
            break;
        }
        if head.id == id {
            return Ok(Some(recorded));
        }
    }
    Ok(None)
}

/// A user's events one after the other, read in batches, at most so many.
struct UserEventScan<'l> {
    log: &'l Log,
    user: &'l UserRef,
    from: Option<ScanFrom>,
    batch: std::vec::IntoIter<RecordedEvent>,
    scanned: usize,
    yielded: usize,
}

impl<'l> UserEventScan<'l> {
    fn new(log: &'l Log, user: &'l UserRef, from: ScanFrom) -> Self {
        Self { log, user, from: Some(from), batch: Vec::new().into_iter(), scanned: 0, yielded: 0 }
    }

    async fn next(&mut self) -> Result<Option<RecordedEvent>, ReplayError> {
        self.yielded += 1;
        if self.yielded.is_multiple_of(YIELD_EVENTS) {
            tokio::task::yield_now().await;
        }
        if self.batch.len() == 0 {
            let Some(from) = self.from else { return Ok(None) };
            let batch = self.log.scan(from, Some(self.user)).await?;
            self.from = batch.last().map(|last| ScanFrom::Sequence(last.sequence().get() + 1));
            self.scanned += batch.len();
            if self.scanned > SCANNED_EVENTS_MAX {
                return Err(ReplayError::TooManyEvents);
            }
            self.batch = batch.into_iter();
        }
        Ok(self.batch.next())
    }
}
